/**
 * A parser for multipart/form-data that is given octets as they come and says what they are.
 * Runs on: any; runtime API: none
 *
 * RFC 7578 and RFC 2046 section 5.1.1. It stops and goes on at any octet, looks at each octet a bounded
 * number of times whatever the sender chose, and keeps nothing but the header section of the part at hand
 * and, as a number, how much of a delimiter the input ended with. File octets are handed on as ranges of the
 * caller's own memory.
 *
 *     delimiter = CRLF "--" boundary
 *     after it  = "--": the form ends | padding CRLF: a header section follows | else: it was content
 *
 * The CRLF may be missing at the very start, and right behind a header section, whose last CRLF serves as the
 * delimiter's.
 *
 * Invariant: a delimiter holds CR only as its first octet (checkBoundary), so no two occurrences overlap and
 * a failed comparison can go on behind what it compared. That makes the search linear without a second table.
 */
import { checkBoundary } from "./multipart_boundary.ts";
import { completeLimits, MultipartError, type MultipartLimits } from "./multipart_error.ts";
import { type MultipartPart, parsePart } from "./multipart_part.ts";
import { CR, isBlank, LF, octetAt, octetsOf } from "./octets.ts";

const HYPHEN = 0x2d;

/** Receives what a parser finds. Ranges are valid during the call only. */
export interface MultipartSink {
  /** A part begins; parts follow each other and are never nested. */
  onPartBegin(part: MultipartPart): void;
  /**
   * bytes[start..end) of its content; never empty. The memory is the caller's of `feed`, or the parser's own.
   */
  onPartData(bytes: Uint8Array, start: number, end: number): void;
  /** The part is whole. It counts only if the form ends properly, too: see `finish`. */
  onPartEnd(): void;
}

const State = {
  /** In the preamble, or in the content of a part: look for the delimiter. */
  content: 0,
  /** Behind a delimiter. */
  delimiter: 1,
  /** Behind a delimiter and "-". */
  delimiterHyphen: 2,
  /** Behind a delimiter and CR. */
  delimiterCr: 3,
  /** In the white space behind a delimiter. */
  padding: 4,
  /** Behind that and CR. */
  paddingCr: 5,
  /** In a header section. */
  header: 6,
  /** Behind the closing delimiter: ignore the rest. */
  epilogue: 7,
  /** An error was thrown. */
  failed: 8,
} as const;
type State = (typeof State)[keyof typeof State];

/** Parses one form. */
export class MultipartParser {
  readonly #sink: MultipartSink;
  readonly #limits: MultipartLimits;
  /** CRLF "--" boundary */
  readonly #delimiter: Uint8Array;
  /** How far the window may move when this octet stands at its end (Horspool). */
  readonly #shifts: Uint8Array;
  #state: State = State.content;
  /** Octets of the delimiter that the input so far ends with; they are held back. */
  #matched = 2;
  /**
   * How many octets of the delimiter at hand were never in the content: 2 while its CRLF is something else's.
   */
  #assumed = 2;
  /** The part whose content is read; undefined in the preamble. */
  #part: MultipartPart | undefined;
  #partBytes = 0;
  #partCount = 0;
  #fieldsBytes = 0;
  #totalBytes = 0;
  #header = new Uint8Array(1024);
  #headerBytes = 0;
  #lineStart = 0;

  /**
   * @param boundary from {@link multipartBoundary}
   * @param sink receives the parts
   * @param limits any limit that shall not be the default
   * @throws MultipartError `boundary` for a bad one; CartoucheError `ERR_OPTION` for a bad limit
   */
  constructor(boundary: string, sink: MultipartSink, limits?: Partial<MultipartLimits>) {
    checkBoundary(boundary);
    this.#sink = sink;
    this.#limits = completeLimits(limits);
    const delimiter = octetsOf(`\r\n--${boundary}`);
    this.#delimiter = delimiter;
    // At most 4 + 70 octets, so a shift fits into a byte.
    this.#shifts = new Uint8Array(256).fill(delimiter.length);
    for (let i = 0; i < delimiter.length - 1; i++) {
      this.#shifts[octetAt(delimiter, i)] = delimiter.length - 1 - i;
    }
  }

  /** Whether the closing delimiter was seen: what follows is ignored, and `finish` will not fail. */
  get complete(): boolean {
    return this.#state === State.epilogue;
  }

