/**
 * The fence: what holders that were given up may still do to an upload reaches it no more.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fenceOff } from "../../src/upload/file_fence.ts";
import { FileLeases } from "../../src/upload/file_lease.ts";
import { STATE_FOLDER, temporaryPath, uploadPaths } from "../../src/upload/file_paths.ts";
import { thisOwner } from "../../src/upload/lease_owner.ts";
import { markTaken, writeNewLease } from "../../src/upload/lease_record.ts";
import { nodeStoreFs } from "../../src/upload/store_fs.ts";
import type { UploadLock } from "../../src/upload/upload_lock.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";

const ID = "a".repeat(32);
const MOST = 1 << 20;

/** A lock whose holder before it, n1, may have an operation under way. */
async function takenLock(folder: string): Promise<UploadLock> {
  const locks = join(folder, STATE_FOLDER, `${ID}.lock`);
  fs.mkdirSync(locks, { recursive: true });
  const fd = fs.openSync(join(locks, "1"), "wx+");
  writeNewLease(fs, fd, { ...thisOwner(), thread: 999_999 }, Date.now() - 2000);
  fs.closeSync(fd);
  const lock = await new FileLeases(join(folder, STATE_FOLDER)).acquire(ID, { waitMs: 0, takeOver: false });
  assert.deepEqual(lock?.unclear, ["n1"]);
  return lock as UploadLock;
}

test("A fence moves the upload to a new file", () =>
  withTemporaryFolder(async (folder) => {
    const paths = uploadPaths(folder, ID);
    const lock = await takenLock(folder);
    fs.writeFileSync(paths.data, "stored");
    const late = fs.openSync(paths.data, "r+");
    await fenceOff(nodeStoreFs, paths, lock, MOST);
    fs.writeSync(late, "late");
    fs.closeSync(late);
    assert.equal(fs.readFileSync(paths.data, "utf8"), "stored");
    lock.retire();
  }));

test("A fence whose own lock is taken away amid its copy moves nothing", () =>
  withTemporaryFolder(async (folder) => {
    const paths = uploadPaths(folder, ID);
    const lock = await takenLock(folder);
    fs.writeFileSync(paths.data, "old");
    // Its thread hung; meanwhile somebody took the lease, fenced, and went on writing.
    const copy = async (from: string, to: string): Promise<void> => {
      await nodeStoreFs.copy(from, to);
      const fd = fs.openSync(join(folder, STATE_FOLDER, `${ID}.lock`, "2"), "r+");
      markTaken(fs, fd);
      fs.closeSync(fd);
      fs.writeFileSync(paths.data, "newer");
    };
    await assert.rejects(fenceOff({ ...nodeStoreFs, copy }, paths, lock, MOST), { code: "ERR_UPLOAD_LOST" });
    assert.equal(fs.readFileSync(paths.data, "utf8"), "newer");
    assert.equal(fs.existsSync(temporaryPath(paths, `${lock.token}.copy`)), false);
    lock.release();
  }));

test("A fence takes away what an earlier one may be about to move into place", () =>
  withTemporaryFolder(async (folder) => {
    const paths = uploadPaths(folder, ID);
    const lock = await takenLock(folder);
    fs.writeFileSync(paths.data, "stored");
    const json = temporaryPath(paths, "n1");
    const copy = temporaryPath(paths, "n1.copy");
    for (const path of [json, copy]) fs.writeFileSync(path, "of long ago");
    await fenceOff(nodeStoreFs, paths, lock, MOST);
    // The renames that were under way come now.
    assert.throws(() => fs.renameSync(copy, paths.data), { code: "ENOENT" });
    assert.throws(() => fs.renameSync(json, paths.json), { code: "ENOENT" });
    assert.equal(fs.readFileSync(paths.data, "utf8"), "stored");
    lock.retire();
  }));
