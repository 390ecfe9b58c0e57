/**
 * Tests of the body length rules. The table of whole requests is in `test/support/head_cases.ts`.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  addTransferCodings,
  decideBodyLength,
  NO_CODINGS,
  NO_LENGTH,
  parseContentLength,
} from "../../src/http/body_length.ts";
import { ParseError } from "../../src/http/parse_error.ts";
import { wireBytes } from "../support/split_bytes.ts";

function codingsOf(...values: string[]): number {
  return values.reduce((codings, value) => {
    const bytes = wireBytes(`${value},chunked`);
    return addTransferCodings(codings, bytes, 0, value.length);
  }, NO_CODINGS);
}

test("Content-Length is read exactly up to 2^53 - 1 and refused above", () => {
  const read = (text: string): number => parseContentLength(wireBytes(`1${text}1`), 1, 1 + text.length);
  for (const length of [0, 1, 9, 10, 2 ** 31, 2 ** 32, 2 ** 53 - 2, 2 ** 53 - 1]) {
    assert.equal(read(String(length)), length);
    assert.equal(read("000" + length), length);
  }
  for (const text of ["9007199254740992", "9007199254740993", "9999999999999999", "1" + "0".repeat(309)]) {
    assert.equal(read(text), -ParseError.ContentTooLarge.code, text);
  }
  for (const text of ["", "-1", "1 ", " 1", "1,1", "٣", "1_000", "\x31\x00"]) {
    const octets = text === "٣" ? "\xd9\xa3" : text;
    assert.equal(read(octets), -ParseError.ContentLength.code, text);
  }
});

test("decideBodyLength takes one chunked, or one length, and nothing else", () => {
  assert.equal(decideBodyLength(NO_LENGTH, NO_CODINGS, 1), 0);
  assert.equal(decideBodyLength(5, NO_CODINGS, 0), 0);
  assert.equal(decideBodyLength(NO_LENGTH, codingsOf("chunked"), 1), 1);
  assert.equal(decideBodyLength(NO_LENGTH, codingsOf("", "Chunked", ","), 1), 1);
  assert.equal(decideBodyLength(0, codingsOf("chunked"), 1), -ParseError.LengthAndCoding.code);
  assert.equal(decideBodyLength(0, codingsOf(""), 1), -ParseError.LengthAndCoding.code);
  assert.equal(decideBodyLength(NO_LENGTH, codingsOf("chunked"), 0), -ParseError.CodingInOldVersion.code);
  assert.equal(decideBodyLength(NO_LENGTH, codingsOf("br", "chunked"), 1), -ParseError.CodingUnknown.code);
  for (const values of [[""], ["br"], ["chunked", "br"], ["chunked", "chunked"], ["chunked, br, chunked"]]) {
    assert.equal(
      decideBodyLength(NO_LENGTH, codingsOf(...values), 1),
      -ParseError.CodingNotChunked.code,
      values.join(" | "),
    );
  }
});
