/**
 * The machine that reads a request's head octet by octet: the grammar, every error, every limit.
 * Runs on: I/O thread; runtime API: none
 *
 * RFC 9112 sections 2 to 5. One state per element; a state is entered with at least one octet to look at, and the
 * machine may stop behind any octet and go on there. Invariant: no octet is looked at twice by later calls, and what a
 * head results in depends on its octets alone, never on the pieces they came in; so each error is decided by the first
 * octet that makes it certain, and limits count octets seen. `HeadParser` adds a quick way through usual heads.
 */
import { fieldKindOf } from "./framing_fields.ts";
import {
  COLON,
  CR,
  DIGIT_0,
  DOT,
  isBlank,
  isDigit,
  isFieldValueOctet,
  isTargetOctet,
  isToken,
  LF,
  octetAt,
  octetsOf,
  SP,
} from "./octets.ts";
import { ParseError } from "./parse_error.ts";
import { OFFSETS_PER_FIELD, RequestHead } from "./request_head.ts";

/** Limits of one head. */
export interface HeadLimits {
  /** Octets of the whole head, request line and empty lines included; 1 to 65,535 (offsets have 16 bits). 414 or 431. */
  readonly maxHeaderBytes: number;
  /** Field lines; more get 431. */
  readonly maxHeaderFields: number;
}

/** Octets of a method; longer ones get 501 (RFC 9112 section 3). The longest that is registered has 17. */
export const MAX_METHOD_BYTES = 64;

/** Empty lines that are skipped before a request line: one should be (RFC 9112 section 2.2), old clients send it. */
const MAX_EMPTY_LINES = 4;

/** What the next octet belongs to. */
export const State = {
  BeforeRequest: 0,
  EmptyLineLf: 1,
  Method: 2,
  Target: 3,
  Version: 4,
  RequestLineLf: 5,
  LineStart: 6,
  FieldName: 7,
  BeforeValue: 8,
  FieldValue: 9,
  FieldLineLf: 10,
  LastLf: 11,
} as const;

const NAME_OF_HTTP = octetsOf("HTTP/");

/** Reads heads one after the other, slowly and surely. */
export class HeadMachine extends RequestHead {
  protected state: number = State.BeforeRequest;
  /** Where to go on, counted from the start of the head. */
  protected position = 0;
  /** Where the element began that `position` is in, where that matters. */
  protected mark = 0;
  readonly #maxHeaderBytes: number;
  #emptyLines = 0;

  /** @throws RangeError when a limit is out of range */
  constructor(limits: HeadLimits) {
    const { maxHeaderBytes, maxHeaderFields } = limits;
    if (!(maxHeaderBytes >= 1 && maxHeaderBytes <= 0xffff)) {
      throw new RangeError(`Cannot limit a head to ${maxHeaderBytes} bytes: wanted 1 to 65535`);
    }
    if (!(maxHeaderFields >= 1 && maxHeaderFields <= 0xffff)) {
      throw new RangeError(`Cannot limit a head to ${maxHeaderFields} fields: wanted 1 to 65535`);
    }
    super(maxHeaderFields);
    this.#maxHeaderBytes = maxHeaderBytes;
  }

  /** An octet of the head has been seen. Empty lines before it are none of it (RFC 9112 section 2.2). */
  get hasBegun(): boolean {
    return this.state > State.EmptyLineLf;
  }

  /** Makes ready for the next head. The results of the last one hold until then. */
  reset(): void {
    this.state = State.BeforeRequest;
    this.position = 0;
    this.#emptyLines = 0;
    this.clear();
  }

  /**
   * Feeds bytes[start..end): the octets of the last call again, in this array or another, with more behind them.
   *
   * @param start where this head began
   * @returns more than 0: the head is complete and has that many octets; 0: it needs more; less than 0: minus a code
   *   of `parse_error.ts`. After anything but 0 the next call must be `reset()`.
   */
  parse(bytes: Uint8Array, start: number, end: number): number {
    return this.step(bytes, start, this.limit(start, end));
  }

  /** Where reading must stop: at the end of the octets, or where the largest head would end. */
  protected limit(start: number, end: number): number {
    const last = start + this.#maxHeaderBytes;
    return end < last ? end : last;
  }

