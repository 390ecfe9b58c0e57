/**
 * The file logger: order, limits, rotation, and what happens when the disk says no.
 * Runs on: any; runtime API: none
 *
 * Lines are numbered, so that a lost, doubled or displaced one shows. Cases that end or limit a process run
 * `log_child.ts` in one of their own.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { setImmediate } from "node:timers";
import { fileURLToPath } from "node:url";
import { CartoucheError } from "../../src/errors.ts";
import { fileLogger } from "../../src/logging/file_logger.ts";
import type { LogLevel, LogRecord } from "../../src/logging/logger.ts";

const folder = fs.mkdtempSync(join(tmpdir(), "cartouche-log-"));
process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));

let files = 0;
const freshPath = (): string => join(folder, `${++files}.log`);

const record = (level: LogLevel, n: number, padding = ""): LogRecord => ({
  level,
  time: 0,
  message: `m${n}`,
  ...(padding === "" ? {} : { fields: { padding } }),
  thread: "test",
});

const lines = (path: string): string[] => fs.readFileSync(path, "utf8").split("\n").slice(0, -1);
/** The numbers of the messages of a JSON log, NaN for those without. */
const numbers = (path: string): number[] =>
  lines(path).map((line) => Number((JSON.parse(line) as LogRecord).message.slice(1)));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The end of a file. */
function tail(path: string): string {
  const descriptor = fs.openSync(path, "r");
  const bytes = new Uint8Array(200);
  const length = fs.readSync(descriptor, bytes, 0, 200, Math.max(0, fs.fstatSync(descriptor).size - 200));
  fs.closeSync(descriptor);
  return new TextDecoder().decode(bytes.subarray(0, length));
}

/** What `action` printed by `console.error`. */
async function stderrOf(action: () => unknown): Promise<string[]> {
  const printed: string[] = [];
  const original = console.error;
  console.error = (...values: unknown[]): void => void printed.push(values.join(" "));
  try {
    await action();
  } finally {
    console.error = original;
  }
  return printed;
}

test("fileLogger writes records as JSON lines in order", async () => {
  const path = freshPath();
  const logger = fileLogger(path);
  for (let n = 0; n < 1000; n++) logger.log(record(n % 2 === 0 ? "info" : "warn", n));
  await logger.close();
  assert.deepEqual(numbers(path), upTo(1000));
  assert.deepEqual(JSON.parse(lines(path)[1] as string), {
    ...{ time: "1970-01-01T00:00:00.000Z", level: "warn", thread: "test", message: "m1" },
  });
});

test("fileLogger writes text when asked to", async () => {
  const path = freshPath();
  const logger = fileLogger(path, { format: "text" });
  logger.log(record("info", 1, "a b"));
  await logger.close();
  assert.equal(fs.readFileSync(path, "utf8"), '1970-01-01T00:00:00.000Z INFO  [test] m1 padding="a b"\n');
});

test("fileLogger leaves out records below its level, info by default", async () => {
  for (const [level, count] of [[undefined, 3], ["debug", 4], ["error", 1]] as const) {
    const path = freshPath();
    const logger = fileLogger(path, level === undefined ? {} : { level });
    for (const each of ["debug", "info", "warn", "error"] as const) logger.log(record(each, 0));
    await logger.close();
    assert.equal(lines(path).length, count, level);
  }
});

test("fileLogger appends to a file that exists, and makes one that is not for everybody", async () => {
  const path = freshPath();
  for (const n of [0, 1]) {
    const logger = fileLogger(path);
    logger.log(record("info", n));
    await logger.close();
  }
  assert.deepEqual(numbers(path), [0, 1]);
  assert.equal(fs.statSync(path).mode & 0o007, 0);
});

test("fileLogger writes nothing below error before the turn ends, and all soon after", async () => {
  const path = freshPath();
  const logger = fileLogger(path);
  for (let n = 0; n < 100; n++) logger.log(record("warn", n, "x".repeat(1000)));
  assert.equal(fs.statSync(path).size, 0);
  while (fs.statSync(path).size < 100_000) await turn();
  await logger.close();
  assert.deepEqual(numbers(path), upTo(100));
});

