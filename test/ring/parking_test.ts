/**
 * Announcing, waking, ringing: what each step leaves in shared memory, on one thread.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ARMED,
  createSharedRing,
  dirtyWord,
  DOORBELL,
  MAX_SEATS,
  SEAT_FUTEX,
  SEAT_PENDING,
  seatBit,
  seatCell,
  type SharedRing,
  sleepersWord,
} from "../../src/ring/layout.ts";
import { Doorbell, Parking, Waker } from "../../src/ring/parking.ts";

/** A promise of `waitAsync` does not keep the event loop alive: this one does. */
async function alive(promise: unknown): Promise<unknown> {
  const timer = setInterval(() => undefined, 1_000);
  try {
    return await promise;
  } finally {
    clearInterval(timer);
  }
}

class Words {
  readonly ring: SharedRing;
  readonly #control: Int32Array;
  readonly #seats: Int32Array;

  constructor(seats: number) {
    this.ring = createSharedRing(1, 8, seats);
    this.#control = new Int32Array(this.ring.control);
    this.#seats = new Int32Array(this.ring.seats);
  }

  /** Seats whose bit is set in the sleepers' bitmap. */
  get sleepers(): number[] {
    return this.#bits(sleepersWord);
  }

  get dirty(): number[] {
    return this.#bits(dirtyWord);
  }

  futex(seat: number): number {
    return this.#seats[seatCell(seat) + SEAT_FUTEX] ?? -1;
  }

  setPending(seat: number, count: number): void {
    this.#seats[seatCell(seat) + SEAT_PENDING] = count;
  }

  get armed(): number {
    return this.#control[ARMED] ?? -1;
  }

  arm(): void {
    this.#control[ARMED] = 1;
  }

  get rings(): number {
    return this.#control[DOORBELL] ?? -1;
  }

  /** Somebody sleeps on the futex of a seat: resolves when he is woken. */
  sleepOn(seat: number): Promise<unknown> {
    return alive(Atomics.waitAsync(this.#seats, seatCell(seat) + SEAT_FUTEX, 1).value);
  }

  #bits(wordOf: (seat: number) => number): number[] {
    const seats = Array.from({ length: MAX_SEATS }, (_, seat) => seat);
    return seats.filter((seat) => ((this.#control[wordOf(seat)] ?? 0) & seatBit(seat)) !== 0);
  }
}

test("An announcement shows the seat as a sleeper, and taking it back leaves nothing", () => {
  const words = new Words(40);
  for (const seat of [0, 31, 32, 39]) {
    const parking = new Parking(words.ring, seat);
    parking.announce();
    assert.deepEqual(words.sleepers, [seat]);
    assert.equal(words.futex(seat), 1);
    parking.cancel();
    assert.deepEqual(words.sleepers, []);
    assert.equal(words.futex(seat), 0);
  }
});

test("A private announcement does not offer the seat for requests", () => {
  const words = new Words(2);
  const waker = new Waker(words.ring);
  const parking = new Parking(words.ring, 1);
  parking.announcePrivately();
  assert.deepEqual(words.sleepers, []);
  assert.equal(waker.wake(1), 0);
  assert.equal(words.futex(1), 1);
  waker.wakeSeat(1);
  assert.equal(words.futex(1), 0);
});

test("The lowest seats are woken first, and no more than asked for", () => {
  const words = new Words(80);
  const waker = new Waker(words.ring);
  for (const seat of [70, 33, 2, 31, 5]) new Parking(words.ring, seat).announce();
  assert.equal(waker.countSleepers(), 5);
  assert.equal(waker.wake(2), 2);
  assert.deepEqual(words.sleepers, [31, 33, 70]);
  assert.deepEqual([2, 5, 31].map((seat) => words.futex(seat)), [0, 0, 1]);
  assert.equal(waker.wake(9), 3);
  assert.deepEqual(words.sleepers, []);
  assert.equal(waker.wake(1), 0);
  assert.equal(waker.countSleepers(), 0);
});

test("Threads without async handlers are woken before those that have some", () => {
  const words = new Words(40);
  const waker = new Waker(words.ring);
  for (const seat of [0, 1, 35, 36]) new Parking(words.ring, seat).announce();
  words.setPending(0, 3);
  words.setPending(35, 1);
  assert.equal(waker.wake(1), 1);
  assert.deepEqual(words.sleepers, [0, 35, 36]);
  assert.ok(waker.wakeIdle());
  assert.deepEqual(words.sleepers, [0, 35]);
  assert.ok(!waker.wakeIdle(), "the others have something to do");
  assert.deepEqual(words.sleepers, [0, 35]);
  assert.equal(waker.wake(1), 1);
  assert.deepEqual(words.sleepers, [35]);
});

test("Waking a seat takes its announcement, and leaves one that is awake alone", () => {
  const words = new Words(4);
  const waker = new Waker(words.ring);
  new Parking(words.ring, 1).announce();
  new Parking(words.ring, 2).announce();
  waker.wakeSeat(3);
  waker.wakeSeat(2);
  assert.deepEqual(words.sleepers, [1]);
  assert.equal(words.futex(2), 0);
  assert.equal(words.futex(1), 1);
});

test("A dead seat is forgotten, and whoever still sleeps there wakes", async () => {
  const words = new Words(4);
  const waker = new Waker(words.ring);
  new Parking(words.ring, 1).announce();
  const sleeper = words.sleepOn(1);
  waker.forgetSeat(1);
  assert.equal(await sleeper, "ok");
  assert.deepEqual(words.sleepers, []);
  // Behind a bit that a thread set when it was dead already:
  assert.equal(waker.wake(1), 0);
});

test("A parked thread is woken by each of the three ways to wake it", async () => {
  const words = new Words(2);
  const waker = new Waker(words.ring);
  const parking = new Parking(words.ring, 0);
  const ways = [() => waker.wake(1), () => waker.wakeSeat(0), () => waker.forgetSeat(0)];
  for (const wake of ways) {
    parking.announce();
    const sleep = parking.park();
    assert.ok(sleep !== undefined);
    wake();
    assert.equal(await alive(sleep), "ok");
    parking.cancel();
  }
});

test("A thread that was woken between its announcement and its sleep does not sleep", () => {
  const words = new Words(2);
  const parking = new Parking(words.ring, 0);
  parking.announce();
  assert.equal(new Waker(words.ring).wake(1), 1);
  assert.equal(parking.park(), undefined);
  // It would not return otherwise.
  parking.block(Infinity);
});

test("The doorbell rings once for each time it is armed", () => {
  const words = new Words(40);
  const first = new Doorbell(words.ring, 3);
  const second = new Doorbell(words.ring, 35);
  first.mark();
  first.mark();
  first.ring();
  assert.deepEqual(words.dirty, [3]);
  assert.equal(words.rings, 0, "nobody waits for it");
  words.arm();
  second.mark();
  second.ring();
  assert.deepEqual(words.dirty, [3, 35]);
  assert.equal(words.armed, 0);
  assert.equal(words.rings, 1);
  first.ring();
  assert.equal(words.rings, 1, "it was heard");
});

test("The bell wakes who waits for it", async () => {
  const words = new Words(1);
  const control = new Int32Array(words.ring.control);
  const wait = Atomics.waitAsync(control, DOORBELL, 0);
  words.arm();
  new Doorbell(words.ring, 0).ring();
  assert.equal(await alive(wait.value), "ok");
});
