import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Lz77,
  MAX_BLOCK_TOKENS,
  TOKEN_DISTANCE_MASK,
  TOKEN_LENGTH_SHIFT,
} from "../../../src/websocket/deflate/lz77.ts";
import { concat, toHex, utf8 } from "../client_frames.ts";
import { SeededRandom } from "../split_frames.ts";
import { randomText } from "./texts.ts";

/** All tokens of a text, as octets and [length, distance] pairs. */
function tokensOf(
  lz77: Lz77,
  text: Uint8Array,
  history: number,
  windowBytes: number,
): (number | [number, number])[] {
  const all: (number | [number, number])[] = [];
  lz77.begin(text, history, windowBytes);
  for (;;) {
    const count = lz77.nextBlock();
    assert.ok(count <= MAX_BLOCK_TOKENS);
    if (count === 0) break;
    for (const token of lz77.tokens.subarray(0, count)) {
      all.push(token < 256 ? token : [token >>> TOKEN_LENGTH_SHIFT, token & TOKEN_DISTANCE_MASK]);
    }
  }
  lz77.end();
  return all;
}

function replay(tokens: (number | [number, number])[], history: Uint8Array): Uint8Array {
  const output = Array.from(history);
  for (const token of tokens) {
    if (typeof token === "number") {
      output.push(token);
      continue;
    }
    for (let i = 0; i < token[0]; i++) output.push(output[output.length - token[1]] ?? -1);
  }
  return Uint8Array.from(output.slice(history.length));
}

test("Lz77 finds a repetition, also in the history and also one that overlaps itself", () => {
  const lz77 = new Lz77();
  assert.deepEqual(tokensOf(lz77, utf8("abcdefabcdef"), 0, 32_768), [97, 98, 99, 100, 101, 102, [6, 6]]);
  assert.deepEqual(tokensOf(lz77, utf8("abcdefabcdef"), 6, 32_768), [[6, 6]]);
  assert.deepEqual(tokensOf(lz77, utf8("aaaaaaaaa"), 0, 256), [97, [8, 1]]);
  assert.deepEqual(tokensOf(lz77, utf8(""), 0, 256), []);
  assert.deepEqual(tokensOf(lz77, utf8("history"), 7, 256), []);
});

test("Lz77 waits an octet when the next position has a longer match", () => {
  const tokens = tokensOf(new Lz77(), utf8("abc-bcdefgh-abcdefgh"), 0, 32_768);
  assert.deepEqual(tokens.slice(-2), [97, [7, 9]]);
});

test("Lz77 takes a distance of exactly the window and none longer", () => {
  for (const windowBytes of [256, 512, 4096, 32_768]) {
    for (const gap of [windowBytes - 1, windowBytes, windowBytes + 1]) {
      // Between the two words only octets that never repeat in threes.
      const filler = new Uint8Array(gap - 8);
      const random = new SeededRandom(gap);
      for (let i = 0; i < filler.length; i++) filler[i] = 128 + random.below(128);
      const text = concat(utf8("firstone"), filler, utf8("firstone"));
      const tokens = tokensOf(new Lz77(), text, 0, windowBytes);
      const found = tokens.some((token) => typeof token !== "number" && token[1] === gap && token[0] === 8);
      assert.equal(found, gap <= windowBytes, `a distance of ${gap} in ${windowBytes}`);
    }
  }
});

test("Lz77 splits random texts into tokens that give them back, within the window", () => {
  const lz77 = new Lz77();
  for (let i = 0; i < 150; i++) {
    const random = new SeededRandom(100 + i);
    const text = randomText(random, 90_000);
    const history = Math.min(text.length, random.pick([0, 0, 5, 300, 40_000]));
    const windowBytes = random.pick([256, 512, 8192, 32_768]);
    const tokens = tokensOf(lz77, text, history, windowBytes);
    for (const token of tokens) {
      if (typeof token === "number") continue;
      assert.ok(token[0] >= 3 && token[0] <= 258 && token[1] >= 1 && token[1] <= windowBytes, String(token));
    }
    assert.equal(
      toHex(replay(tokens, text.subarray(0, history))),
      toHex(text.subarray(history)),
      `text ${i}`,
    );
  }
});
