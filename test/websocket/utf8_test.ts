import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { advanceUtf8, isUtf8Text, UTF8_COMPLETE, UTF8_INVALID } from "../../src/websocket/utf8.ts";
import { concat, fromHex, toHex, utf8 } from "./client_frames.ts";
import { FUZZ_TEST, fuzzPlan, SeededRandom } from "./split_frames.ts";

/** Whether a decoder that is not ours takes the octets. */
function isGood(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function advanceByOctet(bytes: Uint8Array): number {
  let state = UTF8_COMPLETE;
  for (let at = 0; at < bytes.length && state !== UTF8_INVALID; at++) {
    state = advanceUtf8(state, bytes, at, at + 1);
  }
  return state;
}

test("advanceUtf8 agrees with TextDecoder on every sequence of two octets", () => {
  const bytes = new Uint8Array(2);
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second++) {
      bytes[0] = first;
      bytes[1] = second;
      const expected = isGood(bytes);
      assert.equal(isUtf8Text(bytes, 0, 2), expected, toHex(bytes));
      assert.equal(advanceByOctet(bytes) === UTF8_COMPLETE, expected, toHex(bytes));
    }
  }
});

test("advanceUtf8 agrees with TextDecoder on three and four octets around every bound", () => {
  const edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xff];
  for (let first = 0xc0; first < 256; first++) {
    for (const second of edges) {
      for (const third of edges) {
        const three = Uint8Array.of(first, second, third);
        assert.equal(isUtf8Text(three, 0, 3), isGood(three), toHex(three));
        for (const fourth of edges) {
          const four = Uint8Array.of(first, second, third, fourth);
          assert.equal(isUtf8Text(four, 0, 4), isGood(four), toHex(four));
        }
      }
    }
  }
});

test("advanceUtf8 takes every code point that is not a surrogate and no surrogate", () => {
  const bytes = new Uint8Array(4);
  for (let point = 0x80; point <= 0x10ffff; point += point < 0x11000 ? 1 : 37) {
    let length = 4;
    if (point < 0x800) {
      bytes.set([0xc0 | (point >> 6), 0x80 | (point & 63)]);
      length = 2;
    } else if (point < 0x10000) {
      bytes.set([0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63)]);
      length = 3;
    } else {
      bytes.set([
        0xf0 | (point >> 18),
        0x80 | ((point >> 12) & 63),
        0x80 | ((point >> 6) & 63),
        0x80 | (point & 63),
      ]);
    }
    const isSurrogate = point >= 0xd800 && point < 0xe000;
    assert.equal(isUtf8Text(bytes, 0, length), !isSurrogate, point.toString(16));
  }
});

test("advanceUtf8 refuses at the first octet that nothing can follow", () => {
  for (
    const [good, bad] of [
      ["", "80"],
      ["", "c0"],
      ["", "c1"],
      ["", "f5"],
      ["", "ff"],
      ["c2", "7f"],
      ["c2", "c2"],
      ["e0", "9f"],
      ["e0 a0", "c0"],
      ["ed", "a0"],
      ["f0", "8f"],
      ["f0 90", "7f"],
      ["f0 90 80", "c0"],
      ["f4", "90"],
      ["f3 bf bf", "41"],
    ] as const
  ) {
    // Behind so much text that the native check has its part, and behind none.
    for (const before of ["", "x".repeat(200), "é".repeat(200)]) {
      const start = concat(utf8(before), fromHex(good));
      const state = advanceUtf8(UTF8_COMPLETE, start, 0, start.length);
      assert.notEqual(state, UTF8_INVALID, `${good} begins a character`);
      assert.equal(state === UTF8_COMPLETE, good === "", `${good} ends no character`);
      const whole = concat(start, fromHex(bad));
      assert.equal(advanceUtf8(UTF8_COMPLETE, whole, 0, whole.length), UTF8_INVALID, `${good} ${bad} whole`);
      assert.equal(advanceUtf8(state, fromHex(bad), 0, 1), UTF8_INVALID, `${good} ${bad} cut`);
    }
  }
});

test("advanceUtf8 stays invalid and stays as it is over nothing", () => {
  assert.equal(advanceUtf8(UTF8_INVALID, utf8("a"), 0, 1), UTF8_INVALID);
  assert.equal(advanceUtf8(UTF8_COMPLETE, utf8("a"), 1, 1), UTF8_COMPLETE);
  const inside = advanceUtf8(UTF8_COMPLETE, fromHex("f0 9f"), 0, 2);
  assert.equal(advanceUtf8(inside, new Uint8Array(0), 0, 0), inside);
});

test("advanceUtf8 agrees with TextDecoder on random texts however they are cut", FUZZ_TEST, () => {
  const { count, seed } = fuzzPlan();
  const alphabet = ["a", " ", "é", "ß", "日", "\u0800", "\uffff", "😀", "\u{10ffff}", "\ufeff", "\0"];
  let broken = 0;
  for (let i = 0; i < count * 5; i++) {
    const random = new SeededRandom(seed * 7919 + i);
    const isAscii = random.below(2) === 0;
    const length = random.pick([1, 5, 63, 64, 65, 66, 130, 1000]);
    let text = "";
    for (let at = 0; at < length; at++) text += isAscii && random.below(40) > 0 ? "x" : random.pick(alphabet);
    let bytes = utf8(text);
    if (random.below(2) === 0) bytes[random.below(bytes.length)] = random.below(256);
    if (random.below(3) === 0) {
      bytes = bytes.subarray(0, bytes.length - 1 - random.below(Math.min(3, bytes.length)));
    }
    const expected = isGood(bytes);
    if (!expected) broken++;
    assert.equal(isUtf8Text(bytes, 0, bytes.length), expected, `case ${i}, seed ${seed}`);
    let state = UTF8_COMPLETE;
    for (const piece of random.pieces(bytes, random.pick([1, 3, 64, 200]))) {
      // Shifted, with octets around it that must not be looked at.
      const memory = concat(Uint8Array.of(0xff, 0x80), piece, Uint8Array.of(0x80, 0xff));
      state = advanceUtf8(state, memory, 2, 2 + piece.length);
    }
    assert.equal(state === UTF8_COMPLETE, expected, `case ${i}, seed ${seed}, in pieces`);
  }
  if (count >= 50) assert.ok(broken > 0 && broken < count * 5);
});

test("advanceUtf8 takes a Buffer in shared memory", () => {
  const bytes = Buffer.from(new SharedArrayBuffer(300)).fill("ü", "utf8");
  assert.equal(advanceUtf8(UTF8_COMPLETE, bytes, 0, 300), UTF8_COMPLETE);
  assert.notEqual(advanceUtf8(UTF8_COMPLETE, bytes, 0, 299), UTF8_COMPLETE);
});
