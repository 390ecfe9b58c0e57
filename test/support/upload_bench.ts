/**
 * A tus app over a temporary folder, and the requests that tests send to it without a network.
 * Runs on: any; runtime API: none
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileStore, type FileStoreOptions } from "../../src/upload/file_store.ts";
import { tus, type TusApp } from "../../src/upload/tus.ts";
import type { TusOptions } from "../../src/upload/tus_options.ts";
import type { UploadRequest } from "../../src/upload/upload_request.ts";

/** The origin that requests are sent to. */
export const ORIGIN = "http://uploads.test";

/** What a request has beyond method, URL and fields. */
export interface Content {
  /** The chunks of the content. */
  readonly chunks?: readonly Uint8Array[];
  /** Leave out Content-Length, as a chunked request does. */
  readonly chunked?: boolean;
  /** Content-Length when it is not that of the chunks. */
  readonly announced?: number;
  /** The client goes away after the chunks. */
  readonly cut?: boolean;
  /** The client falls silent after the chunks, until the signal fires or the body is cancelled. */
  readonly silent?: boolean;
  /** Called when the chunks were all read. */
  readonly onRead?: () => void;
  /** Called when the server gives the body up. */
  readonly onCancel?: () => void;
  /** The trailer fields; undefined for a server that has none. */
  readonly trailers?: Record<string, string> | undefined;
  readonly signal?: AbortSignal;
  readonly sendInterim?: (status: number, fields: Record<string, string>) => void;
}

/** A tus app to send requests to. */
export class UploadBench {
  readonly folder: string;
  readonly store: FileStore;
  readonly app: TusApp;
  readonly errors: unknown[] = [];

  constructor(options: Partial<TusOptions> = {}, storeOptions: FileStoreOptions = {}, folder?: string) {
    this.folder = folder ?? mkdtempSync(join(tmpdir(), "cartouche-uploads-"));
    this.store = new FileStore(this.folder, storeOptions);
    const defaults = {
      store: this.store,
      sweepIntervalMs: 0,
      onError: (error: unknown) => this.errors.push(error),
    };
    this.app = tus({ ...defaults, ...options });
  }

  /** Another app over the same folder, as after a restart. */
  restarted(options: Partial<TusOptions> = {}, storeOptions: FileStoreOptions = {}): UploadBench {
    return new UploadBench(options, storeOptions, this.folder);
  }

  send(
    method: string,
    target: string,
    fields: Record<string, string> = {},
    content: Content = {},
  ): Promise<Response> {
    return this.app.fetch(requestOf(method, target, fields, content));
  }

  /** A tus request: with Tus-Resumable. */
  tus(
    method: string,
    target: string,
    fields: Record<string, string> = {},
    content: Content = {},
  ): Promise<Response> {
    return this.send(method, target, { "tus-resumable": "1.0.0", ...fields }, content);
  }

  /** POST that must succeed; returns the URL. */
  async create(
    length: number | null,
    fields: Record<string, string> = {},
    content: Content = {},
  ): Promise<string> {
    const size: Record<string, string> = length === null
      ? { "upload-defer-length": "1" }
      : { "upload-length": String(length) };
    const response = await this.tus("POST", "/files/", { ...size, ...fields }, content);
    if (response.status !== 201) {
      throw new Error(`POST answered ${response.status}: ${await response.text()}`);
    }
    return response.headers.get("location") ?? "";
  }

  /** PATCH with the offset type. */
  patch(
    url: string,
    offset: number | string,
    bytes: Uint8Array | string | Content,
    fields: Record<string, string> = {},
  ): Promise<Response> {
    const content = typeof bytes === "string" || bytes instanceof Uint8Array
      ? { chunks: [bytesOf(bytes)] }
      : bytes;
    const headers = {
      "upload-offset": String(offset),
      "content-type": "application/offset+octet-stream",
      ...fields,
    };
    return this.tus("PATCH", url, headers, content);
  }

  /** The offset that HEAD tells; -1 when it answers anything but 200. */
  async offset(url: string): Promise<number> {
    const response = await this.tus("HEAD", url);
    return response.status === 200 ? Number(response.headers.get("upload-offset")) : -1;
  }

  /** The bytes of the data file; null when there is none. */
  bytes(url: string): Uint8Array | null {
    const path = this.path(url);
    return existsSync(path) ? new Uint8Array(readFileSync(path)) : null;
  }

  /** The bytes as text. */
  text(url: string): string | null {
    const bytes = this.bytes(url);
    return bytes === null ? null : new TextDecoder().decode(bytes);
  }

  path(url: string): string {
    return join(this.folder, idOf(url));
  }

  /** Names of all files and folders that exist for any upload. */
  names(): string[] {
    const state = join(this.folder, ".cartouche");
    const inside = existsSync(state) ? readdirSync(state) : [];
    return [...readdirSync(this.folder), ...inside].filter((name) => /^[0-9a-f]{32}/.test(name)).sort();
  }

  close(): void {
    this.app.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The id at the end of an upload's URL. */
export function idOf(url: string): string {
  return url.slice(url.lastIndexOf("/") + 1);
}

export function bytesOf(value: string | Uint8Array): Uint8Array {
  return typeof value === "string" ? new TextEncoder().encode(value) : value;
}

/** So many bytes that differ from place to place. */
export function patternBytes(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0 || 1;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

export function requestOf(
  method: string,
  target: string,
  fields: Record<string, string>,
  content: Content,
): UploadRequest {
  const headers = new Headers(fields);
  const { chunks, chunked = false, announced, trailers, signal, sendInterim } = content;
  const length = chunks?.reduce((sum, chunk) => sum + chunk.byteLength, 0) ?? 0;
  if (announced !== undefined) headers.set("content-length", String(announced));
  else if (chunks !== undefined && !chunked) headers.set("content-length", String(length));
  return {
    method,
    url: target.startsWith("http") ? target : ORIGIN + target,
    headers,
    body: chunks === undefined ? null : bodyOf(chunks, content),
    signal: signal ?? new AbortController().signal,
    remoteAddress: "127.0.0.1",
    ...("trailers" in content ? { trailers: Promise.resolve(new Headers(trailers)) } : {}),
    ...(sendInterim === undefined ? {} : { sendInterim }),
  };
}

function bodyOf(chunks: readonly Uint8Array[], content: Content): ReadableStream<Uint8Array> {
  let next = 0;
  return new ReadableStream<Uint8Array>({
    pull: (controller): void | Promise<void> => {
      const chunk = chunks[next++];
      if (chunk !== undefined) return controller.enqueue(chunk);
      content.onRead?.();
      if (content.cut === true) return controller.error(new Error("The client is gone"));
      if (content.silent !== true) return controller.close();
      // Never resolves: the reader's cancel ends it, or the signal.
      return new Promise<void>((_, reject) => {
        content.signal?.addEventListener("abort", () => reject(new Error("The client is gone")));
      });
    },
    cancel: () => content.onCancel?.(),
  }, { highWaterMark: 0 });
}
