import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ByteRange,
  contentRange,
  frameByteranges,
  MAX_RANGES,
  type RangeSelection,
  selectRanges,
  unsatisfiedContentRange,
} from "../../src/http/range.ts";
import { FUZZ_SEED, fuzzCount, SeededRandom } from "../support/seeded_random.ts";

const GIB = 1024 ** 3;
const HUGE = "9".repeat(40);

/** Section of RFC 9110, field value, size, selection (ends not included). */
const CASES: [string, string, number, "whole" | "unsatisfiable" | [number, number][]][] = [
  // int-range
  ["14.1.2", "bytes=0-499", 10_000, [[0, 500]]],
  ["14.1.2", "bytes=500-999", 10_000, [[500, 1_000]]],
  ["14.1.2", "bytes=9500-", 10_000, [[9_500, 10_000]]],
  ["14.1.2", "bytes=0-0", 10_000, [[0, 1]]],
  ["14.1.2", "bytes=0-", 10, [[0, 10]]],
  ["14.1.2 last-pos beyond", "bytes=5-99", 10, [[5, 10]]],
  ["14.1.2 last-pos at the end", "bytes=0-9", 10, [[0, 10]]],
  ["14.1.2 last-pos at the end", "bytes=0-10", 10, [[0, 10]]],
  ["14.1.2 first-pos at the end", "bytes=9-9", 10, [[9, 10]]],
  ["14.1.2 leading zeros", "bytes=0000-0004", 10, [[0, 5]]],
  // suffix-range
  ["14.1.2", "bytes=-500", 10_000, [[9_500, 10_000]]],
  ["14.1.2", "bytes=-1", 10, [[9, 10]]],
  ["14.1.2 suffix as long as all", "bytes=-10", 10, [[0, 10]]],
  ["14.1.2 suffix longer than all", "bytes=-11", 10, [[0, 10]]],
  ["14.1.2 suffix longer than all", `bytes=-${HUGE}`, 10, [[0, 10]]],
  // unsatisfiable
  ["15.5.17", "bytes=10-", 10, "unsatisfiable"],
  ["15.5.17", "bytes=10-20", 10, "unsatisfiable"],
  ["15.5.17", `bytes=${HUGE}-`, 10, "unsatisfiable"],
  ["15.5.17", `bytes=${HUGE}-${HUGE}`, 10, "unsatisfiable"],
  ["14.1.2 suffix of nothing", "bytes=-0", 10, "unsatisfiable"],
  ["15.5.17", "bytes=10-,-0,99-100", 10, "unsatisfiable"],
  ["15.5.17 empty", "bytes=0-", 0, "unsatisfiable"],
  ["15.5.17 empty", "bytes=0-0", 0, "unsatisfiable"],
  ["14.1.2 suffix of the empty", "bytes=-5", 0, "whole"],
  ["14.1.2 suffix of the empty", "bytes=-0", 0, "unsatisfiable"],
  // several
  ["14.1.2", "bytes=0-0,-1", 10_000, [[0, 1], [9_999, 10_000]]],
  ["14.1.2", "bytes=0-999, 4500-5499, -1000", 10_000, [[0, 1_000], [4_500, 5_500], [9_000, 10_000]]],
  ["15.3.7.2 order kept", "bytes=7-8,0-1,4-5", 10, [[7, 9], [0, 2], [4, 6]]],
  ["15.3.7.2 neighbours kept apart", "bytes=0-1,2-3", 10, [[0, 2], [2, 4]]],
  ["15.3.7.2 one is left", "bytes=0-1,20-30", 10, [[0, 2]]],
  ["15.3.7.2 one is left", "bytes=20-30,-2", 10, [[8, 10]]],
  ["15.3.7.2 overlap joined", "bytes=0-4,2-6", 10, [[0, 7]]],
  ["15.3.7.2 overlap joined", "bytes=2-6,0-4", 10, [[0, 7]]],
  ["15.3.7.2 inside joined", "bytes=0-9,2-3", 10, [[0, 10]]],
  ["15.3.7.2 same joined", "bytes=3-4,3-4,3-4", 10, [[3, 5]]],
  ["15.3.7.2 chain joined", "bytes=8-9,0-2,4-6,2-4", 10, [[8, 10], [0, 7]]],
  ["17.15 everything again and again", `bytes=${"0-,".repeat(MAX_RANGES)}`, 10, [[0, 10]]],
  ["17.15 too many", `bytes=${"0-,".repeat(MAX_RANGES + 1)}`, 10, "whole"],
  ["17.15 too many", `bytes=${"0-0,".repeat(4_000)}`, 1e6, "whole"],
  [
    "17.15 many small ones cost more than all",
    "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16",
    20,
    "whole",
  ],
  [
    "17.15 the same of a large file",
    "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16",
    1e6,
    [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11], [12, 13], [14, 15], [16, 17]],
  ],
  ["17.15 few small ones", "bytes=0-0,2-2,4-4", 6, [[0, 1], [2, 3], [4, 5]]],
  ["17.15 a few more small ones", "bytes=0-0,2-2,4-4,6-6,8-8", 100, "whole"],
  // list syntax
  ["5.6.1 empty members", "bytes=,0-1,,", 10, [[0, 2]]],
  ["5.6.1 white space", "bytes= 0-1 ,\t3-4 ", 10, [[0, 2], [3, 5]]],
  ["14.1 unit in upper case", "Bytes=0-1", 10, [[0, 2]]],
  ["14.1 unit in upper case", "BYTES=0-1", 10, [[0, 2]]],
  // unknown unit
  ["14.2 unknown unit", "lines=0-1", 10, "whole"],
  ["14.2 unknown unit", "bytesx=0-1", 10, "whole"],
  ["14.2 unknown unit", "seconds=1-2,3", 10, "whole"],
  // malformed: 14.2 allows to ignore
  ["14.1.1 invalid", "bytes=5-2", 10, "whole"],
  ["14.1.1 invalid", "bytes=0-1,5-2", 10, "whole"],
  ["14.1.1 invalid", "bytes=0-1,x", 10, "whole"],
  ["14.1.1 invalid", "bytes=20-,x", 10, "whole"],
  ["14.1.1 invalid", "bytes=", 10, "whole"],
  ["14.1.1 invalid", "bytes=,", 10, "whole"],
  ["14.1.1 invalid", "bytes", 10, "whole"],
  ["14.1.1 invalid", "", 10, "whole"],
  ["14.1.1 invalid", "bytes=-", 10, "whole"],
  ["14.1.1 invalid", "bytes=--1", 10, "whole"],
  ["14.1.1 invalid", "bytes=1", 10, "whole"],
  ["14.1.1 invalid", "bytes=0--1", 10, "whole"],
  ["14.1.1 invalid", "bytes=0 - 1", 10, "whole"],
  ["14.1.1 invalid", "bytes=0-1-2", 10, "whole"],
  ["14.1.1 invalid", "bytes=+0-1", 10, "whole"],
  ["14.1.1 invalid", "bytes=0x0-0x1", 10, "whole"],
  ["14.1.1 invalid", "bytes=1e0-2", 10, "whole"],
  ["14.1.1 invalid", "bytes=0.0-1", 10, "whole"],
  ["14.1.1 invalid", "bytes=\u0660-\u0661", 10, "whole"],
  ["14.1.1 invalid", "bytes=a-b", 10, "whole"],
  ["14.1.1 invalid", "bytes =0-1", 10, "whole"],
  ["14.1.1 invalid", "bytes:0-1", 10, "whole"],
  ["14.1.1 two lines", "bytes=0-1, bytes=2-3", 10, "whole"],
  // beyond 2^31 and 2^32
  ["14.1.2 large", `bytes=${2 ** 31 - 1}-${2 ** 31}`, 5 * GIB, [[2 ** 31 - 1, 2 ** 31 + 1]]],
  ["14.1.2 large", `bytes=${2 ** 32 - 1}-${2 ** 32}`, 5 * GIB, [[2 ** 32 - 1, 2 ** 32 + 1]]],
  ["14.1.2 large", `bytes=${5 * GIB - 1}-`, 5 * GIB, [[5 * GIB - 1, 5 * GIB]]],
  ["14.1.2 large", `bytes=-${4 * GIB + 1}`, 5 * GIB, [[GIB - 1, 5 * GIB]]],
  ["14.1.2 large", `bytes=${5 * GIB}-`, 5 * GIB, "unsatisfiable"],
  ["14.1.2 largest", `bytes=${2 ** 53 - 2}-`, 2 ** 53 - 1, [[2 ** 53 - 2, 2 ** 53 - 1]]],
  ["14.1.2 last-pos beyond 2^53", `bytes=0-${HUGE}`, 5 * GIB, [[0, 5 * GIB]]],
];

