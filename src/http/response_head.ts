/**
 * The head of a response as text: status line, fields, framing.
 * Runs on: any; runtime API: none
 *
 * RFC 9112 sections 4, 6.3 and 7.1; RFC 9110 sections 6.6.1 (Date), 7.6.1 (Connection) and 8.6 (Content-Length).
 *
 * Which framing a response gets:
 * 1. 1xx, 204, 304: no content, no framing fields of ours (a 304 keeps a Content-Length that the handler gave).
 * 2. HEAD: the framing fields of the GET, no content.
 * 3. The length is known: exact Content-Length.
 * 4. HTTP/1.1: chunked.
 * 5. HTTP/1.0: no length; the end of the connection is the end of the content.
 */
import { Buffer } from "node:buffer";
import { CartoucheError } from "../errors.ts";
import { reasonPhrase } from "./status.ts";

/** How the content is delimited. */
export const Framing = {
  /** There is no content and nothing to say about it. */
  None: 0,
  Length: 1,
  Chunked: 2,
  /** Until the connection ends. */
  Close: 3,
} as const;
export type Framing = typeof Framing[keyof typeof Framing];

/** What of the request decides about the response's head. */
export interface RequestFacts {
  readonly isHttp11: boolean;
  readonly keepAlive: boolean;
  readonly isHead: boolean;
}

/** A head in the making. */
export interface ResponseHead {
  /** Ends with the empty line. Octets above 0x7F stand for themselves (obs-text, latin1). */
  text: string;
  framing: Framing;
  /** The connection ends behind this response. */
  close: boolean;
}

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const BAD_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const DIGITS = /^(?:0|[1-9][0-9]{0,15})$/;

/** Whether a status code has no content by definition (RFC 9110 sections 15.2, 15.3.5, 15.4.5). */
export function hasNoContent(status: number): boolean {
  return status < 200 || status === 204 || status === 304;
}

/**
 * Makes a head.
 *
 * @param fields names and values by turns; framing fields and Connection are looked at, checked and set as they must be
 * @param length octets of the content; -1: not known ahead
 * @param date value of the Date field, sent unless `fields` has one
 * @throws CartoucheError `ERR_HEADER` for a field that RFC 9110 section 5 does not allow,
 * `ERR_RESULT` for a status outside 100..999
 */
export function responseHead(
  request: RequestFacts,
  status: number,
  statusText: string,
  fields: readonly string[],
  length: number,
  date: string,
): ResponseHead {
  if (!Number.isInteger(status) || status < 100 || status > 999) {
    throw new CartoucheError("ERR_RESULT", `status ${status} is outside 100..999`);
  }
  const phrase = statusText === "" || BAD_VALUE.test(statusText) ? reasonPhrase(status) : statusText;
  let text = `HTTP/1.1 ${status} ${phrase}\r\n`;
  let close = !request.keepAlive;
  let hasDate = false;
  let given = -1;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (!NAME.test(name) || BAD_VALUE.test(value)) {
      throw new CartoucheError(
        "ERR_HEADER",
        `field ${JSON.stringify(name)} has a name or value that HTTP does not allow`,
      );
    }
    switch (name.length) {
      case 4:
        if (name.toLowerCase() === "date") hasDate = true;
        break;
      case 10:
        if (name.toLowerCase() === "connection") {
          if (/(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(value)) close = true;
          // The rest of what it can say is about this connection and ours to say; an upgrade is no answer of a handler.
          continue;
        }
        if (name.toLowerCase() === "keep-alive") continue;
        break;
      case 14:
        if (name.toLowerCase() === "content-length") {
          if (!DIGITS.test(value)) {
            throw new CartoucheError("ERR_HEADER", `Content-Length is ${JSON.stringify(value)}`);
          }
          given = Number(value);
          continue;
        }
        break;
      case 17:
        // Ours alone: a second opinion about the framing is how responses get split.
        if (name.toLowerCase() === "transfer-encoding") continue;
    }
    text += `${name}: ${value}\r\n`;
  }
  if (!hasDate && status >= 200) text += `Date: ${date}\r\n`;
  let framing: Framing = Framing.None;
  if (hasNoContent(status)) {
    if (status === 304 && given >= 0) text += `Content-Length: ${given}\r\n`;
  } else if (length >= 0) {
    framing = Framing.Length;
    // A handler that answers HEAD says how long the content of GET would be.
    text += `Content-Length: ${request.isHead && given >= 0 && length === 0 ? given : length}\r\n`;
  } else if (given >= 0) {
    framing = Framing.Length;
    text += `Content-Length: ${given}\r\n`;
  } else if (request.isHttp11) {
    framing = Framing.Chunked;
    text += "Transfer-Encoding: chunked\r\n";
  } else {
    framing = Framing.Close;
    close = true;
  }
  if (status >= 200) {
    if (close) text += "Connection: close\r\n";
    else if (!request.isHttp11) text += "Connection: keep-alive\r\n";
  }
  return { text: text + "\r\n", framing: request.isHead ? Framing.None : framing, close };
}

const encoder = new TextEncoder();
// deno-lint-ignore no-control-regex
const NON_ASCII = /[^\x00-\x7f]/;

/** A head as octets: latin1, so that obs-text stays what it was (RFC 9110 section 5.5). */
export function encodeHead(head: string): Uint8Array {
  return NON_ASCII.test(head) ? new Uint8Array(Buffer.from(head, "latin1")) : encoder.encode(head);
}
