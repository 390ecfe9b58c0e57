/**
 * Tests of the feed of a frame parser: what is told and answered is the same however the octets come, and bounded in
 * each turn.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type FeedOwner, FrameFeed } from "../../src/connection/frame_feed.ts";
import { byOctet, everySplit } from "../websocket/split_frames.ts";
import { concat, frame, toHex } from "../websocket/client_frames.ts";

/** An owner that takes note, and a loop whose turns the test takes. */
class Stage implements FeedOwner {
  readonly told: string[] = [];
  readonly pongs: string[] = [];
  writes = 0;
  fed = 0;
  readonly turns: (() => void)[] = [];
  readonly feed = new FrameFeed(
    { nextTurn: (callback) => void this.turns.push(callback) },
    this,
    { maxMessageBytes: 1000 },
    false,
  );

  onMessage(_isText: boolean, _isCompressed: boolean, bytes: Uint8Array, start: number, end: number): void {
    this.told.push(`message ${toHex(bytes.subarray(start, end))}`);
  }
  onPing(bytes: Uint8Array, start: number, end: number): void {
    this.told.push(`ping ${toHex(bytes.subarray(start, end))}`);
  }
  onPong(bytes: Uint8Array, start: number, end: number): void {
    this.told.push(`pong ${toHex(bytes.subarray(start, end))}`);
  }
  onCloseFrame(code: number): void {
    this.told.push(`close ${code} behind ${this.pongs.length} pongs`);
  }
  onFault(fault: string): void {
    this.told.push(`${fault} behind ${this.pongs.length} pongs`);
  }
  writePongs(bytes: Uint8Array, length: number): void {
    this.writes++;
    for (let at = 0; at < length;) {
      const end = at + 2 + (bytes[at + 1] ?? 0);
      this.pongs.push(toHex(bytes.subarray(at, end)));
      at = end;
    }
  }
  onFed(): void {
    this.fed++;
  }

  /** Octets arrive in memory that is used again. */
  push(octets: Uint8Array): void {
    const memory = Uint8Array.from(octets);
    this.feed.push(memory, memory.length);
    memory.fill(0x55);
  }
  turn(): void {
    for (const callback of this.turns.splice(0)) callback();
  }
}

/** Pings of many lengths, a message in fragments between them, and an end. */
function story(pings: number, end: Uint8Array): Uint8Array {
  const frames: Uint8Array[] = [frame({ fin: false, payload: "begun" })];
  for (let i = 0; i < pings; i++) frames.push(frame({ opcode: 9, payload: new Uint8Array(i % 126).fill(i) }));
  frames.push(frame({ opcode: 0, payload: " and ended" }), frame({ opcode: 10, payload: "p" }), end);
  return concat(...frames);
}

const END = frame({ opcode: 8, payload: "" });

test("However the octets are cut, the same is told and answered, in the same order", () => {
  const octets = story(5, END);
  const whole = new Stage();
  whole.push(octets);
  assert.deepEqual([whole.pongs.length, whole.writes, whole.told.at(-1)], [
    5,
    1,
    "close 1005 behind 5 pongs",
  ]);
  for (const pieces of [byOctet(octets), ...everySplit(octets)]) {
    const stage = new Stage();
    for (const piece of pieces) stage.push(piece);
    assert.deepEqual([stage.told, stage.pongs], [whole.told, whole.pongs]);
  }
});

test("Of many control frames 256 are handled in a turn, and nothing overtakes what waits", () => {
  for (const end of [END, Uint8Array.of(0xff)]) {
    const octets = story(1000, end);
    for (const cut of [octets.length, 30_000, octets.length - 1]) {
      const stage = new Stage();
      stage.push(octets.subarray(0, cut));
      assert.deepEqual([stage.pongs.length, stage.feed.isBehind, stage.turns.length], [256, true, 1]);
      stage.push(octets.subarray(cut));
      assert.equal(stage.pongs.length, 256);
      for (let turns = 1; stage.feed.isBehind; turns++) {
        stage.turn();
        assert.equal(stage.pongs.length, Math.min(1000, 256 * (turns + 1)));
      }
      assert.equal(stage.turns.length, 0);
      assert.equal(stage.fed, 5);
      const last = end === END ? "close 1005" : "reserved-bits";
      assert.deepEqual(stage.told.slice(-3), [
        "message " + toHex(new TextEncoder().encode("begun and ended")),
        "pong 70",
        `${last} behind 1000 pongs`,
      ]);
    }
  }
});

test("finish takes everything at once, stop nothing more", () => {
  const finished = new Stage();
  finished.push(story(1000, END));
  finished.feed.finish();
  assert.deepEqual([finished.pongs.length, finished.feed.isBehind], [1000, false]);
  finished.turn();
  const stopped = new Stage();
  stopped.push(story(1000, END));
  stopped.feed.stop();
  stopped.turn();
  stopped.push(END);
  assert.deepEqual([stopped.pongs.length, stopped.feed.isBehind, stopped.told.length], [256, false, 256]);
});
