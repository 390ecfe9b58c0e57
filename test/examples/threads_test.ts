/**
 * What the examples about threads and logs do: execution with both kinds of pool, logging_file with its file.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { test } from "node:test";
import { get } from "../support/raw_client.ts";
import { withExample } from "../support/start_example.ts";
import type { ChildApp } from "../support/start_app.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";
import { until } from "../support/until.ts";

/** The threads that answer eight requests sent at once. */
async function threadsOfEight(app: ChildApp): Promise<Set<string>> {
  const answers = await Promise.all(Array.from({ length: 8 }, () => app.exchange(get("/"))));
  return new Set(answers.map(({ text }) => /thread (\d+)/.exec(text)?.[1] ?? text));
}

test("execution.ts runs on as many threads as WORKERS says", async () => {
  await withExample("execution", { WORKERS: "4" }, async (app) => {
    assert.equal((await threadsOfEight(app)).size, 4);
  });
});

test("execution.ts grows its elastic pool while requests wait", async () => {
  await withExample("execution", { ELASTIC: "1" }, async (app) => {
    const before = app.threads();
    await until("more than one thread answers", async () => (await threadsOfEight(app)).size > 1);
    assert.ok(app.threads() > before);
  });
});

test("logging_file.ts logs every request with its thread, and errors with their stack", async () => {
  await withTemporaryFolder(async (folder) => {
    const path = `${folder}/server.log`;
    await withExample("logging_file", { LOG_FILE: path }, async (app) => {
      assert.equal((await app.exchange(get("/"))).status, 200);
      assert.equal((await app.exchange(get("/broken"))).status, 500);
      await until("three records are in the file", () => records(path).length >= 3);
    });
    const [first, ...rest] = records(path);
    assert.equal(first?.["level"], "info");
    assert.equal(first?.["message"], "Request");
    assert.match(String(first?.["thread"]), /^worker \d+$/);
    const error = rest.find(({ level }) => level === "error");
    assert.match(JSON.stringify(error), /broken on purpose.*logging_file\.ts/);
  });
});

test("logging_file.ts goes on in a new file after a rotation", async () => {
  await withTemporaryFolder(async (folder) => {
    const path = `${folder}/server.log`;
    await withExample("logging_file", { LOG_FILE: path }, async (app) => {
      await app.exchange(get("/"));
      await until("the record is in the file", () => records(path).length === 1);
      renameSync(path, `${path}.1`);
      app.signal("SIGHUP");
      await until("there is a new file", () => existsSync(path));
      await app.exchange(get("/"));
      await until("the record is in the new file", () => records(path).length === 1);
      assert.equal(records(`${path}.1`).length, 1);
    });
  });
});

function records(path: string): Record<string, unknown>[] {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Record<string, unknown>);
}
