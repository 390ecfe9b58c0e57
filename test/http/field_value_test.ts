/**
 * Tests of the search for the end of a field value.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { endOfFieldValue } from "../../src/http/field_value.ts";
import { isFieldValueOctet } from "../../src/http/octets.ts";
import { SeededRandom } from "../support/seeded_random.ts";

function plainEnd(bytes: Uint8Array, start: number, limit: number): number {
  let position = start;
  while (position < limit && isFieldValueOctet(bytes[position] ?? 0)) position++;
  return position;
}

test("endOfFieldValue finds every octet that ends a value, in every place of a word", () => {
  for (const usual of [0x20, 0x21, 0x7e, 0x80, 0xff]) {
    for (let octet = 0; octet < 256; octet++) {
      for (let place = 0; place < 9; place++) {
        const bytes = new Uint8Array(16).fill(usual);
        bytes[3 + place] = octet;
        const expected = isFieldValueOctet(octet) ? 12 : 3 + place;
        assert.equal(endOfFieldValue(bytes, 3, 12), expected, `${octet} at ${place} among ${usual}`);
      }
    }
  }
});

test("endOfFieldValue stops at the limit, whatever stands behind it", () => {
  const bytes = new Uint8Array(40).fill(0x61);
  bytes[30] = 0x0d;
  for (let start = 0; start <= 30; start++) {
    for (let limit = start; limit <= 40; limit++) {
      assert.equal(endOfFieldValue(bytes, start, limit), Math.min(limit, 30), `${start} to ${limit}`);
    }
  }
});

test("endOfFieldValue agrees with a plain loop on any octets", () => {
  const random = new SeededRandom();
  const octets = [0x00, 0x09, 0x09, 0x0d, 0x1f, 0x20, 0x61, 0x61, 0x61, 0x7e, 0x7f, 0x80, 0x8d, 0xa0, 0xff];
  for (let round = 0; round < 5000; round++) {
    const bytes = Uint8Array.from({ length: 24 }, () => random.pick(octets));
    for (const view of [bytes, bytes.subarray(5), Buffer.from(bytes)]) {
      const start = random.below(12);
      const limit = start + random.below(view.length - start + 1);
      assert.equal(
        endOfFieldValue(view, start, limit),
        plainEnd(view, start, limit),
        `${bytes} ${start} ${limit}`,
      );
    }
  }
});