test("fileLogger has an error in the file when log returns, below all that was logged before", async () => {
  const path = freshPath();
  const logger = fileLogger(path);
  // Many turns and sizes, so that errors meet batches before, in and after their writing.
  let n = 0;
  let seed = 1;
  const random = (below: number): number => (seed = Math.imul(seed, 48271) >>> 0) % below;
  for (let round = 0; round < 300; round++) {
    for (let more = random(40); more > 0; more--) logger.log(record("info", n++, "x".repeat(random(8000))));
    for (let turns = random(4); turns > 0; turns--) await turn();
    for (let more = random(3); more > 0; more--) {
      logger.log(record("error", n++));
      assert.match(tail(path), new RegExp(`"m${n - 1}"[^\\n]*\\n$`));
    }
  }
  assert.deepEqual(numbers(path), upTo(n).slice(0, numbers(path).length));
  await logger.close();
  assert.deepEqual(numbers(path), upTo(n));
  assert.equal(logger.droppedRecords, 0);
});

test("fileLogger has all in the file when flush returns", async () => {
  const path = freshPath();
  const logger = fileLogger(path);
  for (let n = 0; n < 500; n++) {
    logger.log(record("info", n));
    if (n % 50 === 0) await turn();
    if (n % 7 !== 0) continue;
    logger.flush();
    assert.equal(numbers(path).length, n + 1);
  }
  await logger.close();
  assert.deepEqual(numbers(path), upTo(500));
});

test("fileLogger drops what exceeds maxQueuedBytes, says how much in its place, and goes on", async () => {
  const path = freshPath();
  const logger = fileLogger(path, { maxQueuedBytes: 8192 });
  for (let n = 0; n < 1000; n++) logger.log(record("info", n));
  const kept = 1000 - logger.droppedRecords;
  assert.ok(kept > 10 && kept < 110, `${kept} kept`);
  while (lines(path).length < kept + 1) await turn();
  logger.log(record("info", 1000));
  await logger.close();
  const written = lines(path).map((line) => JSON.parse(line) as LogRecord);
  assert.deepEqual(written.slice(0, kept).map(({ message }) => message), upTo(kept).map((n) => `m${n}`));
  assert.equal(written[kept]?.level, "warn");
  assert.deepEqual(written[kept]?.fields, { dropped: 1000 - kept, maxQueuedBytes: 8192 });
  assert.equal(written[kept + 1]?.message, "m1000");
  assert.equal(written.length, kept + 2);
});

test("fileLogger that began to drop drops smaller records too, so that there is one gap", async () => {
  const path = freshPath();
  const logger = fileLogger(path, { maxQueuedBytes: 4096 });
  logger.log(record("info", 0));
  logger.log(record("info", 1, "x".repeat(5000)));
  logger.log(record("info", 2));
  assert.equal(logger.droppedRecords, 2);
  await logger.close();
  assert.equal(lines(path).length, 2);
});

test("fileLogger never drops an error, and tells of dropped records above it", async () => {
  const path = freshPath();
  const logger = fileLogger(path, { maxQueuedBytes: 4096 });
  for (let n = 0; n < 100; n++) logger.log(record("info", n));
  logger.log(record("error", 100, "x".repeat(10_000)));
  const written = lines(path).map((line) => JSON.parse(line) as LogRecord);
  assert.equal(written.at(-1)?.message, "m100");
  assert.equal(written.at(-2)?.fields?.["dropped"], logger.droppedRecords);
  logger.log(record("info", 101));
  await logger.close();
  assert.equal(numbers(path).at(-1), 101);
});

test("fileLogger goes on after one record that is larger than the limit by itself", async () => {
  const path = freshPath();
  const logger = fileLogger(path, { maxQueuedBytes: 4096 });
  logger.log(record("info", 0, "x".repeat(5000)));
  while (fs.statSync(path).size === 0) await turn();
  logger.log(record("info", 1));
  await logger.close();
  assert.equal(logger.droppedRecords, 1);
  assert.deepEqual(numbers(path).slice(1), [1]);
});

test("fileLogger close can be called twice, and later records go nowhere but errors, to stderr", async () => {
  const path = freshPath();
  const logger = fileLogger(path);
  logger.log(record("info", 0));
  await Promise.all([logger.close(), logger.close()]);
  const printed = await stderrOf(() => {
    logger.log(record("info", 1));
    logger.log(record("error", 2));
    logger.flush();
    logger.reopen();
  });
  assert.deepEqual(numbers(path), [0]);
  assert.deepEqual(printed, ["1970-01-01T00:00:00.000Z ERROR [test] m2"]);
});

