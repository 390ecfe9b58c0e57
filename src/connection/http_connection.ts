/**
 * One HTTP/1.1 connection: octets in, requests out to the workers; responses back in order.
 * Runs on: I/O thread; runtime API: none
 *
 * RFC 9112. The reading side is a state machine over `Reading`; the writing side is the list of exchanges. They meet
 * in `#resume` (may the next request be read?) and in `#finish` (does the connection go on behind this response?).
 * Invariant: after a refusal nothing that arrives is read as a request. A refusal waits for the responses before it,
 * then leaves as: write, FIN, and reading on for a moment, so that it is not lost to a reset.
 */
import type { Transport } from "../adapters/adapter.ts";
import { ChunkedDecoder, ChunkEvent } from "../http/chunked_decoder.ts";
import { describeParseError } from "../http/parse_error.ts";
import { HeadParser } from "../http/request_parser.ts";
import { AbortReason, BodyFailure, InboxKind } from "../messages/kind.ts";
import { RequestFlag } from "../messages/request_message.ts";
import type { Settings } from "../options.ts";
import { BodyFeed } from "./body_feed.ts";
import { Exchange, type ProtocolChange } from "./exchange.ts";
import { CONTINUE, type LocalResponse } from "./local_response.ts";
import type { Holdable, Protocol } from "./protocol.ts";
import type { TicketTable } from "./tickets.ts";
import type { Timed, Timeouts } from "./timeouts.ts";

/** Counters of a server since its start. */
export interface ConnectionStats {
  requests: number;
  refused: number;
  shed: number;
  deadlines: number;
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
  /** The body limit for this head, octets; Infinity: none. */
  bodyLimit(parser: HeadParser, head: Uint8Array, start: number): number;
  /** Calls `connection.retry()` when there may be room again. */
  hold(connection: Holdable): void;
  /** The connection is gone. */
  forget(connection: Protocol): void;
  /** Parsers that no connection holds. */
  readonly parsers: HeadParser[];
  /** Logs what a peer did wrong, at debug level. */
  note(connection: HttpConnection, message: string): void;
}

/** What the next octet belongs to. */
const Reading = {
  Head: 0,
  /** A body whose length is known. */
  Length: 1,
  Chunked: 2,
  /** A whole request waits for room in the ring. */
  Held: 3,
  /** Nothing more is read as a request; octets are thrown away. */
  Closed: 4,
} as const;
type Reading = typeof Reading[keyof typeof Reading];

/** How long a client may take to read a last response and to close, ms; then it is reset. */
const LINGER_MS = 2_000;
/** Octets of an unwanted body that are read to save the connection; beyond, it is closed. */
const MAX_DISCARD_BYTES = 256 * 1024;
/** Octets of responses that may wait for a slow client before no further request of its is read. */
const HIGH_WATER_BYTES = 256 * 1024;
const MAX_TRAILER_BYTES = 8 * 1024;
const MAX_EXTENSION_BYTES = 16 * 1024;

const NOTHING: Uint8Array<ArrayBufferLike> = new Uint8Array(0);
const latin1 = new TextEncoder();

/** A connection. */
export class HttpConnection implements Protocol, Holdable, Timed {
  dueAt = Infinity;
  filedAt = -1;
  /** Position in the server's list of connections. */
  index = -1;
  readonly transport: Transport;
  /** The peer's address as octets, for the request records. */
  readonly remote: Uint8Array;
  readonly #host: ConnectionHost;
  #reading: Reading = Reading.Head;
  /** Only while a head or a held request is incomplete. */
  #parser: HeadParser | null = null;
  #headLength = 0;
  /** Octets that arrived and were not consumed: `#rest[#restStart .. #restEnd)`. */
  #rest: Uint8Array = NOTHING;
  #restStart = 0;
  #restEnd = 0;
  /** The request whose body is being read. */
  #current: Exchange | null = null;
  /** A request that may make this connection something else: what follows it may not be HTTP. */
  #upgrading: Exchange | null = null;
  #bodyLeft = 0;
  #bodyLimit = 0;
  #decoder: ChunkedDecoder | null = null;
  /** A private copy of the head while its body is collected. */
  #heldHead: Uint8Array = NOTHING;
  #spooling = false;
  #spooled = 0;
  #first: Exchange | null = null;
  #last: Exchange | null = null;
  #depth = 0;
  #paused = false;
  #ended = false;
  #gone = false;
  #closing = false;
  #headSince = 0;
  #readSince: number;
  #wroteAt = 0;
  /** Octets that waited for the client when the wheel last looked: fewer now means that it takes some. */
  #waitingSeen = 0;
  #output: Uint8Array = NOTHING;
  #outputLength = 0;
  #isProcessing = false;
  #isHeld = false;

