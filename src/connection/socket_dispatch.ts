/**
 * A batch of events of one WebSocket while it is with the workers.
 * Runs on: I/O thread; runtime API: none
 *
 * At most one batch of a socket is with the workers at a time: that makes its events serial and ordered, whatever
 * thread runs them. When the thread of a batch dies, what it had finished is known (`SocketProgress`); the event that
 * it was running counts as handled, because it may have been (each message at most once), and is reported in an error
 * event; what it had not begun goes to another thread. A thread says that it goes on to an event before it looks
 * whether it was declared dead, and only then runs it; the I/O thread declares first and listens for the last time
 * afterwards. So one that goes on all the same (Deno cannot stop it) runs nothing that was given to another.
 *
 * An event whose promise does not settle after its client has left is given up in the same way, but by its thread
 * itself, which says how far it was: a promise that settles in that very moment is then no event twice.
 */
import type { BatchResult, SocketEventRecord } from "../messages/socket_message.ts";
import { BodyFeed } from "./body_feed.ts";
import { Ticketed, type WorkerLink } from "./tickets.ts";

/** Who gets the batch back. */
export interface BatchOwner {
  /** A worker is through with it. */
  batchDone(batch: SocketDispatch, result: BatchResult): void;
  /** The thread died while it ran the event at `finished`; those behind it were not begun. */
  batchLost(batch: SocketDispatch): void;
  /** The thread gave the event at `finished` up; those behind it were not begun. */
  batchGivenUp(batch: SocketDispatch): void;
  /** No thread took it: it goes to the end of the queue again. */
  batchReturned(batch: SocketDispatch): void;
}

/** A batch. */
export class SocketDispatch extends Ticketed {
  readonly owner: BatchOwner;
  readonly events: readonly SocketEventRecord[];
  /** Events that are known to be through. */
  finished = 0;
  /** The connection's data after those, if they changed it. */
  data: Uint8Array | null = null;
  /** Its thread has said that an event awaits. */
  isTaken = false;
  /** Its thread was asked to give the event up. */
  isGivenUp = false;

  constructor(owner: BatchOwner, events: readonly SocketEventRecord[], streamed: Uint8Array | null) {
    super();
    this.owner = owner;
    this.events = events;
    if (streamed !== null) {
      // A large event goes through the inbox.
      this.body = new BodyFeed();
      this.body.push(streamed);
      this.body.end([]);
    }
  }

  override get isGuarded(): boolean {
    // Events have no deadline: a game loop may run in one.
    return false;
  }
  override takenBy(worker: WorkerLink, now: number): void {
    this.worker = worker;
    this.movedAt = now;
    this.isTaken = true;
  }
  override lost(): void {
    this.owner.batchLost(this);
  }
  override overdue(): void {
    // Never guarded, never overdue.
  }
  override shed(): void {
    this.owner.batchReturned(this);
  }
}
