/**
 * Uploads on disk.
 * Runs on: any; runtime API: none
 *
 *     FOLDER/
 *       <id>                       the bytes, nothing else; the size is the offset (0600)
 *       .cartouche/<id>.json       `upload_record.ts`; its modification time is that of the last request
 *       .cartouche/<id>.*.tmp      a JSON, or a concatenation, on its way
 *       .cartouche/<id>.lock/      `file_lease.ts`; gone when the upload is finished
 *       .cartouche/sweep           its modification time is that of the last sweep
 *
 * Invariant: SIGKILL or a power cut at any instant leaves a state that needs no repair. A JSON without a data
 * file is no upload; a data file's size is the offset, at most `verified`; a final upload exists only when it
 * is whole.
 */
import { join, resolve } from "node:path";
import { CartoucheError } from "../errors.ts";
import { joinParts, type Part } from "./file_concat.ts";
import { fenceOff } from "./file_fence.ts";
import { FileLeases } from "./file_lease.ts";
import { removeBroken, removeLeftovers } from "./file_leftovers.ts";
import { commitRecord, openNew, unlinkIfThere } from "./file_commit.ts";
import { STATE_FOLDER, temporaryPath, type UploadPaths, uploadPaths } from "./file_paths.ts";
import { FileSession, infoOf } from "./file_session.ts";
import { ownerTag } from "./owner_tag.ts";
import { hasCode, nodeStoreFs, orNull, type StoreFile, type StoreFs } from "./store_fs.ts";
import { delay, type UploadLock, type UploadLocks } from "./upload_lock.ts";
import { countedBytes, decodeRecord, EMPTY_RECORD, type UploadRecord } from "./upload_record.ts";
import {
  type AcquireOptions,
  type NewUpload,
  UPLOAD_ID,
  type UploadInfo,
  type UploadSession,
  type UploadStore,
} from "./upload_store.ts";

/** Options of {@link FileStore}. */
export interface FileStoreOptions {
  /** Who may write. Default: lease files in the folder, which span threads and processes. */
  readonly locks?: UploadLocks;
  /** The file calls; for tests. */
  readonly fs?: StoreFs;
  /** The clock, in milliseconds since 1970; for tests. */
  readonly now?: () => number;
  /**
   * Bytes up to which an upload is copied to a new file when a holder that was given up may still be in the
   * middle of a write. A larger one is left alone for ten seconds instead. Default 256 MiB; 0 = never copied.
   */
  readonly fenceCopyBytes?: number;
}

const FENCE_COPY_BYTES = 256 * 1024 * 1024;
/**
 * How often a look is repeated when the JSON changed meanwhile. Each repetition needs another request's
 * commit.
 */
const MOST_LOOKS = 8;
/** Token of a JSON or a concatenation that is made before anybody knows the id: no lock tells whose it is. */
const newToken = (kind: "json" | "concat"): string => `${ownerTag()}.${kind}`;

/** An upload store in a folder. Any number of threads and processes may use the same folder. */
export class FileStore implements UploadStore {
  /** The folder, absolute: finished uploads are regular files directly in it. */
  readonly folder: string;
  readonly #stateFolder: string;
  readonly #fs: StoreFs;
  readonly #locks: UploadLocks;
  readonly #now: () => number;
  readonly #fenceCopyBytes: number;
  #ready: Promise<void> | null = null;

  /** @param folder is made when it is not there */
  constructor(folder: string, options: FileStoreOptions = {}) {
    this.folder = resolve(folder);
    this.#stateFolder = join(this.folder, STATE_FOLDER);
    this.#fs = options.fs ?? nodeStoreFs;
    this.#locks = options.locks ?? new FileLeases(this.#stateFolder);
    this.#now = options.now ?? Date.now;
    this.#fenceCopyBytes = options.fenceCopyBytes ?? FENCE_COPY_BYTES;
  }

  /** The path of an upload's bytes. Once it is finished the file may be read, moved or removed. */
  path(id: string): string {
    return this.#paths(id).data;
  }

