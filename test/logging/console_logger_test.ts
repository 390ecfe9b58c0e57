/**
 * The default logger: what it prints, where, and that it stays quiet otherwise.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { consoleLogger } from "../../src/logging/console_logger.ts";
import { LOG_LEVELS, type LogLevel, type LogRecord } from "../../src/logging/logger.ts";

const record = (level: LogLevel, message: string = level): LogRecord => ({
  level,
  time: 0,
  message,
  thread: "main",
});

/** The arguments of each call of `console.error` during `action`. */
function printedBy(action: () => void): unknown[][] {
  const printed: unknown[][] = [];
  const original = console.error;
  console.error = (...values: unknown[]): void => void printed.push(values);
  try {
    action();
  } finally {
    console.error = original;
  }
  return printed;
}

test("consoleLogger prints warnings and errors on stderr by default", () => {
  const printed = printedBy(() => {
    const logger = consoleLogger();
    for (const level of LOG_LEVELS) logger.log(record(level));
  });
  assert.deepEqual(printed, [
    ["1970-01-01T00:00:00.000Z WARN  [main] warn"],
    ["1970-01-01T00:00:00.000Z ERROR [main] error"],
  ]);
});

for (const [index, level] of LOG_LEVELS.entries()) {
  test(`consoleLogger of level ${level} prints that level and above`, () => {
    const lines: string[] = [];
    const logger = consoleLogger({ level, write: (line) => lines.push(line) });
    for (const each of LOG_LEVELS) logger.log(record(each));
    assert.deepEqual(lines.map((line) => line.split(" ").at(-1)), LOG_LEVELS.slice(index));
  });
}

test("consoleLogger hands over one text, so that nothing in it is taken as a format", () => {
  const [values] = printedBy(() => consoleLogger().log(record("error", "100% %s %d %o\nforged")));
  assert.deepEqual(values, ["1970-01-01T00:00:00.000Z ERROR [main] 100% %s %d %o\\nforged"]);
});

test("consoleLogger does not throw when it cannot print", () => {
  const logger = consoleLogger({
    write() {
      throw new Error("closed");
    },
  });
  logger.log(record("error"));
});
