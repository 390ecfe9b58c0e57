/**
 * Tickets: which number stands for which piece of work while it is with the workers.
 * Runs on: I/O thread; runtime API: none
 *
 * A ticket is `generation << 16 | index`, never 0. It is retired only when nobody can say it any more: the worker
 * has said Done, or was declared dead (its outbox is never read again), or nobody ever claimed it. So a late record
 * cannot meet a stranger; the generation is there to prove it in tests and to make a reading of `current` exact.
 */

import type { BodyFeed } from "./body_feed.ts";

/** The I/O thread's line to one worker. */
export interface WorkerLink {
  /** Says something to this worker, in order; never fails, never blocks, and has no use for `bytes` afterwards. */
  send(kind: number, ticket: number, a: number, bytes: Uint8Array | null, connection?: number): void;
  /** Octets that wait on this side because the inbox is full. */
  readonly backlogBytes: number;
}

/** Work that is with the workers under a ticket. */
export abstract class Ticketed {
  ticket = 0;
  /** The worker that is known to hold it (async, or reading its body); null while it waits or runs synchronously. */
  worker: WorkerLink | null = null;
  /** When it was put into the ring, ms on the server's clock. */
  dispatchedAt = 0;
  /** When it last made progress that counts against the deadline, ms on the server's clock. */
  movedAt = 0;
  /** The deadline in force, ms; 0 = none. */
  deadlineMs = 0;

  /** Whether a decision that the deadline guards is still due, be its client there or gone. */
  abstract get isGuarded(): boolean;
  /** Whether its next step is the client's, who has octets of the response still to take. */
  get waitsForClient(): boolean {
    return false;
  }
  /** Whether its next step is the client's, who has octets of the request still to send. */
  get waitsForContent(): boolean {
    return false;
  }
  /** Content that the worker may pull. */
  body: BodyFeed | null = null;
  /** Whether the I/O thread has answered because of the deadline, so that its thread may be taken away. */
  isOverdue = false;

  /** A worker says that it holds it. */
  abstract takenBy(worker: WorkerLink, now: number): void;
  /** Its worker died. */
  abstract lost(): void;
  /** It overran its deadline. */
  abstract overdue(): void;
  /** It waited for a worker for too long. */
  abstract shed(): void;
}

const INDEX_MASK = 0xffff;

/** Gives out tickets. */
export class TicketTable {
  readonly #items: (Ticketed | null)[];
  readonly #generations: Uint16Array;
  /** Free indices, first in first out, so that a number rests as long as possible. */
  readonly #free: Uint16Array;
  #freeHead = 0;
  #freeCount: number;

  /** @param capacity most pieces of work at a time; at most 65,536 */
  constructor(capacity: number) {
    this.#items = new Array<Ticketed | null>(capacity).fill(null);
    this.#generations = new Uint16Array(capacity);
    this.#free = new Uint16Array(capacity);
    for (let index = 0; index < capacity; index++) this.#free[index] = index;
    this.#freeCount = capacity;
  }

  /** Tickets that can still be given out. */
  get free(): number {
    return this.#freeCount;
  }

  /** Tickets in use. */
  get used(): number {
    return this.#items.length - this.#freeCount;
  }

  /** Gives an item a ticket; the caller has seen that `free > 0`. */
  issue(item: Ticketed): void {
    const index = this.#free[this.#freeHead] ?? 0;
    this.#freeHead = (this.#freeHead + 1) % this.#free.length;
    this.#freeCount--;
    // 1 .. 65,535: a ticket is never 0.
    const generation = ((this.#generations[index] ?? 0) % 0xffff) + 1;
    this.#generations[index] = generation;
    this.#items[index] = item;
    item.ticket = (generation << 16) | index;
  }

  /** The item of a ticket; null when the ticket is retired. */
  find(ticket: number): Ticketed | null {
    const item = this.#items[ticket & INDEX_MASK] ?? null;
    return item !== null && item.ticket === ticket ? item : null;
  }

  /** Ends a ticket. */
  retire(item: Ticketed): void {
    const index = item.ticket & INDEX_MASK;
    if (this.#items[index] !== item) return;
    this.#items[index] = null;
    item.ticket = 0;
    this.#free[(this.#freeHead + this.#freeCount) % this.#free.length] = index;
    this.#freeCount++;
  }

  /** Calls back for every item in use; the callback may retire the item it is given. */
  forEach(callback: (item: Ticketed) => void): void {
    if (this.used === 0) return;
    for (const item of this.#items) if (item !== null) callback(item);
  }
}
