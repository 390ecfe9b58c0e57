/**
 * What travels about WebSockets and event streams: upgrades, batches of events and what came of them, publishes.
 * Runs on: any; runtime API: none
 *
 * All of these are sequences of sections: a 32-bit length, then so many octets. Sections are cheap to write into a
 * ring and to read out of a copy, and a message can grow without another offset table.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Writes sections into bytes. */
export class SectionWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  /** A number of 32 bits. */
  word(value: number): void {
    this.#view.setInt32(this.at, value, true);
    this.at += 4;
  }

  /** A length and so many octets. */
  section(bytes: Uint8Array): void {
    this.word(bytes.length);
    this.#bytes.set(bytes, this.at);
    this.at += bytes.length;
  }
}

/** Reads what a {@link SectionWriter} wrote. */
export class SectionReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  /** A number of 32 bits. */
  word(): number {
    const value = this.#view.getInt32(this.at, true);
    this.at += 4;
    return value;
  }

  /** The octets of a section, without a copy. */
  section(): Uint8Array {
    const length = this.word();
    const bytes = this.#bytes.subarray(this.at, this.at + length);
    this.at += length;
    return bytes;
  }

  /** A section that is text. */
  text(): string {
    return decoder.decode(this.section());
  }
}

/** Joins sections to one message. */
export function joinSections(words: readonly number[], sections: readonly Uint8Array[]): Uint8Array {
  let length = words.length * 4;
  for (const section of sections) length += 4 + section.length;
  const bytes = new Uint8Array(length);
  const writer = new SectionWriter(bytes, 0);
  for (const word of words) writer.word(word);
  for (const section of sections) writer.section(section);
  return bytes;
}

// ── upgrades ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** What a request becomes. */
export const UpgradeKind = { WebSocket: 1, EventStream: 2 } as const;

/** What a worker says when a request becomes a socket. */
export interface UpgradeMessage {
  readonly kind: number;
  /** The head of the response: 101, or 200 for an event stream. */
  readonly head: Uint8Array;
  readonly socket: SocketSettings;
  /** Structured clone of the connection's data, or empty. */
  readonly data: Uint8Array;
}

/** How a socket behaves; decided by the worker, kept by the I/O thread. */
export interface SocketSettings {
  /** Which handlers its events go to. */
  readonly key: string;
  /** Bits of `EventFlag`: events that somebody wants. */
  readonly events: number;
  /** Events stay on the worker that accepted it. */
  readonly isPinned: boolean;
  readonly maxMessageBytes: number;
  /** Octets that may wait for a slow client. */
  readonly maxBufferedBytes: number;
  /** Senders block while more than that waits; else the client is closed. */
  readonly waitsForSlow: boolean;
  /** A ping after this much silence, ms; 0: never. For event streams: a comment. */
  readonly pingIntervalMs: number;
  /** Closed when nothing came for this long, ms; 0: never. */
  readonly idleTimeoutMs: number;
  /** permessage-deflate was agreed. */
  readonly deflates: boolean;
  readonly protocol: string;
  /** The agreed parameters, for the workers. */
  readonly deflate: DeflateParameters | null;
  /** Event streams: chunked, or delimited by the end of the connection. */
  readonly isChunked: boolean;
  /** Event streams: tell the opener when the client is gone. */
  readonly reportsClose: boolean;
}

/** Agreed parameters of permessage-deflate (RFC 7692 section 7.1). */
export interface DeflateParameters {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  readonly serverWindowBits: number;
  readonly clientWindowBits: number;
  readonly thresholdBytes: number;
  readonly level: number;
}

/** Encodes an upgrade. */
export function encodeUpgrade(message: UpgradeMessage): Uint8Array {
  const settings = encoder.encode(JSON.stringify(message.socket));
  return joinSections([message.kind], [message.head, settings, message.data]);
}

/** Decodes an upgrade; the octets are private copies. */
export function decodeUpgrade(bytes: Uint8Array): UpgradeMessage {
  const reader = new SectionReader(bytes, 0);
  return {
    kind: reader.word(),
    head: reader.section().slice(),
    socket: parseSettings(reader.text()),
    data: copyOf(reader.section()),
  };
}

// ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** What happened to a WebSocket. */
export const SocketEvent = {
  Open: 0,
  Text: 1,
  Binary: 2,
  Ping: 3,
  Pong: 4,
  Drain: 5,
  /** a: 1 if an event was lost with its thread; bytes: what went wrong. */
  Error: 6,
  /** a: close code; bytes: reason. */
  Close: 7,
  /** A compressed message that was told, or lost with a thread: it is inflated for the sake of those behind it. */
  Passed: 8,
} as const;

/** Bit of an event kind in `SocketSettings.events`. */
export function eventBit(kind: number): number {
  return 1 << kind;
}

/** One event on its way to a handler. */
export interface SocketEventRecord {
  readonly kind: number;
  /** For Close the code, for Error 1 if an event was lost; for messages 1 if they are compressed. */
  readonly a: number;
  readonly bytes: Uint8Array;
}

/** A batch of events of one socket, with what its handlers need to know. */
export interface SocketBatch {
  readonly index: number;
  readonly generation: number;
  readonly remoteAddress: string;
  readonly settings: SocketSettings;
  readonly data: Uint8Array;
  /** The last plaintext that the client compressed, and the last that we did; empty without context takeover. */
  readonly inflateWindow: Uint8Array;
  readonly deflateWindow: Uint8Array;
  /** The octets of the only event come through the inbox. */
  readonly isStreamed: boolean;
  readonly events: readonly SocketEventRecord[];
}

const encodedSettings = new WeakMap<SocketSettings, Uint8Array>();

