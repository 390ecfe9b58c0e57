/**
 * The request ring as a whole: room, order, wraps, repair. The consumer's own rules are in request_consumer_test.ts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { freeState, SLOT_STATE, SLOT_WORDS } from "../../src/ring/layout.ts";
import { Claim, RequestConsumer } from "../../src/ring/request_consumer.ts";
import { RequestProducer } from "../../src/ring/request_producer.ts";
import { fuzzCount, SeededRandom } from "../support/seeded_random.ts";
import { claimAndDie, headOf, isIntact, push, ringAt, slotState, STARTS } from "./rings.ts";

for (const start of STARTS) {
  test(`Requests come out in order and intact when positions begin at ${start}`, () => {
    const ring = ringAt(start, 4, 256);
    const producer = new RequestProducer(ring);
    const consumer = new RequestConsumer(ring, 2);
    assert.equal(consumer.claim(), Claim.Empty);
    let ticket = 0;
    let taken = 0;
    for (let round = 1; round <= 12; round++) {
      const count = round % 4 + 1;
      for (let i = 0; i < count; i++) assert.ok(push(producer, ++ticket, 8 + ticket % 5, 3));
      assert.equal(producer.waiting, count);
      assert.equal(producer.tail, (start + ticket) | 0);
      for (let i = 0; i < count; i++) {
        assert.ok(consumer.hasWork());
        assert.equal(consumer.peekTicket(), taken + 1);
        assert.equal(consumer.claim(), Claim.Taken);
        assert.equal(consumer.ticket, ++taken);
        assert.equal(consumer.kind, 3);
        assert.ok(isIntact(consumer, 8 + taken % 5));
      }
      assert.ok(!consumer.hasWork());
      assert.equal(consumer.peekTicket(), 0);
      assert.equal(consumer.claim(), Claim.Empty);
      assert.equal(producer.waiting, 0);
    }
  });

  test(`A full ring refuses, and takes one more for each that is released, from ${start}`, () => {
    const ring = ringAt(start, 4, 4096);
    const producer = new RequestProducer(ring);
    const consumer = new RequestConsumer(ring, 0);
    for (let ticket = 1; ticket <= 4; ticket++) assert.ok(push(producer, ticket));
    for (let ticket = 5; ticket <= 13; ticket++) {
      assert.equal(producer.reserve(8), -1);
      assert.equal(consumer.claim(), Claim.Taken);
      assert.equal(consumer.ticket, ticket - 4);
      assert.ok(push(producer, ticket));
    }
  });

  test(`Claims of a dead thread are taken away once, wherever it died, from ${start}`, () => {
    for (const movesHead of [false, true]) {
      const ring = ringAt(start, 4, 256);
      const producer = new RequestProducer(ring);
      const alive = new RequestConsumer(ring, 1);
      for (let ticket = 1; ticket <= 3; ticket++) push(producer, ticket);
      claimAndDie(ring, start, 0, movesHead);
      const lost: number[] = [];
      producer.repair(1, (ticket) => lost.push(ticket));
      assert.equal(lost.length, 0, "the claim of another seat is not touched");
      producer.repair(0, (ticket) => lost.push(ticket));
      producer.repair(0, (ticket) => lost.push(ticket));
      assert.deepEqual(lost, [1]);
      assert.equal(slotState(ring, start & 3), freeState(start + 4));
      assert.equal(headOf(ring), (start + 1) | 0);
      for (const ticket of [2, 3]) {
        assert.equal(alive.claim(), Claim.Taken);
        assert.equal(alive.ticket, ticket);
      }
      // The slot is as good as new.
      for (let ticket = 4; ticket <= 7; ticket++) assert.ok(push(producer, ticket));
    }
  });
}

test("Repairing the oldest takes away late claims, and stops at what waits and at the living", () => {
  const ring = ringAt(2 ** 32 - 2, 8, 256);
  const producer = new RequestProducer(ring);
  for (let ticket = 1; ticket <= 4; ticket++) push(producer, ticket);
  claimAndDie(ring, 2 ** 32 - 2, 0, true);
  claimAndDie(ring, 2 ** 32 - 1, 1, true);
  claimAndDie(ring, 2 ** 32, 2, true);
  const lost: number[] = [];
  producer.repairOldest((seat) => seat !== 1, (ticket) => lost.push(ticket));
  assert.deepEqual(lost, [1, 3]);
  producer.repairOldest(() => true, (ticket) => lost.push(ticket));
  assert.deepEqual(lost, [1, 3, 2]);
  const consumer = new RequestConsumer(ring, 3);
  assert.equal(consumer.claim(), Claim.Taken);
  assert.equal(consumer.ticket, 4);
  producer.repairOldest(() => true, () => assert.fail("there is nothing to repair"));
});

test("The callback of a repair may put a request into the ring", () => {
  const ring = ringAt(0, 2, 64);
  const producer = new RequestProducer(ring);
  push(producer, 1);
  push(producer, 2);
  claimAndDie(ring, 0, 0, true);
  claimAndDie(ring, 1, 0, true);
  const lost: number[] = [];
  producer.repair(0, (ticket) => {
    lost.push(ticket);
    assert.ok(push(producer, 10 + ticket));
  });
  assert.deepEqual(lost, [1, 2]);
  const consumer = new RequestConsumer(ring, 1);
  for (const ticket of [11, 12]) {
    assert.equal(consumer.claim(), Claim.Taken);
    assert.equal(consumer.ticket, ticket);
    assert.ok(isIntact(consumer, 8));
  }
});

test("A record's bytes are contiguous, and a record that does not fit before the end begins at 0", () => {
  const ring = ringAt(0, 8, 64);
  const producer = new RequestProducer(ring);
  const consumer = new RequestConsumer(ring, 0);
  assert.equal(producer.reserve(16), 0);
  producer.commit(1, 1, 16);
  assert.equal(producer.reserve(16), 16);
  producer.commit(1, 2, 16);
  assert.equal(producer.reserve(16), 32);
  producer.commit(1, 3, 12);
  assert.equal(producer.reserve(24), -1, "20 octets are left, and those at 0 are in use");
  assert.equal(consumer.claim(), Claim.Taken);
  assert.equal(producer.reserve(24), -1, "16 octets at 0 are too few");
  assert.equal(consumer.claim(), Claim.Taken);
  assert.equal(producer.reserve(24), 0);
});

test("Bytes are given back in the order of the requests, not in that of their release", () => {
  const ring = ringAt(0, 4, 64);
  const producer = new RequestProducer(ring);
  for (const ticket of [1, 2, 3]) assert.ok(push(producer, ticket, 16));
  claimAndDie(ring, 0, 0, true);
  const other = new RequestConsumer(ring, 1);
  assert.equal(other.claim(), Claim.Taken);
  assert.equal(other.ticket, 2);
  assert.ok(push(producer, 4, 16));
  // Octets 0..15 belong to the dead thread's claim, 16..31 lie behind them.
  assert.equal(producer.reserve(16), -1);
  producer.repair(0, () => undefined);
  assert.equal(producer.reserve(16), 0);
});

test("Bytes of requests that wait are not given back when the ring went round since the last look", () => {
  // The producer looks for free bytes when it runs out of them, and once per tick; in between the ring may go round.
  const ring = ringAt(0, 4, 64);
  const producer = new RequestProducer(ring);
  const consumer = new RequestConsumer(ring, 0);
  for (let ticket = 1; ticket <= 4; ticket++) assert.ok(push(producer, ticket, 8));
  assert.equal(consumer.claim(), Claim.Taken);
  assert.ok(push(producer, 5, 16));
  producer.repairOldest(() => false, () => undefined);
  assert.equal(consumer.claim(), Claim.Taken);
  // Requests 3, 4 and 5 wait, with octets 16..47; 16 are left behind them and 16 before.
  assert.ok(push(producer, 6, 16));
  assert.equal(consumer.claim(), Claim.Taken);
  const at = producer.reserve(32);
  assert.ok(at < 0 || at + 32 <= 24, `octets ${at}.. are in use`);
  for (const ticket of [4, 5, 6]) {
    assert.equal(consumer.claim(), Claim.Taken);
    assert.equal(consumer.ticket, ticket);
    assert.ok(isIntact(consumer, ticket === 4 ? 8 : 16));
  }
});

test("Byte positions go on beyond 2^32", () => {
  const length = 1 << 20;
  const ring = ringAt(0, 8, length * 4);
  const producer = new RequestProducer(ring);
  const words = new Int32Array(ring.slots);
  for (let position = 0; position < 5000; position++) {
    assert.equal(producer.reserve(length), position * length % (length * 4));
    producer.commit(1, 1, length);
    words[(position & 7) * SLOT_WORDS + SLOT_STATE] = freeState(position + 8);
  }
});

test("Nothing is lost, doubled or torn in random histories of several consumers, deaths and repairs", () => {
  const random = new SeededRandom();
  for (let round = 0; round < fuzzCount(200); round++) {
    const slots = 1 << random.below(5);
    const start = (random.pick(STARTS) + random.below(8)) >>> 0;
    const ring = ringAt(start, slots, 256, 64);
    const producer = new RequestProducer(ring);
    const waiting: { ticket: number; length: number }[] = [];
    const stuck = new Map<number, number>();
    let ticket = 0;
    let seat = 0;
    let position = start;
    let consumer = new RequestConsumer(ring, seat);
    let pushes = 0;
    let limit = 0;
    for (let step = 0; step < 300; step++) {
      if (step % 20 === 0) {
        // At times slots run out, at times bytes do, at times nothing.
        pushes = random.pick([2, 5, 7]);
        limit = random.pick([3, 17, 65]);
      }
      const roll = random.below(10);
      if (roll < pushes) {
        const length = random.below(limit);
        const fits = push(producer, ++ticket, length);
        if (fits) waiting.push({ ticket, length });
        assert.ok(
          fits || waiting.length > 0 || stuck.size > 0,
          `round ${round}: an empty ring refuses ${length} octets`,
        );
      } else if (roll < 8) {
        const next = waiting.shift();
        assert.equal(consumer.claim(), next === undefined ? Claim.Empty : Claim.Taken);
        if (next === undefined) continue;
        position++;
        assert.equal(consumer.ticket, next.ticket);
        assert.ok(
          isIntact(consumer, next.length),
          `round ${round}, step ${step}: request ${next.ticket} is torn`,
        );
      } else if (roll === 8 && waiting.length > 0 && seat < 60) {
        const next = waiting.shift();
        claimAndDie(ring, position, seat, random.below(2) === 0);
        stuck.set(seat, next?.ticket ?? 0);
        position++;
        consumer = new RequestConsumer(ring, ++seat);
      } else if (roll === 9) {
        const [first] = stuck;
        if (first !== undefined && random.below(2) === 0) {
          const lost: number[] = [];
          producer.repair(first[0], (lostTicket) => lost.push(lostTicket));
          assert.deepEqual(lost, [first[1]]);
          stuck.delete(first[0]);
        } else producer.repairOldest(() => false, () => assert.fail("nobody was declared dead"));
      }
    }
    producer.repairOldest(() => true, (lostTicket) => {
      assert.ok([...stuck.values()].includes(lostTicket));
    });
    for (const { ticket: expected, length } of waiting) {
      assert.equal(consumer.claim(), Claim.Taken);
      assert.equal(consumer.ticket, expected);
      assert.ok(isIntact(consumer, length));
    }
    for (let i = 0; i < slots; i++) assert.ok(push(producer, ++ticket, 1), `round ${round}: a slot is lost`);
    assert.equal(producer.reserve(1), -1);
  }
});
