/**
 * Abandoned files of forms: whose they are decides, and age only where nobody knows.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ownerTag } from "../../src/upload/owner_tag.ts";
import { SPOOL_FOLDER } from "../../src/upload/spool_file.ts";
import { removeAbandonedSpools, watchSpools } from "../../src/upload/spool_sweep.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";
import { until } from "../support/until.ts";

const ID = "0123456789abcdef0123456789abcdef";
/** No process has this number: it is above the kernel's limit. */
const DEAD = ownerTag().replace(/^\d+/, String(0x7ffffff0));
/** A process that nobody here can know. */
const STRANGER = ownerTag().replace(/-[0-9a-f]{12}-/, "-0123456789ab-");

/** Makes files and says where. */
function plant(directory: string, names: readonly string[]): string {
  const folder = join(directory, SPOOL_FOLDER);
  mkdirSync(folder, { recursive: true });
  for (const name of names) writeFileSync(join(folder, name), "x");
  return folder;
}

test("Spool sweep removes the files of dead owners, and nothing else", () =>
  withTemporaryFolder(async (directory) => {
    const others = [`form-${ID}.${DEAD}.tmp2`, `${ID}.${DEAD}.tmp`, `form-x.${DEAD}.tmp`, "form.tmp"];
    const kept = [`form-${ID}.${ownerTag()}.tmp`, `form-${ID}.${STRANGER}.tmp`, ...others];
    const folder = plant(directory, [`form-${ID}.${DEAD}.tmp`, ...kept]);
    assert.equal(await removeAbandonedSpools(directory), 1);
    assert.deepEqual(readdirSync(folder).sort(), [...kept].sort());
    assert.equal(await removeAbandonedSpools(directory), 0);
  }));

test("Spool sweep removes the files of unknown owners once they are old", () =>
  withTemporaryFolder(async (directory) => {
    const [old, fresh] = [`form-${ID}.${STRANGER}.tmp`, `form-${ID.replace("0", "f")}.${STRANGER}.tmp`];
    const folder = plant(directory, [old, fresh]);
    const minuteAgo = Date.now() / 1000 - 60;
    utimesSync(join(folder, old), minuteAgo, minuteAgo);
    assert.equal(await removeAbandonedSpools(directory), 0);
    assert.equal(await removeAbandonedSpools(directory, 60_000), 1);
    assert.deepEqual(readdirSync(folder), [fresh]);
  }));

test("Spool sweep of a folder that is not there removes nothing", async () => {
  assert.equal(await removeAbandonedSpools(join(tmpdir(), "cartouche-not-there")), 0);
});

test("Spool watch removes what an owner leaves that dies later", () =>
  withTemporaryFolder(async (directory) => {
    const folder = plant(directory, [`form-${ID}.${DEAD}.tmp`]);
    watchSpools(directory);
    await until("the folder is empty", () => readdirSync(folder).length === 0);
  }));
