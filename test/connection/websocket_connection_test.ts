/**
 * Tests of a WebSocket connection on a stage: times, what is freed at its end, back-pressure.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocketConnection } from "../../src/connection/websocket_connection.ts";
import { SendFlag } from "../../src/messages/kind.ts";
import { SocketEvent, type SocketSettings } from "../../src/messages/socket_message.ts";
import { closePayload, frame } from "../websocket/client_frames.ts";
import { SETTINGS, settle, SocketStage } from "./socket_stage.ts";

const HEAD = Uint8Array.of(0x48);
const NOTHING = new Uint8Array(0);
/** A frame of the server's, of 100 octets. */
const MESSAGE = new Uint8Array(100).fill(7);

function openOn(
  stage: SocketStage,
  settings: Partial<SocketSettings> = {},
  begins = true,
): WebSocketConnection {
  const place = stage.sockets.reserve();
  if (place === null) throw new Error("no place");
  const all = { ...SETTINGS, ...settings };
  const { index, generation } = place;
  const socket = new WebSocketConnection(stage, stage.transport, index, generation, all, HEAD, NOTHING, null);
  stage.sockets.open(socket);
  if (begins) socket.begin(NOTHING, false);
  return socket;
}

/** The connection's octets arrive. */
function receive(socket: WebSocketConnection, octets: Uint8Array): void {
  socket.onData(octets, octets.length);
}

const kinds = (stage: SocketStage): number[] => stage.events.map(({ kind }) => kind);

test("A socket gives its place back when the client is gone and the last event is through", async () => {
  const stage = new SocketStage();
  const socket = openOn(stage);
  await settle();
  stage.isBusy = true;
  receive(socket, frame({ payload: "x" }));
  socket.onClose();
  assert.deepEqual([stage.forgotten, stage.sockets.count], [1, 1]);
  stage.handle();
  assert.equal(stage.sockets.count, 1);
  stage.handle();
  assert.equal(stage.sockets.count, 0);
  assert.deepEqual(kinds(stage), [SocketEvent.Open, SocketEvent.Text, SocketEvent.Error, SocketEvent.Close]);
  assert.equal(stage.tickets.used, 0);
  socket.onClose();
  assert.equal(stage.forgotten, 1);
});

for (
  const [how, end] of [
    [
      "the client says close",
      (socket: WebSocketConnection) => receive(socket, frame({ opcode: 8, payload: "" })),
    ],
    ["the client ends", (socket: WebSocketConnection) => socket.onEnd()],
    ["the client breaks the protocol", (socket: WebSocketConnection) => receive(socket, Uint8Array.of(0xff))],
    ["the server says close", (socket: WebSocketConnection) => socket.close(1000, "")],
    ["the connection is lost", (socket: WebSocketConnection) => socket.onClose()],
    ["the server stops", (socket: WebSocketConnection) => socket.stop()],
    ["its thread dies", (socket: WebSocketConnection) => socket.pinnedWorkerDied()],
  ] as const
) {
  test(`When ${how}, the socket is in no topic, and closed in every thread`, () => {
    const stage = new SocketStage();
    const socket = openOn(stage);
    socket.subscribe("a", null);
    socket.subscribe("b", null);
    assert.equal(stage.topics.count, 2);
    assert.equal(stage.sockets.kindOf(socket.socketIndex, socket.generation), 1);
    end(socket);
    assert.equal(stage.topics.count, 0);
    assert.equal(stage.sockets.kindOf(socket.socketIndex, socket.generation), 0);
    const before = stage.transport.written.length;
    socket.send(MESSAGE, 0, MESSAGE.length, 0);
    socket.subscribe("c", null);
    receive(socket, frame({ opcode: 9, payload: "late" }));
    assert.deepEqual([stage.transport.written.length, stage.topics.count], [before, 0]);
  });
}

test("The closing handshake is waited for for 5 s, the end of the connection for 2 s", () => {
  for (const [answers, ms] of [[false, 5_000], [true, 2_000]] as const) {
    const stage = new SocketStage();
    const socket = openOn(stage);
    socket.close(1000, "");
    if (answers) receive(socket, frame({ opcode: 8, payload: closePayload(1000) }));
    assert.equal(stage.transport.hasEnded, answers);
    stage.pass(ms - 100);
    assert.equal(stage.transport.isAborted, false);
    stage.pass(200);
    assert.equal(stage.transport.isAborted, true);
  }
});

test("A closing client that still takes what waits for it is not cut", () => {
  const stage = new SocketStage();
  const socket = openOn(stage);
  stage.transport.isOpenWide = false;
  socket.send(MESSAGE, 0, 100, 0);
  socket.close(1000, "");
  for (let i = 0; i < 10; i++) {
    stage.pass(3_000);
    stage.transport.bufferedBytes -= 5;
  }
  assert.equal(stage.transport.isAborted, false);
  stage.pass(6_000);
  stage.pass(6_000);
  assert.equal(stage.transport.isAborted, true);
});

