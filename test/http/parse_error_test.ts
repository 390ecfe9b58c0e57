/**
 * Tests of the table of parse errors.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { describeParseError, ParseError } from "../../src/http/parse_error.ts";

const ENTRIES = Object.entries(ParseError);

test("Parse error codes count from 1 without a gap", () => {
  assert.deepEqual(ENTRIES.map(([, entry]) => entry.code), ENTRIES.map((_, index) => index + 1));
});

test("Parse errors have a status for the client, a sentence and a section", () => {
  for (const [name, entry] of ENTRIES) {
    assert.ok([400, 413, 414, 417, 431, 501, 505].includes(entry.status), name);
    assert.match(entry.reason, /^[A-Z].+\.$/, name);
    assert.match(entry.section, /^(9110|9112|6585) §\d+(\.\d+)*$/, name);
  }
});

test("describeParseError gives the row of each code", () => {
  for (const [, entry] of ENTRIES) assert.equal(describeParseError(entry.code), entry);
  assert.equal(describeParseError(ParseError.RequestLineTooLong.code).status, 414);
});

test("describeParseError refuses what is no code", () => {
  for (const code of [0, -1, ENTRIES.length + 1, 1.5, NaN]) {
    assert.throws(() => describeParseError(code), RangeError);
  }
});
