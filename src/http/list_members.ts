/**
 * Walks a comma-separated list in a field value, without strings.
 * Runs on: any; runtime API: none
 *
 * RFC 9110 section 5.6.1: members are separated by commas and optional white space, and empty members are ignored.
 * The functions do not know quoted strings: they serve Connection, Transfer-Encoding and Expect, where a comma inside
 * quotes only ever belongs to a member that is refused or ignored anyway.
 *
 *     for (let from = memberStart(bytes, start, end), to = 0; from < end; from = memberStart(bytes, to, end)) {
 *       to = memberEnd(bytes, from, end);
 *     }
 */
import { COMMA, isBlank, octetAt } from "./octets.ts";

/** The first octet of the next member that is not empty, or `end` when there is none. */
export function memberStart(bytes: Uint8Array, from: number, end: number): number {
  let position = from;
  while (position < end) {
    const octet = octetAt(bytes, position);
    if (octet !== COMMA && !isBlank(octet)) break;
    position++;
  }
  return position;
}

/** The end of the member that begins at `start`, without the white space behind it. */
export function memberEnd(bytes: Uint8Array, start: number, end: number): number {
  let position = start;
  while (position < end && octetAt(bytes, position) !== COMMA) position++;
  while (position > start && isBlank(octetAt(bytes, position - 1))) position--;
  return position;
}
