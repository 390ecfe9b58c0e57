/**
 * Takes the chunked transfer coding off a request body.
 * Runs on: I/O thread; runtime API: none
 *
 * RFC 9112 section 7.1. A pull loop: `next` says what the octets hold, one thing at a time, and content is a range of
 * the array that was given, so nothing is copied and nothing allocated per chunk. Every line end is CR LF; sizes are
 * plain hexadecimal. Invariant: content and result depend on the octets alone, not on the pieces they come in.
 */
import { ExtensionState, nextExtensionState } from "./chunk_extension.ts";
import { CR, hexValue, isBlank, LF, octetAt, SEMICOLON } from "./octets.ts";
import { ParseError } from "./parse_error.ts";
import { TrailerSection } from "./trailer_section.ts";

/** What {@link ChunkedDecoder.next} found. */
export const ChunkEvent = {
  /** All octets are used up; call again with those that follow them. */
  NeedMore: 0,
  /** Content lies at bytes[dataStart..dataEnd). */
  Data: 1,
  /** The body is complete; the next message begins at `position`. */
  End: 2,
  /** `error` holds the code; the connection is lost. */
  Error: 3,
} as const;

/** A value of {@link ChunkEvent}. */
export type ChunkEvent = typeof ChunkEvent[keyof typeof ChunkEvent];

/** Limits of one chunked body, beside that of its content, which is the caller's. */
export interface ChunkLimits {
  /** Octets of the field lines in the trailer section; more get 431. 0: a trailer section must be empty. */
  readonly maxTrailerBytes: number;
  /** Octets of all chunk extensions of a body; more get 413. 0: no extensions. */
  readonly maxExtensionBytes: number;
}

/** Digits of a chunk size: 14 are enough for 2^53 - 1, two leading zeros are more than any encoder needs. */
const MAX_SIZE_DIGITS = 16;

/** What the next octet belongs to. */
const State = {
  Size: 0,
  Extension: 1,
  SizeLf: 2,
  Data: 3,
  DataCr: 4,
  DataLf: 5,
  Trailer: 6,
} as const;

/**
 * Decodes one body after the other:
 *
 *     while ((event = decoder.next(bytes, position, end)) === ChunkEvent.Data) {
 *       take(bytes, decoder.dataStart, decoder.dataEnd);
 *       position = decoder.position;
 *     }
 */
export class ChunkedDecoder {
  /** Behind the octets that were taken: where the next call goes on. */
  position = 0;
  /** Content of the last {@link ChunkEvent.Data}. */
  dataStart = 0;
  dataEnd = 0;
  /** A code of `parse_error.ts` after {@link ChunkEvent.Error}. */
  error = 0;

  readonly #maxExtensionBytes: number;
  readonly #trailer: TrailerSection;
  #state: number = State.Size;
  #extension: ExtensionState = ExtensionState.AfterItem;
  #extensionBytes = 0;
  #digits = 0;
  /** The size while it is read, then the octets of the chunk that have not come. */
  #remaining = 0;

  constructor(limits: ChunkLimits) {
    this.#maxExtensionBytes = limits.maxExtensionBytes;
    this.#trailer = new TrailerSection(limits.maxTrailerBytes);
  }

  /**
   * The trailer fields after {@link ChunkEvent.End}, in order, names in lower case, values as one character per octet.
   * Those that may not come in a trailer section are left out.
   */
  get trailers(): readonly [string, string][] {
    return this.#trailer.fields;
  }

  /** Octets of the chunk that was announced last and have not come; 0 until its size is complete. */
  get chunkLeft(): number {
    return this.#state === State.Data ? this.#remaining : 0;
  }

  /** Makes ready for the next body. */
  reset(): void {
    this.error = 0;
    this.#state = State.Size;
    this.#extensionBytes = 0;
    this.#digits = 0;
    this.#remaining = 0;
    this.#trailer.reset();
  }

  /**
   * Reads bytes[start..end) up to the next event and sets `position`. After End or Error the next call must be
   * `reset()`.
   */
  next(bytes: Uint8Array, start: number, end: number): ChunkEvent {
    let i = start;
    while (i < end) {
      const octet = octetAt(bytes, i);
      switch (this.#state) {
        case State.Size: {
          const error = this.#readSize(octet);
          if (error !== 0) return this.#fail(error, i);
          i++;
          break;
        }
        case State.Extension: {
          const error = this.#readExtension(octet);
          if (error !== 0) return this.#fail(error, i);
          i++;
          break;
        }
        case State.SizeLf:
          if (octet !== LF) return this.#fail(ParseError.LineEnd.code, i);
          i++;
          this.#digits = 0;
          this.#state = this.#remaining === 0 ? State.Trailer : State.Data;
          break;
        case State.Data: {
          const available = end - i;
          this.dataStart = i;
          if (available < this.#remaining) {
            this.dataEnd = end;
            this.#remaining -= available;
          } else {
            this.dataEnd = i + this.#remaining;
            this.#remaining = 0;
            this.#state = State.DataCr;
          }
          this.position = this.dataEnd;
          return ChunkEvent.Data;
        }
        case State.DataCr:
          if (octet !== CR) return this.#fail(ParseError.ChunkEnd.code, i);
          i++;
          this.#state = State.DataLf;
          break;
        case State.DataLf:
          if (octet !== LF) return this.#fail(ParseError.ChunkEnd.code, i);
          i++;
          this.#state = State.Size;
          break;
        default: {
          const result = this.#trailer.read(bytes, i, end);
          if (result < 0) return this.#fail(-result, i);
          this.position = this.#trailer.position;
          return result === 0 ? ChunkEvent.NeedMore : ChunkEvent.End;
        }
      }
    }
    this.position = end;
    return ChunkEvent.NeedMore;
  }

  /** @returns 0 or an error code */
  #readSize(octet: number): number {
    const digit = hexValue(octet);
    if (digit >= 0) {
      if (++this.#digits > MAX_SIZE_DIGITS) return ParseError.ChunkSize.code;
      const size = this.#remaining * 16 + digit;
      if (size > Number.MAX_SAFE_INTEGER) return ParseError.ChunkTooLarge.code;
      this.#remaining = size;
      return 0;
    }
    if (this.#digits === 0) return ParseError.ChunkSize.code;
    if (octet === CR) {
      this.#state = State.SizeLf;
      return 0;
    }
    if (octet === SEMICOLON || isBlank(octet)) {
      this.#state = State.Extension;
      this.#extension = ExtensionState.AfterItem;
      return this.#readExtension(octet);
    }
    return octet === LF ? ParseError.LineEnd.code : ParseError.ChunkSize.code;
  }

  /** @returns 0 or an error code */
  #readExtension(octet: number): number {
    this.#extension = nextExtensionState(this.#extension, octet);
    if (this.#extension === ExtensionState.Ended) {
      this.#state = State.SizeLf;
      return 0;
    }
    if (this.#extension === ExtensionState.Error) return ParseError.ChunkExtension.code;
    this.#extensionBytes++;
    return this.#extensionBytes > this.#maxExtensionBytes ? ParseError.ChunkExtensionTooLarge.code : 0;
  }

  #fail(error: number, position: number): ChunkEvent {
    this.error = error;
    this.position = position;
    return ChunkEvent.Error;
  }
}
