/**
 * What an upload store is: the interface behind tus and the IETF protocol.
 * Runs on: any; runtime API: none
 *
 * The protocols keep no state of their own: everything they know of an upload comes from here, so any
 * connection, any worker and a restarted server can go on with it. `FileStore` is the implementation on disk;
 * S3 fits the same shape (an append is a run of parts, `commit` completes them, `discard` drops them).
 *
 * Invariant: an offset that a store reports never exceeds the bytes that survive a power cut.
 */

/** One upload, as it was at one moment. */
export interface UploadInfo {
  /** 32 hexadecimal digits, 128 random bits: who knows it may write. */
  readonly id: string;
  /** Bytes stored, verified where a checksum was sent, and durable. */
  readonly offset: number;
  /** Bytes of the whole; null while the client has not said. */
  readonly length: number | null;
  /** The text of Upload-Metadata as the client sent it; "" when there was none. */
  readonly metadata: string;
  /** The text of Upload-Concat as the client sent it; null when there was none. */
  readonly concat: string | null;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  /** When the last request for it came, in milliseconds since 1970. */
  readonly touchedMs: number;
  /** Every byte is there and durable; nothing is written any more. */
  readonly finished: boolean;
  /** The client has said `Upload-Complete: ?1` and sent all of that request (IETF protocol only). */
  readonly sealed: boolean;
  /** `onComplete` has run, or there is none to run. */
  readonly notified: boolean;
}

/** What a new upload is made from. */
export interface NewUpload {
  readonly id: string;
  readonly length: number | null;
  readonly metadata: string;
  readonly concat: string | null;
}

/** How to take an upload. */
export interface AcquireOptions {
  /** How long to wait for the present holder, in milliseconds. 0 = not at all. */
  readonly waitMs: number;
  /** Ask the present holder to stop (true), or only see whether there is one (false). */
  readonly takeOver: boolean;
  /** The upload is wanted only to remove it: a full disk must not be in the way. */
  readonly removal?: boolean;
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
}

/** Bytes on their way into an upload that is held. At most one at a time. */
export interface UploadAppend {
  /**
   * Takes bytes that follow the last ones. Resolves when there is room for more, not when they are stored.
   * From then on the memory is the caller's again: a store that still needs the bytes has a copy.
   */
  write(chunk: Uint8Array): Promise<void>;
  /** Makes all that was written durable and part of the upload. */
  commit(): Promise<void>;
  /** Cuts the upload back to where this append began. */
  discard(): Promise<void>;
}

/** An upload that one request holds, alone among all threads and processes. */
export interface UploadSession {
  /** The upload now; replaced by each call that changes it. */
  readonly info: UploadInfo;
  /** Aborted when another request wants the upload: keep what is in hand and release. */
  readonly stop: AbortSignal;
  /** Fixes the length that was deferred. Durable when it resolves. */
  setLength(length: number): Promise<void>;
  /**
   * Begins to append at `info.offset`.
   * @param checked the bytes count only once `commit` says so, even if the process is killed meanwhile
   */
  append(checked: boolean): Promise<UploadAppend>;
  /** Ends the upload at its present offset. Durable when it resolves. */
  finish(marks: { readonly sealed: boolean; readonly notified: boolean }): Promise<void>;
  /** Notes that the client sealed it, or that `onComplete` ran, after the end. */
  mark(marks: { readonly sealed?: boolean; readonly notified?: boolean }): Promise<void>;
  /** Renews the time of the last request. */
  touch(): Promise<void>;
  /** Removes the upload with its bytes. */
  remove(): Promise<void>;
  /** Lets the next one in. Always call it; nothing else may be called after it. */
  release(): Promise<void>;
}

/** Where uploads live. All methods may be called from any thread, at the same time. */
export interface UploadStore {
  /** Makes an upload. Durable when it resolves; one of length 0 is finished at once. */
  create(upload: NewUpload): Promise<UploadInfo>;
  /**
   * Looks at an upload without holding it. Its offset is safe to give to a client.
   * @returns null when there is no such upload
   */
  read(id: string): Promise<UploadInfo | null>;
  /** Renews the time of the last request without holding the upload. */
  touch(id: string): Promise<void>;
  /** Takes an upload for one request. */
  acquire(id: string, options: AcquireOptions): Promise<UploadSession | "missing" | "busy">;
  /**
   * Makes a finished upload out of finished ones, in that order. It exists only when it is whole.
   * @throws CartoucheError ERR_UPLOAD_PART when a part is missing or unfinished, ERR_CLIENT_GONE when the
   * signal fires
   */
  concatenate(upload: NewUpload, parts: readonly string[], signal?: AbortSignal): Promise<UploadInfo>;
  /** The ids of all uploads, finished or not. */
  ids(): AsyncIterable<string>;
  /**
   * Whether this thread shall sweep now: true for about one caller per interval, over all threads and
   * processes.
   */
  claimSweep(intervalMs: number): Promise<boolean>;
  /** Removes what killed processes left behind and no id leads to: at once where that is known, else once it is that old. */
  removeLeftovers(olderThanMs: number): Promise<void>;
  /** Removes what is left of an id whose `read` gives null, once it is that old. */
  removeBroken(id: string, olderThanMs: number): Promise<void>;
}

/** What an id looks like; everything else is refused before it comes near a path. */
export const UPLOAD_ID = /^[0-9a-f]{32}$/;

/** A new id: 128 bits of the system's generator (uploads.md A5: ids are capabilities). */
export function newUploadId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let id = "";
  for (const byte of bytes) id += byte.toString(16).padStart(2, "0");
  return id;
}
