/**
 * What the head of a request says: the parser's results, and the judgements that need more than one octet.
 * Runs on: I/O thread; runtime API: none
 *
 * RFC 9112 sections 3, 6 and 9. `HeadParser` finds the boundaries and calls in here at the end of the request line, of
 * each field line that matters, and of the header section. Invariant: everything is an offset, a number or a boolean;
 * offsets count from the octet where the head began, so they survive a move of the octets to another buffer.
 */
import {
  addTransferCodings,
  decideBodyLength,
  NO_CODINGS,
  NO_LENGTH,
  parseContentLength,
} from "./body_length.ts";
import {
  ConnectionOption,
  connectionOptionsIn,
  expectsOnlyContinue,
  FieldKind,
  hasMember,
} from "./framing_fields.ts";
import { isHostAndPort } from "./host.ts";
import { equalsExactly, octetAt, octetsOf, SLASH } from "./octets.ts";
import { ParseError } from "./parse_error.ts";
import { endOfAuthority, startOfAuthority, TargetForm, targetFormOf, TargetRule } from "./request_target.ts";

/** Numbers per field line in {@link RequestHead.fields}. */
export const OFFSETS_PER_FIELD = 4;

const HEAD = octetsOf("HEAD");
const CONNECT = octetsOf("CONNECT");
const OPTIONS = octetsOf("OPTIONS");

/** The results of one head; they hold until the parser is reset. */
export class RequestHead {
  /** Where the method begins: behind the empty lines that were skipped. All offsets count from the head's start. */
  headStart = 0;
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  targetForm: TargetForm = TargetForm.Origin;
  /** Where path and query begin in the target; `targetEnd` when there are none (`*`, authority-form, `http://a`). */
  pathStart = 0;
  /** The host and port that the request is for: the target's in absolute- and authority-form, else the Host field's. */
  authorityStart = 0;
  /** Equal to `authorityStart` when the Host field is empty, or missing in HTTP/1.0. */
  authorityEnd = 0;
  /** The digit before the dot of the HTTP-version. A head that was accepted has 1. */
  majorVersion = 1;
  /** 1.2 to 1.9 count as 1.1 (RFC 9112 section 2.3). */
  minorVersion: 0 | 1 = 1;
  isHead = false;
  isConnect = false;

  /** Field lines in {@link fields}. */
  fieldCount = 0;
  /** Four offsets per field line: name start, name end, value start, value end, without the white space around it. */
  readonly fields: Uint16Array;

  /** Octets of content that were announced; -1 without a Content-Length. */
  contentLength = NO_LENGTH;
  /** The body is chunked; `contentLength` is -1 then. */
  chunked = false;
  /** The client wants the connection to persist (RFC 9112 section 9.3). */
  keepAlive = true;
  /** The client waits for 100 (Continue); always false in HTTP/1.0 (RFC 9110 section 10.1.1). */
  expectContinue = false;
  /** There are an Upgrade field and the option "upgrade"; always false in HTTP/1.0 (RFC 9110 section 7.8). */
  upgrade = false;

  #hostSeen = false;
  #upgradeSeen = false;
  #connectionOptions = 0;
  #codings = NO_CODINGS;

  constructor(maxHeaderFields: number) {
    this.fields = new Uint16Array(maxHeaderFields * OFFSETS_PER_FIELD);
  }

  /**
   * Forgets what a head adds up over its lines, and what is asked of a head that was refused before its request line
   * was whole; the rest is written anew by the next head.
   */
  protected clear(): void {
    this.isHead = false;
    this.fieldCount = 0;
    this.authorityStart = 0;
    this.authorityEnd = 0;
    this.contentLength = NO_LENGTH;
    this.expectContinue = false;
    this.#hostSeen = false;
    this.#upgradeSeen = false;
    this.#connectionOptions = 0;
    this.#codings = NO_CODINGS;
  }

