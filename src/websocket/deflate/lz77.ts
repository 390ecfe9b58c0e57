/**
 * Finds the repetitions in a text: the LZ77 half of DEFLATE (RFC 1951 section 4), for a window of any size.
 * Runs on: worker; runtime API: none
 *
 * Hash chains over three octets, one step of lazy matching. No distance is ever longer than the window, also into the
 * history before the text; that is the one promise that node:zlib cannot give for a window of 256 octets.
 * The tables are kept between texts, so one instance serves one thread and one text at a time.
 */

/** A token is an octet, or `length << 16 | distance`. */
export const TOKEN_LENGTH_SHIFT = 16;
export const TOKEN_DISTANCE_MASK = 0xffff;

/** Tokens of a block: enough for good codes, few enough that a change in the data gets new ones. */
export const MAX_BLOCK_TOKENS = 16_384;

const MIN_MATCH = 3;
const MAX_MATCH = 258;
const HASH_BITS = 15;
const CHAIN_MASK = 0x7fff;
const NONE = -1;
/** Candidates that are looked at: the exchange of time for size. */
const MAX_CANDIDATES = 24;
/** A match this long is taken without a look at the next position. */
const GOOD_MATCH = 32;

/** Splits a text into tokens, block by block. */
export class Lz77 {
  /** The tokens of the last block. */
  readonly tokens: Uint32Array = new Uint32Array(MAX_BLOCK_TOKENS);
  /** Where the next block begins. */
  position = 0;
  readonly #newest = new Int32Array(1 << HASH_BITS);
  /** The position before with the same hash, by position modulo 2^15. */
  readonly #older = new Int32Array(CHAIN_MASK + 1);
  #text: Uint8Array = new Uint8Array(0);
  #windowBytes = 0;
  #inserted = 0;
  #distance = 0;

  /**
   * Takes a text, of which the first octets are history: they can be referred to and make no tokens.
   *
   * @param windowBytes longest distance, a power of two from 256 to 32768
   */
  begin(text: Uint8Array, historyBytes: number, windowBytes: number): void {
    this.#text = text;
    this.#windowBytes = windowBytes;
    this.#newest.fill(NONE);
    this.#inserted = Math.max(0, historyBytes - windowBytes);
    this.position = historyBytes;
  }

  /** Lets go of the text. */
  end(): void {
    this.#text = new Uint8Array(0);
  }

  /** Fills {@link tokens} with the next block. @returns their number; 0 at the end of the text */
  nextBlock(): number {
    const text = this.#text;
    const tokens = this.tokens;
    let count = 0;
    let at = this.position;
    while (at < text.length && count < MAX_BLOCK_TOKENS) {
      let length = this.#longestMatch(at, MIN_MATCH - 1);
      let distance = this.#distance;
      // A longer match one octet on is worth a literal; there must be room for both tokens.
      while (length >= MIN_MATCH && length < GOOD_MATCH && count < MAX_BLOCK_TOKENS - 1) {
        const next = this.#longestMatch(at + 1, length);
        if (next <= length) break;
        tokens[count++] = text[at++] ?? 0;
        length = next;
        distance = this.#distance;
      }
      if (length >= MIN_MATCH) {
        tokens[count++] = (length << TOKEN_LENGTH_SHIFT) | distance;
        at += length;
      } else {
        tokens[count++] = text[at++] ?? 0;
      }
    }
    this.position = at;
    return count;
  }

  /**
   * The longest match at a position that is longer than `atLeast`, its distance in `#distance`.
   * @returns its length, or `atLeast` when there is none
   */
  #longestMatch(at: number, atLeast: number): number {
    const text = this.#text;
    const limit = Math.min(MAX_MATCH, text.length - at);
    if (limit <= atLeast || limit < MIN_MATCH) return atLeast;
    this.#insertUpTo(at);
    const oldest = Math.max(0, at - this.#windowBytes);
    let best = atLeast;
    let candidate = this.#newest[this.#hash(at)] ?? NONE;
    for (let left = MAX_CANDIDATES; left > 0 && candidate >= oldest; left--) {
      if (text[candidate + best] === text[at + best]) {
        let length = 0;
        while (length < limit && text[candidate + length] === text[at + length]) length++;
        if (length > best) {
          best = length;
          this.#distance = at - candidate;
          if (length === limit) break;
        }
      }
      const older = this.#older[candidate & CHAIN_MASK] ?? NONE;
      if (older >= candidate) break; // the slot belongs to a newer position by now
      candidate = older;
    }
    return best;
  }

  #insertUpTo(end: number): void {
    const last = Math.min(end, this.#text.length - MIN_MATCH + 1);
    for (let at = this.#inserted; at < last; at++) {
      const hash = this.#hash(at);
      this.#older[at & CHAIN_MASK] = this.#newest[hash] ?? NONE;
      this.#newest[hash] = at;
    }
    if (last > this.#inserted) this.#inserted = last;
  }

  #hash(at: number): number {
    const text = this.#text;
    const three = (text[at] ?? 0) | ((text[at + 1] ?? 0) << 8) | ((text[at + 2] ?? 0) << 16);
    return Math.imul(three, 0x9e3779b1) >>> (32 - HASH_BITS);
  }
}