  async create(upload: NewUpload): Promise<UploadInfo> {
    await this.#prepare();
    const paths = this.#paths(upload.id);
    const nowMs = this.#now();
    const empty = upload.length === 0;
    const record: UploadRecord = { ...EMPTY_RECORD, ...recordOf(upload), createdMs: nowMs, finished: empty };
    try {
      await commitRecord(this.#fs, paths, newToken("json"), record, nowMs);
      await (await this.#fs.open(paths.data, "wx")).close();
      await this.#fs.syncFolder(paths.folder);
      // The time to live begins when the client can know of the upload, not while the disk is busy with it.
      const touchedMs = this.#now();
      await this.#fs.setModifiedMs(paths.json, touchedMs);
      return infoOf(upload.id, record, 0, touchedMs);
    } catch (error) {
      await unlinkIfThere(this.#fs, paths.data).catch(() => {});
      await unlinkIfThere(this.#fs, paths.json).catch(() => {});
      throw error;
    }
  }

  async read(id: string): Promise<UploadInfo | null> {
    const paths = this.#paths(id);
    let text = await this.#readJson(paths);
    for (let look = 1; text !== null; look++) {
      const record = decodeRecord(text);
      if (record === null) return null;
      const file = await this.#openData(paths, "r");
      if (file === null) return null;
      let size: number;
      try {
        size = await file.size();
        // What is told to a client must survive a power cut, also while another request is writing.
        if (!record.finished) await file.datasync();
      } finally {
        await file.close();
      }
      // The size belongs to this JSON only if no commit came between the two looks.
      const again = await this.#readJson(paths);
      if (again === text || look === MOST_LOOKS) {
        const touchedMs = await this.#touchedMs(paths);
        return touchedMs === null ? null : infoOf(id, record, countedBytes(record, size), touchedMs);
      }
      text = again;
    }
    return null;
  }

  async touch(id: string): Promise<void> {
    try {
      await this.#fs.setModifiedMs(this.#paths(id).json, this.#now());
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw error;
    }
  }

  async acquire(id: string, options: AcquireOptions): Promise<UploadSession | "missing" | "busy"> {
    const paths = this.#paths(id);
    if (await this.#touchedMs(paths) === null) return "missing";
    const lock = await this.#locks.acquire(id, options);
    if (lock === null) return "busy";
    try {
      if (lock.unclear.length > 0) {
        const fence = fenceOff(this.#fs, paths, lock, this.#fenceCopyBytes);
        const inTime = await Promise.race([fence.then(() => true), delay(options.waitMs).then(() => false)]);
        if (!inTime) {
          // Goes on without this request; the next one finds the way free.
          fence.catch(() => {}).finally(() => lock.release());
          return "busy";
        }
      }
      return await this.#load(id, paths, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  async concatenate(upload: NewUpload, parts: readonly string[], signal?: AbortSignal): Promise<UploadInfo> {
    await this.#prepare();
    const paths = this.#paths(upload.id);
    const temporary = temporaryPath(paths, newToken("concat"));
    const nowMs = this.#now();
    try {
      // First all of them: none may expire while the others are being copied.
      for (const part of parts) await this.touch(part);
      const length = await joinParts(this.#fs, (part) => this.#finishedPart(part), parts, temporary, signal);
      const whole = { ...EMPTY_RECORD, ...recordOf(upload), length, createdMs: nowMs, finished: true };
      // The JSON first: without its data it is nothing, while data without it would look like a finished
      // upload.
      await commitRecord(this.#fs, paths, newToken("json"), whole, nowMs);
      await this.#fs.rename(temporary, paths.data);
      await this.#fs.syncFolder(paths.folder);
      return infoOf(upload.id, whole, length, nowMs);
    } catch (error) {
      for (const path of [temporary, paths.data, paths.json]) {
        await unlinkIfThere(this.#fs, path).catch(() => {});
      }
      throw error;
    }
  }

  async *ids(): AsyncIterable<string> {
    for (const name of await this.#names()) {
      const id = name.slice(0, 32);
      if (name === `${id}.json` && UPLOAD_ID.test(id)) yield id;
    }
  }

  async claimSweep(intervalMs: number): Promise<boolean> {
    await this.#prepare();
    const stamp = join(this.#stateFolder, "sweep");
    try {
      // A little less than the interval: timers of threads drift, and none shall wait for two rounds.
      if (Math.abs(this.#now() - await this.#fs.modifiedMs(stamp)) < intervalMs * 0.9) return false;
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw error;
      await (await openNew(this.#fs, stamp)).close();
    }
    await this.#fs.setModifiedMs(stamp, this.#now());
    return true;
  }

  removeLeftovers(olderThanMs: number): Promise<void> {
    return removeLeftovers(this.#fs, this.folder, this.#now() - olderThanMs);
  }

  removeBroken(id: string, olderThanMs: number): Promise<void> {
    return removeBroken(this.#fs, this.#paths(id), this.#now() - olderThanMs);
  }

  /** Reads an upload under its lock, and cuts off what does not count. */
  async #load(id: string, paths: UploadPaths, lock: UploadLock): Promise<UploadSession | "missing"> {
    const text = await this.#readJson(paths);
    const record = text === null ? null : decodeRecord(text);
    const file = record === null ? null : await this.#openData(paths, "r+");
    if (record === null || file === null) {
      if (text === null) lock.retire();
      else lock.release();
      return "missing";
    }
    try {
      const size = await file.size();
      const offset = countedBytes(record, size);
      if (!record.finished) {
        lock.begin();
        try {
          if (size > offset) await file.truncate(offset);
          await file.datasync();
        } finally {
          lock.end();
        }
      }
      const touchedMs = await this.#fs.modifiedMs(paths.json);
      const info = infoOf(id, record, offset, touchedMs);
      return new FileSession(this.#fs, paths, lock, file, this.#now, record, info);
    } catch (error) {
      await file.close().catch(() => {});
      throw error;
    }
  }

  async #finishedPart(id: string): Promise<Part | null> {
    const info = await this.read(id);
    if (info === null || !info.finished) return null;
    const file = await this.#openData(this.#paths(id), "r");
    return file === null ? null : { file, bytes: info.offset };
  }

  #paths(id: string): UploadPaths {
    // The last line of defence: no id that was not checked ever becomes a path.
    if (!UPLOAD_ID.test(id)) throw new CartoucheError("ERR_OPTION", "An upload id is 32 hexadecimal digits");
    return uploadPaths(this.folder, id);
  }

  #prepare(): Promise<void> {
    return this.#ready ??= this.#fs.makeFolder(this.#stateFolder).catch((error) => {
      this.#ready = null;
      throw error;
    });
  }

  async #names(): Promise<string[]> {
    try {
      return await this.#fs.list(this.#stateFolder);
    } catch (error) {
      if (hasCode(error, "ENOENT")) return [];
      throw error;
    }
  }

  #readJson(paths: UploadPaths): Promise<string | null> {
    return orNull(this.#fs.readText(paths.json));
  }

  #touchedMs(paths: UploadPaths): Promise<number | null> {
    return orNull(this.#fs.modifiedMs(paths.json));
  }

  #openData(paths: UploadPaths, flags: "r" | "r+"): Promise<StoreFile | null> {
    return orNull(this.#fs.open(paths.data, flags));
  }
}

function recordOf(
  { length, metadata, concat }: NewUpload,
): Pick<UploadRecord, "length" | "metadata" | "concat"> {
  return { length, metadata, concat };
}