  constructor(host: ConnectionHost, transport: Transport) {
    this.#host = host;
    this.transport = transport;
    this.remote = latin1.encode(transport.remoteAddress);
    this.#readSince = host.now;
    this.#watch();
  }

  /** No request is under way and none has begun to arrive. */
  get isIdle(): boolean {
    return this.#first === null && this.#restStart === this.#restEnd && this.#reading === Reading.Head;
  }

  /** Whether responses are still due. */
  get isBusy(): boolean {
    return this.#first !== null || this.transport.bufferedBytes > 0;
  }

  // ── reading ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Octets arrived; the memory is the adapter's. */
  onData(bytes: Uint8Array, length: number): void {
    if (this.#gone || this.#reading === Reading.Closed) return;
    this.#readSince = this.#host.now;
    if (this.#restStart === this.#restEnd) {
      const used = this.#consume(bytes, 0, length);
      if (used < length) this.#keep(bytes, used, length);
    } else {
      this.#keep(bytes, 0, length);
      this.#consumeRest();
    }
  }

  /** The peer will send nothing more. */
  onEnd(): void {
    if (this.#gone) return;
    this.#ended = true;
    this.#checkEnd();
    this.#closeIfDone();
  }

  /** After FIN: what is incomplete stays incomplete; what is whole but had to wait is still read. */
  #checkEnd(): void {
    if (!this.#ended) return;
    const current = this.#current;
    if (this.#reading === Reading.Head) {
      if (this.#parser !== null) {
        this.#refuse({ status: 400, detail: "The request ended inside its header section.", close: true });
      } else if (this.#restStart === this.#restEnd) this.#reading = Reading.Closed;
    } else if (current !== null && (this.#reading === Reading.Length || this.#reading === Reading.Chunked)) {
      if (this.#restStart < this.#restEnd) return;
      this.#failBody(current, BodyFailure.Gone, {
        status: 400,
        detail: "The request ended inside its content.",
        close: true,
      });
    }
  }

  /** The connection is gone both ways. */
  onClose(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.dueAt = Infinity;
    this.#reading = Reading.Closed;
    this.#rest = NOTHING;
    this.#restStart = this.#restEnd = 0;
    this.#releaseSpool();
    const current = this.#current;
    this.#current = null;
    if (current !== null) {
      current.body?.fail(BodyFailure.Gone);
      // Never dispatched: nobody else knows of it.
      if (current.ticket === 0) current.body?.discard();
    }
    let exchange = this.#first;
    this.#first = this.#last = null;
    this.#depth = 0;
    while (exchange !== null) {
      const next = exchange.next;
      exchange.connection = null;
      exchange.next = null;
      exchange.parked = [];
      exchange.upgrade?.cancel();
      exchange.giveUp(AbortReason.Gone);
      exchange = next;
    }
    this.#host.forget(this);
  }

  /** There may be room again. */
  retry(): void {
    this.#isHeld = false;
    if (this.#gone) return;
    if (this.#spooling && this.#reading !== Reading.Held && this.#isSpoolFull()) this.#dispatchStreamed();
    this.#consumeRest();
  }

  /** Whether the body that is being collected has to be streamed instead. */
  #isSpoolFull(): boolean {
    const settings = this.#host.settings;
    return this.#bodyLeft + this.#spooled > settings.spoolBodyBytes ||
      this.#host.spooledBytes > settings.spoolTotalBytes;
  }

  /**
   * Held for too long while nothing moves: refuses what waits here, unless earlier requests of this connection are
   * still under way (then it waits behind them).
   *
   * @returns whether the connection need not be held any longer
   */
  shedHeld(): boolean {
    if (this.#gone || this.#reading === Reading.Closed) return true;
    const current = this.#current;
    if (this.#first !== current) return false;
    this.#host.stats.shed++;
    this.#isHeld = false;
    const response = {
      status: 503,
      detail: "Too many requests wait for a thread.",
      fields: [["Retry-After", "1"]],
      close: true,
    } as const;
    if (current === null) this.#refuse(response);
    else this.#failBody(current, BodyFailure.TooLarge, response);
    return true;
  }

  #keep(bytes: Uint8Array, start: number, end: number): void {
    if (this.#reading === Reading.Closed) return;
    const length = end - start;
    const have = this.#restEnd - this.#restStart;
    if (this.#restEnd + length > this.#rest.length) {
      const target = have + length <= this.#rest.length
        ? this.#rest
        : new Uint8Array(Math.max(1024, 2 * (have + length)));
      target.set(this.#rest.subarray(this.#restStart, this.#restEnd), 0);
      this.#rest = target;
      this.#restStart = 0;
      this.#restEnd = have;
    }
    this.#rest.set(bytes.subarray(start, end), this.#restEnd);
    this.#restEnd += length;
    this.#readLater();
  }

  #consumeRest(): void {
    if (this.#isProcessing) return;
    const rest = this.#rest;
    if (this.#restStart < this.#restEnd || this.#reading === Reading.Held) {
      const end = this.#restEnd;
      const used = this.#consume(rest, this.#restStart, end);
      if (this.#gone || this.#rest !== rest) return;
      this.#restStart = used;
      if (used === end) {
        this.#restStart = this.#restEnd = 0;
        this.#rest = NOTHING;
      }
    }
    this.#readLater();
    this.#checkEnd();
    this.#closeIfDone();
  }

  /** Consumes `bytes[at..end)` as far as it can. @returns where it stopped */
  #consume(bytes: Uint8Array, at: number, end: number): number {
    this.#isProcessing = true;
    let next = at;
    for (;;) {
      const before = next;
      const state = this.#reading;
      if (state === Reading.Head) {
        if (next === end || !this.#mayRead()) break;
        next = this.#consumeHead(bytes, next, end);
      } else if (state === Reading.Length) {
        next = this.#consumeLength(bytes, next, end);
      } else if (state === Reading.Chunked) {
        next = this.#consumeChunked(bytes, next, end);
      } else if (state === Reading.Held) {
        if (!this.#dispatchHeld()) break;
      } else {
        next = end;
        break;
      }
      if (next === before && this.#reading === state) break;
    }
    this.#isProcessing = false;
    return next;
  }

  /** Whether the next request may be read now; if not, something will call back. */
  #mayRead(): boolean {
    // A streamed body is not with its worker yet, or the octets may be frames.
    if (this.#current !== null || this.#upgrading !== null) return false;
    if (this.#depth >= this.#host.settings.maxPipelined) return false;
    if (this.transport.bufferedBytes > HIGH_WATER_BYTES) return false;
    if (this.#host.stopping) {
      // What has not begun to be read when the server stops is not begun.
      this.#reading = Reading.Closed;
      return false;
    }
    if (!this.#host.hasRoom()) {
      this.#holdOn();
      return false;
    }
    return true;
  }

  #holdOn(): void {
    if (this.#isHeld) return;
    this.#isHeld = true;
    this.#host.hold(this);
  }

  #consumeHead(bytes: Uint8Array, at: number, end: number): number {
    let parser = this.#parser;
    if (parser === null) {
      parser = takeParser(this.#host);
      this.#headSince = this.#host.now;
    }
    const length = parser.parse(bytes, at, end);
    if (length > 0) {
      this.#parser = null;
      this.#headSince = 0;
      return this.#begin(parser, bytes, at, at + length, end);
    }
    if (length === 0) {
      this.#parser = parser;
      this.#watch();
      return at;
    }
    this.#parser = null;
    giveParser(this.#host, parser);
    const refusal = describeParseError(-length);
    this.#refuse({ status: refusal.status, detail: refusal.reason, close: true });
    return end;
  }

  /** A head is complete: decides about the body and hands the request on. */
  #begin(parser: HeadParser, bytes: Uint8Array, start: number, bodyAt: number, end: number): number {
    const host = this.#host;
    host.stats.requests++;
    if (parser.isConnect) {
      giveParser(host, parser);
      this.#refuse({ status: 501, detail: "CONNECT is not implemented.", close: true });
      return end;
    }
    const exchange = new Exchange(host, this, parser.isHead, parser.keepAlive);
    const length = parser.contentLength;
    const flags = headFlags(parser);
    if (length <= 0 && !parser.chunked) {
      this.#enqueue(exchange);
      if (parser.upgrade) this.#upgrading = exchange;
      const sent = host.dispatch(exchange, parser, flags, bytes, start, bodyAt - start, NOTHING, 0, 0);
      if (sent) giveParser(host, parser);
      else this.#holdRequest(exchange, parser, bytes, start, bodyAt);
      if (!parser.keepAlive) this.#lastRequest();
      return bodyAt;
    }
    const limit = host.bodyLimit(parser, bytes, start);
    if (length > limit) {
      giveParser(host, parser);
      this.#refuse({
        status: 413,
        detail: `The content has ${length} octets; the limit is ${limit}.`,
        close: true,
      });
      return end;
    }
    if (length > 0 && length <= end - bodyAt && length <= host.maxInlineBytes) {
      // The common small body: all of it is here.
      this.#enqueue(exchange);
      const withBody = flags | RequestFlag.HasBody;
      if (!host.dispatch(exchange, parser, withBody, bytes, start, bodyAt - start, bytes, bodyAt, length)) {
        const feed = new BodyFeed();
        feed.push(bytes.slice(bodyAt, bodyAt + length));
        feed.end([]);
        exchange.body = feed;
        exchange.source = this;
        this.#holdRequest(exchange, parser, bytes, start, bodyAt);
      } else giveParser(host, parser);
      if (!parser.keepAlive) this.#lastRequest();
      return bodyAt + length;
    }
    this.#enqueue(exchange);
    exchange.body = new BodyFeed();
    exchange.source = this;
    exchange.expects100 = parser.expectContinue && bodyAt === end;
    this.#current = exchange;
    this.#bodyLimit = limit;
    this.#bodyLeft = Math.max(length, 0);
    this.#parser = parser;
    this.#heldHead = bytes.slice(start, bodyAt);
    this.#headLength = bodyAt - start;
    if (parser.chunked) {
      this.#decoder ??= new ChunkedDecoder({
        maxTrailerBytes: MAX_TRAILER_BYTES,
        maxExtensionBytes: MAX_EXTENSION_BYTES,
      });
      this.#decoder.reset();
      this.#reading = Reading.Chunked;
    } else this.#reading = Reading.Length;
    this.#spooling = true;
    this.#watch();
    if (this.#isSpoolFull()) this.#dispatchStreamed();
    else this.continueIfExpected(exchange);
    return bodyAt;
  }

  #consumeLength(bytes: Uint8Array, at: number, end: number): number {
    const take = Math.min(this.#bodyLeft, end - at);
    if (take > 0) {
      this.#bodyLeft -= take;
      this.#content(bytes, at, at + take);
    }
    if (this.#bodyLeft === 0 && this.#reading === Reading.Length) this.#bodyComplete([]);
    return at + take;
  }

  #consumeChunked(bytes: Uint8Array, at: number, end: number): number {
    const decoder = this.#decoder as ChunkedDecoder;
    let next = at;
    while (next < end && this.#reading === Reading.Chunked) {
      const event = decoder.next(bytes, next, end);
      next = decoder.position;
      if (event === ChunkEvent.Data) {
        this.#content(bytes, decoder.dataStart, decoder.dataEnd);
      } else if (event === ChunkEvent.End) {
        this.#bodyComplete(decoder.trailers);
      } else if (event === ChunkEvent.Error) {
        const refusal = describeParseError(decoder.error);
        const current = this.#current;
        if (current !== null) {
          this.#failBody(current, BodyFailure.Malformed, {
            status: refusal.status,
            detail: refusal.reason,
            close: true,
          });
        }
        return end;
      } else if (next === end) break;
    }
    return next;
  }

  /** Content of the body that is being read. */
  #content(bytes: Uint8Array, start: number, end: number): void {
    const exchange = this.#current;
    const feed = exchange?.body;
    if (exchange === null || feed === undefined || feed === null) return;
    const length = end - start;
    if (feed.receivedBytes + length > this.#bodyLimit) {
      this.#failBody(exchange, BodyFailure.TooLarge, {
        status: 413,
        detail: `The content is longer than the limit of ${this.#bodyLimit} octets.`,
        close: true,
      });
      return;
    }
    exchange.movedAt = this.#host.now;
    exchange.expects100 = false;
    if (feed.discarding) {
      feed.receivedBytes += length;
      if (feed.receivedBytes > this.#discardUpTo) this.#stopReading();
      return;
    }
    feed.push(bytes.slice(start, end));
    if (this.#spooling) {
      this.#spooled += length;
      this.#host.spooledBytes += length;
      if (!this.#isHeld && this.#isSpoolFull()) this.#dispatchStreamed();
    }
    this.#readLater();
  }

  #discardUpTo = 0;

  #bodyComplete(trailers: readonly (readonly [string, string])[]): void {
    const exchange = this.#current as Exchange;
    const feed = exchange.body as BodyFeed;
    feed.end(trailers);
    if (this.#spooling) {
      this.#spooling = false;
      this.#reading = Reading.Held;
    } else this.#endOfBody(exchange);
  }

  /** The octets behind the body of `exchange` belong to the next request. */
  #endOfBody(exchange: Exchange): void {
    this.#reading = Reading.Head;
    if (!exchange.keepAlive) this.#lastRequest();
    // The next request waits until this body is with its worker: one streamed body per connection at a time.
    if (exchange.body?.isHandedOver ?? true) this.#current = null;
    if (this.#reading === Reading.Head) this.#watch();
  }

  /** Sends a request whose head (and perhaps body) was kept; false: no room. */
  #dispatchHeld(): boolean {
    const host = this.#host;
    if (!host.hasRoom()) {
      this.#holdOn();
      return false;
    }
    const exchange = this.#current as Exchange;
    const parser = this.#parser as HeadParser;
    const feed = exchange.body;
    const head = this.#heldHead;
    let flags = headFlags(parser);
    let body: Uint8Array = NOTHING;
    if (feed !== null && (feed.receivedBytes > 0 || parser.chunked)) flags |= RequestFlag.HasBody;
    if (feed !== null && feed.ended && feed.queuedBytes <= host.maxInlineBytes && !feed.hasTrailers) {
      body = feed.takeAll();
    } else if (feed !== null) flags |= RequestFlag.Streamed;
    if (!host.dispatch(exchange, parser, flags, head, 0, this.#headLength, body, 0, body.length)) {
      this.#holdOn();
      return false;
    }
    if ((flags & RequestFlag.Streamed) === 0) exchange.body = exchange.source = null;
    this.#releaseSpool();
    giveParser(host, parser);
    this.#parser = null;
    this.#heldHead = NOTHING;
    this.#endOfBody(exchange);
    return true;
  }

  /** Sends a request ahead of its body. */
  #dispatchStreamed(): void {
    const parser = this.#parser as HeadParser;
    const exchange = this.#current as Exchange;
    const flags = headFlags(parser) | RequestFlag.HasBody | RequestFlag.Streamed;
    if (!this.#host.dispatch(exchange, parser, flags, this.#heldHead, 0, this.#headLength, NOTHING, 0, 0)) {
      // Collected on until there is room; the socket rests meanwhile.
      this.#holdOn();
      return;
    }
    this.#spooling = false;
    this.#releaseSpool();
    giveParser(this.#host, parser);
    this.#parser = null;
    this.#heldHead = NOTHING;
  }

  /** Keeps a request that found the ring full between `hasRoom` and `dispatch`. */
  #holdRequest(exchange: Exchange, parser: HeadParser, bytes: Uint8Array, start: number, bodyAt: number): void {
    this.#current = exchange;
    this.#parser = parser;
    this.#heldHead = bytes.slice(start, bodyAt);
    this.#headLength = bodyAt - start;
    this.#reading = Reading.Held;
    this.#holdOn();
  }

  #releaseSpool(): void {
    this.#host.spooledBytes -= this.#spooled;
    this.#spooled = 0;
  }

  /** No request follows on this connection. */
  #lastRequest(): void {
    if (this.#reading === Reading.Head) this.#reading = Reading.Closed;
  }

  /** The body breaks off: the worker hears of it, or the I/O thread answers when no worker has the request. */
  #failBody(
    exchange: Exchange,
    failure: typeof BodyFailure[keyof typeof BodyFailure],
    response: LocalResponse,
  ): void {
    this.#reading = Reading.Closed;
    this.#current = null;
    exchange.close = true;
    this.#releaseSpool();
    if (this.#parser !== null) {
      giveParser(this.#host, this.#parser);
      this.#parser = null;
    }
    exchange.body?.fail(failure);
    this.#host.note(this, response.detail);
    if (exchange.ticket === 0) exchange.answerLocally(response);
  }

  /** Answers without a worker, behind what is under way, and reads nothing more. */
  #refuse(response: LocalResponse): void {
    this.#host.stats.refused++;
    this.#host.note(this, `${response.status} ${response.detail}`);
    this.#reading = Reading.Closed;
    const exchange = new Exchange(this.#host, this, false, false);
    this.#enqueue(exchange);
    exchange.answerLocally(response);
  }

  #enqueue(exchange: Exchange): void {
    if (this.#last === null) this.#first = exchange;
    else this.#last.next = exchange;
    this.#last = exchange;
    this.#depth++;
  }

  /** 100 Continue, if it is this request's turn and the client waits for it (RFC 9110 section 10.1.1). */
  continueIfExpected(exchange: Exchange): void {
    if (!exchange.expects100 || this.#first !== exchange || exchange.started) return;
    exchange.expects100 = false;
    this.#write(CONTINUE, 0, CONTINUE.length);
  }

  /** A worker asks for octets of a body. */
  bodyMoved(exchange: Exchange): void {
    this.continueIfExpected(exchange);
    this.#bodyMaybeHandedOver(exchange);
    this.#readLater();
  }

  #bodyMaybeHandedOver(exchange: Exchange): void {
    if (this.#current !== exchange || this.#reading !== Reading.Head) return;
    if (!(exchange.body?.isHandedOver ?? true)) return;
    this.#current = null;
    this.#resume();
  }

  /** Reads the socket or lets it rest, as the state wants. */
  #readLater(): void {
    if (this.#gone) return;
    const feed = this.#current?.body ?? null;
    const readsBody = this.#reading === Reading.Length || this.#reading === Reading.Chunked;
    const wantsPause = this.#reading === Reading.Closed
      ? false
      : readsBody && this.#restStart === this.#restEnd
      ? feed !== null && feed.isFull && (!this.#spooling || this.#isHeld)
      : this.#restStart < this.#restEnd && this.#isBlocked();
    if (wantsPause === this.#paused) return;
    this.#paused = wantsPause;
    if (wantsPause) this.transport.pause();
    else {
      // Silence while we did not listen is not the client's.
      this.#readSince = this.#host.now;
      this.transport.resume();
      this.#watch();
    }
  }

  /** Octets wait here and cannot be consumed now. */
  #isBlocked(): boolean {
    return this.#reading === Reading.Held || this.#isHeld || this.#current !== null || this.#upgrading !== null ||
      this.#depth >= this.#host.settings.maxPipelined || this.transport.bufferedBytes > HIGH_WATER_BYTES;
  }

  /** Something that kept the next request from being read has changed. */
  #resume(): void {
    if (this.#gone || this.#isProcessing) return;
    if (this.#restStart < this.#restEnd && !this.#isHeld) this.#consumeRest();
    else this.#readLater();
  }

  // ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether this exchange is the one whose octets go out now. */
  isTurnOf(exchange: Exchange): boolean {
    return this.#first === exchange;
  }

  /**
   * Takes octets of a response.
   *
   * @param final the response is complete with them
   * @param close the connection ends behind it
   * @param interim a 1xx response
   */
  accept(
    exchange: Exchange,
    bytes: Uint8Array,
    start: number,
    end: number,
    final: boolean,
    close: boolean,
    interim: boolean,
  ): void {
    if (!interim && end > start) exchange.started = true;
    if (final) exchange.final = true;
    if (close) exchange.close = true;
    if (this.#first === exchange) {
      this.#write(bytes, start, end);
      if (final) this.#finish(exchange);
    } else if (end > start) exchange.parked.push(bytes.slice(start, end));
  }

  /**
   * Whether a complete response of this exchange may be written together with the octets before it. If so the
   * exchange is out of the list; the caller writes later and calls `endRun`.
   */
  joinRun(exchange: Exchange): boolean {
    if (this.#first !== exchange || !exchange.keepAlive || exchange.source !== null) return false;
    if (exchange.started || exchange.sealed) return false;
    exchange.final = true;
    this.#unlinkFirst(exchange);
    return true;
  }

  /** Writes a run of complete responses, then goes on behind it. */
  endRun(bytes: Uint8Array, start: number, end: number): void {
    this.#write(bytes, start, end);
    this.#advance();
  }

  /**
   * The worker wants this connection to become something else with the response of `exchange`: now, or when it is
   * that response's turn.
   */
  upgrade(exchange: Exchange, change: ProtocolChange): void {
    exchange.upgrade = change;
    if (this.#first === exchange) this.#change(exchange);
  }

  #change(exchange: Exchange): void {
    this.#unlinkFirst(exchange);
    this.#flush();
    exchange.final = true;
    exchange.upgrade?.begin(this);
  }

  /**
   * Ends the HTTP connection without ending the transport.
   *
   * @returns what arrived behind the request and was not read yet
   */
  release(): Uint8Array {
    const rest = this.#rest.slice(this.#restStart, this.#restEnd);
    this.onClose();
    if (this.#paused) this.transport.resume();
    return rest;
  }

  /** Whether the peer has already half-closed. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  /** The exchange's state changed without octets (cut, or final after all octets were accepted). */
  settle(exchange: Exchange): void {
    if (this.#first !== exchange) return;
    if (exchange.cut) {
      this.#flush();
      this.transport.abort();
    } else if (exchange.final) this.#finish(exchange);
  }

  /** Octets of a streamed response that are with the kernel now can be paid back to the worker. */
  payBack(exchange: Exchange): void {
    if (exchange.owed === 0 || this.#first !== exchange || this.transport.bufferedBytes > 0) return;
    if (this.#outputLength > 0) this.#flush();
    if (this.transport.bufferedBytes > 0) return;
    const amount = exchange.owed;
    exchange.owed = 0;
    exchange.movedAt = this.#host.now;
    exchange.worker?.send(InboxKind.Credit, exchange.ticket, amount, null);
  }

  /** All that waited for the peer is with the kernel. */
  onDrain(): void {
    if (this.#gone) return;
    this.#wroteAt = this.#host.now;
    const first = this.#first;
    if (first !== null) this.payBack(first);
    this.#resume();
    this.#closeIfDone();
  }

  /** Writes `bytes[start..end)`, which may lie in shared memory. */
  #write(bytes: Uint8Array, start: number, end: number): void {
    if (end === start || this.#closing || this.#gone) return;
    if (this.#outputLength > 0 || (this.#depth > 1 && end - start < OUTPUT_BYTES)) {
      this.#append(bytes, start, end);
      return;
    }
    this.#send(bytes, start, end);
  }

  #send(bytes: Uint8Array, start: number, end: number): void {
    const waiting = this.transport.bufferedBytes;
    if (waiting === 0) this.#wroteAt = this.#host.now;
    if (this.transport.write(bytes, start, end) > 0) this.#watch();
  }

  /** Collects octets of several responses for one write. */
  #append(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (this.#outputLength + length > OUTPUT_BYTES) this.#flush();
    if (length > OUTPUT_BYTES) return this.#send(bytes, start, end);
    if (this.#outputLength === 0) {
      if (this.#output.length === 0) this.#output = outputs.pop() ?? new Uint8Array(OUTPUT_BYTES);
      unflushed.push(this);
    }
    this.#output.set(bytes.subarray(start, end), this.#outputLength);
    this.#outputLength += length;
  }

  #flush(): void {
    const length = this.#outputLength;
    if (length === 0) return;
    this.#outputLength = 0;
    const output = this.#output;
    this.#output = NOTHING;
    if (!this.#gone) this.#send(output, 0, length);
    outputs.push(output);
  }

  /** Writes what `accept` collected; call after every batch of responses. */
  static flushAll(): void {
    if (unflushed.length === 0) return;
    for (const connection of unflushed) connection.#flush();
    unflushed.length = 0;
  }

  #unlinkFirst(exchange: Exchange): void {
    this.#first = exchange.next;
    if (this.#first === null) this.#last = null;
    this.#depth--;
    exchange.connection = null;
    exchange.next = null;
    // A handler that answered early may still read its body; one that arrived whole does not hold up the next.
    if (this.#current === exchange && this.#reading === Reading.Head) this.#current = null;
    if (this.#upgrading === exchange) this.#upgrading = null;
  }

  /** The first exchange's response is complete: go on with the next, or end. */
  #finish(exchange: Exchange): void {
    this.#unlinkFirst(exchange);
    if (exchange.close || !exchange.keepAlive) this.#endAfter();
    else this.#advance();
  }

  /** Writes what parked while it was not its turn, and lets the reading side go on. */
  #advance(): void {
    for (let next = this.#first; next !== null; next = this.#first) {
      for (const piece of next.parked) this.#write(piece, 0, piece.length);
      next.parked = [];
      if (next.cut) {
        this.#flush();
        this.transport.abort();
        return;
      }
      if (next.upgrade !== null) {
        this.#change(next);
        return;
      }
      this.continueIfExpected(next);
      if (!next.final) {
        this.payBack(next);
        break;
      }
      this.#unlinkFirst(next);
      if (next.close || !next.keepAlive) {
        this.#endAfter();
        return;
      }
    }
    if (this.#first === null) {
      if (this.#host.stopping) {
        this.#endAfter();
        return;
      }
      this.#readSince = this.#host.now;
      this.#watch();
    }
    this.#resume();
    this.#closeIfDone();
  }

  /** No worker has this request any more: what is left of its body is unwanted. */
  handlerDone(exchange: Exchange): void {
    const feed = exchange.body;
    if (feed === null || this.#current !== exchange) return;
    this.#discardBody(exchange, feed);
    this.#resume();
    this.#closeIfDone();
  }

  #discardBody(exchange: Exchange, feed: BodyFeed): void {
    feed.discard();
    if (this.#reading === Reading.Head) {
      this.#current = null;
      return;
    }
    const known = this.#reading === Reading.Length;
    this.#discardUpTo = feed.receivedBytes + MAX_DISCARD_BYTES;
    if (exchange.expects100 || (known && this.#bodyLeft > MAX_DISCARD_BYTES)) {
      // The client still waits to send it, or it is too long to read for nothing (RFC 9110 section 10.1.1).
      this.#stopReading();
    } else this.#readLater();
  }

  /** Nothing more is read; the connection ends behind the responses that are due. */
  #stopReading(): void {
    this.#reading = Reading.Closed;
    this.#current = null;
    if (this.#last !== null) this.#last.close = true;
    this.#readLater();
    this.#closeIfDone();
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The server stops: ends now if idle, else behind the responses that are due. */
  stop(): void {
    if (this.#gone || this.#closing) return;
    if (this.#first === null) this.#endAfter();
  }

  /** Ends at once, whatever is under way. */
  kill(): void {
    this.transport.abort();
  }

  #closeIfDone(): void {
    if (this.#reading === Reading.Closed && this.#first === null && !this.#gone) this.#endAfter();
  }

  /** Write what is left, FIN, read on for a moment. */
  #endAfter(): void {
    if (this.#closing || this.#gone) return;
    this.#flush();
    this.#closing = true;
    this.#reading = Reading.Closed;
    this.#rest = NOTHING;
    this.#restStart = this.#restEnd = 0;
    const current = this.#current;
    this.#current = null;
    current?.body?.fail(BodyFailure.Gone);
    // Responses behind a closing one have nowhere to go.
    let exchange = this.#first;
    this.#first = this.#last = null;
    this.#depth = 0;
    while (exchange !== null) {
      const next = exchange.next;
      exchange.connection = null;
      exchange.next = null;
      exchange.parked = [];
      exchange.upgrade?.cancel();
      exchange.giveUp(AbortReason.Gone);
      exchange = next;
    }
    this.transport.endWrite();
    this.#readLater();
    this.#watch();
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sets the time at which the state that holds now becomes a fault. */
  #watch(): void {
    const due = this.#dueTime();
    const earlier = due < this.dueAt || this.filedAt === -1;
    this.dueAt = due;
    if (earlier) this.#host.timeouts.schedule(this);
  }

  #dueTime(): number {
    const settings = this.#host.settings;
    const after = (since: number, ms: number): number => ms === 0 ? Infinity : since + ms;
    if (this.#gone) return Infinity;
    if (this.transport.bufferedBytes > 0) {
      const stalled = after(this.#wroteAt, settings.writeTimeoutMs);
      return this.#closing ? Math.min(stalled, this.#wroteAt + LINGER_MS + settings.writeTimeoutMs) : stalled;
    }
    if (this.#closing) return Math.max(this.#readSince, this.#wroteAt) + LINGER_MS;
    if (this.#reading === Reading.Length || this.#reading === Reading.Chunked) {
      return this.#paused ? Infinity : after(this.#readSince, settings.bodyTimeoutMs);
    }
    if (this.#reading === Reading.Head && this.#parser !== null) {
      return after(this.#headSince, settings.headerTimeoutMs);
    }
    if (this.#first === null && this.#restStart === this.#restEnd) {
      return after(this.#readSince, settings.keepAliveTimeoutMs);
    }
    return Infinity;
  }

  /** The wheel found this connection due: look at the state, then act or file it again. */
  onDue(now: number): void {
    if (this.#gone) return;
    const waiting = this.transport.bufferedBytes;
    if (waiting < this.#waitingSeen) this.#wroteAt = now;
    this.#waitingSeen = waiting;
    this.dueAt = this.#dueTime();
    if (this.dueAt > now) {
      this.#host.timeouts.schedule(this);
      return;
    }
    if (this.#closing || this.transport.bufferedBytes > 0) {
      this.transport.abort();
    } else if (this.#reading === Reading.Head && this.#parser !== null) {
      this.#refuse({ status: 408, detail: "The header section did not arrive in time.", close: true });
    } else if (this.#current !== null && this.#reading !== Reading.Head) {
      this.#failBody(this.#current, BodyFailure.TimedOut, {
        status: 408,
        detail: "The content did not arrive in time.",
        close: true,
      });
      this.#closeIfDone();
    } else this.#endAfter();
  }
}

/** Responses of pipelined requests are collected up to this many octets for one write. */
const OUTPUT_BYTES = 64 * 1024;
const outputs: Uint8Array[] = [];
const unflushed: HttpConnection[] = [];

function takeParser(host: ConnectionHost): HeadParser {
  const { maxHeaderBytes, maxHeaderFields } = host.settings;
  return host.parsers.pop() ?? new HeadParser({ maxHeaderBytes, maxHeaderFields });
}

function giveParser(host: ConnectionHost, parser: HeadParser): void {
  parser.reset();
  host.parsers.push(parser);
}

function headFlags(parser: HeadParser): number {
  return (parser.minorVersion === 1 ? RequestFlag.Http11 : 0) |
    (parser.keepAlive ? RequestFlag.KeepAlive : 0) |
    (parser.isHead ? RequestFlag.Head : 0) |
    (parser.expectContinue ? RequestFlag.Expects100 : 0) |
    (parser.upgrade ? RequestFlag.Upgrade : 0);
}
