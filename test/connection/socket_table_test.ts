/**
 * Tests of the table of sockets and its words in shared memory.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Socket, SocketTable } from "../../src/connection/socket_table.ts";
import { socketGeneration, socketId, socketIndex } from "../../src/messages/socket_port.ts";
import { createSharedRing, MAX_SOCKETS, SOCKET_UNDERWAY, SOCKET_WORDS } from "../../src/ring/layout.ts";

function fakeSocket(place: { readonly index: number; readonly generation: number }, kind = 1): Socket {
  const nothing = (): void => undefined;
  return {
    socketIndex: place.index,
    generation: place.generation,
    kind,
    pinnedTo: null,
    bufferLimit: 1000,
    waitsForSlow: false,
    isBusy: false,
    send: nothing,
    wantDrain: nothing,
    close: nothing,
    fail: nothing,
    terminate: nothing,
    subscribe: nothing,
    unsubscribe: nothing,
    pinnedWorkerDied: nothing,
  };
}

const reserve = (table: SocketTable): { readonly index: number; readonly generation: number } => {
  const place = table.reserve();
  if (place === null) throw new Error("the table is full");
  return place;
};

test("An id names one socket for ever: an index comes back after a long rest, the generation does not", () => {
  const table = new SocketTable(createSharedRing(4, 1024, 2));
  const ids = new Set<number>();
  const lastUse = new Map<number, number>();
  let last: Socket | null = null;
  for (let i = 0; i < 10_000; i++) {
    const socket = fakeSocket(reserve(table));
    const { socketIndex, generation } = socket;
    table.open(socket);
    assert.equal(table.find(socketIndex, generation), socket);
    if (last !== null) assert.equal(table.find(last.socketIndex, last.generation), null);
    ids.add(socketId(socketIndex, generation));
    assert.ok(i - (lastUse.get(socketIndex) ?? -Infinity) > 1_000, `index ${socketIndex}`);
    lastUse.set(socketIndex, i);
    table.release(socket);
    table.release(socket);
    last = socket;
  }
  assert.equal(ids.size, 10_000);
  assert.ok(lastUse.size < 1_100);
  assert.equal(table.count, 0);
});

test("Sockets are counted by kind, from the opening to the release", () => {
  const table = new SocketTable(createSharedRing(4, 1024, 2));
  const sockets = [1, 2, 1].map((kind) => fakeSocket(reserve(table), kind));
  for (const socket of sockets) table.open(socket);
  assert.deepEqual([table.countOf(1), table.countOf(2)], [2, 1]);
  table.closing(sockets[0] as Socket);
  assert.equal(table.countOf(1), 2);
  for (const socket of sockets.slice(0, 2)) {
    table.release(socket);
    table.release(socket);
  }
  assert.deepEqual([table.countOf(1), table.countOf(2), table.count], [1, 0, 1]);
});

test("A sender should rest when octets wait for the client, or half of what may wait is under way", () => {
  const ring = createSharedRing(4, 1024, 2);
  const words = new Int32Array(ring.sockets);
  const table = new SocketTable(ring);
  const socket = fakeSocket(reserve(table));
  const { socketIndex } = socket;
  table.open(socket);
  assert.equal(table.isPressed(socketIndex), false);
  table.setBuffered(socketIndex, 1);
  assert.equal(table.isPressed(socketIndex), true);
  table.setBuffered(socketIndex, 0);
  Atomics.add(words, socketIndex * SOCKET_WORDS + SOCKET_UNDERWAY, 500);
  assert.equal(table.isPressed(socketIndex), false);
  table.hold(socketIndex, 1);
  assert.equal(table.isPressed(socketIndex), true);
  assert.equal(table.buffered(socketIndex, socket.generation), 0);
  table.hold(socketIndex, -1);
  assert.equal(table.isPressed(socketIndex), false);
});

test("From closing on a socket is not open, though it is still found", () => {
  const table = new SocketTable(createSharedRing(4, 1024, 2));
  const socket = fakeSocket(reserve(table), 2);
  assert.equal(table.kindOf(socket.socketIndex, socket.generation), 0);
  table.open(socket);
  assert.equal(table.kindOf(socket.socketIndex, socket.generation), 2);
  assert.equal(table.kindOf(socket.socketIndex, 0), 0);
  table.closing(socket);
  assert.equal(table.kindOf(socket.socketIndex, socket.generation), 0);
  assert.equal(table.kindOf(socket.socketIndex, 0), 0);
  assert.equal(table.find(socket.socketIndex, socket.generation), socket);
});

test("Octets for a socket that is gone do not count for the next one of its index", () => {
  const ring = createSharedRing(4, 1024, 2);
  const words = new Int32Array(ring.sockets);
  const table = new SocketTable(ring);
  const first = fakeSocket(reserve(table));
  table.open(first);
  Atomics.add(words, first.socketIndex * SOCKET_WORDS + SOCKET_UNDERWAY, 100);
  table.arrived(first.socketIndex, first.generation, 40);
  assert.equal(words[SOCKET_UNDERWAY], 60);
  table.release(first);
  // Until the index comes round again.
  let second = fakeSocket(reserve(table));
  table.open(second);
  while (second.socketIndex !== first.socketIndex) {
    table.release(second);
    second = fakeSocket(reserve(table));
    table.open(second);
  }
  table.arrived(first.socketIndex, first.generation, 60);
  assert.equal(words[SOCKET_UNDERWAY], 0);
});

test("A full table gives no place", () => {
  const table = new SocketTable(createSharedRing(4, 1024, 2));
  let last = reserve(table);
  for (let i = 1; i < MAX_SOCKETS; i++) last = reserve(table);
  assert.equal(table.reserve(), null);
  const socket = fakeSocket(last);
  table.open(socket);
  table.release(socket);
  assert.notEqual(table.reserve(), null);
});

test("Ids are taken apart as they were put together; numbers that are none have generation 0", () => {
  for (const [index, generation] of [[0, 1], [MAX_SOCKETS - 1, 0x7fffffff], [7, 12_345_678]] as const) {
    const id = socketId(index, generation);
    assert.ok(Number.isSafeInteger(id));
    assert.deepEqual([socketIndex(id), socketGeneration(id)], [index, generation]);
  }
  for (const bad of [0, -1, 0.5, NaN, Infinity, 2 ** 53, -(2 ** 20)]) assert.equal(socketGeneration(bad), 0);
});
