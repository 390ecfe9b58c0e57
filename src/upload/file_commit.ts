/**
 * Durable changes of small files: temporary file, fdatasync, rename, fsync of the folder.
 * Runs on: any; runtime API: none
 *
 * Invariant: under its final name a JSON is whole, old or new, whatever the instant of a kill or a power cut.
 */
import { temporaryPath, type UploadPaths } from "./file_paths.ts";
import { hasCode, type StoreFile, type StoreFs } from "./store_fs.ts";
import { encodeRecord, type UploadRecord } from "./upload_record.ts";

/**
 * Makes a JSON durable under its final name.
 * @param rename runs the rename; the holder of a lock checks the lock there
 */
export async function commitRecord(
  fs: StoreFs,
  paths: UploadPaths,
  token: string,
  record: UploadRecord,
  touchedMs: number,
  rename: (operation: () => Promise<void>) => Promise<void> = (operation) => operation(),
): Promise<void> {
  const temporary = temporaryPath(paths, token);
  try {
    const file = await openNew(fs, temporary);
    try {
      await file.write([new TextEncoder().encode(encodeRecord(record))], 0);
      await file.datasync();
    } finally {
      await file.close();
    }
    await fs.setModifiedMs(temporary, touchedMs);
    await rename(() => fs.rename(temporary, paths.json));
  } catch (error) {
    await unlinkIfThere(fs, temporary).catch(() => {});
    throw error;
  }
  await fs.syncFolder(paths.stateFolder);
}

/** Makes a temporary file; one of that name was left by a process that was killed. */
export async function openNew(fs: StoreFs, path: string): Promise<StoreFile> {
  try {
    return await fs.open(path, "wx");
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
    await fs.unlink(path);
    return await fs.open(path, "wx");
  }
}

/** Removes a file, or finds it gone. */
export async function unlinkIfThere(fs: StoreFs, path: string): Promise<void> {
  try {
    await fs.unlink(path);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
  }
}
