/**
 * Every kind of record that crosses between threads: its number, its direction, its meaning.
 * Runs on: any; runtime API: none
 *
 * A record has a kind, a ticket (which request it is about), a connection, bytes, and two numbers a and b.
 */

/** Request ring: I/O thread → any worker. */
export const RingKind = {
  /** A request: head, offset table, small body (`request_message.ts`). */
  Request: 1,
} as const;

/** Inbox: I/O thread → this worker. */
export const InboxKind = {
  /** Content of a request body: bytes. */
  Body: 1,
  /** The body is complete; bytes: trailer fields as JSON, or none. */
  BodyEnd: 2,
  /** The body will not come; a: `BodyFailure`. */
  BodyFailed: 3,
  /** Give this request up; a: `AbortReason`. The worker answers with Done at once. */
  Abort: 4,
  /** a more octets of a streamed response may be sent. */
  Credit: 5,
  /** Finish what is under way and leave. */
  Stop: 6,
} as const;

/** Outbox: this worker → I/O thread. */
export const OutboxKind = {
  /** Octets of a response, encoded; a: `ResponseFlag` bits. */
  Response: 1,
  /** The handler is async: the request stays with this worker while others run. */
  Taken: 2,
  /** Send a more octets of the request body. */
  Pull: 3,
  /** A log record (`logging/logger.ts`). */
  Log: 4,
  /** This worker has handed over everything and leaves. */
  Bye: 5,
} as const;

/** Bits of a response record. */
export const ResponseFlag = {
  /** The response is complete with these octets. */
  Final: 1,
  /** The worker is through with the request: its ticket is free. */
  Done: 2,
  /** Close the connection behind the response. */
  Close: 4,
  /** The response broke off: cut the connection so that the client knows. */
  Cut: 8,
  /** An interim (1xx) response: it does not count as the answer. */
  Interim: 16,
} as const;

/** Why a body will not come. */
export const BodyFailure = {
  /** The client closed or reset the connection. */
  Gone: 1,
  /** The body grew past the limit. */
  TooLarge: 2,
  /** Malformed chunked coding. */
  Malformed: 3,
  /** The client sent nothing for too long. */
  TimedOut: 4,
} as const;

/** Why a request is given up. */
export const AbortReason = {
  /** The client closed or reset the connection. */
  Gone: 1,
  /** The handler overran its deadline; the client has its 503. */
  Deadline: 2,
  /** The server stops. */
  Stopping: 3,
} as const;

/** Octets of a streamed response that a worker may send ahead of the client; then it waits for credit. */
export const RESPONSE_WINDOW_BYTES = 256 * 1024;

/** Octets of a request body that a worker asks for at a time. */
export const BODY_WINDOW_BYTES = 128 * 1024;

/** A larger record is split. */
export const MAX_RECORD_BYTES = 64 * 1024;
