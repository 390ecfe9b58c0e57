/**
 * What the upload protocols need of a request, what they tell the application, and how they refuse.
 * Runs on: any; runtime API: none
 *
 * A web `Request` is an `UploadRequest` as it is. The two things that it lacks, trailer fields and interim
 * responses, are looked for and used when they are there.
 */
import { parseMetadata } from "./tus_headers.ts";
import type { UploadInfo } from "./upload_store.ts";

/** A request to an upload resource: a web `Request`, or Cartouche's own, or anything with these members. */
export interface UploadRequest {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly headers: Headers;
  /** Errors when the client goes away. A chunk is good until the next one is asked for. */
  readonly body: ReadableStream<Uint8Array> | null;
  readonly signal: AbortSignal;
  /**
   * The trailer fields; complete once the body has been read. Absent: this server does not hand them over.
   */
  readonly trailers?: Headers | Promise<Headers>;
  /** Address of the client; for hooks. */
  readonly remoteAddress?: string;
  /** Sends an interim response. Absent: this server cannot. */
  sendInterim?(status: number, fields: Record<string, string>): void;
}

/** What a request wants to do; for `authorize`. */
export type UploadAction = "create" | "read" | "write" | "remove" | "concatenate";

/** An upload as hooks see it. */
export interface Upload extends Omit<UploadInfo, "metadata" | "sealed" | "notified"> {
  /** The metadata, decoded. Values are bytes: the client decides what they mean. */
  readonly metadata: ReadonlyMap<string, Uint8Array>;
  /** One value of the metadata as UTF-8 text; undefined when it is not there. */
  text(key: string): string | undefined;
}

/** An upload as hooks see it. */
export function uploadOf(info: UploadInfo, offset: number = info.offset): Upload {
  const { id, length, concat, createdMs, touchedMs, finished } = info;
  const metadata = parseMetadata(info.metadata) ?? new Map<string, Uint8Array>();
  return {
    id,
    offset,
    length,
    concat,
    createdMs,
    touchedMs,
    finished,
    metadata,
    text: (key) => {
      const value = metadata.get(key);
      return value === undefined ? undefined : new TextDecoder().decode(value);
    },
  };
}

/** An answer that is no success, thrown from wherever it is found out. */
export class Refusal extends Error {
  readonly status: number;
  readonly fields: Record<string, string>;
  /** A whole answer of the application's own. */
  readonly response: Response | null;

  constructor(
    status: number,
    message: string,
    fields: Record<string, string> = {},
    response: Response | null = null,
  ) {
    super(message);
    this.name = "Refusal";
    this.status = status;
    this.fields = fields;
    this.response = response;
  }

  /** The answer; for HEAD without its text. */
  toResponse(method: string): Response {
    if (this.response !== null) return this.response;
    const fields = { "content-type": "text/plain; charset=utf-8", ...this.fields };
    return new Response(method === "HEAD" ? null : `${this.message}\n`, {
      status: this.status,
      headers: fields,
    });
  }
}

/** Content-Length as a number; null when it is absent (chunked) or none. */
export function contentLength(request: UploadRequest): number | null {
  const text = request.headers.get("content-length");
  if (text === null || !/^\d{1,16}$/.test(text)) return null;
  return Number(text);
}

/** The media type of the request's content, without parameters, in lower case; "" when there is none. */
export function mediaType(request: UploadRequest): string {
  const text = request.headers.get("content-type") ?? "";
  const end = text.indexOf(";");
  return (end < 0 ? text : text.slice(0, end)).trim().toLowerCase();
}
