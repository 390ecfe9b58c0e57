import assert from "node:assert/strict";
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { removeAbandonedSpools } from "../../src/upload/spool_sweep.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";

test("Spool sweep removes old temporary files of forms and nothing else", () =>
  withTemporaryFolder(async (directory) => {
    const folder = join(directory, ".cartouche");
    mkdirSync(folder);
    const id = "0123456789abcdef0123456789abcdef";
    const old = [`form-${id}.tmp`, `${id}.tmp`, `${id}.json`, `form-${id}.tmp2`, "form-x.tmp"];
    const fresh = `form-${id.replace("0", "f")}.tmp`;
    for (const name of [...old, fresh]) writeFileSync(join(folder, name), "x");
    const hourAgo = Date.now() / 1000 - 3_600;
    for (const name of old) utimesSync(join(folder, name), hourAgo, hourAgo);
    assert.equal(await removeAbandonedSpools(directory, 60_000), 1);
    assert.deepEqual(readdirSync(folder).sort(), [...old.slice(1), fresh].sort());
    assert.equal(await removeAbandonedSpools(directory, 60_000), 0);
  }));

test("Spool sweep of a folder that is not there removes nothing", async () => {
  assert.equal(await removeAbandonedSpools(join(tmpdir(), "cartouche-not-there")), 0);
});
