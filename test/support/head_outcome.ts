/**
 * What a parser of heads makes of octets, as something that a test can compare and print.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { describeParseError, ParseError } from "../../src/http/parse_error.ts";
import { type HeadLimits, HeadMachine } from "../../src/http/head_machine.ts";
import { HeadParser } from "../../src/http/request_parser.ts";
import { everySplit, placed, wireBytes } from "./split_bytes.ts";

/** All results of a head that was accepted, offsets as the texts that they delimit. */
export interface HeadFacts {
  /** Octets of the head, empty lines before it included. */
  length: number;
  method: string;
  target: string;
  /** 0 origin, 1 absolute, 2 asterisk, 3 authority. */
  form: number;
  path: string;
  authority: string;
  minor: number;
  fields: readonly (readonly [string, string])[];
  contentLength: number;
  chunked: boolean;
  keepAlive: boolean;
  expectContinue: boolean;
  upgrade: boolean;
  isHead: boolean;
  isConnect: boolean;
}

/** "more" when the head is not complete, status and name of an error, or the facts. */
export type HeadOutcome = string | HeadFacts;

/** A row of a table: section of an RFC, the octets, and what should come of them. */
export type HeadCase = readonly [section: string, wire: string, expected: string | Partial<HeadFacts>];

/** The limits that tables are written for. */
export const TABLE_LIMITS: HeadLimits = { maxHeaderBytes: 512, maxHeaderFields: 8 };

/** Status and name of an error code: "400 LineEnd". */
export function errorText(code: number): string {
  const name = Object.entries(ParseError).find(([, entry]) => entry.code === code)?.[0];
  return `${describeParseError(code).status} ${name}`;
}

/** Feeds `bytes` to a parser that was reset, growing to each of `ends`; every call sees another array. */
export function headOutcome(parser: HeadMachine, bytes: Uint8Array, ends: readonly number[]): HeadOutcome {
  parser.reset();
  for (const end of ends) {
    const range = placed(bytes, 0, end);
    const result = parser.parse(range.bytes, range.start, range.end);
    if (result < 0) return errorText(-result);
    if (result > 0) return factsOf(parser, bytes, result);
  }
  return "more";
}

/** Checks every row with the machine and the parser, at every split. */
export function checkHeadTable(table: readonly HeadCase[]): void {
  for (const [section, wire, expected] of table) {
    const bytes = wireBytes(wire);
    const row = `${section} ${JSON.stringify(wire)}`;
    for (const parser of [new HeadMachine(TABLE_LIMITS), new HeadParser(TABLE_LIMITS)]) {
      const outcome = headOutcome(parser, bytes, [bytes.length]);
      if (typeof expected === "string" || typeof outcome === "string") {
        assert.deepEqual(outcome, expected, row);
      } else {
        for (const key of Object.keys(expected) as (keyof HeadFacts)[]) {
          assert.deepEqual(outcome[key], expected[key], `${row}: ${key}`);
        }
      }
      for (const ends of everySplit(bytes.length)) {
        assert.deepEqual(headOutcome(parser, bytes, ends), outcome, `${row} cut at ${ends.slice(0, -1)}`);
      }
    }
  }
}

function factsOf(parser: HeadMachine, bytes: Uint8Array, length: number): HeadFacts {
  const text = (start: number, end: number): string => String.fromCharCode(...bytes.subarray(start, end));
  const fields: [string, string][] = [];
  for (let index = 0; index < parser.fieldCount * 4; index += 4) {
    const at = (offset: number): number => parser.fields[index + offset] ?? -1;
    fields.push([text(at(0), at(1)), text(at(2), at(3))]);
  }
  return {
    length,
    method: text(parser.headStart, parser.methodEnd),
    target: text(parser.targetStart, parser.targetEnd),
    form: parser.targetForm,
    path: text(parser.pathStart, parser.targetEnd),
    authority: text(parser.authorityStart, parser.authorityEnd),
    minor: parser.minorVersion,
    fields,
    contentLength: parser.contentLength,
    chunked: parser.chunked,
    keepAlive: parser.keepAlive,
    expectContinue: parser.expectContinue,
    upgrade: parser.upgrade,
    isHead: parser.isHead,
    isConnect: parser.isConnect,
  };
}
