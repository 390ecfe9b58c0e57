import assert from "node:assert/strict";
import { test } from "node:test";
import { buildCode, codeOfLengths } from "../../../src/websocket/deflate/huffman_code.ts";
import { SeededRandom } from "../split_frames.ts";

/** The sum of 2^-length over all symbols: 1 for a complete code, above 1 for an impossible one. */
function kraftSum(lengths: Uint8Array): number {
  return lengths.reduce((sum, length) => sum + (length === 0 ? 0 : 2 ** -length), 0);
}

test("codeOfLengths makes the example code of RFC 1951 section 3.2.2", () => {
  // A to H have lengths (3, 3, 3, 3, 3, 2, 4, 4): 010 011 100 101 110 00 1110 1111, sent from the highest bit on.
  const { bits } = codeOfLengths(Uint8Array.of(3, 3, 3, 3, 3, 2, 4, 4));
  const expected = ["010", "011", "100", "101", "110", "00", "1110", "1111"];
  const sent = Array.from(bits, (code, i) => code.toString(2).padStart(expected[i]?.length ?? 0, "0"));
  assert.deepEqual(sent.map((code) => [...code].reverse().join("")), expected);
});

test("buildCode gives complete codes within the limit, shorter ones to what is more frequent", () => {
  const random = new SeededRandom(11);
  for (let round = 0; round < 300; round++) {
    const size = random.pick([2, 3, 19, 30, 286]);
    const maxBits = size === 19 ? 7 : 15;
    const frequencies = new Uint32Array(size);
    for (let symbol = 0; symbol < size; symbol++) {
      frequencies[symbol] = random.below(3) === 0 ? 0 : 1 + random.below(2 ** random.below(14));
    }
    frequencies[0] = 1;
    frequencies[1] = 5;
    const { lengths } = buildCode(frequencies, maxBits);
    assert.equal(kraftSum(lengths), 1, `round ${round}`);
    for (let symbol = 0; symbol < size; symbol++) {
      assert.equal(lengths[symbol] === 0, frequencies[symbol] === 0);
      assert.ok((lengths[symbol] ?? 0) <= maxBits);
    }
  }
});

test("buildCode keeps to the limit with frequencies that grow like Fibonacci's numbers", () => {
  for (const [size, maxBits] of [[30, 15], [19, 7]] as const) {
    const frequencies = new Uint32Array(size);
    frequencies[0] = 1;
    frequencies[1] = 1;
    for (let symbol = 2; symbol < size; symbol++) {
      frequencies[symbol] = (frequencies[symbol - 1] ?? 0) + (frequencies[symbol - 2] ?? 0);
    }
    const { lengths } = buildCode(frequencies, maxBits);
    assert.equal(Math.max(...lengths), maxBits);
    assert.equal(kraftSum(lengths), 1);
    assert.ok((lengths[size - 1] ?? 0) < (lengths[0] ?? 0));
  }
});

test("buildCode is optimal where the limit does not matter", () => {
  const { lengths } = buildCode(Uint32Array.of(45, 13, 12, 16, 9, 5), 15);
  assert.deepEqual([...lengths], [1, 3, 3, 3, 4, 4]);
});

test("buildCode gives one bit to a single symbol and nothing to none", () => {
  assert.deepEqual([...buildCode(Uint32Array.of(0, 7, 0), 15).lengths], [0, 1, 0]);
  assert.deepEqual([...buildCode(new Uint32Array(3), 15).lengths], [0, 0, 0]);
});
