/**
 * A log record as bytes, to cross a ring.
 * Runs on: any; runtime API: none
 *
 * JSON, because records are rare and their fields free. A record has a bounded size, so that one long message
 * cannot fill a ring: texts are cut at the limits below, and if escapes still make it too large, at half of
 * them, and so on. Invariant: encoding gives at most MAX_RECORD_BYTES, and decoding gives a record for any
 * bytes, as a worker's memory may hold anything.
 */
import {
  LOG_LEVELS,
  type LogError,
  type LogFields,
  type LogLevel,
  type LogRecord,
  type LogValue,
} from "./logger.ts";

/** UTF-16 code units of a message, of a record or its error. */
export const MAX_MESSAGE_LENGTH = 8192;
/** UTF-16 code units of a stack, causes included. */
export const MAX_STACK_LENGTH = 16_384;
/** Fields of a record; later ones are left out. */
export const MAX_FIELDS = 32;
/** UTF-16 code units of a field's value. */
export const MAX_VALUE_LENGTH = 1024;
/** UTF-16 code units of a field's name, a thread, an error's name or code. */
export const MAX_NAME_LENGTH = 128;
/** Octets of an encoded record. */
export const MAX_RECORD_BYTES = 65_536;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** `record` as UTF-8 JSON of at most {@link MAX_RECORD_BYTES}. */
export function encodeRecord(record: LogRecord): Uint8Array<ArrayBuffer> {
  for (let share = 1;; share /= 2) {
    const bytes = encoder.encode(JSON.stringify(shortened(record, share)));
    if (bytes.byteLength <= MAX_RECORD_BYTES) return bytes;
  }
}

/** The record in `bytes`, which may lie in shared memory. Bytes that hold none give a record that says so. */
export function decodeRecord(bytes: Uint8Array): LogRecord {
  try {
    // A copy: not every decoder reads shared memory.
    return checked(JSON.parse(decoder.decode(new Uint8Array(bytes))));
  } catch {
    return {
      level: "warn",
      time: Date.now(),
      message: "A log record could not be read",
      fields: { bytes: bytes.byteLength },
      thread: "unknown",
    };
  }
}

function shortened(record: LogRecord, share: number): LogRecord {
  const { level, time, message, fields, error, thread } = record;
  return {
    level,
    time,
    message: cut(message, MAX_MESSAGE_LENGTH * share),
    ...(fields === undefined ? {} : { fields: shortFields(fields, share) }),
    ...(error === undefined ? {} : { error: shortError(error, share) }),
    thread: cut(thread, MAX_NAME_LENGTH * share),
  };
}

function shortFields(fields: LogFields, share: number): LogFields {
  const short: Record<string, LogValue> = {};
  for (const [name, value] of Object.entries(fields).slice(0, MAX_FIELDS * share)) {
    short[cut(name, MAX_NAME_LENGTH * share)] = typeof value === "string"
      ? cut(value, MAX_VALUE_LENGTH * share)
      : value;
  }
  return short;
}

function shortError(error: LogError, share: number): LogError {
  const { name, message, stack, code } = error;
  return {
    name: cut(name, MAX_NAME_LENGTH * share),
    message: cut(message, MAX_MESSAGE_LENGTH * share),
    ...(stack === undefined ? {} : { stack: cut(stack, MAX_STACK_LENGTH * share) }),
    ...(code === undefined ? {} : { code: cut(code, MAX_NAME_LENGTH * share) }),
  };
}

/**
 * The first `length` code units of `text`, no half of a surrogate pair, with the number of those left out.
 */
function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  const last = text.charCodeAt(length - 1);
  const end = last >= 0xd800 && last <= 0xdbff ? length - 1 : Math.floor(length);
  return `${text.slice(0, end)}… (${text.length - end} more)`;
}

function checked(value: unknown): LogRecord {
  const { level, time, message, fields, error, thread } = value as Record<string, unknown>;
  if (!LOG_LEVELS.includes(level as LogLevel)) throw new TypeError("level");
  if (typeof time !== "number" || typeof message !== "string" || typeof thread !== "string") {
    throw new TypeError("record");
  }
  return {
    level: level as LogLevel,
    time,
    message,
    ...(isObject(fields) ? { fields: checkedFields(fields) } : {}),
    ...(isObject(error) ? { error: checkedError(error) } : {}),
    thread,
  };
}

function checkedFields(fields: Record<string, unknown>): LogFields {
  const plain: Record<string, LogValue> = {};
  for (const [name, value] of Object.entries(fields)) {
    plain[name] = isObject(value) ? JSON.stringify(value) : value as LogValue;
  }
  return plain;
}

function checkedError({ name, message, stack, code }: Record<string, unknown>): LogError {
  return {
    name: String(name),
    message: String(message),
    ...(typeof stack === "string" ? { stack } : {}),
    ...(typeof code === "string" ? { code } : {}),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
