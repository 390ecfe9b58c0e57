/**
 * What the I/O thread answers when no worker does: each refusal with its status and its sentence.
 * Runs on: I/O thread; runtime API: none
 *
 * `close`: the connection ends with it, because what follows on it is not known to be a request, or not wanted.
 */
import { describeParseError } from "../http/parse_error.ts";
import type { LocalResponse } from "./local_response.ts";

/** FIN came inside a header section. */
export const ENDED_IN_HEAD: LocalResponse = {
  status: 400,
  detail: "The request ended inside its header section.",
  close: true,
};

/** FIN came inside a body. */
export const ENDED_IN_CONTENT: LocalResponse = {
  status: 400,
  detail: "The request ended inside its content.",
  close: true,
};

/** `headerTimeoutMs` has passed. */
export const HEAD_TOO_SLOW: LocalResponse = {
  status: 408,
  detail: "The header section did not arrive in time.",
  close: true,
};

/** `bodyTimeoutMs` has passed without an octet. */
export const CONTENT_TOO_SLOW: LocalResponse = {
  status: 408,
  detail: "The content did not arrive in time.",
  close: true,
};

/** A proxy is not what this is (RFC 9110 section 9.3.6). */
export const NO_CONNECT: LocalResponse = { status: 501, detail: "CONNECT is not implemented.", close: true };

/** The ring is full (`maxWaiting`) and nothing moves. */
export const TOO_MANY_WAIT: LocalResponse = {
  status: 503,
  detail: "Too many requests wait for a thread.",
  fields: [["Retry-After", "1"]],
  close: true,
};

/** `maxWaitMs` has passed in the ring. */
export const NO_THREAD_FREE: LocalResponse = {
  status: 503,
  detail: "No thread was free in time.",
  fields: [["Retry-After", "1"]],
  close: false,
};

/** An upgrade while the server stops. */
export const STOPPING: LocalResponse = { status: 503, detail: "The server stops.", close: true };

/** An upgrade while the table of sockets is full. */
export const TOO_MANY_SOCKETS: LocalResponse = {
  status: 503,
  detail: "There are too many sockets.",
  close: true,
};

/** `deadlineMs` has passed in the handler. */
export const OVERDUE: LocalResponse = {
  status: 503,
  detail: "The handler did not answer in time.",
  close: false,
};

/** The thread is gone, and with it what it ran. */
export const THREAD_DIED: LocalResponse = {
  status: 500,
  detail: "The thread that ran this request died.",
  close: false,
};

/** Octets that are no request. @param error a code of `parse_error.ts` */
export function malformed(error: number): LocalResponse {
  const { status, reason } = describeParseError(error);
  return { status, detail: reason, close: true };
}

/** Content-Length says more than `maxBodyBytes`. */
export function contentTooLong(length: number, limit: number): LocalResponse {
  return { status: 413, detail: `The content has ${length} octets; the limit is ${limit}.`, close: true };
}

/** More content came than `maxBodyBytes`. */
export function contentBeyondLimit(limit: number): LocalResponse {
  return { status: 413, detail: `The content is longer than the limit of ${limit} octets.`, close: true };
}
