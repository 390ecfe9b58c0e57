/**
 * Tests of the list walk.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { memberEnd, memberStart } from "../../src/http/list_members.ts";
import { wireBytes } from "../support/split_bytes.ts";

function membersOf(text: string): string[] {
  const bytes = wireBytes(`a,${text},b`);
  const start = 2;
  const end = start + text.length;
  const members: string[] = [];
  let to = start;
  for (let from = memberStart(bytes, start, end); from < end; from = memberStart(bytes, to, end)) {
    to = memberEnd(bytes, from, end);
    members.push(String.fromCharCode(...bytes.subarray(from, to)));
  }
  return members;
}

test("A list has the members that RFC 9110 section 5.6.1 says", () => {
  const table: readonly (readonly [string, readonly string[]])[] = [
    ["", []],
    [" \t", []],
    [",", []],
    [" , ,\t,", []],
    ["a", ["a"]],
    [" a ", ["a"]],
    ["a,b", ["a", "b"]],
    ["a , b\t,\tc", ["a", "b", "c"]],
    [",a,,b,", ["a", "b"]],
    ["a b,c", ["a b", "c"]],
    ["a;x=1, b", ["a;x=1", "b"]],
  ];
  for (const [text, members] of table) assert.deepEqual(membersOf(text), members, JSON.stringify(text));
});
