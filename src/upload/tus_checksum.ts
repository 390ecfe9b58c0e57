/**
 * Upload-Checksum: the checksum of one request's content, from a header or from a trailer field.
 * Runs on: any; runtime API: none
 *
 * Spec: tus 1.0.0, Checksum. The content is hashed as it flows. A checksum that is announced for the trailer
 * section does not tell its algorithm in advance, so all of them run until it comes.
 */
import { createHash, type Hash } from "node:crypto";
import { decodeBase64 } from "./tus_headers.ts";
import { Refusal, type UploadRequest } from "./upload_request.ts";

/** The algorithms on offer, the one that every server must have first. */
export const CHECKSUM_ALGORITHMS: readonly string[] = ["sha1", "sha256", "md5"];

/** What became of a checksum. */
export type Verdict = "match" | "mismatch" | "missing";

/** A checksum in the making. */
export interface ContentChecksum {
  update(chunk: Uint8Array): void;
  /**
   * Compares, after the whole content went through `update`.
   * @throws Refusal 400 when the trailer field is malformed or names an unknown algorithm
   */
  verdict(): Promise<Verdict>;
}

/**
 * The checksum that a request wants checked; null when it wants none.
 * @throws Refusal 400: unknown algorithm, malformed value, or a trailer that this server does not get to see
 */
export function checksumOf(request: UploadRequest, algorithms: readonly string[]): ContentChecksum | null {
  const text = request.headers.get("upload-checksum");
  if (text !== null) {
    const { algorithm, digest } = parseChecksum(text, algorithms);
    const hash = createHash(algorithm);
    return {
      update: (chunk) => void hash.update(chunk),
      verdict: () => Promise.resolve(isEqual(hash.digest(), digest) ? "match" : "mismatch"),
    };
  }
  if (!announcesTrailer(request)) return null;
  const early = request.trailers;
  if (early === undefined) {
    throw new Refusal(400, "Upload-Checksum as a trailer field is not supported here");
  }
  // A trailer section that never comes whole rejects, at any time: that is missing, too.
  if (early instanceof Promise) early.catch(() => {});
  const hashes = new Map<string, Hash>(algorithms.map((algorithm) => [algorithm, createHash(algorithm)]));
  return {
    update: (chunk) => hashes.forEach((hash) => hash.update(chunk)),
    verdict: async () => {
      // Asked for only now: as long as the body is not read to its end, a snapshot of the section is empty.
      const fields = await Promise.resolve(request.trailers).catch(() => undefined);
      const value = fields?.get("upload-checksum");
      if (value === undefined || value === null) return "missing";
      const { algorithm, digest } = parseChecksum(value, algorithms);
      const hash = hashes.get(algorithm);
      return hash !== undefined && isEqual(hash.digest(), digest) ? "match" : "mismatch";
    },
  };
}

/** RFC 9110 section 6.6.2: the Trailer field lists the names of trailer fields to come. */
function announcesTrailer(request: UploadRequest): boolean {
  const names = (request.headers.get("trailer") ?? "").toLowerCase().split(",");
  return names.some((name) => name.trim() === "upload-checksum");
}

function parseChecksum(
  text: string,
  algorithms: readonly string[],
): { algorithm: string; digest: Uint8Array } {
  const [algorithm = "", base64 = "", ...rest] = text.split(" ");
  if (!algorithms.includes(algorithm)) {
    throw new Refusal(400, `Upload-Checksum names an unknown algorithm; known are ${algorithms.join(", ")}`);
  }
  const digest = decodeBase64(base64);
  if (digest === null || digest.byteLength === 0 || rest.length > 0) {
    throw new Refusal(400, "Upload-Checksum is not an algorithm, one space and Base64");
  }
  return { algorithm, digest };
}

function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.byteLength === right.byteLength && left.every((byte, index) => byte === right[index]);
}
