/**
 * The order of operations on shared memory, which no result on one thread can show: the commit word is stored last,
 * what is announced is announced before it is looked for, what takes a claim away does so last.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WorkerHandle } from "../../src/pool/worker_handle.ts";
import { ChannelConsumer, ChannelProducer } from "../../src/ring/channel.ts";
import {
  ARMED,
  CHANNEL_DESCRIPTORS,
  createChannelBuffers,
  DESCRIPTOR_WORDS,
  SEAT_STOP,
  seatCell,
} from "../../src/ring/layout.ts";
import { Doorbell, Parking, Waker } from "../../src/ring/parking.ts";
import { Claim, RequestConsumer } from "../../src/ring/request_consumer.ts";
import { RequestProducer } from "../../src/ring/request_producer.ts";
import { Outbox } from "../../src/worker/outbox.ts";
import { channelNames, record, ringNames } from "./recording_atomics.ts";
import { claimAndDie, isIntact, push, ringAt } from "./rings.ts";

test("A request is published by its state, last of all it consists of", () => {
  const ring = ringAt(0, 2, 64);
  const slots = new Int32Array(ring.slots);
  const producer = new RequestProducer(ring);
  producer.reserve(8);
  const log = record(ringNames(ring), () => producer.commit(3, 77, 8), (operation) => {
    assert.deepEqual([...slots.subarray(1, 5)], [3, 77, 0, 8], `all is written at "${operation}"`);
  });
  assert.deepEqual(log, ["store state"]);
});

test("A request is claimed, head moved, the bytes copied, current set, stop read, the claim released", () => {
  const ring = ringAt(0, 2, 64);
  const producer = new RequestProducer(ring);
  const consumer = new RequestConsumer(ring, 1);
  push(producer, 77);
  const intact: boolean[] = [];
  const log = record(ringNames(ring), () => assert.equal(consumer.claim(), Claim.Taken), () => {
    intact.push(isIntact(consumer, 8));
  });
  assert.deepEqual(log, [
    "load head",
    "load state",
    "compareExchange state",
    "compareExchange head",
    "store current",
    "load stop",
    "compareExchange state",
  ]);
  assert.equal(intact.at(-1), true, "before the release the copy is complete");
});

test("A thread that sees stop touches nothing more", () => {
  const ring = ringAt(0, 2, 64);
  push(new RequestProducer(ring), 77);
  new Int32Array(ring.seats)[seatCell(1) + SEAT_STOP] = 1;
  const consumer = new RequestConsumer(ring, 1);
  const log = record(ringNames(ring), () => assert.equal(consumer.claim(), Claim.Dead));
  assert.deepEqual(log.slice(-2), ["store current", "load stop"]);
});

test("A consumer without a cell writes none", () => {
  const ring = ringAt(0, 2, 64);
  push(new RequestProducer(ring), 77);
  const log = record(ringNames(ring), () => new RequestConsumer(ring, 1, false).claim());
  assert.deepEqual(log.slice(2), ["compareExchange state", "compareExchange head", "compareExchange state"]);
});

test("A repair moves head before it gives the slot back", () => {
  const ring = ringAt(0, 1, 64);
  const producer = new RequestProducer(ring);
  push(producer, 77);
  claimAndDie(ring, 0, 2, false);
  const log = record(ringNames(ring), () => producer.repair(2, () => undefined));
  assert.deepEqual(log, ["load state", "compareExchange head", "compareExchange state"]);
});

test("A record of a channel is published by tail, last of all", () => {
  const channel = createChannelBuffers(2, 32);
  const words = new Int32Array(channel.words);
  const producer = new ChannelProducer(channel);
  producer.reserve(8);
  const log = record(channelNames(channel), () => producer.commit(1, 2, 3, 8, 5, 6), () => {
    const descriptor = words.subarray(CHANNEL_DESCRIPTORS, CHANNEL_DESCRIPTORS + DESCRIPTOR_WORDS);
    assert.deepEqual([...descriptor], [1, 2, 3, 0, 8, 5, 6, 8]);
  });
  assert.deepEqual(log, ["store tail"]);
});

test("A channel's room is given back bytes first, so that a free descriptor has its bytes", () => {
  const channel = createChannelBuffers(2, 32);
  const producer = new ChannelProducer(channel);
  const consumer = new ChannelConsumer(channel);
  for (let i = 0; i < 2; i++) {
    producer.reserve(8);
    producer.commit(1, 2, 3, 8, 5, 6);
  }
  const log = record(channelNames(channel), () => {
    while (consumer.next());
    consumer.release();
  });
  assert.deepEqual(log, ["load tail", "load tail", "store byte head", "store head"]);
});

test("A sleeper sets its futex before its bit, and takes them back the other way round", () => {
  const ring = ringAt(0, 1, 8);
  const parking = new Parking(ring, 0);
  const names = ringNames(ring);
  assert.deepEqual(record(names, () => parking.announce()), ["store futex", "or sleepers"]);
  assert.deepEqual(record(names, () => parking.cancel()), ["and sleepers", "store futex"]);
});

test("A waker takes the bit before it touches the futex, and notifies last", () => {
  const ring = ringAt(0, 1, 8);
  const parking = new Parking(ring, 0);
  const waker = new Waker(ring);
  const names = ringNames(ring);
  parking.announce();
  assert.deepEqual(record(names, () => waker.wake(1)).slice(-3), [
    "and sleepers",
    "store futex",
    "notify futex",
  ]);
  parking.announce();
  const bySeat = record(names, () => waker.wakeSeat(0));
  assert.deepEqual(bySeat, ["load futex", "and sleepers", "store futex", "notify futex"]);
});

test("An answer is published, marked, and only then rung for", () => {
  const ring = ringAt(0, 1, 8);
  const channel = createChannelBuffers(2, 32);
  const outbox = new Outbox(ring, 0, channel);
  const names = new Map([...ringNames(ring), ...channelNames(channel)]);
  new Int32Array(ring.control)[ARMED] = 1;
  const log = record(names, () => {
    outbox.response(5, new Uint8Array(3), 3);
    outbox.ring();
  });
  assert.deepEqual(log, [
    "store tail",
    "load dirty",
    "or dirty",
    "load armed",
    "exchange armed",
    "add doorbell",
    "notify doorbell",
  ]);
});

test("A bell that nobody waits for costs one load", () => {
  const ring = ringAt(0, 1, 8);
  const doorbell = new Doorbell(ring, 0);
  assert.deepEqual(record(ringNames(ring), () => doorbell.ring()), ["load armed"]);
});

test("Whoever is declared dead is stopped first, and then woken from what he waits for", () => {
  const ring = ringAt(0, 1, 8);
  const [inbox, outbox] = [createChannelBuffers(1, 8), createChannelBuffers(1, 8)];
  const handle = new WorkerHandle(ring, 0, inbox, outbox, new Waker(ring), { now: 0 });
  const log = record(ringNames(ring), () => handle.forbid());
  assert.equal(log[0], "store stop");
  assert.ok(log.indexOf("notify starved") > log.indexOf("store starved"));
});

test("Room in a full inbox is looked for again after the announcement that somebody waits for it", () => {
  const ring = ringAt(0, 1, 8);
  const [inbox, outbox] = [createChannelBuffers(1, 8), createChannelBuffers(1, 8)];
  const handle = new WorkerHandle(ring, 0, inbox, outbox, new Waker(ring), { now: 0 });
  const names = new Map([...ringNames(ring), ...channelNames(inbox)]);
  handle.send(1, 2, 3, null);
  const log = record(names, () => handle.send(1, 2, 3, null));
  assert.deepEqual(log.slice(0, 4), ["load head", "store backlog", "load head", "store backlog"]);
});
