import assert from "node:assert/strict";
import { test } from "node:test";
import { inflateRawSync } from "node:zlib";
import { deflateInWindow } from "../../../src/websocket/deflate/window_deflate.ts";
import { concat, fromHex, toHex, utf8 } from "../client_frames.ts";
import { FUZZ_TEST, fuzzPlan, SeededRandom } from "../split_frames.ts";
import { readDeflate } from "./inflate_reader.ts";
import { chatMessage, randomText } from "./texts.ts";

const NOTHING = new Uint8Array(0);
/** What the receiver appends (RFC 7692 section 7.2.2), and a final block so that zlib can end. */
const TAIL = fromHex("00 00 ff ff 01 00 00 ff ff");

test("deflateInWindow writes the first example of RFC 7692 section 7.2.3, and the second shorter", () => {
  assert.equal(toHex(deflateInWindow(utf8("Hello"), NOTHING, 32_768)), "f248cdc9c90700");
  // 7.2.3.2, the same message again: there a literal and a match of 4, f200110000; here one match of 5.
  assert.equal(toHex(deflateInWindow(utf8("Hello"), utf8("Hello"), 32_768)), "02130000");
  assert.equal(toHex(deflateInWindow(NOTHING, NOTHING, 32_768)), "00");
});

test("deflateInWindow uses each kind of block where it is the shortest", () => {
  const random = new SeededRandom(1);
  const skewed = Uint8Array.from({ length: 5000 }, () => 97 + Math.min(random.below(26), random.below(26)));
  for (
    const [kind, text] of [
      ["stored", random.bytes(3000)],
      ["fixed", utf8("Hello, Hello")],
      ["dynamic", skewed],
    ] as const
  ) {
    const facts = readDeflate(concat(deflateInWindow(text, NOTHING, 32_768), fromHex("00 00 ff ff")));
    assert.deepEqual(facts.blocks, [kind, "stored"]);
    assert.equal(toHex(facts.plaintext), toHex(text));
  }
});

test("deflateInWindow grows what cannot be compressed by a few octets per block only", () => {
  const text = new SeededRandom(4).bytes(200_000);
  const deflated = deflateInWindow(text, NOTHING, 32_768);
  assert.ok(deflated.length < text.length + 5 * 20, String(deflated.length - text.length));
});

test("deflateInWindow makes messages like those before them several times shorter", () => {
  const before = concat(...Array.from({ length: 40 }, (_, i) => chatMessage(i)));
  const message = chatMessage(41);
  const alone = deflateInWindow(message, NOTHING, 32_768);
  const after = deflateInWindow(message, before, 32_768);
  assert.ok(after.length * 4 < alone.length, `${after.length} after others, ${alone.length} alone`);
});

test("deflateInWindow is inflated by zlib with its window, and by a window of that size", FUZZ_TEST, () => {
  const { count, seed } = fuzzPlan();
  for (let i = 0; i < count; i++) {
    const random = new SeededRandom(seed * 31_337 + i);
    const windowBytes = 2 ** (8 + random.below(8));
    const text = randomText(random, random.pick([50, 3000, 60_000]));
    const history = random.below(2) === 0
      ? randomText(random, windowBytes).subarray(0, windowBytes)
      : NOTHING;
    const stream = concat(deflateInWindow(text, history, windowBytes), TAIL);
    const label = `seed ${seed}, case ${i}`;
    // The window in front as a stored block: `dictionary` does nothing on Deno.
    const length = history.length;
    const stored = Uint8Array.of(0, length & 255, length >> 8, ~length & 255, (~length >> 8) & 255);
    const inflated = inflateRawSync(concat(stored, history, stream)).subarray(length);
    assert.equal(toHex(inflated), toHex(text), label);
    if (text.length < 4000) {
      const facts = readDeflate(stream, history);
      assert.equal(toHex(facts.plaintext), toHex(text), label);
      assert.ok(facts.maxDistance <= windowBytes, label);
    }
  }
});
