/**
 * The field values of tus 1.0.0: numbers, Upload-Metadata, Upload-Concat.
 * Runs on: any; runtime API: none
 *
 * Pure functions from text to value; null means that the text breaks its rule (the answer is then 400).
 * Numbers stay whole up to 2^53 - 1: no 32-bit operator touches them.
 */
import { UPLOAD_ID } from "./upload_store.ts";

/** The version of tus that is spoken. */
export const TUS_VERSION = "1.0.0";

/** Content type of bytes that are to be appended (tus 1.0.0, PATCH). */
export const OFFSET_TYPE = "application/offset+octet-stream";

/**
 * A non-negative integer: Upload-Offset, Upload-Length. Digits only: no sign, point, exponent, list or blank.
 * @returns null when it is something else, or 2^53 or more
 */
export function parseSize(text: string | null): number | null {
  if (text === null || !/^\d{1,16}$/.test(text)) return null;
  const size = Number(text);
  return Number.isSafeInteger(size) ? size : null;
}

/**
 * Upload-Metadata: `key base64,key base64`; a value may be missing, with its blank or without.
 * Keys are unique, not empty, without blanks and commas. The raw text is what HEAD gives back; this is for
 * hooks.
 */
export function parseMetadata(text: string): Map<string, Uint8Array> | null {
  const metadata = new Map<string, Uint8Array>();
  if (text.trim() === "") return metadata;
  for (const pair of text.split(",")) {
    const match = /^[ \t]*([^ \t,]+)(?: ([A-Za-z0-9+/]*={0,2}))?[ \t]*$/.exec(pair);
    if (match === null) return null;
    const [, key = "", base64 = ""] = match;
    const value = decodeBase64(base64);
    if (value === null || metadata.has(key)) return null;
    metadata.set(key, value);
  }
  return metadata;
}

/** The text of Upload-Metadata for values of the application's own. */
export function encodeMetadata(metadata: Iterable<readonly [string, string | Uint8Array]>): string {
  const pairs: string[] = [];
  for (const [key, value] of metadata) {
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    pairs.push(bytes.byteLength === 0 ? key : `${key} ${encodeBase64(bytes)}`);
  }
  return pairs.join(",");
}

/** Upload-Concat as it is understood. */
export type Concat = { readonly kind: "partial" } | {
  readonly kind: "final";
  readonly parts: readonly string[];
};

/**
 * Upload-Concat: `partial`, or `final;` and URLs separated by one space.
 * @param text the field value
 * @param base the URL of the request; relative URLs are resolved against it
 * @param path the path of the uploads, with a slash at its end
 * @param hosts other hosts (`name:port`) under which this server is known
 * @returns the ids in order; null when a URL leads anywhere but to an upload of this server
 */
export function parseConcat(
  text: string,
  base: string,
  path: string,
  hosts: readonly string[],
): Concat | null {
  if (text === "partial") return { kind: "partial" };
  if (!text.startsWith("final;")) return null;
  const here = new URL(base).host;
  const parts: string[] = [];
  for (const reference of text.slice("final;".length).split(" ")) {
    if (reference === "" || !URL.canParse(reference, base)) return null;
    const url = new URL(reference, base);
    if (url.host !== here && !hosts.includes(url.host)) return null;
    if (!/^https?:$/.test(url.protocol) || !url.pathname.startsWith(path)) return null;
    const id = url.pathname.slice(path.length);
    if (!UPLOAD_ID.test(id)) return null;
    parts.push(id);
  }
  return { kind: "final", parts };
}

/** Base64 (RFC 4648 section 4), strict: padded, no line breaks. Null when it is none. */
export function decodeBase64(text: string): Uint8Array | null {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** Base64 of bytes. */
export function encodeBase64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
