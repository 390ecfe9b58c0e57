/**
 * Is this a host, and is it followed by a port? For the Host field and the authority of a request-target.
 * Runs on: any; runtime API: none
 *
 * RFC 9110 section 7.2 (`Host = uri-host [ ":" port ]`) and RFC 3986 section 3.2.2 (IP-literal, IPv4address, reg-name).
 * Stricter than the grammar in four points, each because nothing that speaks HTTP has such a name: no comma in a
 * reg-name, no IPvFuture (no version of it is defined), no port above 65535, no port without a host.
 *
 * Invariant: what is a host here can stand in a URL (URL standard, section 3.5, "host parser"). A handler's
 * `new URL(request.url)` would throw else, for anyone who likes to fill a log. So in a name there is
 * 1. no percent-encoding, which a URL decodes, and finds perhaps no host in it;
 * 2. no number at its end, unless it is an IPv4 address: the URL standard takes it for one, or fails;
 * 3. no Punycode that this runtime refuses. They differ about it, so it is asked, and only about names that have some.
 */
import {
  CLOSING_BRACKET,
  COLON,
  DIGIT_0,
  DOT,
  equalsIgnoringCase,
  hexValue,
  HYPHEN,
  isDigit,
  isRegNameOctet,
  isUnhyphenatedOctet,
  octetAt,
  octetsOf,
  OPENING_BRACKET,
} from "./octets.ts";

const MAX_PORT = 65535;
const IPV6_GROUPS = 8;
const PUNYCODE = octetsOf("xn--");
const LETTER_X = 0x78;

const decoder = new TextDecoder();

/** Whether bytes[start..end) is a host that is not empty, with or without ":" and a port, which may be empty. */
export function isHostAndPort(bytes: Uint8Array, start: number, end: number): boolean {
  const hostEnd = endOfHost(bytes, start, end);
  if (hostEnd <= start) return false;
  return hostEnd === end || (octetAt(bytes, hostEnd) === COLON && portNumber(bytes, hostEnd + 1, end) >= 0);
}

/**
 * Whether bytes[start..end) is a host, ":" and a port to connect to. A CONNECT with an empty or invalid port must be
 * refused (RFC 9110 section 9.3.6), and no connection leads to port 0.
 */
export function isHostAndConnectPort(bytes: Uint8Array, start: number, end: number): boolean {
  const hostEnd = endOfHost(bytes, start, end);
  if (hostEnd <= start || hostEnd === end) return false;
  return octetAt(bytes, hostEnd) === COLON && portNumber(bytes, hostEnd + 1, end) > 0;
}

/** The end of the host that begins at `start`; -1 when it is malformed; `start` when it is empty. */
function endOfHost(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return start;
  if (octetAt(bytes, start) === OPENING_BRACKET) {
    let close = start + 1;
    while (close < end && octetAt(bytes, close) !== CLOSING_BRACKET) close++;
    return close < end && isIpv6Address(bytes, start + 1, close) ? close + 1 : -1;
  }
  let position = start;
  while (position < end && isUnhyphenatedOctet(octetAt(bytes, position))) position++;
  const hyphen = position;
  while (position < end && isRegNameOctet(octetAt(bytes, position))) position++;
  if (position < end && octetAt(bytes, position) !== COLON) return -1;
  if (position === start) return start;
  if (endsInNumber(bytes, start, position) && !isIpv4Address(bytes, start, position)) return -1;
  return hyphen === position || isPunycodeOfUrl(bytes, start, hyphen, position) ? position : -1;
}

/** Whether this runtime takes what Punycode there is in a name whose first hyphen is at `hyphen`. */
function isPunycodeOfUrl(bytes: Uint8Array, start: number, hyphen: number, end: number): boolean {
  for (let position = Math.max(hyphen, start + 2); position + 1 < end; position++) {
    if (octetAt(bytes, position) !== HYPHEN || octetAt(bytes, position + 1) !== HYPHEN) continue;
    if (equalsIgnoringCase(bytes, position - 2, position + 2, PUNYCODE)) {
      return URL.canParse(`http://${decoder.decode(bytes.subarray(start, end))}/`);
    }
  }
  return true;
}

