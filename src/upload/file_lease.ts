/**
 * Upload locks that span threads and processes and die with their holder, made of small files.
 * Runs on: any; runtime API: none
 *
 * `<folder>/<id>.lock/` holds numbered lease files (`lease_record.ts`); the highest number is the holder's.
 * node:fs has no OS file locks, so a holder shows its life by a heartbeat, and two arguments make that safe:
 *
 * Taking is a compare-and-swap. Premise: a lease file is created exclusively, numbers only grow, and the
 * highest file is never deleted while the upload lives. Therefore of all who saw number n free or dead, one
 * creates n+1; and a sleeper who creates a number that was used and deleted long ago sees a higher one beside
 * it and withdraws.
 *
 * A holder that was given up cannot write unseen. Holder, before each operation: write "in flight", then read
 * "taken" (set: stop for ever). Contender: write "taken", then read "in flight", in every lower file.
 * Whatever the interleaving, one of the two reads the other's word. Therefore either the old holder does
 * nothing any more, or the contender knows that one operation may still be under way (`unclear`), and the
 * store fences it off.
 */
import * as nodeFs from "node:fs";
import { join } from "node:path";
import { FileLease, held, tokenOf, UnwrittenLease } from "./held_lease.ts";
import { isGone, thisOwner } from "./lease_owner.ts";
import {
  type LeaseFs,
  type LeaseOwner,
  markOperation,
  markStop,
  markTaken,
  readLease,
  removeLease,
  writeNewLease,
} from "./lease_record.ts";
import { hasCode, isDiskFull } from "./store_fs.ts";
import { delay, type LockOptions, type UploadLock, type UploadLocks } from "./upload_lock.ts";

/**
 * A holder whose heartbeat is older is given up, in milliseconds. Six beats: a busy thread is not a dead one.
 */
const STALE_MS = 1500;
/**
 * An operation that has not ended so long after the last heartbeat never will, in milliseconds. A single
 * write of half a MiB, or a truncation, that the kernel holds back for longer is not provided for.
 */
export const QUARANTINE_MS = 10_000;
/** How often a contender looks again, in milliseconds. */
const POLL_MS = 20;

/** Options of {@link FileLeases}. */
export interface FileLeasesOptions {
  /** Age of the heartbeat after which a holder is given up, in milliseconds. Default 1500. */
  readonly staleMs?: number;
  /** The file calls; for tests that fail or kill at one of them. */
  readonly fs?: LeaseFs;
}

/** Locks as lease files in a folder. Any number of instances, threads and processes may use one folder. */
export class FileLeases implements UploadLocks {
  readonly #folder: string;
  readonly #staleMs: number;
  readonly #fs: LeaseFs;
  readonly #owner: LeaseOwner = thisOwner();

  /** @param folder absolute path of a folder that exists */
  constructor(folder: string, options: FileLeasesOptions = {}) {
    this.#folder = folder;
    this.#staleMs = options.staleMs ?? STALE_MS;
    this.#fs = options.fs ?? nodeFs;
  }

  async acquire(id: string, options: LockOptions): Promise<UploadLock | null> {
    const folder = join(this.#folder, `${id}.lock`);
    const deadline = performance.now() + options.waitMs;
    for (;;) {
      try {
        const lease = this.#attempt(folder, options.takeOver);
        if (lease !== null) return lease;
      } catch (error) {
        // Nobody holds it (or the attempt would have said so) and, while the disk is full, nobody else can
        // take it.
        if (options.removal === true && isDiskFull(error)) {
          return new UnwrittenLease(this.#fs, folder, this.#numbers(folder));
        }
        throw error;
      }
      const leftMs = deadline - performance.now();
      if (leftMs <= 0 || options.signal?.aborted === true) return null;
      await delay(Math.min(leftMs, POLL_MS));
    }
  }

  /** One try, in one turn of this thread. Null: held by somebody, or lost a race. */
  #attempt(folder: string, takeOver: boolean): UploadLock | null {
    const fs = this.#fs;
    const last = this.#numbers(folder).at(-1) ?? 0;
    if (last > 0 && this.#isHeld(join(folder, String(last)), takeOver)) return null;

    const path = join(folder, String(last + 1));
    let fd = -1;
    try {
      fd = fs.openSync(path, "wx+", 0o600);
      writeNewLease(fs, fd, this.#owner, Date.now());
    } catch (error) {
      if (fd >= 0) {
        fs.closeSync(fd);
        removeLease(fs, path);
      }
      if (hasCode(error, "EEXIST") || hasCode(error, "ENOENT")) return null;
      throw error;
    }
    const numbers = this.#numbers(folder);
    if ((numbers.at(-1) ?? 0) > last + 1) {
      // The number was used and deleted before: somebody is ahead of what was read above.
      fs.closeSync(fd);
      removeLease(fs, path);
      return null;
    }
    // This lease is the holder now. All lower ones are shut out, not only the last: whoever took that one may
    // have died before it had shut out its own predecessor.
    const unclear: string[] = [];
    for (const number of numbers) {
      if (number <= last && this.#shutOut(join(folder, String(number)))) unclear.push(tokenOf(number));
    }
    if (unclear.length === 0) markOperation(fs, fd, false, Date.now());
    return new FileLease(fs, fd, folder, last + 1, unclear);
  }

  /** Whether the lease at the path has a live holder; asks it to stop if wanted. */
  #isHeld(path: string, takeOver: boolean): boolean {
    const here = held.get(path);
    if (here !== undefined) {
      // Held by this very thread, whose heartbeat may be late because this code runs.
      if (takeOver) here.askToStop();
      return true;
    }
    const fd = openExisting(this.#fs, path);
    if (fd === null) return true;
    try {
      const state = readLease(this.#fs, fd);
      if (state.released || isGone(state.owner, this.#owner)) return false;
      // Without its sign: a clock that was set back must not keep a dead holder alive.
      if (Math.abs(Date.now() - state.heartbeatMs) > this.#staleMs) return false;
      if (takeOver && state.owner !== null) markStop(this.#fs, fd);
      return true;
    } finally {
      this.#fs.closeSync(fd);
    }
  }

  /**
   * Takes a lease away from its holder for good. Returns whether the holder may have an operation under way.
   */
  #shutOut(path: string): boolean {
    const fs = this.#fs;
    const fd = openExisting(fs, path);
    if (fd === null) return false;
    try {
      markTaken(fs, fd);
      const state = readLease(fs, fd);
      removeLease(fs, path);
      if (state.released || !state.inFlight || isGone(state.owner, this.#owner)) return false;
      return Math.abs(Date.now() - state.heartbeatMs) < QUARANTINE_MS;
    } finally {
      fs.closeSync(fd);
    }
  }

  /** The lease numbers in ascending order. Makes the folder. */
  #numbers(folder: string): number[] {
    let names: string[] = [];
    try {
      names = this.#fs.readdirSync(folder);
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw error;
      try {
        this.#fs.mkdirSync(folder);
      } catch (again) {
        if (!hasCode(again, "EEXIST")) throw again;
      }
    }
    return names.map(Number).filter((number) => Number.isSafeInteger(number) && number > 0).sort((a, b) =>
      a - b
    );
  }
}

function openExisting(fs: LeaseFs, path: string): number | null {
  try {
    return fs.openSync(path, "r+");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  }
}