  /** Goes on from `state` and `position` to the end of the head, an error or the limit. Returns what `parse` does. */
  protected step(bytes: Uint8Array, start: number, limit: number): number {
    let state = this.state;
    let i = start + this.position;
    let mark = start + this.mark;
    while (i < limit) {
      const octet = octetAt(bytes, i);
      switch (state) {
        case State.BeforeRequest:
          if (octet === CR) {
            i++;
            state = State.EmptyLineLf;
            break;
          }
          this.headStart = i - start;
          mark = i;
          state = State.Method;
          break;

        case State.EmptyLineLf:
          if (octet !== LF) return -ParseError.LineEnd.code;
          if (++this.#emptyLines > MAX_EMPTY_LINES) return -ParseError.EmptyLines.code;
          i++;
          state = State.BeforeRequest;
          break;

        case State.Method:
          while (i < limit && isToken(octetAt(bytes, i))) i++;
          if (i - mark > MAX_METHOD_BYTES) return -ParseError.MethodTooLong.code;
          if (i === limit) break;
          if (octetAt(bytes, i) !== SP || i === mark) return -ParseError.Method.code;
          this.methodEnd = i - start;
          mark = ++i;
          state = State.Target;
          break;

        case State.Target:
          while (i < limit && isTargetOctet(octetAt(bytes, i))) i++;
          if (i === limit) break;
          if (octetAt(bytes, i) !== SP || i === mark) return -ParseError.TargetOctet.code;
          this.targetStart = mark - start;
          this.targetEnd = i - start;
          mark = ++i;
          state = State.Version;
          break;

        case State.Version:
          if (!this.#acceptsInVersion(i - mark, octet)) return -ParseError.Version.code;
          i++;
          if (octet === CR) state = State.RequestLineLf;
          break;

        case State.RequestLineLf: {
          if (octet !== LF) return -ParseError.LineEnd.code;
          const error = this.judgeRequestLine(bytes, start);
          if (error !== 0) return -error;
          i++;
          state = State.LineStart;
          break;
        }

        case State.LineStart:
          if (octet === CR) {
            i++;
            state = State.LastLf;
            break;
          }
          if (isBlank(octet)) {
            return this.fieldCount === 0 ? -ParseError.LeadingBlank.code : -ParseError.LineFolding.code;
          }
          if (this.fieldCount * OFFSETS_PER_FIELD === this.fields.length) {
            return -ParseError.TooManyFields.code;
          }
          mark = i;
          state = State.FieldName;
          break;

        case State.FieldName: {
          while (i < limit && isToken(octetAt(bytes, i))) i++;
          if (i === limit) break;
          const next = octetAt(bytes, i);
          if (i === mark) return -ParseError.FieldName.code;
          if (next !== COLON) {
            return isBlank(next) ? -ParseError.BlankBeforeColon.code : -ParseError.FieldName.code;
          }
          const index = this.fieldCount * OFFSETS_PER_FIELD;
          this.fields[index] = mark - start;
          this.fields[index + 1] = i - start;
          i++;
          state = State.BeforeValue;
          break;
        }

        case State.BeforeValue:
          if (isBlank(octet)) {
            i++;
            break;
          }
          mark = i;
          state = State.FieldValue;
          break;

        case State.FieldValue: {
          while (i < limit && isFieldValueOctet(octetAt(bytes, i))) i++;
          if (i === limit) break;
          const next = octetAt(bytes, i);
          if (next !== CR) return next === LF ? -ParseError.LineEnd.code : -ParseError.FieldValue.code;
          let valueEnd = i;
          while (valueEnd > mark && isBlank(octetAt(bytes, valueEnd - 1))) valueEnd--;
          const index = this.fieldCount * OFFSETS_PER_FIELD;
          this.fields[index + 2] = mark - start;
          this.fields[index + 3] = valueEnd - start;
          i++;
          state = State.FieldLineLf;
          break;
        }

        case State.FieldLineLf: {
          if (octet !== LF) return -ParseError.LineEnd.code;
          const fields = this.fields;
          const index = this.fieldCount++ * OFFSETS_PER_FIELD;
          const kind = fieldKindOf(bytes, start + fields[index]!, start + fields[index + 1]!);
          const error = this.noteField(
            kind,
            bytes,
            start,
            start + fields[index + 2]!,
            start + fields[index + 3]!,
          );
          if (error !== 0) return -error;
          i++;
          state = State.LineStart;
          break;
        }

        case State.LastLf: {
          if (octet !== LF) return -ParseError.LineEnd.code;
          const error = this.judgeHeaderSection();
          return error !== 0 ? -error : i + 1 - start;
        }
      }
    }
    // The largest head has no octet left to become complete with.
    if (i - start === this.#maxHeaderBytes) {
      return state < State.LineStart ? -ParseError.RequestLineTooLong.code : -ParseError.HeaderTooLarge.code;
    }
    return this.stopAt(state, i - start, mark - start);
  }

  /** Keeps the place to go on from. Returns 0, so that whoever runs out of octets can return it. */
  protected stopAt(state: number, position: number, mark: number): 0 {
    this.state = state;
    this.position = position;
    this.mark = mark;
    return 0;
  }

  /** Whether the octet may stand at `index` of `HTTP/1.1` CR (RFC 9112 section 2.3). Notes the digits. */
  #acceptsInVersion(index: number, octet: number): boolean {
    if (index < NAME_OF_HTTP.length) return octet === octetAt(NAME_OF_HTTP, index);
    switch (index) {
      case 5:
        this.majorVersion = octet - DIGIT_0;
        return isDigit(octet);
      case 6:
        return octet === DOT;
      case 7:
        this.minorVersion = octet === DIGIT_0 ? 0 : 1;
        return isDigit(octet);
      default:
        return octet === CR;
    }
  }
}
