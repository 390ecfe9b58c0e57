/**
 * permessage-deflate without a kept state (RFC 7692 section 7.2).
 * Runs on: worker; runtime API: none
 *
 * The window travels as an argument, so any worker can take any message of a connection.
 *
 * What an LZ77 coder remembers between two messages is only the plaintext of the last 2^windowBits octets. Given back,
 * it replaces the coder:
 * - to inflate, it goes in front of the message as a stored block and is cut off the result. This is the same on every
 *   runtime, while the `dictionary` option does nothing for raw streams on Deno 2.9;
 * - to deflate, it is that option where it works (asked once, by compressing a word), else {@link deflateInWindow}.
 *
 * Only compressed messages enter the window; those sent as they are do not (section 7.2.3.2).
 */
import { constants as bufferConstants } from "node:buffer";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import type { FrameFault } from "./close_code.ts";
import { deflateInWindow } from "./deflate/window_deflate.ts";

/** The window of a connection that has sent nothing yet, or keeps none. */
export const EMPTY_WINDOW: Uint8Array = new Uint8Array(0);

/** What RFC 7692 takes off the end of each message (section 7.2.1): the rest of an empty stored block. */
const FLUSH_TAIL_BYTES = 4;
/**
 * What inflating appends: the octets that the sender took off (section 7.2.2), then an empty final block of our own.
 * If the stream ends exactly with it, the message was whole; a message cut in the middle of a block is found out.
 */
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff);
const STORED_HEADER_BYTES = 5;
const MAX_WINDOW_BYTES = 32_768;

/**
 * Final blocks that a message may have in its middle (section 7.2.3.5 allows them, one per message in practice). Each
 * costs a new inflater, about 15 µs, so they are counted: more are corrupt.
 */
export const MAX_FINAL_BLOCKS = 1024;

const MIN_CHUNK_BYTES = 1024;
const MAX_CHUNK_BYTES = 262_144;

/** A part of a Buffer as a Uint8Array, whose `slice` copies. */
function plainView(bytes: Uint8Array, start: number, end: number = bytes.length): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** Writes the window as a stored block that is not the last one (RFC 1951 section 3.2.4). @returns its end */
function writeStoredBlock(target: Uint8Array, offset: number, window: Uint8Array): number {
  if (window.length === 0) return offset;
  target[offset] = 0;
  target[offset + 1] = window.length;
  target[offset + 2] = window.length >>> 8;
  target[offset + 3] = ~window.length;
  target[offset + 4] = ~window.length >>> 8;
  target.set(window, offset + STORED_HEADER_BYTES);
  return offset + storedBytes(window);
}

function storedBytes(window: Uint8Array): number {
  return window.length === 0 ? 0 : STORED_HEADER_BYTES + window.length;
}

interface InflatedStream {
  /** What came after the window. */
  readonly plaintext: Uint8Array;
  /** Octets of the input up to the end of the final block. */
  readonly consumed: number;
}

/** Inflates up to the first final block. */
function inflateStream(
  input: Uint8Array,
  windowBytes: number,
  maxBytes: number,
): InflatedStream | FrameFault {
  const limit = Math.min(Math.max(1, windowBytes + maxBytes), bufferConstants.MAX_LENGTH);
  try {
    // With `info`, @types/node still says Buffer.
    const result = inflateRawSync(input, {
      info: true,
      maxOutputLength: limit,
      chunkSize: clamp(windowBytes + (input.length - windowBytes) * 4, MIN_CHUNK_BYTES, MAX_CHUNK_BYTES),
    }) as unknown as { readonly buffer: Uint8Array; readonly engine: { readonly bytesWritten: number } };
    if (result.buffer.length > windowBytes + maxBytes) return "inflate-too-big";
    return { plaintext: plainView(result.buffer, windowBytes), consumed: result.engine.bytesWritten };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ERR_BUFFER_TOO_LARGE") return "inflate-too-big";
    if (code === "Z_DATA_ERROR" || code === "Z_BUF_ERROR") return "inflate-corrupt";
    throw error;
  }
}

/**
 * Inflates a message. Memory is bounded by `maxBytes`, whatever the message would grow to.
 *
 * @param payload the payloads of its frames, one after the other
 * @param window plaintext of the client's messages before, from {@link slideWindow}; {@link EMPTY_WINDOW} without
 *   context takeover
 * @param maxBytes most octets of the result
 * @returns the plaintext, whose UTF-8 is not checked; or `inflate-too-big` (1009), `inflate-corrupt` (1007)
 */
