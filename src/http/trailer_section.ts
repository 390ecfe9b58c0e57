/**
 * Reads the trailer section behind the last chunk, and keeps of it what may come that late.
 * Runs on: I/O thread; runtime API: none
 *
 * RFC 9112 section 7.1.2 and RFC 9110 section 6.5. Field lines are as strict as in the header section. Fields that had
 * to be known before the content are dropped and change nothing. Invariant: the result depends on the octets alone,
 * not on the pieces they come in, and each octet is looked at once.
 */
import { COLON, CR, isBlank, isFieldValueOctet, isToken, LF, octetAt } from "./octets.ts";
import { ParseError } from "./parse_error.ts";

/**
 * Fields that have no meaning in a request's trailer section: RFC 9110 section 6.5.1 forbids those that serve message
 * framing, routing, authentication, request modifiers, response controls or content format.
 */
const FORBIDDEN: ReadonlySet<string> = new Set([
  // Framing and the connection.
  "content-length",
  "transfer-encoding",
  "trailer",
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "upgrade",
  // Routing.
  "host",
  "forwarded",
  "via",
  "max-forwards",
  // Authentication and state.
  "authorization",
  "proxy-authorization",
  "cookie",
  "set-cookie",
  // Request modifiers.
  "expect",
  "cache-control",
  "pragma",
  "range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
  "if-range",
  // Content format.
  "content-encoding",
  "content-type",
  "content-range",
]);

/** Octets that become text at once; an argument list must not grow without bound. */
const TEXT_PIECE_BYTES = 1024;

/** What the next octet belongs to. */
const State = {
  LineStart: 0,
  Name: 1,
  BeforeValue: 2,
  Value: 3,
  LineLf: 4,
  LastLf: 5,
} as const;

/** Reads one trailer section after the other. */
export class TrailerSection {
  /** Behind the last octet that {@link read} took. */
  position = 0;

  readonly #maxBytes: number;
  #state: number = State.LineStart;
  #size = 0;
  #name = "";
  #value = "";
  /** Never changed once it is given away: an empty one is replaced by the first field, a full one by reset. */
  #fields: [string, string][] = [];

  /** @param maxBytes octets of all field lines, line ends included; more get 431; 0 allows no field line */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The fields that were kept, in order: names in lower case, values as one character per octet. */
  get fields(): readonly [string, string][] {
    return this.#fields;
  }

  /** Makes ready for the next section and forgets the fields. */
  reset(): void {
    if (this.#fields.length > 0) this.#fields = [];
    this.#state = State.LineStart;
    this.#size = 0;
    this.#name = "";
    this.#value = "";
  }

  /**
   * Takes octets of bytes[start..end), as many as belong to the section.
   *
   * @returns 1: complete; 0: it needs more; less than 0: minus a code of `parse_error.ts`
   */
  read(bytes: Uint8Array, start: number, end: number): number {
    let i = start;
    while (i < end) {
      const octet = octetAt(bytes, i);
      if (this.#state === State.LastLf) {
        this.position = i + 1;
        return octet === LF ? 1 : -ParseError.LineEnd.code;
      }
      if (this.#state === State.LineStart) {
        if (octet === CR) {
          this.#state = State.LastLf;
          i++;
          continue;
        }
        if (isBlank(octet)) return -ParseError.LineFolding.code;
        this.#state = State.Name;
      }
      // The empty line does not count, everything else does.
      const room = this.#maxBytes - this.#size;
      if (room === 0) return -ParseError.TrailerTooLarge.code;
      const next = this.#readInLine(bytes, i, Math.min(end, i + room));
      if (next < 0) return next;
      this.#size += next - i;
      i = next;
    }
    this.position = end;
    return 0;
  }

  /** @returns the position behind what one state took of bytes[start..limit), or minus an error code */
  #readInLine(bytes: Uint8Array, start: number, limit: number): number {
    let i = start;
    switch (this.#state) {
      case State.Name: {
        while (i < limit && isToken(octetAt(bytes, i))) i++;
        this.#name += textOf(bytes, start, i);
        if (i === limit) return i;
        const octet = octetAt(bytes, i);
        if (this.#name === "") return -ParseError.FieldName.code;
        if (octet !== COLON) {
          return isBlank(octet) ? -ParseError.BlankBeforeColon.code : -ParseError.FieldName.code;
        }
        this.#state = State.BeforeValue;
        return i + 1;
      }
      case State.BeforeValue:
        while (i < limit && isBlank(octetAt(bytes, i))) i++;
        if (i < limit) this.#state = State.Value;
        return i;
      case State.Value: {
        while (i < limit && isFieldValueOctet(octetAt(bytes, i))) i++;
        this.#value += textOf(bytes, start, i);
        if (i === limit) return i;
        const octet = octetAt(bytes, i);
        if (octet !== CR) return octet === LF ? -ParseError.LineEnd.code : -ParseError.FieldValue.code;
        this.#state = State.LineLf;
        return i + 1;
      }
      default:
        if (octetAt(bytes, i) !== LF) return -ParseError.LineEnd.code;
        this.#keepField();
        this.#state = State.LineStart;
        return i + 1;
    }
  }

  #keepField(): void {
    const name = this.#name.toLowerCase();
    if (!FORBIDDEN.has(name)) {
      const field: [string, string] = [name, withoutTrailingBlanks(this.#value)];
      if (this.#fields.length === 0) this.#fields = [field];
      else this.#fields.push(field);
    }
    this.#name = "";
    this.#value = "";
  }
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end; i += TEXT_PIECE_BYTES) {
    text += String.fromCharCode(...bytes.subarray(i, Math.min(i + TEXT_PIECE_BYTES, end)));
  }
  return text;
}

/** Not `trimEnd`, which takes 0xA0 for white space. */
function withoutTrailingBlanks(text: string): string {
  let end = text.length;
  while (end > 0 && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(0, end);
}
