/**
 * Records as lines, and that nothing in a record can forge another.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonLine, textLine, visible } from "../../src/logging/log_line.ts";
import type { LogRecord } from "../../src/logging/logger.ts";

const BASE: LogRecord = { level: "info", time: 0, message: "m", thread: "main" };
const START = "1970-01-01T00:00:00.000Z";

const TEXT: readonly (readonly [string, Partial<LogRecord>, string])[] = [
  ["a bare record", {}, `${START} INFO  [main] m\n`],
  ["each level in the same width", { level: "error" }, `${START} ERROR [main] m\n`],
  [
    "plain values bare",
    { fields: { a: 1, b: true, c: null, d: "/x/y.z" } },
    `${START} INFO  [main] m a=1 b=true c=null d=/x/y.z\n`,
  ],
  [
    "other values quoted",
    { fields: { a: "x y", b: 'say "hi"', c: "", d: "k=v" } },
    `${START} INFO  [main] m a="x y" b="say \\"hi\\"" c="" d="k=v"\n`,
  ],
  ["other names quoted", { fields: { "a b": 1, "c=d": 2 } }, `${START} INFO  [main] m "a b"=1 "c=d"=2\n`],
  ["a line feed in the message escaped", { message: "a\nb\r\tc" }, `${START} INFO  [main] a\\nb\\r\\tc\n`],
  ["a line feed in a value escaped", { fields: { a: "x\ny" } }, `${START} INFO  [main] m a="x\\ny"\n`],
  [
    "a line feed in a name and a thread escaped",
    { fields: { "x\ny": 1 }, thread: "a\nb" },
    `${START} INFO  [a\\nb] m "x\\ny"=1\n`,
  ],
  [
    "terminal sequences escaped",
    { message: "\x1b[31m\x7f\x9b", fields: { a: "\x1b]0;x\x07" } },
    `${START} INFO  [main] \\u001b[31m\\u007f\\u009b a="\\u001b]0;x\\u0007"\n`,
  ],
  [
    "other line ends and turned writing escaped",
    { message: "\u2028\u2029\u202e\u2066\u0085" },
    `${START} INFO  [main] \\u2028\\u2029\\u202e\\u2066\\u0085\n`,
  ],
  [
    "letters of all scripts as they are",
    { message: "\u00e9\u4e2d\u{1f600}", fields: { a: "\u4e2d" } },
    `${START} INFO  [main] \u00e9\u4e2d\u{1f600} a="\u4e2d"\n`,
  ],
  ["a time that is none", { time: NaN }, "- INFO  [main] m\n"],
  [
    "an error without a stack",
    { error: { name: "E", message: "bad", code: "C" } },
    `${START} INFO  [main] m error="E: bad" code=C\n`,
  ],
  [
    "a stack indented and without its title",
    { error: { name: "E", message: "bad", stack: "E: bad\n    at a\n\n    at b\nCaused by: x" } },
    `${START} INFO  [main] m error="E: bad"\n    at a\n    at b\n    Caused by: x\n`,
  ],
  [
    "a stack without a title",
    { error: { name: "E", message: "bad", stack: "a@file:1\nb@file:2\n" } },
    `${START} INFO  [main] m error="E: bad"\n    a@file:1\n    b@file:2\n`,
  ],
  [
    "an error whose message looks like a record",
    {
      error: {
        name: "E",
        message: `x\n${START} INFO  [main] forged`,
        stack: `E: x\n${START} INFO  [main] forged\n    at a`,
      },
    },
    `${START} INFO  [main] m error="E: x\\n${START} INFO  [main] forged"\n    at a\n`,
  ],
  [
    "a stack whose lines look like records, with any line end",
    { error: { name: "E", message: "", stack: `one\n${START} two\r${START} three\r\n${START} four\x1b[2J` } },
    `${START} INFO  [main] m error="E: "\n    one\n    ${START} two\n    ${START} three\n` +
    `    ${START} four\\u001b[2J\n`,
  ],
];

for (const [what, record, want] of TEXT) {
  test(`textLine writes ${what}`, () => assert.equal(textLine({ ...BASE, ...record }), want));
}

test("jsonLine writes one line that gives the record back", () => {
  const record: LogRecord = {
    ...{ level: "error", time: 1, message: "a\nb\u2028\x9b\u202e", thread: "worker 1" },
    fields: { a: 1, b: "\x7f" },
    error: { name: "E", message: "m", stack: "E: m\n  at a", code: "C" },
  };
  const line = jsonLine(record);
  // deno-lint-ignore no-control-regex
  assert.match(line, /^[^\0-\x1f\x7f-\x9f\u2028-\u202e]+\n$/);
  assert.deepEqual(JSON.parse(line), { ...record, time: "1970-01-01T00:00:00.001Z" });
  assert.equal(jsonLine(BASE), `{"time":"${START}","level":"info","thread":"main","message":"m"}\n`);
});

test("visible leaves harmless text alone", () =>
  assert.equal(visible("a b \u00e9 \u4e2d \\n"), "a b \u00e9 \u4e2d \\n"));
