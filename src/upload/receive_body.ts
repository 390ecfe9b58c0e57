/**
 * Takes the content of one request into an upload that is held.
 * Runs on: any; runtime API: none
 *
 * Spec: tus 1.0.0, PATCH ("SHOULD always attempt to store as much of the received data as possible") and
 * Checksum ("the uploaded chunk MUST be discarded"). Therefore, when a request is cut short: with a checksum
 * nothing of it stays, without one every byte does. A request that brings too much is no use to anybody:
 * nothing of it stays.
 *
 * Invariant: when this returns or throws, what stays of the request is durable and no write is under way.
 */
import { type BodyPieces, bodyPieces } from "./body_pieces.ts";
import type { ContentChecksum } from "./tus_checksum.ts";
import type { UploadRequest } from "./upload_request.ts";
import { contentLength } from "./upload_request.ts";
import { hasCode } from "./store_fs.ts";
import type { UploadAppend, UploadSession } from "./upload_store.ts";

/**
 * What came before the client left may still lie in the body; one that does not end by itself is given this long, in
 * milliseconds.
 */
const DRAIN_MS = 1000;
/**
 * A request that is asked to make way may end as it was about to: for this long at most, and not through a silence of
 * that long, in milliseconds. Else of many that come at once each would be stopped by the next.
 */
const MAKE_WAY_MS = 1000;
const SILENT_MS = 100;

/** How the content ended. */
export type Received =
  /** All of it is in. */
  | "whole"
  /** The client went away; what came is kept unless it had a checksum. */
  | "cut"
  /** The client was silent for too long; the same. */
  | "late"
  /** Another request wants the upload; the same. */
  | "stopped"
  /** More than `limit`; nothing is kept. */
  | "overflow"
  /** The checksum is another; nothing is kept. */
  | "mismatch"
  /** The checksum that was announced did not come; nothing is kept. */
  | "missing";

/** How to receive. */
export interface ReceiveOptions {
  /** Most bytes that the upload can still take. */
  readonly limit: number;
  readonly checksum: ContentChecksum | null;
  /** Called after each chunk, with the bytes received so far (not yet durable). */
  progress(received: number): Promise<void>;
}

/** Reads the content to its end, or as far as it goes. */
export async function receiveBody(
  session: UploadSession,
  request: UploadRequest,
  options: ReceiveOptions,
): Promise<Received> {
  const { checksum } = options;
  const append = await session.append(checksum !== null);
  let received: Received;
  try {
    received = await readAll(session, request, append, options);
    if (received === "whole" && checksum !== null) {
      const verdict = await checksum.verdict();
      if (verdict !== "match") received = verdict;
    }
  } catch (error) {
    // The store, a hook or the trailer section failed, not the client. What came is as good as cut.
    await settle(append, checksum === null);
    throw error;
  }
  await settle(append, received === "whole" || (checksum === null && isInterrupted(received)));
  return received;
}

function isInterrupted(received: Received): boolean {
  return received === "cut" || received === "late" || received === "stopped";
}

function settle(append: UploadAppend, keep: boolean): Promise<void> {
  return keep ? append.commit() : append.discard();
}

async function readAll(
  session: UploadSession,
  request: UploadRequest,
  append: UploadAppend,
  { limit, checksum, progress }: ReceiveOptions,
): Promise<"whole" | "cut" | "late" | "stopped" | "overflow"> {
  const announced = contentLength(request);
  let total = 0;
  let gaveUp = false;
  if (request.body !== null) {
    const reader = bodyPieces(request.body);
    // Cancelling makes a read that waits for a silent client end at once.
    const giveUp = (): void => {
      gaveUp = true;
      reader.cancel().catch(() => {});
    };
    let guard: ReturnType<typeof setTimeout> | undefined;
    const endWithin = (ms: number): void => {
      clearTimeout(guard);
      guard = setTimeout(giveUp, ms);
    };
    let wayBy = 0;
    const makeWay = (): void => {
      wayBy ||= performance.now() + MAKE_WAY_MS;
      endWithin(Math.min(SILENT_MS, wayBy - performance.now()));
    };
    const leave = (): void => endWithin(DRAIN_MS);
    session.stop.addEventListener("abort", makeWay);
    request.signal.addEventListener("abort", leave);
    if (session.stop.aborted) makeWay();
    if (request.signal.aborted) leave();
    let ended = false;
    try {
      while (!gaveUp) {
        const chunk = await nextChunk(reader);
        if (chunk === "cut" || chunk === "late") return chunk;
        if (chunk === "end") {
          ended = true;
          break;
        }
        total += chunk.byteLength;
        if (total > limit) return "overflow";
        checksum?.update(chunk);
        await append.write(chunk);
        await progress(total);
        if (wayBy > 0) makeWay();
      }
    } finally {
      session.stop.removeEventListener("abort", makeWay);
      request.signal.removeEventListener("abort", leave);
      clearTimeout(guard);
      if (!ended) giveUp();
    }
  }
  // An end that a cancelled read reports is none, unless everything had come.
  if (announced !== null && total === announced) return "whole";
  if (gaveUp && session.stop.aborted) return "stopped";
  if (request.signal.aborted) return "cut";
  return announced !== null && total < announced ? "cut" : "whole";
}

/** Whether the content has no byte; reads up to the first one when the length is not announced. */
export async function isEmptyBody(request: UploadRequest): Promise<boolean> {
  const announced = contentLength(request);
  if (announced !== null || request.body === null) return (announced ?? 0) === 0;
  const reader = bodyPieces(request.body);
  for (;;) {
    const chunk = await nextChunk(reader);
    if (typeof chunk === "string") return true;
    if (chunk.byteLength === 0) continue;
    void reader.cancel().catch(() => {});
    return false;
  }
}

async function nextChunk(reader: BodyPieces): Promise<Uint8Array | "end" | "cut" | "late"> {
  try {
    return await reader.read() ?? "end";
  } catch (error) {
    // The stream errors when the client resets the connection, breaks the framing, or says nothing any more.
    return hasCode(error, "ERR_TIMEOUT") ? "late" : "cut";
  }
}
