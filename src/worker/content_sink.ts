/**
 * The content of a response that is sent in pieces, as the client takes it.
 * Runs on: worker; runtime API: none
 *
 * Frames the pieces (RFC 9112 sections 6 and 7.1) and spends the call's credit. Invariant: a content that is longer or
 * shorter than its Content-Length never looks complete to the client; the connection is cut.
 */
import { CartoucheError } from "../errors.ts";
import { Framing } from "../http/response_head.ts";
import { MAX_RECORD_BYTES, ResponseFlag } from "../messages/kind.ts";
import type { Call } from "./call.ts";

const NOTHING = new Uint8Array(0);
const CHUNK_END = new Uint8Array([0x30, 13, 10, 13, 10]);

/** The content of a response that is sent in pieces. */
export class ContentSink {
  readonly #call: Call;
  readonly #framing: Framing;
  readonly #flags: number;
  #left: number;
  #ended = false;
  /** The writes before the next. */
  #turn: Promise<void> = Promise.resolve();
  #writing = 0;

  constructor(call: Call, framing: Framing, flags: number, length: number) {
    this.#call = call;
    this.#framing = framing;
    this.#flags = flags;
    this.#left = length;
  }

  get isAborted(): boolean {
    return this.#call.aborted !== 0;
  }

  /** Sends a piece; resolves when there is room for more. Pieces go in the order of the calls. */
  write(piece: Uint8Array): Promise<void> {
    this.#writing++;
    const turn = this.#turn.then(() => this.#writeNow(piece)).finally(() => this.#writing--);
    // A failed piece must not keep those behind it from failing by themselves.
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #writeNow(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length;) {
      while (this.#call.available <= 0 && !this.isAborted) await this.#call.creditAvailable();
      at += this.#send(piece, at);
    }
  }

  /** Sends a piece, blocking until it is gone. */
  writeSync(piece: Uint8Array): void {
    for (let at = 0; at < piece.length;) {
      this.#call.waitForCredit();
      at += this.#send(piece, at);
    }
  }

  /** Completes the response once everything that was written is gone. */
  endInTurn(): void {
    if (this.#writing === 0) return this.end();
    // What end() throws, a content that is too short, has cut the response: nobody is left to be told.
    this.#turn = this.#turn.then(() => this.end()).catch(() => undefined);
  }

  #send(piece: Uint8Array, at: number): number {
    const call = this.#call;
    call.throwIfAborted();
    if (this.#ended) throw new CartoucheError("ERR_ALREADY_RESPONDED", "the response is complete already");
    if (this.#framing === Framing.None) return piece.length - at;
    const length = Math.min(piece.length - at, call.available, MAX_RECORD_BYTES - 16);
    const content = piece.subarray(at, at + length);
    if (this.#left >= 0) {
      if (length > this.#left) {
        throw new CartoucheError(
          "ERR_RESULT",
          `the content is longer than its Content-Length by ${length - this.#left} octets or more`,
        );
      }
      this.#left -= length;
    }
    const octets = this.#framing === Framing.Chunked ? chunk(content) : content;
    call.spend(octets.length);
    call.send(octets, 0);
    return length;
  }

  /** Completes the response; a content that is shorter than announced cuts the connection. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#call.sending = false;
    if (this.#left > 0 && this.#framing === Framing.Length) {
      this.#call.send(NOTHING, ResponseFlag.Cut | ResponseFlag.Final);
      if (!this.isAborted) {
        throw new CartoucheError(
          "ERR_RESULT",
          `the content is shorter than its Content-Length by ${this.#left} octets`,
        );
      }
      return;
    }
    const last = this.#framing === Framing.Chunked ? CHUNK_END : NOTHING;
    this.#call.send(last, this.#flags | ResponseFlag.Final);
  }

  /** Breaks off: the client sees a connection that ends inside the content. */
  cut(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#call.sending = false;
    this.#call.send(NOTHING, ResponseFlag.Cut | ResponseFlag.Final);
  }
}

/** One chunk (RFC 9112 section 7.1). */
function chunk(content: Uint8Array): Uint8Array {
  const size = content.length.toString(16);
  const all = new Uint8Array(size.length + 2 + content.length + 2);
  for (let i = 0; i < size.length; i++) all[i] = size.charCodeAt(i);
  all[size.length] = 13;
  all[size.length + 1] = 10;
  all.set(content, size.length + 2);
  all[all.length - 2] = 13;
  all[all.length - 1] = 10;
  return all;
}
