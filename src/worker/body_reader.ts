/**
 * The body of a request as its handler reads it: blocking, awaiting, or as a web stream.
 * Runs on: worker; runtime API: none
 *
 * A small body came along with the request; a larger one is pulled from the I/O thread a window at a time, so a slow
 * handler slows its client and nothing else. All ways of reading draw from one sequence of pieces.
 */
import { CartoucheError, type ErrorCode } from "../errors.ts";
import { BODY_WINDOW_BYTES, BodyFailure, MAX_RECORD_BYTES } from "../messages/kind.ts";
import { RequestFlag, type RequestView } from "../messages/request_message.ts";

/** Where a streamed body comes from. */
export interface BodySource {
  /** Asks for one window more. */
  pullBody(): void;
  /** Blocks until the inbox brought something. */
  waitForInbox(): void;
}

/** Pieces whose memory is kept, at most: those of one window. */
const MAX_SPARES = 4;

/** Reads one body. */
export class BodyReader {
  /** The request has content. */
  readonly hasBody: boolean;
  /** Somebody has begun to read it. */
  used = false;
  /** All of it has arrived here. */
  complete: boolean;
  /** Trailer fields; there once the body is complete. */
  trailers: readonly (readonly [name: string, value: string])[] = [];
  readonly #source: BodySource | null;
  readonly #expected: number;
  #pieces: Uint8Array[] = [];
  #received = 0;
  #asked = 0;
  #error: CartoucheError | null = null;
  #wake: (() => void) | null = null;
  /** The reader brings its own memory, so that of a piece can be used again: a long upload then leaves no garbage. */
  #recycles = false;
  /** Such memory, of the size of the longest piece. */
  readonly #spares: Uint8Array[] = [];
  #stream: ReadableStream<Uint8Array> | null = null;

  /**
   * @param view null: the content of something that is no request; all of it comes from the source
   * @param source null: the body is in the record
   */
  constructor(view: RequestView | null, source: BodySource | null) {
    this.#source = source;
    this.hasBody = view === null || (view.flags & RequestFlag.HasBody) !== 0;
    this.complete = source === null;
    this.#expected = view === null ? -1 : this.hasBody ? view.contentLength : 0;
    if (source === null && view !== null && view.bodyLength > 0) {
      const start = view.bodyStart;
      this.#pieces.push(view.bytes.subarray(start, start + view.bodyLength));
    }
  }

  /** Octets that are known to be still with the client; -1: not known. */
  get unread(): number {
    if (this.complete) return 0;
    return this.#expected < 0 ? -1 : this.#expected - this.#received;
  }

  /** Nothing of it has arrived, nor was anything asked for. */
  get isUntouched(): boolean {
    return !this.complete && this.#asked === 0 && this.#received === 0;
  }

  /** Somebody has begun to read it, or has its stream. */
  get isHeld(): boolean {
    return this.used || this.#stream !== null;
  }

  // ── what the inbox brings ──────────────────────────────────────────────────────────────────────────────────────

  /** Content, which is copied: the memory is the ring's. */
  push(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.#received += length;
    this.#asked -= length;
    if (this.#recycles) {
      const memory = this.#spares.pop() ?? new Uint8Array(MAX_RECORD_BYTES);
      memory.set(bytes.subarray(start, end));
      this.#pieces.push(memory.subarray(0, length));
    } else this.#pieces.push(bytes.slice(start, end));
    this.#wake?.();
  }

  /** All of it is here. */
  end(trailers: readonly (readonly [string, string])[]): void {
    this.complete = true;
    this.trailers = trailers;
    this.#wake?.();
  }

  /** It will not come. */
  fail(error: CartoucheError): void {
    if (this.complete || this.#error !== null) return;
    this.#error = error;
    this.#wake?.();
  }

  // ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The next piece if it is here; null: the end; undefined: it must be waited for. Its memory may be others', too. */
  #next(): Uint8Array | null | undefined {
    const piece = this.#pieces.shift();
    if (piece !== undefined) {
      this.#ask();
      return piece;
    }
    if (this.complete) return null;
    if (this.#error !== null) throw this.#error;
    this.#ask();
    return undefined;
  }

  /** The same, in memory of its own. */
  #take(): Uint8Array | null | undefined {
    const piece = this.#next();
    if (piece === null || piece === undefined) return piece;
    // A body that came with the request lies in memory shared with other requests of this thread: give a copy.
    return piece.byteLength === piece.buffer.byteLength ? piece : piece.slice();
  }

