/**
 * Tests of a WebSocket connection on a stage: times, what is freed at its end, back-pressure.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocketConnection } from "../../src/connection/websocket_connection.ts";
import type { WorkerLink } from "../../src/connection/tickets.ts";
import { AbortReason, InboxKind, SendFlag } from "../../src/messages/kind.ts";
import { SocketEvent, type SocketSettings } from "../../src/messages/socket_message.ts";
import { closePayload, concat, frame } from "../websocket/client_frames.ts";
import { type FakeTransport, SETTINGS, settle, SocketStage } from "./socket_stage.ts";

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
    stage.handle();
    socket.subscribe(["a"], null);
    socket.subscribe(["b"], null);
    assert.equal(stage.topics.count, 2);
    assert.equal(stage.sockets.kindOf(socket.socketIndex, socket.generation), 1);
    end(socket);
    assert.equal(stage.topics.count, 0);
    assert.equal(stage.sockets.kindOf(socket.socketIndex, socket.generation), 0);
    const before = stage.transport.written.length;
    socket.send(MESSAGE, 0, MESSAGE.length, 0);
    socket.subscribe(["c"], null);
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
    assert.equal(stage.transport.isClosed, false);
    stage.pass(200);
    assert.equal(stage.transport.isClosed, true);
  }
});

test("A client that was closed and takes nothing of what waits for it is cut after writeTimeoutMs", () => {
  const stage = new SocketStage();
  const socket = openOn(stage);
  stage.transport.isOpenWide = false;
  socket.send(MESSAGE, 0, 100, 0);
  receive(socket, Uint8Array.of(0xff));
  stage.pass(9_900);
  assert.deepEqual([stage.transport.isAborted, stage.transport.isClosed], [false, false]);
  stage.transport.bufferedBytes = 0;
  socket.onDrain();
  stage.pass(1_900);
  assert.equal(stage.transport.isClosed, false);
  stage.pass(200);
  assert.deepEqual([stage.transport.isAborted, stage.transport.isClosed], [false, true]);
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
  stage.pass(10_000);
  stage.pass(10_000);
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
  assert.deepEqual([socket.bufferLimit, socket.waitsForSlow], [1000, true]);
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
  assert.equal(stage.transport.isClosed, true);
});

// ── the client's end behind its messages ─────────────────────────────────────────────────────────────────────────

/** Made anew each time: octets are unmasked in place. */
const clientClose = (): Uint8Array => frame({ opcode: 8, payload: closePayload(1000, "") });
const ECHOED_CLOSE = [0x88, 2, 0x03, 0xe8];
/** The server's octets behind the head. */
const sent = (stage: SocketStage): number[] => stage.transport.written.slice(1);

for (
  const [what, octets, frameHead, events] of [
    ["a close frame", clientClose, ECHOED_CLOSE, [SocketEvent.Close]],
    ["a fault", () => Uint8Array.of(0xff), [0x88, 23, 0x03, 0xea], [SocketEvent.Error, SocketEvent.Close]],
    ["the end of its side", null, [], [SocketEvent.Error, SocketEvent.Close]],
  ] as const
) {
  const arrive = (socket: WebSocketConnection): void => {
    if (octets === null) {
      receive(socket, frame({ payload: "x" }));
      socket.onEnd();
    } else receive(socket, concat(frame({ payload: "x" }), octets()));
  };

  test(`The answer to a message in front of ${what} goes out first, then the connection ends`, () => {
    const stage = new SocketStage();
    stage.isBusy = true;
    const socket = openOn(stage);
    arrive(socket);
    // The open event is through; the message is with a worker.
    stage.handle();
    assert.deepEqual([sent(stage), stage.transport.hasEnded], [[], false]);
    assert.equal(stage.sockets.kindOf(socket.socketIndex, socket.generation), 1);
    // Nothing more is read.
    receive(socket, frame({ opcode: 9, payload: "late" }));
    socket.send(MESSAGE, 0, 100, 0);
    stage.handle();
    assert.deepEqual(sent(stage).slice(0, 100), [...MESSAGE]);
    assert.deepEqual(sent(stage).slice(100, 100 + frameHead.length), frameHead);
    assert.equal(stage.transport.hasEnded, true);
    assert.equal(stage.sockets.kindOf(socket.socketIndex, socket.generation), 0);
    stage.handle();
    assert.deepEqual(kinds(stage), [SocketEvent.Open, SocketEvent.Text, ...events]);
  });

  test(`A message in front of ${what} that takes long is waited for for 500 ms`, () => {
    const stage = new SocketStage();
    stage.isBusy = true;
    const socket = openOn(stage, { pingIntervalMs: 100 });
    stage.handle();
    arrive(socket);
    stage.pass(480);
    assert.deepEqual([sent(stage), stage.transport.hasEnded], [[], false]);
    stage.pass(40);
    assert.deepEqual(sent(stage).slice(0, frameHead.length), frameHead);
    assert.equal(stage.transport.hasEnded, true);
    stage.handle();
    assert.deepEqual(kinds(stage), [SocketEvent.Open, SocketEvent.Text, ...events]);
    stage.pass(2_100);
    assert.equal(stage.transport.isClosed, true);
  });

  test(`Without a message in front of it ${what} ends the connection at once`, () => {
    const stage = new SocketStage();
    stage.isBusy = true;
    const socket = openOn(stage);
    receive(socket, frame({ opcode: 9, payload: "" }));
    if (octets === null) socket.onEnd();
    else receive(socket, octets());
    assert.deepEqual(sent(stage).slice(0, 2 + frameHead.length), [0x8a, 0, ...frameHead]);
    assert.equal(stage.transport.hasEnded, true);
  });
}

