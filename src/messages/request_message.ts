/**
 * The record of a request: what the parser found, the head as it came, and a small body.
 * Runs on: any; runtime API: none
 *
 * Written by the I/O thread straight into the ring, read by the worker from its private copy, lazily.
 * Little-endian, as on every machine these runtimes have.
 *
 * | byte | size | field                                                                     |
 * |-----:|-----:|---------------------------------------------------------------------------|
 * |    0 |    4 | flags (`RequestFlag`) and the target's form << 8                           |
 * |    4 |    4 | connection: index of the connection                                       |
 * |    8 |    4 | target start, target end (16 bits each, from the head's first octet)      |
 * |   12 |    4 | method start, method end                                                  |
 * |   16 |    4 | field count, length of the remote address                                 |
 * |   20 |    4 | remote port                                                               |
 * |   24 |    4 | head length                                                               |
 * |   28 |    4 | length of the body in this record                                         |
 * |   32 |    8 | Content-Length, float64; -1: none (chunked, or no body)                   |
 * |   40 |   8n | fields: name start, name end, value start, value end (16 bits each)       |
 * |      |      | remote address (latin1), head, body                                       |
 */

/** Bits of a request record's flags. */
export const RequestFlag = {
  Http11: 1,
  KeepAlive: 2,
  /** The body is not in the record: it comes through the inbox when it is pulled. */
  Streamed: 4,
  /** Content is behind the head (in the record or streamed). */
  HasBody: 8,
  /** HEAD: the answer has no content. */
  Head: 16,
  /** The client waits for 100 Continue before it sends the body. */
  Expects100: 32,
  /** The head asks for an upgrade. */
  Upgrade: 64,
} as const;

const FIXED = 40;
/** Up to here a loop beats `set`, which wants a view. */
const SHORT_HEAD_BYTES = 64;

/** What the encoder needs to know about a parsed head. */
export interface ParsedHead {
  readonly headStart: number;
  readonly methodEnd: number;
  readonly targetStart: number;
  readonly targetEnd: number;
  readonly fieldCount: number;
  readonly fields: Uint16Array;
  readonly contentLength: number;
  readonly targetForm: number;
}

/** Octets that a request record takes. */
export function requestMessageLength(fieldCount: number, remote: number, head: number, body: number): number {
  return (FIXED + fieldCount * 8 + remote + head + body + 7) & ~7;
}

/** Writes request records into one byte ring. */
export class RequestEncoder {
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #halves: Uint16Array;
  readonly #floats: Float64Array;

  constructor(data: Uint8Array) {
    this.#bytes = data;
    this.#words = new Int32Array(data.buffer, data.byteOffset, data.length >>> 2);
    this.#halves = new Uint16Array(data.buffer, data.byteOffset, data.length >>> 1);
    this.#floats = new Float64Array(data.buffer, data.byteOffset, data.length >>> 3);
  }

  /**
   * Writes the record without its body.
   *
   * @param at where, a multiple of 8
   * @param head holds the head at `start .. start + headLength`
   * @returns where the body goes
   */
  write(
    at: number,
    parsed: ParsedHead,
    flags: number,
    connection: number,
    remote: Uint8Array,
    remotePort: number,
    head: Uint8Array,
    start: number,
    headLength: number,
    bodyLength: number,
  ): number {
    const words = this.#words;
    const word = at >>> 2;
    const count = parsed.fieldCount;
    words[word] = flags | (parsed.targetForm << 8);
    words[word + 1] = connection;
    words[word + 2] = parsed.targetStart | (parsed.targetEnd << 16);
    words[word + 3] = parsed.headStart | (parsed.methodEnd << 16);
    words[word + 4] = count | (remote.length << 16);
    words[word + 5] = remotePort;
    words[word + 6] = headLength;
    words[word + 7] = bodyLength;
    this.#floats[(at + 32) >>> 3] = parsed.contentLength;
    const halves = this.#halves;
    const fields = parsed.fields;
    for (let i = 0, half = (at + FIXED) >>> 1; i < count * 4; i++) halves[half++] = fields[i] ?? 0;
    let next = at + FIXED + count * 8;
    const bytes = this.#bytes;
    for (let i = 0; i < remote.length; i++) bytes[next++] = remote[i] ?? 0;
    if (headLength > SHORT_HEAD_BYTES) bytes.set(head.subarray(start, start + headLength), next);
    else for (let i = 0; i < headLength; i++) bytes[next + i] = head[start + i] ?? 0;
    return next + headLength;
  }
}

/** Reads a request record from `bytes` at `at`; every getter reads afresh, nothing is decoded ahead. */
export class RequestView {
  readonly flags: number;
  readonly connection: number;
  readonly fieldCount: number;
  /** Where the head begins in `bytes`. */
  readonly head: number;
  readonly headLength: number;
  readonly bodyLength: number;
  readonly bytes: Uint8Array;
  readonly #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.#at = at;
    this.flags = readInt32(bytes, at);
    this.connection = readInt32(bytes, at + 4);
    this.fieldCount = readUint16(bytes, at + 16);
    this.headLength = readInt32(bytes, at + 24);
    this.bodyLength = readInt32(bytes, at + 28);
    this.head = at + FIXED + this.fieldCount * 8 + readUint16(bytes, at + 18);
  }

  get targetForm(): number {
    return (this.flags >>> 8) & 3;
  }
  get targetStart(): number {
    return this.head + readUint16(this.bytes, this.#at + 8);
  }
  get targetEnd(): number {
    return this.head + readUint16(this.bytes, this.#at + 10);
  }
  get methodStart(): number {
    return this.head + readUint16(this.bytes, this.#at + 12);
  }
  get methodEnd(): number {
    return this.head + readUint16(this.bytes, this.#at + 14);
  }
  /** Whether the method is GET: what most are need not be decoded. */
  get isGet(): boolean {
    const { bytes, methodStart } = this;
    return this.methodEnd - methodStart === 3 && bytes[methodStart] === 0x47 &&
      bytes[methodStart + 1] === 0x45 &&
      bytes[methodStart + 2] === 0x54;
  }
  get remotePort(): number {
    return readInt32(this.bytes, this.#at + 20);
  }
  get remoteStart(): number {
    return this.#at + FIXED + this.fieldCount * 8;
  }
  get remoteEnd(): number {
    return this.head;
  }
  /** -1: none. */
  get contentLength(): number {
    return new DataView(this.bytes.buffer, this.bytes.byteOffset + this.#at + 32, 8).getFloat64(0, true);
  }
  /** Where the body of the record begins. */
  get bodyStart(): number {
    return this.head + this.headLength;
  }
  /** Position of one of a field's four offsets: 0 name start, 1 name end, 2 value start, 3 value end. */
  fieldAt(index: number, which: number): number {
    return this.head + readUint16(this.bytes, this.#at + FIXED + index * 8 + which * 2);
  }
}

function readUint16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

function readInt32(bytes: Uint8Array, at: number): number {
  return readUint16(bytes, at) | (readUint16(bytes, at + 2) << 16);
}
