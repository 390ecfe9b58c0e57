/**
 * A channel between the I/O thread and one worker: descriptors and their bytes, one producer, one consumer.
 * Runs on: any; runtime API: none
 *
 * Every worker has two: its inbox (the I/O thread produces) and its outbox (the worker produces). Descriptors and bytes
 * lie in two rings, so that the bytes of consecutive records are adjacent and can leave in one write.
 *
 * The producer writes bytes, then the descriptor, then publishes with one store to `tail`. What was not published
 * when a thread dies was never said. The consumer gives room back with one store to `head` (and one for the bytes)
 * per batch. A record's bytes are contiguous; where they would cross the end of the ring they start again at 0, and
 * because a descriptor carries the running byte position behind its record, the consumer needs no padding records.
 *
 * Descriptor: kind, ticket, connection, offset, length, a, b, and the byte position behind the record.
 */
import {
  CHANNEL_BYTE_HEAD,
  CHANNEL_DESCRIPTORS,
  CHANNEL_HEAD,
  CHANNEL_TAIL,
  type ChannelBuffers,
  DESCRIPTOR_WORDS,
} from "./layout.ts";

/** Writes records. Exactly one thread may hold one for a given channel. */
export class ChannelProducer {
  /** The byte ring; write what was reserved at the offset that `reserve` gave. */
  readonly bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #records: number;
  #tail = 0;
  #byteTail = 0;
  #reservedAt = 0;
  /** Last seen positions of the consumer: a fresh load only when these say full. */
  #head = 0;
  #byteHead = 0;

  constructor(buffers: ChannelBuffers) {
    this.#words = new Int32Array(buffers.words);
    this.bytes = new Uint8Array(buffers.bytes);
    this.#records = (this.#words.length - CHANNEL_DESCRIPTORS) / DESCRIPTOR_WORDS;
    // Nothing was said yet. A channel may begin at any position; tests begin shortly before a wrap.
    this.#tail = this.#head = this.#words[CHANNEL_HEAD] ?? 0;
    this.#byteTail = this.#byteHead = this.#words[CHANNEL_BYTE_HEAD] ?? 0;
  }

  /** The longest record that can ever fit, whatever the position. */
  get maxLength(): number {
    return this.bytes.length >>> 1;
  }

  /**
   * Finds room for one record.
   *
   * @param length bytes it needs, at most `maxLength`
   * @returns the offset in `bytes`, or -1: full
   */
  reserve(length: number): number {
    if (((this.#tail - this.#head) | 0) >= this.#records) {
      this.#head = Atomics.load(this.#words, CHANNEL_HEAD);
      if (((this.#tail - this.#head) | 0) >= this.#records) return -1;
    }
    const size = this.bytes.length;
    const offset = this.#byteTail & (size - 1);
    const at = length > size - offset ? (this.#byteTail + size - offset) | 0 : this.#byteTail;
    if (((at + length - this.#byteHead) | 0) > size) {
      this.#byteHead = Atomics.load(this.#words, CHANNEL_BYTE_HEAD);
      if (((at + length - this.#byteHead) | 0) > size) return -1;
    }
    this.#reservedAt = at;
    return at & (size - 1);
  }

  /**
   * Publishes the record whose bytes were written after `reserve` (pairs with the load in `ChannelConsumer.next`).
   *
   * @param length bytes written; at most what was reserved
   */
  commit(kind: number, ticket: number, connection: number, length: number, a: number, b: number): void {
    const words = this.#words;
    const at = CHANNEL_DESCRIPTORS + (this.#tail & (this.#records - 1)) * DESCRIPTOR_WORDS;
    this.#byteTail = (this.#reservedAt + length) | 0;
    words[at] = kind;
    words[at + 1] = ticket;
    words[at + 2] = connection;
    words[at + 3] = this.#reservedAt & (this.bytes.length - 1);
    words[at + 4] = length;
    words[at + 5] = a;
    words[at + 6] = b;
    words[at + 7] = this.#byteTail;
    this.#tail = (this.#tail + 1) | 0;
    Atomics.store(words, CHANNEL_TAIL, this.#tail);
  }

  /** Whether everything published was consumed. Racy: the consumer may be at work. */
  isDrained(): boolean {
    return Atomics.load(this.#words, CHANNEL_HEAD) === this.#tail;
  }
}

/** Reads records. Exactly one thread may hold one for a given channel. */
export class ChannelConsumer {
  /** The byte ring. */
  readonly bytes: Uint8Array;
  /** After `next() === true`: the record. `bytes[offset .. offset + length)` is valid until `release`. */
  kind = 0;
  ticket = 0;
  connection = 0;
  offset = 0;
  length = 0;
  a = 0;
  b = 0;
  readonly #words: Int32Array;
  readonly #records: number;
  #head = 0;
  #tail = 0;
  #byteHead = 0;
  #released = 0;

  constructor(buffers: ChannelBuffers) {
    this.#words = new Int32Array(buffers.words);
    this.bytes = new Uint8Array(buffers.bytes);
    this.#records = (this.#words.length - CHANNEL_DESCRIPTORS) / DESCRIPTOR_WORDS;
    this.#head = this.#tail = this.#released = this.#words[CHANNEL_HEAD] ?? 0;
    this.#byteHead = this.#words[CHANNEL_BYTE_HEAD] ?? 0;
  }

  /** Reads the next record into the fields; false: there is none. */
  next(): boolean {
    if (this.#head === this.#tail) {
      this.#tail = Atomics.load(this.#words, CHANNEL_TAIL);
      if (this.#head === this.#tail) return false;
    }
    const words = this.#words;
    const at = CHANNEL_DESCRIPTORS + (this.#head & (this.#records - 1)) * DESCRIPTOR_WORDS;
    this.kind = words[at] ?? 0;
    this.ticket = words[at + 1] ?? 0;
    this.connection = words[at + 2] ?? 0;
    this.offset = words[at + 3] ?? 0;
    this.length = words[at + 4] ?? 0;
    this.a = words[at + 5] ?? 0;
    this.b = words[at + 6] ?? 0;
    this.#byteHead = words[at + 7] ?? 0;
    this.#head = (this.#head + 1) | 0;
    return true;
  }

  /** Gives the room of everything read so far back to the producer; the bytes must not be touched afterwards. */
  release(): boolean {
    if (this.#released === this.#head) return false;
    this.#released = this.#head;
    Atomics.store(this.#words, CHANNEL_BYTE_HEAD, this.#byteHead);
    Atomics.store(this.#words, CHANNEL_HEAD, this.#head);
    return true;
  }

  /** Whether a record waits. Racy: the producer may be at work. */
  hasWork(): boolean {
    return Atomics.load(this.#words, CHANNEL_TAIL) !== this.#head;
  }
}