for (
  const [how, end] of [
    ["a handler closes", (socket: WebSocketConnection) => socket.close(4000, "")],
    ["the client is too slow", (socket: WebSocketConnection) => {
      (socket.transport as FakeTransport).isOpenWide = false;
      for (let i = 0; i < 12; i++) socket.send(MESSAGE, 0, 100, 0);
    }],
    ["the connection is lost", (socket: WebSocketConnection) => socket.onClose()],
    ["its thread dies", (socket: WebSocketConnection) => socket.pinnedWorkerDied()],
  ] as const
) {
  test(`When ${how} while the client's close frame waits, its code is still the client's`, () => {
    const stage = new SocketStage();
    stage.isBusy = true;
    const socket = openOn(stage);
    stage.handle();
    receive(socket, concat(frame({ payload: "x" }), clientClose()));
    end(socket);
    stage.handle();
    if (how === "its thread dies") assert.deepEqual(sent(stage), ECHOED_CLOSE);
    else {
      assert.deepEqual(stage.events.slice(2).map(({ kind, a }) => [kind, a]), [[SocketEvent.Close, 1000]]);
    }
    assert.equal(stage.transport.hasEnded, how !== "the connection is lost");
    const before = stage.transport.written.length;
    stage.pass(1_000);
    assert.equal(stage.transport.written.length, before);
  });
}

test("A stop lets the answers in front of a close frame go out, and a fault that a worker finds does not wait", () => {
  const stage = new SocketStage();
  stage.isBusy = true;
  const socket = openOn(stage);
  stage.handle();
  receive(socket, concat(frame({ payload: "x" }), frame({ payload: "y" }), clientClose()));
  socket.stop();
  assert.deepEqual([sent(stage), socket.isBusy], [[], true]);
  // The first message cannot be inflated: what comes behind it, the close frame too, counts for nothing.
  socket.fail(1007, "corrupt");
  assert.deepEqual(sent(stage).slice(0, 4), [0x88, 9, 0x03, 0xef]);
  stage.handle();
  assert.deepEqual(stage.events.slice(2).map(({ kind, a }) => [kind, a]), [
    [SocketEvent.Text, 0],
    [SocketEvent.Error, 0],
    [SocketEvent.Close, 1007],
  ]);
});

test("A stop waits for events that are under way, reads nothing meanwhile, and for half of the drain time at most", () => {
  for (const isHandled of [true, false]) {
    const stage = new SocketStage();
    stage.isBusy = true;
    const socket = openOn(stage);
    stage.handle();
    receive(socket, frame({ payload: "x" }));
    socket.stop();
    assert.deepEqual([sent(stage), stage.transport.isPaused, socket.isBusy], [[], true, true]);
    if (isHandled) stage.handle();
    else {
      stage.pass(4_990);
      assert.deepEqual(sent(stage), []);
      stage.pass(20);
    }
    assert.deepEqual(sent(stage).slice(0, 4), [0x88, 18, 0x03, 0xe9]);
    assert.equal(stage.transport.isPaused, false);
  }
});