  /**
   * Judges version, method and target together, when their offsets are known.
   *
   * @returns 0 or an error code
   */
  protected judgeRequestLine(bytes: Uint8Array, start: number): number {
    // First, so that the preface of HTTP/2 (`PRI * HTTP/2.0`) hears what is wrong with it.
    if (this.majorVersion !== 1) return ParseError.VersionNotSupported.code;
    const methodStart = start + this.headStart;
    const methodEnd = start + this.methodEnd;
    const methodLength = methodEnd - methodStart;
    this.isHead = methodLength === 4 && equalsExactly(bytes, methodStart, methodEnd, HEAD);
    this.isConnect = methodLength === 7 && equalsExactly(bytes, methodStart, methodEnd, CONNECT);

    const targetStart = start + this.targetStart;
    const targetEnd = start + this.targetEnd;
    // What nearly every request has; the rest of this function would find the same.
    if (octetAt(bytes, targetStart) === SLASH && !this.isConnect) {
      this.targetForm = TargetForm.Origin;
      this.pathStart = this.targetStart;
      return 0;
    }
    let rule: TargetRule = TargetRule.Ordinary;
    if (this.isConnect) rule = TargetRule.OnlyAuthority;
    else if (equalsExactly(bytes, methodStart, methodEnd, OPTIONS)) rule = TargetRule.AllowAsterisk;
    const form = targetFormOf(bytes, targetStart, targetEnd, rule);
    if (form < 0) return -form;
    this.targetForm = form as TargetForm;
    this.pathStart = this.targetEnd;
    if (form === TargetForm.Absolute) {
      const authorityStart = startOfAuthority(bytes, targetStart, targetEnd);
      this.authorityStart = authorityStart - start;
      this.authorityEnd = endOfAuthority(bytes, authorityStart, targetEnd) - start;
      this.pathStart = this.authorityEnd;
    } else if (form === TargetForm.Authority) {
      this.authorityStart = this.targetStart;
      this.authorityEnd = this.targetEnd;
    }
    return 0;
  }

  /**
   * Takes what one of the fields says that matter here. Its value lies at bytes[from..to).
   *
   * @returns 0 or an error code
   */
  protected noteField(kind: FieldKind, bytes: Uint8Array, start: number, from: number, to: number): number {
    switch (kind) {
      case FieldKind.Host:
        if (this.#hostSeen) return ParseError.HostRepeated.code;
        this.#hostSeen = true;
        // Empty when the target URI has no authority (RFC 9112 section 3.2).
        if (from !== to && !isHostAndPort(bytes, from, to)) return ParseError.HostValue.code;
        // An authority in the target wins over the field (RFC 9112 section 3.2.2).
        if (this.authorityEnd === 0) {
          this.authorityStart = from - start;
          this.authorityEnd = to - start;
        }
        return 0;
      case FieldKind.Connection:
        this.#connectionOptions |= connectionOptionsIn(bytes, from, to);
        return 0;
      case FieldKind.Upgrade:
        if (hasMember(bytes, from, to)) this.#upgradeSeen = true;
        return 0;
      case FieldKind.ContentLength: {
        if (this.contentLength !== NO_LENGTH) return ParseError.ContentLengthRepeated.code;
        const length = parseContentLength(bytes, from, to);
        if (length < 0) return -length;
        this.contentLength = length;
        return 0;
      }
      case FieldKind.TransferEncoding:
        this.#codings = addTransferCodings(this.#codings, bytes, from, to);
        return 0;
      case FieldKind.Expect:
        // Ignored in HTTP/1.0 (RFC 9110 section 10.1.1).
        if (this.minorVersion === 0) return 0;
        if (!expectsOnlyContinue(bytes, from, to)) return ParseError.Expectation.code;
        if (hasMember(bytes, from, to)) this.expectContinue = true;
        return 0;
      default:
        return 0;
    }
  }

  /**
   * Judges what only the whole header section can tell.
   *
   * @returns 0 or an error code
   */
  protected judgeHeaderSection(): number {
    const minorVersion = this.minorVersion;
    // RFC 9112 section 3.2: 400 to any HTTP/1.1 request that lacks a Host field.
    if (!this.#hostSeen && minorVersion === 1) return ParseError.HostMissing.code;
    const framing = decideBodyLength(this.contentLength, this.#codings, minorVersion);
    if (framing < 0) return -framing;
    this.chunked = framing === 1;
    // RFC 9112 section 9.3: "close" wins, then HTTP/1.1 persists, then HTTP/1.0 does with "keep-alive".
    const options = this.#connectionOptions;
    if ((options & ConnectionOption.Close) !== 0) this.keepAlive = false;
    else this.keepAlive = minorVersion === 1 || (options & ConnectionOption.KeepAlive) !== 0;
    // RFC 9110 section 7.8: the field must be ignored in HTTP/1.0, and without the connection option.
    this.upgrade = minorVersion === 1 && this.#upgradeSeen && (options & ConnectionOption.Upgrade) !== 0;
    return 0;
  }
}
