import assert from "node:assert/strict";
import { test } from "node:test";
import { type Flow, type Operation, perform, runLater, runNow } from "../../src/upload/spool_disk.ts";

const value = <T>(result: T): Operation<T> => ({ now: () => result, later: () => Promise.resolve(result) });
const failing = (message: string): Operation<never> => ({
  now: () => {
    throw new Error(message);
  },
  later: () => Promise.reject(new Error(message)),
});

/** Adds, catches, cleans up: what a flow is for. */
function* flow(trace: string[]): Flow<number> {
  try {
    const first = yield* perform(value(1));
    let second = 0;
    try {
      yield* perform(failing("caught"));
    } catch (error) {
      second = String(error).includes("caught") ? 2 : 0;
    }
    return first + second + (yield* inner());
  } finally {
    trace.push("finally");
    yield* perform(value(null));
    trace.push("after an operation");
  }
}

function* inner(): Flow<number> {
  return yield* perform(value(10));
}

function* throwing(trace: string[]): Flow<number> {
  try {
    yield* perform(failing("passed on"));
    return 0;
  } finally {
    yield* perform(value(null));
    trace.push("cleaned");
  }
}

const RUNNERS: [string, <T>(flow: Flow<T>) => T | Promise<T>][] = [["now", runNow], ["later", runLater]];

for (const [name, run] of RUNNERS) {
  test(`Flow run ${name} gets results and errors where it yielded`, async () => {
    const trace: string[] = [];
    assert.equal(await run(flow(trace)), 13);
    assert.deepEqual(trace, ["finally", "after an operation"]);
  });

  test(`Flow run ${name} cleans up and passes on what it does not catch`, async () => {
    const trace: string[] = [];
    await assert.rejects(async () => await run(throwing(trace)), { message: "passed on" });
    assert.deepEqual(trace, ["cleaned"]);
  });
}

test("Flow run now is over when the call returns", () => {
  const trace: string[] = [];
  assert.equal(runNow(flow(trace)), 13);
});