function asRanges(expected: "whole" | "unsatisfiable" | [number, number][]): RangeSelection {
  return typeof expected === "string" ? expected : expected.map(([start, end]) => ({ start, end }));
}

CASES.forEach(([section, value, size, expected], index) => {
  test(`Range ${index} (${section}) "${value.slice(0, 60)}" of ${size} selects what it should`, () => {
    assert.deepEqual(selectRanges(value, size), asRanges(expected));
  });
});

test("Range limit is an option, and 0 switches ranges off", () => {
  assert.deepEqual(selectRanges("bytes=0-0,2-2", 9, 2), [{ start: 0, end: 1 }, { start: 2, end: 3 }]);
  assert.equal(selectRanges("bytes=0-0,2-2", 9, 1), "whole");
  assert.equal(selectRanges("bytes=0-0", 9, 0), "whole");
});

test("Range field of blanks takes linear time", () => {
  const started = performance.now();
  assert.equal(selectRanges(`bytes=${" ".repeat(50_000)}x${" ".repeat(50_000)}y`, 10), "whole");
  assert.ok(performance.now() - started < 500);
});

test("Content-Range names the last position, not the one behind it", () => {
  assert.equal(contentRange({ start: 0, end: 500 }, 1_234), "bytes 0-499/1234");
  assert.equal(
    contentRange({ start: 5 * GIB - 1, end: 5 * GIB }, 5 * GIB),
    "bytes 5368709119-5368709119/5368709120",
  );
  assert.equal(unsatisfiedContentRange(47_022), "bytes */47022");
});

