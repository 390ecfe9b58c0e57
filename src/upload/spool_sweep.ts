/**
 * Removes what forms left behind when their process was killed: nothing else leaves anything.
 * Runs on: worker; runtime API: none
 *
 * A living spool writes to its file as long as its client sends, so one that was not touched for longer than
 * any client may be silent belongs to nobody. Files of other kinds in the same folder are not looked at.
 */
import { lstat, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { SPOOL_FOLDER } from "./spool_file.ts";

const SPOOL_NAME = /^form-[0-9a-f]{32}\.tmp$/;

/**
 * Removes abandoned temporary files of forms.
 *
 * @param directory the upload folder, as given to `spoolForm`
 * @param silentMs how long a file must have been left alone; well above the server's idle timeout for bodies
 * @returns how many were removed
 */
export async function removeAbandonedSpools(
  directory: string,
  silentMs: number = 3_600_000,
): Promise<number> {
  const folder = join(directory, SPOOL_FOLDER);
  let removed = 0;
  for (const name of await readdir(folder).catch((): string[] => [])) {
    if (!SPOOL_NAME.test(name)) continue;
    const path = join(folder, name);
    try {
      const { mtimeMs } = await lstat(path);
      if (Date.now() - mtimeMs < silentMs) continue;
      await unlink(path);
      removed++;
    } catch {
      // It was finished or removed meanwhile.
    }
  }
  return removed;
}
