/**
 * Tests of a body on its way to a worker: credit, order, what waits, and how it ends.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { BodyFeed } from "../../src/connection/body_feed.ts";
import type { WorkerLink } from "../../src/connection/tickets.ts";
import { BodyFailure, InboxKind, MAX_RECORD_BYTES } from "../../src/messages/kind.ts";
import { concat, pattern } from "../support/chunked.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const TICKET = 77;

interface Said {
  readonly kind: number;
  readonly ticket: number;
  readonly a: number;
  readonly bytes: Uint8Array;
}

/** A worker that keeps what it is told. Bytes are copied, as the real link does. */
class Listener implements WorkerLink {
  readonly said: Said[] = [];
  readonly backlogBytes = 0;
  /** Octets of content so far. */
  received = 0;

  send(kind: number, ticket: number, a: number, bytes: Uint8Array | null): void {
    this.said.push({ kind, ticket, a, bytes: bytes?.slice() ?? new Uint8Array() });
    if (kind === InboxKind.Body) this.received += bytes?.length ?? 0;
  }

  /** All content so far. */
  get content(): Uint8Array {
    return concat(this.said.filter(({ kind }) => kind === InboxKind.Body).map(({ bytes }) => bytes));
  }

  get kinds(): number[] {
    return this.said.map(({ kind }) => kind);
  }
}

test("Nothing is sent that was not asked for", () => {
  const feed = new BodyFeed();
  const worker = new Listener();
  feed.offer(pattern(1000), 0, 1000);
  feed.push(pattern(1000));
  feed.pump();
  assert.equal(feed.queuedBytes, 2000);
  feed.pull(worker, TICKET, 1500);
  assert.deepEqual(worker.content, concat([pattern(1000), pattern(500)]));
  assert.equal(feed.queuedBytes, 500);
  assert.equal(feed.receivedBytes, 2000);
  feed.pull(worker, TICKET, 1);
  assert.equal(worker.content.length, 1501);
  assert.ok(worker.said.every(({ kind, ticket }) => kind === InboxKind.Body && ticket === TICKET));
});

test("The end comes behind all content, once, with the trailer fields as JSON", () => {
  for (const trailers of [[], [["a", "b"], ["c", "ü"]]] as [string, string][][]) {
    const feed = new BodyFeed();
    const worker = new Listener();
    feed.push(pattern(100));
    feed.end(trailers);
    assert.equal(feed.hasTrailers, trailers.length > 0);
    feed.pull(worker, TICKET, 50);
    assert.deepEqual(worker.kinds, [InboxKind.Body]);
    assert.equal(feed.isHandedOver, false);
    feed.pull(worker, TICKET, 1000);
    feed.pull(worker, TICKET, 1000);
    feed.pump();
    assert.deepEqual(worker.kinds, [InboxKind.Body, InboxKind.Body, InboxKind.BodyEnd]);
    assert.equal(feed.isHandedOver, true);
    const last = new TextDecoder().decode(worker.said.at(-1)?.bytes);
    assert.deepEqual(last === "" ? [] : JSON.parse(last), trailers);
  }
});

test("An empty body ends when it is asked for", () => {
  const feed = new BodyFeed();
  const worker = new Listener();
  feed.end([]);
  assert.deepEqual(worker.kinds, []);
  feed.pull(worker, TICKET, 1);
  assert.deepEqual(worker.kinds, [InboxKind.BodyEnd]);
});

test("A failure comes behind the content that was there, and nothing behind it", () => {
  const feed = new BodyFeed();
  const worker = new Listener();
  feed.push(pattern(100));
  feed.fail(BodyFailure.Gone);
  feed.fail(BodyFailure.TooLarge);
  feed.pull(worker, TICKET, 60);
  assert.deepEqual(worker.kinds, [InboxKind.Body]);
  feed.pull(worker, TICKET, 60);
  assert.deepEqual(worker.kinds, [InboxKind.Body, InboxKind.Body, InboxKind.BodyFailed]);
  assert.equal(worker.said.at(-1)?.a, BodyFailure.Gone);
  feed.pull(worker, TICKET, 60);
  assert.equal(worker.said.length, 3);
  assert.equal(feed.isHandedOver, true);
});

test("It waits for its client while the worker has credit, nothing waits here and more is to come", () => {
  const feed = new BodyFeed();
  const worker = new Listener();
  assert.equal(feed.isStarved, false, "nobody has asked for anything");
  feed.pull(worker, TICKET, 100);
  assert.equal(feed.isStarved, true);
  feed.offer(pattern(60), 0, 60);
  feed.pump();
  assert.equal(feed.isStarved, true, "40 octets may still come");
  feed.offer(pattern(60), 0, 60);
  feed.pump();
  assert.equal(feed.isStarved, false, "20 octets wait for the worker");
  feed.pull(worker, TICKET, 20);
  assert.equal(feed.isStarved, false, "the worker has all that it asked for");
  feed.pull(worker, TICKET, 20);
  assert.equal(feed.isStarved, true);
  const ends: ((feed: BodyFeed) => void)[] = [
    (feed) => feed.fail(BodyFailure.TimedOut),
    (feed) => feed.end([]),
    (feed) => feed.discard(),
  ];
  for (const over of ends) {
    const fed = new BodyFeed();
    fed.pull(worker, TICKET, 20);
    assert.equal(fed.isStarved, true);
    over(fed);
    assert.equal(fed.isStarved, false);
  }
});