  /** Keeps up to a window on its way. */
  #ask(): void {
    if (this.complete || this.#source === null || this.#error !== null) return;
    if (this.#asked > BODY_WINDOW_BYTES / 2) return;
    this.#asked += BODY_WINDOW_BYTES;
    this.#source.pullBody();
  }

  /** The next piece; null at the end. Waits without blocking the thread. */
  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const piece = this.#take();
      if (piece !== undefined) return piece;
      await this.#arrival();
    }
  }

  /** Resolves when the inbox brought something. */
  #arrival(): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#wake = () => {
        this.#wake = null;
        resolve();
      };
    });
  }

  /** The same, blocking the thread. */
  readBlocking(): Uint8Array | null {
    for (;;) {
      const piece = this.#take();
      if (piece !== undefined) return piece;
      this.#source?.waitForInbox();
    }
  }

  /** Fills `target` as far as content is at hand, blocking only if there is none. @returns octets; 0: the end */
  readInto(target: Uint8Array): number {
    if (target.length === 0) return 0;
    for (;;) {
      const piece = this.#next();
      if (piece !== undefined) return this.#fill(piece, target);
      this.#source?.waitForInbox();
    }
  }

  /** The same without blocking the thread. */
  async #readIntoLater(target: Uint8Array): Promise<number> {
    for (;;) {
      const piece = this.#next();
      if (piece !== undefined) return this.#fill(piece, target);
      await this.#arrival();
    }
  }

  #fill(first: Uint8Array | null, target: Uint8Array): number {
    if (first === null) return 0;
    this.#recycles = this.#source !== null;
    let length = this.#put(first, target, 0);
    while (length < target.length && this.#pieces.length > 0) {
      length += this.#put(this.#pieces.shift() as Uint8Array, target, length);
    }
    return length;
  }

  #put(piece: Uint8Array, target: Uint8Array, at: number): number {
    const room = target.length - at;
    if (piece.length <= room) {
      target.set(piece, at);
      // What came with the request lies in memory that others use.
      if (piece.buffer.byteLength === MAX_RECORD_BYTES && this.#spares.length < MAX_SPARES) {
        this.#spares.push(new Uint8Array(piece.buffer));
      }
      return piece.length;
    }
    target.set(piece.subarray(0, room), at);
    this.#pieces.unshift(piece.subarray(room));
    return room;
  }

  /** Nobody can begin to read it any more, or as long as the stream has a reader. */
  get isUnusable(): boolean {
    return this.used || this.#stream?.locked === true;
  }

  /** Marks it used. @throws TypeError `ERR_BODY_USED` */
  claim(): void {
    if (this.isUnusable) throw bodyUsedError("the body was read before, or is being read");
    this.used = this.hasBody;
  }

  /** All of it, blocking. */
  bytesBlocking(): Uint8Array {
    const pieces: Uint8Array[] = [];
    for (let piece = this.readBlocking(); piece !== null; piece = this.readBlocking()) pieces.push(piece);
    return join(pieces);
  }

  /** All of it. */
  async bytes(): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for (let piece = await this.read(); piece !== null; piece = await this.read()) pieces.push(piece);
    return join(pieces);
  }

  /**
   * A web stream over it; null without content. The same one each time. A stream of bytes: a reader that brings its
   * own buffer leaves no garbage, however long the body is.
   */
  stream(): ReadableStream<Uint8Array> | null {
    if (!this.hasBody) return null;
    this.#stream ??= new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
        this.used = true;
        try {
          await this.#pull(controller);
        } catch (error) {
          controller.error(error);
        }
      },
      cancel: () => {
        this.used = true;
      },
    }, { highWaterMark: 0 });
    return this.#stream;
  }

  async #pull(controller: ReadableByteStreamController): Promise<void> {
    const request = controller.byobRequest;
    const view = request?.view;
    if (request === null || view === null || view === undefined) {
      const piece = await this.read();
      if (piece === null) controller.close();
      else controller.enqueue(piece as Uint8Array<ArrayBuffer>);
      return;
    }
    const length = await this.#readIntoLater(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
    if (length === 0) controller.close();
    request.respond(length);
  }
}

function join(pieces: Uint8Array[]): Uint8Array {
  const first = pieces[0];
  // Not one for all: its buffer can be transferred.
  if (first === undefined) return new Uint8Array(0);
  if (pieces.length === 1) return first;
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** The `TypeError` that the Fetch standard has for a body that cannot be read, with our code beside it. */
export function bodyUsedError(message: string): TypeError & { readonly code: ErrorCode } {
  return Object.assign(new TypeError(message), { code: "ERR_BODY_USED" as const });
}

/** The error for a `BodyFailure`. */
export function bodyError(failure: number): CartoucheError {
  switch (failure) {
    case BodyFailure.TooLarge:
      return new CartoucheError("ERR_BODY_TOO_LARGE", "the request body is longer than the limit");
    case BodyFailure.Malformed:
      return new CartoucheError("ERR_BODY_SYNTAX", "the chunked coding of the request body is malformed");
    case BodyFailure.TimedOut:
      return new CartoucheError("ERR_TIMEOUT", "the request body did not arrive in time");
    default:
      return new CartoucheError("ERR_CLIENT_GONE", "the client left before the request body was complete");
  }
}
