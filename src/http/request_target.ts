/**
 * Which of its four forms a request-target has, and whether it may have it.
 * Runs on: any; runtime API: none
 *
 * RFC 9112 section 3.2. Bad percent-encoding in a path or query is not an error here: it delimits nothing, and what
 * decodes it knows what to say. Invariant: the octets were checked with `isTargetOctet` before.
 */
import { isHostAndConnectPort, isHostAndPort } from "./host.ts";
import { ASTERISK, equalsIgnoringCase, octetAt, octetsOf, QUESTION_MARK, SLASH } from "./octets.ts";
import { ParseError } from "./parse_error.ts";

/** The forms of RFC 9112 section 3.2. */
export const TargetForm = {
  /** `/path?query`. */
  Origin: 0,
  /** `http://host/path?query`; its authority takes the place of the Host field's. */
  Absolute: 1,
  /** `*`, with OPTIONS: the server as a whole. */
  Asterisk: 2,
  /** `host:port`, with CONNECT. */
  Authority: 3,
} as const;

/** A value of {@link TargetForm}. */
export type TargetForm = typeof TargetForm[keyof typeof TargetForm];

/** What the method allows the target to be. */
export const TargetRule = {
  /** Origin-form or absolute-form: every method but the two below. */
  Ordinary: 0,
  /** Asterisk-form too: OPTIONS. */
  AllowAsterisk: 1,
  /** Authority-form and nothing else: CONNECT. */
  OnlyAuthority: 2,
} as const;

/** A value of {@link TargetRule}. */
export type TargetRule = typeof TargetRule[keyof typeof TargetRule];

const HTTP_SCHEME = octetsOf("http");
const HTTPS_SCHEME = octetsOf("https");

/**
 * Finds the form of bytes[start..end), which is not empty.
 *
 * @returns a {@link TargetForm}, or minus a code of `parse_error.ts`
 */
export function targetFormOf(bytes: Uint8Array, start: number, end: number, rule: TargetRule): number {
  // authority-form (section 3.2.3) is recognised by the method alone: "a:80" would be a URI of scheme "a" too.
  if (rule === TargetRule.OnlyAuthority) {
    return isHostAndConnectPort(bytes, start, end) ? TargetForm.Authority : -ParseError.TargetAuthority.code;
  }
  const first = octetAt(bytes, start);
  // origin-form (section 3.2.1)
  if (first === SLASH) return TargetForm.Origin;
  // asterisk-form (section 3.2.4)
  if (first === ASTERISK && end === start + 1 && rule === TargetRule.AllowAsterisk) {
    return TargetForm.Asterisk;
  }
  // absolute-form (section 3.2.2)
  const authorityStart = startOfAuthority(bytes, start, end);
  if (authorityStart < 0) return -ParseError.TargetForm.code;
  // An http URI has a host that is not empty (RFC 9110 section 4.2.1), and userinfo in it is an error (section 4.2.4).
  const valid = isHostAndPort(bytes, authorityStart, endOfAuthority(bytes, authorityStart, end));
  return valid ? TargetForm.Absolute : -ParseError.TargetAuthority.code;
}

/** Where the authority of an absolute-form begins; -1 when the scheme is neither http nor https. */
export function startOfAuthority(bytes: Uint8Array, start: number, end: number): number {
  const tls = end - start > 4 && (octetAt(bytes, start + 4) | 0x20) === 0x73;
  const schemeEnd = start + (tls ? 5 : 4);
  const authorityStart = schemeEnd + 3;
  if (authorityStart > end) return -1;
  if (!equalsIgnoringCase(bytes, start, schemeEnd, tls ? HTTPS_SCHEME : HTTP_SCHEME)) return -1;
  const separated = octetAt(bytes, schemeEnd) === 0x3a && octetAt(bytes, schemeEnd + 1) === SLASH &&
    octetAt(bytes, schemeEnd + 2) === SLASH;
  return separated ? authorityStart : -1;
}

/** Where the authority that begins at `authorityStart` ends and path and query, both perhaps empty, begin. */
export function endOfAuthority(bytes: Uint8Array, authorityStart: number, end: number): number {
  let position = authorityStart;
  while (position < end) {
    const octet = octetAt(bytes, position);
    if (octet === SLASH || octet === QUESTION_MARK) break;
    position++;
  }
  return position;
}
