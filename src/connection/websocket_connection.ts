/**
 * One WebSocket connection: frames in, batches of events out to the workers, frames of theirs back.
 * Runs on: I/O thread; runtime API: none
 *
 * RFC 6455. Pings are answered here, in order, whatever the workers do. Events queue up here; one batch at a time is
 * with a worker. Data of the connection, and the windows of permessage-deflate with context takeover, lie here
 * between batches and travel with them, so that any worker can run the next one and none takes them to its grave.
 */
import type { Transport } from "../adapters/adapter.ts";
import { InboxKind, SendFlag } from "../messages/kind.ts";
import {
  type BatchResult,
  batchLength,
  settingsBytes,
  eventBit,
  SocketEvent,
  type SocketEventRecord,
  type SocketSettings,
  UpgradeKind,
  writeBatch,
} from "../messages/socket_message.ts";
import { CLOSE_CODE, closeForFault, encodeClosePayload, type FrameFault } from "../websocket/close_code.ts";
import { frameBytes, writeFrame } from "../websocket/frame_encoder.ts";
import { FrameParser, type FrameSink } from "../websocket/frame_parser.ts";
import { OPCODE, type Opcode } from "../websocket/opcode.ts";
import type { Holdable, Protocol } from "./protocol.ts";
import { type BatchOwner, SocketDispatch } from "./socket_dispatch.ts";
import type { Socket, SocketTable } from "./socket_table.ts";
import type { TicketTable, WorkerLink } from "./tickets.ts";
import type { Timed, Timeouts } from "./timeouts.ts";
import type { Publication, Subscriber, Topics } from "./topics.ts";

/** What sockets need from the I/O thread around them. */
export interface SocketHost {
  readonly sockets: SocketTable;
  readonly topics: Topics;
  readonly tickets: TicketTable;
  readonly timeouts: Timeouts;
  readonly now: number;
  readonly stopping: boolean;
  readonly maxInlineBytes: number;
  hasRoom(): boolean;
  /** Puts a batch into the ring; false: full. */
  dispatchBatch(batch: SocketDispatch, length: number, write: (target: Uint8Array, at: number) => void): boolean;
  hold(holdable: Holdable): void;
  forget(connection: Protocol): void;
}

/** Events that may queue up before the socket is not read any more. */
const MAX_QUEUED_EVENTS = 1024;
/** Octets of events that may queue up before the socket is not read any more. */
const MAX_QUEUED_BYTES = 1024 * 1024;
/** Events of a batch at most: others wait for a thread, too. */
const MAX_BATCH_EVENTS = 64;
/** How long the peer may take to answer a close frame, ms. */
const CLOSE_TIMEOUT_MS = 5_000;
/** How long the peer may take to close after the closing handshake, ms. */
const LINGER_MS = 2_000;

const NOTHING: Uint8Array = new Uint8Array(0);
const encoder = new TextEncoder();

/** A WebSocket. */
export class WebSocketConnection implements Protocol, Socket, Subscriber, Holdable, Timed, FrameSink, BatchOwner {
  index = -1;
  dueAt = Infinity;
  filedAt = -1;
  readonly transport: Transport;
  readonly socketIndex: number;
  readonly generation: number;
  readonly kind = UpgradeKind.WebSocket;
  readonly pinnedTo: WorkerLink | null;
  readonly #host: SocketHost;
  readonly #settings: SocketSettings;
  readonly #settingsBytes: Uint8Array;
  readonly #parser: FrameParser;
  readonly #head: Uint8Array;
  #hasBegun = false;
  /** What was sent before it was this response's turn. */
  #early: Uint8Array[] = [];
  #data: Uint8Array;
  #inflateWindow: Uint8Array = NOTHING;
  #deflateWindow: Uint8Array = NOTHING;
  #queue: SocketEventRecord[] = [];
  #queuedBytes = 0;
  #batch: SocketDispatch | null = null;
  /** Made by the first subscription: most of many idle connections need none. */
  #topics: Set<string> | null = null;
  #closeSent = false;
  #closeQueued = false;
  /** The close event is with a worker, or was not wanted: nothing follows. */
  #closeHandled = false;
  #inputOver = false;
  #gone = false;
  #paused = false;
  #wantsDrain = false;
  #isHeld = false;
  #receivedAt: number;
  #pingedAt = 0;
  #closingSince = 0;

