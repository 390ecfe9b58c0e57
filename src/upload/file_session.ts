/**
 * One upload on disk while one request holds it: every change to its bytes and to its JSON.
 * Runs on: any; runtime API: none
 *
 * Order of the steps, each durable before the next: bytes, then the JSON that makes them count, then the
 * answer. A change of the JSON is: write a temporary file, fsync, rename, fsync of the folder (uploads.md
 * A5).
 *
 * Invariant: each operation on the data or on a name runs between `lock.begin` and `lock.end`, and nothing
 * runs after `begin` has thrown.
 */
import { type AppendHost, FileAppend } from "./file_append.ts";
import { commitRecord, unlinkIfThere } from "./file_commit.ts";
import type { UploadPaths } from "./file_paths.ts";
import type { StoreFile, StoreFs } from "./store_fs.ts";
import type { UploadLock } from "./upload_lock.ts";
import type { UploadRecord } from "./upload_record.ts";
import type { UploadAppend, UploadInfo, UploadSession } from "./upload_store.ts";

/** What a record and the bytes that count say together. */
export function infoOf(id: string, record: UploadRecord, offset: number, touchedMs: number): UploadInfo {
  const { length, metadata, concat, createdMs, finished, sealed, notified } = record;
  return { id, offset, length, metadata, concat, createdMs, touchedMs, finished, sealed, notified };
}

/** A held upload. */
export class FileSession implements UploadSession {
  readonly #fs: StoreFs;
  readonly #paths: UploadPaths;
  readonly #lock: UploadLock;
  readonly #file: StoreFile;
  readonly #now: () => number;
  #record: UploadRecord;
  #info: UploadInfo;
  #retire: boolean;

  constructor(
    fs: StoreFs,
    paths: UploadPaths,
    lock: UploadLock,
    file: StoreFile,
    now: () => number,
    record: UploadRecord,
    info: UploadInfo,
  ) {
    this.#fs = fs;
    this.#paths = paths;
    this.#lock = lock;
    this.#file = file;
    this.#now = now;
    this.#record = record;
    this.#info = info;
    this.#retire = record.finished;
  }

  get info(): UploadInfo {
    return this.#info;
  }

  get stop(): AbortSignal {
    return this.#lock.stop;
  }

  setLength(length: number): Promise<void> {
    return this.#commit({ length });
  }

  async append(checked: boolean): Promise<UploadAppend> {
    // Before the first byte: from where on bytes do not count until they are confirmed, or that all do.
    const verified = checked ? this.#info.offset : null;
    if (this.#record.verified !== verified) await this.#commit({ verified });
    const host: AppendHost = {
      file: this.#file,
      guarded: (operation) => this.#guarded(operation),
      committed: async (offset) => {
        if (checked) await this.#commit({ verified: offset });
        this.#info = { ...this.#info, offset };
      },
    };
    return new FileAppend(host, this.#info.offset, checked);
  }

  async finish(marks: { readonly sealed: boolean; readonly notified: boolean }): Promise<void> {
    await this.#commit({ ...marks, length: this.#info.offset, finished: true, verified: null });
    this.#retire = true;
  }

  mark(marks: { readonly sealed?: boolean; readonly notified?: boolean }): Promise<void> {
    return this.#commit(marks);
  }

  async touch(): Promise<void> {
    const touchedMs = this.#now();
    await this.#fs.setModifiedMs(this.#paths.json, touchedMs);
    this.#info = { ...this.#info, touchedMs };
  }

  async remove(): Promise<void> {
    // The bytes first, durably: a JSON without bytes is no upload, and a sweep removes it, while bytes
    // without a JSON would belong to nobody for ever.
    await this.#guarded(() => unlinkIfThere(this.#fs, this.#paths.data));
    await this.#fs.syncFolder(this.#paths.folder);
    await this.#guarded(() => unlinkIfThere(this.#fs, this.#paths.json));
    this.#retire = true;
    await this.#fs.syncFolder(this.#paths.stateFolder);
  }

  async release(): Promise<void> {
    try {
      await this.#file.close();
    } finally {
      if (this.#retire) this.#lock.retire();
      else this.#lock.release();
    }
  }

  async #commit(change: Partial<UploadRecord>): Promise<void> {
    const record = { ...this.#record, ...change, revision: this.#record.revision + 1 };
    const touchedMs = this.#now();
    await commitRecord(
      this.#fs,
      this.#paths,
      this.#lock.token,
      record,
      touchedMs,
      (rename) => this.#guarded(rename),
    );
    this.#record = record;
    this.#info = infoOf(this.#info.id, record, this.#info.offset, touchedMs);
  }

  async #guarded<T>(operation: () => Promise<T>): Promise<T> {
    this.#lock.begin();
    try {
      return await operation();
    } finally {
      this.#lock.end();
    }
  }
}
