/**
 * A lease while it is held: heartbeat, the words of contenders, and the way out.
 * Runs on: any; runtime API: none
 *
 * One timer per thread looks after all leases of the thread. The head of `file_lease.ts` has the argument
 * that `begin` is one half of.
 */
import { join } from "node:path";
import { clearInterval, setInterval } from "node:timers";
import { CartoucheError } from "../errors.ts";
import {
  LEASE_WORD,
  type LeaseFs,
  markAlive,
  markOperation,
  markReleased,
  readWord,
  removeLease,
} from "./lease_record.ts";
import type { UploadLock } from "./upload_lock.ts";

/** How often a holder looks for a contender's word, in milliseconds: what a take-over costs at most. */
const LOOK_MS = 100;
/** How often a holder writes its heartbeat, in milliseconds. */
const HEARTBEAT_MS = 250;

/** The leases of this thread, by path. */
export const held = new Map<string, FileLease>();
/** Keeps them alive. */
let timer: ReturnType<typeof setInterval> | null = null;

function look(): void {
  for (const lease of held.values()) lease.look();
}

/** A lease file that this thread holds. */
export class FileLease implements UploadLock {
  readonly token: string;
  readonly unclear: readonly string[];
  readonly #fs: LeaseFs;
  readonly #fd: number;
  readonly #folder: string;
  readonly #path: string;
  readonly #stop = new AbortController();
  #operations = 0;
  #beatMs = Date.now();
  #lost = false;
  #closed = false;

  constructor(fs: LeaseFs, fd: number, folder: string, number: number, unclear: readonly string[]) {
    this.#fs = fs;
    this.#fd = fd;
    this.#folder = folder;
    this.#path = join(folder, String(number));
    this.token = tokenOf(number);
    this.unclear = unclear;
    held.set(this.#path, this);
    if (timer === null) {
      timer = setInterval(look, LOOK_MS);
      timer.unref();
    }
  }

  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  askToStop(): void {
    this.#stop.abort();
  }

  begin(): void {
    if (this.#lost || this.#closed) throw lost();
    if (this.#operations === 0) {
      this.#beatMs = Date.now();
      // "In flight" is written before "taken" is read: the holder's half of the argument in `file_lease.ts`.
      markOperation(this.#fs, this.#fd, true, this.#beatMs);
    }
    // Also within an operation: the outer one may have taken its time (a fence copies), and the lease with it.
    this.#listen();
    if (this.#lost) throw lost();
    this.#operations++;
  }

  end(): void {
    if (--this.#operations > 0 || this.#closed) return;
    this.#beatMs = Date.now();
    markOperation(this.#fs, this.#fd, false, this.#beatMs);
  }

  release(): void {
    this.#close(false);
  }

  retire(): void {
    this.#close(true);
  }

  /** The timer's turn. */
  look(): void {
    try {
      const nowMs = Date.now();
      if (nowMs - this.#beatMs >= HEARTBEAT_MS) {
        this.#beatMs = nowMs;
        markAlive(this.#fs, this.#fd, nowMs);
      }
      this.#listen();
    } catch {
      // A disk that cannot take a heartbeat: others will see a stale lease, and `begin` will throw.
    }
  }

  #listen(): void {
    const word = readWord(this.#fs, this.#fd);
    if (word === LEASE_WORD.none) return;
    if (word === LEASE_WORD.taken) this.#lost = true;
    this.#stop.abort();
  }

  #close(forget: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    held.delete(this.#path);
    if (held.size === 0 && timer !== null) {
      clearInterval(timer);
      timer = null;
    }
    try {
      if (readWord(this.#fs, this.#fd) === LEASE_WORD.taken) this.#lost = true;
      // With an operation that was begun and never ended, the lease is left to go stale: somebody must fence
      // it.
      if (!this.#lost && this.#operations === 0) markReleased(this.#fs, this.#fd);
    } catch {
      // Not marked: the next one waits until the lease is stale.
    }
    try {
      this.#fs.closeSync(this.#fd);
      if (!forget || this.#lost || this.#operations > 0) return;
      removeLease(this.#fs, this.#path);
      this.#fs.rmdirSync(this.#folder);
    } catch {
      // Somebody else is in the folder already, and removes it in turn.
    }
  }
}

/** What a full disk leaves of a lease: enough to remove an upload that nobody holds. */
export class UnwrittenLease implements UploadLock {
  readonly token = "full";
  readonly unclear: readonly string[] = [];
  readonly stop: AbortSignal = new AbortController().signal;
  readonly #fs: LeaseFs;
  readonly #folder: string;
  readonly #numbers: readonly number[];

  /** @param numbers the leases that are there, all of them free */
  constructor(fs: LeaseFs, folder: string, numbers: readonly number[]) {
    this.#fs = fs;
    this.#folder = folder;
    this.#numbers = numbers;
  }

  begin(): void {}
  end(): void {}
  release(): void {}

  retire(): void {
    try {
      for (const number of this.#numbers) removeLease(this.#fs, join(this.#folder, String(number)));
      this.#fs.rmdirSync(this.#folder);
    } catch {
      // Somebody else is in the folder by now: the disk has room again.
    }
  }
}

/** The token of a lease number. Letters and digits only: it becomes part of a file name. */
export function tokenOf(number: number): string {
  return `n${number}`;
}

function lost(): CartoucheError {
  return new CartoucheError("ERR_UPLOAD_LOST", "Another request has taken the upload over");
}