test("A ping goes out after silence, and the connection is cut after as much again", () => {
  const stage = new SocketStage();
  const socket = openOn(stage, { pingIntervalMs: 1_000 });
  const pings = (): number => stage.transport.written.filter((octet) => octet === 0x89).length;
  stage.pass(900);
  receive(socket, frame({ opcode: 10, payload: "" }));
  stage.pass(900);
  assert.equal(pings(), 0);
  stage.pass(200);
  assert.equal(pings(), 1);
  receive(socket, frame({ opcode: 10, payload: "" }));
  stage.pass(1_100);
  assert.equal(pings(), 2);
  assert.equal(stage.transport.isAborted, false);
  stage.pass(1_100);
  assert.equal(stage.transport.isAborted, true);
});

test("A client that takes nothing for writeTimeoutMs is cut, one that takes a little is not", () => {
  for (const takes of [0, 1]) {
    const stage = new SocketStage();
    const socket = openOn(stage);
    stage.transport.isOpenWide = false;
    socket.send(MESSAGE, 0, 100, 0);
    for (let i = 0; i < 5; i++) {
      stage.pass(9_000);
      stage.transport.bufferedBytes -= takes;
    }
    assert.equal(stage.transport.isAborted, takes === 0);
  }
});

test("A slow client is not read, its messages wait, and both go on when it has read", async () => {
  const stage = new SocketStage();
  const socket = openOn(stage);
  await settle();
  stage.transport.isOpenWide = false;
  for (let i = 0; i < 5; i++) socket.send(MESSAGE, 0, 100, 0);
  assert.equal(stage.transport.isPaused, false);
  socket.send(MESSAGE, 0, 100, 0);
  assert.equal(stage.transport.isPaused, true);
  // One read may still arrive.
  receive(socket, frame({ payload: "waits" }));
  await settle();
  assert.deepEqual(kinds(stage), [SocketEvent.Open]);
  stage.transport.bufferedBytes = 0;
  socket.onDrain();
  await settle();
  assert.equal(stage.transport.isPaused, false);
  assert.deepEqual(kinds(stage), [SocketEvent.Open, SocketEvent.Text, SocketEvent.Drain]);
});

test("A client that is never drained to the end goes on all the same, once it is within half of its limit", async () => {
  const stage = new SocketStage();
  const socket = openOn(stage);
  await settle();
  stage.transport.isOpenWide = false;
  for (let i = 0; i < 6; i++) socket.send(MESSAGE, 0, 100, 0);
  receive(socket, frame({ payload: "waits" }));
  stage.transport.bufferedBytes = 400;
  stage.pass(1_100);
  await settle();
  assert.equal(stage.transport.isPaused, false);
  assert.deepEqual(kinds(stage), [SocketEvent.Open, SocketEvent.Text]);
});

test("Beyond the limit the client is closed with 1013, unless the sender has waited", async () => {
  const stage = new SocketStage();
  const socket = openOn(stage, { waitsForSlow: true });
  assert.equal(socket.waitLimit, 1000);
  stage.transport.isOpenWide = false;
  for (let i = 0; i < 20; i++) socket.send(MESSAGE, 0, 100, SendFlag.Waited);
  assert.equal(stage.transport.hasEnded, false);
  socket.send(MESSAGE, 0, 100, 0);
  await settle();
  assert.equal(stage.transport.hasEnded, true);
  assert.deepEqual(stage.events.map(({ kind, a }) => [kind, a]), [
    [SocketEvent.Open, 0],
    [SocketEvent.Error, 0],
    [SocketEvent.Close, 1013],
  ]);
  const { written } = stage.transport;
  assert.deepEqual(written.slice(2001, 2005), [0x88, 2 + 27, 1013 >> 8, 1013 & 255]);
});

test("What is sent before its turn waits; too much of it cuts the connection", () => {
  const stage = new SocketStage();
  const socket = openOn(stage, {}, false);
  for (let i = 0; i < 5; i++) socket.send(MESSAGE, 0, 100, 0);
  stage.pass(60_000);
  assert.deepEqual([stage.transport.written.length, stage.transport.isAborted], [0, false]);
  socket.begin(NOTHING, false);
  assert.equal(stage.transport.written.length, 501);
  const other = new SocketStage();
  const flooded = openOn(other, {}, false);
  for (let i = 0; i < 12; i++) flooded.send(MESSAGE, 0, 100, 0);
  assert.equal(other.transport.isAborted, true);
  flooded.cancel();
  assert.deepEqual([other.sockets.count, other.events.length], [0, 0]);
});

test("A close before its turn waits as long as the turn does", () => {
  const stage = new SocketStage();
  const socket = openOn(stage, {}, false);
  socket.close(4000, "x");
  stage.pass(60_000);
  assert.equal(stage.transport.isAborted, false);
  socket.begin(NOTHING, false);
  assert.deepEqual(stage.transport.written, [0x48, 0x88, 3, 0x0f, 0xa0, 0x78]);
  stage.pass(4_000);
  assert.equal(stage.transport.isAborted, false);
  stage.pass(2_000);
  assert.equal(stage.transport.isAborted, true);
});
