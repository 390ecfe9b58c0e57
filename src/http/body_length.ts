/**
 * How long the body of a request is: RFC 9112 section 6.3, rule by rule.
 * Runs on: any; runtime API: none
 *
 * Whoever disagrees with another server about this opens the door to request smuggling, so everything that two
 * readers could take differently is refused. Invariant: a request is accepted with at most one of a Content-Length
 * of one number in one field line, and a Transfer-Encoding whose only member is "chunked".
 */
import { memberEnd, memberStart } from "./list_members.ts";
import { DIGIT_0, equalsIgnoringCase, isDigit, octetAt, octetsOf } from "./octets.ts";
import { ParseError } from "./parse_error.ts";

/** The length when no Content-Length field came. */
export const NO_LENGTH = -1;

/** The transfer codings before any Transfer-Encoding field line was seen. */
export const NO_CODINGS = 0;
/** A Transfer-Encoding field line was seen, even one without members. */
const CODINGS_SEEN = 1;
const CHUNKED = 2;
/** A coding that is not "chunked", or is "chunked" with something attached to it. */
const OTHER_CODING = 4;
/** Any coding behind "chunked", a second "chunked" included. */
const AFTER_CHUNKED = 8;

const CHUNKED_NAME = octetsOf("chunked");

/**
 * Reads a Content-Length field value: digits only, no sign, no list. A number above 2^53 - 1 is well-formed and too
 * large, hence 413 and not 400 (RFC 9110 section 8.6 warns of rounding it).
 *
 * @returns the length, or minus a code of `parse_error.ts`
 */
export function parseContentLength(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return -ParseError.ContentLength.code;
  let length = 0;
  for (let position = start; position < end; position++) {
    const octet = octetAt(bytes, position);
    if (!isDigit(octet)) return -ParseError.ContentLength.code;
    // Rounding cannot bring the sum below the bound again: from 2^53 on it only grows.
    length = length * 10 + (octet - DIGIT_0);
  }
  return length > Number.MAX_SAFE_INTEGER ? -ParseError.ContentTooLarge.code : length;
}

/**
 * Adds the members of one Transfer-Encoding field value to what the lines before it said.
 *
 * @param codings {@link NO_CODINGS}, or what the previous call returned
 */
export function addTransferCodings(codings: number, bytes: Uint8Array, start: number, end: number): number {
  let result = codings | CODINGS_SEEN;
  let to = start;
  for (let from = memberStart(bytes, start, end); from < end; from = memberStart(bytes, to, end)) {
    to = memberEnd(bytes, from, end);
    if ((result & CHUNKED) !== 0) result |= AFTER_CHUNKED;
    result |= equalsIgnoringCase(bytes, from, to, CHUNKED_NAME) ? CHUNKED : OTHER_CODING;
  }
  return result;
}

/**
 * Decides how the body is delimited, from all that the header section said.
 *
 * @param length {@link NO_LENGTH} or a number of {@link parseContentLength}
 * @param codings {@link NO_CODINGS} or the sum of {@link addTransferCodings}
 * @returns 1 when the body is chunked; 0 when it has `length` octets (none with NO_LENGTH); or minus an error code
 */
export function decideBodyLength(length: number, codings: number, minorVersion: 0 | 1): number {
  // 1. Responses to HEAD and 1xx, 204, 304 responses: not applicable, this is a request.
  // 2. 2xx responses to CONNECT: not applicable, this is a request.
  if (codings !== NO_CODINGS) {
    // 3. Both fields: an attempt at smuggling, as it says; a server may reject it (section 6.1), and so it is.
    if (length !== NO_LENGTH) return -ParseError.LengthAndCoding.code;
    //    Before rule 4, section 6.1: Transfer-Encoding in HTTP/1.0 is faulty framing.
    if (minorVersion === 0) return -ParseError.CodingInOldVersion.code;
    // 4. Transfer-Encoding. In a request whose final coding is not chunked the length cannot be known: 400.
    //    Chunked twice is the sender's violation of section 7.1, and behind it the end is as unknown.
    if ((codings & CHUNKED) === 0 || (codings & AFTER_CHUNKED) !== 0) {
      return -ParseError.CodingNotChunked.code;
    }
    //    A coding that is not understood: 501 (section 6.1).
    if ((codings & OTHER_CODING) !== 0) return -ParseError.CodingUnknown.code;
    return 1;
  }
  // 5. An invalid Content-Length: refused by `parseContentLength`. The list of equal numbers that the rule would let
  //    pass, and the repeated line, may be rejected as well (RFC 9110 section 8.6), and are.
  // 6. A valid Content-Length: that many octets.
  // 7. A request with neither: zero octets.
  // 8. A response without a length: not applicable, this is a request.
  return 0;
}
