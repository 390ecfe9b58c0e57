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
    waitLimit: 0,
    isBusy: false,
    send: nothing,
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

test("An id names one socket for ever: the index comes back, the generation does not", () => {
  const table = new SocketTable(createSharedRing(4, 1024, 2));
  const ids = new Set<number>();
  let last: Socket | null = null;
  for (let i = 0; i < 1000; i++) {
    const socket = fakeSocket(reserve(table));
    table.open(socket);
    assert.equal(socket.socketIndex, 0);
    assert.equal(table.find(0, socket.generation), socket);
    if (last !== null) assert.equal(table.find(0, last.generation), null);
    ids.add(socketId(0, socket.generation));
    table.release(socket);
    table.release(socket);
    last = socket;
  }
  assert.equal(ids.size, 1000);
  assert.equal(table.count, 0);
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
  const second = fakeSocket(reserve(table));
  table.open(second);
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
