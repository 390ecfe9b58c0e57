/**
 * The chunked transfer coding, for clients of tests.
 * Runs on: any; runtime API: none
 */
import type { SeededRandom } from "./seeded_random.ts";

const encoder = new TextEncoder();

/** `content` in chunks of random lengths; `trailer` is field lines with their CR LF. RFC 9112 section 7.1. */
export function chunked(content: Uint8Array, random: SeededRandom, trailer = ""): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < content.length;) {
    // From single octets to more than any buffer on the way.
    const length = Math.min(content.length - at, 1 + random.below(2 ** (1 + random.below(19))));
    pieces.push(
      encoder.encode(`${length.toString(16)}\r\n`),
      content.subarray(at, at + length),
      encoder.encode("\r\n"),
    );
    at += length;
  }
  pieces.push(encoder.encode(`0\r\n${trailer}\r\n`));
  return concat(pieces);
}

/** All of them, one behind the other. */
export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** `length` octets that show any shift, loss or repetition. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
