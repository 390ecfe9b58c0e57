/**
 * Thread lives: one word for one thread, and whether that one lives.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createSharedRing, resetSeat, SEAT_STOP, seatCell } from "../../src/ring/layout.ts";
import { ThreadLife } from "../../src/worker/thread_life.ts";

test("Each thread of a server has a name of its own, also in a seat that was used before", () => {
  const ring = createSharedRing(1, 8, 2);
  const names = new Set<string>();
  for (const seat of [0, 1, 0, 0, 1]) {
    resetSeat(ring, seat);
    names.add(new ThreadLife(ring, seat).name);
  }
  assert.equal(names.size, 5);
  for (const name of names) assert.match(name, /^[0-9a-f]+_\d+_\d+$/);
});

test("A thread lives until it is declared dead; what is no name of a thread of this server is not known", () => {
  const ring = createSharedRing(1, 8, 2);
  resetSeat(ring, 0);
  resetSeat(ring, 1);
  const [first, second] = [new ThreadLife(ring, 0), new ThreadLife(ring, 1)];
  assert.deepEqual([first.isAlive(first.name), first.isAlive(second.name)], [true, true]);
  Atomics.store(new Int32Array(ring.seats), seatCell(1) + SEAT_STOP, 1);
  assert.deepEqual([first.isAlive(first.name), first.isAlive(second.name)], [true, false]);
  resetSeat(ring, 1);
  assert.equal(first.isAlive(second.name), false);
  const stranger = new ThreadLife(createSharedRing(1, 8, 2), 0);
  for (const name of [stranger.name, "0", ""]) assert.equal(first.isAlive(name), undefined, name);
});
