/**
 * Sleep and wake, in both directions.
 * Runs on: any; runtime API: none
 *
 * Towards the workers. A worker that finds nothing to do announces (futex = 1, then its bit in `sleepers`), looks
 * again, and only then waits on its futex. Whoever publishes work looks at the announcements afterwards. As all
 * atomics are sequentially consistent, either the worker's second look sees the work, or the publisher's look sees
 * the announcement; both missing each other would need each read to come before the other's write: a cycle.
 * The bit is taken by an atomic AND, so one waker gets one sleeper; the lowest seats first, which keeps few threads hot.
 *
 * A waker may be right and its sleeper wrong: the woken thread may die, or may be called away by its inbox. Hence two
 * rules elsewhere: the supervisor wakes another when a thread dies, and a timer wakes one more when work stands still.
 *
 * Towards the I/O thread. It sleeps in its event loop with one `waitAsync` on `doorbell`. Before it does: armed = 1,
 * then it looks into all outboxes again. A worker publishes, then swaps `armed` for 0 and rings if it was 1. The same
 * argument holds. `waitAsync` is armed without a timeout (the timer of a timed one lives on until it expires).
 */
import {
  ARMED,
  dirtyWord,
  DOORBELL,
  MAX_SEATS,
  SEAT_FUTEX,
  SEAT_PENDING,
  seatBit,
  seatCell,
  type SharedRing,
  sleepersWord,
} from "./layout.ts";

/** Wakes sleeping workers; any thread may hold one. */
export class Waker {
  readonly #control: Int32Array;
  readonly #seats: Int32Array;
  readonly #words: number;

  constructor(ring: SharedRing) {
    this.#control = new Int32Array(ring.control);
    this.#seats = new Int32Array(ring.seats);
    this.#words = Math.ceil(Math.min(MAX_SEATS, ring.seats.byteLength / 4 / seatCell(1)) / 32);
  }

  /**
   * Wakes up to `count` sleepers, those without async handlers under way first.
   *
   * @returns how many were woken
   */
  wake(count: number): number {
    const woken = this.#sweep(count, true);
    return woken < count ? woken + this.#sweep(count - woken, false) : woken;
  }

  /** Wakes one sleeper that has no async handler under way. */
  wakeIdle(): boolean {
    return this.#sweep(1, true) === 1;
  }

  /** How many threads sleep or are about to. Racy. */
  countSleepers(): number {
    let count = 0;
    for (let word = 0; word < this.#words; word++) {
      let bits = Atomics.load(this.#control, sleepersWord(word << 5));
      for (; bits !== 0; bits &= bits - 1) count++;
    }
    return count;
  }

  /** Wakes this very worker if it sleeps, for news in its inbox. */
  wakeSeat(seat: number): void {
    const futex = seatCell(seat) + SEAT_FUTEX;
    if (Atomics.load(this.#seats, futex) === 0) return;
    Atomics.and(this.#control, sleepersWord(seat), ~seatBit(seat));
    Atomics.store(this.#seats, futex, 0);
    Atomics.notify(this.#seats, futex);
  }

  /** Forgets a dead worker's announcement, and wakes it in case it goes on: it shall see `stop`. */
  forgetSeat(seat: number): void {
    Atomics.and(this.#control, sleepersWord(seat), ~seatBit(seat));
    Atomics.store(this.#seats, seatCell(seat) + SEAT_FUTEX, 0);
    Atomics.notify(this.#seats, seatCell(seat) + SEAT_FUTEX);
  }

  #sweep(count: number, idleOnly: boolean): number {
    let woken = 0;
    for (let word = 0; word < this.#words && woken < count; word++) {
      const at = sleepersWord(word << 5);
      let bits = Atomics.load(this.#control, at);
      while (bits !== 0 && woken < count) {
        const bit = bits & -bits;
        bits &= ~bit;
        const cell = seatCell((word << 5) + 31 - Math.clz32(bit));
        if (idleOnly && Atomics.load(this.#seats, cell + SEAT_PENDING) !== 0) continue;
        if ((Atomics.and(this.#control, at, ~bit) & bit) === 0) continue;
        Atomics.store(this.#seats, cell + SEAT_FUTEX, 0);
        Atomics.notify(this.#seats, cell + SEAT_FUTEX);
        woken++;
      }
    }
    return woken;
  }
}

/** A worker's own side of sleeping. One per worker. */
export class Parking {
  readonly #control: Int32Array;
  readonly #seats: Int32Array;
  readonly #futex: number;
  readonly #word: number;
  readonly #bit: number;

  constructor(ring: SharedRing, seat: number) {
    this.#control = new Int32Array(ring.control);
    this.#seats = new Int32Array(ring.seats);
    this.#futex = seatCell(seat) + SEAT_FUTEX;
    this.#word = sleepersWord(seat);
    this.#bit = seatBit(seat);
  }

  /** Announces that this thread is about to sleep; look for work again before `block` or `park`. */
  announce(): void {
    Atomics.store(this.#seats, this.#futex, 1);
    Atomics.or(this.#control, this.#word, this.#bit);
  }

  /** The same without offering itself for requests: only news in the inbox wakes. */
  announcePrivately(): void {
    Atomics.store(this.#seats, this.#futex, 1);
  }

  /** Takes the announcement back; call it after every wake and every change of mind. */
  cancel(): void {
    Atomics.and(this.#control, this.#word, ~this.#bit);
    Atomics.store(this.#seats, this.#futex, 0);
  }

  /** Wakes this thread's own parked loop. */
  wakeSelf(): void {
    Atomics.store(this.#seats, this.#futex, 0);
    Atomics.notify(this.#seats, this.#futex);
  }

  /** Sleeps; the thread's event loop stands still. @param timeoutMs at most this long @returns whether it was woken */
  block(timeoutMs: number): boolean {
    return Atomics.wait(this.#seats, this.#futex, 1, timeoutMs) !== "timed-out";
  }

  /** Sleeps while the thread's event loop goes on; undefined: already woken. */
  park(): Promise<unknown> | undefined {
    const wait = Atomics.waitAsync(this.#seats, this.#futex, 1);
    return wait.async ? wait.value : undefined;
  }
}

/** A worker's bell at the I/O thread. One per worker. */
export class Doorbell {
  readonly #control: Int32Array;
  readonly #word: number;
  readonly #bit: number;

  constructor(ring: SharedRing, seat: number) {
    this.#control = new Int32Array(ring.control);
    this.#word = dirtyWord(seat);
    this.#bit = seatBit(seat);
  }

  /** Marks the outbox as having news. After each publish, before `ring`. */
  mark(): void {
    if ((Atomics.load(this.#control, this.#word) & this.#bit) === 0) {
      Atomics.or(this.#control, this.#word, this.#bit);
    }
  }

  /** Wakes the I/O thread if it sleeps. */
  ring(): void {
    if (Atomics.load(this.#control, ARMED) === 1 && Atomics.exchange(this.#control, ARMED, 0) === 1) {
      Atomics.add(this.#control, DOORBELL, 1);
      Atomics.notify(this.#control, DOORBELL);
    }
  }
}
