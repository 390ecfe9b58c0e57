/**
 * Topics: who subscribed to what, one encoding per publish, and what is kept for those who come back.
 * Runs on: I/O thread; runtime API: none
 *
 * All publishes pass this thread, in the order in which it reads them, so every subscriber of a topic sees the same
 * order, and each publisher's own order is kept. Publications are numbered in this order, over all topics, and the ids
 * that the server gives are these numbers: such an id says what its client has seen of every topic. A subscription with
 * a last id, to one topic or to several, is entered and replayed in one step and in the order of the numbers: nothing
 * falls between, nothing comes twice, and wherever the client loses its connection, its last id is true.
 *
 * What all topics keep is bounded by number per topic and by octets altogether.
 */
import type { PublishMessage } from "../messages/socket_message.ts";
import { encodeEvent } from "../sse/event_encoder.ts";
import { frameBytes, writeFrame } from "../websocket/frame_encoder.ts";
import { OPCODE } from "../websocket/opcode.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Topics without subscribers that are kept for their history; beyond, the oldest goes. */
const MAX_IDLE_TOPICS = 10_000;
/** What a kept publication takes besides its message, octets, roughly. */
const KEEPING_BYTES = 256;

/** One published message, encoded at most once per form. */
export class Publication {
  readonly message: PublishMessage;
  readonly id: string;
  /** Its place among all publications of the server. */
  readonly number: number;
  #frame: Uint8Array | null = null;
  #event: Uint8Array | null = null;
  #chunk: Uint8Array | null = null;

  constructor(message: PublishMessage, id: string, number: number) {
    this.message = message;
    this.id = id;
    this.number = number;
  }

  /** As a WebSocket frame. */
  get frame(): Uint8Array {
    if (this.#frame === null) {
      const { payload, isText } = this.message;
      this.#frame = new Uint8Array(frameBytes(payload.length));
      writeFrame(this.#frame, 0, isText ? OPCODE.text : OPCODE.binary, payload);
    }
    return this.#frame;
  }

  /** As a server-sent event. */
  get event(): Uint8Array {
    if (this.#event === null) {
      const { payload, event } = this.message;
      const data = decoder.decode(payload);
      const named = event === "" ? {} : { event };
      const numbered = this.id === "" ? {} : { id: this.id };
      this.#event = encoder.encode(encodeEvent({ ...named, ...numbered, data }));
    }
    return this.#event;
  }

  /** The event as one chunk of a chunked response. */
  get chunk(): Uint8Array {
    this.#chunk ??= asChunk(this.event);
    return this.#chunk;
  }

  /** Lets the encoded forms go: everybody has got them. */
  rest(): void {
    this.#frame = this.#event = this.#chunk = null;
  }
}

/** What is kept of a publication, in the order of the numbers. */
interface Kept {
  readonly publication: Publication;
  readonly topic: Topic;
  readonly bytes: number;
  older: Kept | null;
  newer: Kept | null;
}

/** One chunk (RFC 9112 section 7.1). */
export function asChunk(content: Uint8Array): Uint8Array {
  const size = encoder.encode(content.length.toString(16) + "\r\n");
  const chunk = new Uint8Array(size.length + content.length + 2);
  chunk.set(size, 0);
  chunk.set(content, size.length);
  chunk[chunk.length - 2] = 13;
  chunk[chunk.length - 1] = 10;
  return chunk;
}

/** Whoever can subscribe. */
export interface Subscriber {
  receive(publication: Publication): void;
}

interface Topic {
  readonly name: string;
  readonly subscribers: Set<Subscriber>;
  /** The oldest first. */
  readonly history: Kept[];
}

/** The topics of a server. */
export class Topics {
  readonly #topics = new Map<string, Topic>();
  /** Those without subscribers, the one that was left or published to longest ago first. */
  readonly #idle = new Set<Topic>();
  readonly #historyLength: number;
  readonly #historyBytes: number;
  /** In front of the ids that the server gives, so that an id of another life of the server is recognised. */
  readonly #epoch: string;
  #lastNumber = 0;
  #keptBytes = 0;
  #oldest: Kept | null = null;
  #newest: Kept | null = null;

  /**
   * @param historyLength publications that each topic keeps; 0: none
   * @param historyBytes octets that all of them keep together
   */
  constructor(historyLength: number, historyBytes: number) {
    this.#historyLength = historyLength;
    this.#historyBytes = historyBytes;
    // Processes that start in the same millisecond are other lives, too.
    this.#epoch = Date.now().toString(36) + Math.floor(Math.random() * 36 ** 4).toString(36);
  }

  /** Topics that somebody subscribed to, or that keep something. */
  get count(): number {
    return this.#topics.size;
  }

