/**
 * One worker, held from the I/O thread: its thread, its seat, its two channels.
 * Runs on: I/O thread; runtime API: none
 *
 * A handle belongs to one life of one thread. Its channels are never given to another: a thread that was declared dead
 * may go on writing, and what it writes then is read by nobody.
 */
import type { Worker } from "node:worker_threads";
import type { AttachedWorker } from "../connection/io_thread.ts";
import { AbortReason, InboxKind } from "../messages/kind.ts";
import { ChannelConsumer, ChannelProducer } from "../ring/channel.ts";
import {
  type ChannelBuffers,
  SEAT_BACKLOG,
  SEAT_CURRENT,
  SEAT_LEFT,
  SEAT_PENDING,
  SEAT_STARVED,
  SEAT_STOP,
  seatCell,
  type SharedRing,
} from "../ring/layout.ts";
import type { Waker } from "../ring/parking.ts";

/** Where a worker is in its life. */
export const WorkerState = {
  /** Loading the app. */
  Starting: 0,
  Ready: 1,
  /** Told to finish and leave. */
  Leaving: 2,
  /** Declared dead, or gone. */
  Dead: 3,
} as const;
export type WorkerState = typeof WorkerState[keyof typeof WorkerState];

interface Waiting {
  readonly kind: number;
  readonly ticket: number;
  readonly a: number;
  readonly bytes: Uint8Array | null;
  readonly connection: number;
}

/** A worker. */
export class WorkerHandle implements AttachedWorker {
  readonly seat: number;
  readonly outbox: ChannelConsumer;
  state: WorkerState = WorkerState.Starting;
  /** When it was last heard of, ms on the server's clock. */
  activeAt: number;
  /** What `current` said when it was looked at last, and since when it has said so. */
  currentSeen = 0;
  currentSince = 0;
  currentDeadlineMs = 0;
  /** Since when an abort for a missed deadline waits to be read; 0: none does. */
  abortedAt = 0;
  backlogBytes = 0;
  openStreams = 0;
  /** A send or publish that comes in several records, so far. */
  readonly assembly: Uint8Array[] = [];
  /** It was busy when it was declared dead: it may go on. */
  isZombie = false;
  /** The runtime says that the thread has ended. */
  hasExited = false;
  thread: Worker | null = null;
  readonly #inbox: ChannelProducer;
  readonly #seats: Int32Array;
  readonly #cell: number;
  readonly #waker: Waker;
  #backlog: Waiting[] = [];
  readonly #clock: { readonly now: number };

  constructor(
    ring: SharedRing,
    seat: number,
    inbox: ChannelBuffers,
    outbox: ChannelBuffers,
    waker: Waker,
    clock: { readonly now: number },
  ) {
    this.seat = seat;
    this.outbox = new ChannelConsumer(outbox);
    this.#inbox = new ChannelProducer(inbox);
    this.#seats = new Int32Array(ring.seats);
    this.#cell = seatCell(seat);
    this.#waker = waker;
    this.#clock = clock;
    this.activeAt = clock.now;
  }

  send(kind: number, ticket: number, a: number, bytes: Uint8Array | null, connection = 0): void {
    if (this.state === WorkerState.Dead) return;
    if (kind === InboxKind.Abort && a === AbortReason.Deadline && this.abortedAt === 0) {
      this.abortedAt = this.#clock.now;
    }
    if (this.#backlog.length > 0 || !this.#put(kind, ticket, a, bytes, connection)) {
      // The bytes are the caller's.
      this.#backlog.push({ kind, ticket, a, bytes: bytes?.slice() ?? null, connection });
      this.backlogBytes += bytes?.length ?? 0;
      Atomics.store(this.#seats, this.#cell + SEAT_BACKLOG, 1);
      // The worker may have made room before it could see the word.
      this.#flushBacklog();
    }
    this.#waker.wakeSeat(this.seat);
  }

  afterDrain(): void {
    this.activeAt = this.#clock.now;
    if (Atomics.load(this.#seats, this.#cell + SEAT_STARVED) !== 0) {
      Atomics.store(this.#seats, this.#cell + SEAT_STARVED, 0);
      Atomics.notify(this.#seats, this.#cell + SEAT_STARVED);
    }
    if (this.#backlog.length > 0) {
      this.#flushBacklog();
      this.#waker.wakeSeat(this.seat);
    }
  }

  #flushBacklog(): void {
    let sent = 0;
    for (const { kind, ticket, a, bytes, connection } of this.#backlog) {
      if (!this.#put(kind, ticket, a, bytes, connection)) break;
      this.backlogBytes -= bytes?.length ?? 0;
      sent++;
    }
    if (sent > 0) this.#backlog.splice(0, sent);
    if (this.#backlog.length > 0) Atomics.store(this.#seats, this.#cell + SEAT_BACKLOG, 1);
  }

  #put(kind: number, ticket: number, a: number, bytes: Uint8Array | null, connection: number): boolean {
    const length = bytes?.length ?? 0;
    const at = this.#inbox.reserve(length);
    if (at < 0) return false;
    if (bytes !== null) this.#inbox.bytes.set(bytes, at);
    this.#inbox.commit(kind, ticket, connection, length, a, 0);
    return true;
  }

  /** The worker has read everything that was sent. */
  get hasReadAll(): boolean {
    return this.#backlog.length === 0 && this.#inbox.isDrained();
  }

  /** The ticket of what it runs synchronously; 0: nothing. */
  get current(): number {
    return Atomics.load(this.#seats, this.#cell + SEAT_CURRENT);
  }

  /** Its requests whose handlers await. */
  get pending(): number {
    return Atomics.load(this.#seats, this.#cell + SEAT_PENDING);
  }

  /** Its loop is over: it will touch nothing shared any more. */
  get hasLeft(): boolean {
    return Atomics.load(this.#seats, this.#cell + SEAT_LEFT) !== 0;
  }

  /** The first step of declaring it dead: from now on it runs nothing new. */
  forbid(): void {
    Atomics.store(this.#seats, this.#cell + SEAT_STOP, 1);
    // Wakes it from every wait of ours, so that it sees the word.
    Atomics.store(this.#seats, this.#cell + SEAT_STARVED, 0);
    Atomics.notify(this.#seats, this.#cell + SEAT_STARVED);
  }
}
