/**
 * The six request fields that the I/O thread acts upon itself: recognising their names, reading their lists.
 * Runs on: any; runtime API: none
 *
 * Host (RFC 9112 section 3.2), Connection and Upgrade (RFC 9110 sections 7.6.1 and 7.8), Content-Length and
 * Transfer-Encoding (RFC 9112 section 6), Expect (RFC 9110 section 10.1.1). Every other field travels as offsets.
 */
import { memberEnd, memberStart } from "./list_members.ts";
import { equalsIgnoringCase, octetAt, octetsOf } from "./octets.ts";

/** Which of the six a field name is; 0 for all others. */
export const FieldKind = {
  Other: 0,
  Host: 1,
  Connection: 2,
  Upgrade: 3,
  ContentLength: 4,
  TransferEncoding: 5,
  Expect: 6,
} as const;

/** A value of {@link FieldKind}. */
export type FieldKind = typeof FieldKind[keyof typeof FieldKind];

/** Connection options that mean something here, as bits. */
export const ConnectionOption = {
  Close: 1,
  KeepAlive: 2,
  Upgrade: 4,
} as const;

const HOST = octetsOf("host");
const EXPECT = octetsOf("expect");
const UPGRADE = octetsOf("upgrade");
const CONNECTION = octetsOf("connection");
const CONTENT_LENGTH = octetsOf("content-length");
const TRANSFER_ENCODING = octetsOf("transfer-encoding");
const CLOSE = octetsOf("close");
const KEEP_ALIVE = octetsOf("keep-alive");
const CONTINUE = octetsOf("100-continue");

/** By length of a name, the first letter that one of the six has at that length (no two share a length). */
const FIRST_LETTERS = new Uint8Array(256);
for (const name of [HOST, EXPECT, UPGRADE, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING]) {
  FIRST_LETTERS[name.length] = name[0]!;
}

/** Whether a name of this length and first octet may be one of the six: settles nearly every field at once. */
export function mayBeKind(firstOctet: number, length: number): boolean {
  return FIRST_LETTERS[length & 0xff] === (firstOctet | 0x20);
}

/**
 * Recognises the field name bytes[start..end), which was checked to be a token. Length and first letter settle nearly
 * every name; only what is left is compared.
 */
export function fieldKindOf(bytes: Uint8Array, start: number, end: number): FieldKind {
  const letter = octetAt(bytes, start) | 0x20;
  switch (end - start) {
    case 4:
      return letter === 0x68 && equalsIgnoringCase(bytes, start, end, HOST) ? FieldKind.Host : 0;
    case 6:
      return letter === 0x65 && equalsIgnoringCase(bytes, start, end, EXPECT) ? FieldKind.Expect : 0;
    case 7:
      return letter === 0x75 && equalsIgnoringCase(bytes, start, end, UPGRADE) ? FieldKind.Upgrade : 0;
    case 10:
      return letter === 0x63 && equalsIgnoringCase(bytes, start, end, CONNECTION) ? FieldKind.Connection : 0;
    case 14:
      return letter === 0x63 && equalsIgnoringCase(bytes, start, end, CONTENT_LENGTH)
        ? FieldKind.ContentLength
        : 0;
    case 17:
      return letter === 0x74 && equalsIgnoringCase(bytes, start, end, TRANSFER_ENCODING)
        ? FieldKind.TransferEncoding
        : 0;
    default:
      return 0;
  }
}

/** The bits of {@link ConnectionOption} in one Connection field value; options that are unknown are ignored. */
export function connectionOptionsIn(bytes: Uint8Array, start: number, end: number): number {
  let options = 0;
  let to = start;
  for (let from = memberStart(bytes, start, end); from < end; from = memberStart(bytes, to, end)) {
    to = memberEnd(bytes, from, end);
    if (equalsIgnoringCase(bytes, from, to, KEEP_ALIVE)) options |= ConnectionOption.KeepAlive;
    else if (equalsIgnoringCase(bytes, from, to, CLOSE)) options |= ConnectionOption.Close;
    else if (equalsIgnoringCase(bytes, from, to, UPGRADE)) options |= ConnectionOption.Upgrade;
  }
  return options;
}

/** Whether every expectation in one Expect field value is 100-continue. */
export function expectsOnlyContinue(bytes: Uint8Array, start: number, end: number): boolean {
  let to = start;
  for (let from = memberStart(bytes, start, end); from < end; from = memberStart(bytes, to, end)) {
    to = memberEnd(bytes, from, end);
    if (!equalsIgnoringCase(bytes, from, to, CONTINUE)) return false;
  }
  return true;
}

/** Whether a list field value has a member that is not empty. */
export function hasMember(bytes: Uint8Array, start: number, end: number): boolean {
  return memberStart(bytes, start, end) < end;
}
