/**
 * Tests of what travels about sockets: each message read back is what was written.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  batchLength,
  decodeBatchResult,
  decodePublish,
  decodeSubscribe,
  decodeUpgrade,
  encodeBatchResult,
  encodePublish,
  encodeSubscribe,
  encodeUpgrade,
  readBatch,
  settingsBytes,
  SocketEvent,
  type SocketSettings,
  UpgradeKind,
  writeBatch,
} from "../../src/messages/socket_message.ts";

const SETTINGS: SocketSettings = {
  key: "/chat 1",
  events: 255,
  isPinned: false,
  maxMessageBytes: 1000,
  maxBufferedBytes: 2000,
  waitsForSlow: true,
  pingIntervalMs: 30_000,
  idleTimeoutMs: 0,
  deflates: true,
  protocol: "v1",
  deflate: {
    serverNoContextTakeover: false,
    clientNoContextTakeover: true,
    serverWindowBits: 15,
    clientWindowBits: 9,
    thresholdBytes: 0,
    level: 3,
  },
  isChunked: false,
  reportsClose: false,
};
const bytes = (...octets: number[]): Uint8Array => Uint8Array.from(octets);

test("An upgrade is read back, as private copies", () => {
  const message = { kind: UpgradeKind.WebSocket, head: bytes(1, 2), socket: SETTINGS, data: bytes(3) };
  const encoded = encodeUpgrade(message);
  const decoded = decodeUpgrade(encoded);
  encoded.fill(0);
  assert.deepEqual(decoded, message);
});

test("Equal settings are one object, however often they come", () => {
  const upgrade = (): Uint8Array =>
    encodeUpgrade({ kind: 1, head: bytes(), socket: { ...SETTINGS }, data: bytes() });
  const [one, two] = [decodeUpgrade(upgrade()).socket, decodeUpgrade(upgrade()).socket];
  assert.equal(one, two);
  assert.equal(settingsBytes(one), settingsBytes(two));
});

test("A batch is read back, at any position, with events of every kind", () => {
  const fixed = [
    settingsBytes(SETTINGS),
    new TextEncoder().encode("::1"),
    bytes(1),
    bytes(2, 2),
    bytes(3, 3, 3),
  ];
  const events = Object.values(SocketEvent).map((kind) => ({
    kind,
    a: kind * 7,
    bytes: new Uint8Array(kind).fill(kind),
  }));
  const length = batchLength(fixed, events);
  assert.equal(length % 8, 0);
  for (const at of [0, 8, 24]) {
    const target = new Uint8Array(at + length);
    writeBatch(target, at, 77, 0x7fffffff, true, fixed, events);
    assert.deepEqual(readBatch(target, at), {
      index: 77,
      generation: 0x7fffffff,
      remoteAddress: "::1",
      settings: SETTINGS,
      data: bytes(1),
      inflateWindow: bytes(2, 2),
      deflateWindow: bytes(3, 3, 3),
      isStreamed: true,
      events,
    });
  }
});

test("A batch's result tells what changed, and empty from unchanged", () => {
  const none = { data: null, inflateWindow: null, deflateWindow: null };
  assert.equal(encodeBatchResult(none).length, 0);
  for (
    const result of [
      none,
      { ...none, data: bytes(1, 2) },
      { ...none, data: bytes() },
      { ...none, inflateWindow: bytes(4) },
      { data: bytes(1), inflateWindow: bytes(), deflateWindow: bytes(9, 9) },
    ]
  ) assert.deepEqual(decodeBatchResult(encodeBatchResult(result)), result);
});

test("Subscriptions and publishes are read back", () => {
  for (
    const [topics, lastId] of [[["t"], null], [["ünï"], ""], [[""], "7"], [[], null], [
      ["a", "b\ufeff", "c"],
      "9",
    ]] as const
  ) {
    assert.deepEqual(decodeSubscribe(encodeSubscribe(topics, lastId)), { topics, lastId });
  }
  for (const id of [null, "", "x.1"]) {
    const message = { topic: "t", isText: id === null, event: "e", id, payload: bytes(5, 6) };
    assert.deepEqual(decodePublish(encodePublish(message)), message);
  }
});
