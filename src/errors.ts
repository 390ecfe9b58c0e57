/**
 * The one error class, and the table of its codes.
 * Runs on: any; runtime API: none
 *
 * A code is part of the interface and never changes its meaning; the text beside it may. Compare `code`, not the
 * class: two copies of the library in one program have two classes. Between threads an error travels as the plain
 * record `{ code, message }`, because structured clone drops both the class and the code.
 */

/** Every code a {@link CartoucheError} can carry, with what it means. */
export const ERROR_CODES = {
  // The caller's mistake.
  ERR_OPTION: "An option has the wrong type or lies outside its range.",
  ERR_PATTERN: "A route pattern cannot work; the message says why.",
  ERR_ALREADY_RESPONDED: "The request has its answer already.",
  // On a TypeError, as the Fetch standard has it.
  ERR_BODY_USED: "The body of the request was read before, or is being read.",
  ERR_RESULT: "A handler returned or sent something that is no answer, or no content of one.",
  ERR_HEADER: "A field name or value holds what RFC 9110 section 5 does not allow, or fields are no pairs.",
  ERR_APP: "The module has no default export with a fetch function.",
  ERR_NEXT: "A middleware called next() a second time.",
  ERR_CLOSE: "A close code or reason is not one that RFC 6455 section 7.4 lets a close frame carry.",
  ERR_SOCKET:
    "Something a WebSocket connection cannot do or carry, or that befell it; the message says what.",
  ERR_EVENT: "A field of a server-sent event holds what its grammar cannot carry.",
  // The peer's.
  ERR_BODY_TOO_LARGE: "The request body is larger than the limit.",
  ERR_BODY_SYNTAX: "The request body is malformed (a bad chunk, a bad form).",
  ERR_CLIENT_GONE: "The client closed or reset the connection.",
  ERR_TIMEOUT: "The client was silent for too long.",
  // Ours, and the machine's.
  ERR_DEADLINE: "The handler overran its deadline.",
  ERR_LISTEN: "The address could not be bound; cause has the reason.",
  ERR_WORKER: "A worker thread died or could not be started.",
  ERR_STORAGE: "The disk refused an upload; cause has the reason.",
  ERR_STORAGE_FULL: "The disk, or a quota on it, has no room for an upload (507).",
  ERR_UPLOAD_LOST: "Another request has taken an upload over from this one (423).",
  ERR_UPLOAD_PART: "A part of a concatenation is missing, unfinished or no partial upload (400).",
  ERR_FILE_CHANGED: "A file became shorter while it was being sent; the connection is cut.",
  ERR_RUNTIME: "The runtime lacks something that is needed; the message names it.",
} as const;

/** A stable code of a {@link CartoucheError}. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What Cartouche throws. */
export class CartoucheError extends Error {
  /** What went wrong; stable across versions. */
  readonly code: ErrorCode;

  /**
   * @param code what went wrong
   * @param message the same for a person, with the value at fault
   * @param cause the error behind it, if there is one
   */
  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "CartoucheError";
    this.code = code;
  }
}