test("A handler that closes while the server stops has the client's close frame read", () => {
  const stage = new SocketStage();
  stage.isBusy = true;
  const socket = openOn(stage);
  stage.handle();
  receive(socket, frame({ payload: "x" }));
  socket.stop();
  socket.close(4000, "x");
  assert.equal(stage.transport.isPaused, false);
  receive(socket, frame({ opcode: 8, payload: closePayload(4000) }));
  assert.equal(stage.transport.hasEnded, true);
});

// ── many control frames ──────────────────────────────────────────────────────────────────────────────────────────

const pings = (from: number, to: number): Uint8Array =>
  concat(
    ...Array.from(
      { length: to - from },
      (_, i) => frame({ opcode: 9, payload: Uint8Array.of((from + i) >> 8, from + i) }),
    ),
  );
const pongsOf = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => [0x8a, 2, (from + i) >> 8, (from + i) & 255]).flat();

test("The pongs to the pings of one read leave in one write, in front of a close frame", () => {
  const stage = new SocketStage();
  const socket = openOn(stage);
  receive(socket, pings(0, 200));
  assert.equal(stage.transport.writes, 2);
  receive(socket, concat(pings(200, 210), clientClose()));
  assert.deepEqual(sent(stage), [...pongsOf(0, 210), ...ECHOED_CLOSE]);
});

test("Of many control frames 256 are handled in a turn; the rest is not overtaken, and the socket rests", async () => {
  const stage = new SocketStage();
  const socket = openOn(stage);
  await settle();
  stage.events.length = 0;
  receive(socket, concat(pings(0, 600), frame({ payload: "behind them" })));
  assert.deepEqual([sent(stage), stage.transport.isPaused], [pongsOf(0, 256), true]);
  // One read may still come, and the end.
  receive(socket, concat(frame({ opcode: 10, payload: "p" }), clientClose()));
  socket.onEnd();
  await settle();
  assert.deepEqual(kinds(stage).filter((kind) => kind !== SocketEvent.Ping), []);
  assert.equal(stage.turn(), true);
  assert.deepEqual(sent(stage), pongsOf(0, 512));
  assert.equal(stage.turn(), true);
  assert.equal(stage.turn(), false);
  await settle();
  assert.deepEqual(sent(stage), [...pongsOf(0, 600), ...ECHOED_CLOSE]);
  assert.equal(stage.transport.isPaused, false);
  const told = stage.events.filter(({ kind }) => kind !== SocketEvent.Ping);
  assert.deepEqual(told.map(({ kind, a }) => [kind, a]), [
    [SocketEvent.Text, 0],
    [SocketEvent.Pong, 0],
    [SocketEvent.Close, 1000],
  ]);
  const numbers = stage.events.filter(({ kind }) => kind === SocketEvent.Ping).map(({ bytes }) =>
    (bytes[0] ?? 0) << 8 | (bytes[1] ?? 0)
  );
  assert.deepEqual(numbers, Array.from({ length: 600 }, (_, i) => i));
});

test("What waits for its turn is still told when the client ends or is lost, and not behind a fault", async () => {
  for (const how of ["end", "lost", "fault"] as const) {
    const stage = new SocketStage();
    const socket = openOn(stage, { events: 0xff & ~(1 << SocketEvent.Ping) });
    await settle();
    receive(socket, concat(pings(0, 800), frame({ payload: "last words" })));
    if (how === "end") socket.onEnd();
    else if (how === "lost") socket.onClose();
    else socket.fail(1007, "corrupt");
    while (stage.turn());
    await settle();
    const expected = [SocketEvent.Open, SocketEvent.Text, SocketEvent.Error, SocketEvent.Close];
    assert.deepEqual(kinds(stage), how === "fault" ? expected.filter((kind) => kind !== 1) : expected);
  }
});

// ── drain ────────────────────────────────────────────────────────────────────────────────────────────────────────

