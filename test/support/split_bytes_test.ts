/**
 * Tests of the splitting helper.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { everySplit, placed, randomSplit, wireBytes } from "./split_bytes.ts";

test("Every split of three octets is whole, two cuts, and octet by octet", () => {
  assert.deepEqual([...everySplit(3)], [[3], [1, 3], [2, 3], [1, 2, 3]]);
});

test("A random split ascends strictly to the length", () => {
  let state = 7;
  const below = (limit: number): number => (state = (state * 75 + 74) % 65537) % limit;
  const sizes = new Set<number>();
  for (let round = 0; round < 200; round++) {
    const ends = randomSplit(50, below);
    assert.equal(ends.at(-1), 50);
    ends.forEach((end, index) => assert.ok(end > (ends[index - 1] ?? 0)));
    sizes.add(ends.length);
  }
  assert.ok(sizes.size > 5, "splits vary");
  assert.deepEqual(randomSplit(0, below), [0]);
});

test("A placed range holds its octets, elsewhere and among others", () => {
  const bytes = wireBytes("0123456789\xff");
  const starts = new Set<number>();
  for (let from = 0; from < bytes.length; from++) {
    const range = placed(bytes, from, bytes.length);
    assert.deepEqual(range.bytes.slice(range.start, range.end), bytes.slice(from));
    assert.ok(range.bytes.length > range.end);
    starts.add(range.start);
  }
  assert.ok(starts.size > 3, "places vary");
});
