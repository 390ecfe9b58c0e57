/**
 * Answers a request with a file: validators, conditions, ranges, and the octets as the client takes them.
 * Runs on: worker; runtime API: none
 *
 * RFC 9110 sections 8.8 (validators), 13 (conditions), 14 (ranges), 15.3.7, 15.4.5, 15.5.13, 15.5.17
 * (answers). Content of up to 64 KiB is read at once and goes out with the head; more is a stream that reads
 * when it is asked, so twenty clients who take nothing cost twenty descriptors and next to no memory. The
 * entity tag is strong: size and time of modification in microseconds (milliseconds where the runtime knows
 * no better), and the coding.
 * Invariant: the descriptor handed in is closed or owned by the body when `respondWithFile` returns or
 * throws.
 */
import { closeSync, readSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { CartoucheError } from "../errors.ts";
import { evaluateConditions } from "../http/conditional.ts";
import { formatHttpDate, hasHttpDate } from "../http/http_date.ts";
import {
  type ByteRange,
  contentRange,
  frameByteranges,
  MAX_RANGES,
  selectRanges,
  unsatisfiedContentRange,
} from "../http/range.ts";
import { reasonPhrase } from "../http/status.ts";
import { FileBody } from "./file_body.ts";
import { contentTypeOf } from "./mime.ts";
import { type OpenedFile, openNamed } from "./open_within.ts";

/** What is needed of a request; a web `Request` has it, too. */
export interface FileRequest {
  readonly method: string;
  /** An absolute URL. */
  readonly url: string;
  /** The path as sent, if the request has it: `url` may have been tidied up. */
  readonly path?: string;
  readonly headers: { get(name: string): string | null };
}

/** How a file is served. */
export interface FileResponseOptions {
  /** The Cache-Control field, or a function from the file's path to it. Default: no such field. */
  readonly cacheControl?: string | ((path: string) => string | undefined) | undefined;
  /** Media types by ending ("md" → "text/markdown; charset=utf-8"), before those of the list. */
  readonly types?: Readonly<Record<string, string>> | undefined;
  /** The charset of text types. Default "utf-8"; "" = none. */
  readonly charset?: string | undefined;
  /** How many ranges one request may ask for. Default 64; 0 = no ranges. Beyond it the whole file is sent. */
  readonly maxRanges?: number | undefined;
}

/** What is known of a file beside its octets. */
export interface FileFacts {
  /** Its name, for the type, and its path, for `cacheControl`. */
  readonly path: string;
  /** The content coding that the octets have. */
  readonly coding?: string | undefined;
  /** Whether another request might have got another coding. */
  readonly varies?: boolean | undefined;
}

/** Up to so many octets are read at once. A stream costs more than reading that much (30 to 60 µs). */
const WHOLE_BYTES = 64 * 1024;

/**
 * Answers with one file that the application names, whatever the request's path. Links are followed.
 *
 * @param path a path, or a file: URL
 * @returns the answer: 200, 206, 304, 404, 405, 412, 416, or 403 and 503 when the system refuses
 * @example
 * ```ts ignore
 * import { fileResponse, Router } from "@cartouche/cartouche";
 *
 * const router = new Router();
 * router.get("/report", (request) => fileResponse(request, "./report.pdf", { cacheControl: "no-store" }));
 * export default router;
 * ```
 */
export function fileResponse(
  request: FileRequest,
  path: string | URL,
  options: FileResponseOptions = {},
): Response {
  if (!isRead(request.method)) return methodNotAllowed();
  const absolute = resolve(path instanceof URL ? fileURLToPath(path) : path);
  const opened = openNamed(absolute);
  if (opened.kind === "folder") return plain(request, 404);
  if (opened.kind === "refused") return plain(request, opened.status);
  return respondWithFile(request, opened, { path: absolute }, options);
}

/**
 * Answers with an open file. The method must be GET or HEAD.
 *
 * @throws what the file system throws; the file is closed then
 */
export function respondWithFile(
  request: FileRequest,
  file: OpenedFile,
  facts: FileFacts,
  options: FileResponseOptions,
): Response {
  let owned = true;
  try {
    const { size } = file;
    const type = contentTypeOf(facts.path, options.types, options.charset);
    const etag = entityTag(file, facts.coding);
    // Section 8.8.2.1: never a date in the future.
    const modified = Math.min(file.modifiedMs, Date.now());
    const lastModifiedMs = hasHttpDate(modified) ? modified : undefined;

    const headers: Record<string, string> = { etag, "x-content-type-options": "nosniff" };
    const cacheControl = typeof options.cacheControl === "function"
      ? options.cacheControl(facts.path)
      : options.cacheControl;
    if (cacheControl !== undefined) headers["cache-control"] = cacheControl;
    if (facts.varies === true) headers.vary = "Accept-Encoding";

    const verdict = evaluateConditions(request.method, (name) => request.headers.get(name), {
      exists: true,
      etag,
      lastModifiedMs,
    });
    // Section 15.4.5: the fields that a cache may need, and no other facts of a representation that is not
    // sent.
    if (verdict.outcome === 304) return new Response(null, { status: 304, headers });
    if (verdict.outcome === 412) return plain(request, 412, headers);

    const maxRanges = options.maxRanges ?? MAX_RANGES;
    const selection = verdict.rangeApplies
      ? selectRanges(request.headers.get("range") ?? "", size, maxRanges)
      : "whole";
    headers["accept-ranges"] = maxRanges === 0 ? "none" : "bytes";
    if (selection === "unsatisfiable") {
      return plain(request, 416, { ...headers, "content-range": unsatisfiedContentRange(size) });
    }

    headers["content-type"] = type;
    if (facts.coding !== undefined) headers["content-encoding"] = facts.coding;
    if (lastModifiedMs !== undefined) headers["last-modified"] = formatHttpDate(lastModifiedMs);

    let status = 200;
    let segments: (Uint8Array | ByteRange)[] = size === 0 ? [] : [{ start: 0, end: size }];
    let length = size;
    if (selection !== "whole") {
      status = 206;
      const [only, ...others] = selection;
      if (only !== undefined && others.length === 0) {
        headers["content-range"] = contentRange(only, size);
        segments = [only];
        length = only.end - only.start;
      } else {
        const frame = frameByteranges(selection, size, type, crypto.randomUUID());
        headers["content-type"] = frame.contentType;
        segments = selection.flatMap((range, index) => [frame.heads[index] ?? frame.closing, range]);
        segments.push(frame.closing);
        length = frame.length;
      }
    }
    headers["content-length"] = String(length);

    if (request.method === "HEAD") return new Response(null, { status, headers });
    if (length <= WHOLE_BYTES) return new Response(readWhole(file.fd, segments, length), { status, headers });
    const response = new Response(new FileBody(file.fd, segments).stream(), { status, headers });
    owned = false;
    return response;
  } finally {
    if (owned) closeSync(file.fd);
  }
}

/** An answer without a file: a line of text for people. */
export function plain(request: FileRequest, status: number, headers: Record<string, string> = {}): Response {
  const body = `${status} ${reasonPhrase(status)}\n`;
  return new Response(request.method === "HEAD" ? null : body, {
    status,
    headers: {
      ...headers,
      "content-type": "text/plain; charset=utf-8",
      "content-length": String(body.length),
      "x-content-type-options": "nosniff",
    },
  });
}

/** Section 15.5.6: says which methods there are. */
export function methodNotAllowed(): Response {
  return plain({ method: "", url: "", headers: new Headers() }, 405, { allow: "GET, HEAD" });
}

/** Whether a file has an answer to this method. */
export function isRead(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

/**
 * A strong entity tag (section 8.8.1): another size, another instant, another coding make another tag. Two
 * changes of equal size within the clock's grain would not; nothing but a digest of the octets tells those
 * apart.
 */
function entityTag(file: OpenedFile, coding: string | undefined): string {
  const microseconds = Math.floor(file.modifiedMs * 1000);
  return `"${file.size.toString(36)}-${microseconds.toString(36)}${
    coding === undefined ? "" : `-${coding}`
  }"`;
}

function readWhole(
  fd: number,
  segments: readonly (Uint8Array | ByteRange)[],
  length: number,
): Uint8Array<ArrayBuffer> {
  const content = new Uint8Array(length);
  let at = 0;
  for (const segment of segments) {
    if (segment instanceof Uint8Array) {
      content.set(segment, at);
      at += segment.length;
      continue;
    }
    let position = segment.start;
    while (position < segment.end) {
      const taken = readSync(fd, content, at, segment.end - position, position);
      if (taken === 0) {
        throw new CartoucheError("ERR_FILE_CHANGED", `The file ends at ${position}, before ${segment.end}.`);
      }
      position += taken;
      at += taken;
    }
  }
  return content;
}
