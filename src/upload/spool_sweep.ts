/**
 * Removes what forms left behind whose thread or process died: nothing else leaves anything.
 * Runs on: worker; runtime API: none
 *
 * The names of the files say whose they are (`owner_tag.ts`). Of an owner of whom nothing is known (another machine,
 * a container that is gone, a live process beside this one) only what was left alone for longer than any client may
 * be silent is removed. Files of other kinds in the folder are not looked at.
 */
import { lstat, readdir, unlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { clearInterval, setInterval } from "node:timers";
import { ownerState } from "./owner_tag.ts";
import { SPOOL_FOLDER } from "./spool_file.ts";

const SPOOL_NAME = /^form-[0-9a-f]{32}\.([^.]+)\.tmp$/;

/** How long a file of an unknown owner must have been left alone, in milliseconds. */
const SILENT_MS = 3_600_000;
/** How often a folder that forms go to is looked at, in milliseconds. */
const WATCH_MS = 1_000;

/**
 * Removes abandoned temporary files of forms. Call it where the app is loaded: a thread that takes the place of a
 * dead one then removes what that one left, and a process that is started again what its predecessor left.
 *
 * @param directory the upload folder, as given to `spoolForm`
 * @param silentMs how long a file of which nobody knows whether it has an owner must have been left alone; well above
 *   the server's `bodyTimeoutMs`. Default one hour.
 * @returns how many were removed
 */
export async function removeAbandonedSpools(
  directory: string,
  silentMs: number = SILENT_MS,
): Promise<number> {
  return (await sweep(directory, silentMs)).removed;
}

/** The folders that this thread looks after. */
const watched = new Set<string>();

/** Looks after a folder at intervals, until there is nothing in it. */
export function watchSpools(directory: string): void {
  const folder = resolve(directory);
  if (watched.has(folder)) return;
  watched.add(folder);
  const timer = setInterval(() => {
    void sweep(folder, SILENT_MS).then(({ left }) => {
      if (left > 0) return;
      clearInterval(timer);
      watched.delete(folder);
    });
  }, WATCH_MS);
  timer.unref();
}

async function sweep(directory: string, silentMs: number): Promise<{ removed: number; left: number }> {
  const folder = join(directory, SPOOL_FOLDER);
  let removed = 0;
  let left = 0;
  for (const name of await readdir(folder).catch((): string[] => [])) {
    const tag = SPOOL_NAME.exec(name)?.[1];
    if (tag === undefined) continue;
    try {
      if (await isAbandoned(join(folder, name), tag, silentMs)) {
        await unlink(join(folder, name));
        removed++;
      } else left++;
    } catch {
      // It was finished or removed meanwhile.
    }
  }
  return { removed, left };
}

async function isAbandoned(path: string, tag: string, silentMs: number): Promise<boolean> {
  const state = ownerState(tag);
  if (state !== "unknown") return state === "gone";
  return Date.now() - (await lstat(path)).mtimeMs >= silentMs;
}
