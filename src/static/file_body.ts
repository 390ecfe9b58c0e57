/**
 * Octets of an open file on their way to a client: read in pieces, when they are asked for, and not before.
 * Runs on: worker; runtime API: none
 *
 * The content is a sequence of ranges of the file and of framing between them (multipart/byteranges). Reads
 * name their position, so they need no shared cursor, and they do not block the thread. The descriptor is
 * closed at the end, on an error, when the reader cancels, and, should all of that be forgotten, when the
 * body is collected.
 * Invariant: a body gives exactly as many octets as it promised, or fails: a file that became shorter ends in
 * `ERR_FILE_CHANGED`, so the server cuts the connection and the client knows.
 */
import { closeSync, read } from "node:fs";
import { CartoucheError } from "../errors.ts";
import type { ByteRange } from "../http/range.ts";

/** How much a stream reads at once: below it the way through the thread pool costs more than the reading. */
export const PIECE_BYTES = 128 * 1024;

const forgotten = new FinalizationRegistry<number>((fd) => closeSync(fd));

/** The content of one answer. */
export class FileBody {
  /** All octets that it gives. */
  readonly length: number;
  readonly #fd: number;
  readonly #segments: readonly (Uint8Array | ByteRange)[];
  #index = 0;
  /** Octets of the segment at hand that were given. */
  #given = 0;
  #remaining: number;
  #reading = false;
  #closed = false;

  /**
   * @param fd an open file; the body owns it from now on
   * @param segments ranges of it, and octets as they are
   */
  constructor(fd: number, segments: readonly (Uint8Array | ByteRange)[]) {
    this.#fd = fd;
    this.#segments = segments;
    this.length = segments.reduce((sum, segment) => sum + lengthOf(segment), 0);
    this.#remaining = this.length;
    forgotten.register(this, fd, this);
    if (this.length === 0) this.close();
  }

  /** Octets that are still to come. */
  get remaining(): number {
    return this.#remaining;
  }

  /**
   * Puts the next octets at the beginning of `buffer`. One call at a time.
   *
   * @returns how many; 0 when all were given or the body was closed
   * @throws CartoucheError `ERR_FILE_CHANGED` when the file has become shorter; what the file system throws
   */
  async readInto(buffer: Uint8Array): Promise<number> {
    if (this.#closed || this.#remaining === 0 || buffer.length === 0) return 0;
    let segment = this.#segments[this.#index];
    while (segment !== undefined && this.#given === lengthOf(segment)) {
      this.#given = 0;
      segment = this.#segments[++this.#index];
    }
    if (segment === undefined) return 0;
    const wanted = Math.min(buffer.length, lengthOf(segment) - this.#given);
    let length = wanted;
    if (segment instanceof Uint8Array) {
      buffer.set(segment.subarray(this.#given, this.#given + wanted));
    } else {
      length = await this.#readFile(buffer, wanted, segment.start + this.#given);
      if (this.#closed) return 0;
    }
    this.#given += length;
    this.#remaining -= length;
    if (this.#remaining === 0) this.close();
    return length;
  }

  /** Gives the descriptor back, after the read that is under way. Harmless when called again. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    forgotten.unregister(this);
    // Closing under a read would let it read from whatever file gets the number next.
    if (!this.#reading) closeSync(this.#fd);
  }

  /**
   * The body as a web stream: of bytes, so that a reader may bring its own buffer and no piece is allocated.
   */
  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
        const request = controller.byobRequest;
        const view = request?.view;
        const buffer = view === null || view === undefined
          ? new Uint8Array(Math.min(PIECE_BYTES, this.#remaining))
          : new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
        const length = await this.readInto(buffer);
        // Closed with the last octets, not one pull later; an answer of no octets is closed by its first
        // pull.
        if (length > 0) {
          if (request) request.respond(length);
          else controller.enqueue(buffer.subarray(0, length));
        }
        if (this.#remaining === 0) {
          controller.close();
          if (length === 0) request?.respond(0);
        }
      },
      cancel: () => this.close(),
    }, { highWaterMark: 0 });
  }

  async #readFile(buffer: Uint8Array, wanted: number, position: number): Promise<number> {
    this.#reading = true;
    let length: number;
    try {
      length = await new Promise<number>((resolve, reject) => {
        read(
          this.#fd,
          buffer,
          0,
          wanted,
          position,
          (error, length) => error ? reject(error) : resolve(length),
        );
      });
    } catch (error) {
      this.close();
      throw error;
    } finally {
      this.#reading = false;
      if (this.#closed) closeSync(this.#fd);
    }
    if (length > 0 || this.#closed) return length;
    this.close();
    throw new CartoucheError(
      "ERR_FILE_CHANGED",
      `The file ends at ${position}, ${this.#remaining} octets before what was promised.`,
    );
  }
}

function lengthOf(segment: Uint8Array | ByteRange): number {
  return segment instanceof Uint8Array ? segment.length : segment.end - segment.start;
}
