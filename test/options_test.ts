/**
 * Tests of options: defaults, ranges, pools.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CartoucheError } from "../src/errors.ts";
import { DEFAULTS, resolveOptions, type ServeOptions } from "../src/options.ts";

test("Without options the defaults hold, and there is one worker per core", () => {
  const settings = resolveOptions({}, 6);
  const { idleTimeoutMs: _, ...defaults } = DEFAULTS;
  for (const [name, value] of Object.entries(defaults)) {
    assert.equal((settings as unknown as Record<string, unknown>)[name], value, name);
  }
  const { minWorkers, maxWorkers, idleTimeoutMs, path } = settings;
  assert.deepEqual({ minWorkers, maxWorkers, idleTimeoutMs, path }, {
    minWorkers: 6,
    maxWorkers: 6,
    idleTimeoutMs: 0,
    path: undefined,
  });
});

test("What is given is taken, 0 included", () => {
  const given = {
    port: 0,
    hostname: "::1",
    backlog: 511,
    deadlineMs: 0,
    maxBodyBytes: 0,
    spoolBodyBytes: 0,
    headerTimeoutMs: 0,
    bodyTimeoutMs: 0,
    keepAliveTimeoutMs: 0,
    writeTimeoutMs: 0,
    maxWaitMs: 0,
    drainTimeoutMs: 0,
    maxZombies: 0,
    maxConnections: 0,
    compress: false,
    fastResponse: false,
    handleSignals: false,
    synchronous: true,
    reusePort: true,
    logLevel: "debug",
    path: "/run/x.sock",
  } as const satisfies ServeOptions;
  const settings = resolveOptions(given, 1) as unknown as Record<string, unknown>;
  for (const [name, value] of Object.entries(given)) assert.equal(settings[name], value, name);
});

test("A number of workers is a fixed pool, a range an elastic one", () => {
  const pool = (workers: ServeOptions["workers"]): unknown[] => {
    const { minWorkers, maxWorkers, idleTimeoutMs } = resolveOptions(
      workers === undefined ? {} : { workers },
      3,
    );
    return [minWorkers, maxWorkers, idleTimeoutMs];
  };
  assert.deepEqual(pool(5), [5, 5, 0]);
  assert.deepEqual(pool({ min: 2, max: 9 }), [2, 9, 10_000]);
  assert.deepEqual(pool({ min: 1, max: 1, idleTimeoutMs: 1 }), [1, 1, 1]);
});

/** Options, and a piece of the message. */
const REFUSED: readonly (readonly [ServeOptions, RegExp])[] = [
  [{ port: -1 }, /^port is -1; .* 0 to 65535/],
  [{ port: 65_536 }, /^port is 65536/],
  [{ port: 80.5 }, /^port is 80\.5/],
  [{ port: NaN }, /^port is NaN/],
  [{ port: "80" as unknown as number }, /^port is 80/],
  [{ backlog: 510 }, /^backlog is 510; .* 511 to /],
  [{ workers: 0 }, /^workers is 0; .* 1 to 512/],
  [{ workers: 513 }, /^workers is 513/],
  [{ workers: { min: 0, max: 2 } }, /is 0/],
  [{ workers: { min: 3, max: 2 } }, /^workers\.max is 2; .* 3 to /],
  [{ workers: { min: 1, max: 2, idleTimeoutMs: 0 } }, /^workers\.idleTimeoutMs is 0/],
  [{ deadlineMs: -1 }, /^deadlineMs is -1/],
  [{ deadlineMs: Infinity }, /^deadlineMs is Infinity/],
  [{ maxHeaderBytes: 255 }, /^maxHeaderBytes is 255; .* 256 to 65535/],
  [{ maxHeaderBytes: 65_536 }, /^maxHeaderBytes is 65536/],
  [{ maxHeaderFields: 0 }, /^maxHeaderFields is 0/],
  [{ maxBodyBytes: -1 }, /^maxBodyBytes is -1/],
  [{ maxWaiting: 0 }, /^maxWaiting is 0/],
  [{ maxPipelined: 0 }, /^maxPipelined is 0/],
  [{ maxZombies: 257 }, /^maxZombies is 257/],
  [{ workerHeapMb: 1 }, /^workerHeapMb is 1/],
];
for (const [options, message] of REFUSED) {
  test(`An option is refused with its name, value and range: ${message.source}`, () => {
    assert.throws(() => resolveOptions(options, 1), (error: unknown) => {
      assert.ok(error instanceof CartoucheError);
      assert.equal(error.code, "ERR_OPTION");
      assert.match(error.message, message);
      return true;
    });
  });
}
