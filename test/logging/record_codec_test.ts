/**
 * Log records as bytes: round trips, limits, and bytes that are no record.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogRecord } from "../../src/logging/logger.ts";
import {
  decodeRecord,
  encodeRecord,
  MAX_FIELDS,
  MAX_MESSAGE_LENGTH,
  MAX_NAME_LENGTH,
  MAX_RECORD_BYTES,
  MAX_STACK_LENGTH,
  MAX_VALUE_LENGTH,
} from "../../src/logging/record_codec.ts";

const BASE: LogRecord = { level: "info", time: 1234.5, message: "m", thread: "main" };
const through = (record: LogRecord): LogRecord => decodeRecord(encodeRecord(record));

const RECORDS: readonly (readonly [string, LogRecord])[] = [
  ["a bare record", BASE],
  ["fields of all kinds", {
    ...BASE,
    fields: { a: "x", b: 1, c: true, d: null, "e f": "\u{1f600}\n\u0000" },
  }],
  ["an error", {
    ...BASE,
    level: "error",
    error: { name: "E", message: "m", stack: "E: m\n  at x", code: "C" },
  }],
  ["an error without stack and code", { ...BASE, error: { name: "E", message: "" } }],
  ["empty texts and fields", { ...BASE, message: "", thread: "", fields: {} }],
  ["texts at their limits", {
    ...BASE,
    message: "m".repeat(MAX_MESSAGE_LENGTH),
    thread: "t".repeat(MAX_NAME_LENGTH),
    fields: { ["n".repeat(MAX_NAME_LENGTH)]: "v".repeat(MAX_VALUE_LENGTH) },
    error: { name: "E", message: "m", stack: "s".repeat(MAX_STACK_LENGTH) },
  }],
];

for (const [name, record] of RECORDS) {
  test(`encodeRecord and decodeRecord keep ${name}`, () => assert.deepEqual(through(record), record));
}

test("encodeRecord cuts long texts and says by how much", () => {
  const { message, fields, error } = through({
    ...BASE,
    message: "m".repeat(MAX_MESSAGE_LENGTH + 7),
    fields: { a: "v".repeat(MAX_VALUE_LENGTH + 9) },
    error: { name: "E", message: "", stack: "s".repeat(100_000) },
  });
  assert.equal(message, `${"m".repeat(MAX_MESSAGE_LENGTH)}… (7 more)`);
  assert.equal(fields?.["a"], `${"v".repeat(MAX_VALUE_LENGTH)}… (9 more)`);
  assert.equal(error?.stack, `${"s".repeat(MAX_STACK_LENGTH)}… (${100_000 - MAX_STACK_LENGTH} more)`);
});

test("encodeRecord does not cut a character in two", () => {
  const { message } = through({
    ...BASE,
    message: `${"m".repeat(MAX_MESSAGE_LENGTH - 1)}\u{1f600}\u{1f600}`,
  });
  assert.equal(message, `${"m".repeat(MAX_MESSAGE_LENGTH - 1)}… (4 more)`);
});

test("encodeRecord leaves out fields above the limit", () => {
  const fields = Object.fromEntries(Array.from({ length: MAX_FIELDS + 5 }, (_, n) => [`f${n}`, n]));
  assert.equal(Object.keys(through({ ...BASE, fields }).fields ?? {}).length, MAX_FIELDS);
});

test("encodeRecord stays within its bytes whatever the texts need as UTF-8 and JSON", () => {
  for (const character of ["m", "\u0000", "\ud800", "\u20ac", "\u{1f600}", '"']) {
    const text = character.repeat(20_000);
    const bytes = encodeRecord({
      ...BASE,
      message: text,
      thread: text,
      fields: Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`${n}${text}`, text])),
      error: { name: text, message: text, stack: text, code: text },
    });
    assert.ok(bytes.byteLength <= MAX_RECORD_BYTES, `${bytes.byteLength}`);
    assert.ok(bytes.byteLength > MAX_RECORD_BYTES / 8, `${bytes.byteLength}: cut too much`);
    assert.equal(decodeRecord(bytes).level, "info");
  }
});

test("decodeRecord reads shared memory", () => {
  const bytes = encodeRecord(BASE);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.byteLength + 10)).subarray(
    5,
    5 + bytes.byteLength,
  );
  shared.set(bytes);
  assert.deepEqual(decodeRecord(shared), BASE);
});

const NO_RECORDS: readonly string[] = [
  "",
  "{",
  "null",
  "1",
  "[]",
  "{}",
  '{"level":"fatal","time":1,"message":"m","thread":"t"}',
  '{"level":"info","time":"1","message":"m","thread":"t"}',
  '{"level":"info","time":1,"message":2,"thread":"t"}',
  '{"level":"info","time":1,"message":"m"}',
];

for (const text of NO_RECORDS) {
  test(`decodeRecord makes a record that says so of ${JSON.stringify(text)}`, () => {
    const record = decodeRecord(new TextEncoder().encode(text));
    assert.deepEqual({ ...record, time: 0 }, {
      level: "warn",
      time: 0,
      message: "A log record could not be read",
      fields: { bytes: text.length },
      thread: "unknown",
    });
  });
}

test("decodeRecord leaves nothing but plain values in a record", () => {
  const text = '{"level":"info","time":1,"message":"m","thread":"t","x":1,' +
    '"fields":{"a":{"b":1}},"error":{"name":{},"stack":7}}';
  assert.deepEqual(decodeRecord(new TextEncoder().encode(text)), {
    ...{ level: "info", time: 1, message: "m", thread: "t", fields: { a: '{"b":1}' } },
    error: { name: "[object Object]", message: "undefined" },
  });
});
