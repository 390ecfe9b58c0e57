/**
 * The responses that the I/O thread gives by itself: refusals and time-outs, small and complete.
 * Runs on: I/O thread; runtime API: none
 *
 * They are made without a worker because that is when they are needed: malformed requests, full queues, dead threads.
 */
import { reasonPhrase } from "../http/status.ts";
import { dateField } from "../http/date_field.ts";

const encoder = new TextEncoder();

/** What a local response says beyond its status. */
export interface LocalResponse {
  readonly status: number;
  /** One sentence for the person who reads it. */
  readonly detail: string;
  /** Further fields. */
  readonly fields?: readonly (readonly [name: string, value: string])[];
  /** Whether the connection ends with it. */
  readonly close: boolean;
}

/** Encodes a local response; `headOnly` for HEAD. */
export function encodeLocalResponse(response: LocalResponse, headOnly: boolean): Uint8Array {
  const phrase = reasonPhrase(response.status);
  const body = `${response.status} ${phrase}: ${response.detail}\n`;
  let head =
    `HTTP/1.1 ${response.status} ${phrase}\r\nDate: ${dateField(Math.floor(Date.now() / 1000))}\r\n` +
    `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${encoder.encode(body).length}\r\n`;
  for (const [name, value] of response.fields ?? []) head += `${name}: ${value}\r\n`;
  if (response.close) head += "Connection: close\r\n";
  return encoder.encode(head + "\r\n" + (headOnly ? "" : body));
}

/** `HTTP/1.1 100 Continue`, RFC 9110 section 15.2.1. */
export const CONTINUE: Uint8Array = encoder.encode("HTTP/1.1 100 Continue\r\n\r\n");
