/**
 * Content codings of responses: which one the client wants, which bodies are worth it, and the coding itself.
 * Runs on: worker; runtime API: none
 *
 * RFC 9110 section 8.4.1 (the codings), 12.5.3 (Accept-Encoding), 12.5.5 (Vary), 8.8.3 (entity tags); RFC
 * 8878 (zstd), RFC 7932 (br). The caller decides whether there is a body at all (HEAD, small bodies) and then
 * asks, in this order: `mayCode`, `negotiate`, `compress`, `codedFields`; or `contentCoded`, which does all
 * four. Invariant: whatever depends on Accept-Encoding says so in Vary, also when it goes out unchanged.
 */
import * as zlib from "node:zlib";

/** A content coding that responses can be sent with. */
export type ContentCoding = "zstd" | "br" | "gzip" | "deflate";

/**
 * The codings of this runtime, best first. At the levels used here zstd is the fastest and about as small as
 * gzip, br the smallest at two to three times the time of gzip, and deflate is gzip with less of a check.
 * Node has zstd from version 22.15 on.
 */
export const CODINGS: readonly ContentCoding[] = Object.freeze(
  (["zstd", "br", "gzip", "deflate"] as const).filter((coding) =>
    coding !== "zstd" || typeof zlib.zstdCompressSync === "function"
  ),
);

/** Bodies of up to so many bytes are not worth compressing: they fit one TCP segment as they are. */
export const COMPRESSION_THRESHOLD_BYTES = 860;

/**
 * Level 2 of 9. Measured with JSON and text of 1 to 256 KiB: half the time of level 6 for 2 to 7 % more
 * bytes; level 1 saves little time more and on Deno and Bun, whose zlib is another, leaves 30 to 40 % more
 * bytes than level 2.
 */
const GZIP_LEVEL = 2;
/**
 * Quality 4 of 11: 3 to 14 % smaller than the above, at two to three times the time. Quality 5 doubles that.
 */
const BROTLI_QUALITY = 4;

const ZLIB_OPTIONS = { level: GZIP_LEVEL } as const;
const BROTLI_OPTIONS = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } } as const;

/** Options of node:zlib for a coding, the same for whole bodies and for streams. */
export const CODING_OPTIONS = { gzip: ZLIB_OPTIONS, deflate: ZLIB_OPTIONS, br: BROTLI_OPTIONS } as const;

/**
 * Clients send few different fields, and reading one costs 1 to 2 µs (from here: 10 ns). Bounded, since they
 * may send anything.
 */
const negotiated = new Map<string, ContentCoding | "identity">();
const MAX_NEGOTIATED = 64;
const MAX_NEGOTIATED_LENGTH = 256;

/**
 * The coding to send a response with, by RFC 9110 section 12.5.3:
 *
 * 1. No field: the client takes anything, but one that does not ask may well be unable: identity.
 * 2. A coding that is listed has its weight, 1 by default; weight 0 means "not acceptable".
 * 3. `*` stands for every coding not listed, identity included.
 * 4. identity is acceptable unless refused, and comes last unless a weight says otherwise.
 * 5. An empty field means identity only.
 *
 * Of the codings with the highest weight the first in `available` is taken. A malformed member is ignored; of
 * a coding that is listed twice the lower weight counts, so that a refusal stands. A client that refuses
 * identity and takes nothing we have gets identity all the same: an answer is worth more to it than a 406
 * (section 15.5.7 leaves that to us).
 *
 * @param acceptEncoding the field's value, members of several lines joined by commas; null without the field
 * @param available what may be used, best first
 */
export function negotiate(
  acceptEncoding: string | null,
  available: readonly ContentCoding[] = CODINGS,
): ContentCoding | "identity" {
  if (acceptEncoding === null) return "identity";
  const remember = available === CODINGS && acceptEncoding.length <= MAX_NEGOTIATED_LENGTH;
  if (!remember) return choose(parseAcceptEncoding(acceptEncoding), available);
  const known = negotiated.get(acceptEncoding);
  if (known !== undefined) return known;
  const coding = choose(parseAcceptEncoding(acceptEncoding), available);
  if (negotiated.size >= MAX_NEGOTIATED) negotiated.clear();
  negotiated.set(acceptEncoding, coding);
  return coding;
}

