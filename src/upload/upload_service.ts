/**
 * What tus and the IETF protocol share: find, hold, fill, end and expire uploads, and call the hooks.
 * Runs on: any; runtime API: none
 *
 * No state of an upload is kept here: two services in two threads over one store behave as one. An offset is
 * compared only under the lock (`hold`), so that two writers never both pass the comparison.
 */
import { clearInterval, setInterval } from "node:timers";
import { CartoucheError } from "../errors.ts";
import { receiveBody, type Received } from "./receive_body.ts";
import type { ContentChecksum } from "./tus_checksum.ts";
import { encodeMetadata } from "./tus_headers.ts";
import type { TusSettings } from "./tus_options.ts";
import { Refusal, type Upload, type UploadAction, uploadOf, type UploadRequest } from "./upload_request.ts";
import { type NewUpload, newUploadId, type UploadInfo, type UploadSession } from "./upload_store.ts";

/** Least time between two calls of `onProgress`, in milliseconds. */
const PROGRESS_MS = 100;
/** Most time between two renewals of an upload that is held, in milliseconds. */
const TOUCH_MS = 10_000;

/** The part that both protocols share. */
export class UploadService {
  readonly settings: TusSettings;
  /** What ends the renewal of the uploads that are held. */
  readonly #held = new Map<UploadSession, () => void>();

  constructor(settings: TusSettings) {
    this.settings = settings;
  }

  /** Whether the upload is past its time. Finished ones never are, unless they are parts of something. */
  isExpired(info: UploadInfo): boolean {
    return this.expiresMs(info) < this.settings.now();
  }

  /** When it will go, in milliseconds since 1970; Infinity when it stays. */
  expiresMs(info: UploadInfo): number {
    const { expireMs } = this.settings;
    if (expireMs === 0 || (info.finished && info.concat !== "partial")) return Infinity;
    return info.touchedMs + expireMs;
  }

  /** @throws Refusal 403, or the application's own answer */
  async authorize(request: UploadRequest, id: string | null, action: UploadAction): Promise<void> {
    const verdict = await this.settings.authorize?.(request, id, action) ?? true;
    if (verdict === false) throw new Refusal(403, "Forbidden");
    if (verdict !== true) throw new Refusal(verdict.status, "", {}, verdict);
  }

  /** All uploads that have not expired. */
  async *all(): AsyncIterable<Upload> {
    for await (const id of this.settings.store.ids()) {
      const info = await this.settings.store.read(id);
      if (info !== null && !this.isExpired(info)) yield uploadOf(info);
    }
  }

  /** @throws Refusal 404 */
  async find(id: string): Promise<UploadInfo> {
    const info = await this.settings.store.read(id);
    if (info === null || this.isExpired(info)) throw new Refusal(404, "There is no such upload");
    return info;
  }

  /**
   * Takes the upload; whoever has it is asked to make way. It does not expire before `release`.
   * @throws Refusal 404, or 423 when the holder did not make way in time
   */
  async hold(id: string, request: UploadRequest, removal = false): Promise<UploadSession> {
    const session = await this.settings.store.acquire(id, {
      waitMs: this.settings.lockWaitMs,
      takeOver: true,
      removal,
      signal: request.signal,
    });
    if (session === "missing") throw new Refusal(404, "There is no such upload");
    if (session === "busy") throw new Refusal(423, "Another request is writing to this upload");
    try {
      if (!this.isExpired(session.info)) {
        if (!removal) {
          await session.touch();
          this.#held.set(session, this.#keepFresh(() => session.touch()));
        }
        return session;
      }
      await session.remove();
    } catch (error) {
      await session.release();
      throw error;
    }
    await session.release();
    throw new Refusal(404, "There is no such upload");
  }

  /** Lets the next one have an upload that came from `hold`. */
  async release(session: UploadSession): Promise<void> {
    this.#held.get(session)?.();
    this.#held.delete(session);
    await session.release();
  }

