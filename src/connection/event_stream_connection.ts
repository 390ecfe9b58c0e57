/**
 * One event stream: a response that does not end, held by the I/O thread alone.
 * Runs on: I/O thread; runtime API: none
 *
 * HTML standard, section 9.2. No worker is occupied by a stream; any of them can send. A comment goes out when
 * nothing else did for a while, so that proxies keep the connection and a vanished client is noticed.
 */
import type { Transport } from "../adapters/adapter.ts";
import { InboxKind } from "../messages/kind.ts";
import { type SocketSettings, UpgradeKind } from "../messages/socket_message.ts";
import type { Protocol } from "./protocol.ts";
import type { Socket } from "./socket_table.ts";
import type { WorkerLink } from "./tickets.ts";
import type { Timed } from "./timeouts.ts";
import { asChunk, type Publication, type Subscriber } from "./topics.ts";
import type { SocketHost } from "./websocket_connection.ts";

const COMMENT = new TextEncoder().encode(":\n\n");
const COMMENT_CHUNK = asChunk(COMMENT);
const LAST_CHUNK = new TextEncoder().encode("0\r\n\r\n");
/** How long the client may take to close after the end of the stream, ms. */
const LINGER_MS = 2_000;

/** An event stream. */
export class EventStreamConnection implements Protocol, Socket, Subscriber, Timed {
  index = -1;
  dueAt = Infinity;
  filedAt = -1;
  readonly transport: Transport;
  readonly socketIndex: number;
  readonly generation: number;
  readonly kind = UpgradeKind.EventStream;
  readonly pinnedTo: WorkerLink | null = null;
  readonly #host: SocketHost;
  readonly #settings: SocketSettings;
  readonly #opener: WorkerLink;
  readonly #topics = new Set<string>();
  readonly #head: Uint8Array;
  #sentAt: number;
  #hasBegun = false;
  /** What was sent before it was this response's turn. */
  #early: Uint8Array[] = [];
  #isOver = false;
  #gone = false;

  constructor(
    host: SocketHost,
    transport: Transport,
    socketIndex: number,
    generation: number,
    settings: SocketSettings,
    head: Uint8Array,
    opener: WorkerLink,
  ) {
    this.#host = host;
    this.transport = transport;
    this.socketIndex = socketIndex;
    this.generation = generation;
    this.#settings = settings;
    this.#head = head;
    this.#opener = opener;
    this.#sentAt = host.now;
  }

  /** Takes the transport over. */
  begin(): void {
    this.#hasBegun = true;
    this.transport.write(this.#head, 0, this.#head.length);
    const early = this.#early;
    this.#early = [];
    for (const piece of early) this.transport.write(piece, 0, piece.length);
    if (this.#isOver) this.transport.endWrite();
    this.#watch();
  }

  /** The client left before it was this response's turn. */
  cancel(): void {
    this.onClose();
  }

  onData(): void {
    // A client of an event stream has nothing more to say.
  }

  onEnd(): void {
    // A browser that leaves closes its side first.
    this.kill();
  }

  onClose(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.dueAt = Infinity;
    this.#over();
    if (this.#settings.reportsClose) {
      this.#opener.send(InboxKind.StreamClosed, 0, this.generation, null, this.socketIndex);
    }
    this.#host.sockets.release(this);
    this.#host.forget(this);
  }

  onDrain(): void {
    if (!this.#isOver) this.#host.sockets.setBuffered(this.socketIndex, 0);
    this.#sentAt = this.#host.now;
  }

  send(bytes: Uint8Array, start: number, end: number): void {
    if (this.#settings.isChunked) {
      const chunk = asChunk(bytes.subarray(start, end));
      this.#write(chunk, 0, chunk.length);
    } else this.#write(bytes, start, end);
  }

  receive(publication: Publication): void {
    const bytes = this.#settings.isChunked ? publication.chunk : publication.event;
    this.#write(bytes, 0, bytes.length);
  }

  #write(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isOver) return;
    if (!this.#hasBegun) {
      this.#early.push(bytes.slice(start, end));
      return;
    }
    if (this.transport.bufferedBytes > this.#settings.maxBufferedBytes) {
      // It comes back with its last event ID: better than a gap.
      this.kill();
      return;
    }
    this.#sentAt = this.#host.now;
    this.#host.sockets.setBuffered(this.socketIndex, this.transport.write(bytes, start, end));
  }

  close(): void {
    if (this.#isOver) return;
    if (this.#settings.isChunked) this.#write(LAST_CHUNK, 0, LAST_CHUNK.length);
    this.#over();
    this.#sentAt = this.#host.now;
    if (!this.#hasBegun) return;
    this.transport.endWrite();
    this.#watch();
  }

  terminate(): void {
    this.kill();
  }

  subscribe(topic: string, lastId: string | null): void {
    if (this.#isOver) return;
    this.#topics.add(topic);
    this.#host.topics.subscribe(this, topic, lastId);
  }

  unsubscribe(topic: string): void {
    if (this.#topics.delete(topic)) this.#host.topics.unsubscribe(this, topic);
  }

  pinnedWorkerDied(): void {
    // Streams belong to no worker.
  }

  #over(): void {
    this.#isOver = true;
    this.#host.sockets.closing(this);
    for (const topic of this.#topics) this.#host.topics.unsubscribe(this, topic);
    this.#topics.clear();
  }

  get isBusy(): boolean {
    return this.transport.bufferedBytes > 0;
  }

  stop(): void {
    this.close();
  }

  kill(): void {
    this.transport.abort();
  }

  #watch(): void {
    this.dueAt = this.#isOver
      ? this.#sentAt + LINGER_MS
      : this.#settings.pingIntervalMs === 0
      ? Infinity
      : this.#sentAt + this.#settings.pingIntervalMs;
    this.#host.timeouts.schedule(this);
  }

  onDue(now: number): void {
    if (this.#gone) return;
    this.#watch();
    if (this.dueAt > now) return;
    if (this.#isOver) {
      this.kill();
      return;
    }
    const comment = this.#settings.isChunked ? COMMENT_CHUNK : COMMENT;
    this.#write(comment, 0, comment.length);
    this.#watch();
  }
}