/** URL standard, "ends-in-a-number checker": the last label is decimal, or hexadecimal behind "0x". */
function endsInNumber(bytes: Uint8Array, start: number, end: number): boolean {
  let last = octetAt(bytes, end - 1);
  let labelEnd = end;
  if (last === DOT) {
    if (end - start < 2) return false;
    labelEnd = end - 1;
    last = octetAt(bytes, labelEnd - 1);
  }
  // Nearly every name is told by its last letter.
  if (hexValue(last) < 0 && (last | 0x20) !== LETTER_X) return false;
  let label = labelEnd;
  while (label > start && octetAt(bytes, label - 1) !== DOT) label--;
  let digits = label;
  while (digits < labelEnd && isDigit(octetAt(bytes, digits))) digits++;
  if (digits === labelEnd) return true;
  if (digits !== label + 1 || octetAt(bytes, label) !== DIGIT_0) return false;
  if ((octetAt(bytes, digits) | 0x20) !== LETTER_X) return false;
  digits++;
  while (digits < labelEnd && hexValue(octetAt(bytes, digits)) >= 0) digits++;
  return digits === labelEnd;
}

/** The port's number, 0 when it is empty; -1 when it is malformed or too large. */
function portNumber(bytes: Uint8Array, start: number, end: number): number {
  let port = 0;
  for (let position = start; position < end; position++) {
    const octet = octetAt(bytes, position);
    if (!isDigit(octet)) return -1;
    port = port * 10 + (octet - DIGIT_0);
    if (port > MAX_PORT) return -1;
  }
  return port;
}

/** IPv6address of RFC 3986 section 3.2.2: eight groups, or fewer with one "::", the last two perhaps as IPv4. */
function isIpv6Address(bytes: Uint8Array, start: number, end: number): boolean {
  let groups = 0;
  let compressed = false;
  let position = start;
  if (isDoubleColon(bytes, start, end)) {
    compressed = true;
    position += 2;
  }
  while (position < end) {
    const groupStart = position;
    while (position < end && hexValue(octetAt(bytes, position)) >= 0) position++;
    if (position < end && octetAt(bytes, position) === DOT) {
      if (!isIpv4Address(bytes, groupStart, end)) return false;
      groups += 2;
      break;
    }
    const digits = position - groupStart;
    if (digits < 1 || digits > 4) return false;
    groups++;
    if (position === end) break;
    if (isDoubleColon(bytes, position, end)) {
      if (compressed) return false;
      compressed = true;
      position += 2;
    } else {
      // A colon must follow, and another group behind it.
      if (octetAt(bytes, position) !== COLON || position + 1 === end) return false;
      position++;
    }
  }
  return compressed ? groups < IPV6_GROUPS : groups === IPV6_GROUPS;
}

function isDoubleColon(bytes: Uint8Array, position: number, end: number): boolean {
  return position + 2 <= end && octetAt(bytes, position) === COLON && octetAt(bytes, position + 1) === COLON;
}

/** IPv4address of RFC 3986 section 3.2.2: four numbers up to 255 without leading zeros. */
function isIpv4Address(bytes: Uint8Array, start: number, end: number): boolean {
  let position = start;
  for (let count = 1; count <= 4; count++) {
    const numberStart = position;
    let value = 0;
    while (position < end && position - numberStart < 3 && isDigit(octetAt(bytes, position))) {
      value = value * 10 + (octetAt(bytes, position) - DIGIT_0);
      position++;
    }
    const digits = position - numberStart;
    if (digits === 0 || value > 255) return false;
    if (digits > 1 && octetAt(bytes, numberStart) === DIGIT_0) return false;
    if (count === 4) return position === end;
    if (position === end || octetAt(bytes, position) !== DOT) return false;
    position++;
  }
  return false;
}
