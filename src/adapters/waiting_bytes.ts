/**
 * The octets of one connection that the kernel has not taken yet: copied in at the back, taken out at the front.
 * Runs on: I/O thread; runtime API: none
 *
 * A connection has one only while its peer is slow, so an idle connection pays nothing. Bytes are copied into
 * blocks and each block is let go as soon as it is taken out, so the memory held is what waits, rounded up to one
 * block. What `front` returned is never written to again: `append` only fills the space behind it.
 */

/** Largest block. Also the most that one `front` returns, so that progress shows in steps of at most this. */
export const BLOCK_BYTES = 65_536;

/** Smallest block: many small answers that wait share it. */
const FIRST_BLOCK_BYTES = 4_096;

/** A queue of octets. One owner. */
export class WaitingBytes {
  readonly #blocks: Uint8Array[] = [];
  /** Position in the first block: everything before it was taken out. */
  #head = 0;
  /** Position in the last block: everything from it on is free. */
  #tail = 0;
  #length = 0;

  /** Octets in the queue. */
  get length(): number {
    return this.#length;
  }

  /** Copies `bytes[start..end)` to the back. */
  append(bytes: Uint8Array, start: number, end: number): void {
    let from = start;
    let last = this.#blocks.at(-1);
    while (from < end) {
      if (last === undefined || this.#tail === last.length) {
        const doubled = last === undefined ? FIRST_BLOCK_BYTES : last.length * 2;
        last = new Uint8Array(Math.min(BLOCK_BYTES, Math.max(doubled, end - from)));
        if (this.#blocks.length === 0) this.#head = 0;
        this.#blocks.push(last);
        this.#tail = 0;
      }
      const count = Math.min(end - from, last.length - this.#tail);
      last.set(bytes.subarray(from, from + count), this.#tail);
      this.#tail += count;
      from += count;
    }
    this.#length += end - start;
  }

  /** The octets at the front that lie together; empty when the queue is. Valid for as long as it is referred to. */
  front(): Uint8Array {
    const first = this.#blocks[0];
    if (first === undefined) return EMPTY;
    return first.subarray(this.#head, this.#blocks.length === 1 ? this.#tail : first.length);
  }

  /** Takes out the first `count` octets; at most the length of `front`. */
  drop(count: number): void {
    const first = this.#blocks[0];
    if (first === undefined) return;
    this.#head += count;
    this.#length -= count;
    const end = this.#blocks.length === 1 ? this.#tail : first.length;
    if (this.#head < end) return;
    // A last block that is not full stays for the next append; a full one is of no more use.
    if (this.#head === first.length) {
      this.#blocks.shift();
      this.#head = 0;
    }
  }
}

const EMPTY = new Uint8Array(0);
