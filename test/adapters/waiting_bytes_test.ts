import assert from "node:assert/strict";
import { test } from "node:test";
import { BLOCK_BYTES, WaitingBytes } from "../../src/adapters/waiting_bytes.ts";
import { assertSameBytes, pattern } from "./stage.ts";

/** Takes out everything, at most `step` octets at a time. */
function drain(waiting: WaitingBytes, step: number): Uint8Array {
  const all: number[] = [];
  while (waiting.length > 0) {
    const front = waiting.front();
    const count = Math.min(step, front.length);
    assert.ok(count > 0 && count <= waiting.length);
    all.push(...front.subarray(0, count));
    waiting.drop(count);
  }
  assert.equal(waiting.front().length, 0);
  return Uint8Array.from(all);
}

test("WaitingBytes gives back what was appended, whatever the steps", () => {
  const sizes = [1, 0, 4_095, 1, 1, 70_000, 3, BLOCK_BYTES, BLOCK_BYTES + 1, 200_000, 5];
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const expected = pattern(total);
  for (const step of [777, 4_096, BLOCK_BYTES]) {
    const waiting = new WaitingBytes();
    let at = 0;
    for (const size of sizes) {
      waiting.append(expected, at, at + size);
      at += size;
      assert.equal(waiting.length, at);
    }
    assertSameBytes(drain(waiting, step), expected);
  }
});

test("WaitingBytes keeps the order when appending and taking alternate", () => {
  const expected = pattern(500_000);
  const waiting = new WaitingBytes();
  const out: number[] = [];
  let at = 0;
  for (let turn = 1; out.length < expected.length; turn++) {
    const size = Math.min((turn * 7_919) % 20_000, expected.length - at);
    waiting.append(expected, at, at + size);
    at += size;
    const front = waiting.front();
    const count = Math.min(front.length, (turn * 104_729) % 21_000);
    out.push(...front.subarray(0, count));
    waiting.drop(count);
    assert.equal(waiting.length, at - out.length);
  }
  assertSameBytes(Uint8Array.from(out), expected);
});

test("WaitingBytes never touches a front that was handed out", () => {
  const waiting = new WaitingBytes();
  const first = pattern(100);
  waiting.append(first, 0, 100);
  const front = waiting.front();
  waiting.drop(100);
  for (let i = 0; i < 50; i++) waiting.append(new Uint8Array(1_000).fill(255), 0, 1_000);
  assertSameBytes(front, first);
});

test("WaitingBytes copies", () => {
  const bytes = pattern(10_000);
  const waiting = new WaitingBytes();
  waiting.append(bytes, 10, 9_000);
  const expected = bytes.slice(10, 9_000);
  bytes.fill(0);
  assertSameBytes(drain(waiting, BLOCK_BYTES), expected);
});
