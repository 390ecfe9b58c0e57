/**
 * Topics: who subscribed to what, one encoding per publish, and what is kept for those who come back.
 * Runs on: I/O thread; runtime API: none
 *
 * All publishes pass this thread, in the order in which it reads them, so every subscriber of a topic sees the same
 * order, and each publisher's own order is kept. A subscription with a last id is replayed and entered in one step:
 * nothing falls between, nothing comes twice.
 */
import type { PublishMessage } from "../messages/socket_message.ts";
import { encodeEvent } from "../sse/event_encoder.ts";
import { frameBytes, writeFrame } from "../websocket/frame_encoder.ts";
import { OPCODE } from "../websocket/opcode.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Topics without subscribers that are kept for their history; beyond, the oldest goes. */
const MAX_IDLE_TOPICS = 10_000;

/** One published message, encoded at most once per form. */
export class Publication {
  readonly message: PublishMessage;
  readonly id: string;
  #frame: Uint8Array | null = null;
  #event: Uint8Array | null = null;
  #chunk: Uint8Array | null = null;

  constructor(message: PublishMessage, id: string) {
    this.message = message;
    this.id = id;
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
  readonly subscribers: Set<Subscriber>;
  readonly history: Publication[];
}

/** The topics of a server. */
export class Topics {
  readonly #topics = new Map<string, Topic>();
  /** Those without subscribers, the longest so first. */
  readonly #idle = new Set<string>();
  readonly #historyLength: number;
  /** In front of the ids that the server gives, so that an id of another life of the server is recognised. */
  readonly #epoch: string;
  #nextId = 0;

  /** @param historyLength publications that each topic keeps; 0: none */
  constructor(historyLength: number) {
    this.#historyLength = historyLength;
    this.#epoch = Date.now().toString(36);
  }

  /** Topics that somebody subscribed to, or that keep something. */
  get count(): number {
    return this.#topics.size;
  }

  /** Enters a subscriber and gives it what the topic keeps of the time after `lastId`, in one step. */
  subscribe(subscriber: Subscriber, name: string, lastId: string | null): void {
    const topic = this.#get(name);
    if (topic.subscribers.has(subscriber)) return;
    // Entered before the replay: one that turns out to be too slow for it leaves by itself.
    topic.subscribers.add(subscriber);
    this.#idle.delete(name);
    if (lastId !== null) {
      const last = topic.history.findIndex((publication) => publication.id === lastId);
      // An id that is not kept any more, or of another life of the server: all that there is.
      for (const publication of topic.history.slice(last + 1)) subscriber.receive(publication);
    }
  }

  unsubscribe(subscriber: Subscriber, name: string): void {
    const topic = this.#topics.get(name);
    if (topic === undefined) return;
    topic.subscribers.delete(subscriber);
    if (topic.subscribers.size > 0) return;
    if (topic.history.length > 0) this.#retire(name);
    else this.#topics.delete(name);
  }

  /** Sends a message to every subscriber of its topic but one. @returns how many there were */
  publish(message: PublishMessage, except: Subscriber | null): number {
    const topic = this.#historyLength > 0 ? this.#get(message.topic) : this.#topics.get(message.topic);
    if (topic === undefined) return 0;
    const id = message.id ??
      (this.#historyLength > 0 ? `${this.#epoch}.${(++this.#nextId).toString(36)}` : "");
    const publication = new Publication(message, id);
    if (this.#historyLength > 0) {
      topic.history.push(publication);
      if (topic.history.length > this.#historyLength) topic.history.shift();
    }
    let count = 0;
    for (const subscriber of topic.subscribers) {
      if (subscriber === except) continue;
      subscriber.receive(publication);
      count++;
    }
    return count;
  }

  #get(name: string): Topic {
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      topic = { subscribers: new Set(), history: [] };
      this.#topics.set(name, topic);
      // A subscriber may be about to enter, which takes it off the list again.
      this.#retire(name);
    }
    return topic;
  }

  /** Keeps a topic without subscribers for its history; too many of them, and the oldest goes. */
  #retire(name: string): void {
    this.#idle.add(name);
    if (this.#idle.size <= MAX_IDLE_TOPICS) return;
    for (const oldest of this.#idle) {
      this.#idle.delete(oldest);
      this.#topics.delete(oldest);
      return;
    }
  }
}
