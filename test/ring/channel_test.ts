/**
 * A channel: its producer and its consumer, on one thread.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChannelConsumer, ChannelProducer } from "../../src/ring/channel.ts";
import { createChannelBuffers } from "../../src/ring/layout.ts";
import { fuzzCount, SeededRandom } from "../support/seeded_random.ts";
import { channelAt, octetOf } from "./rings.ts";

/** Says something of `length` octets; false: full. */
function say(producer: ChannelProducer, ticket: number, length: number): boolean {
  const at = producer.reserve(length);
  if (at < 0) return false;
  producer.bytes.fill(octetOf(ticket), at, at + length);
  producer.commit(ticket + 1, ticket, ticket + 2, length, ticket + 3, ticket + 4);
  return true;
}

/** Reads a record that `say` wrote; undefined: there is none. */
function hear(consumer: ChannelConsumer, length: number): number | undefined {
  if (!consumer.next()) return undefined;
  const { kind, ticket, connection, a, b, offset, bytes } = consumer;
  assert.deepEqual([kind, connection, a, b], [ticket + 1, ticket + 2, ticket + 3, ticket + 4]);
  assert.equal(consumer.length, length);
  assert.ok(bytes.subarray(offset, offset + length).every((octet) => octet === octetOf(ticket)));
  return ticket;
}

// Positions of descriptors and of bytes wrap at different times.
for (
  const [start, byteStart] of [[0, 0], [2 ** 31 - 3, 2 ** 32 - 40], [2 ** 32 - 3, 2 ** 31 - 40]] as const
) {
  test(`Records come out in order and whole when positions begin at ${start} and ${byteStart}`, () => {
    const buffers = channelAt(start, byteStart, 4, 128);
    const producer = new ChannelProducer(buffers);
    const consumer = new ChannelConsumer(buffers);
    assert.ok(producer.isDrained());
    assert.ok(!consumer.hasWork());
    let said = 0;
    let heard = 0;
    for (let round = 1; round <= 20; round++) {
      const count = round % 4 + 1;
      for (let i = 0; i < count; i++) assert.ok(say(producer, ++said, said % 17), `record ${said} fits`);
      assert.ok(consumer.hasWork());
      assert.ok(!producer.isDrained());
      for (let i = 0; i < count; i++) assert.equal(hear(consumer, (heard + 1) % 17), ++heard);
      assert.equal(hear(consumer, 0), undefined);
      assert.ok(!consumer.hasWork());
      assert.ok(!producer.isDrained(), "what was read is not given back yet");
      assert.ok(consumer.release());
      assert.ok(!consumer.release(), "there is nothing to give back twice");
      assert.ok(producer.isDrained());
    }
  });

  test(`A channel is full when its descriptors or its bytes are, from ${start} and ${byteStart}`, () => {
    const buffers = channelAt(start, byteStart, 4, 128);
    const producer = new ChannelProducer(buffers);
    const consumer = new ChannelConsumer(buffers);
    for (let ticket = 1; ticket <= 4; ticket++) assert.ok(say(producer, ticket, 0));
    assert.equal(producer.reserve(0), -1, "four descriptors are all");
    assert.equal(hear(consumer, 0), 1);
    assert.equal(producer.reserve(0), -1, "read is not released");
    consumer.release();
    assert.ok(say(producer, 5, 0));
    assert.equal(producer.reserve(0), -1);
    while (consumer.next());
    consumer.release();

    assert.ok(say(producer, 6, 64));
    assert.equal(producer.reserve(65), -1, "not even where the bytes begin anew is there room");
    assert.equal(hear(consumer, 64), 6);
    consumer.release();
    assert.ok(say(producer, 7, 64));
  });
}

test("The bytes of consecutive records are adjacent", () => {
  const buffers = createChannelBuffers(8, 64);
  const producer = new ChannelProducer(buffers);
  const consumer = new ChannelConsumer(buffers);
  for (const length of [5, 0, 7, 20]) say(producer, length, length);
  let end = 0;
  for (const length of [5, 0, 7, 20]) {
    assert.equal(hear(consumer, length), length);
    assert.equal(consumer.offset, end);
    end += length;
  }
});

test("A record that does not fit before the end of the bytes begins at 0", () => {
  const buffers = createChannelBuffers(8, 64);
  const producer = new ChannelProducer(buffers);
  const consumer = new ChannelConsumer(buffers);
  say(producer, 1, 30);
  say(producer, 2, 20);
  assert.equal(producer.reserve(20), -1);
  assert.equal(hear(consumer, 30), 1);
  consumer.release();
  assert.equal(producer.reserve(20), 0);
  assert.equal(
    producer.reserve(14),
    50,
    "what is reserved may be reserved anew, and a shorter one still fits",
  );
  assert.ok(say(producer, 3, 20));
  assert.equal(hear(consumer, 20), 2);
  assert.equal(hear(consumer, 20), 3);
  assert.equal(consumer.offset, 0);
  consumer.release();
  assert.equal(producer.reserve(32), 20, "the 14 octets that were left out came back");
});

test("The longest record fits into an empty channel wherever its positions are, and no longer one does", () => {
  for (let at = 0; at < 64; at++) {
    const producer = new ChannelProducer(channelAt(0, at, 2, 64));
    assert.equal(producer.maxLength, 32);
    assert.ok(producer.reserve(32) >= 0, `at ${at}`);
  }
  assert.equal(new ChannelProducer(channelAt(0, 32, 2, 64)).reserve(33), -1);
});

test("What was reserved and not committed was never said", () => {
  const buffers = createChannelBuffers(2, 64);
  const producer = new ChannelProducer(buffers);
  const consumer = new ChannelConsumer(buffers);
  producer.bytes.fill(1, producer.reserve(32), 32);
  assert.ok(!consumer.hasWork());
  assert.ok(!consumer.next());
  const at = producer.reserve(32);
  assert.equal(at, 0);
  producer.bytes.fill(octetOf(9), at, at + 10);
  producer.commit(10, 9, 11, 10, 12, 13);
  assert.equal(hear(consumer, 10), 9, "less may be committed than was reserved");
});

test("Nothing is lost, torn or out of order in random histories", () => {
  const random = new SeededRandom();
  for (let round = 0; round < fuzzCount(200); round++) {
    const records = 1 << random.below(5);
    const size = 32 << random.below(3);
    const buffers = channelAt(
      (2 ** 31 - random.below(40)) * (1 + random.below(2)),
      (2 ** 31 - random.below(400)) * (1 + random.below(2)),
      records,
      size,
    );
    const producer = new ChannelProducer(buffers);
    const consumer = new ChannelConsumer(buffers);
    const lengths: number[] = [];
    let said = 0;
    let heard = 0;
    let unreleased = 0;
    for (let step = 0; step < 200; step++) {
      const roll = random.below(6);
      if (roll < 3) {
        const length = random.below(size / 2 + 1);
        if (say(producer, said + 1, length)) lengths[++said] = length;
        else {assert.ok(
            said > heard || unreleased > 0,
            `round ${round}: an empty channel refuses ${length} octets`,
          );}
      } else if (roll < 5) {
        const ticket = hear(consumer, lengths[heard + 1] ?? 0);
        assert.equal(ticket, heard < said ? heard + 1 : undefined, `round ${round}, step ${step}`);
        if (ticket === undefined) continue;
        heard++;
        unreleased++;
      } else {
        consumer.release();
        unreleased = 0;
      }
    }
  }
});
