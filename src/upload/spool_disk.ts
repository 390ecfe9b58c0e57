/**
 * The few things a form does to a disk, each in a blocking and an awaiting kind.
 * Runs on: worker; runtime API: none
 *
 * A flow that touches the disk is written once, as a generator that yields operations; `runNow` performs them
 * on the spot and blocks its thread, `runLater` awaits them. Both put the result, or the error, back where it
 * was yielded, so `try … finally` works as in any function. Tests hand in a disk that fails where they like.
 */
import {
  close,
  closeSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  open,
  openSync,
  renameSync,
  unlinkSync,
  write,
  writeSync,
} from "node:fs";
import { link, mkdir, open as openHandle, rename, unlink } from "node:fs/promises";

/** Something to do, now or later. */
export interface Operation<T> {
  /** Does it and blocks meanwhile. */
  now(): T;
  /** Does it without blocking. */
  later(): Promise<T>;
}

/** Operations in sequence, with a result. */
export type Flow<T> = Generator<Operation<unknown>, T, unknown>;

/** What a spool needs of a file system. Paths are absolute or relative to the working folder. */
export interface SpoolDisk {
  /** Makes a folder and those above it; does nothing when it is there. */
  makeFolder(path: string, mode: number): Operation<unknown>;
  /** Makes a file that must not be there, readable by its owner only, and opens it for writing. */
  create(path: string): Operation<number>;
  /** Writes bytes[start..start+length) at `position`; returns how many octets were taken. */
  write(fd: number, bytes: Uint8Array, start: number, length: number, position: number): Operation<number>;
  /** Returns once the file's octets are on the medium. */
  sync(fd: number): Operation<unknown>;
  close(fd: number): Operation<unknown>;
  /** Makes `to` a second name of the file; fails when something has that name. */
  link(from: string, to: string): Operation<unknown>;
  /** Gives the file another name; replaces whatever has that name. */
  rename(from: string, to: string): Operation<unknown>;
  remove(path: string): Operation<unknown>;
  /** Returns once the names in the folder are on the medium, where the system can promise that. */
  syncFolder(path: string): Operation<unknown>;
}

/** Within a flow: yields one operation and returns its result. */
export function* perform<T>(operation: Operation<T>): Flow<T> {
  return (yield operation) as T;
}

/** Runs a flow to its end and blocks the thread. */
export function runNow<T>(flow: Flow<T>): T {
  let step = flow.next();
  while (step.done !== true) {
    let result: unknown;
    try {
      result = step.value.now();
    } catch (error) {
      step = flow.throw(error);
      continue;
    }
    step = flow.next(result);
  }
  return step.value;
}

/** Runs a flow to its end and lets the thread do other things meanwhile. */
export async function runLater<T>(flow: Flow<T>): Promise<T> {
  let step = flow.next();
  while (step.done !== true) {
    let result: unknown;
    try {
      result = await step.value.later();
    } catch (error) {
      step = flow.throw(error);
      continue;
    }
    step = flow.next(result);
  }
  return step.value;
}

/** The file system of this machine. */
export const localDisk: SpoolDisk = {
  makeFolder: (path, mode) => ({
    now: () => mkdirSync(path, { recursive: true, mode }),
    later: () => mkdir(path, { recursive: true, mode }),
  }),
  create: (path) => ({
    now: () => openSync(path, "wx", 0o600),
    // A number and no FileHandle: a flow holds the same thing whichever way it runs.
    later: () =>
      new Promise((resolve, reject) => {
        open(path, "wx", 0o600, (error, fd) => error ? reject(error) : resolve(fd));
      }),
  }),
  write: (fd, bytes, start, length, position) => ({
    now: () => writeSync(fd, bytes, start, length, position),
    later: () =>
      new Promise((resolve, reject) => {
        write(
          fd,
          bytes,
          start,
          length,
          position,
          (error, written) => error ? reject(error) : resolve(written),
        );
      }),
  }),
  sync: (fd) => ({
    now: () => fdatasyncSync(fd),
    later: () =>
      new Promise((resolve, reject) => fdatasync(fd, (error) => error ? reject(error) : resolve(null))),
  }),
  close: (fd) => ({
    now: () => closeSync(fd),
    later: () =>
      new Promise((resolve, reject) => close(fd, (error) => error ? reject(error) : resolve(null))),
  }),
  link: (from, to) => ({ now: () => linkSync(from, to), later: () => link(from, to) }),
  rename: (from, to) => ({ now: () => renameSync(from, to), later: () => rename(from, to) }),
  remove: (path) => ({ now: () => unlinkSync(path), later: () => unlink(path) }),
  syncFolder: (path) => ({ now: () => syncFolderNow(path), later: () => syncFolderLater(path) }),
};

/**
 * Windows cannot open a folder; there, and on file systems that refuse, the names are as durable as they are.
 */
function syncFolderNow(path: string): void {
  let fd: number | undefined;
  try {
    fd = openSync(path, "r");
    fsyncSync(fd);
  } catch {
    // Nothing more can be done.
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

async function syncFolderLater(path: string): Promise<void> {
  try {
    const handle = await openHandle(path, "r");
    await handle.sync().finally(() => handle.close());
  } catch {
    // As above.
  }
}
