/**
 * The requests of one connection: octets in, exchanges out.
 * Runs on: I/O thread; runtime API: none
 *
 * RFC 9112. A state machine over `Reading`, restartable at every octet. Small bodies are collected before a worker is
 * asked; larger ones are streamed to whoever claims the request, and the socket rests while too much waits.
 * Invariant: once `Closed`, nothing that arrives is read as a request.
 */
import { ChunkedDecoder, ChunkEvent } from "../http/chunked_decoder.ts";
import type { HeadParser } from "../http/request_parser.ts";
import { BodyFailure } from "../messages/kind.ts";
import { RequestFlag } from "../messages/request_message.ts";
import { BodySpool } from "./body_spool.ts";
import { Exchange } from "./exchange.ts";
import type { ConnectionHost, HttpConnection } from "./http_connection.ts";
import type { LocalResponse } from "./local_response.ts";
import { giveParser, headFlags, takeParser } from "./parsers.ts";
import { Reading } from "./reading.ts";
import * as refusals from "./refusals.ts";
import type { ResponseQueue } from "./response_queue.ts";
import { UnreadOctets } from "./unread_octets.ts";

/** Octets of an unwanted body that are read to save the connection; beyond, it is closed. */
const MAX_DISCARD_BYTES = 256 * 1024;
/** Octets of responses that may wait for a slow client before no further request of its is read. */
const HIGH_WATER_BYTES = 256 * 1024;
const MAX_TRAILER_BYTES = 8 * 1024;
const MAX_EXTENSION_BYTES = 16 * 1024;

const NOTHING: Uint8Array<ArrayBufferLike> = new Uint8Array(0);

/** Reads requests. */
export class RequestReader {
  /** When the last octet came, or we began to listen again, ms on the server's clock. */
  readSince: number;
  /** When the head that is incomplete began. */
  headSince = 0;
  /** The peer has half-closed. */
  hasEnded = false;
  /** The socket rests because of what waits here. */
  isPaused = false;
  /** What the peer sends, or may still send, was refused. */
  hasRefused = false;
  readonly #host: ConnectionHost;
  readonly #connection: HttpConnection;
  readonly #queue: ResponseQueue;
  #reading: Reading = Reading.Head;
  /** Only while a head or a held request is incomplete. */
  #parser: HeadParser | null = null;
  /** Octets that arrived and were not consumed. */
  readonly #unread = new UnreadOctets();
  /** The request whose body is being read, or is not with its worker yet. */
  #current: Exchange | null = null;
  /** A request that may make this connection something else: what follows it may not be HTTP. */
  #upgrading: Exchange | null = null;
  #bodyLeft = 0;
  #bodyLimit = 0;
  #discardUpTo = 0;
  #decoder: ChunkedDecoder | null = null;
  /** A private copy of the head while its body is collected. */
  #heldHead: Uint8Array = NOTHING;
  readonly #spool: BodySpool;
  #isProcessing = false;
  #isHeld = false;

  constructor(host: ConnectionHost, connection: HttpConnection, queue: ResponseQueue) {
    this.#host = host;
    this.#connection = connection;
    this.#queue = queue;
    this.#spool = new BodySpool(host);
    this.readSince = host.now;
  }

  // ── state, for the connection ──────────────────────────────────────────────────────────────────────────────────

