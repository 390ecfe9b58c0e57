/**
 * Tests of the trailer section, each row at every split.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TrailerSection } from "../../src/http/trailer_section.ts";
import { errorText } from "../support/head_outcome.ts";
import { everySplit, placed, wireBytes } from "../support/split_bytes.ts";

const MAX_BYTES = 64;

/** The octets that were taken and the fields, "more", or an error. */
function outcomeOf(section: TrailerSection, bytes: Uint8Array, ends: readonly number[]): unknown {
  section.reset();
  let taken = 0;
  for (const end of ends) {
    const piece = placed(bytes, taken, end);
    const result = section.read(piece.bytes, piece.start, piece.end);
    if (result < 0) return errorText(-result);
    const before = taken;
    taken += section.position - piece.start;
    if (result === 1) return [taken, section.fields];
    assert.equal(taken, end, `all of ${before} to ${end}`);
  }
  return "more";
}

const TABLE: readonly (readonly [section: string, wire: string, expected: unknown])[] = [
  ["9112 §7.1", "\r\n", [2, []]],
  ["9112 §7.1", "\r\nGET /", [2, []]],
  ["9112 §7.1", "", "more"],
  ["9112 §7.1", "\r", "more"],
  ["9112 §7.1.2", "A: b\r\n\r\nrest", [8, [["a", "b"]]]],
  ["9112 §7.1.2", "A: b\r\n", "more"],
  ["9112 §7.1.2", "A", "more"],
  ["9112 §7.1.2", "A:", "more"],
  ["9112 §7.1.2", "A: \t b \t c \t \r\nD:\r\n\r\n", [21, [["a", "b \t c"], ["d", ""]]]],
  ["9110 §5.5", "A: \xa0b\xff\xa0 \r\n\r\n", [12, [["a", "\xa0b\xff\xa0"]]]],
  ["9110 §5.3", "A: 1\r\na: 2\r\n\r\n", [14, [["a", "1"], ["a", "2"]]]],
  ["9110 §6.5.1", "Content-Length: 5\r\nA: b\r\nHOST: x\r\n\r\n", [36, [["a", "b"]]]],
  ["9110 §6.5.1", "transfer-encoding: chunked\r\n\r\n", [30, []]],
  ["9110 §6.5.1", "Trailer: a\r\nAuthorization: b\r\nSet-Cookie: c\r\n\r\n", [47, []]],
  ["9110 §6.5.1", "Upload-Checksum: sha1 x\r\n\r\n", [27, [["upload-checksum", "sha1 x"]]]],
  ["9112 §2.2", "\n", "400 FieldName"],
  ["9112 §2.2", "\rA", "400 LineEnd"],
  ["9112 §2.2", "A: b\n", "400 LineEnd"],
  ["9112 §2.2", "A: b\rC", "400 LineEnd"],
  ["9112 §2.2", "A: b\r\n\n", "400 FieldName"],
  ["9112 §5.2", " A: b\r\n", "400 LineFolding"],
  ["9112 §5.2", "A: b\r\n\tc\r\n", "400 LineFolding"],
  ["9112 §5.1", "A : b\r\n", "400 BlankBeforeColon"],
  ["9110 §5.1", ": b\r\n", "400 FieldName"],
  ["9110 §5.1", "A\r\n", "400 FieldName"],
  ["9110 §5.1", "A\x00: b\r\n", "400 FieldName"],
  ["9110 §5.5", "A: \x00\r\n", "400 FieldValue"],
  ["9110 §5.5", "A: b\x7f\r\n", "400 FieldValue"],
  ["9112 §7.1.2", `A: ${"b".repeat(59)}\r\n\r\n`, [66, [["a", "b".repeat(59)]]]],
  ["9112 §7.1.2", `A: ${"b".repeat(60)}\r\n\r\n`, "431 TrailerTooLarge"],
  ["9112 §7.1.2", `A: ${"b".repeat(61)}`, "more"],
  ["9112 §7.1.2", `A: ${"b".repeat(61)}\x00`, "431 TrailerTooLarge"],
  ["9112 §7.1.2", "A: b\r\n".repeat(10) + "A:\r\n\r\n", [66, [...Array(10).fill(["a", "b"]), ["a", ""]]]],
  ["9112 §7.1.2", "A: b\r\n".repeat(11), "431 TrailerTooLarge"],
  ["9112 §7.1.2", "A".repeat(65), "431 TrailerTooLarge"],
  ["9112 §7.1.2", `A:${" ".repeat(63)}`, "431 TrailerTooLarge"],
];

test("Trailer sections are read as strictly as header sections, at every split", () => {
  const section = new TrailerSection(MAX_BYTES);
  for (const [rfc, wire, expected] of TABLE) {
    const bytes = wireBytes(wire);
    for (const ends of everySplit(bytes.length)) {
      const row = `${rfc} ${JSON.stringify(wire)} cut at ${ends.slice(0, -1)}`;
      assert.deepEqual(outcomeOf(section, bytes, ends), expected, row);
    }
  }
});

test("A trailer section of at most 0 octets may only be empty", () => {
  const section = new TrailerSection(0);
  assert.deepEqual(outcomeOf(section, wireBytes("\r\n"), [1, 2]), [2, []]);
  assert.equal(outcomeOf(section, wireBytes("A: b\r\n"), [6]), "431 TrailerTooLarge");
});

test("Long trailer values come through whole", () => {
  const section = new TrailerSection(10_000);
  const value = Array.from({ length: 5000 }, (_, index) => String.fromCharCode(33 + index % 90)).join("");
  const bytes = wireBytes(`A: ${value}\r\n\r\n`);
  assert.deepEqual(outcomeOf(section, bytes, [bytes.length]), [bytes.length, [["a", value]]]);
  assert.deepEqual(outcomeOf(section, bytes, [1500, 3000, bytes.length]), [bytes.length, [["a", value]]]);
});

test("The fields of one section do not change with the next", () => {
  const section = new TrailerSection(MAX_BYTES);
  outcomeOf(section, wireBytes("A: b\r\n\r\n"), [8]);
  const kept = section.fields;
  outcomeOf(section, wireBytes("C: d\r\n\r\n"), [8]);
  assert.deepEqual(kept, [["a", "b"]]);
  assert.deepEqual(section.fields, [["c", "d"]]);
});
