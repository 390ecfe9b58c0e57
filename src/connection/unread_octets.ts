/**
 * Octets of a connection that arrived and could not be consumed yet.
 * Runs on: I/O thread; runtime API: none
 *
 * The room doubles, so that a head that comes octet by octet costs linear time; it is given up when all was consumed.
 */

const NOTHING: Uint8Array<ArrayBufferLike> = new Uint8Array(0);
const MIN_BYTES = 1024;

/** Unconsumed octets: `bytes[start..end)`. */
export class UnreadOctets {
  bytes: Uint8Array = NOTHING;
  start = 0;
  end = 0;
  /** Counts how often everything was taken away. */
  generation = 0;

  get isEmpty(): boolean {
    return this.start === this.end;
  }

  /** Adds a copy of `source[start..end)`. */
  append(source: Uint8Array, start: number, end: number): void {
    const length = end - start;
    const have = this.end - this.start;
    if (this.end + length > this.bytes.length) {
      const fits = have + length <= this.bytes.length;
      const target = fits ? this.bytes : new Uint8Array(Math.max(MIN_BYTES, 2 * (have + length)));
      target.set(this.bytes.subarray(this.start, this.end), 0);
      this.bytes = target;
      this.start = 0;
      this.end = have;
    }
    this.bytes.set(source.subarray(start, end), this.end);
    this.end += length;
  }

  /** Everything before `at` was consumed. */
  advanceTo(at: number): void {
    this.start = at;
    if (at === this.end) this.#clear();
  }

  /** Takes everything away. @returns a copy of it */
  takeAll(): Uint8Array {
    const rest = this.bytes.slice(this.start, this.end);
    this.generation++;
    this.#clear();
    return rest;
  }

  #clear(): void {
    this.bytes = NOTHING;
    this.start = this.end = 0;
  }
}
