import assert from "node:assert/strict";
import { test } from "node:test";
import { maskingKey, rotateKey, unmask } from "../../src/websocket/masking.ts";
import { fromHex, toHex, utf8 } from "./client_frames.ts";
import { SeededRandom } from "./split_frames.ts";

const KEY = [0x37, 0xfa, 0x21, 0x3d] as const;

test("unmask reads the example of RFC 6455 section 5.7", () => {
  const bytes = fromHex("7f 9f 4d 51 58");
  unmask(bytes, 0, 5, maskingKey(...KEY));
  assert.equal(toHex(bytes), toHex(utf8("Hello")));
});

test("unmask is octet i XOR key octet i MOD 4 at every length, place and alignment", () => {
  const random = new SeededRandom(3);
  const source = random.bytes(400);
  const key = [0x80, 0x01, 0xff, 0x7e] as const;
  for (const shift of [0, 1, 2, 3]) {
    for (const start of [0, 1, 2, 3, 5]) {
      for (let length = 0; length <= 300; length++) {
        const memory = new Uint8Array(404);
        const bytes = memory.subarray(shift, shift + 400);
        bytes.set(source);
        unmask(bytes, start, start + length, maskingKey(...key));
        for (let at = 0; at < 400; at++) {
          const inside = at >= start && at < start + length;
          const expected = (source[at] ?? 0) ^ (inside ? key[(at - start) % 4] ?? 0 : 0);
          if (bytes[at] !== expected) assert.fail(`octet ${at} of ${start}+${length}, shifted ${shift}`);
        }
      }
    }
  }
});

test("rotateKey lets a payload in pieces be unmasked piece by piece", () => {
  const random = new SeededRandom(5);
  const source = random.bytes(1000);
  const whole = source.slice();
  unmask(whole, 0, whole.length, maskingKey(...KEY));
  for (const longest of [1, 2, 3, 5, 130, 400]) {
    const bytes = source.slice();
    let key = maskingKey(...KEY);
    for (let at = 0; at < bytes.length;) {
      const end = Math.min(bytes.length, at + 1 + random.below(longest));
      unmask(bytes, at, end, key);
      key = rotateKey(key, end - at);
      at = end;
    }
    assert.equal(toHex(bytes), toHex(whole), `pieces up to ${longest}`);
  }
});

test("rotateKey turns by whole octets and back to the start after four", () => {
  const key = maskingKey(1, 2, 3, 0x84);
  assert.equal(rotateKey(key, 1), maskingKey(2, 3, 0x84, 1));
  assert.equal(rotateKey(key, 2), maskingKey(3, 0x84, 1, 2));
  assert.equal(rotateKey(key, 7), maskingKey(0x84, 1, 2, 3));
  assert.equal(rotateKey(key, 0), key);
  assert.equal(rotateKey(key, 2 ** 20), key);
});

test("unmask works in shared memory", () => {
  const bytes = new Uint8Array(new SharedArrayBuffer(257));
  unmask(bytes, 1, 257, maskingKey(...KEY));
  assert.equal(toHex(bytes.subarray(0, 9)), "0037fa213d37fa213d");
  assert.equal(toHex(bytes.subarray(253)), "37fa213d");
});