  /** Makes an upload of finished ones, none of which expires meanwhile. */
  async concatenate(
    upload: NewUpload,
    parts: readonly string[],
    signal: AbortSignal,
  ): Promise<UploadInfo> {
    const { store } = this.settings;
    const stop = this.#keepFresh(async () => {
      for (const part of new Set(parts)) await store.touch(part);
    });
    try {
      return await store.concatenate(upload, parts, signal);
    } finally {
      stop();
    }
  }

  /** Renews something at intervals that are short enough that it does not expire. Returns what ends it. */
  #keepFresh(touch: () => Promise<void>): () => void {
    const { expireMs } = this.settings;
    if (expireMs === 0) return () => {};
    // What it fails of is gone, or the request will meet it, too.
    const timer = setInterval(() => void touch().catch(() => {}), Math.min(TOUCH_MS, expireMs / 4));
    timer.unref();
    return () => clearInterval(timer);
  }

  /** Asks `onCreate`, with nothing stored yet. Returns what to store. */
  async prepare(request: UploadRequest, wanted: Omit<NewUpload, "id">): Promise<NewUpload> {
    const upload = { id: newUploadId(), ...wanted };
    const nowMs = this.settings.now();
    const info = { ...upload, offset: 0, createdMs: nowMs, touchedMs: nowMs };
    const plan = uploadOf({ ...info, finished: false, sealed: false, notified: false });
    const change = await this.settings.onCreate?.(plan, request);
    if (change === undefined) return upload;
    if (change instanceof Response) throw new Refusal(change.status, "", {}, change);
    for (const key of Object.keys(change.metadata)) {
      if (!/^[!-+\--~]+$/.test(key)) {
        throw new CartoucheError(
          "ERR_OPTION",
          `A metadata key is ASCII without blanks and commas, not "${key}"`,
        );
      }
    }
    return { ...upload, metadata: encodeMetadata(Object.entries(change.metadata)) };
  }

  /** Takes the content of the request into the upload. */
  async receive(
    session: UploadSession,
    request: UploadRequest,
    checksum: ContentChecksum | null,
  ): Promise<Received> {
    const { onProgress } = this.settings;
    const start = session.info.offset;
    let progressed = -Infinity;
    const received = await receiveBody(session, request, {
      limit: this.roomFor(session.info),
      checksum,
      progress: async (received) => {
        const now = performance.now();
        if (onProgress === undefined || now - progressed < PROGRESS_MS) return;
        progressed = now;
        await onProgress(uploadOf(session.info, start + received), request);
      },
    });
    // The time runs from the end of the last request, not from its beginning.
    await session.touch();
    return received;
  }

  /** The answer when the disk has no room for what a request brings: what is stored of the upload stays. */
  async diskFull(error: unknown, id: string): Promise<Refusal> {
    const { store, onError } = this.settings;
    onError(error);
    const info = await store.read(id).catch(() => null);
    const fields = info === null ? {} : { "upload-offset": String(info.offset) };
    return new Refusal(507, "There is no room on the disk", fields);
  }

  /** How many bytes the upload can still take. */
  roomFor(info: UploadInfo): number {
    const { maxSizeBytes } = this.settings;
    const most = maxSizeBytes === 0 ? Number.MAX_SAFE_INTEGER : maxSizeBytes;
    return (info.length ?? most) - info.offset;
  }

  /** Whether every byte is there, though it may not have been noted yet. */
  isWhole(info: UploadInfo): boolean {
    return info.finished || (info.length !== null && info.offset === info.length);
  }

  /** Ends a held upload whose bytes are all there, and tells the application. */
  async complete(session: UploadSession, request: UploadRequest | null, sealed: boolean): Promise<void> {
    if (!session.info.finished) {
      await session.finish({ sealed, notified: !this.#hasHook(session.info) });
    }
    if (session.info.notified) return;
    try {
      await this.settings.onComplete?.(uploadOf(session.info), request);
    } finally {
      // Also when it threw: it was called, and would most likely throw again.
      await session.mark({ notified: true });
    }
  }

  /** The same for an upload that is born finished (empty, or a concatenation). */
  async completeNew(info: UploadInfo, request: UploadRequest, sealed: boolean): Promise<void> {
    const session = await this.settings.store.acquire(info.id, {
      waitMs: this.settings.lockWaitMs,
      takeOver: false,
    });
    if (typeof session === "string") return;
    try {
      await session.mark({ sealed, notified: session.info.notified || !this.#hasHook(info) });
      await this.complete(session, request, sealed);
    } finally {
      await session.release();
    }
  }

  /**
   * Ends an upload whose last request was killed between its last byte and its end. Does nothing while
   * somebody holds it: that one will.
   */
  async completeLate(info: UploadInfo): Promise<void> {
    if (!this.isWhole(info) || (info.finished && info.notified)) return;
    const session = await this.settings.store.acquire(info.id, { waitMs: 0, takeOver: false });
    if (typeof session === "string") return;
    try {
      if (this.isWhole(session.info)) await this.complete(session, null, false);
    } finally {
      await session.release();
    }
  }

  #hasHook(info: UploadInfo): boolean {
    return this.settings.onComplete !== undefined && info.concat !== "partial";
  }
}
