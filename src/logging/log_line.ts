/**
 * A log record as text: one line for a person, or one line of JSON.
 * Runs on: any; runtime API: none
 *
 * Parts of a record come from clients (a path, a field value), so nothing in it may look like another record
 * or reach the terminal as a control sequence. Invariant: a text record has one line that begins with its
 * time, and all others are indented; a JSON record is one line; neither holds a control character but those
 * line feeds.
 */
import type { LogRecord, LogValue } from "./logger.ts";

/**
 * C0 and C1 controls, DEL, line and paragraph separator, and the characters that change the direction of
 * writing.
 */
// deno-lint-ignore no-control-regex
const UNSAFE = /[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g;

/**
 * `2026-03-01T12:00:00.000Z WARN  [worker 2] message name=value name="with space"`, then an error's stack,
 * indented. Ends with a line feed.
 */
export function textLine(record: LogRecord): string {
  const { level, time, message, fields, error, thread } = record;
  let line = `${timeText(time)} ${level.toUpperCase().padEnd(5)} [${visible(thread)}] ${visible(message)}`;
  for (const [name, value] of Object.entries(fields ?? {})) line += ` ${word(name)}=${word(value)}`;
  if (error === undefined) return `${line}\n`;
  const title = `${error.name}: ${error.message}`;
  line += ` error=${word(title)}`;
  if (error.code !== undefined) line += ` code=${word(error.code)}`;
  line += "\n";
  // The runtimes put the title above the stack: it stands in the line already.
  const stack = error.stack?.startsWith(title) ? error.stack.slice(title.length) : error.stack;
  for (const frame of (stack ?? "").split(/\r\n|\r|\n/)) {
    if (frame.trim() !== "") line += `    ${visible(frame.trim())}\n`;
  }
  return line;
}

/**
 * One JSON object with `time` (ISO 8601), `level`, `thread`, `message`, and `fields` and `error` if there are
 * any.
 */
export function jsonLine(record: LogRecord): string {
  const { level, time, message, fields, error, thread } = record;
  const json = JSON.stringify({ time: timeText(time), level, thread, message, fields, error });
  return `${json.replace(UNSAFE, unicodeEscape)}\n`;
}

/** `text` with unsafe characters as escapes, so that it stays on its line and harmless. */
export function visible(text: string): string {
  return text.replace(UNSAFE, (character) => {
    if (character === "\n") return "\\n";
    if (character === "\r") return "\\r";
    if (character === "\t") return "\\t";
    return unicodeEscape(character);
  });
}

/**
 * A name or value as one word; in quotation marks, with escapes, unless it is made of harmless characters.
 */
function word(value: LogValue): string {
  if (typeof value !== "string") return String(value);
  return /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value).replace(UNSAFE, unicodeEscape);
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function timeText(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? "-" : date.toISOString();
}