function choose(
  weights: Map<string, number>,
  available: readonly ContentCoding[],
): ContentCoding | "identity" {
  const others = weights.get("*");
  let best: ContentCoding | "identity" = "identity";
  let bestWeight = 0;
  for (const coding of available) {
    const weight = weights.get(coding) ?? others ?? 0;
    if (weight > bestWeight) {
      best = coding;
      bestWeight = weight;
    }
  }
  // With equal weights the smaller answer is better.
  return (weights.get("identity") ?? others ?? 0) > bestWeight ? "identity" : best;
}

// codings [ OWS ";" OWS "q=" qvalue ]; the weight has at most three digits after the point (section 12.4.2).
const MEMBER = /^([!#$%&'*+\-.^_`|~0-9a-z]+)(?:[ \t]*;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?$/;

/** Weights by coding, in lower case; `x-gzip` is gzip (section 8.4.1.3). */
function parseAcceptEncoding(value: string): Map<string, number> {
  const weights = new Map<string, number>();
  for (const member of value.toLowerCase().split(",")) {
    const match = MEMBER.exec(member.trim());
    if (match === null) continue;
    const coding = match[1] === "x-gzip" ? "gzip" : match[1] as string;
    const weight = match[2] === undefined ? 1 : Number(match[2]);
    weights.set(coding, Math.min(weight, weights.get(coding) ?? 1));
  }
  return weights;
}

/** Types under application/, font/, image/ and model/ that are text or hold uncompressed data. */
const COMPRESSIBLE_TYPES = new Set([
  "application/ecmascript",
  "application/graphql",
  "application/javascript",
  "application/json",
  "application/json-seq",
  "application/rtf",
  "application/sql",
  "application/toml",
  "application/vnd.ms-fontobject",
  "application/wasm",
  "application/x-javascript",
  "application/x-ndjson",
  "application/x-sh",
  "application/x-www-form-urlencoded",
  "application/xml",
  "application/xml-dtd",
  "application/yaml",
  "font/collection",
  "font/otf",
  "font/ttf",
  "image/bmp",
  "image/vnd.microsoft.icon",
  "image/x-icon",
  "model/gltf-binary",
  "model/obj",
  "model/stl",
]);

/**
 * Bodies of this type get smaller. Not: types that are compressed themselves (woff2, png, zip), an unknown
 * type, and `text/event-stream`, whose events must not wait in a compressor.
 */
export function isCompressible(contentType: string | null): boolean {
  if (contentType === null) return false;
  const end = contentType.indexOf(";");
  const type = (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
  if (type.startsWith("text/")) return type !== "text/event-stream";
  return COMPRESSIBLE_TYPES.has(type) || /^[a-z]+\/.+\+(?:json|xml|text|yaml)$/.test(type);
}

/**
 * `bytes` in `coding`, or `bytes` itself (the same object) if that is not smaller. Blocks: 10 µs for 1 KiB,
 * about 5 ms for 1 MiB. Takes views of shared memory.
 */
export function compress(coding: ContentCoding | "identity", bytes: Uint8Array): Uint8Array {
  let coded = bytes;
  if (coding === "gzip") coded = zlib.gzipSync(bytes, CODING_OPTIONS.gzip);
  else if (coding === "br") coded = zlib.brotliCompressSync(bytes, CODING_OPTIONS.br);
  else if (coding === "zstd") coded = zlib.zstdCompressSync(bytes);
  // "deflate" is the zlib format of RFC 1950, whatever its name (section 8.4.1.2).
  else if (coding === "deflate") coded = zlib.deflateSync(bytes, CODING_OPTIONS.deflate);
  return coded.byteLength < bytes.byteLength ? coded : bytes;
}

/** Fields by which a response shows that its bytes are to stay as they are. */
const CODED_ALREADY = new Set([
  "content-encoding", // coded by the handler, also with the value identity
  "content-range", // a part of a representation: the offsets count bytes of the uncoded one
  "content-digest", // RFC 9530 section 2: computed over the content as coded
  "repr-digest", // section 3: the coding is part of the representation
  "content-md5",
  "digest",
]);

const NO_TRANSFORM = /(?:^|[\s,])no-transform(?:$|[\s,;])/i;

/**
 * The content coding of this response may be chosen here: it has a compressible type, and neither status nor
 * fields forbid it. 204 and 304 have no content, 206 has a part of some, and `Cache-Control: no-transform` is
 * the handler's word (RFC 9111 section 5.2.2.6 speaks of intermediaries; whoever writes it means it).
 *
 * @param fields names in lower case and values in turn
 */
export function mayCode(status: number, fields: readonly string[]): boolean {
  if (status < 200 || status === 204 || status === 205 || status === 206 || status === 304) return false;
  let contentType: string | null = null;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    if (name === "content-type") contentType = fields[at + 1] as string;
    else if (CODED_ALREADY.has(name)) return false;
    else if (name === "cache-control" && NO_TRANSFORM.test(fields[at + 1] as string)) return false;
  }
  return isCompressible(contentType);
}

/**
 * The fields of a response whose coding was chosen by Accept-Encoding: with Content-Encoding unless it is
 * identity, with Accept-Encoding in Vary in any case (otherwise a cache gives the one form to everybody),
 * without Content-Length (the encoder knows the new one).
 *
 * A strong entity tag becomes weak when the body is coded: it would promise equal bytes (RFC 9110 section
 * 8.8.1), but names the uncoded form too. `If-None-Match` compares weakly and goes on working with the
 * handler's own tag; `If-Match` and `If-Range` compare strongly and fail, as they should for a form that
 * nobody stores.
 *
 * @param fields names in lower case and values in turn; not changed
 */
export function codedFields(fields: readonly string[], coding: ContentCoding | "identity"): string[] {
  const result: string[] = [];
  const varied: string[] = [];
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    if (name === "vary") varied.push(value);
    else if (coding === "identity") result.push(name, value);
    else if (name === "etag") result.push(name, weakTag(value));
    else if (name !== "content-length") result.push(name, value);
  }
  if (coding !== "identity") result.push("content-encoding", coding);
  result.push("vary", mergeVary(varied.length === 0 ? null : varied.join(", ")));
  return result;
}

/** `vary` with Accept-Encoding in it; `*` covers everything and stays alone. */
export function mergeVary(vary: string | null): string {
  const names = (vary ?? "").split(",").map((name) => name.trim()).filter((name) => name !== "");
  if (names.includes("*")) return "*";
  if (!names.some((name) => name.toLowerCase() === "accept-encoding")) names.push("accept-encoding");
  return names.join(", ");
}

/** An entity tag as a weak one. */
export function weakTag(tag: string): string {
  return tag.startsWith('"') ? `W/${tag}` : tag;
}

/** A response after {@link contentCoded}. */
export interface CodedContent {
  readonly fields: readonly string[];
  readonly body: Uint8Array;
}

/**
 * All of it for a whole body: the fields and bytes to send. Gives `fields` and `body` themselves when the
 * response has nothing to do with codings. Asks neither for the size nor for the method: the caller has said
 * no to small bodies and to HEAD before (where it still may want {@link codedFields} with identity).
 */
export function contentCoded(
  status: number,
  fields: readonly string[],
  body: Uint8Array,
  acceptEncoding: string | null,
): CodedContent {
  if (!mayCode(status, fields)) return { fields, body };
  const coding = negotiate(acceptEncoding);
  const coded = compress(coding, body);
  return { fields: codedFields(fields, coded === body ? "identity" : coding), body: coded };
}
