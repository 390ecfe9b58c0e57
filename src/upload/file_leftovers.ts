/**
 * Removes what killed processes left in the state folder: temporary files and useless lock folders.
 * Runs on: any; runtime API: none
 *
 * The name of a temporary file may say whose it is (`owner_tag.ts`); one of a living thread stays, one of a dead one
 * goes at once. Of all others, nothing that a living request uses is that old. Files of other kinds in the folder are
 * not looked at.
 */
import { join } from "node:path";
import { unlinkIfThere } from "./file_commit.ts";
import { type UploadPaths, uploadPaths } from "./file_paths.ts";
import { ownerState } from "./owner_tag.ts";
import { orNull, type StoreFs } from "./store_fs.ts";
import { decodeRecord } from "./upload_record.ts";
import { UPLOAD_ID } from "./upload_store.ts";

/** Digits of an id. */
const ID_LENGTH = 32;

/** Removes leftovers last changed before that time, in milliseconds since 1970. */
export async function removeLeftovers(fs: StoreFs, folder: string, limitMs: number): Promise<void> {
  const { stateFolder } = uploadPaths(folder, "");
  for (const name of await orNull(fs.list(stateFolder)) ?? []) {
    const id = name.slice(0, ID_LENGTH);
    if (!UPLOAD_ID.test(id)) continue;
    const path = join(stateFolder, name);
    const [, owner] = /^\.([0-9a-z_-]+)(?:\.[a-z]+)?\.tmp$/.exec(name.slice(ID_LENGTH)) ?? [];
    const temporary = owner !== undefined;
    if (!temporary && name !== `${id}.lock`) continue;
    const state = temporary ? ownerState(owner) : "unknown";
    if (state === "gone") await unlinkIfThere(fs, path);
    if (state !== "unknown") continue;
    const modifiedMs = await orNull(fs.modifiedMs(path));
    if (modifiedMs === null || modifiedMs >= limitMs) continue;
    if (temporary) await unlinkIfThere(fs, path);
    else if (await needsNoLock(fs, uploadPaths(folder, id).json)) await fs.removeFolder(path);
  }
}

/** Removes a JSON without a data file, last touched before that time. */
export async function removeBroken(fs: StoreFs, paths: UploadPaths, limitMs: number): Promise<void> {
  const touchedMs = await orNull(fs.modifiedMs(paths.json));
  if (touchedMs === null || touchedMs >= limitMs) return;
  if (await orNull(fs.modifiedMs(paths.data)) === null) await unlinkIfThere(fs, paths.json);
}

/** Whether the upload is gone or finished. The lock folder of a transfer, however long it takes, stays. */
async function needsNoLock(fs: StoreFs, json: string): Promise<boolean> {
  const text = await orNull(fs.readText(json));
  return text === null || decodeRecord(text)?.finished === true;
}