test("A sender that was told to rest gets a drain event, at once if nothing waits, and one for several", async () => {
  const stage = new SocketStage();
  const socket = openOn(stage);
  await settle();
  stage.events.length = 0;
  socket.wantDrain();
  await settle();
  assert.deepEqual(kinds(stage), [SocketEvent.Drain]);
  stage.transport.isOpenWide = false;
  socket.send(MESSAGE, 0, 100, 0);
  socket.wantDrain();
  await settle();
  assert.deepEqual(kinds(stage), [SocketEvent.Drain]);
  stage.isBusy = true;
  stage.transport.bufferedBytes = 0;
  socket.onDrain();
  stage.handle();
  // One is with a worker, and one more is enough for all who ask meanwhile.
  socket.wantDrain();
  stage.isBusy = true;
  for (let i = 0; i < 5; i++) socket.wantDrain();
  stage.handle();
  stage.handle();
  stage.handle();
  assert.equal(kinds(stage).length, 4);
  assert.equal(stage.tickets.used, 0);
});

test("What is sent before its turn counts as under way, and a drain event follows the open event", async () => {
  const stage = new SocketStage();
  const socket = openOn(stage, {}, false);
  const { socketIndex } = socket;
  for (let i = 0; i < 5; i++) socket.send(MESSAGE, 0, 100, 0);
  assert.equal(stage.sockets.isPressed(socketIndex), false);
  socket.send(MESSAGE, 0, 100, 0);
  assert.equal(stage.sockets.isPressed(socketIndex), true);
  socket.wantDrain();
  assert.deepEqual(kinds(stage), []);
  socket.begin(NOTHING, false);
  await settle();
  assert.equal(stage.sockets.isPressed(socketIndex), false);
  assert.deepEqual(kinds(stage), [SocketEvent.Open, SocketEvent.Drain]);
});

// ── events that do not end ───────────────────────────────────────────────────────────────────────────────────────

class Worker implements WorkerLink {
  readonly backlogBytes = 0;
  readonly said: number[][] = [];
  send(kind: number, ticket: number, a: number): void {
    this.said.push([kind, ticket, a]);
  }
}

test("An event that awaits for 30 s after its client has left is given up, and those behind it are told", () => {
  const stage = new SocketStage();
  stage.isBusy = true;
  const socket = openOn(stage);
  stage.handle();
  receive(socket, concat(frame({ payload: "hangs" }), frame({ payload: "waits" })));
  const [batch] = stage.batches.splice(0);
  assert.ok(batch);
  const worker = new Worker();
  batch.takenBy(worker, stage.now);
  stage.pass(60_000);
  socket.onClose();
  stage.pass(29_900);
  // It makes progress: the next event has its own time.
  batch.finished = 1;
  batch.movedAt = stage.now;
  stage.pass(29_900);
  assert.deepEqual([worker.said, stage.givenUp], [[], 0]);
  stage.pass(200);
  assert.deepEqual(worker.said, [[InboxKind.Abort, batch.ticket, AbortReason.Gone]]);
  stage.pass(60_000);
  assert.deepEqual([worker.said.length, stage.givenUp, stage.sockets.count], [1, 1, 1]);
  // Its thread says how far it was.
  batch.owner.batchGivenUp(batch);
  assert.deepEqual(kinds(stage).slice(3), [SocketEvent.Error, SocketEvent.Close]);
  const [last] = stage.batches;
  assert.ok(last);
  // These do not end either.
  last.takenBy(worker, stage.now);
  stage.pass(61_000);
  assert.equal(stage.givenUp, 2);
  last.finished = 1;
  last.owner.batchGivenUp(last);
  assert.deepEqual([stage.tickets.used, stage.sockets.count, socket.dueAt], [0, 0, Infinity]);
});

test("Events of a client that has left wait for a thread as long as it takes, and for ever if the time is 0", () => {
  for (const ms of [0, 30_000]) {
    const stage = new SocketStage();
    Object.assign(stage.settings, { goneEventTimeoutMs: ms });
    stage.isBusy = true;
    const socket = openOn(stage);
    stage.handle();
    receive(socket, frame({ payload: "waits" }));
    const [batch] = stage.batches.splice(0);
    assert.ok(batch);
    if (ms === 0) batch.takenBy(new Worker(), stage.now);
    socket.onClose();
    stage.pass(200_000);
    assert.equal(stage.givenUp, 0);
    batch.owner.batchDone(batch, { data: null, inflateWindow: null, deflateWindow: null });
    stage.handle();
    assert.equal(stage.sockets.count, 0);
  }
});
