/**
 * The octets of HTTP by name and by class, and comparison without strings.
 * Runs on: any; runtime API: none
 *
 * Classes follow RFC 9110 section 5.6.2 (token), section 5.5 (field value), section 5.6.4 (quoted string), and
 * RFC 3986 section 3.2.2 (reg-name). One table of bits answers for all of them, so each question costs one load.
 * Invariant: callers pass positions inside the array; nothing here checks bounds.
 */

export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const DOUBLE_QUOTE = 0x22;
export const ASTERISK = 0x2a;
export const COMMA = 0x2c;
export const HYPHEN = 0x2d;
export const DOT = 0x2e;
export const SLASH = 0x2f;
export const DIGIT_0 = 0x30;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;
export const EQUALS = 0x3d;
export const QUESTION_MARK = 0x3f;
export const OPENING_BRACKET = 0x5b;
export const BACKSLASH = 0x5c;
export const CLOSING_BRACKET = 0x5d;

const TOKEN = 1;
const TARGET = 2;
const FIELD_VALUE = 4;
const REG_NAME = 8;
const QUOTED_TEXT = 16;
const UNHYPHENATED = 32;

// Not exported: only then does V8 know the table when it compiles, and reads it without checks (heads nearly twice as fast).
const CLASSES = classTable();
const HEX_VALUES = hexTable();

/** The octet at `position`, which must lie inside `bytes`. */
export function octetAt(bytes: Uint8Array, position: number): number {
  return bytes[position]!;
}

/** tchar of RFC 9110 section 5.6.2: what methods and field names are made of. */
export function isToken(octet: number): boolean {
  return (CLASSES[octet]! & TOKEN) !== 0;
}

/**
 * What may stand in a request-target: visible ASCII but "#". RFC 3986 allows less, but browsers send `|`, `{`, `}`,
 * `^` and `` ` `` in queries as they are (URL standard, query percent-encode set), and none of them can end the line.
 */
export function isTargetOctet(octet: number): boolean {
  return (CLASSES[octet]! & TARGET) !== 0;
}

/** field-vchar, SP and HTAB of RFC 9110 section 5.5: everything but control characters, obs-text included. */
export function isFieldValueOctet(octet: number): boolean {
  return (CLASSES[octet]! & FIELD_VALUE) !== 0;
}

/** unreserved or sub-delims of RFC 3986 section 2 without the comma (two Host lines that were joined have one). */
export function isRegNameOctet(octet: number): boolean {
  return (CLASSES[octet]! & REG_NAME) !== 0;
}

/** The same without the hyphen: most names are made of these alone, and have no Punycode then. */
export function isUnhyphenatedOctet(octet: number): boolean {
  return (CLASSES[octet]! & UNHYPHENATED) !== 0;
}

/** qdtext of RFC 9110 section 5.6.4. */
export function isQuotedText(octet: number): boolean {
  return (CLASSES[octet]! & QUOTED_TEXT) !== 0;
}

/**
 * SP or HTAB: the white space of OWS and BWS, RFC 9110 section 5.6.3. Numbers here, because V8 fetches an exported
 * constant anew at each use, which costs a browser's head 5 %.
 */
export function isBlank(octet: number): boolean {
  return octet === 0x20 || octet === 0x09;
}

/** An ASCII digit. */
export function isDigit(octet: number): boolean {
  return octet >= 0x30 && octet <= 0x39;
}

/** The value of a hexadecimal digit, or -1. */
export function hexValue(octet: number): number {
  return HEX_VALUES[octet]!;
}

/** The octets of an ASCII text, for the constants that the functions below compare with. */
export function octetsOf(text: string): Uint8Array {
  const octets = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) octets[i] = text.charCodeAt(i);
  return octets;
}

/**
 * Whether bytes[start..end) is `word`, upper and lower case alike.
 *
 * The range must hold no control characters (a checked field name or value): setting the bit 0x20 would turn CR into
 * "-" and 0x10–0x19 into digits.
 *
 * @param word lower case letters, digits and "-"
 */
export function equalsIgnoringCase(bytes: Uint8Array, start: number, end: number, word: Uint8Array): boolean {
  const length = word.length;
  if (end - start !== length) return false;
  for (let i = 0; i < length; i++) {
    if ((octetAt(bytes, start + i) | 0x20) !== octetAt(word, i)) return false;
  }
  return true;
}

/** Whether bytes[start..end) is exactly `word`. */
export function equalsExactly(bytes: Uint8Array, start: number, end: number, word: Uint8Array): boolean {
  const length = word.length;
  if (end - start !== length) return false;
  for (let i = 0; i < length; i++) {
    if (octetAt(bytes, start + i) !== octetAt(word, i)) return false;
  }
  return true;
}

function classTable(): Uint8Array {
  const classes = new Uint8Array(256);
  const add = (first: number, last: number, bits: number): void => {
    for (let octet = first; octet <= last; octet++) classes[octet]! |= bits;
  };
  const addEach = (octets: string, bits: number): void => {
    for (const octet of octets) add(octet.charCodeAt(0), octet.charCodeAt(0), bits);
  };
  add(0x30, 0x39, TOKEN | REG_NAME | UNHYPHENATED);
  add(0x41, 0x5a, TOKEN | REG_NAME | UNHYPHENATED);
  add(0x61, 0x7a, TOKEN | REG_NAME | UNHYPHENATED);
  addEach("!#$%&'*+-.^_`|~", TOKEN);
  addEach("-._~!$&'()*+;=", REG_NAME);
  addEach("._~!$&'()*+;=", UNHYPHENATED);
  add(0x21, 0x7e, TARGET | FIELD_VALUE | QUOTED_TEXT);
  classes[0x23]! &= ~TARGET;
  classes[DOUBLE_QUOTE]! &= ~QUOTED_TEXT;
  classes[BACKSLASH]! &= ~QUOTED_TEXT;
  addEach(" \t", FIELD_VALUE | QUOTED_TEXT);
  add(0x80, 0xff, FIELD_VALUE | QUOTED_TEXT);
  return classes;
}

function hexTable(): Int8Array {
  const values = new Int8Array(256).fill(-1);
  for (let digit = 0; digit < 16; digit++) {
    const text = digit.toString(16);
    values[text.charCodeAt(0)] = digit;
    values[text.toUpperCase().charCodeAt(0)] = digit;
  }
  return values;
}
