/**
 * Tests of an event stream on a stage: comments, times, what is freed at its end.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EventStreamConnection, type StreamOpener } from "../../src/connection/event_stream_connection.ts";
import { InboxKind } from "../../src/messages/kind.ts";
import type { SocketSettings } from "../../src/messages/socket_message.ts";
import { SETTINGS, SocketStage } from "./socket_stage.ts";

const HEAD = new TextEncoder().encode("HEAD\n");
const EVENT = new TextEncoder().encode("data: x\n\n");

class Opener implements StreamOpener {
  readonly backlogBytes = 0;
  openStreams = 0;
  readonly said: (readonly [kind: number, generation: number, index: number | undefined])[] = [];
  send(kind: number, _ticket: number, a: number, _bytes: Uint8Array | null, connection?: number): void {
    this.said.push([kind, a, connection]);
  }
}

function openOn(stage: SocketStage, settings: Partial<SocketSettings> = {}, opener = new Opener()) {
  const place = stage.sockets.reserve();
  if (place === null) throw new Error("no place");
  const all = { ...SETTINGS, ...settings };
  const { index, generation } = place;
  const stream = new EventStreamConnection(stage, stage.transport, index, generation, all, HEAD, opener);
  stage.sockets.open(stream);
  return { stream, opener };
}

test("An event is one chunk, or the octets alone for HTTP/1.0, and the end is the last chunk", () => {
  for (
    const [isChunked, expected] of [
      [true, "HEAD\n9\r\ndata: x\n\n\r\n0\r\n\r\n"],
      [false, "HEAD\ndata: x\n\n"],
    ] as const
  ) {
    const stage = new SocketStage();
    const { stream } = openOn(stage, { isChunked });
    stream.begin();
    stream.send(EVENT, 0, EVENT.length);
    stream.close();
    stream.send(EVENT, 0, EVENT.length);
    stream.close();
    assert.equal(stage.transport.text, expected);
    assert.equal(stage.transport.hasEnded, true);
  }
});

test("A comment goes out after silence only", () => {
  const stage = new SocketStage();
  const { stream } = openOn(stage, { pingIntervalMs: 1_000 });
  stream.begin();
  for (let i = 0; i < 5; i++) {
    stage.pass(900);
    stream.send(EVENT, 0, EVENT.length);
  }
  assert.equal(stage.transport.text.includes(":\n\n"), false);
  stage.pass(3_100);
  assert.equal(stage.transport.text.split(":\n\n").length - 1, 3);
});

test("When the client leaves, the opener is told once, the place is free and no topic holds the stream", () => {
  const stage = new SocketStage();
  const { stream, opener } = openOn(stage);
  stream.begin();
  stream.subscribe(["a"], null);
  assert.deepEqual([stage.topics.count, opener.openStreams], [1, 1]);
  stream.onEnd();
  assert.deepEqual([stage.transport.isAborted, opener.openStreams], [true, 1]);
  stream.onClose();
  stream.onClose();
  assert.equal(opener.openStreams, 0);
  assert.deepEqual(opener.said, [[InboxKind.StreamClosed, stream.generation, stream.socketIndex]]);
  assert.deepEqual([stage.topics.count, stage.sockets.count, stage.forgotten], [0, 0, 1]);
});

test("A closed stream is in no topic, and what waits of it has writeTimeoutMs as long as the client takes some", () => {
  const stage = new SocketStage();
  const { stream } = openOn(stage);
  stream.begin();
  stage.transport.isOpenWide = false;
  stream.subscribe(["a"], null);
  stream.send(EVENT, 0, EVENT.length);
  stream.close();
  assert.equal(stage.topics.count, 0);
  // What waits is still the client's, though it ends its side.
  stream.onEnd();
  for (let i = 0; i < 4; i++) {
    stage.pass(9_000);
    stage.transport.bufferedBytes -= 1;
  }
  assert.equal(stage.transport.isAborted, false);
  stage.pass(10_500);
  stage.pass(10_500);
  assert.equal(stage.transport.isAborted, true);
});

test("A closed stream that is with the kernel is never reset, neither after writeTimeoutMs nor by the stop", () => {
  const late = new SocketStage();
  const { stream } = openOn(late);
  stream.begin();
  stream.close();
  late.pass(9_900);
  assert.equal(late.transport.isClosed, false);
  late.pass(200);
  const stopped = new SocketStage();
  const { stream: killed } = openOn(stopped);
  killed.begin();
  killed.stop();
  killed.kill();
  for (const { transport } of [late, stopped]) {
    assert.deepEqual([transport.isClosed, transport.isAborted], [true, false]);
  }
});

test("Beyond the limit, and after writeTimeoutMs without a sign, the client is cut", () => {
  const full = new SocketStage();
  const { stream: flooded } = openOn(full);
  flooded.begin();
  full.transport.isOpenWide = false;
  for (let i = 0; i < 120; i++) flooded.send(EVENT, 0, EVENT.length);
  assert.equal(full.transport.isAborted, true);
  const stuck = new SocketStage();
  const { stream } = openOn(stuck);
  stream.begin();
  stuck.transport.isOpenWide = false;
  stream.send(EVENT, 0, EVENT.length);
  stuck.pass(9_900);
  assert.equal(stuck.transport.isAborted, false);
  stuck.pass(200);
  assert.equal(stuck.transport.isAborted, true);
});

test("What is sent before its turn waits, also the end; what does not come to its turn is told", () => {
  const stage = new SocketStage();
  const { stream, opener } = openOn(stage, { isChunked: true, pingIntervalMs: 1_000 });
  stream.send(EVENT, 0, EVENT.length);
  stream.close();
  stage.pass(60_000);
  assert.equal(stage.transport.text, "");
  stream.begin();
  assert.equal(stage.transport.text, "HEAD\n9\r\ndata: x\n\n\r\n0\r\n\r\n");
  assert.equal(stage.transport.hasEnded, true);
  const other = openOn(new SocketStage());
  other.stream.cancel();
  assert.equal(other.opener.said.length, 1);
  assert.equal(opener.said.length, 0);
});

test("A stream that begins while the server stops ends at once", () => {
  const stage = new SocketStage();
  stage.stopping = true;
  const { stream } = openOn(stage, { isChunked: true });
  stream.begin();
  assert.equal(stage.transport.text, "HEAD\n0\r\n\r\n");
  assert.equal(stage.transport.hasEnded, true);
});