test("multipart/byteranges frame has CRLF everywhere and the length it says", () => {
  const ranges = [{ start: 500, end: 1_000 }, { start: 7_000, end: 8_000 }];
  const frame = frameByteranges(ranges, 8_000, "application/pdf", "THIS_STRING_SEPARATES");
  const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
  assert.equal(frame.contentType, "multipart/byteranges; boundary=THIS_STRING_SEPARATES");
  assert.equal(
    text(frame.heads[0]),
    "--THIS_STRING_SEPARATES\r\nContent-Type: application/pdf\r\nContent-Range: bytes 500-999/8000\r\n\r\n",
  );
  assert.equal(
    text(frame.heads[1]),
    "\r\n--THIS_STRING_SEPARATES\r\nContent-Type: application/pdf\r\nContent-Range: bytes 7000-7999/8000\r\n\r\n",
  );
  assert.equal(text(frame.closing), "\r\n--THIS_STRING_SEPARATES--\r\n");
  const framing = frame.heads.reduce((sum, head) => sum + head.length, frame.closing.length);
  assert.equal(frame.length, framing + 500 + 1_000);
});

test("multipart/byteranges frame without a type has no Content-Type in its parts", () => {
  const frame = frameByteranges([{ start: 0, end: 1 }], 2, undefined, "b");
  assert.equal(new TextDecoder().decode(frame.heads[0]), "--b\r\nContent-Range: bytes 0-0/2\r\n\r\n");
});

test("Range fuzz: the selection is the union of what was asked for, without overlap, in order", () => {
  const random = new SeededRandom();
  for (let round = 0; round < fuzzCount(20_000); round++) {
    const size = random.below(24);
    const specs = Array.from({ length: 1 + random.below(4) }, () => {
      const first = random.below(30);
      const kind = random.below(4);
      if (kind === 0) return { text: `${first}-`, octets: span(first, size) };
      if (kind === 1) {
        return { text: `-${first}`, octets: span(Math.max(0, size - first), first === 0 ? 0 : size) };
      }
      const last = first + random.below(8);
      return { text: `${first}-${last}`, octets: span(first, Math.min(last + 1, size)) };
    });
    const value = `bytes=${specs.map((spec) => spec.text).join([",", ", ", " ,", ",,"][random.below(4)])}`;
    const message = `seed ${FUZZ_SEED}, round ${round}: ${value} of ${size}`;
    const selected = selectRanges(value, size);
    const wanted = new Set(specs.flatMap((spec) => spec.octets));
    if (size === 0 && specs.some((spec) => /^-[1-9]/.test(spec.text))) {
      assert.equal(selected, "whole", message);
    } else if (wanted.size === 0) {
      assert.equal(selected, "unsatisfiable", message);
    } else {
      assert.ok(Array.isArray(selected), message);
      const ranges = selected as ByteRange[];
      const got = ranges.flatMap((range) => span(range.start, range.end));
      assert.equal(new Set(got).size, got.length, `overlap, ${message}`);
      assert.deepEqual([...got].sort((a, b) => a - b), [...wanted].sort((a, b) => a - b), message);
      const firstUse = ranges.map((range) =>
        specs.findIndex((spec) => spec.octets.some((octet) => octet >= range.start && octet < range.end))
      );
      assert.deepEqual(firstUse, [...firstUse].sort((a, b) => a - b), `order, ${message}`);
    }
  }
});

test("Range fuzz: no text makes it throw or select what is not there", () => {
  const random = new SeededRandom();
  const alphabet = "bytes=bytes=0123456789--,, \t*/x=\u00e9".split("");
  for (let round = 0; round < fuzzCount(20_000); round++) {
    let value = random.next() < 0.8 ? "bytes=" : "";
    for (let i = random.below(20); i > 0; i--) {
      value += random.pick(alphabet);
    }
    const size = random.below(50);
    const selected = selectRanges(value, size);
    if (typeof selected === "string") continue;
    const message = `seed ${FUZZ_SEED}, round ${round}: ${JSON.stringify(value)} of ${size}`;
    assert.ok(selected.length > 0, message);
    for (const { start, end } of selected) assert.ok(0 <= start && start < end && end <= size, message);
    assert.ok(selected.reduce((sum, range) => sum + range.end - range.start, 0) <= size, message);
  }
});

function span(start: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - start) }, (_, index) => start + index);
}
