/**
 * A request body on its way from a connection to a worker: pieces that wait, credit that the worker gave.
 * Runs on: I/O thread; runtime API: none
 *
 * The worker pulls; nothing is sent that it did not ask for. What arrives faster waits here, and when more than
 * `HIGH_BYTES` wait the connection stops reading its socket, so that the client is slowed by TCP.
 */
import { BodyFailure, InboxKind, MAX_RECORD_BYTES } from "../messages/kind.ts";
import type { WorkerLink } from "./tickets.ts";

/** Above this the socket is not read, once the body is being streamed. */
const HIGH_BYTES = 256 * 1024;
/** A piece that is smaller shares a block with its neighbours: a chunk may have one octet, an array costs hundreds. */
const SMALL_BYTES = 8 * 1024;
const MIN_BLOCK_BYTES = 1024;
const BLOCK_BYTES = 64 * 1024;

/**
 * Memory of pieces that went to a worker, for the next ones: a client that is faster than the handler would otherwise
 * leave the whole of its body to the collector.
 */
const spares: ArrayBuffer[] = [];
const MAX_SPARES = 32;

const encoder = new TextEncoder();

/** The body of one request. */
export class BodyFeed {
  /** Octets that wait here. */
  queuedBytes = 0;
  /** Octets of content that arrived so far. */
  receivedBytes = 0;
  /** All content is here. */
  ended = false;
  /** It will not come; a `BodyFailure`, or 0. */
  failure = 0;
  /** Nobody wants the rest. */
  discarding = false;
  #pieces: Uint8Array[] = [];
  /** The block that the last piece lies in, with room behind `#blockUsed`; null: it has memory of its own. */
  #block: Uint8Array | null = null;
  #blockUsed = 0;
  #credit = 0;
  #worker: WorkerLink | null = null;
  #ticket = 0;
  #trailers: readonly (readonly [string, string])[] = [];
  #closed = false;

  /** Whether the socket should rest. */
  get isFull(): boolean {
    return this.queuedBytes > HIGH_BYTES;
  }

  /** Whether its worker has asked for more than has come: the next step is the client's. */
  get isStarved(): boolean {
    return this.#worker !== null && this.#credit > 0 && this.#pieces.length === 0 && !this.#closed &&
      !this.discarding;
  }

  /** Whether everything was handed over (or nobody wants it). */
  get isHandedOver(): boolean {
    return this.#closed || this.discarding;
  }

  /** Whether trailer fields came with it. */
  get hasTrailers(): boolean {
    return this.#trailers.length > 0;
  }

  /** Takes content; the piece is kept, not copied. */
  push(piece: Uint8Array): void {
    this.receivedBytes += piece.length;
    if (this.discarding) return;
    this.#block = null;
    this.#pieces.push(piece);
    this.queuedBytes += piece.length;
    this.pump();
  }

  /**
   * Takes content out of memory that is the caller's. What is large is handed on at once as far as the credit goes,
   * without a copy; call `pump` when there is no more for now.
   */
  offer(bytes: Uint8Array, start: number, end: number): void {
    this.receivedBytes += end - start;
    if (this.discarding) return;
    let at = start;
    const worker = this.#worker;
    if (worker !== null && this.#pieces.length === 0 && end - start >= SMALL_BYTES) {
      while (at < end && this.#credit > 0) {
        const length = Math.min(end - at, this.#credit, MAX_RECORD_BYTES);
        worker.send(InboxKind.Body, this.#ticket, 0, bytes.subarray(at, at + length));
        this.#credit -= length;
        at += length;
      }
    }
    if (at < end) this.#append(bytes, at, end);
  }

  #append(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.queuedBytes += length;
    const last = this.#pieces.length - 1;
    const lastPiece = this.#pieces[last];
    if (lastPiece === undefined || length >= SMALL_BYTES) {
      this.#block = null;
      this.#copy(bytes, start, end);
      return;
    }
    let block = this.#block;
    if (block === null || this.#blockUsed + length > block.length) {
      block = this.#block = new Uint8Array(
        Math.min(BLOCK_BYTES, Math.max(MIN_BLOCK_BYTES, 2 * this.queuedBytes)),
      );
      block.set(bytes.subarray(start, end));
      this.#blockUsed = length;
      this.#pieces.push(block.subarray(0, length));
      return;
    }
    block.set(bytes.subarray(start, end), this.#blockUsed);
    this.#blockUsed += length;
    this.#pieces[last] = block.subarray(lastPiece.byteOffset, this.#blockUsed);
  }

  #copy(bytes: Uint8Array, start: number, end: number): void {
    // A body that is still being collected will most likely be small, and is handed on as it lies.
    if (this.#worker === null || end - start < SMALL_BYTES) {
      this.#pieces.push(bytes.slice(start, end));
      return;
    }
    for (let at = start; at < end; at += BLOCK_BYTES) {
      const length = Math.min(end - at, BLOCK_BYTES);
      const piece = new Uint8Array(spares.pop() ?? new ArrayBuffer(BLOCK_BYTES), 0, length);
      piece.set(bytes.subarray(at, at + length));
      this.#pieces.push(piece);
    }
  }

