/**
 * One HTTP/1.1 connection: octets in, requests out to the workers; responses back in order.
 * Runs on: I/O thread; runtime API: none
 *
 * RFC 9112. The reading side (`request_reader.ts`) and the writing side (`response_queue.ts`) meet here: may the next
 * request be read, does the connection go on behind this response, has somebody been silent for too long?
 * Invariant: after a refusal nothing that arrives is read as a request. A refusal waits for the responses before it.
 * The last response leaves as: write, FIN, and reading on (`linger.ts`), so that it is not lost to a reset.
 */
import type { Transport } from "../adapters/adapter.ts";
import type { HeadParser } from "../http/request_parser.ts";
import { BodyFailure } from "../messages/kind.ts";
import type { Settings } from "../options.ts";
import type { Exchange, ProtocolChange } from "./exchange.ts";
import { lingerMs, REFUSED_LINGER_MS } from "./linger.ts";
import type { Holdable, Protocol } from "./protocol.ts";
import { RequestReader } from "./request_reader.ts";
import { type QueueOwner, ResponseQueue } from "./response_queue.ts";
import { CONTENT_TOO_SLOW, HEAD_TOO_SLOW } from "./refusals.ts";
import type { TicketTable } from "./tickets.ts";
import type { Filing, Timed, Timeouts } from "./timeouts.ts";

/** Counters of a server since its start. */
export interface ConnectionStats {
  requests: number;
  refused: number;
  shed: number;
  deadlines: number;
}

/** The limits of one request body, octets. */
export interface BodyLimits {
  /** Longer ones are refused; Infinity: none. */
  readonly maxBytes: number;
  /** Longer ones are not collected before a worker is asked. */
  readonly spoolBytes: number;
}

/** What a connection needs from the I/O thread around it. */
export interface ConnectionHost {
  readonly settings: Settings;
  readonly tickets: TicketTable;
  readonly timeouts: Timeouts;
  readonly stats: ConnectionStats;
  /** The server's clock, ms, as of this turn. */
  readonly now: number;
  /** The server stops: no connection goes on behind its present responses. */
  readonly stopping: boolean;
  /** Octets that collected bodies take at the moment, all connections together. */
  spooledBytes: number;
  /** Room for one more request, in the ring and in the ticket table. */
  hasRoom(): boolean;
  /** Puts a request into the ring; false: full after all. */
  dispatch(
    exchange: Exchange,
    parser: HeadParser,
    flags: number,
    head: Uint8Array,
    start: number,
    headLength: number,
    body: Uint8Array,
    bodyStart: number,
    bodyLength: number,
  ): boolean;
  /** The largest body that can go along in a record. */
  readonly maxInlineBytes: number;
  /** The limits of the body that follows this head; good until the next call. */
  bodyLimits(parser: HeadParser, head: Uint8Array, start: number): BodyLimits;
  /** Calls `connection.retry()` when there may be room again. */
  hold(connection: Holdable): void;
  /** The connection is gone. */
  forget(connection: Protocol): void;
  /** Parsers that no connection holds. */
  readonly parsers: HeadParser[];
  /** Logs what a peer did wrong, at debug level. */
  note(connection: HttpConnection, message: string): void;
}

const encoder = new TextEncoder();

/** A connection. */
export class HttpConnection implements Protocol, Holdable, QueueOwner, Timed {
  dueAt = Infinity;
  filedAt = -1;
  heldSince = 0;
  filing: Filing | null = null;
  /** Position in the server's list of connections. */
  index = -1;
  readonly transport: Transport;
  /** The peer's address as octets, for the request records. */
  readonly remote: Uint8Array;
  /** Its responses: what workers say goes here. */
  readonly queue: ResponseQueue;
  readonly #host: ConnectionHost;
  readonly #reader: RequestReader;
  #isGone = false;
  #isClosing = false;
  /** When the last octet of this side was with the kernel, ms on the server's clock; only if closing. */
  #endedAt = 0;

  constructor(host: ConnectionHost, transport: Transport) {
    this.#host = host;
    this.transport = transport;
    this.remote = encoder.encode(transport.remoteAddress);
    this.queue = new ResponseQueue(host, transport, this);
    this.#reader = new RequestReader(host, this, this.queue);
    this.watch();
  }

  /** The transport is gone, or belongs to another protocol. */
  get isGone(): boolean {
    return this.#isGone;
  }

  get isBusy(): boolean {
    return this.queue.first !== null || this.transport.bufferedBytes > 0 || this.#reader.isReadOn;
  }

  // ── the transport ──────────────────────────────────────────────────────────────────────────────────────────────

