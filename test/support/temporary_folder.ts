/**
 * A folder of its own for a test, and proof that no file in it stays open.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFilesIn } from "./open_files.ts";

/** Runs with a new folder, which is empty and is removed afterwards; fails when a descriptor is left open. */
export async function withTemporaryFolder(run: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "cartouche-test-"));
  try {
    await run(folder);
    assert.deepEqual(openFilesIn(folder), []);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