  /**
   * Takes the next octets, bytes[start..end).
   *
   * @throws MultipartError for a malformed form or one beyond a limit; whatever the sink throws. The parser
   *   is of no use after that.
   */
  feed(bytes: Uint8Array, start = 0, end: number = bytes.length): void {
    if (this.#state === State.failed) throw new MultipartError("unfinished", "The form has failed before.");
    const before = this.#state;
    this.#state = State.failed;
    this.#totalBytes += end - start;
    if (this.#totalBytes > this.#limits.maxTotalBytes) {
      throw new MultipartError("totalSize", `The form is larger than ${this.#limits.maxTotalBytes} bytes.`);
    }
    this.#state = this.#run(before, bytes, start, end);
  }

  /**
   * Says that no octets follow.
   *
   * @throws MultipartError `unfinished` when the closing delimiter was missing: what was found must not be
   *   used
   */
  finish(): void {
    if (this.#state !== State.epilogue) {
      this.#state = State.failed;
      throw new MultipartError("unfinished", "The form ends without its closing delimiter.");
    }
  }

  #run(from: State, bytes: Uint8Array, start: number, end: number): State {
    let state = from;
    let position = start;
    while (position < end) {
      switch (state) {
        case State.content: {
          const found = this.#search(bytes, position, end);
          if (found < 0) return State.content;
          position = found;
          state = State.delimiter;
          break;
        }
        case State.delimiter: {
          const octet = octetAt(bytes, position);
          if (octet === CR) {
            state = State.delimiterCr;
            position++;
          } else if (octet === HYPHEN) {
            state = State.delimiterHyphen;
            position++;
          } else if (isBlank(octet)) {
            state = State.padding;
            position++;
          } else {
            // A longer line that begins like a delimiter, the boundary of an inner multipart for one.
            this.#releaseDelimiter();
            state = State.content;
          }
          break;
        }
        case State.delimiterHyphen:
          if (octetAt(bytes, position) === HYPHEN) {
            this.#endPart();
            return State.epilogue;
          }
          this.#releaseDelimiter();
          this.#content(HYPHEN_ALONE, 0, 1);
          state = State.content;
          break;
        case State.delimiterCr:
          if (octetAt(bytes, position) === LF) {
            position++;
            this.#beginHeader();
            state = State.header;
          } else {
            // The CR may be the first octet of the next delimiter.
            this.#releaseDelimiter();
            this.#matched = 1;
            state = State.content;
          }
          break;
        case State.padding: {
          const octet = octetAt(bytes, position++);
          if (octet === CR) state = State.paddingCr;
          else if (!isBlank(octet)) throw behindDelimiter(octet);
          break;
        }
        case State.paddingCr: {
          const octet = octetAt(bytes, position++);
          if (octet !== LF) throw behindDelimiter(octet);
          this.#beginHeader();
          state = State.header;
          break;
        }
        case State.header: {
          const found = this.#readHeader(bytes, position, end);
          if (found < 0) return State.header;
          position = found;
          this.#beginPart();
          state = State.content;
          break;
        }
        default:
          return state;
      }
    }
    return state;
  }

  /**
   * Looks for the delimiter in bytes[start..end), and hands on the content before it.
   *
   * @returns the position behind the delimiter, or -1 when the input ended first
   */
  #search(bytes: Uint8Array, start: number, end: number): number {
    const delimiter = this.#delimiter;
    const length = delimiter.length;
    let contentStart = start;

    // 1. Go on with a delimiter that the last input broke off.
    let matched = this.#matched;
    if (matched > 0) {
      while (matched < length && contentStart < end && bytes[contentStart] === delimiter[matched]) {
        matched++;
        contentStart++;
      }
      if (matched === length) {
        this.#matched = 0;
        return contentStart;
      }
      if (contentStart === end) {
        this.#matched = matched;
        return -1;
      }
      this.#content(delimiter, this.#assumed, matched);
      this.#matched = 0;
      this.#assumed = 0;
    }

    // 2. Move a window of the delimiter's length. Its last octet says how far it may move (Horspool), and its
    //    first one whether a comparison is worth while: CR is rare in most files, and only one delimiter can
    //    begin with it.
    const shifts = this.#shifts;
    const last = length - 1;
    const lastOctet = octetAt(delimiter, last);
    let window = contentStart;
    while (window + last < end) {
      const octet = octetAt(bytes, window + last);
      if (octet === lastOctet && bytes[window] === CR) {
        let compared = 1;
        while (compared < length && bytes[window + compared] === delimiter[compared]) compared++;
        if (compared === length) {
          this.#content(bytes, contentStart, window);
          return window + length;
        }
        window += compared;
      } else {
        window += octetAt(shifts, octet);
      }
    }

