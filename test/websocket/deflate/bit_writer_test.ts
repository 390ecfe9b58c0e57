import assert from "node:assert/strict";
import { test } from "node:test";
import { BitWriter } from "../../../src/websocket/deflate/bit_writer.ts";
import { toHex } from "../client_frames.ts";
import { SeededRandom } from "../split_frames.ts";

test("BitWriter puts the first bit lowest and fills the last octet with zeros", () => {
  const writer = new BitWriter(0);
  writer.write(1, 1);
  writer.write(0b10, 2);
  writer.write(0b11111, 5);
  writer.write(0b101, 3);
  assert.equal(toHex(writer.toBytes()), "fd");
  writer.align();
  writer.align();
  assert.equal(toHex(writer.toBytes()), "fd05");
  writer.append(Uint8Array.of(0xaa, 0xbb));
  writer.write(0xffff, 16);
  assert.equal(toHex(writer.toBytes()), "fd05aabbffff");
});

test("BitWriter keeps every bit while it grows", () => {
  const random = new SeededRandom(2);
  const writer = new BitWriter(1);
  let bits = "";
  for (let i = 0; i < 5000; i++) {
    const count = random.below(17);
    const value = random.below(2 ** count);
    writer.write(value, count);
    bits += count === 0 ? "" : [...value.toString(2).padStart(count, "0")].reverse().join("");
  }
  writer.align();
  const written = Array.from(
    writer.toBytes(),
    (octet) => [...octet.toString(2).padStart(8, "0")].reverse().join(""),
  );
  assert.equal(written.join(""), bits.padEnd(Math.ceil(bits.length / 8) * 8, "0"));
});