/** Settings as octets; connections with the same settings share them. */
export function settingsBytes(settings: SocketSettings): Uint8Array {
  let bytes = encodedSettings.get(settings);
  if (bytes === undefined) {
    bytes = encoder.encode(JSON.stringify(settings));
    encodedSettings.set(settings, bytes);
  }
  return bytes;
}

/** Octets that a batch takes. */
export function batchLength(fixed: readonly Uint8Array[], events: readonly SocketEventRecord[]): number {
  let length = 16;
  for (const section of fixed) length += 4 + section.length;
  for (const event of events) length += 12 + event.bytes.length;
  return (length + 7) & ~7;
}

/** Writes a batch; `fixed` is settings, remote address, data, inflate window, deflate window. */
export function writeBatch(
  target: Uint8Array,
  at: number,
  index: number,
  generation: number,
  isStreamed: boolean,
  fixed: readonly Uint8Array[],
  events: readonly SocketEventRecord[],
): void {
  const writer = new SectionWriter(target, at);
  writer.word(index);
  writer.word(generation);
  writer.word(isStreamed ? 1 : 0);
  writer.word(events.length);
  for (const section of fixed) writer.section(section);
  for (const event of events) {
    writer.word(event.kind);
    writer.word(event.a);
    writer.section(event.bytes);
  }
}

const parsedSettings = new Map<string, SocketSettings>();

/** Few different settings exist in a server: the text is the key, and equal settings are one object. */
function parseSettings(text: string): SocketSettings {
  let settings = parsedSettings.get(text);
  if (settings === undefined) {
    settings = JSON.parse(text) as SocketSettings;
    if (parsedSettings.size > 256) parsedSettings.clear();
    parsedSettings.set(text, settings);
  }
  return settings;
}

/** Reads a batch from a private copy; sections are views of it. */
export function readBatch(bytes: Uint8Array, at: number): SocketBatch {
  const reader = new SectionReader(bytes, at);
  const index = reader.word();
  const generation = reader.word();
  const isStreamed = reader.word() === 1;
  const count = reader.word();
  const settings = parseSettings(reader.text());
  const remoteAddress = reader.text();
  const data = reader.section();
  const inflateWindow = reader.section();
  const deflateWindow = reader.section();
  const events: SocketEventRecord[] = [];
  for (let i = 0; i < count; i++) {
    const kind = reader.word();
    const a = reader.word();
    events.push({ kind, a, bytes: reader.section() });
  }
  return {
    index,
    generation,
    remoteAddress,
    settings,
    data,
    inflateWindow,
    deflateWindow,
    isStreamed,
    events,
  };
}

/** What came of a batch: sections that are absent did not change. */
export interface BatchResult {
  readonly data: Uint8Array | null;
  readonly inflateWindow: Uint8Array | null;
  readonly deflateWindow: Uint8Array | null;
}

const NOTHING = new Uint8Array(0);

/** Of many connections most have none: an empty array of its own would cost each 200 octets. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return bytes.length === 0 ? NOTHING : bytes.slice();
}

/** Encodes a batch's result; empty when nothing changed. */
export function encodeBatchResult(result: BatchResult): Uint8Array {
  const present = (result.data === null ? 0 : 1) | (result.inflateWindow === null ? 0 : 2) |
    (result.deflateWindow === null ? 0 : 4);
  if (present === 0) return NOTHING;
  const sections = [result.data, result.inflateWindow, result.deflateWindow].filter((section) =>
    section !== null
  );
  return joinSections([present], sections);
}

/** Decodes a batch's result; the octets are private copies. */
export function decodeBatchResult(bytes: Uint8Array): BatchResult {
  if (bytes.length === 0) return { data: null, inflateWindow: null, deflateWindow: null };
  const reader = new SectionReader(bytes, 0);
  const present = reader.word();
  const take = (bit: number): Uint8Array | null => (present & bit) === 0 ? null : copyOf(reader.section());
  return { data: take(1), inflateWindow: take(2), deflateWindow: take(4) };
}

// ── topics ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Encodes a subscription. @param lastId replay what was published after this id; null: nothing */
export function encodeSubscribe(topics: readonly string[], lastId: string | null): Uint8Array {
  const texts = [lastId ?? "", ...topics].map((text) => encoder.encode(text));
  return joinSections([lastId === null ? 0 : 1, topics.length], texts);
}

/** Decodes a subscription. */
export function decodeSubscribe(
  bytes: Uint8Array,
): { readonly topics: readonly string[]; readonly lastId: string | null } {
  const reader = new SectionReader(bytes, 0);
  const hasId = reader.word() === 1;
  const count = reader.word();
  const id = reader.text();
  const topics = Array.from({ length: count }, () => reader.text());
  return { topics, lastId: hasId ? id : null };
}

/** Something published. */
export interface PublishMessage {
  readonly topic: string;
  readonly isText: boolean;
  /** The event's type for event streams; "": message. */
  readonly event: string;
  /** The id for a later replay; null: the server gives one. */
  readonly id: string | null;
  readonly payload: Uint8Array;
}

/** Encodes a publish. */
export function encodePublish(message: PublishMessage): Uint8Array {
  const { topic, event, id, isText, payload } = message;
  const flags = (isText ? 1 : 0) | (id === null ? 0 : 2);
  return joinSections([flags], [
    encoder.encode(topic),
    encoder.encode(event),
    encoder.encode(id ?? ""),
    payload,
  ]);
}

/** Decodes a publish; the payload is a private copy. */
export function decodePublish(bytes: Uint8Array): PublishMessage {
  const reader = new SectionReader(bytes, 0);
  const flags = reader.word();
  const topic = reader.text();
  const event = reader.text();
  const id = reader.text();
  const payload = reader.section().slice();
  return { topic, event, id: (flags & 2) === 0 ? null : id, isText: (flags & 1) !== 0, payload };
}
