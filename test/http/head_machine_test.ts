/**
 * Tests of the head's grammar: request lines and field lines, each at every split, machine and parser alike.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HeadMachine } from "../../src/http/head_machine.ts";
import { HeadParser } from "../../src/http/request_parser.ts";
import { FIELD_LINES, REQUEST_LINES, TARGETS } from "../support/head_cases.ts";
import { checkHeadTable, headOutcome, TABLE_LIMITS } from "../support/head_outcome.ts";
import { wireBytes } from "../support/split_bytes.ts";

test("Request lines are read as RFC 9112 section 3 says, at every split", () => {
  checkHeadTable(REQUEST_LINES);
});

test("Request-targets have their form and authority, at every split", () => {
  checkHeadTable(TARGETS);
});

test("Field lines are read as RFC 9112 section 5 says, at every split", () => {
  checkHeadTable(FIELD_LINES);
});

test("A head has begun with its first octet, not with an empty line before it", () => {
  for (const parser of [new HeadMachine(TABLE_LIMITS), new HeadParser(TABLE_LIMITS)]) {
    const bytes = wireBytes("\r\n\r\nG");
    for (let end = 0; end <= 5; end++) {
      assert.equal(parser.parse(bytes, 0, end), 0);
      assert.equal(parser.hasBegun, end === 5);
    }
    parser.reset();
    assert.equal(parser.hasBegun, false);
  }
});

test("HeadMachine refuses limits that its offsets cannot hold", () => {
  const make = (maxHeaderBytes: number, maxHeaderFields: number) => () =>
    new HeadMachine({ maxHeaderBytes, maxHeaderFields });
  assert.throws(make(0, 10), RangeError);
  assert.throws(make(65536, 10), RangeError);
  assert.throws(make(NaN, 10), RangeError);
  assert.throws(make(100, 0), RangeError);
  assert.throws(make(100, 65536), RangeError);
});

test("HeadMachine reads the largest head with offsets up to 65,535", () => {
  const machine = new HeadMachine({ maxHeaderBytes: 65535, maxHeaderFields: 1 });
  const fixed = "GET / HTTP/1.1\r\nHost:a\r\n\r\n".length;
  const wire = `GET / HTTP/1.1\r\nHost:${" ".repeat(65535 - fixed)}a\r\n\r\n`;
  const outcome = headOutcome(machine, wireBytes(wire), [65535]);
  assert.ok(typeof outcome === "object");
  assert.equal(outcome.length, 65535);
  assert.equal(outcome.authority, "a");
});
