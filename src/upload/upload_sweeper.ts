/**
 * Removes expired uploads although nobody asks, and ends those whose last request was killed too early.
 * Runs on: any; runtime API: none
 *
 * Many threads and processes run this over one store. They share one stamp, so that about one of them sweeps
 * per interval, and each removal happens under the upload's lock, after a second look: an upload that is in
 * use is never removed, and two sweepers do each other no harm. Finished uploads are never removed.
 */
import { clearInterval, setInterval } from "node:timers";
import type { UploadService } from "./upload_service.ts";

/**
 * Least age of a leftover that is removed although nobody knows whether its owner lives, in milliseconds: a quarter of
 * an hour. A file of a living request is touched far more often, also on a disk that takes its time to sync.
 */
const LEFTOVER_MS = 900_000;
/** Most ids that are remembered as needing no further look. The others are looked at each time. */
const MOST_FINISHED = 20_000;

/** Looks for expired uploads at intervals. */
export class UploadSweeper {
  readonly #service: UploadService;
  /** Ids that need no further look: finished ones stay so. */
  #finished = new Set<string>();
  #timer: ReturnType<typeof setInterval> | null = null;
  #sweeping = false;
  #stopped = false;

  constructor(service: UploadService) {
    this.#service = service;
  }

  /** Begins to sweep at intervals, unless it does already or was stopped. Does not keep the process alive. */
  start(): void {
    const { sweepIntervalMs, store, onError } = this.#service.settings;
    if (sweepIntervalMs === 0 || this.#timer !== null || this.#stopped) return;
    this.#timer = setInterval(() => void this.#turn(sweepIntervalMs), sweepIntervalMs);
    this.#timer.unref();
    // What a process before this one left need not wait for the first sweep.
    store.removeLeftovers(LEFTOVER_MS).catch(onError);
  }

  /** Ends it; a sweep under way goes on to its end. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Sweeps once, now. Returns how many uploads were removed. */
  async sweep(): Promise<number> {
    const { store } = this.#service.settings;
    const known = this.#finished;
    this.#finished = new Set();
    let removed = 0;
    for await (const id of store.ids()) {
      if (known.has(id)) {
        this.#finished.add(id);
        continue;
      }
      try {
        if (await this.#visit(id)) removed++;
      } catch (error) {
        // One bad upload must not save the others from expiring.
        this.#service.settings.onError(error);
      }
    }
    await store.removeLeftovers(LEFTOVER_MS);
    return removed;
  }

  async #turn(intervalMs: number): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      if (await this.#service.settings.store.claimSweep(intervalMs)) await this.sweep();
    } catch (error) {
      this.#service.settings.onError(error);
    } finally {
      this.#sweeping = false;
    }
  }

  /** Returns whether the upload was removed. */
  async #visit(id: string): Promise<boolean> {
    const { store, expireMs } = this.#service.settings;
    const info = await store.read(id);
    if (info === null) {
      if (expireMs > 0) await store.removeBroken(id, Math.max(expireMs, LEFTOVER_MS));
      return false;
    }
    if (this.#service.expiresMs(info) === Infinity && info.finished && info.notified) {
      if (this.#finished.size < MOST_FINISHED) this.#finished.add(id);
      return false;
    }
    if (!info.finished || !info.notified) await this.#service.completeLate(info);
    if (!this.#service.isExpired(info)) return false;
    const session = await store.acquire(id, { waitMs: 0, takeOver: false, removal: true });
    if (typeof session === "string") return false;
    try {
      // What was read above may be old by now: a request may have come between the two.
      if (!this.#service.isExpired(session.info)) return false;
      await session.remove();
      return true;
    } finally {
      await session.release();
    }
  }
}
