/**
 * One file of a form on its way to the disk: made by its first octet, removed unless it gets its name.
 * Runs on: worker; runtime API: none
 *
 * Small pieces are gathered into writes of 256 KiB, large ones go out as they are. A write may take less than
 * it was given (a disk that is getting full does that), so it is repeated until all is taken or it fails.
 * Invariant: whatever happens, `discard` leaves no trace and no open descriptor.
 */
import { join } from "node:path";
import { CartoucheError } from "../errors.ts";
import type { MultipartPart } from "../http/multipart_part.ts";
import { STATE_FOLDER } from "./file_paths.ts";
import { ownerTag } from "./owner_tag.ts";
import { type Flow, type Operation, perform, type SpoolDisk } from "./spool_disk.ts";
import { newUploadId } from "./upload_store.ts";

/**
 * The folder for what is not finished, inside the upload folder: giving a name never leaves the file system. One of
 * its own, so that whoever looks for abandoned files finds nothing else.
 */
export const SPOOL_FOLDER = join(STATE_FOLDER, "spool");

/** What is written at a time: copying 64 KiB costs 5 µs, a write through the thread pool 50 to 150 more. */
const BUFFER_BYTES = 256 * 1024;

/** Errors of `link` that mean "not on this file system" and not "not this file". */
const NO_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL", "UNKNOWN"]);

/** A file that is being received. */
export class SpoolFile {
  readonly part: MultipartPart;
  /** 32 hexadecimal digits, 128 random bits. */
  readonly id: string = newUploadId();
  readonly #directory: string;
  readonly #disk: SpoolDisk;
  readonly #durable: boolean;
  readonly #temporary: string;
  #fd: number | undefined;
  /**
   * Where the file is: its temporary name, then its own; undefined before it is made and after it is removed.
   */
  #path: string | undefined;
  #buffer: Uint8Array | undefined;
  #buffered = 0;
  #written = 0;

  constructor(part: MultipartPart, directory: string, disk: SpoolDisk, durable: boolean) {
    this.part = part;
    this.#directory = directory;
    this.#disk = disk;
    this.#durable = durable;
    this.#temporary = join(directory, SPOOL_FOLDER, `form-${this.id}.${ownerTag()}.tmp`);
  }

  /** Octets received. */
  get size(): number {
    return this.#written + this.#buffered;
  }

  /** False for a file input that was left empty: no name and no octets. */
  get exists(): boolean {
    return this.#path !== undefined;
  }

  /** Takes bytes[start..end); they may be reused when this has run. */
  *write(bytes: Uint8Array, start: number, end: number): Flow<void> {
    if (end - start >= BUFFER_BYTES) {
      yield* this.#flush();
      yield* this.#writeAll(bytes, start, end);
      return;
    }
    const buffer = this.#buffer ??= new Uint8Array(BUFFER_BYTES);
    if (this.#buffered + end - start > buffer.length) yield* this.#flush();
    buffer.set(bytes.subarray(start, end), this.#buffered);
    this.#buffered += end - start;
  }

  /** Writes out what is left and closes the file. */
  *finish(): Flow<void> {
    yield* this.#flush();
    this.#buffer = undefined;
    if (this.size === 0 && this.part.filename === "") return;
    const fd = yield* this.#open();
    if (this.#durable) yield* onDisk(this.#disk.sync(fd));
    yield* this.#close();
  }

  /** Makes a folder that the file's own name needs. */
  *makeFolder(path: string): Flow<void> {
    yield* onDisk(this.#disk.makeFolder(path, 0o777));
  }

  /**
   * Gives the file its own name, and never takes that of another: `rename` would replace one silently, `link`
   * fails.
   */
  *moveTo(path: string): Flow<void> {
    try {
      yield* perform(this.#disk.link(this.#temporary, path));
    } catch (error) {
      if (!NO_LINKS.has(codeOf(error))) throw storageError(error);
      // File systems without hard links (exFAT, some network ones): reserve the name, then replace it.
      const reserved = yield* onDisk(this.#disk.create(path));
      this.#path = path;
      yield* onDisk(this.#disk.close(reserved));
      yield* onDisk(this.#disk.rename(this.#temporary, path));
      return;
    }
    this.#path = path;
    yield* onDisk(this.#disk.remove(this.#temporary));
  }

  /**
   * Closes and removes the file under either name; never fails, for the error that led here is the one to
   * tell.
   */
  *discard(): Flow<void> {
    this.#buffer = undefined;
    const paths = this.#path === undefined ? [] : [this.#temporary, this.#path];
    this.#path = undefined;
    yield* quietly(() => this.#close());
    for (const path of new Set(paths)) yield* quietly(() => perform(this.#disk.remove(path)));
  }

  *#flush(): Flow<void> {
    const buffer = this.#buffer;
    if (buffer === undefined || this.#buffered === 0) return;
    const length = this.#buffered;
    this.#buffered = 0;
    yield* this.#writeAll(buffer, 0, length);
  }

  *#writeAll(bytes: Uint8Array, start: number, end: number): Flow<void> {
    const fd = yield* this.#open();
    let position = start;
    while (position < end) {
      const taken = yield* onDisk(this.#disk.write(fd, bytes, position, end - position, this.#written));
      if (taken <= 0) {
        throw new CartoucheError("ERR_STORAGE", `The disk took ${taken} of ${end - position} bytes.`);
      }
      position += taken;
      this.#written += taken;
    }
  }

  *#open(): Flow<number> {
    if (this.#fd !== undefined) return this.#fd;
    try {
      this.#fd = yield* perform(this.#disk.create(this.#temporary));
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw storageError(error);
      // The first file of all.
      yield* onDisk(this.#disk.makeFolder(this.#directory, 0o777));
      yield* onDisk(this.#disk.makeFolder(join(this.#directory, SPOOL_FOLDER), 0o700));
      this.#fd = yield* onDisk(this.#disk.create(this.#temporary));
    }
    this.#path = this.#temporary;
    return this.#fd;
  }

  *#close(): Flow<void> {
    const fd = this.#fd;
    if (fd === undefined) return;
    // Also a close that fails has given the descriptor back; a second one might hit another file.
    this.#fd = undefined;
    yield* onDisk(this.#disk.close(fd));
  }
}

/** Performs an operation; what it throws becomes an error of ours. */
function* onDisk<T>(operation: Operation<T>): Flow<T> {
  try {
    return yield* perform(operation);
  } catch (error) {
    throw storageError(error);
  }
}

function* quietly(flow: () => Flow<unknown>): Flow<void> {
  try {
    yield* flow();
  } catch {
    // See discard().
  }
}

function storageError(error: unknown): CartoucheError {
  const code = codeOf(error);
  return code === "ENOSPC" || code === "EDQUOT"
    ? new CartoucheError("ERR_STORAGE_FULL", `The disk has no room for the upload (${code}).`, error)
    : new CartoucheError("ERR_STORAGE", `The disk refused the upload: ${String(error)}`, error);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
