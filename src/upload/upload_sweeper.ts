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
 * Least age of a leftover that is removed, in milliseconds: a quarter of an hour. A file of a living request
 * is touched far more often, also on a disk that takes its time to sync.
 */
const LEFTOVER_MS = 900_000;

/** Looks for expired uploads at intervals. */
export class UploadSweeper {
  readonly #service: UploadService;
  /** Ids that need no further look: finished ones stay so. */
  readonly #finished = new Set<string>();
  #timer: ReturnType<typeof setInterval> | null = null;
  #sweeping = false;

  constructor(service: UploadService) {
    this.#service = service;
  }

  /** Begins to sweep at intervals. Does not keep the process alive. */
  start(): void {
    const { sweepIntervalMs } = this.#service.settings;
    if (sweepIntervalMs === 0 || this.#timer !== null) return;
    this.#timer = setInterval(() => void this.#turn(sweepIntervalMs), sweepIntervalMs);
    this.#timer.unref();
  }

  /** Ends it; a sweep under way goes on to its end. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Sweeps once, now. Returns how many uploads were removed. */
  async sweep(): Promise<number> {
    const { store, expireMs } = this.#service.settings;
    const seen = new Set<string>();
    let removed = 0;
    for await (const id of store.ids()) {
      seen.add(id);
      if (this.#finished.has(id)) continue;
      try {
        if (await this.#visit(id)) removed++;
      } catch (error) {
        // One bad upload must not save the others from expiring.
        this.#service.settings.onError(error);
      }
    }
    for (const id of this.#finished) if (!seen.has(id)) this.#finished.delete(id);
    if (expireMs > 0) await store.removeLeftovers(Math.max(expireMs, LEFTOVER_MS));
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
      this.#finished.add(id);
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