  /** Octets that are kept. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Enters a subscriber and gives it what the topics keep of the time after `lastId`, in one step. */
  subscribe(subscriber: Subscriber, names: readonly string[], lastId: string | null): void {
    const missed: Publication[] = [];
    for (const name of names) {
      const topic = this.#get(name);
      if (topic.subscribers.has(subscriber)) continue;
      // Entered before the replay: one that turns out to be too slow for it leaves by itself.
      topic.subscribers.add(subscriber);
      this.#idle.delete(topic);
      if (lastId !== null) this.#collect(topic, lastId, missed);
    }
    if (names.length > 1) missed.sort((a, b) => a.number - b.number);
    for (const publication of missed) {
      subscriber.receive(publication);
      publication.rest();
    }
  }

  /** What a topic keeps of the time after an id; all that it keeps, if the id says nothing about that. */
  #collect(topic: Topic, lastId: string, into: Publication[]): void {
    const { history } = topic;
    const number = this.#numberOf(lastId);
    const start = number > 0
      ? history.findIndex(({ publication }) => publication.number > number)
      : history.findIndex(({ publication }) => publication.id === lastId) + 1;
    if (start < 0) return;
    for (let i = start; i < history.length; i++) into.push((history[i] as Kept).publication);
  }

  /** The number in an id that this server has given; 0: it has not. */
  #numberOf(id: string): number {
    if (!id.startsWith(`${this.#epoch}.`)) return 0;
    const text = id.slice(this.#epoch.length + 1);
    const number = parseInt(text, 36);
    return number <= this.#lastNumber && number.toString(36) === text ? number : 0;
  }

  unsubscribe(subscriber: Subscriber, name: string): void {
    const topic = this.#topics.get(name);
    if (topic === undefined) return;
    topic.subscribers.delete(subscriber);
    if (topic.subscribers.size > 0) return;
    if (topic.history.length > 0) this.#retire(topic);
    else this.#topics.delete(name);
  }

  /** Sends a message to every subscriber of its topic but one. @returns how many there were */
  publish(message: PublishMessage, except: Subscriber | null): number {
    const keeps = this.#historyLength > 0;
    const topic = keeps ? this.#get(message.topic) : this.#topics.get(message.topic);
    if (topic === undefined) return 0;
    const number = ++this.#lastNumber;
    const id = message.id ?? (keeps ? `${this.#epoch}.${number.toString(36)}` : "");
    const publication = new Publication(message, id, number);
    if (keeps) this.#keep(topic, publication);
    let count = 0;
    for (const subscriber of topic.subscribers) {
      if (subscriber === except) continue;
      subscriber.receive(publication);
      count++;
    }
    publication.rest();
    return count;
  }

  #get(name: string): Topic {
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      topic = { name, subscribers: new Set(), history: [] };
      this.#topics.set(name, topic);
      // A subscriber may be about to enter, which takes it off the list again.
      this.#retire(topic);
    }
    return topic;
  }

  /** Keeps a topic without subscribers for its history; too many of them, and the oldest goes. */
  #retire(topic: Topic): void {
    this.#idle.add(topic);
    if (this.#idle.size <= MAX_IDLE_TOPICS) return;
    for (const oldest of this.#idle) {
      this.#forgetTopic(oldest);
      return;
    }
  }

  #forgetTopic(topic: Topic): void {
    this.#idle.delete(topic);
    this.#topics.delete(topic.name);
    while (topic.history.length > 0) this.#forgetFirst(topic);
  }

  // ── what is kept ───────────────────────────────────────────────────────────────────────────────────────────────

  #keep(topic: Topic, publication: Publication): void {
    const { payload, event } = publication.message;
    const texts = topic.name.length + event.length + publication.id.length;
    const bytes = KEEPING_BYTES + payload.length + 2 * texts;
    const kept: Kept = { publication, topic, bytes, older: this.#newest, newer: null };
    if (this.#newest === null) this.#oldest = kept;
    else this.#newest.newer = kept;
    this.#newest = kept;
    topic.history.push(kept);
    this.#keptBytes += bytes;
    if (topic.history.length > this.#historyLength) this.#forgetFirst(topic);
    // It is idle no longer than since now.
    if (this.#idle.delete(topic)) this.#idle.add(topic);
    // The oldest of all is the first of its topic.
    while (this.#keptBytes > this.#historyBytes && this.#oldest !== null) {
      this.#forgetFirst(this.#oldest.topic);
    }
  }

  /** Forgets the oldest that a topic keeps, and a topic that has nobody and nothing any more. */
  #forgetFirst(topic: Topic): void {
    const kept = topic.history.shift();
    if (kept === undefined) return;
    if (topic.history.length === 0 && topic.subscribers.size === 0) this.#forgetTopic(topic);
    this.#keptBytes -= kept.bytes;
    if (kept.older === null) this.#oldest = kept.newer;
    else kept.older.newer = kept.newer;
    if (kept.newer === null) this.#newest = kept.older;
    else kept.newer.older = kept.older;
  }
}
