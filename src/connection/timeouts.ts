/**
 * One timer wheel for everything that can take too long.
 * Runs on: I/O thread; runtime API: none
 *
 * Cheap for what nearly never fires: `dueAt` of an entry may be moved later at any time by a plain assignment, and
 * the wheel finds out when the old slot comes round. Only a move to an earlier time needs `schedule`.
 * Resolution: one tick. A due time is never early. While the thread turns it is at most about two ticks late: what was
 * due at a tick fires at the next one. In between the thread has read what clients had sent, so that a standstill of
 * the thread itself (garbage, a busy machine) is not taken for the silence of its clients.
 */

/** The length of a tick, ms. */
export const TICK_MS = 20;

const SLOTS = 4096;

/** What lies in the wheel; empty once its entry is over. */
export interface Filing {
  entry: Timed | null;
}

/** Something with a due time. */
export interface Timed {
  /** When, ms on the server's clock; Infinity: never. */
  dueAt: number;
  /** The wheel's own: the tick under which it is filed, or -1. */
  filedAt: number;
  /** The wheel's own: what is filed of it, so that it can be forgotten; null at first. */
  filing: Filing | null;
  /** The time has come. It may set a new `dueAt` and schedule itself. */
  onDue(now: number): void;
}

/** The wheel. */
export class Timeouts {
  readonly #slots: Filing[][] = Array.from({ length: SLOTS }, () => []);
  #tick: number;
  #count = 0;

  /** @param now the server's clock, ms */
  constructor(now: number) {
    this.#tick = Math.floor(now / TICK_MS);
  }

  /** Entries in the wheel. */
  get size(): number {
    return this.#count;
  }

  /** Files an entry under its due time. Call it when `dueAt` became earlier, or was Infinity. */
  schedule(entry: Timed): void {
    if (entry.dueAt === Infinity) return;
    // Beyond one turn of the wheel it is filed at the far end and comes round again.
    const wanted = Math.ceil(entry.dueAt / TICK_MS);
    const tick = Math.min(Math.max(wanted, this.#tick + 1), this.#tick + SLOTS - 1);
    if (entry.filedAt !== -1 && entry.filedAt <= tick) return;
    // An older filing under a later tick is emptied.
    if (entry.filing !== null) entry.filing.entry = null;
    entry.filedAt = tick;
    const filing = { entry };
    entry.filing = filing;
    this.#slots[tick % SLOTS]?.push(filing);
    this.#count++;
  }

  /** Forgets an entry that is over. What is filed under a later tick holds nothing of it any more. */
  cancel(entry: Timed): void {
    entry.dueAt = Infinity;
    entry.filedAt = -1;
    if (entry.filing !== null) entry.filing.entry = null;
    entry.filing = null;
  }

  /**
   * Fires what was due at a time, and still is.
   *
   * @param until when it must have been due, at most `now`
   */
  advance(now: number, until: number = now): void {
    const target = Math.floor(until / TICK_MS);
    while (this.#tick < target) {
      this.#tick++;
      const slot = this.#slots[this.#tick % SLOTS];
      if (slot === undefined || slot.length === 0) continue;
      const entries = slot.splice(0, slot.length);
      this.#count -= entries.length;
      for (const { entry } of entries) {
        if (entry === null || entry.filedAt !== this.#tick) continue;
        entry.filedAt = -1;
        entry.filing = null;
        if (entry.dueAt > until) this.schedule(entry);
        else entry.onDue(now);
      }
    }
  }
}
