/**
 * An event stream as handlers hold it: by id from any thread.
 * Runs on: worker; runtime API: none
 *
 * HTML standard, section 9.2. A stream holds no thread: keep the handle (or its id), send from anywhere, any time.
 */
import { encodeComment, encodeEvent, type ServerSentEvent } from "../sse/event_encoder.ts";
import { UpgradeKind } from "../messages/socket_message.ts";
import {
  type SendStatus,
  socketGeneration,
  socketIndex,
  type SocketPort,
  topicNames,
} from "../messages/socket_port.ts";

const encoder = new TextEncoder();

/** An event stream. All methods may be called from any thread that knows the id. */
export class EventStream {
  /** Names the stream; never used again. */
  readonly id: number;
  /** What the client had seen last before it came back (`Last-Event-ID`); "" if it came for the first time. */
  readonly lastEventId: string;
  /** Called once when the client is gone; only on the thread that opened the stream. */
  onclose: (() => void) | null = null;
  readonly #port: SocketPort;
  readonly #index: number;
  readonly #generation: number;

  /** Made by `request.eventStream()` and `server.eventStream(id)`. */
  constructor(port: SocketPort, id: number, lastEventId: string) {
    this.id = id;
    this.lastEventId = lastEventId;
    this.#port = port;
    this.#index = socketIndex(id);
    this.#generation = socketGeneration(id);
  }

  /** The client has left, or the stream was closed. */
  get closed(): boolean {
    return this.#port.kindOf(this.#index, this.#generation) !== UpgradeKind.EventStream;
  }

  /** Octets that are on their way to the client. */
  get bufferedAmount(): number {
    return this.#port.buffered(this.#index, this.#generation);
  }

  /** Sends an event; text alone is an event's data. @throws CartoucheError `ERR_EVENT` */
  send(event: ServerSentEvent | string): SendStatus {
    const text = encodeEvent(typeof event === "string" ? { data: event } : event);
    if (this.closed) return "closed";
    return this.#port.send(this.#index, this.#generation, encoder.encode(text));
  }

  /** Sends a comment, which clients ignore. */
  comment(text = ""): SendStatus {
    if (this.closed) return "closed";
    return this.#port.send(this.#index, this.#generation, encoder.encode(encodeComment(text)));
  }

  /** Ends the stream, behind what was sent before. A browser's EventSource comes back after its reconnection time. */
  close(): void {
    if (!this.closed) this.#port.close(this.#index, this.#generation, 0, "");
  }

  /**
   * From now on gets what is published under the topic, or under each of several.
   *
   * @param options `lastId`: first what was published after it, of all these topics in the order of their publication;
   * `stream.lastEventId` resumes without gap or repeat
   */
  subscribe(topics: string | readonly string[], options: { readonly lastId?: string } = {}): void {
    // No id means a first visit: nothing to resume.
    const lastId = options.lastId === undefined || options.lastId === "" ? null : options.lastId;
    this.#port.subscribe(this.#index, this.#generation, topicNames(topics), lastId);
  }

  unsubscribe(topic: string): void {
    this.#port.unsubscribe(this.#index, this.#generation, topic);
  }
}