  constructor(
    host: SocketHost,
    transport: Transport,
    socketIndex: number,
    generation: number,
    settings: SocketSettings,
    head: Uint8Array,
    data: Uint8Array,
    pinnedTo: WorkerLink | null,
  ) {
    this.#host = host;
    this.transport = transport;
    this.socketIndex = socketIndex;
    this.generation = generation;
    this.pinnedTo = pinnedTo;
    this.#settings = settings;
    this.#settingsBytes = settingsBytes(settings);
    this.#head = head;
    this.#data = data;
    this.#parser = new FrameParser({ maxMessageBytes: settings.maxMessageBytes }, settings.deflates);
    this.#receivedAt = host.now;
  }

  /** Takes the transport over. @param rest octets that came behind the handshake: they are frames */
  begin(rest: Uint8Array, hasEnded: boolean): void {
    this.#hasBegun = true;
    this.#receivedAt = this.#host.now;
    this.transport.write(this.#head, 0, this.#head.length);
    const early = this.#early;
    this.#early = [];
    for (const piece of early) this.#write(piece, 0, piece.length);
    this.#event(SocketEvent.Open, 0, NOTHING);
    this.#watch();
    if (rest.length > 0) this.onData(rest, rest.length);
    else this.#kick();
    if (hasEnded) this.onEnd();
  }

  /** The client left before it was this response's turn: no event was ever told. */
  cancel(): void {
    this.#closeQueued = this.#closeHandled = true;
    this.#transportClosed();
  }

  // ── what the client sends ──────────────────────────────────────────────────────────────────────────────────────

  onData(bytes: Uint8Array, length: number): void {
    if (this.#gone || this.#inputOver) return;
    this.#receivedAt = this.#host.now;
    this.#pingedAt = 0;
    this.#parser.feed(bytes, 0, length, this);
    this.#kick();
    this.#readLater();
  }

  onMessage(
    isText: boolean,
    isCompressed: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
    isOwned: boolean,
  ): void {
    const payload = isOwned ? bytes.subarray(start, end) : bytes.slice(start, end);
    this.#event(isText ? SocketEvent.Text : SocketEvent.Binary, isCompressed ? 1 : 0, payload);
  }

  onPing(bytes: Uint8Array, start: number, end: number): void {
    if (!this.#closeSent) this.#writeFrame(OPCODE.pong, bytes.subarray(start, end));
    this.#event(SocketEvent.Ping, 0, bytes.slice(start, end));
  }

  onPong(bytes: Uint8Array, start: number, end: number): void {
    this.#event(SocketEvent.Pong, 0, bytes.slice(start, end));
  }

  onClose(): void;
  onClose(code: number, reason: string): void;
  /** Two things have this name: the end of the transport (no code), and a close frame. */
  onClose(code?: number, reason?: string): void {
    if (code === undefined) this.#transportClosed();
    else this.#closeReceived(code, reason ?? "");
  }

  #closeReceived(code: number, reason: string): void {
    if (!this.#closeSent) this.#writeClose(code === CLOSE_CODE.noCode ? undefined : code, reason);
    this.#inputOver = true;
    this.#closeEvent(code, reason);
    this.#endWrite();
  }

  onFault(fault: FrameFault): void {
    const { code, reason } = closeForFault(fault);
    this.#fail(code, reason);
  }

  /** Ends the connection for a fault of the client, or one that a worker found in a message. */
  #fail(code: number, reason: string): void {
    if (this.#closeQueued) return;
    this.#parser.stop();
    this.#inputOver = true;
    this.#writeClose(code, reason);
    this.#event(SocketEvent.Error, 0, encoder.encode(reason));
    this.#closeEvent(code, reason);
    this.#endWrite();
  }

  onEnd(): void {
    // The peer half-closed without a close frame: no more frames can come, and it is over (RFC 6455 section 7.1.5).
    if (this.#gone || this.#inputOver) return;
    this.#inputOver = true;
    this.#lostConnection();
    this.#closeSent = true;
    this.#endWrite();
  }

  #transportClosed(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#inputOver = true;
    this.dueAt = Infinity;
    this.#parser.stop();
    this.#host.sockets.closing(this);
    this.#dropTopics();
    this.#lostConnection();
    this.#host.forget(this);
    this.#kick();
    this.#releaseIfOver();
  }

  #lostConnection(): void {
    if (this.#closeQueued) return;
    this.#event(SocketEvent.Error, 0, encoder.encode("the connection was lost"));
    this.#closeEvent(CLOSE_CODE.abnormal, "");
  }

  // ── events to the workers ──────────────────────────────────────────────────────────────────────────────────────

  #event(kind: number, a: number, bytes: Uint8Array): void {
    if (this.#closeQueued || (this.#settings.events & eventBit(kind)) === 0) return;
    this.#queue.push({ kind, a, bytes });
    this.#queuedBytes += bytes.length;
  }

  #closeEvent(code: number, reason: string): void {
    if (this.#closeQueued) return;
    this.#event(SocketEvent.Close, code, encoder.encode(reason));
    this.#closeQueued = true;
    if (this.#queue.at(-1)?.kind !== SocketEvent.Close) this.#closeHandled = this.#queue.length === 0;
    this.#kick();
  }

  /** Sends the next batch, if none is under way. */
  #kick(): void {
    if (this.#batch !== null || this.#isHeld || this.#queue.length === 0) return;
    if (!this.#host.hasRoom()) {
      this.#isHeld = true;
      this.#host.hold(this);
      return;
    }
    const max = this.#host.maxInlineBytes / 2;
    const first = this.#queue[0] as SocketEventRecord;
    const isStreamed = first.bytes.length > max;
    let count = 1;
    let size = first.bytes.length;
    while (!isStreamed && count < this.#queue.length && count < MAX_BATCH_EVENTS) {
      const next = this.#queue[count] as SocketEventRecord;
      if (size + next.bytes.length > max) break;
      size += next.bytes.length;
      count++;
    }
    const events = this.#queue.slice(0, count);
    const batch = new SocketDispatch(this, events, isStreamed ? first.bytes : null);
    if (!this.#send(batch, isStreamed ? [{ ...first, bytes: NOTHING }] : events)) {
      this.#isHeld = true;
      this.#host.hold(this);
      return;
    }
    this.#queue.splice(0, count);
    this.#queuedBytes -= size;
    this.#batch = batch;
    this.#readLater();
  }

  #send(batch: SocketDispatch, events: readonly SocketEventRecord[]): boolean {
    const remote = encoder.encode(this.transport.remoteAddress);
    const fixed = [this.#settingsBytes, remote, this.#data, this.#inflateWindow, this.#deflateWindow];
    const length = batchLength(fixed, events);
    const write = (target: Uint8Array, at: number): void =>
      writeBatch(target, at, this.socketIndex, this.generation, batch.body !== null, fixed, events);
    const pinned = this.pinnedTo;
    if (pinned === null) return this.#host.dispatchBatch(batch, length, write);
    const bytes = new Uint8Array(length);
    write(bytes, 0);
    this.#host.tickets.issue(batch);
    batch.worker = pinned;
    pinned.send(InboxKind.SocketEvents, batch.ticket, 0, bytes);
    return true;
  }

  /** A worker is through with a batch. */
  batchDone(batch: SocketDispatch, result: BatchResult): void {
    this.#host.tickets.retire(batch);
    if (this.#batch !== batch) return;
    this.#batch = null;
    if (result.data !== null) this.#data = result.data;
    if (result.inflateWindow !== null) this.#inflateWindow = result.inflateWindow;
    if (result.deflateWindow !== null) this.#deflateWindow = result.deflateWindow;
    if (batch.events.at(-1)?.kind === SocketEvent.Close) this.#closeHandled = true;
    else if (this.#closeQueued && this.#queue.length === 0) this.#closeHandled = true;
    this.#kick();
    this.#readLater();
    this.#releaseIfOver();
  }

  batchLost(batch: SocketDispatch): void {
    this.#host.tickets.retire(batch);
    if (this.#batch !== batch) return;
    this.#batch = null;
    const lost = batch.events[batch.finished];
    const rest = batch.events.slice(batch.finished + 1);
    for (const event of rest) this.#queuedBytes += event.bytes.length;
    this.#queue.unshift(...rest);
    if (this.pinnedTo !== null) return;
    if (lost?.kind === SocketEvent.Close) this.#closeHandled = true;
    else if (lost !== undefined && (this.#settings.events & eventBit(SocketEvent.Error)) !== 0) {
      const reason = encoder.encode("the thread that handled an event of this connection died");
      this.#queue.unshift({ kind: SocketEvent.Error, a: 1, bytes: reason });
    }
    // Compressed messages refer to what the lost one held: nothing after it can be read.
    if (lost?.a === 1 && !(this.#settings.deflate?.clientNoContextTakeover ?? true)) {
      this.#fail(CLOSE_CODE.internalError, "A compressed message was lost");
    }
    this.#kick();
    this.#releaseIfOver();
  }

  batchReturned(batch: SocketDispatch): void {
    this.#host.tickets.retire(batch);
    if (this.#batch !== batch) return;
    this.#batch = null;
    for (const event of batch.events) this.#queuedBytes += event.bytes.length;
    this.#queue.unshift(...batch.events);
    this.#kick();
  }

  pinnedWorkerDied(): void {
    this.#batch = null;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#closeQueued = this.#closeHandled = true;
    this.#writeClose(CLOSE_CODE.internalError, "The thread of this connection died");
    this.#inputOver = true;
    this.#endWrite();
    this.#releaseIfOver();
  }

  retry(): void {
    this.#isHeld = false;
    this.#kick();
  }

  shedHeld(): boolean {
    // Messages are not refused; they wait, and the client is slowed by TCP.
    return false;
  }

  /** The socket rests while too much is queued here. */
  #readLater(): void {
    if (this.#gone) return;
    const isFull = this.#queuedBytes > MAX_QUEUED_BYTES || this.#queue.length > MAX_QUEUED_EVENTS ||
      this.transport.bufferedBytes > this.#settings.maxBufferedBytes;
    const wantsPause = isFull && !this.#inputOver;
    if (wantsPause === this.#paused) return;
    this.#paused = wantsPause;
    if (wantsPause) this.transport.pause();
    else {
      this.#receivedAt = this.#host.now;
      this.transport.resume();
    }
  }

  // ── what workers send ──────────────────────────────────────────────────────────────────────────────────────────

  send(bytes: Uint8Array, start: number, end: number, flags: number): void {
    if (this.#closeSent || this.#gone) return;
    if (this.transport.bufferedBytes > this.#settings.maxBufferedBytes) {
      this.#tooSlow();
      return;
    }
    this.#write(bytes, start, end);
    if ((flags & SendFlag.Close) !== 0) this.#closeSentNow();
  }

  receive(publication: Publication): void {
    const { frame } = publication;
    this.send(frame, 0, frame.length, 0);
  }

  #tooSlow(): void {
    const reason = "The client reads too slowly";
    this.#event(SocketEvent.Error, 0, encoder.encode(reason));
    this.#parser.stop();
    this.#inputOver = true;
    this.#closeEvent(CLOSE_CODE.tryAgainLater, reason);
    this.#writeClose(CLOSE_CODE.tryAgainLater, reason);
    this.#endWrite();
  }

  close(code: number, reason: string): void {
    this.#writeClose(code === 0 ? undefined : code, reason);
  }

  terminate(): void {
    this.transport.abort();
  }

  subscribe(topic: string, lastId: string | null): void {
    if (this.#gone || this.#closeSent) return;
    this.#topics ??= new Set();
    this.#topics.add(topic);
    this.#host.topics.subscribe(this, topic, lastId);
  }

  unsubscribe(topic: string): void {
    if (this.#topics?.delete(topic)) this.#host.topics.unsubscribe(this, topic);
  }

  #dropTopics(): void {
    if (this.#topics === null) return;
    for (const topic of this.#topics) this.#host.topics.unsubscribe(this, topic);
    this.#topics = null;
  }

  #writeFrame(opcode: Opcode, payload: Uint8Array): void {
    const frame = new Uint8Array(frameBytes(payload.length));
    writeFrame(frame, 0, opcode, payload);
    this.#write(frame, 0, frame.length);
  }

  #write(bytes: Uint8Array, start: number, end: number): void {
    if (!this.#hasBegun) {
      this.#early.push(bytes.slice(start, end));
      return;
    }
    const waiting = this.transport.write(bytes, start, end);
    this.#host.sockets.setBuffered(this.socketIndex, waiting);
    if (waiting > 0) this.#wantsDrain = true;
  }

  onDrain(): void {
    if (this.#gone) return;
    if (!this.#closeSent) this.#host.sockets.setBuffered(this.socketIndex, 0);
    if (this.#wantsDrain) {
      this.#wantsDrain = false;
      this.#event(SocketEvent.Drain, 0, NOTHING);
      this.#kick();
    }
    this.#readLater();
  }

  #writeClose(code: number | undefined, reason: string): void {
    if (this.#closeSent || this.#gone) return;
    this.#writeFrame(OPCODE.close, encodeClosePayload(code, reason));
    this.#closeSentNow();
  }

  /** Nothing may follow a close frame. */
  #closeSentNow(): void {
    this.#closeSent = true;
    this.#host.sockets.closing(this);
    this.#dropTopics();
    this.#closingSince = this.#host.now;
    this.#watch();
  }

  #endWrite(): void {
    if (this.#gone) return;
    this.#closingSince = this.#host.now;
    this.transport.endWrite();
    this.#readLater();
    this.#watch();
  }

  /** The index is free again once the client is gone and the last event is through. */
  #releaseIfOver(): void {
    if (!this.#gone || this.#batch !== null || this.#queue.length > 0) return;
    if (this.#closeQueued && (this.#closeHandled || (this.#settings.events & eventBit(SocketEvent.Close)) === 0)) {
      this.#host.sockets.release(this);
    }
  }

  // ── the server ─────────────────────────────────────────────────────────────────────────────────────────────────

  get isBusy(): boolean {
    return this.#batch !== null || this.#queue.length > 0 || (this.#closeSent && !this.#inputOver);
  }

  stop(): void {
    this.#writeClose(CLOSE_CODE.goingAway, "The server stops");
  }

  kill(): void {
    this.transport.abort();
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #watch(): void {
    const due = this.#dueTime();
    const isEarlier = due < this.dueAt || this.filedAt === -1;
    this.dueAt = due;
    if (isEarlier) this.#host.timeouts.schedule(this);
  }

  #dueTime(): number {
    if (this.#gone) return Infinity;
    if (this.#closeSent) return this.#closingSince + (this.#inputOver ? LINGER_MS : CLOSE_TIMEOUT_MS);
    if (this.#paused) return this.#host.now + Math.max(this.#settings.pingIntervalMs, 1_000);
    const { pingIntervalMs, idleTimeoutMs } = this.#settings;
    const ping = pingIntervalMs === 0 ? Infinity : Math.max(this.#receivedAt, this.#pingedAt) + pingIntervalMs;
    const idle = idleTimeoutMs === 0 ? Infinity : this.#receivedAt + idleTimeoutMs;
    return Math.min(ping, idle);
  }

  onDue(now: number): void {
    if (this.#gone) return;
    this.dueAt = this.#dueTime();
    if (this.dueAt > now) {
      this.#host.timeouts.schedule(this);
      return;
    }
    const { idleTimeoutMs } = this.#settings;
    if (this.#closeSent) this.transport.abort();
    else if (idleTimeoutMs !== 0 && now - this.#receivedAt >= idleTimeoutMs) {
      this.#writeClose(CLOSE_CODE.goingAway, "Idle for too long");
    } else if (this.#pingedAt !== 0) {
      // Not a sign of life since the last ping.
      this.transport.abort();
    } else {
      this.#pingedAt = now;
      this.#writeFrame(OPCODE.ping, NOTHING);
      this.#watch();
    }
  }
}
