/**
 * The octets of upload requests, and what a test asks a server about its uploads over the wire.
 * Runs on: any; runtime API: none
 */
import { Buffer } from "node:buffer";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { get, type RawClient } from "./raw_client.ts";
import type { WireResponse } from "./http_response.ts";
import { until } from "./until.ts";

/** What sends requests: a server in a child process, an example. */
export interface Asked {
  exchange(
    request: string | Uint8Array,
    options?: { readonly isHead?: (index: number) => boolean },
  ): Promise<WireResponse>;
  connect(): Promise<RawClient>;
}

export const OFFSET_TYPE = "application/offset+octet-stream";
const BOUNDARY = "----gate";
export const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`;
export const FORM_END = `\r\n--${BOUNDARY}--\r\n`;

/** A head with these fields; names in any case. */
export function headOf(method: string, target: string, fields: Record<string, string | number> = {}): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} HTTP/1.1\r\nHost: test\r\n${lines.join("")}\r\n`;
}

/** The same for tus. */
export function tusHead(
  method: string,
  target: string,
  fields: Record<string, string | number> = {},
): string {
  return headOf(method, target, { "Tus-Resumable": "1.0.0", ...fields });
}

/** The head of a PATCH that announces so many octets. */
export function patchHead(
  url: string,
  offset: number,
  length: number,
  fields: Record<string, string | number> = {},
): string {
  const own = { "Upload-Offset": offset, "Content-Type": OFFSET_TYPE, "Content-Length": length };
  return tusHead("PATCH", url, { ...own, ...fields });
}

/** Octets behind one another; text as UTF-8. */
export function joined(...pieces: (Uint8Array | string)[]): Uint8Array {
  return Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
}

/** Makes an upload; returns its URL. */
export async function createUpload(
  app: Asked,
  length: number,
  fields: Record<string, string | number> = {},
): Promise<string> {
  const head = tusHead("POST", "/files/", { "Upload-Length": length, "Content-Length": 0, ...fields });
  const response = await app.exchange(head);
  const url = response.header("location");
  if (response.status !== 201 || url === null) {
    throw new Error(`POST answered ${response.status}: ${response.text}`);
  }
  return url;
}

/** A whole PATCH. */
export function patchUpload(
  app: Asked,
  url: string,
  offset: number,
  content: Uint8Array,
  fields: Record<string, string | number> = {},
): Promise<WireResponse> {
  return app.exchange(joined(patchHead(url, offset, content.length, fields), content));
}

export function headUpload(app: Asked, url: string): Promise<WireResponse> {
  return app.exchange(tusHead("HEAD", url), { isHead: () => true });
}

/** The offset that HEAD tells; -1 when it answers anything but 200. */
export async function offsetOf(app: Asked, url: string): Promise<number> {
  const response = await headUpload(app, url);
  return response.status === 200 ? Number(response.header("upload-offset")) : -1;
}

/** Resolves once HEAD tells this offset. */
export function untilOffset(app: Asked, url: string, offset: number): Promise<void> {
  return until(`${offset} octets of ${url} are stored`, async () => await offsetOf(app, url) === offset);
}

/** The content of a form with one file. */
export function formContent(content: Uint8Array | string, name = "form.bin"): Uint8Array {
  return joined(formBegin(name), content, FORM_END);
}

/** What stands before the file of a form. */
export function formBegin(name = "form.bin"): string {
  return `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\n\r\n`;
}

/** The files below a folder that belong to forms, finished or not, as paths within it. */
export function formFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((path) => !/^(?:\.cartouche\/)?(?:[0-9a-f]{32}(?:\.json|\.lock\/\d+)?|sweep)$/.test(path));
}

/** The bytes of an upload on disk. */
export function storedBytes(folder: string, url: string): Uint8Array {
  return new Uint8Array(readFileSync(join(folder, url.slice(url.lastIndexOf("/") + 1))));
}

/** Asks over and over until `over`; every answer must come. @returns the longest time that one took, ms */
export async function slowestMeanwhile(app: Asked, target: string, over: Promise<unknown>): Promise<number> {
  let isOver = false;
  const end = over.finally(() => isOver = true);
  let slowest = 0;
  while (!isOver) {
    const start = performance.now();
    const { status } = await app.exchange(get(target));
    if (status !== 200) throw new Error(`${target} answered ${status}`);
    slowest = Math.max(slowest, performance.now() - start);
  }
  await end;
  return slowest;
}