    // 3. The rest is shorter than a delimiter; hold back the end of it that a delimiter may begin with. Only
    //    the last CR can be that beginning, for no other CR follows in a delimiter.
    let held = end;
    for (let i = end - 1; i >= window; i--) {
      if (bytes[i] !== CR) continue;
      let compared = 1;
      while (i + compared < end && bytes[i + compared] === delimiter[compared]) compared++;
      if (i + compared === end) held = i;
      break;
    }
    this.#matched = end - held;
    this.#content(bytes, contentStart, held);
    return -1;
  }

  /** What looked like a delimiter was content, but for a CRLF that belonged to the header section. */
  #releaseDelimiter(): void {
    this.#content(this.#delimiter, this.#assumed, this.#delimiter.length);
    this.#assumed = 0;
  }

  #content(bytes: Uint8Array, start: number, end: number): void {
    const part = this.#part;
    if (part === undefined || start >= end) return;
    const length = end - start;
    this.#partBytes += length;
    if (part.filename !== undefined) {
      if (this.#partBytes > this.#limits.maxFileBytes) {
        throw new MultipartError(
          "fileSize",
          `A file in "${part.name}" is larger than ${this.#limits.maxFileBytes} bytes.`,
        );
      }
    } else {
      if (this.#partBytes > this.#limits.maxFieldBytes) {
        throw new MultipartError(
          "fieldSize",
          `The field "${part.name}" is larger than ${this.#limits.maxFieldBytes} bytes.`,
        );
      }
      this.#holdInMemory(length);
    }
    this.#sink.onPartData(bytes, start, end);
  }

  #holdInMemory(length: number): void {
    this.#fieldsBytes += length;
    if (this.#fieldsBytes > this.#limits.maxFieldsBytes) {
      throw new MultipartError(
        "fieldsSize",
        `The fields and part headers are larger than ${this.#limits.maxFieldsBytes} bytes.`,
      );
    }
  }

  #beginHeader(): void {
    this.#endPart();
    this.#partCount++;
    if (this.#partCount > this.#limits.maxParts) {
      throw new MultipartError("partCount", `The form has more than ${this.#limits.maxParts} parts.`);
    }
    this.#headerBytes = 0;
    this.#lineStart = 0;
  }

  /**
   * Collects the header section; returns the position behind its empty line, or -1 when the input ended
   * first.
   */
  #readHeader(bytes: Uint8Array, start: number, end: number): number {
    for (let position = start; position < end; position++) {
      if (this.#headerBytes >= this.#limits.maxPartHeaderBytes) {
        throw new MultipartError(
          "partHeaderSize",
          `A part's header section is larger than ${this.#limits.maxPartHeaderBytes} bytes.`,
        );
      }
      if (this.#headerBytes === this.#header.length) this.#growHeader();
      const octet = octetAt(bytes, position);
      this.#header[this.#headerBytes++] = octet;
      if (octet !== LF) continue;
      // RFC 2046 section 4.1.1: a line ends with CRLF, and neither octet stands alone.
      if (this.#header[this.#headerBytes - 2] !== CR) {
        throw new MultipartError("partHeader", "A line of a part's header section does not end with CRLF.");
      }
      if (this.#headerBytes - this.#lineStart === 2) return position + 1;
      this.#lineStart = this.#headerBytes;
    }
    return -1;
  }

  #growHeader(): void {
    const larger = new Uint8Array(this.#header.length * 2);
    larger.set(this.#header);
    this.#header = larger;
  }

  #beginPart(): void {
    const part = parsePart(this.#header.subarray(0, this.#headerBytes - 2));
    this.#holdInMemory(this.#headerBytes);
    this.#part = part;
    this.#partBytes = 0;
    // A delimiter may follow at once: the empty line's CRLF is then its own (RFC 2046 section 5.1.1,
    // body-part).
    this.#matched = 2;
    this.#assumed = 2;
    this.#sink.onPartBegin(part);
  }

  #endPart(): void {
    if (this.#part === undefined) return;
    this.#part = undefined;
    this.#sink.onPartEnd();
  }
}

const HYPHEN_ALONE = Uint8Array.of(HYPHEN);

function behindDelimiter(octet: number): MultipartError {
  return new MultipartError(
    "delimiterLine",
    `The octet 0x${octet.toString(16).padStart(2, "0")} follows the padding behind a delimiter.`,
  );
}
