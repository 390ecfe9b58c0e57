/**
 * Owner tags: who is dead, who lives, and of whom nothing is known.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { platform } from "node:process";
import { test } from "node:test";
import { createSharedRing, resetSeat, SEAT_STOP, seatCell, type SharedRing } from "../../src/ring/layout.ts";
import { ThreadLog } from "../../src/logging/logger.ts";
import { ownerState, ownerTag } from "../../src/upload/owner_tag.ts";
import { setWorkerContext } from "../../src/worker/context.ts";
import { ThreadLife } from "../../src/worker/thread_life.ts";

/** Lets this thread be the next one of a seat; returns its tag. */
function becomeThread(ring: SharedRing, seat: number): string {
  resetSeat(ring, seat);
  const log = new ThreadLog("test", () => undefined, "error");
  setWorkerContext({ log, seat, life: new ThreadLife(ring, seat), port: null });
  return ownerTag();
}

test("An owner is one part of a file name, and short enough for one", () => {
  assert.match(ownerTag(), /^[0-9a-z_-]{20,110}$/);
});

test("Nothing is known of what is no owner, or of one of elsewhere", () => {
  for (const tag of ["", "new", "1-2-3", ownerTag().replace(/-[0-9a-f]{12}-/, "-0123456789ab-")]) {
    assert.equal(ownerState(tag), "unknown", tag);
  }
});

test("A process that is not there is gone, and so is an earlier one of the same number", {
  skip: platform !== "linux" && "only Linux tells when a process began",
}, () => {
  const tag = ownerTag();
  assert.equal(ownerState(tag.replace(/^\d+/, String(0x7ffffff0))), "gone");
  assert.equal(ownerState(tag.replace(/^(\d+)-\d+/, "$1-1")), "gone");
  assert.equal(ownerState(tag.replace(/^\d+-\d+/, "1-1")), "gone");
});

test("Of another live process nobody knows whether its thread lives", () => {
  assert.equal(ownerState(ownerTag().replace(/^\d+-\d*/, "1-")), "unknown");
});

test("A thread of the server lives until it is declared dead, or another has its seat", () => {
  const ring = createSharedRing(1, 8, 3);
  const first = becomeThread(ring, 1);
  const second = becomeThread(ring, 2);
  assert.notEqual(first, second);
  assert.deepEqual([first, second].map(ownerState), ["alive", "alive"]);
  Atomics.store(new Int32Array(ring.seats), seatCell(1) + SEAT_STOP, 1);
  assert.deepEqual([first, second].map(ownerState), ["gone", "alive"]);
  const third = becomeThread(ring, 1);
  assert.deepEqual([first, second, third].map(ownerState), ["gone", "alive", "alive"]);
  const elsewhere = becomeThread(createSharedRing(1, 8, 3), 1);
  assert.deepEqual([first, second, third, elsewhere].map(ownerState), [
    "unknown",
    "unknown",
    "unknown",
    "alive",
  ]);
});
