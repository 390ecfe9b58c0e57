/**
 * The lock that makes one request at a time the writer of an upload: interface, and a version for one thread.
 * Runs on: any; runtime API: none
 *
 * A holder may stop at any instruction, and a holder that was given up may wake again. A lock is therefore
 * asked twice about each operation that changes something: `begin` before (it throws when the lock was taken
 * away) and `end` after. A lock that takes itself from a holder in the middle of an operation says so with
 * `unclear`, and the store then fences (see `file_fence.ts`). Whoever brings another implementation (shared
 * memory, the I/O thread) must keep:
 *
 * 1. At most one holder between two successful `begin`s of different holders.
 * 2. A holder that died is replaced within two seconds.
 * 3. After `begin` threw, it throws for ever.
 */

/** How to get a lock. */
export interface LockOptions {
  /** How long to wait for the holder, in milliseconds. 0 = not at all. */
  readonly waitMs: number;
  /** Ask the holder to stop. */
  readonly takeOver: boolean;
  /** The lock is wanted to remove the upload: a full disk must not be in the way. */
  readonly removal?: boolean;
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
}

/** A lock that is held. */
export interface UploadLock {
  /** Different for each holder that an upload ever had; letters and digits. */
  readonly token: string;
  /** The tokens of earlier holders that may still have one operation under way; nearly always empty. */
  readonly unclear: readonly string[];
  /** Aborted when somebody else wants the lock, or has taken it. */
  readonly stop: AbortSignal;
  /**
   * Call it before each operation that changes the upload.
   * @throws CartoucheError ERR_UPLOAD_LOST when the lock was taken away: do nothing any more
   */
  begin(): void;
  /**
   * Call it when the operation is over, however it ended. One that is never ended must be fenced by the next
   * holder.
   */
  end(): void;
  /** Lets the next one in. Never throws. */
  release(): void;
  /** Like `release`, and forgets the upload: it is finished or gone. */
  retire(): void;
}

/** Gives out locks by id. */
export interface UploadLocks {
  /** @returns null when somebody else held it all the time */
  acquire(id: string, options: LockOptions): Promise<UploadLock | null>;
}

/**
 * Locks within one thread: for a server of one thread, for tests, and as the simplest example of the
 * interface.
 */
export class ThreadLocks implements UploadLocks {
  readonly #held = new Map<string, ThreadLock>();
  #tokens = 0;

  async acquire(id: string, options: LockOptions): Promise<UploadLock | null> {
    const deadline = performance.now() + options.waitMs;
    for (;;) {
      const holder = this.#held.get(id);
      if (holder === undefined) {
        const lock = new ThreadLock(`t${++this.#tokens}`, () => this.#held.delete(id));
        this.#held.set(id, lock);
        return lock;
      }
      if (options.takeOver) holder.askToStop();
      const leftMs = deadline - performance.now();
      if (leftMs <= 0 || options.signal?.aborted === true) return null;
      await Promise.race([holder.released, delay(Math.min(leftMs, 50))]);
    }
  }
}

class ThreadLock implements UploadLock {
  readonly token: string;
  readonly unclear: readonly string[] = [];
  readonly released: Promise<void>;
  readonly #stop = new AbortController();
  readonly #forget: () => void;
  #open: () => void = () => {};
  #done = false;

  constructor(token: string, forget: () => void) {
    this.token = token;
    this.#forget = forget;
    this.released = new Promise((resolve) => this.#open = resolve);
  }

  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  askToStop(): void {
    this.#stop.abort();
  }

  begin(): void {}

  end(): void {}

  release(): void {
    if (this.#done) return;
    this.#done = true;
    this.#forget();
    this.#open();
  }

  retire(): void {
    this.release();
  }
}

/** Resolves after so many milliseconds. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
