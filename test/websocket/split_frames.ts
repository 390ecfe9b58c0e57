/**
 * Feeds octets to a frame parser in pieces and records what it tells.
 *
 * The pieces are copies that are overwritten after each call, so a parser that keeps a view of memory that is not its
 * own, or tells of octets later than it may, shows it.
 */
import process from "node:process";
import { type FrameLimits, FrameParser, type FrameSink } from "../../src/websocket/frame_parser.ts";
import { toHex } from "./client_frames.ts";

/** What happened, comparable: payloads in hexadecimal. */
export type FrameEvent =
  | readonly ["text" | "binary" | "compressed text" | "compressed binary", payload: string]
  | readonly ["ping" | "pong", payload: string]
  | readonly ["close", code: number, reason: string]
  | readonly ["fault", fault: string];

export interface FeedOptions {
  readonly limits?: FrameLimits;
  readonly allowsCompressed?: boolean;
}

const DEFAULT_LIMITS: FrameLimits = { maxMessageBytes: 1_048_576 };

/** A sink that keeps a record. */
export class Recorder implements FrameSink {
  readonly events: FrameEvent[] = [];
  /** Messages whose memory the parser gave away, to be looked at again at the end. */
  readonly #owned: { readonly bytes: Uint8Array; readonly hex: string }[] = [];

  onMessage(
    isText: boolean,
    isCompressed: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
    isOwned: boolean,
  ): void {
    const hex = toHex(bytes.subarray(start, end));
    this.events.push([`${isCompressed ? "compressed " : ""}${isText ? "text" : "binary"}`, hex]);
    if (isOwned) this.#owned.push({ bytes: bytes.subarray(start, end), hex });
  }

  onPing(bytes: Uint8Array, start: number, end: number): void {
    this.events.push(["ping", toHex(bytes.subarray(start, end))]);
  }

  onPong(bytes: Uint8Array, start: number, end: number): void {
    this.events.push(["pong", toHex(bytes.subarray(start, end))]);
  }

  onClose(code: number, reason: string): void {
    this.events.push(["close", code, reason]);
  }

  onFault(fault: string): void {
    this.events.push(["fault", fault]);
  }

  /** Throws when memory that was given away has changed since. */
  checkOwned(): void {
    for (const { bytes, hex } of this.#owned) {
      if (toHex(bytes) !== hex) throw new Error("a message's own memory changed after it was told");
    }
  }
}

/** What the parser tells when it gets the pieces, one after the other. */
export function feedPieces(pieces: Iterable<Uint8Array>, options: FeedOptions = {}): FrameEvent[] {
  const parser = new FrameParser(options.limits ?? DEFAULT_LIMITS, options.allowsCompressed ?? false);
  const recorder = new Recorder();
  for (const piece of pieces) {
    // Not at the start of the memory, so that words are skewed now and then.
    const skew = piece.length % 5;
    const memory = new Uint8Array(skew + piece.length + 3).fill(0xaa);
    memory.set(piece, skew);
    parser.feed(memory, skew, skew + piece.length, recorder);
    memory.fill(0x55);
  }
  recorder.checkOwned();
  return recorder.events;
}

/** The octets one by one. */
export function* byOctet(octets: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < octets.length; at++) yield octets.subarray(at, at + 1);
}

/** Two pieces, for every position of the cut. */
export function* everySplit(octets: Uint8Array): Generator<[Uint8Array, Uint8Array]> {
  for (let at = 1; at < octets.length; at++) yield [octets.subarray(0, at), octets.subarray(at)];
}

/** A repeatable source of numbers (xorshift32). */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  /** A whole number from 0 to `below - 1`. */
  below(below: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % below;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  pick<T>(from: readonly T[]): T {
    const item = from[this.below(from.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  /** The octets in pieces of random lengths. */
  *pieces(octets: Uint8Array, longest: number): Generator<Uint8Array> {
    for (let at = 0; at < octets.length;) {
      const end = Math.min(octets.length, at + 1 + this.below(longest));
      yield octets.subarray(at, end);
      at = end;
    }
  }
}

/** Options of a test of random cases: as long as FUZZ_COUNT asks for (Bun gives a test 5 s otherwise). */
export const FUZZ_TEST = { timeout: 600_000 } as const;

/** How many random cases to run, and the first seed; both are printed when a case fails. */
export function fuzzPlan(): { readonly count: number; readonly seed: number } {
  const { FUZZ_COUNT, FUZZ_SEED } = process.env;
  return { count: Number(FUZZ_COUNT ?? 200), seed: Number(FUZZ_SEED ?? 1) };
}
