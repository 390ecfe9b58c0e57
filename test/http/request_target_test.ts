/**
 * Tests of the forms of a request-target. The table of whole requests is in `test/support/head_cases.ts`.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ParseError } from "../../src/http/parse_error.ts";
import {
  endOfAuthority,
  startOfAuthority,
  TargetForm,
  targetFormOf,
  TargetRule,
} from "../../src/http/request_target.ts";
import { wireBytes } from "../support/split_bytes.ts";

const NO_FORM = -ParseError.TargetForm.code;
const NO_AUTHORITY = -ParseError.TargetAuthority.code;

test("A target has the form that its method allows", () => {
  const table: readonly (readonly [target: string, ordinary: number, options: number, connect: number])[] = [
    ["/", TargetForm.Origin, TargetForm.Origin, NO_AUTHORITY],
    ["/*", TargetForm.Origin, TargetForm.Origin, NO_AUTHORITY],
    ["*", NO_FORM, TargetForm.Asterisk, NO_AUTHORITY],
    ["a:1", NO_FORM, NO_FORM, TargetForm.Authority],
    ["http://a", TargetForm.Absolute, TargetForm.Absolute, NO_AUTHORITY],
    ["https://a:1/?", TargetForm.Absolute, TargetForm.Absolute, NO_AUTHORITY],
    ["http://", NO_AUTHORITY, NO_AUTHORITY, NO_AUTHORITY],
    ["http:80", NO_FORM, NO_FORM, TargetForm.Authority],
    ["https:443", NO_FORM, NO_FORM, TargetForm.Authority],
    ["http", NO_FORM, NO_FORM, NO_AUTHORITY],
    ["https", NO_FORM, NO_FORM, NO_AUTHORITY],
    ["h", NO_FORM, NO_FORM, NO_AUTHORITY],
  ];
  for (const [target, ordinary, options, connect] of table) {
    // What follows the target must not complete it.
    const bytes = wireBytes(`/${target}://a:1`);
    const form = (rule: TargetRule): number => targetFormOf(bytes, 1, 1 + target.length, rule);
    assert.equal(form(TargetRule.Ordinary), ordinary, target);
    assert.equal(form(TargetRule.AllowAsterisk), options, target);
    assert.equal(form(TargetRule.OnlyAuthority), connect, target);
  }
});

test("The authority of an absolute-form lies between the scheme and the path or query", () => {
  for (
    const [scheme, authority, rest] of [
      ["http", "a", ""],
      ["HTTPS", "a:1", "/b//c"],
      ["https", "a", "?http://b"],
      ["http", "", "/a"],
    ]
  ) {
    const bytes = wireBytes(`${scheme}://${authority}${rest}`);
    const start = startOfAuthority(bytes, 0, bytes.length);
    const end = endOfAuthority(bytes, start, bytes.length);
    assert.equal(String.fromCharCode(...bytes.subarray(start, end)), authority);
  }
  for (const text of ["ftp://a", "httpss://a", "http//:a", "htt", ""]) {
    assert.equal(startOfAuthority(wireBytes(text), 0, text.length), -1, text);
  }
});