  onData(bytes: Uint8Array, length: number): void {
    if (this.#isGone) return;
    const isEndless = this.#isClosing && this.#reader.hasRefused &&
      this.#host.now - this.#endedAt >= REFUSED_LINGER_MS;
    if (isEndless) this.transport.abort();
    else this.#reader.onData(bytes, length);
  }

  onEnd(): void {
    if (this.#isGone) return;
    this.#reader.onEnd();
    this.closeIfDone();
  }

  onClose(): void {
    if (!this.#isGone) this.#leave();
  }

  onDrain(): void {
    if (this.#isGone) return;
    this.queue.onDrain();
    if (this.#isClosing) {
      this.#endedAt = this.#host.now;
      this.watch();
      return;
    }
    this.#reader.resume();
    this.closeIfDone();
  }

  /** Ends everything on this side. @returns what was not read yet */
  #leave(): Uint8Array {
    this.#isGone = true;
    this.#host.timeouts.cancel(this);
    this.queue.close();
    const rest = this.#reader.close();
    this.queue.dropAll();
    this.#host.forget(this);
    return rest;
  }

  // ── the ring ───────────────────────────────────────────────────────────────────────────────────────────────────

  retry(): void {
    if (!this.#isGone) this.#reader.retry();
  }

  shedHeld(): boolean {
    return this.#isGone || this.#reader.shedHeld();
  }

  /** A worker asked for octets of a body. */
  bodyMoved(exchange: Exchange): void {
    this.#reader.bodyMoved(exchange);
  }

  /** No worker has this request any more. */
  handlerDone(exchange: Exchange): void {
    this.#reader.handlerDone(exchange);
  }

  // ── the responses ──────────────────────────────────────────────────────────────────────────────────────────────

  onUnlinked(exchange: Exchange): void {
    this.#reader.onUnlinked(exchange);
  }

  onAdvanced(): void {
    if (this.queue.first === null) {
      if (this.#host.stopping && !this.#reader.isReadOn) {
        this.#endAfter();
        return;
      }
      this.#reader.readSince = this.#host.now;
      this.watch();
    }
    this.#reader.resume();
    this.closeIfDone();
  }

  onLastResponse(): void {
    // A handler that answered early may want the rest of its body: the end waits for both.
    if (!this.#reader.isReadOn) this.#endAfter();
  }

  onWaiting(): void {
    this.watch();
  }

  onChange(change: ProtocolChange): void {
    change.begin(this);
  }

  /** Ends the HTTP connection without ending the transport. @returns what arrived behind the request */
  release(): Uint8Array {
    const { isPaused } = this.#reader;
    const rest = this.#leave();
    if (isPaused) this.transport.resume();
    return rest;
  }

  /** Whether the peer has already half-closed. */
  get hasEnded(): boolean {
    return this.#reader.hasEnded;
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────

  stop(): void {
    if (!this.#isGone && this.queue.first === null && !this.#reader.isReadOn) this.#endAfter();
  }

  kill(): void {
    // Responses that are complete are delivered without us.
    if (this.queue.first === null) this.transport.close();
    else this.transport.abort();
  }

  /** Ends if nothing more is read and no response is due. */
  closeIfDone(): void {
    if (this.#reader.isClosed && this.queue.first === null && !this.#isGone) this.#endAfter();
  }

  /** Write what is left, FIN, read on for a while. */
  #endAfter(): void {
    if (this.#isClosing || this.#isGone) return;
    this.queue.flush();
    this.#isClosing = true;
    this.#endedAt = this.#host.now;
    this.queue.close();
    this.#reader.close();
    // Responses behind a closing one have nowhere to go.
    this.queue.dropAll();
    this.transport.endWrite();
    this.#reader.readLater();
    this.watch();
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sets the time at which the state that holds now becomes a fault. */
  watch(): void {
    const due = this.#dueTime();
    const isEarlier = due < this.dueAt || this.filedAt === -1;
    this.dueAt = due;
    if (isEarlier) this.#host.timeouts.schedule(this);
  }

  #dueTime(): number {
    if (this.#isGone) return Infinity;
    const { settings } = this.#host;
    const { wroteAt } = this.queue;
    const reader = this.#reader;
    if (this.transport.bufferedBytes > 0) {
      return after(wroteAt, settings.writeTimeoutMs);
    }
    if (this.#isClosing) return this.#endedAt + lingerMs(settings.writeTimeoutMs);
    if (reader.isInBody) return reader.isPaused ? Infinity : after(reader.readSince, settings.bodyTimeoutMs);
    if (reader.isInHead) return after(reader.headSince, settings.headerTimeoutMs);
    if (this.queue.first === null && reader.isIdle) {
      return after(reader.readSince, settings.keepAliveTimeoutMs);
    }
    return Infinity;
  }

  /** The wheel found this connection due: looks at the state, then acts or is filed again. */
  onDue(now: number): void {
    if (this.#isGone) return;
    this.queue.observe(now);
    this.dueAt = this.#dueTime();
    if (this.dueAt > now) {
      this.#host.timeouts.schedule(this);
    } else if (this.transport.bufferedBytes > 0) {
      this.transport.abort();
    } else if (this.#isClosing) {
      this.transport.close();
    } else if (this.#reader.isInHead) {
      this.#reader.refuse(HEAD_TOO_SLOW);
    } else if (this.#reader.isInBody) {
      this.#reader.failBody(BodyFailure.TimedOut, CONTENT_TOO_SLOW);
      this.closeIfDone();
    } else this.#endAfter();
  }
}

function after(since: number, ms: number): number {
  return ms === 0 ? Infinity : since + ms;
}
