/**
 * The same octets in other pieces: for proving that a parser does not care where its input was cut.
 * Runs on: any; runtime API: none
 */

/** The octets of a text whose characters are all below 256. */
export function wireBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/**
 * Every way of cutting `length` octets that a test should see, each as the ascending list of its pieces' ends: whole,
 * in two at every place, and octet by octet.
 */
export function* everySplit(length: number): Generator<readonly number[]> {
  yield [length];
  for (let cut = 1; cut < length; cut++) yield [cut, length];
  yield Array.from({ length }, (_, index) => index + 1);
}

/** One of all the other ways: pieces of random sizes. `below(n)` gives integers from 0 to n - 1. */
export function randomSplit(length: number, below: (limit: number) => number): readonly number[] {
  const ends: number[] = [];
  const longest = 1 + below(Math.max(1, length));
  for (let end = 0; end < length;) {
    end = Math.min(length, end + 1 + below(longest));
    ends.push(end);
  }
  return ends.length > 0 ? ends : [0];
}

/** A range inside an array of its own. */
export interface Placed {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** What stands around a placed range, for readers that look further than they may: ends of lines, blanks, anything. */
const SURROUNDINGS = wireBytes("\r\n\r\n a:0;\n\x00\xff");

/**
 * Copies bytes[from..to) into a new array, at a place that varies with the range, among octets that tempt a parser to
 * read on.
 */
export function placed(bytes: Uint8Array, from: number, to: number): Placed {
  const start = (from * 3 + to) % 7;
  const end = start + to - from;
  const around = new Uint8Array(end + SURROUNDINGS.length);
  around.set(SURROUNDINGS.subarray(0, start));
  around.set(SURROUNDINGS.subarray(to % SURROUNDINGS.length), end);
  around.set(bytes.subarray(from, to), start);
  return { bytes: around, start, end };
}
