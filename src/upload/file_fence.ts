/**
 * Shuts out the last operation of a holder that was given up in the middle of one.
 * Runs on: any; runtime API: none
 *
 * Such a holder (a thread that was terminated, or that hung for seconds) begins nothing more, but one call
 * may still be in the hands of the system. Its JSON: the rename that may be under way fails, or has happened,
 * once its temporary file is gone. Its write or truncation: it goes to the file that it holds open, so the
 * upload moves to a new file; where that would cost too much, the call is given time to end instead.
 */
import { setTimeout } from "node:timers";
import { unlinkIfThere } from "./file_commit.ts";
import { QUARANTINE_MS } from "./file_lease.ts";
import { temporaryPath, type UploadPaths } from "./file_paths.ts";
import { isDiskFull, orNull, type StoreFs } from "./store_fs.ts";
import type { UploadLock } from "./upload_lock.ts";

/**
 * Makes sure that nothing of the holders in `lock.unclear` can reach the upload.
 * @param mostBytes an upload larger than this is not copied
 */
export async function fenceOff(
  fs: StoreFs,
  paths: UploadPaths,
  lock: UploadLock,
  mostBytes: number,
): Promise<void> {
  // "In flight" from here to the end, and for good when this fails or its thread dies: the next one must
  // fence again.
  lock.begin();
  for (const token of lock.unclear) {
    // Its JSON; and its copy, if it was itself fencing.
    await unlinkIfThere(fs, temporaryPath(paths, token));
    await unlinkIfThere(fs, copyPath(paths, token));
  }
  if (!await moveToNewFile(fs, paths, lock, mostBytes)) await quarantine();
  lock.end();
}

async function moveToNewFile(
  fs: StoreFs,
  paths: UploadPaths,
  lock: UploadLock,
  mostBytes: number,
): Promise<boolean> {
  const old = await orNull(fs.open(paths.data, "r"));
  if (old === null) return true;
  try {
    if (await old.size() > mostBytes) return false;
  } finally {
    await old.close();
  }
  const temporary = copyPath(paths, lock.token);
  try {
    await fs.copy(paths.data, temporary);
    const copy = await fs.open(temporary, "r+");
    try {
      // What was acknowledged is durable in the old file and must be so in the new one.
      await copy.datasync();
    } finally {
      await copy.close();
    }
    lock.begin();
    try {
      await fs.rename(temporary, paths.data);
    } finally {
      lock.end();
    }
    await fs.syncFolder(paths.folder);
    return true;
  } catch (error) {
    await unlinkIfThere(fs, temporary).catch(() => {});
    if (isDiskFull(error)) return false;
    throw error;
  }
}

/** Where the holder with that token copies the upload to. */
function copyPath(paths: UploadPaths, token: string): string {
  return temporaryPath(paths, `${token}.copy`);
}

/** Does not keep the process alive: where it ends, so does the operation that is waited for. */
function quarantine(): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, QUARANTINE_MS).unref());
}
