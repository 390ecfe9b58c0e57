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
import { lingerMs } from "./linger.ts";
import type { Protocol } from "./protocol.ts";
import type { Socket } from "./socket_table.ts";
import type { WorkerLink } from "./tickets.ts";
import type { Filing, Timed } from "./timeouts.ts";
import { asChunk, type Publication, type Subscriber } from "./topics.ts";
import type { SocketHost } from "./websocket_connection.ts";

const COMMENT = new TextEncoder().encode(":\n\n");
const COMMENT_CHUNK = asChunk(COMMENT);
const LAST_CHUNK = new TextEncoder().encode("0\r\n\r\n");

/** The worker that opened a stream: its timers may be what feeds it. */
export interface StreamOpener extends WorkerLink {
  /** Its streams whose clients are there. */
  openStreams: number;
}

/** An event stream. */
export class EventStreamConnection implements Protocol, Socket, Subscriber, Timed {
  index = -1;
  dueAt = Infinity;
  filedAt = -1;
  filing: Filing | null = null;
  readonly transport: Transport;
  readonly socketIndex: number;
  readonly generation: number;
  readonly kind = UpgradeKind.EventStream;
  readonly pinnedTo: WorkerLink | null = null;
  readonly #host: SocketHost;
  readonly #settings: SocketSettings;
  readonly #opener: StreamOpener;
  /** A client that is too slow comes back with its last event ID. */
  readonly waitsForSlow = false;
  /** Made by the first subscription. */
  #topics: Set<string> | null = null;
  /** The head of the response and what was sent before it was its turn; null once it was. */
  #early: Uint8Array[] | null;
  #earlyBytes = 0;
  #sentAt: number;
  /** When the client took octets last, or had to begin to. */
  #movedAt: number;
  #waitingSeen = 0;
  #isOver = false;
  #gone = false;

  constructor(
    host: SocketHost,
    transport: Transport,
    socketIndex: number,
    generation: number,
    settings: SocketSettings,
    head: Uint8Array,
    opener: StreamOpener,
  ) {
    this.#host = host;
    this.transport = transport;
    this.socketIndex = socketIndex;
    this.generation = generation;
    this.#settings = settings;
    this.#early = [head];
    this.#opener = opener;
    opener.openStreams++;
    this.#sentAt = this.#movedAt = host.now;
  }

  get bufferLimit(): number {
    return this.#settings.maxBufferedBytes;
  }

  /** Takes the transport over. */
  begin(): void {
    const early = this.#early ?? [];
    this.#early = null;
    this.#host.sockets.hold(this.socketIndex, -this.#earlyBytes);
    for (const piece of early) this.#put(piece, 0, piece.length);
    if (this.#isOver) this.transport.endWrite();
    this.#watch();
    if (this.#host.stopping) this.stop();
  }

  /** The client left before it was this response's turn. */
  cancel(): void {
    this.onClose();
  }

  onData(): void {
    // A client of an event stream has nothing more to say.
  }

  onEnd(): void {
    // A browser that leaves closes its side first. Behind the end of the stream, what waits is still its own.
    if (!this.#isOver) this.kill();
  }

  onClose(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#opener.openStreams--;
    this.#host.timeouts.cancel(this);
    this.#early = null;
    this.#over();
    if (this.#settings.reportsClose) {
      this.#opener.send(InboxKind.StreamClosed, 0, this.generation, null, this.socketIndex);
    }
    this.#host.sockets.release(this);
    this.#host.forget(this);
  }

  onDrain(): void {
    this.#waitingSeen = 0;
    this.#movedAt = this.#host.now;
    if (!this.#isOver) this.#host.sockets.setBuffered(this.socketIndex, 0);
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
    const waiting = this.#early === null ? this.transport.bufferedBytes : this.#earlyBytes;
    if (waiting > this.#settings.maxBufferedBytes) {
      // It comes back with its last event ID: better than a gap.
      this.kill();
    } else if (this.#early !== null) {
      this.#early.push(bytes.slice(start, end));
      this.#earlyBytes += end - start;
      this.#host.sockets.hold(this.socketIndex, end - start);
    } else this.#put(bytes, start, end);
  }

  #put(bytes: Uint8Array, start: number, end: number): void {
    const waiting = this.transport.write(bytes, start, end);
    this.#sentAt = this.#host.now;
    if (!this.#isOver) this.#host.sockets.setBuffered(this.socketIndex, waiting);
    if (waiting === 0) return;
    const isNew = this.#waitingSeen === 0;
    this.#waitingSeen = waiting;
    if (!isNew) return;
    this.#movedAt = this.#host.now;
    this.#watch();
  }

  close(): void {
    if (this.#isOver) return;
    if (this.#settings.isChunked) this.#write(LAST_CHUNK, 0, LAST_CHUNK.length);
    this.#over();
    if (this.#early !== null) return;
    this.#movedAt = this.#host.now;
    this.transport.endWrite();
    this.#watch();
  }

  wantDrain(): void {
    // Streams have no events.
  }

  fail(): void {
    // Only messages of clients are at fault.
  }

  terminate(): void {
    this.kill();
  }

  subscribe(topics: readonly string[], lastId: string | null): void {
    if (this.#isOver) return;
    this.#topics ??= new Set();
    for (const topic of topics) this.#topics.add(topic);
    this.#host.topics.subscribe(this, topics, lastId);
  }

  unsubscribe(topic: string): void {
    if (this.#topics?.delete(topic)) this.#host.topics.unsubscribe(this, topic);
  }

  pinnedWorkerDied(): void {
    // Streams belong to no worker.
  }

  #over(): void {
    this.#isOver = true;
    this.#host.sockets.closing(this);
    if (this.#topics === null) return;
    for (const topic of this.#topics) this.#host.topics.unsubscribe(this, topic);
    this.#topics = null;
  }

  get isBusy(): boolean {
    return this.transport.bufferedBytes > 0;
  }

  stop(): void {
    this.close();
  }

  kill(): void {
    // A stream that has ended is delivered without us.
    if (this.#isOver) this.transport.close();
    else this.transport.abort();
  }

  #watch(): void {
    this.dueAt = this.#dueTime();
    this.#host.timeouts.schedule(this);
  }

  #dueTime(): number {
    if (this.#gone || this.#early !== null) return Infinity;
    const { writeTimeoutMs } = this.#host.settings;
    // Longer as long as it takes what waits.
    if (this.#isOver) return this.#movedAt + lingerMs(writeTimeoutMs);
    const written = this.#waitingSeen === 0 || writeTimeoutMs === 0
      ? Infinity
      : this.#movedAt + writeTimeoutMs;
    const { pingIntervalMs } = this.#settings;
    return Math.min(written, pingIntervalMs === 0 ? Infinity : this.#sentAt + pingIntervalMs);
  }

  onDue(now: number): void {
    if (this.#gone) return;
    const waiting = this.transport.bufferedBytes;
    if (waiting < this.#waitingSeen) this.#movedAt = now;
    this.#waitingSeen = waiting;
    this.#watch();
    if (this.dueAt > now) return;
    const { writeTimeoutMs } = this.#host.settings;
    const isStuck = waiting > 0 && writeTimeoutMs !== 0 && now - this.#movedAt >= writeTimeoutMs;
    if (this.#isOver || isStuck) {
      this.kill();
      return;
    }
    const comment = this.#settings.isChunked ? COMMENT_CHUNK : COMMENT;
    this.#write(comment, 0, comment.length);
    this.#watch();
  }
}
