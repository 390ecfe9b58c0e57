/**
 * What database.ts says on a runtime without node:sqlite.
 * Runs on: any; runtime API: none
 */
// test-runs-on: node - only Node can be told to leave node:sqlite out
import assert from "node:assert/strict";
import { test } from "node:test";
import { spawnExample } from "../support/start_example.ts";

test("database.ts ends with one clear line where there is no SQLite", async () => {
  const app = spawnExample("database", { NODE_OPTIONS: "--no-experimental-sqlite" });
  try {
    assert.deepEqual(await app.exited(), { code: 1, signal: null });
    assert.equal(app.stdout, "");
    assert.match(app.stderr, /^This runtime has no node:sqlite\. .*\n$/);
  } finally {
    await app.kill();
  }
});
