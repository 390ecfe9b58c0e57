/**
 * Tests of a worker's port to sockets: what `send` says and counts, also while its socket goes away.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_RECORD_BYTES, OutboxKind, SendFlag } from "../../src/messages/kind.ts";
import {
  createSharedRing,
  SOCKET_BUFFERED,
  SOCKET_GENERATION,
  SOCKET_KIND,
  SOCKET_LIMIT,
  SOCKET_UNDERWAY,
  SOCKET_WORDS,
} from "../../src/ring/layout.ts";
import type { Outbox } from "../../src/worker/outbox.ts";
import { WorkerSocketPort } from "../../src/worker/socket_port.ts";

const INDEX = 5;
const GENERATION = 9;
const LIMIT = 1_000_000;

interface Said {
  readonly kind: number;
  readonly generation: number;
  readonly length: number;
  readonly flags: number;
}

/** A port whose outbox only takes note. */
class Stage {
  readonly words: Int32Array;
  readonly port: WorkerSocketPort;
  readonly said: Said[] = [];
  /** Called when a record is said. */
  onSaid: (said: Said) => void = () => undefined;

  constructor() {
    const ring = createSharedRing(4, 1024, 2);
    this.words = new Int32Array(ring.sockets);
    const about = (
      kind: number,
      _ticket: number,
      _index: number,
      generation: number,
      bytes: Uint8Array,
      flags: number,
    ): void => {
      const said = { kind, generation, length: bytes.length, flags };
      this.said.push(said);
      this.onSaid(said);
    };
    this.port = new WorkerSocketPort({ about } as unknown as Outbox, ring);
    this.set(SOCKET_KIND, 1);
    this.set(SOCKET_LIMIT, LIMIT);
    this.set(SOCKET_GENERATION, GENERATION);
  }

  get(word: number): number {
    return Atomics.load(this.words, INDEX * SOCKET_WORDS + word);
  }
  set(word: number, value: number): void {
    Atomics.store(this.words, INDEX * SOCKET_WORDS + word, value);
  }
  send(length: number): string {
    return this.port.send(INDEX, GENERATION, new Uint8Array(length));
  }
  /** Octets of sends that were said. */
  get octets(): number {
    let sum = 0;
    for (const { kind, length } of this.said) if (kind === OutboxKind.SocketSend) sum += length;
    return sum;
  }
}

test("A sender is told to rest when half of what may wait is under way, and is owed a drain event", () => {
  const stage = new Stage();
  for (let i = 0; i < 10; i++) assert.equal(stage.send(50_000), "queued");
  assert.deepEqual(new Set(stage.said.map(({ kind }) => kind)), new Set([OutboxKind.SocketSend]));
  assert.equal(stage.send(1), "backpressure");
  // Behind the octets it is about.
  assert.equal(stage.said.at(-1)?.kind, OutboxKind.SocketDrain);
  stage.set(SOCKET_UNDERWAY, 0);
  assert.equal(stage.send(1), "queued");
  stage.set(SOCKET_BUFFERED, 1);
  assert.equal(stage.send(1), "backpressure");
  assert.equal(stage.said.at(-1)?.kind, OutboxKind.SocketDrain);
});

test("A message of more than half of what may wait says so, however fast it is read", () => {
  const stage = new Stage();
  stage.onSaid = ({ length }) => stage.set(SOCKET_UNDERWAY, stage.get(SOCKET_UNDERWAY) - length);
  for (
    const [length, status] of [[LIMIT / 2, "queued"], [LIMIT / 2 + 1, "backpressure"], [
      2 * LIMIT,
      "backpressure",
    ]]
  ) {
    assert.equal(stage.send(Number(length)), status);
    assert.equal(stage.get(SOCKET_UNDERWAY), 0);
  }
  assert.equal(stage.said.filter(({ kind }) => kind === OutboxKind.SocketDrain).length, 2);
});

test("Octets for a socket that goes away in the middle of a message do not count for the next of its index", () => {
  const stage = new Stage();
  stage.onSaid = () => {
    if (stage.said.length !== 2) return;
    // The client leaves, and somebody else has the index.
    stage.set(SOCKET_GENERATION, 0);
    stage.set(SOCKET_UNDERWAY, 0);
    stage.set(SOCKET_GENERATION, GENERATION + 1);
  };
  assert.equal(stage.send(20 * MAX_RECORD_BYTES), "closed");
  assert.equal(stage.get(SOCKET_UNDERWAY), 0);
  // What was begun has an end, and the rest is spared.
  assert.deepEqual(stage.said.map(({ length, flags }) => [length, flags]), [
    [MAX_RECORD_BYTES, SendFlag.More],
    [MAX_RECORD_BYTES, SendFlag.More],
    [0, 0],
  ]);
  assert.ok(stage.said.every(({ generation }) => generation === GENERATION));
});

test("A socket that goes away between the look and the count takes nothing along", () => {
  const stage = new Stage();
  const { add } = Atomics;
  const closing = (words: Int32Array, at: number, count: number): number => {
    stage.set(SOCKET_GENERATION, 0);
    return add(words, at, count);
  };
  Object.assign(Atomics, { add: closing });
  try {
    assert.equal(stage.send(1000), "closed");
  } finally {
    Object.assign(Atomics, { add });
  }
  assert.deepEqual([stage.get(SOCKET_UNDERWAY), stage.said], [0, []]);
});

test("A message is sent whole, in records", () => {
  const stage = new Stage();
  for (const length of [0, 1, MAX_RECORD_BYTES, MAX_RECORD_BYTES + 1]) {
    stage.said.length = 0;
    stage.set(SOCKET_UNDERWAY, 0);
    assert.equal(stage.send(length), "queued");
    assert.deepEqual([stage.octets, stage.get(SOCKET_UNDERWAY)], [length, length]);
  }
  assert.deepEqual(stage.said.map(({ flags }) => flags), [SendFlag.More, 0]);
});
