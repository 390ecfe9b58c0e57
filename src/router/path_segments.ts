/**
 * The path of one request, cut into decoded segments without making strings.
 * Runs on: any; runtime API: none
 *
 * "/a/b" has the segments "a" and "b", "/" has one empty segment, "/a/" has "a" and an empty one: every "/"
 * begins a segment. Each is percent-decoded after the cut (RFC 3986 section 2.4), so "%2F" does not cut. One
 * object serves one path after the other; a segment is a range of the path itself unless it had to be
 * decoded. Invariant: what was read from it is valid until the next `split`.
 */
import type { PatternSegment } from "./path_pattern.ts";

const SLASH = 0x2f;
const PERCENT = 0x25;

/** FNV-1a over UTF-16 units; 30 bits, because such numbers are never boxed. */
const HASH_START = 0x811c9dc5 | 0;
const HASH_PRIME = 0x01000193;
const HASH_MASK = 0x3fffffff;

/** The hash that {@link PathSegments.hash} gives for a segment with this decoded text. */
export function hashText(text: string): number {
  let hash = HASH_START;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), HASH_PRIME);
  return hash & HASH_MASK;
}

/** The segments of the path that was split last. */
export class PathSegments {
  /** How many there are; at least 1 after a successful `split`. */
  count = 0;
  // Segment i is texts[i][starts[i]..ends[i]).
  readonly #texts: string[] = [];
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #hashes: number[] = [];

  /**
   * Cuts a path that begins with "/".
   *
   * @returns false if its percent-encoding is malformed or does not decode to UTF-8; there are no segments
   *   then
   */
  split(path: string): boolean {
    this.count = 0;
    let start = 1;
    let hash = HASH_START;
    let isEncoded = false;
    for (let at = 1; at < path.length; at++) {
      const unit = path.charCodeAt(at);
      if (unit === SLASH) {
        if (!this.#push(path, start, at, hash, isEncoded)) return false;
        start = at + 1;
        hash = HASH_START;
        isEncoded = false;
      } else {
        if (unit === PERCENT) isEncoded = true;
        hash = Math.imul(hash ^ unit, HASH_PRIME);
      }
    }
    return this.#push(path, start, path.length, hash, isEncoded);
  }

  #push(path: string, start: number, end: number, hash: number, isEncoded: boolean): boolean {
    const index = this.count;
    if (isEncoded) {
      const text = decode(path.slice(start, end));
      if (text === undefined) {
        this.count = 0;
        return false;
      }
      this.#texts[index] = text;
      this.#starts[index] = 0;
      this.#ends[index] = text.length;
      this.#hashes[index] = hashText(text);
    } else {
      this.#texts[index] = path;
      this.#starts[index] = start;
      this.#ends[index] = end;
      this.#hashes[index] = hash & HASH_MASK;
    }
    this.count = index + 1;
    return true;
  }

  /** Equal segments have equal hashes. */
  hash(index: number): number {
    return this.#hashes[index] as number;
  }

  /** The decoded segment as a string of its own. */
  text(index: number): string {
    return (this.#texts[index] as string).slice(this.#starts[index], this.#ends[index]);
  }

  isEmpty(index: number): boolean {
    return this.#starts[index] === this.#ends[index];
  }

  equals(index: number, text: string): boolean {
    const start = this.#starts[index] as number;
    return (this.#ends[index] as number) - start === text.length &&
      (this.#texts[index] as string).startsWith(text, start);
  }

  /**
   * True if the segment is what this part of a pattern asks for (`many` asks nothing of a single segment).
   */
  matches(index: number, wanted: PatternSegment): boolean {
    switch (wanted.kind) {
      case "literal":
        return this.equals(index, wanted.text);
      case "starts":
        return this.#length(index) >= wanted.text.length &&
          (this.#texts[index] as string).startsWith(wanted.text, this.#starts[index]);
      case "ends":
        return this.#length(index) >= wanted.text.length &&
          (this.#texts[index] as string).endsWith(wanted.text, this.#ends[index]);
      case "contains":
        // The one test that needs the segment as a string: `indexOf` on the whole path would search past its
        // end, which a path of thousands of segments turns into quadratic time.
        return this.#length(index) >= wanted.text.length && this.text(index).includes(wanted.text);
      case "named":
        return !this.isEmpty(index);
      case "any":
      case "many":
        return true;
    }
  }

  #length(index: number): number {
    return (this.#ends[index] as number) - (this.#starts[index] as number);
  }
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