test("fileLogger reopen goes on in a new file after the old one was renamed", async () => {
  const path = freshPath();
  const logger = fileLogger(path);
  let n = 0;
  const names: string[] = [];
  for (let rotation = 0; rotation < 20; rotation++) {
    for (let count = 0; count < 200; count++) logger.log(record("info", n++, "x".repeat(500)));
    // On even rotations a batch is under way.
    if (rotation % 2 === 0) await turn();
    names.push(`${path}.${rotation}`);
    fs.renameSync(path, `${path}.${rotation}`);
    logger.reopen();
    logger.log(record("error", n++));
    if (rotation % 3 === 0) await turn();
    while (!fs.existsSync(path)) await turn();
  }
  await logger.close();
  assert.deepEqual([...names, path].flatMap(numbers), upTo(n));
  assert.ok(lines(path).length > 0);
});

test("fileLogger that cannot open its file says so once, prints errors, keeps the rest", async () => {
  const missing = join(folder, "missing");
  const path = join(missing, "a.log");
  let logger = fileLogger(freshPath());
  await logger.close();
  const printed = await stderrOf(async () => {
    logger = fileLogger(path);
    logger.log(record("info", 0));
    logger.log(record("error", 1));
    logger.log(record("error", 2));
    logger.flush();
    await turn();
  });
  assert.equal(printed.length, 3, printed.join("\n"));
  assert.match(
    printed[0] as string,
    /^cartouche: the log file .*a\.log cannot be written \(ENOENT.*errors go to stderr/,
  );
  assert.match(printed[1] as string, /ERROR \[test\] m1$/);
  fs.mkdirSync(missing);
  logger.reopen();
  logger.log(record("error", 3));
  await logger.close();
  assert.deepEqual(numbers(path), [0, 3]);
});

test("fileLogger that never could open its file says at close what was lost", async () => {
  const printed = await stderrOf(async () => {
    const logger = fileLogger(folder);
    logger.log(record("info", 0));
    await logger.close();
  });
  assert.equal(printed.length, 2, printed.join("\n"));
  assert.match(printed[0] as string, /not a regular file/);
  assert.match(printed[1] as string, /^cartouche: \d+ octets of log were lost/);
});

test("fileLogger refuses bad options", () => {
  for (
    const options of [{ maxQueuedBytes: 0 }, { maxQueuedBytes: 4095 }, { maxQueuedBytes: 1e20 }, {
      format: "xml",
    }]
  ) {
    assert.throws(
      () => fileLogger(freshPath(), options as object),
      (error) => error instanceof CartoucheError && error.code === "ERR_OPTION",
    );
  }
});

/** Runs the child, through `sh` when `limit` is given. @returns its exit code and output */
function runChild(
  name: string,
  path: string,
  limit = "",
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = fileURLToPath(new URL("./log_child.ts", import.meta.url));
  const runtime = process.versions["deno"] === undefined ? [] : ["run", "-A", "--no-check"];
  const command = [process.execPath, ...runtime, child, name, path];
  const script = `${limit} exec "$@"`;
  return new Promise((resolve, reject) => {
    const started = spawn("sh", ["-c", script, "sh", ...command], { stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    started.stdout.on("data", (part) => stdout += part);
    started.stderr.on("data", (part) => stderr += part);
    started.on("error", reject);
    started.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

for (const how of ["process.exit", "natural"]) {
  test(`fileLogger writes out what waits when the process ends (${how})`, async () => {
    const path = freshPath();
    const { code, stderr } = await runChild(how, path);
    assert.equal(code, how === "natural" ? 0 : 3, stderr);
    assert.deepEqual(numbers(path), upTo(1000));
  });
}

test("fileLogger on a full disk goes on, prints errors, loses and doubles nothing", async () => {
  // A limit on the size of files (in blocks of 512 or 1024 octets) fails writes half-way, as a full disk
  // does.
  const path = freshPath();
  const { code, stdout, stderr } = await runChild("full", path, "trap '' XFSZ; ulimit -f 2048;");
  assert.equal(code, 0, stderr);
  const { first, logged } = JSON.parse(stdout) as { first: string; logged: number };
  const all = first + fs.readFileSync(path, "utf8");
  const seen = all.split("\n").slice(0, -1).map((line) =>
    Number((JSON.parse(line) as LogRecord).message.slice(1))
  );
  // Errors below 0 were logged while the disk was full.
  assert.deepEqual(seen, upTo(logged));
  const printed = stderr.trim().split("\n");
  assert.equal(printed.length, 3, stderr);
  assert.match(printed[0] as string, /^cartouche: the log file .* cannot be written \(EFBIG/);
  assert.match(printed[1] as string, / m-1 /);
  assert.match(printed[2] as string, / m-2 /);
});
