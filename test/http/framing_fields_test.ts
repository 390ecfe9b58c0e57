/**
 * Tests of the fields that the I/O thread knows.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ConnectionOption,
  connectionOptionsIn,
  expectsOnlyContinue,
  FieldKind,
  fieldKindOf,
  hasMember,
  mayBeKind,
} from "../../src/http/framing_fields.ts";
import { wireBytes } from "../support/split_bytes.ts";

const NAMES: readonly (readonly [string, FieldKind])[] = [
  ["host", FieldKind.Host],
  ["connection", FieldKind.Connection],
  ["upgrade", FieldKind.Upgrade],
  ["content-length", FieldKind.ContentLength],
  ["transfer-encoding", FieldKind.TransferEncoding],
  ["expect", FieldKind.Expect],
];

function kindOf(name: string): FieldKind {
  return fieldKindOf(wireBytes(`x${name}x`), 1, 1 + name.length);
}

test("The six names are known in any case, and may be what they are", () => {
  for (const [name, kind] of NAMES) {
    for (const spelling of [name, name.toUpperCase(), name[0]?.toUpperCase() + name.slice(1)]) {
      assert.equal(kindOf(spelling), kind, spelling);
      assert.ok(mayBeKind(spelling.charCodeAt(0), spelling.length), spelling);
    }
  }
});

test("A name that differs in one octet, or in length, is another field", () => {
  for (const [name] of NAMES) {
    for (let index = 0; index < name.length; index++) {
      const other = name[index] === "x" ? "y" : "x";
      assert.equal(kindOf(name.slice(0, index) + other + name.slice(index + 1)), FieldKind.Other, name);
    }
    for (const text of [name + "s", name.slice(1), name.slice(0, -1), name + "x".repeat(256)]) {
      assert.equal(kindOf(text), FieldKind.Other, text);
    }
  }
});

test("Common browser fields are passed over at once", () => {
  for (
    const name of [
      "accept",
      "cookie",
      "referer",
      "user-agent",
      "sec-fetch-site",
      "accept-encoding",
      "sec-ch-ua",
    ]
  ) {
    assert.ok(!mayBeKind(name.charCodeAt(0), name.length), name);
  }
});

test("Connection options are found as list members", () => {
  const { Close, KeepAlive, Upgrade } = ConnectionOption;
  const table: readonly (readonly [string, number])[] = [
    ["", 0],
    ["close", Close],
    ["Keep-Alive", KeepAlive],
    ["UPGRADE", Upgrade],
    ["keep-alive, Upgrade , close", Close | KeepAlive | Upgrade],
    ["x, closex, xclose, clo se", 0],
  ];
  for (const [value, options] of table) {
    assert.equal(connectionOptionsIn(wireBytes(`close,${value},close`), 6, 6 + value.length), options, value);
  }
});

test("Expect and Upgrade are read as lists", () => {
  const only = (value: string): boolean => expectsOnlyContinue(wireBytes(`a${value}a`), 1, 1 + value.length);
  for (const value of ["", "100-continue", "100-Continue , ,100-CONTINUE"]) assert.ok(only(value), value);
  for (const value of ["100", "100-continue, x", "x, 100-continue", "100-continue;q=1"]) {
    assert.ok(!only(value), value);
  }
  const member = (value: string): boolean => hasMember(wireBytes(`a${value}a`), 1, 1 + value.length);
  assert.ok(member(", websocket"));
  assert.ok(!member(" ,\t, "));
});
