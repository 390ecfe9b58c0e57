/**
 * The layout: nothing overlaps, everything is aligned, neighbours keep their distance.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as layout from "../../src/ring/layout.ts";

const CACHE_LINE_PAIR = 128;

test("Control words have a pair of cache lines each, from the first to the last seat", () => {
  const { HEAD, DOORBELL, ARMED, SERVICE, CLOCK } = layout;
  const words = new Set([HEAD, DOORBELL, ARMED, SERVICE, CLOCK]);
  assert.equal(words.size, 5);
  for (let seat = 0; seat <= layout.IO_SEAT; seat++) {
    words.add(layout.sleepersWord(seat));
    words.add(layout.dirtyWord(seat));
  }
  assert.equal(words.size, 5 + 2 * 32, "32 seats share a word of each bitmap, and no word means two things");
  const size = layout.createSharedRing(1, 8, 1).control.byteLength;
  for (const word of words) {
    assert.equal(word * 4 % CACHE_LINE_PAIR, 0, `word ${word}`);
    assert.ok(word * 4 + CACHE_LINE_PAIR <= size, `word ${word} lies within the ${size} bytes`);
  }
});

test("Every seat has a bit of its own in both bitmaps", () => {
  const bits = new Set<string>();
  for (let seat = 0; seat < layout.MAX_SEATS; seat++) {
    const bit = layout.seatBit(seat);
    assert.ok(bit !== 0 && (bit & (bit - 1)) === 0, `seat ${seat} has one bit`);
    bits.add(`${layout.sleepersWord(seat)} ${bit}`);
    bits.add(`${layout.dirtyWord(seat)} ${bit}`);
  }
  assert.equal(bits.size, 2 * layout.MAX_SEATS);
});

test("Seats have a pair of cache lines each, and their fields are distinct and inside", () => {
  const fields = Object.entries(layout).filter(([name]) => name.startsWith("SEAT_")).map(([, at]) =>
    at as number
  );
  assert.equal(fields.length, 8);
  assert.equal(new Set(fields).size, fields.length);
  const cell = layout.seatCell(1) - layout.seatCell(0);
  assert.equal(cell * 4, CACHE_LINE_PAIR);
  for (const field of fields) assert.ok(field >= 0 && field < cell);
  for (const seats of [1, 7, layout.MAX_SEATS]) {
    assert.equal(layout.createSharedRing(1, 8, seats).seats.byteLength, seats * CACHE_LINE_PAIR);
  }
});

test("A slot's fields are distinct and inside, and a slot lies within one cache line", () => {
  const { SLOT_STATE, SLOT_KIND, SLOT_TICKET, SLOT_OFFSET, SLOT_LENGTH, SLOT_WORDS } = layout;
  const fields = [SLOT_STATE, SLOT_KIND, SLOT_TICKET, SLOT_OFFSET, SLOT_LENGTH];
  assert.equal(new Set(fields).size, fields.length);
  for (const field of fields) assert.ok(field >= 0 && field < SLOT_WORDS);
  assert.equal(64 % (SLOT_WORDS * 4), 0);
});

test("A channel's two sides keep their distance, and descriptors lie behind them", () => {
  const { CHANNEL_TAIL, CHANNEL_HEAD, CHANNEL_BYTE_HEAD, CHANNEL_DESCRIPTORS, DESCRIPTOR_WORDS } = layout;
  // One thread writes tail, the other both heads.
  assert.ok((CHANNEL_HEAD - CHANNEL_TAIL) * 4 >= CACHE_LINE_PAIR);
  assert.ok((CHANNEL_BYTE_HEAD - CHANNEL_TAIL) * 4 >= CACHE_LINE_PAIR);
  assert.notEqual(CHANNEL_HEAD, CHANNEL_BYTE_HEAD);
  assert.ok((CHANNEL_DESCRIPTORS - CHANNEL_BYTE_HEAD) * 4 >= CACHE_LINE_PAIR - 4);
  assert.equal(CHANNEL_DESCRIPTORS * 4 % CACHE_LINE_PAIR, 0);
  const { words, bytes } = layout.createChannelBuffers(4, 64);
  assert.equal(words.byteLength, (CHANNEL_DESCRIPTORS + 4 * DESCRIPTOR_WORDS) * 4);
  assert.equal(bytes.byteLength, 64);
});

test("A slot's state says its position and code, for every seat, before and behind each wrap", () => {
  const seats = [0, 1, layout.MAX_SEATS - 1, layout.IO_SEAT];
  for (const position of [0, 1, 2 ** 20, 2 ** 22 - 1, 2 ** 22, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
    const free = layout.freeState(position);
    const ready = layout.readyState(position);
    const claims = seats.map((seat) => layout.claimedState(position, seat));
    assert.equal(new Set([free, ready, ...claims]).size, 2 + seats.length);
    for (const state of [free, ready, ...claims]) {
      assert.ok(layout.isAtPosition(state, position));
      // The position may come as it is, or as the 32-bit number that it is in shared memory.
      assert.ok(layout.isAtPosition(state, position | 0));
      for (const laps of [1, 2, 3]) {
        assert.ok(
          !layout.isAtPosition(state, position + laps * 2 ** 20),
          "other laps of the largest ring differ",
        );
      }
    }
    assert.deepEqual([free, ready, ...claims].map(layout.isReady), [false, true, ...seats.map(() => false)]);
    assert.deepEqual([free, ready, ...claims].map(layout.isClaimed), [
      false,
      false,
      ...seats.map(() => true),
    ]);
    assert.deepEqual(claims.map(layout.claimSeat), seats);
  }
});

test("A new ring has every slot free at its first position", () => {
  const slots = 8;
  const words = new Int32Array(layout.createSharedRing(slots, 64, 1).slots);
  for (let slot = 0; slot < slots; slot++) {
    assert.equal(words[slot * layout.SLOT_WORDS + layout.SLOT_STATE], layout.freeState(slot));
  }
});

test("Resetting a seat clears its cell and nobody else's, and counts its lives", () => {
  const ring = layout.createSharedRing(1, 8, 3);
  const seats = new Int32Array(ring.seats).fill(9);
  layout.resetSeat(ring, 1);
  const fields = Object.entries(layout).filter(([name]) => name.startsWith("SEAT_")).map(([, at]) =>
    at as number
  );
  for (const seat of [0, 1, 2]) {
    for (const field of fields) {
      const expected = seat !== 1 ? 9 : field === layout.SEAT_LIFE ? 10 : 0;
      assert.equal(seats[layout.seatCell(seat) + field], expected);
    }
  }
});
