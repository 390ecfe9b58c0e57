/**
 * One of many consumers: when it helps head along, when it leaves, and that its copies stay.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  claimedState,
  freeState,
  IO_SEAT,
  SEAT_CURRENT,
  SEAT_STOP,
  seatCell,
} from "../../src/ring/layout.ts";
import { Claim, RequestConsumer } from "../../src/ring/request_consumer.ts";
import { RequestProducer } from "../../src/ring/request_producer.ts";
import { claimAndDie, headOf, isIntact, push, ringAt, slotState } from "./rings.ts";

test("A consumer moves head past a claim whose owner did not, and takes the request behind it", () => {
  const ring = ringAt(0, 4, 256);
  const producer = new RequestProducer(ring);
  const consumer = new RequestConsumer(ring, 1);
  push(producer, 1);
  claimAndDie(ring, 0, 0, false);
  assert.ok(consumer.hasWork(), "head needs help");
  assert.equal(consumer.claim(), Claim.Empty);
  assert.equal(headOf(ring), 1);
  assert.ok(!consumer.hasWork());
  push(producer, 2);
  assert.equal(consumer.claim(), Claim.Taken);
  assert.equal(consumer.ticket, 2);
});

test("A consumer leaves head alone when the slot there is still claimed one lap behind", () => {
  const ring = ringAt(0, 2, 256);
  const producer = new RequestProducer(ring);
  const consumer = new RequestConsumer(ring, 1);
  push(producer, 1);
  push(producer, 2);
  claimAndDie(ring, 0, 0, true);
  assert.equal(consumer.claim(), Claim.Taken);
  assert.equal(headOf(ring), 2);
  assert.equal(consumer.claim(), Claim.Empty);
  assert.ok(!consumer.hasWork());
  assert.equal(headOf(ring), 2, "the request that will be put there is not passed over");
  assert.equal(producer.reserve(8), -1, "the ring is full");
});

test("A thread that finds itself declared dead leaves its claim to be repaired", () => {
  const ring = ringAt(0, 2, 256);
  const seats = new Int32Array(ring.seats);
  const producer = new RequestProducer(ring);
  const consumer = new RequestConsumer(ring, 3);
  push(producer, 41);
  seats[seatCell(3) + SEAT_STOP] = 1;
  assert.equal(consumer.claim(), Claim.Dead);
  assert.equal(seats[seatCell(3) + SEAT_CURRENT], 41);
  assert.equal(slotState(ring, 0), claimedState(0, 3));
  const lost: number[] = [];
  producer.repairOldest((seat) => seat === 3, (ticket) => lost.push(ticket));
  assert.deepEqual(lost, [41]);
  assert.equal(slotState(ring, 0), freeState(2));
});

test("The I/O thread claims as one more consumer, whom nobody declares dead", () => {
  const ring = ringAt(0, 2, 64, 1);
  const producer = new RequestProducer(ring);
  const shedder = new RequestConsumer(ring, IO_SEAT, false);
  push(producer, 5);
  assert.equal(shedder.peekTicket(), 5);
  assert.equal(shedder.claim(), Claim.Taken);
  assert.equal(shedder.ticket, 5);
  assert.ok(new Int32Array(ring.seats).every((word) => word === 0), "it has no cell to write to");
});

test("A consumer's copies stay as they are when the ring and the consumer go on", () => {
  const ring = ringAt(0, 4, 1 << 17);
  const producer = new RequestProducer(ring);
  const consumer = new RequestConsumer(ring, 0);
  const kept: { bytes: Uint8Array; start: number; length: number; copy: Uint8Array }[] = [];
  const lengths = [1, 7, 8, 4000, 30_000, 0, 32_000, 32_768, 13, 30_000, 20_000];
  lengths.forEach((length, ticket) => {
    assert.ok(push(producer, ticket + 1, length));
    assert.equal(consumer.claim(), Claim.Taken);
    assert.ok(isIntact(consumer, length));
    const { bytes, start } = consumer;
    assert.equal((bytes.byteOffset + start) % 8, 0, "tables in a record are read as words");
    kept.push({ bytes, start, length, copy: bytes.slice(start, start + length) });
  });
  for (const { bytes, start, length, copy } of kept) {
    assert.deepEqual(bytes.subarray(start, start + length), copy);
  }
});
