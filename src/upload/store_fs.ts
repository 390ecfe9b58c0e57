/**
 * The file calls of `FileStore`, as an interface: node:fs in production, failing or forgetful ones in tests.
 * Runs on: any; runtime API: none
 *
 * Each method is one step that a crash can come before, after or (for a write) into; the fault tests
 * enumerate them. Positions are numbers up to 2^53: nothing here may pass through a 32-bit operator.
 */
import { constants } from "node:fs";
import * as fs from "node:fs/promises";

/** An open file. */
export interface StoreFile {
  /** Writes all the bytes at a position. */
  write(chunks: readonly Uint8Array[], position: number): Promise<void>;
  /** Reads into the buffer; 0 at the end of the file. */
  read(buffer: Uint8Array, position: number): Promise<number>;
  /** Makes the content durable, with the size, but not the times (fdatasync). */
  datasync(): Promise<void>;
  truncate(size: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** The file system as an upload store needs it. */
export interface StoreFs {
  /** "wx" makes a file that must not exist, with mode 0600. */
  open(path: string, flags: "r" | "r+" | "wx"): Promise<StoreFile>;
  /** A whole small text file (Latin-1 bytes are kept as they are). */
  readText(path: string): Promise<string>;
  modifiedMs(path: string): Promise<number>;
  setModifiedMs(path: string, ms: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Makes a folder and those above it; no matter if it is there. */
  makeFolder(path: string): Promise<void>;
  removeFolder(path: string): Promise<void>;
  list(path: string): Promise<string[]>;
  /** Makes the entries of a folder durable. */
  syncFolder(path: string): Promise<void>;
  /** A copy with an inode of its own; shares blocks where the file system can. */
  copy(from: string, to: string): Promise<void>;
}

/** The real one. */
export const nodeStoreFs: StoreFs = {
  open: async (path, flags) => new NodeStoreFile(await fs.open(path, flags, 0o600)),
  readText: (path) => fs.readFile(path, "utf8"),
  modifiedMs: async (path) => (await fs.stat(path)).mtimeMs,
  setModifiedMs: (path, ms) => fs.utimes(path, ms / 1000, ms / 1000),
  rename: (from, to) => fs.rename(from, to),
  unlink: (path) => fs.unlink(path),
  makeFolder: async (path) => {
    await fs.mkdir(path, { recursive: true });
  },
  removeFolder: (path) => fs.rm(path, { recursive: true, force: true }),
  list: (path) => fs.readdir(path),
  syncFolder: async (path) => {
    const folder = await fs.open(path, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  },
  copy: (from, to) => fs.copyFile(from, to, constants.COPYFILE_FICLONE),
};

class NodeStoreFile implements StoreFile {
  readonly #file: fs.FileHandle;

  constructor(file: fs.FileHandle) {
    this.#file = file;
  }

  async write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    let length = 0;
    for (const chunk of chunks) length += chunk.byteLength;
    let { bytesWritten } = await this.#file.writev([...chunks], position);
    if (bytesWritten === length) return;
    // The kernel took a part (a signal, a nearly full disk): the rest goes one chunk after the other.
    let start = 0;
    for (const chunk of chunks) {
      const end = start + chunk.byteLength;
      while (bytesWritten < end) {
        const rest = chunk.subarray(bytesWritten - start);
        const result = await this.#file.write(rest, 0, rest.byteLength, position + bytesWritten);
        bytesWritten += result.bytesWritten;
      }
      start = end;
    }
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    return (await this.#file.read(buffer, 0, buffer.byteLength, position)).bytesRead;
  }

  datasync(): Promise<void> {
    return this.#file.datasync();
  }

  truncate(size: number): Promise<void> {
    return this.#file.truncate(size);
  }

  async size(): Promise<number> {
    return (await this.#file.stat()).size;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Whether an error of the system has that code. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === code;
}

/** The result of a file call; null when there is no such file. */
export async function orNull<T>(result: Promise<T>): Promise<T | null> {
  try {
    return await result;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  }
}

/** Whether the disk, or this user's share of it, is full. */
export function isDiskFull(error: unknown): boolean {
  return hasCode(error, "ENOSPC") || hasCode(error, "EDQUOT");
}