  /** The body is complete. */
  end(trailers: readonly (readonly [string, string])[]): void {
    this.ended = true;
    this.#trailers = trailers;
    this.pump();
  }

  /** The body breaks off. What waits is still delivered, then the failure. */
  fail(failure: typeof BodyFailure[keyof typeof BodyFailure]): void {
    if (this.ended || this.failure !== 0) return;
    this.failure = failure;
    this.pump();
  }

  /**
   * The client is gone, and the worker will be told to give up: all that waits goes to it before, asked for or not,
   * for a handler may want to keep whatever came.
   */
  leave(): void {
    this.#credit = Infinity;
    this.fail(BodyFailure.Gone);
    this.pump();
  }

  /** The worker asks for more. */
  pull(worker: WorkerLink, ticket: number, bytes: number): void {
    this.#worker = worker;
    this.#ticket = ticket;
    this.#credit += bytes;
    this.pump();
  }

  /** The request is over: the rest goes nowhere. */
  discard(): void {
    this.discarding = true;
    this.#pieces = [];
    this.#block = null;
    this.queuedBytes = 0;
    this.#worker = null;
  }

  /** All of it in one piece, taken out; for a body that goes along in the request's record. */
  takeAll(): Uint8Array<ArrayBufferLike> {
    const only = this.#pieces[0];
    if (this.#pieces.length === 1 && only !== undefined) return only;
    const all = new Uint8Array(this.queuedBytes);
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }

  /** Sends what the credit allows. */
  pump(): void {
    const worker = this.#worker;
    if (worker === null || this.#closed) return;
    for (let piece = this.#pieces[0]; this.#credit > 0 && piece !== undefined; piece = this.#pieces[0]) {
      const length = Math.min(piece.length, this.#credit, MAX_RECORD_BYTES);
      worker.send(InboxKind.Body, this.#ticket, 0, piece.subarray(0, length));
      this.#credit -= length;
      this.queuedBytes -= length;
      if (length < piece.length) this.#pieces[0] = piece.subarray(length);
      else this.#release(piece);
    }
    if (this.#pieces.length > 0) return;
    if (this.failure !== 0) {
      this.#closed = true;
      worker.send(InboxKind.BodyFailed, this.#ticket, this.failure, null);
    } else if (this.ended) {
      this.#closed = true;
      const trailers = this.#trailers.length === 0 ? null : encoder.encode(JSON.stringify(this.#trailers));
      worker.send(InboxKind.BodyEnd, this.#ticket, 0, trailers);
    }
  }

  /** The first piece was sent. */
  #release(piece: Uint8Array): void {
    this.#pieces.shift();
    if (this.#pieces.length === 0) this.#block = null;
    const memory = piece.buffer;
    if (memory instanceof ArrayBuffer && memory.byteLength === BLOCK_BYTES && spares.length < MAX_SPARES) {
      spares.push(memory);
    }
  }
}