export function inflateMessage(
  payload: Uint8Array,
  window: Uint8Array,
  maxBytes: number,
): Uint8Array | FrameFault {
  // No octets are no stream, but what zlib has to say when an empty message follows another.
  if (payload.length === 0) return new Uint8Array(0);
  const prefix = storedBytes(window);
  const input = new Uint8Array(prefix + payload.length + TAIL.length);
  writeStoredBlock(input, 0, window);
  input.set(payload, prefix);
  input.set(TAIL, prefix + payload.length);
  const first = inflateStream(input, window.length, maxBytes);
  if (typeof first === "string") return first;
  if (first.consumed === input.length) return first.plaintext;
  return inflateRest(input.subarray(first.consumed), first.plaintext, window, maxBytes);
}

/**
 * Goes on after a final block of the sender's (RFC 7692 sections 7.2.3.4 and 7.2.3.5): zlib stops there.
 *
 * The rest is copied once, behind room for a window; each further round writes its window over octets that are done,
 * so the work is linear.
 */
function inflateRest(
  rest: Uint8Array,
  plaintext: Uint8Array,
  window: Uint8Array,
  maxBytes: number,
): Uint8Array | FrameFault {
  const room = STORED_HEADER_BYTES + MAX_WINDOW_BYTES;
  const input = new Uint8Array(room + rest.length);
  input.set(rest, room);
  const pieces = [plaintext];
  let total = plaintext.length;
  let history = slideWindow(window, plaintext, 15);
  let at = room;
  for (let finals = 1; at < input.length; finals++) {
    const left = input.length - at;
    // The last of them ended the message, and only what we appended is left: lenient, as most are.
    if (left === TAIL.length) break;
    // A block that took its end from our tail was cut.
    if (left < TAIL.length || finals > MAX_FINAL_BLOCKS) return "inflate-corrupt";
    const from = at - storedBytes(history);
    writeStoredBlock(input, from, history);
    const next = inflateStream(input.subarray(from), history.length, maxBytes - total);
    if (typeof next === "string") return next;
    at = from + next.consumed;
    pieces.push(next.plaintext);
    total += next.plaintext.length;
    history = slideWindow(history, next.plaintext, 15);
  }
  const message = new Uint8Array(total);
  let offset = 0;
  for (const piece of pieces) {
    message.set(piece, offset);
    offset += piece.length;
  }
  return message;
}

let takesDictionary: boolean | undefined;

/** Whether zlib's `dictionary` option has an effect here; Deno 2.9 ignores it. */
function zlibTakesDictionary(): boolean {
  if (takesDictionary === undefined) {
    const word = new TextEncoder().encode("dictionary");
    takesDictionary = deflateRawSync(word, { dictionary: word }).length < deflateRawSync(word).length;
  }
  return takesDictionary;
}

/**
 * Deflates a message, the last four octets taken off.
 *
 * @param window plaintext of the server's compressed messages before, from {@link slideWindow};
 *   {@link EMPTY_WINDOW} without context takeover
 * @param windowBits of the server, 8 to 15: no distance is longer than 2^windowBits
 * @param level 1 to 9; not used where zlib is not
 */
export function deflateMessage(
  message: Uint8Array,
  window: Uint8Array,
  windowBits: number,
  level: number,
): Uint8Array {
  if (windowBits < 9 || (window.length > 0 && !zlibTakesDictionary())) {
    return deflateInWindow(message, window, 1 << windowBits);
  }
  // A window no larger than the message saves its setting up (1 of 8 µs); 262 octets of it zlib never uses.
  const neededBits = 32 - Math.clz32(message.length + window.length + 262);
  const deflated = deflateRawSync(message, {
    level,
    windowBits: clamp(neededBits, 9, windowBits),
    finishFlush: constants.Z_SYNC_FLUSH,
    chunkSize: clamp(message.length, MIN_CHUNK_BYTES, MAX_CHUNK_BYTES),
    ...(window.length > 0 ? { dictionary: window } : {}),
  });
  return plainView(deflated, 0, deflated.length - FLUSH_TAIL_BYTES);
}

/**
 * The window after a compressed message: the last 2^windowBits octets of both. It is a copy and keeps neither alive.
 */
export function slideWindow(window: Uint8Array, plaintext: Uint8Array, windowBits: number): Uint8Array {
  const size = 1 << windowBits;
  const fresh = Math.min(plaintext.length, size);
  const kept = Math.min(window.length, size - fresh);
  // Not `slice`: of a Buffer that is a view.
  const slid = new Uint8Array(kept + fresh);
  slid.set(window.subarray(window.length - kept));
  slid.set(plaintext.subarray(plaintext.length - fresh), kept);
  return slid;
}