test("All that waits goes to the worker when the client is gone, asked for or not", () => {
  for (const isWhole of [false, true]) {
    const feed = new BodyFeed();
    const worker = new Listener();
    feed.pull(worker, TICKET, 10);
    feed.push(pattern(100));
    if (isWhole) feed.end([]);
    assert.equal(worker.content.length, 10);
    feed.leave();
    assert.deepEqual(worker.content, pattern(100));
    assert.equal(worker.kinds.at(-1), isWhole ? InboxKind.BodyEnd : InboxKind.BodyFailed);
    assert.equal(feed.isHandedOver, true);
  }
});

test("A body that is complete does not fail afterwards", () => {
  const feed = new BodyFeed();
  const worker = new Listener();
  feed.end([]);
  feed.fail(BodyFailure.Gone);
  feed.pull(worker, TICKET, 1);
  assert.deepEqual(worker.kinds, [InboxKind.BodyEnd]);
});

test("No record is longer than the longest", () => {
  const feed = new BodyFeed();
  const worker = new Listener();
  const content = pattern(5 * MAX_RECORD_BYTES + 7);
  feed.push(content);
  feed.pull(worker, TICKET, 1 << 30);
  feed.offer(content, 0, content.length);
  assert.deepEqual(worker.content, concat([content, content]));
  assert.ok(worker.said.every(({ bytes }) => bytes.length <= MAX_RECORD_BYTES));
});

test("What is offered is good for the length of the call only", () => {
  const feed = new BodyFeed();
  const worker = new Listener();
  const buffer = pattern(40_000);
  const expected = concat([buffer.slice(10, 50), buffer.slice(100, 30_000)]);
  feed.offer(buffer, 10, 50);
  feed.offer(buffer, 100, 30_000);
  buffer.fill(0);
  feed.pull(worker, TICKET, 1 << 20);
  assert.deepEqual(worker.content, expected);
});

test("Large content passes through at once as far as the credit goes", () => {
  const feed = new BodyFeed();
  const worker = new Listener();
  const content = pattern(100_000);
  feed.pull(worker, TICKET, 70_000);
  feed.offer(content, 0, 100_000);
  assert.equal(worker.content.length, 70_000);
  assert.equal(feed.queuedBytes, 30_000);
  // What waits goes first, whatever comes.
  feed.offer(content, 0, 100_000);
  feed.pull(worker, TICKET, 1 << 20);
  assert.deepEqual(worker.content, concat([content, content]));
});

test("Small pieces that come together leave together, and take no more memory than their octets and a block", () => {
  const feed = new BodyFeed();
  const worker = new Listener();
  const content = pattern(3_000);
  feed.pull(worker, TICKET, 1 << 20);
  for (let i = 0; i < content.length; i++) feed.offer(content, i, i + 1);
  assert.deepEqual(worker.kinds, []);
  feed.pump();
  assert.ok(worker.said.length <= 4, `${worker.said.length} records for 3,000 octets`);
  assert.deepEqual(worker.content, content);
});

test("Any mixture of pieces, credit and time arrives in order, whole", () => {
  const random = new SeededRandom();
  const content = pattern(4 * 1024 * 1024);
  for (let round = 0; round < 20; round++) {
    const feed = new BodyFeed();
    const worker = new Listener();
    const total = random.below(content.length);
    let credit = 0;
    for (let at = 0; at < total;) {
      const next = Math.min(total, at + 1 + random.below(random.pick([3, 100, 9_000, 70_000, 300_000])));
      if (random.below(4) === 0) feed.push(content.slice(at, next));
      else feed.offer(content, at, next);
      at = next;
      if (random.below(3) === 0) feed.pump();
      if (random.below(3) === 0) {
        const more = random.below(200_000);
        credit += more;
        feed.pull(worker, TICKET, more);
      }
      assert.equal(feed.receivedBytes, at);
      assert.ok(worker.received <= credit);
      assert.equal(feed.queuedBytes, at - worker.received);
    }
    feed.end([]);
    feed.pull(worker, TICKET, total + 1);
    assert.ok(Buffer.compare(worker.content, content.subarray(0, total)) === 0);
    assert.equal(worker.kinds.at(-1), InboxKind.BodyEnd);
    assert.equal(feed.queuedBytes, 0);
  }
});

test("It is full when more than 256 KiB wait, and not when they are gone", () => {
  const feed = new BodyFeed();
  feed.push(pattern(256 * 1024));
  assert.equal(feed.isFull, false);
  feed.offer(pattern(1), 0, 1);
  assert.equal(feed.isFull, true);
  feed.pull(new Listener(), TICKET, 10);
  assert.equal(feed.isFull, false);
});

test("takeAll gives everything in one piece", () => {
  const content = pattern(30_000);
  for (const cuts of [[0, 30_000], [0, 1, 30_000], [0, 1, 2, 3, 9_000, 9_001, 30_000]]) {
    const feed = new BodyFeed();
    for (let i = 0; i + 1 < cuts.length; i++) feed.offer(content, cuts[i] ?? 0, cuts[i + 1] ?? 0);
    assert.deepEqual(feed.takeAll(), content);
  }
  assert.deepEqual(new BodyFeed().takeAll(), new Uint8Array());
});

test("What is discarded goes nowhere and is counted all the same", () => {
  const feed = new BodyFeed();
  const worker = new Listener();
  feed.push(pattern(1000));
  feed.pull(worker, TICKET, 10);
  feed.discard();
  assert.equal(feed.queuedBytes, 0);
  assert.equal(feed.isHandedOver, true);
  feed.offer(pattern(500), 0, 500);
  feed.push(pattern(500));
  feed.pump();
  feed.end([]);
  assert.equal(worker.content.length, 10);
  assert.equal(feed.queuedBytes, 0);
  assert.equal(feed.receivedBytes, 2000);
});
