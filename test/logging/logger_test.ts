/**
 * The front end of logging: levels, plain values, errors as text.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CartoucheError } from "../../src/errors.ts";
import {
  describeError,
  isLogged,
  LOG_LEVELS,
  type LogFields,
  type LogLevel,
  type LogRecord,
  ThreadLog,
} from "../../src/logging/logger.ts";

function collect(minimum?: LogLevel): { log: ThreadLog; records: LogRecord[] } {
  const records: LogRecord[] = [];
  return { log: new ThreadLog("worker 3", (record) => records.push(record), minimum), records };
}

test("ThreadLog makes a record with level, time, thread and fields", () => {
  const { log, records } = collect();
  const before = Date.now();
  log.warn("Slow", { ms: 12.5, path: "/a", cached: false, user: null });
  const { time, ...rest } = records[0] as LogRecord;
  assert.deepEqual(rest, {
    level: "warn",
    message: "Slow",
    fields: { ms: 12.5, path: "/a", cached: false, user: null },
    thread: "worker 3",
  });
  assert.ok(time >= before && time <= Date.now());
});

for (const [index, minimum] of LOG_LEVELS.entries()) {
  test(`ThreadLog of level ${minimum} makes records of ${LOG_LEVELS.slice(index).join(", ")} only`, () => {
    const { log, records } = collect(minimum);
    for (const level of LOG_LEVELS) {
      log[level](level);
      assert.equal(log.logs(level), LOG_LEVELS.indexOf(level) >= index);
      assert.equal(isLogged(level, minimum), log.logs(level));
    }
    assert.deepEqual(records.map(({ level }) => level), LOG_LEVELS.slice(index));
    assert.deepEqual(records.map(({ message }) => message), LOG_LEVELS.slice(index));
  });
}

test("ThreadLog makes info records and above by default", () => {
  const { log, records } = collect();
  for (const level of LOG_LEVELS) log[level]("");
  assert.equal(records.length, 3);
});

test("ThreadLog turns values that are not plain into text, and leaves out undefined", () => {
  const { log, records } = collect();
  const cycle: unknown[] = [];
  cycle.push(cycle);
  const fields = {
    big: 10n,
    object: { a: [1] },
    nan: NaN,
    infinite: -Infinity,
    symbol: Symbol("s"),
    none: undefined,
    cycle,
  };
  log.info("x", fields as unknown as LogFields);
  assert.deepEqual(records[0]?.fields, {
    ...{ big: "10", object: '{"a":[1]}', nan: "NaN", infinite: "-Infinity", symbol: "Symbol(s)", cycle: "" },
  });
});

test("ThreadLog adds an error", () => {
  const { log, records } = collect();
  log.error("Failed", { path: "/a" }, new CartoucheError("ERR_DEADLINE", "too late"));
  const { error, fields } = records[0] as LogRecord;
  assert.deepEqual(fields, { path: "/a" });
  assert.deepEqual([error?.name, error?.message, error?.code], [
    "CartoucheError",
    "too late",
    "ERR_DEADLINE",
  ]);
  assert.match(error?.stack ?? "", /logger_test/);
});

test("ThreadLog does not let a logger's exception into the code that logs", () => {
  const printed: unknown[][] = [];
  const original = console.error;
  console.error = (...values: unknown[]): void => void printed.push(values);
  try {
    const log = new ThreadLog("main", () => {
      throw new Error("broken logger");
    });
    log.error("x");
  } finally {
    console.error = original;
  }
  assert.equal(printed.length, 1);
});

test("describeError shows causes below the stack", () => {
  const error = new Error("outer", { cause: new TypeError("inner", { cause: "root" }) });
  const { stack } = describeError(error);
  assert.match(stack ?? "", /outer[^]*\nCaused by: TypeError: inner[^]*\nCaused by: root$/);
});

test("describeError ends where causes go in circles", () => {
  const error = new Error("round");
  error.cause = error;
  assert.equal(describeError(error).stack?.split("Caused by: ").length, 5);
});

test("describeError takes codes of the system, and numbers as codes", () => {
  assert.equal(describeError(Object.assign(new Error("x"), { code: "ENOENT" })).code, "ENOENT");
  assert.equal(describeError(Object.assign(new Error("x"), { code: 7 })).code, "7");
  assert.equal("code" in describeError(new Error("x")), false);
});

const THROWN: readonly (readonly [string, unknown, string])[] = [
  ["text", "oops", "oops"],
  ["a number", 42, "42"],
  ["null", null, "null"],
  ["an object", { a: 1 }, '{"a":1}'],
  ["a symbol", Symbol("s"), "Symbol(s)"],
  ["an object that cannot be JSON", { a: 1n }, "[object Object]"],
  [
    "an object without a prototype that cannot be JSON",
    Object.assign(Object.create(null), { a: 1n }),
    "(a value that cannot be read)",
  ],
];

for (const [what, value, message] of THROWN) {
  test(`describeError describes ${what}`, () => {
    assert.deepEqual(describeError(value), { name: "NonError", message });
  });
}

test("describeError survives an error that throws when it is looked at", () => {
  const trap = new Error("x");
  Object.defineProperty(trap, "message", {
    get() {
      throw new Error("trap");
    },
  });
  assert.deepEqual(describeError(trap), { name: "NonError", message: "(a value that cannot be read)" });
});
