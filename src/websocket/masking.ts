/**
 * The masking of client frames (RFC 6455 section 5.3), undone in place.
 * Runs on: any; runtime API: none
 *
 * A masking key is one 32-bit integer whose lowest octet masks the next octet of the payload. A payload that arrives
 * in pieces needs no position beside it: after n octets the key is rotated by n, so every piece starts at the lowest.
 *
 * Words of 32 bits make 7.5 GB/s on Node, 8.5 on Deno and 18 on Bun, an octet at a time 1.0, 1.3 and 1.5. Words of 64
 * bits are twice as fast on V8 and make 0.2 GB/s on Bun, where BigInt is slow (bench/websocket/codec_bench.ts).
 */

/** From this length on a view of words pays for its creation (30 to 60 ns). */
const WORDS_FROM_BYTES = 128;

const IS_LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** The key as the four octets of a frame header give it. */
export function maskingKey(first: number, second: number, third: number, fourth: number): number {
  return first | (second << 8) | (third << 16) | (fourth << 24);
}

/** The key for what follows after `count` octets. */
export function rotateKey(key: number, count: number): number {
  const bits = (count & 3) << 3;
  return bits === 0 ? key : (key >>> bits) | (key << (32 - bits));
}

/**
 * Applies the key to `bytes[start..end)`; a second call undoes the first.
 *
 * @param key the masking key, its lowest octet for `bytes[start]`
 */
export function unmask(bytes: Uint8Array, start: number, end: number, key: number): void {
  let at = start;
  let turned = key;
  if (end - start >= WORDS_FROM_BYTES && IS_LITTLE_ENDIAN) {
    const skew = -(bytes.byteOffset + start) & 3;
    for (let i = 0; i < skew; i++) bytes[at + i]! ^= turned >>> (i << 3);
    at += skew;
    turned = rotateKey(turned, skew);
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (end - at) >>> 2);
    const count = words.length;
    for (let i = 0; i < count; i++) words[i]! ^= turned;
    at += count << 2;
  }
  const key1 = turned >>> 8;
  const key2 = turned >>> 16;
  const key3 = turned >>> 24;
  const whole = at + ((end - at) & ~3);
  for (; at < whole; at += 4) {
    bytes[at]! ^= turned;
    bytes[at + 1]! ^= key1;
    bytes[at + 2]! ^= key2;
    bytes[at + 3]! ^= key3;
  }
  if (at < end) bytes[at]! ^= turned;
  if (at + 1 < end) bytes[at + 1]! ^= key1;
  if (at + 2 < end) bytes[at + 2]! ^= key2;
}
