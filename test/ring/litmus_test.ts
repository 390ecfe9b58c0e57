/**
 * Tables of outcomes: what a few threads can see of the rings, over all interleavings of the production code. What is
 * not in a table is forbidden; what is in it must occur, so that a table cannot grow stale.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { outcomesOf, type Registers } from "./model/litmus.ts";
import { SteppingAtomics, type Steps } from "./model/machine.ts";
import type { ConsumerSide, ProducerSide } from "./model/sides.ts";
import { loadModelCode } from "./model/sources.ts";

const code = await loadModelCode();
const { layout } = code;
const CLAIMS = ["empty", "taken", "dead"];

function* push(producer: ProducerSide, ticket: number): Steps<void> {
  const at = yield* producer.reserve(8);
  if (at < 0) throw new Error("full");
  producer.data.fill(ticket, at, at + 8);
  yield* producer.commit(1, ticket, 8);
}

/** Claims once and notes what came: the ticket, or torn, empty, dead. */
function* claim(consumer: ConsumerSide, seen: Registers, name: string): Steps<void> {
  const claimed = yield* consumer.claim();
  const { bytes, start, length, ticket } = consumer;
  const octets = new Set(bytes.subarray(start, start + length));
  const isWhole = length === 8 && octets.size === 1 && octets.has(ticket);
  seen[name] = claimed !== 1 ? CLAIMS[claimed] ?? "?" : isWhole ? ticket : "torn";
}

test("A request is seen whole or not at all", () => {
  const outcomes = outcomesOf((seen) => {
    const ring = layout.createSharedRing(2, 64, 2);
    return [push(new code.RequestProducer(ring), 7), claim(new code.RequestConsumer(ring, 0), seen, "a")];
  });
  assert.deepEqual(outcomes, ["a=7", "a=empty"]);
});

test("A request is taken by one of two threads at most", () => {
  const outcomes = outcomesOf((seen) => {
    const ring = layout.createSharedRing(2, 64, 2);
    return [
      push(new code.RequestProducer(ring), 7),
      claim(new code.RequestConsumer(ring, 0), seen, "a"),
      claim(new code.RequestConsumer(ring, 1), seen, "b"),
    ];
  });
  assert.deepEqual(outcomes, ["a=7 b=empty", "a=empty b=7", "a=empty b=empty"]);
});

test("Of two requests nobody takes the second before the first", () => {
  const outcomes = outcomesOf((seen) => {
    const ring = layout.createSharedRing(2, 64, 2);
    const producer = new code.RequestProducer(ring);
    const pushBoth = function* (): Steps<void> {
      yield* push(producer, 1);
      yield* push(producer, 2);
    };
    return [
      pushBoth(),
      claim(new code.RequestConsumer(ring, 0), seen, "a"),
      claim(new code.RequestConsumer(ring, 1), seen, "b"),
    ];
  }, 3);
  // Whoever has the second, the other has the first.
  assert.deepEqual(outcomes, [
    "a=1 b=2",
    "a=1 b=empty",
    "a=2 b=1",
    "a=empty b=1",
    "a=empty b=empty",
  ]);
});

test("A slot is used again only when its request was copied", () => {
  const outcomes = outcomesOf((seen) => {
    const ring = layout.createSharedRing(1, 8, 1);
    const producer = new code.RequestProducer(ring);
    const pushTwice = function* (): Steps<void> {
      yield* push(producer, 1);
      const at = yield* producer.reserve(8);
      seen["second"] = at < 0 ? "full" : "fits";
      if (at < 0) return;
      producer.data.fill(2, at, at + 8);
      yield* producer.commit(1, 2, 8);
    };
    return [pushTwice(), claim(new code.RequestConsumer(ring, 0), seen, "a")];
  });
  assert.deepEqual(outcomes, ["a=1 second=fits", "a=1 second=full", "a=empty second=full"]);
});

test("A request of a thread that is declared dead is run or repaired, never both", () => {
  const outcomes = outcomesOf((seen) => {
    const ring = layout.createSharedRing(2, 64, 1);
    const seats = new Int32Array(ring.seats);
    const producer = new code.RequestProducer(ring);
    const burying = function* (): Steps<void> {
      yield* push(producer, 7);
      seen["repaired"] = "no";
      yield SteppingAtomics.store(seats, layout.seatCell(0) + layout.SEAT_STOP, 1);
      yield* producer.repair(0, () => seen["repaired"] = "yes");
      const current = yield SteppingAtomics.load(seats, layout.seatCell(0) + layout.SEAT_CURRENT);
      seen["current"] = current as number;
    };
    return [burying(), claim(new code.RequestConsumer(ring, 0), seen, "a")];
  });
  assert.deepEqual(
    outcomes,
    [
      // It never came so far, or it came late and left its claim to the timer.
      "a=empty current=0 repaired=no",
      "a=dead current=0 repaired=no",
      "a=dead current=7 repaired=no",
      // Its claim was taken away.
      "a=dead current=0 repaired=yes",
      "a=dead current=7 repaired=yes",
      // It runs the request, and the I/O thread knows.
      "a=7 current=7 repaired=no",
    ].sort(),
  );
});

test("A record of a channel is seen whole or not at all", () => {
  const outcomes = outcomesOf((seen) => {
    const channel = layout.createChannelBuffers(2, 32);
    const producer = new code.ChannelProducer(channel);
    const consumer = new code.ChannelConsumer(channel);
    const saying = function* (): Steps<void> {
      const at = yield* producer.reserve(4);
      producer.bytes.fill(9, at, at + 4);
      yield* producer.commit(9, 9, 9, 4, 9, 9);
    };
    const hearing = function* (): Steps<void> {
      if (!(yield* consumer.next())) {
        seen["a"] = "none";
        return;
      }
      const { kind, ticket, length, offset, bytes } = consumer;
      const isWhole = kind === 9 && ticket === 9 && length === 4 &&
        bytes.subarray(offset, offset + 4).every((octet) => octet === 9);
      seen["a"] = isWhole ? "whole" : "torn";
    };
    return [saying(), hearing()];
  });
  assert.deepEqual(outcomes, ["a=none", "a=whole"]);
});

test("A thread that goes to sleep sees the request, or is seen by who pushed it", () => {
  const outcomes = outcomesOf((seen) => {
    const ring = layout.createSharedRing(2, 64, 1);
    const consumer = new code.RequestConsumer(ring, 0);
    const parking = new code.Parking(ring, 0);
    const producer = new code.RequestProducer(ring);
    const waker = new code.Waker(ring);
    const sleeping = function* (): Steps<void> {
      yield* parking.announce();
      if (yield* consumer.hasWork()) seen["a"] = "stays";
      else {
        yield* parking.block(Infinity);
        seen["a"] = "wakes";
      }
      yield* parking.cancel();
    };
    const pushing = function* (): Steps<void> {
      yield* push(producer, 7);
      seen["woken"] = yield* waker.wake(1);
    };
    return [sleeping(), pushing()];
  });
  // Never `p0=sleeps`. A wake-up that was not needed does no harm.
  assert.deepEqual(outcomes, ["a=stays woken=0", "a=stays woken=1", "a=wakes woken=1"]);
});
