import assert from "node:assert/strict";
import { test } from "node:test";
import {
  frameBytes,
  frameHeaderBytes,
  textFrameBytesMax,
  writeCloseFrame,
  writeFrame,
  writeFrameHeader,
  writeTextFrame,
} from "../../src/websocket/frame_encoder.ts";
import { OPCODE } from "../../src/websocket/opcode.ts";
import { frame, toHex, utf8 } from "./client_frames.ts";
import { SeededRandom } from "./split_frames.ts";

const LENGTHS = [0, 1, 125, 126, 127, 255, 256, 65_535, 65_536, 65_537, 70_000];

test("writeFrame writes what a frame of section 5.2 is, unmasked and whole", () => {
  for (const length of LENGTHS) {
    for (const opcode of [OPCODE.text, OPCODE.binary, OPCODE.ping, OPCODE.pong, OPCODE.close]) {
      for (const isCompressed of [false, true]) {
        const payload = new SeededRandom(length + 1).bytes(length);
        const expected = frame({ opcode, payload, rsv: isCompressed ? 4 : 0, key: null });
        const target = new Uint8Array(7 + expected.length + 1).fill(0xaa);
        assert.equal(frameBytes(length), expected.length);
        assert.equal(writeFrame(target, 7, opcode, payload, isCompressed), 7 + expected.length);
        assert.equal(toHex(target), `${"aa".repeat(7)}${toHex(expected)}aa`);
      }
    }
  }
});

test("writeFrameHeader writes lengths above 32 bits", () => {
  const target = new Uint8Array(10);
  for (
    const [length, hex] of [
      [2 ** 31, "827f0000000080000000"],
      [2 ** 32 + 5, "827f0000000100000005"],
      [Number.MAX_SAFE_INTEGER, "827f001fffffffffffff"],
    ] as const
  ) {
    assert.equal(writeFrameHeader(target, 0, OPCODE.binary, length), 10);
    assert.equal(toHex(target), hex);
    assert.equal(frameHeaderBytes(length), 10);
  }
});

test("writeTextFrame writes the shortest header whatever the text's UTF-8 turns out to be", () => {
  const texts = ["", "Hello", "é", "日本", "😀", "\ufeffmark", "\0"];
  for (const unit of ["a", "é", "日", "😀"]) {
    const size = utf8(unit).length;
    for (
      const octets of [123, 124, 125, 126, 127, 128, 300, 65_533, 65_534, 65_535, 65_536, 65_537, 65_600]
    ) {
      texts.push(unit.repeat(Math.floor(octets / size)) + "x".repeat(octets % size));
    }
  }
  for (const text of texts) {
    const expected = frame({ payload: text, key: null });
    const target = new Uint8Array(3 + textFrameBytesMax(text));
    const end = writeTextFrame(target, 3, text);
    assert.equal(toHex(target.subarray(3, end)), toHex(expected), `${text.length} units`);
    // And into a target without an octet to spare.
    const exact = new Uint8Array(expected.length);
    assert.equal(writeTextFrame(exact, 0, text), expected.length);
    assert.equal(toHex(exact), toHex(expected));
    const short = new Uint8Array(expected.length - 1);
    if (text !== "") assert.throws(() => writeTextFrame(short, 0, text), RangeError, `${text.length} units`);
  }
});

test("writeTextFrame writes U+FFFD for half a surrogate pair", () => {
  const target = new Uint8Array(40);
  const end = writeTextFrame(target, 0, "a\ud800b\udfff");
  assert.equal(toHex(target.subarray(0, end)), "810861efbfbd62efbfbd");
});

test("writeTextFrame writes into shared memory", () => {
  const target = new Uint8Array(new SharedArrayBuffer(20));
  assert.equal(writeTextFrame(target, 1, "né"), 6);
  assert.equal(toHex(target.subarray(0, 7)), "0081036ec3a900");
});

test("writeCloseFrame writes code and reason, or neither", () => {
  const target = new Uint8Array(200);
  assert.equal(toHex(target.subarray(0, writeCloseFrame(target, 0))), "8800");
  assert.equal(toHex(target.subarray(0, writeCloseFrame(target, 0, 1000))), "880203e8");
  assert.equal(toHex(target.subarray(0, writeCloseFrame(target, 0, 4999, "é"))), "88041387c3a9");
  assert.equal(writeCloseFrame(target, 0, 1001, "x".repeat(123)), 127);
  assert.throws(() => writeCloseFrame(target, 0, 1006), { code: "ERR_CLOSE" });
});
