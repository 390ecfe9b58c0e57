/**
 * Tests of what workers say about sockets, as the I/O thread reads it: in which order, and put together.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SpeakingWorker } from "../../src/connection/delivery.ts";
import { type ChangingHost, socketRecord } from "../../src/connection/socket_records.ts";
import type { Socket } from "../../src/connection/socket_table.ts";
import { OutboxKind, SendFlag } from "../../src/messages/kind.ts";
import { encodeSubscribe } from "../../src/messages/socket_message.ts";
import type { ChannelConsumer } from "../../src/ring/channel.ts";
import { SocketStage } from "./socket_stage.ts";

/** A socket that takes note, and a worker that speaks about it. */
class Stage extends SocketStage {
  readonly worker = { assembly: [] as Uint8Array[] } as unknown as SpeakingWorker;
  readonly did: string[] = [];
  readonly socket: Socket;

  constructor() {
    super();
    const place = this.sockets.reserve();
    if (place === null) throw new Error("no place");
    const nothing = (): void => undefined;
    this.socket = {
      socketIndex: place.index,
      generation: place.generation,
      kind: 1,
      pinnedTo: null,
      bufferLimit: 1000,
      waitsForSlow: false,
      isBusy: false,
      send: (bytes, start, end) => {
        this.did.push(
          `send ${end - start} of ${bytes[start]}, pressed ${this.sockets.isPressed(place.index)}`,
        );
      },
      wantDrain: () => void this.did.push("wantDrain"),
      close: nothing,
      fail: nothing,
      terminate: nothing,
      subscribe: (topics, lastId) => void this.did.push(`subscribe ${JSON.stringify(topics)} ${lastId}`),
      unsubscribe: (topic) => void this.did.push(`unsubscribe ${JSON.stringify(topic)}`),
      pinnedWorkerDied: nothing,
    };
    this.sockets.open(this.socket);
  }

  /** The worker says something. */
  say(kind: number, content: Uint8Array, a = 0, b = this.socket.generation): void {
    // A record lies somewhere in its ring.
    const bytes = new Uint8Array(content.length + 20).fill(0x55);
    bytes.set(content, 10);
    const record = { kind, ticket: 0, connection: 0, bytes, offset: 10, length: content.length, a, b };
    socketRecord(this as unknown as ChangingHost, this.worker, record as unknown as ChannelConsumer);
  }

  /** The same in pieces. */
  sayInPieces(kind: number, content: Uint8Array, size: number): void {
    for (let at = 0; at < content.length; at += size) {
      const isLast = at + size >= content.length;
      this.say(kind, content.subarray(at, at + size), isLast ? 0 : SendFlag.More);
    }
  }
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

test("Octets are under way until they are written: a sender that looks meanwhile sees them", () => {
  const stage = new Stage();
  const { socketIndex, generation } = stage.socket;
  stage.sockets.hold(socketIndex, 600);
  stage.say(OutboxKind.SocketSend, new Uint8Array(600).fill(7));
  assert.deepEqual(stage.did, ["send 600 of 7, pressed true"]);
  assert.equal(stage.sockets.isPressed(socketIndex), false);
  // Those for a socket that was there before are nobody's.
  stage.say(OutboxKind.SocketSend, new Uint8Array(600), 0, generation + 1);
  stage.say(OutboxKind.SocketDrain, new Uint8Array(0), 0, generation + 1);
  stage.say(OutboxKind.SocketDrain, new Uint8Array(0));
  assert.deepEqual(stage.did.slice(1), ["wantDrain"]);
  stage.sockets.hold(socketIndex, 501);
  assert.equal(stage.sockets.isPressed(socketIndex), true);
});

test("A message of several records is put together; one that was broken off is dropped with its end", () => {
  const stage = new Stage();
  stage.sayInPieces(OutboxKind.SocketSend, new Uint8Array(250).fill(3), 100);
  assert.deepEqual(stage.did, ["send 250 of 3, pressed false"]);
  const gone = stage.socket.generation + 1;
  stage.say(OutboxKind.SocketSend, new Uint8Array(100).fill(4), SendFlag.More, gone);
  stage.say(OutboxKind.SocketSend, new Uint8Array(0), 0, gone);
  stage.say(OutboxKind.SocketSend, new Uint8Array(10).fill(5));
  assert.deepEqual(stage.did.slice(1), ["send 10 of 5, pressed false"]);
});

test("Topics are what they were, in one record or several, when they are entered and when they are left", () => {
  for (const topic of ["t", "\ufefft", "", "x".repeat(300)]) {
    const stage = new Stage();
    stage.sayInPieces(OutboxKind.Subscribe, encodeSubscribe([topic, "other"], null), 64);
    if (topic === "") stage.say(OutboxKind.Unsubscribe, utf8(topic));
    else stage.sayInPieces(OutboxKind.Unsubscribe, utf8(topic), 64);
    assert.deepEqual(stage.did, [
      `subscribe ${JSON.stringify([topic, "other"])} null`,
      `unsubscribe ${JSON.stringify(topic)}`,
    ]);
  }
});
