/**
 * Encodes server-sent events (HTML standard, section 9.2.5 "Parsing an event stream", read backwards).
 * Runs on: any; runtime API: none
 *
 * A line of an event stream ends with LF, CR or CR LF, so data of several lines becomes several `data` fields and
 * arrives with LF between its lines whatever stood there. The names of events and ids are one line by nature: a line
 * end in them would be a way to inject fields and is refused, as is NUL, which would make a client ignore the id.
 */
import { CartoucheError } from "../errors.ts";

/** One event; at least one member must be given. */
export interface ServerSentEvent {
  /**
   * The text. Without it (and without `event`) the client only takes note of `id` and `retry` and no event is
   * dispatched.
   */
  readonly data?: string | undefined;
  /** The event's type; "message" when omitted or empty. An event without data has empty data. */
  readonly event?: string | undefined;
  /** The last event ID, which the client sends again when it reconnects; "" makes it forget. */
  readonly id?: string | undefined;
  /** The reconnection time in milliseconds. */
  readonly retry?: number | undefined;
}

const LINE_END = /\r\n|\r|\n/;
const NOT_IN_A_LINE = /[\r\n\0]/;

function checkLine(name: string, value: unknown): asserts value is string {
  if (typeof value !== "string") {
    throw new CartoucheError("ERR_EVENT", `The ${name} of an event must be a string: it is ${typeof value}.`);
  }
  if (NOT_IN_A_LINE.test(value)) {
    throw new CartoucheError(
      "ERR_EVENT",
      `The ${name} of an event must have no CR, LF or NUL: it is ${JSON.stringify(value)}.`,
    );
  }
}

/** The lines of a text, each with a field name (or nothing, for a comment) and its end. */
function encodeLines(field: string, text: string): string {
  if (!LINE_END.test(text)) return `${field}: ${text}\n`;
  let lines = "";
  for (const line of text.split(LINE_END)) lines += `${field}: ${line}\n`;
  return lines;
}

/**
 * Encodes an event, its empty line included.
 *
 * @returns text to send as UTF-8; a surrogate without its partner becomes U+FFFD there
 * @throws CartoucheError `ERR_EVENT` when a member has the wrong type, `event` or `id` has a CR, LF or NUL, `retry` is
 *   no whole number of at least 0, or no member is given
 */
export function encodeEvent(event: ServerSentEvent): string {
  const { data, event: type, id, retry } = event;
  let text = "";
  if (type !== undefined) {
    checkLine("event", type);
    if (type !== "") text += `event: ${type}\n`;
  }
  if (id !== undefined) {
    checkLine("id", id);
    text += `id: ${id}\n`;
  }
  if (retry !== undefined) {
    if (!Number.isSafeInteger(retry) || retry < 0) {
      throw new CartoucheError(
        "ERR_EVENT",
        `The retry of an event must be a whole number of milliseconds, 0 or more: it is ${retry}.`,
      );
    }
    text += `retry: ${retry}\n`;
  }
  if (data !== undefined) {
    if (typeof data !== "string") {
      throw new CartoucheError("ERR_EVENT", `The data of an event must be a string: it is ${typeof data}.`);
    }
    text += encodeLines("data", data);
  } else if (type !== undefined) {
    text += "data: \n";
  }
  if (text === "") {
    throw new CartoucheError("ERR_EVENT", "An event must have data, event, id or retry: it has none.");
  }
  return text + "\n";
}

/** Encodes a comment, which clients ignore and which keeps a connection from looking idle. Its lines may be several. */
export function encodeComment(text: string = ""): string {
  return text === "" ? ":\n\n" : encodeLines("", text) + "\n";
}
