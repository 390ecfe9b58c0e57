/**
 * Where the files of an upload are.
 * Runs on: any; runtime API: none
 *
 * The layout is drawn in the head of `file_store.ts`. Ids are checked before they come here: a path is never
 * made of anything that a client wrote.
 */
import { join } from "node:path";

/** Name of the folder beside the uploads that holds all but their bytes. */
export const STATE_FOLDER = ".cartouche";

/** The paths of one upload. */
export interface UploadPaths {
  /** The folder of the data files, and the data file. */
  readonly folder: string;
  readonly data: string;
  /** The folder of the JSON files, and the JSON file. */
  readonly stateFolder: string;
  readonly json: string;
}

/** The paths of an upload. The id has been checked against UPLOAD_ID. */
export function uploadPaths(folder: string, id: string): UploadPaths {
  const stateFolder = join(folder, STATE_FOLDER);
  return { folder, data: join(folder, id), stateFolder, json: join(stateFolder, `${id}.json`) };
}

/**
 * Name of a file on its way; it carries the lock's token, so that a late holder cannot replace a newer file.
 */
export function temporaryPath(paths: UploadPaths, token: string): string {
  return `${paths.json.slice(0, -".json".length)}.${token}.tmp`;
}
