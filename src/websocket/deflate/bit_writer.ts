/**
 * Bits into octets, the lowest bit first (RFC 1951 section 3.1.1).
 * Runs on: worker; runtime API: none
 */

/** A growing sequence of bits. */
export class BitWriter {
  #bytes: Uint8Array;
  #length = 0;
  #buffer = 0;
  #buffered = 0;

  /** @param expectedBytes room to begin with */
  constructor(expectedBytes: number) {
    this.#bytes = new Uint8Array(Math.max(64, expectedBytes));
  }

  /** Appends the lowest `count` bits of a value that has no others; at most 16. */
  write(value: number, count: number): void {
    this.#buffer |= value << this.#buffered;
    this.#buffered += count;
    while (this.#buffered >= 8) {
      if (this.#length === this.#bytes.length) this.#reserve(1);
      this.#bytes[this.#length++] = this.#buffer;
      this.#buffer >>>= 8;
      this.#buffered -= 8;
    }
  }

  /** Fills the last octet with zeros. */
  align(): void {
    if (this.#buffered > 0) this.write(0, 8 - this.#buffered);
  }

  /** Appends whole octets; the position must be aligned. */
  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** The whole octets so far. */
  toBytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#length + count, this.#bytes.length * 2));
    larger.set(this.toBytes());
    this.#bytes = larger;
  }
}
