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
  /** Events of one WebSocket, in order (`socket_message.ts`). */
  SocketEvents: 2,
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
  /** Events of a WebSocket that belongs to this worker; as `RingKind.SocketEvents`. */
  SocketEvents: 7,
  /** An event stream that this worker opened has ended; connection: its index, a: its generation. */
  StreamClosed: 8,
  /** The socket that the request becomes; connection: its index, a: its generation, 0: it cannot. */
  SocketOpened: 9,
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
  /** The request becomes a WebSocket or event stream: `UpgradeMessage`. */
  Upgrade: 6,
  /** Octets to a socket, whole frames or events; connection: index, b: generation, a: `SendFlag` bits. */
  SocketSend: 7,
  /** Ends a socket; connection: index, b: generation, a: close code or 0; bytes: reason. */
  SocketClose: 8,
  /** Cuts a socket without a closing handshake. */
  SocketTerminate: 9,
  /** connection: index, b: generation; bytes: `encodeSubscribe`, or of Unsubscribe the topic. */
  Subscribe: 10,
  Unsubscribe: 11,
  /** bytes: `PublishMessage`; a: `SendFlag.More` while it is split; connection, b: a socket that is left out, b 0: none. */
  Publish: 12,
  /** The first a events of a batch have been handled, and the next begins; b 1: bytes are the connection's data now. */
  SocketProgress: 13,
  /** A batch of events is through; bytes: `BatchResult`, or none if nothing changed. b 1: it was given up (Abort). */
  SocketDone: 14,
  /** A message of the client was at fault; as SocketClose, but nothing more is read or told. */
  SocketFail: 15,
  /** A sender was told to rest: the socket owes a drain event. */
  SocketDrain: 16,
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

/** Bits of a send record. */
export const SendFlag = {
  /** The rest comes in further records; nothing of it leaves before the last. */
  More: 1,
  /** The sender has waited for room: a slow client is no reason to close. */
  Waited: 2,
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
} as const;

/** Octets of a streamed response that a worker may send ahead of the client; then it waits for credit. */
export const RESPONSE_WINDOW_BYTES = 256 * 1024;

/** Octets of a request body that a worker asks for at a time. */
export const BODY_WINDOW_BYTES = 128 * 1024;
/**
 * How long the handlers of requests that were given up may take to clean up behind themselves when their thread
 * leaves, ms.
 */
export const UNWIND_MS = 2_000;

/** A larger record is split. */
export const MAX_RECORD_BYTES = 64 * 1024;

/** How long answers of fast handlers may gather before they are announced, µs of handlers; slower ones go at once. */
export const HOLD_US = 400;