  get isClosed(): boolean {
    return this.#reading === Reading.Closed;
  }
  /** Part of a header section has arrived. */
  get isInHead(): boolean {
    return this.#reading === Reading.Head && this.#parser?.hasBegun === true && !this.#isHeld;
  }
  /** Part of a body has arrived, or the whole is waiting for room. */
  get isInBody(): boolean {
    return this.#reading === Reading.Length || this.#reading === Reading.Chunked;
  }
  /** A handler that has answered may still read the body that is coming. */
  get isReadOn(): boolean {
    const current = this.#current;
    return current !== null && this.isInBody && current.connection === null && current.ticket !== 0 &&
      !current.sealed;
  }
  /** Nothing has arrived that was not read. */
  get isEmpty(): boolean {
    return this.#unread.isEmpty;
  }
  /** Nothing of a request has arrived: empty lines are none (RFC 9112 section 2.2). */
  get isIdle(): boolean {
    return this.isEmpty ||
      (this.#reading === Reading.Head && this.#parser?.hasBegun === false && !this.#isHeld);
  }

  onData(bytes: Uint8Array, length: number): void {
    if (this.#reading === Reading.Closed) return;
    this.readSince = this.#host.now;
    if (this.isEmpty) {
      const used = this.#consume(bytes, 0, length);
      if (used < length) this.#keep(bytes, used, length);
    } else {
      this.#keep(bytes, 0, length);
      this.#consumeRest();
    }
  }

  onEnd(): void {
    this.hasEnded = true;
    this.#checkEnd();
  }

  /** After FIN: what is incomplete stays incomplete; what is whole but had to wait is still read. */
  #checkEnd(): void {
    if (!this.hasEnded) return;
    if (this.#reading === Reading.Head) {
      // What waits behind other requests may be whole.
      if (!this.isEmpty && (this.#isHeld || this.#isBehind())) return;
      if (this.isInHead) {
        this.refuse(refusals.ENDED_IN_HEAD);
      } else if (this.isIdle) this.#reading = Reading.Closed;
    } else if (this.#current !== null && this.isInBody && this.isEmpty) {
      this.failBody(BodyFailure.Gone, refusals.ENDED_IN_CONTENT);
    }
  }

  /** There may be room again. */
  retry(): void {
    this.#isHeld = false;
    if (this.#reading === Reading.Closed) return;
    // The time in which we did not listen is not the client's.
    this.headSince = this.readSince = this.#host.now;
    const isFull = this.#spool.isOpen && this.#reading !== Reading.Held && this.#spool.isFull(this.#bodyLeft);
    if (isFull) this.#dispatchStreamed();
    this.#consumeRest();
  }

  /** Held for too long while nothing moves. @returns whether it need not be held any longer */
  shedHeld(): boolean {
    if (this.#reading === Reading.Closed) return true;
    const current = this.#current;
    // Behind requests of its own that are under way it waits on.
    if (this.#queue.first !== current) return false;
    this.#host.stats.shed++;
    this.#isHeld = false;
    if (current === null) this.refuse(refusals.TOO_MANY_WAIT);
    else this.failBody(BodyFailure.TooLarge, refusals.TOO_MANY_WAIT);
    return true;
  }

  /** The connection is gone, or ends: nothing more is read. @returns what was not read yet */
  close(): Uint8Array {
    const rest = this.#unread.takeAll();
    this.#reading = Reading.Closed;
    this.#spool.end();
    this.#bodyLeft = 0;
    this.#spool.release();
    const current = this.#current;
    this.#current = null;
    current?.body?.leave();
    return rest;
  }

  /** An exchange's response is complete. */
  onUnlinked(exchange: Exchange): void {
    // A handler that answered early may still read its body; one that arrived whole does not hold up the next.
    if (this.#current === exchange && this.#reading === Reading.Head) this.#current = null;
    if (this.#upgrading === exchange) this.#upgrading = null;
  }

  // ── octets ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #keep(bytes: Uint8Array, start: number, end: number): void {
    if (this.#reading === Reading.Closed) return;
    this.#unread.append(bytes, start, end);
    this.readLater();
  }

  #consumeRest(): void {
    if (this.#isProcessing) return;
    const unread = this.#unread;
    if (!unread.isEmpty || this.#reading === Reading.Held) {
      const { generation } = unread;
      const used = this.#consume(unread.bytes, unread.start, unread.end);
      // Closed meanwhile.
      if (unread.generation !== generation) return;
      unread.advanceTo(used);
    }
    this.readLater();
    this.#checkEnd();
    this.#connection.closeIfDone();
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
    if (this.#isBehind()) return false;
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

  /** What was read before has to get on first. */
  #isBehind(): boolean {
    // A streamed body is not with its worker yet, or the octets may be frames.
    return this.#current !== null || this.#upgrading !== null ||
      this.#queue.depth >= this.#host.settings.maxPipelined ||
      this.#connection.transport.bufferedBytes > HIGH_WATER_BYTES;
  }

  #holdOn(): void {
    if (this.#isHeld) return;
    this.#isHeld = true;
    this.#host.hold(this.#connection);
  }

  /** Reads the socket or lets it rest, as the state wants. */
  readLater(): void {
    if (this.#connection.isGone) return;
    const feed = this.#current?.body ?? null;
    const wantsPause = this.#reading === Reading.Closed
      ? false
      : this.isInBody && this.isEmpty
      ? feed !== null && feed.isFull && (!this.#spool.isOpen || this.#isHeld)
      : !this.isEmpty && (this.#reading === Reading.Held || this.#isHeld || this.#isBehind());
    if (wantsPause === this.isPaused) return;
    this.isPaused = wantsPause;
    if (wantsPause) this.#connection.transport.pause();
    else {
      // Silence while we did not listen is not the client's.
      this.readSince = this.#host.now;
      this.#connection.transport.resume();
      this.#connection.watch();
    }
  }

  /** Something that kept the next request from being read has changed. */
  resume(): void {
    if (this.#connection.isGone || this.#isProcessing) return;
    if (!this.isEmpty && !this.#isHeld) this.#consumeRest();
    else this.readLater();
  }

  // ── heads ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #consumeHead(bytes: Uint8Array, at: number, end: number): number {
    const parser = this.#parser ?? takeParser(this.#host);
    const { hasBegun } = parser;
    const length = parser.parse(bytes, at, end);
    if (length > 0) {
      this.#parser = null;
      return this.#begin(parser, bytes, at, at + length, end);
    }
    if (length === 0) {
      this.#parser = parser;
      if (!hasBegun) this.headSince = this.#host.now;
      this.#connection.watch();
      return at;
    }
    this.#parser = null;
    const { isHead } = parser;
    giveParser(this.#host, parser);
    this.refuse(refusals.malformed(-length), isHead);
    return end;
  }

  /** A head is complete: decides about the body and hands the request on. @returns where reading goes on */
  #begin(parser: HeadParser, bytes: Uint8Array, start: number, bodyAt: number, end: number): number {
    const host = this.#host;
    host.stats.requests++;
    if (parser.isConnect) {
      giveParser(host, parser);
      this.refuse(refusals.NO_CONNECT);
      return end;
    }
    const exchange = new Exchange(host, this.#connection, parser.isHead, parser.keepAlive);
    const length = parser.contentLength;
    const flags = headFlags(parser);
    if (length <= 0 && !parser.chunked) {
      this.#queue.enqueue(exchange);
      if (parser.upgrade) this.#upgrading = exchange;
      if (host.dispatch(exchange, parser, flags, bytes, start, bodyAt - start, NOTHING, 0, 0)) {
        giveParser(host, parser);
      } else this.#holdRequest(exchange, parser, bytes, start, bodyAt);
      // Behind an upgrade nothing is read before its response: what follows may be frames, whatever Connection says.
      this.#lastRequestUnless(parser.keepAlive || parser.upgrade);
      return bodyAt;
    }
    const { maxBytes, spoolBytes } = host.bodyLimits(parser, bytes, start);
    if (length > maxBytes) {
      giveParser(host, parser);
      this.refuse(refusals.contentTooLong(length, maxBytes), exchange.isHead);
      return end;
    }
    this.#queue.enqueue(exchange);
    if (length > 0 && length <= end - bodyAt && length <= host.maxInlineBytes) {
      // The common small body: all of it is here.
      const withBody = flags | RequestFlag.HasBody;
      if (host.dispatch(exchange, parser, withBody, bytes, start, bodyAt - start, bytes, bodyAt, length)) {
        giveParser(host, parser);
      } else {
        const feed = exchange.expectBody(this.#connection);
        feed.push(bytes.slice(bodyAt, bodyAt + length));
        feed.end([]);
        this.#holdRequest(exchange, parser, bytes, start, bodyAt);
      }
      this.#lastRequestUnless(parser.keepAlive);
      return bodyAt + length;
    }
    exchange.expectBody(this.#connection);
    exchange.expects100 = parser.expectContinue && bodyAt === end;
    this.#current = exchange;
    this.#bodyLimit = maxBytes;
    this.#bodyLeft = Math.max(length, 0);
    this.#parser = parser;
    this.#heldHead = bytes.slice(start, bodyAt);
    if (parser.chunked) {
      this.#decoder ??= new ChunkedDecoder({
        maxTrailerBytes: MAX_TRAILER_BYTES,
        maxExtensionBytes: MAX_EXTENSION_BYTES,
      });
      this.#decoder.reset();
      this.#reading = Reading.Chunked;
    } else this.#reading = Reading.Length;
    this.#spool.begin(spoolBytes);
    this.#connection.watch();
    if (this.#spool.isFull(this.#bodyLeft)) this.#dispatchStreamed();
    else this.#queue.continueIfExpected(exchange);
    return bodyAt;
  }

  /** Keeps a request that found the ring full between `hasRoom` and `dispatch`. */
  #holdRequest(
    exchange: Exchange,
    parser: HeadParser,
    bytes: Uint8Array,
    start: number,
    bodyAt: number,
  ): void {
    this.#current = exchange;
    this.#parser = parser;
    this.#heldHead = bytes.slice(start, bodyAt);
    this.#reading = Reading.Held;
    this.#holdOn();
  }

  /** No request follows one that ends the connection. */
  #lastRequestUnless(keepAlive: boolean): void {
    if (!keepAlive && this.#reading === Reading.Head) this.#reading = Reading.Closed;
  }

  /** Answers without a worker, behind what is under way, and reads nothing more. */
  refuse(response: LocalResponse, isHead = false): void {
    this.#host.stats.refused++;
    this.#host.note(this.#connection, `${response.status} ${response.detail}`);
    this.#reading = Reading.Closed;
    this.hasRefused = true;
    const exchange = new Exchange(this.#host, this.#connection, isHead, false);
    this.#queue.enqueue(exchange);
    exchange.answerLocally(response);
  }

  // ── bodies ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #consumeLength(bytes: Uint8Array, at: number, end: number): number {
    const take = Math.min(this.#bodyLeft, end - at);
    if (take > 0) {
      this.#bodyLeft -= take;
      this.#content(bytes, at, at + take);
      this.#current?.body?.pump();
    }
    if (this.#bodyLeft === 0 && this.#reading === Reading.Length) this.#bodyComplete([]);
    return at + take;
  }

  #consumeChunked(bytes: Uint8Array, at: number, end: number): number {
    const decoder = this.#decoder as ChunkedDecoder;
    const feed = this.#current?.body;
    let next = at;
    while (next < end && this.#reading === Reading.Chunked) {
      const event = decoder.next(bytes, next, end);
      next = decoder.position;
      if (event === ChunkEvent.Data) {
        this.#content(bytes, decoder.dataStart, decoder.dataEnd, decoder.chunkLeft);
      } else if (event === ChunkEvent.End) {
        this.#bodyComplete(decoder.trailers);
      } else if (event === ChunkEvent.Error) {
        this.failBody(BodyFailure.Malformed, refusals.malformed(decoder.error));
        return end;
      } else if (this.#isBeyondLimit(decoder.chunkLeft)) {
        // Before it comes.
        return end;
      } else if (next === end) break;
    }
    // Once for all the chunks that came together.
    feed?.pump();
    return next;
  }

  /** Whether the body is too long with `length` octets more; then it has failed. */
  #isBeyondLimit(length: number): boolean {
    if ((this.#current?.body?.receivedBytes ?? 0) + length <= this.#bodyLimit) return false;
    this.failBody(BodyFailure.TooLarge, refusals.contentBeyondLimit(this.#bodyLimit));
    return true;
  }

  /** Content of the body that is being read. @param announced octets that will follow it */
  #content(bytes: Uint8Array, start: number, end: number, announced = 0): void {
    const exchange = this.#current;
    const feed = exchange?.body ?? null;
    if (exchange === null || feed === null) return;
    const length = end - start;
    if (this.#isBeyondLimit(length + announced)) return;
    exchange.movedAt = this.#host.now;
    exchange.expects100 = false;
    if (feed.discarding) {
      feed.receivedBytes += length;
      if (feed.receivedBytes > this.#discardUpTo) this.#stopReading();
      return;
    }
    feed.offer(bytes, start, end);
    if (this.#spool.isOpen) {
      this.#spool.add(length);
      if (!this.#isHeld && this.#spool.isFull(this.#bodyLeft)) this.#dispatchStreamed();
    }
    this.readLater();
  }

  #bodyComplete(trailers: readonly (readonly [string, string])[]): void {
    const exchange = this.#current as Exchange;
    exchange.body?.end(trailers);
    if (this.#spool.isOpen) {
      this.#spool.end();
      this.#reading = Reading.Held;
    } else this.#endOfBody(exchange);
  }

  /** The octets behind the body of `exchange` belong to the next request. */
  #endOfBody(exchange: Exchange): void {
    this.#reading = Reading.Head;
    this.#lastRequestUnless(
      this.#upgrading === exchange || (exchange.keepAlive && !exchange.wasLast),
    );
    // The next request waits until this body is with its worker: one streamed body per connection at a time.
    // Neither does it wait for a handler that has answered and works on.
    if (exchange.connection === null || (exchange.body?.isHandedOver ?? true)) this.#current = null;
    if (this.#reading === Reading.Head) this.#connection.watch();
    else this.#connection.closeIfDone();
  }

  /** Sends a request whose head (and perhaps body) was kept; false: no room. */
  #dispatchHeld(): boolean {
    const host = this.#host;
    const exchange = this.#current as Exchange;
    const parser = this.#parser as HeadParser;
    const feed = exchange.body;
    let flags = headFlags(parser);
    let body: Uint8Array = NOTHING;
    if (feed !== null && (feed.receivedBytes > 0 || parser.chunked)) flags |= RequestFlag.HasBody;
    if (feed !== null && feed.ended && feed.queuedBytes <= host.maxInlineBytes && !feed.hasTrailers) {
      body = feed.takeAll();
    } else if (feed !== null) flags |= RequestFlag.Streamed;
    const head = this.#heldHead;
    if (
      !host.hasRoom() || !host.dispatch(exchange, parser, flags, head, 0, head.length, body, 0, body.length)
    ) {
      this.#holdOn();
      return false;
    }
    if ((flags & RequestFlag.Streamed) === 0) exchange.body = exchange.source = null;
    this.#dispatched(parser);
    this.#endOfBody(exchange);
    return true;
  }

  /** Sends a request ahead of its body. */
  #dispatchStreamed(): void {
    const parser = this.#parser as HeadParser;
    const exchange = this.#current as Exchange;
    const flags = headFlags(parser) | RequestFlag.HasBody | RequestFlag.Streamed;
    const head = this.#heldHead;
    if (!this.#host.dispatch(exchange, parser, flags, head, 0, head.length, NOTHING, 0, 0)) {
      // Collected on until there is room; the socket rests meanwhile.
      this.#holdOn();
      return;
    }
    this.#spool.end();
    this.#dispatched(parser);
  }

  #dispatched(parser: HeadParser): void {
    this.#spool.release();
    giveParser(this.#host, parser);
    this.#parser = null;
    this.#heldHead = NOTHING;
  }

  /** The body breaks off: the worker hears of it, or the I/O thread answers when no worker has the request. */
  failBody(failure: typeof BodyFailure[keyof typeof BodyFailure], response: LocalResponse): void {
    const exchange = this.#current;
    if (exchange === null) return;
    this.#reading = Reading.Closed;
    this.hasRefused = true;
    this.#current = null;
    exchange.close = true;
    this.#spool.end();
    this.#bodyLeft = 0;
    this.#spool.release();
    if (this.#parser !== null) {
      giveParser(this.#host, this.#parser);
      this.#parser = null;
    }
    exchange.body?.fail(failure);
    this.#host.note(this.#connection, response.detail);
    if (exchange.ticket === 0) exchange.answerLocally(response);
    this.#connection.closeIfDone();
  }

  /** A worker asked for octets of a body. */
  bodyMoved(exchange: Exchange): void {
    this.#queue.continueIfExpected(exchange);
    if (
      this.#current === exchange && this.#reading === Reading.Head && (exchange.body?.isHandedOver ?? true)
    ) {
      this.#current = null;
      this.resume();
    }
    this.readLater();
  }

  /** No worker has this request any more: what is left of its body is unwanted. */
  handlerDone(exchange: Exchange): void {
    const feed = exchange.body;
    if (feed === null || this.#current !== exchange) return;
    feed.discard();
    if (this.#reading === Reading.Head) this.#current = null;
    else {
      this.#discardUpTo = feed.receivedBytes + MAX_DISCARD_BYTES;
      const isLong = this.#reading === Reading.Length && this.#bodyLeft > MAX_DISCARD_BYTES;
      // The client still waits to send it, or it is too long to read for nothing (RFC 9110 section 10.1.1).
      if (exchange.expects100 || isLong || exchange.wasLast) this.#stopReading();
    }
    this.resume();
    this.#connection.closeIfDone();
  }

  /** Nothing more is read; the connection ends behind the responses that are due. */
  #stopReading(): void {
    this.#reading = Reading.Closed;
    this.#current = null;
    this.#queue.closeBehindLast();
    this.readLater();
    this.#connection.closeIfDone();
  }
}
