/**
 * One WebSocket connection: frames in, events out to the workers (`socket_events.ts`), frames of theirs back.
 * Runs on: I/O thread; runtime API: none
 *
 * RFC 6455. Pings are answered here, in order, whatever the workers do. Nothing is sent behind a close frame; the
 * answers to messages that came whole in front of the client's, or of a fault, are sent before it. A client that does
 * not read is not read from either, and its messages wait, until it takes what waits for it.
 *
 * Longer than most files: reading, writing, closing and time-outs of a connection share their state.
 */
import type { Transport } from "../adapters/adapter.ts";
import { SendFlag } from "../messages/kind.ts";
import { SocketEvent, type SocketSettings, UpgradeKind } from "../messages/socket_message.ts";
import { CLOSE_CODE, closeForFault, encodeClosePayload, type FrameFault } from "../websocket/close_code.ts";
import { frameBytes, writeFrame } from "../websocket/frame_encoder.ts";
import { OPCODE, type Opcode } from "../websocket/opcode.ts";
import { type FeedOwner, FrameFeed, type TurnHost } from "./frame_feed.ts";
import { lingerMs } from "./linger.ts";
import type { Protocol } from "./protocol.ts";
import { type EventsHost, type EventsOwner, SocketEvents } from "./socket_events.ts";
import type { Socket, SocketTable } from "./socket_table.ts";
import type { WorkerLink } from "./tickets.ts";
import type { Filing, Timed, Timeouts } from "./timeouts.ts";
import type { Publication, Subscriber, Topics } from "./topics.ts";

/** What sockets need from the I/O thread around them. */
export interface SocketHost extends EventsHost, TurnHost {
  readonly settings: {
    readonly writeTimeoutMs: number;
    readonly goneEventTimeoutMs: number;
    readonly drainTimeoutMs: number;
  };
  readonly sockets: SocketTable;
  readonly topics: Topics;
  readonly timeouts: Timeouts;
  readonly now: number;
  readonly stopping: boolean;
  forget(connection: Protocol): void;
  /** An event did not end, and its client has long left. */
  eventGivenUp(remote: string): void;
}

/** The end of what the client says, and what follows from it. */
interface Ending {
  /** Of the close frame; null: the client has ended its side without one, and gets none. */
  readonly payload: Uint8Array | null;
  /** For the error event; "": there is none. */
  readonly error: string;
  /** For the close event. */
  readonly code: number;
  readonly reason: string;
}

const LOST: Ending = {
  payload: null,
  error: "the connection was lost",
  code: CLOSE_CODE.abnormal,
  reason: "",
};

/** How long the close frame waits for answers to the messages in front of the client's end, ms. */
const ANSWER_MS = 500;
/** How long the peer may take to answer a close frame that the kernel has, ms. */
const CLOSE_TIMEOUT_MS = 5_000;
/** How long the peer may take to close after the closing handshake, ms. */
const LINGER_MS = 2_000;
/** How often a socket that rests is looked at, ms. */
const REST_LOOK_MS = 1_000;

const NOTHING: Uint8Array = new Uint8Array(0);

/** A WebSocket. */
export class WebSocketConnection implements Protocol, Socket, Subscriber, Timed, FeedOwner, EventsOwner {
  index = -1;
  dueAt = Infinity;
  filedAt = -1;
  filing: Filing | null = null;
  readonly transport: Transport;
  readonly socketIndex: number;
  readonly generation: number;
  readonly kind = UpgradeKind.WebSocket;
  readonly pinnedTo: WorkerLink | null;
  readonly #host: SocketHost;
  readonly #settings: SocketSettings;
  readonly #feed: FrameFeed;
  readonly #events: SocketEvents;
  /** The head of the response and what was sent before it was its turn; null once it was. */
  #early: Uint8Array[] | null;
  #earlyBytes = 0;
  /** Made by the first subscription: most of many idle connections need none. */
  #topics: Set<string> | null = null;
  #closeSent = false;
  /** Nothing more is read: the client said that it closes, ended its side, or broke the protocol. */
  #inputOver = false;
  /** What is done about that once the messages before it are answered; null: nothing, or it was done. */
  #ending: Ending | null = null;
  #endBy = 0;
  /** Until when the end that the server wants waits for events that are under way; 0: it does not. */
  #leaveBy = 0;
  /** The client has ended its side behind octets that wait for the next turn. */
  #endsBehindFeed = false;
  #gone = false;
  #paused = false;
  #wantsDrain = false;
  /** When octets came last, and when a message or ping. */
  #receivedAt: number;
  #activeAt: number;
  /** When a ping went out that nothing came after; 0: none. */
  #pingedAt = 0;
  /** When the client took octets last, or had to begin to, or the closing began, or it was gone. */
  #movedAt: number;
  #waitingSeen = 0;

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
    this.#early = [head];
    this.#feed = new FrameFeed(host, this, settings, settings.deflates);
    this.#events = new SocketEvents(host, this, settings, data);
    this.#receivedAt = this.#activeAt = this.#movedAt = host.now;
  }

  get remoteAddress(): string {
    return this.transport.remoteAddress;
  }

  get bufferLimit(): number {
    return this.#settings.maxBufferedBytes;
  }

  get waitsForSlow(): boolean {
    return this.#settings.waitsForSlow;
  }

  /** Takes the transport over. @param rest octets that came behind the handshake: they are frames */
  begin(rest: Uint8Array, hasEnded: boolean): void {
    this.#receivedAt = this.#activeAt = this.#movedAt = this.#host.now;
    const early = this.#early ?? [];
    this.#early = null;
    this.#host.sockets.hold(this.socketIndex, -this.#earlyBytes);
    for (const piece of early) this.#write(piece, 0, piece.length);
    if (this.#inputOver) {
      this.#endWrite();
      return;
    }
    this.#events.push(SocketEvent.Open, 0, NOTHING);
    if (this.#wantsDrain) this.wantDrain();
    this.#watch();
    if (rest.length > 0) this.onData(rest, rest.length);
    else this.#events.kick();
    if (hasEnded) this.onEnd();
    if (this.#host.stopping) this.stop();
  }

  /** The client left before it was this response's turn: no event was ever told. */
  cancel(): void {
    this.#events.cancel();
    this.#transportClosed();
  }

  // ── what the client sends ──────────────────────────────────────────────────────────────────────────────────────

  onData(bytes: Uint8Array, length: number): void {
    if (this.#gone || this.#inputOver) return;
    this.#receivedAt = this.#host.now;
    this.#pingedAt = 0;
    this.#feed.push(bytes, length);
  }

  onFed(): void {
    // A part of a message is a sign of life that no event tells.
    if (this.#feed.isInsideFrame) this.#activeAt = this.#host.now;
    this.#events.kick();
    this.#readLater();
    if (this.#endsBehindFeed && !this.#feed.isBehind) this.onEnd();
  }

  onMessage(
    isText: boolean,
    isCompressed: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
    isOwned: boolean,
  ): void {
    this.#activeAt = this.#host.now;
    const payload = isOwned ? bytes.subarray(start, end) : bytes.slice(start, end);
    this.#events.push(isText ? SocketEvent.Text : SocketEvent.Binary, isCompressed ? 1 : 0, payload);
  }

  onPing(bytes: Uint8Array, start: number, end: number): void {
    this.#activeAt = this.#host.now;
    if (this.#events.wants(SocketEvent.Ping)) {
      this.#events.push(SocketEvent.Ping, 0, bytes.slice(start, end));
    }
  }

  onPong(bytes: Uint8Array, start: number, end: number): void {
    if (this.#events.wants(SocketEvent.Pong)) {
      this.#events.push(SocketEvent.Pong, 0, bytes.slice(start, end));
    }
  }

  writePongs(bytes: Uint8Array, length: number): void {
    if (!this.#closeSent) this.#write(bytes, 0, length);
  }

  onCloseFrame(code: number, reason: string): void {
    const payload = encodeClosePayload(code === CLOSE_CODE.noCode ? undefined : code, reason);
    this.#endInput({ payload, error: "", code, reason });
  }

  onFault(fault: FrameFault): void {
    const { code, reason } = closeForFault(fault);
    this.#endInput(failure(code, reason));
  }

  fail(code: number, reason: string): void {
    // What was in front of the message is answered; what is behind it is told to nobody.
    this.#events.dropMessages();
    this.#failNow(code, reason);
  }

  #failNow(code: number, reason: string): void {
    if (this.#events.isClosed) return;
    this.#endInput(failure(code, reason));
    this.#end();
  }

  onEnd(): void {
    if (this.#gone || this.#inputOver) return;
    this.#endsBehindFeed = this.#feed.isBehind;
    // The peer half-closed without a close frame: no more frames can come, and it is over (RFC 6455 section 7.1.5).
    if (!this.#endsBehindFeed) this.#endInput(LOST);
  }

  /**
   * Nothing more is read. A close frame may wait for what is being sent (RFC 6455 section 5.5.1): this one does for
   * the answers to messages that came before, but not for long.
   */
  #endInput(ending: Ending): void {
    this.#feed.stop();
    this.#inputOver = true;
    this.#ending = ending;
    if (this.#closeSent || !this.#events.hasMessages) {
      this.#end();
      return;
    }
    this.#endBy = this.#host.now + ANSWER_MS;
    this.#readLater();
    this.#watch();
  }

  /** Does what is still to be done about the end of the client's side. */
  #end(): void {
    const ending = this.#ending;
    if (ending === null) return;
    this.#ending = null;
    if (!this.#closeSent && !this.#gone) {
      if (ending.payload !== null) this.#writeFrame(OPCODE.close, ending.payload);
      this.#closeSentNow();
    }
    if (!this.#events.isClosed) {
      if (ending.error !== "") this.#events.error(ending.error);
      this.#events.close(ending.code, ending.reason);
    }
    this.#endWrite();
  }

  onClose(): void {
    this.#transportClosed();
  }

  #transportClosed(): void {
    if (this.#gone) return;
    if (!this.#inputOver) this.#feed.finish();
    this.#gone = true;
    this.#inputOver = true;
    this.#early = null;
    this.#movedAt = this.#host.now;
    this.#host.timeouts.cancel(this);
    this.#feed.stop();
    this.#host.sockets.closing(this);
    this.#dropTopics();
    // The close frame of a client that did not wait for ours has been heard all the same.
    this.#ending ??= LOST;
    this.#end();
    this.#host.forget(this);
    this.#events.kick();
    this.eventsMoved();
    this.#watch();
  }

  // ── events to the workers ──────────────────────────────────────────────────────────────────────────────────────

  /** Half of what may wait does: answers to messages that are under way may still come. */
  get isSlow(): boolean {
    return this.transport.bufferedBytes > this.#settings.maxBufferedBytes / 2;
  }

  eventsMoved(): void {
    this.#readLater();
    if (this.#ending !== null && !this.#events.hasMessages) this.#end();
    if (this.#leaveBy !== 0 && !this.#events.isBusy) this.#goAway();
    // The index is free again once the client is gone and the last event is through.
    if (!this.#gone || !this.#events.isClosed || this.#events.isBusy) return;
    this.#host.timeouts.cancel(this);
    this.#host.sockets.release(this);
  }

  eventsBroke(): void {
    this.#failNow(CLOSE_CODE.internalError, "A compressed message was lost");
  }

  pinnedWorkerDied(): void {
    this.#events.cancel();
    this.#end();
    this.#writeClose(CLOSE_CODE.internalError, "The thread of this connection died");
    this.#feed.stop();
    this.#inputOver = true;
    this.#endWrite();
    this.eventsMoved();
  }

  /** The socket rests while too much is queued here, in either direction. */
  #readLater(): void {
    if (this.#gone || this.#early !== null) return;
    const isBehind = this.#leaveBy !== 0 || this.#events.isFull || this.isSlow || this.#feed.isBehind;
    const wantsPause = !this.#inputOver && isBehind;
    if (wantsPause === this.#paused) return;
    this.#paused = wantsPause;
    if (wantsPause) {
      this.transport.pause();
      this.#watch();
    } else {
      this.#receivedAt = this.#host.now;
      this.transport.resume();
      this.#events.kick();
    }
  }

  // ── what is sent ───────────────────────────────────────────────────────────────────────────────────────────────

  send(bytes: Uint8Array, start: number, end: number, flags: number): void {
    if (this.#closeSent || this.#gone) return;
    const waiting = this.#early === null ? this.transport.bufferedBytes : this.#earlyBytes;
    // Before its turn nobody can have waited: it would be for the responses in front of this one.
    const hasWaited = this.#early === null && (flags & SendFlag.Waited) !== 0;
    if (waiting > this.#settings.maxBufferedBytes && !hasWaited) this.#tooSlow();
    else this.#write(bytes, start, end);
  }

  receive(publication: Publication): void {
    const { frame } = publication;
    this.send(frame, 0, frame.length, 0);
  }

  #tooSlow(): void {
    if (this.#early !== null) {
      // Not even its response has had its turn.
      this.transport.abort();
      return;
    }
    // A client that has said the last word is not told that it is slow.
    this.#ending ??= failure(CLOSE_CODE.tryAgainLater, "The client reads too slowly");
    this.#feed.stop();
    this.#inputOver = true;
    this.#end();
  }

  close(code: number, reason: string): void {
    this.#writeClose(code === 0 ? undefined : code, reason);
    // Nothing can be answered any more.
    this.#end();
  }

  wantDrain(): void {
    if (this.#gone || this.#closeSent) return;
    this.#wantsDrain = this.#early !== null || this.transport.bufferedBytes > 0;
    // It has been taken already.
    if (!this.#wantsDrain) this.#events.drained();
  }

  terminate(): void {
    this.transport.abort();
  }

  subscribe(topics: readonly string[], lastId: string | null): void {
    if (this.#gone || this.#closeSent) return;
    this.#topics ??= new Set();
    for (const topic of topics) this.#topics.add(topic);
    this.#host.topics.subscribe(this, topics, lastId);
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
    if (this.#early !== null) {
      this.#early.push(bytes.slice(start, end));
      this.#earlyBytes += end - start;
      this.#host.sockets.hold(this.socketIndex, end - start);
      return;
    }
    const waiting = this.transport.write(bytes, start, end);
    if (!this.#closeSent) this.#host.sockets.setBuffered(this.socketIndex, waiting);
    if (waiting > 0) {
      const isNew = this.#waitingSeen === 0;
      this.#wantsDrain = true;
      this.#waitingSeen = waiting;
      if (isNew) {
        this.#movedAt = this.#host.now;
        this.#watch();
      }
    }
    if (waiting > 0 || this.#paused) this.#readLater();
  }

  onDrain(): void {
    if (this.#gone) return;
    this.#waitingSeen = 0;
    this.#movedAt = this.#host.now;
    if (this.#closeSent) this.#watch();
    else this.#host.sockets.setBuffered(this.socketIndex, 0);
    if (this.#wantsDrain) {
      this.#wantsDrain = false;
      this.#events.drained();
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
    // The client's close frame is waited for.
    this.#leaveBy = 0;
    this.#readLater();
    this.#host.sockets.closing(this);
    this.#dropTopics();
    this.#movedAt = this.#host.now;
    this.#watch();
  }

  #endWrite(): void {
    if (this.#gone || this.#early !== null) return;
    this.#movedAt = this.#host.now;
    this.transport.endWrite();
    this.#readLater();
    this.#watch();
  }

  // ── the server ─────────────────────────────────────────────────────────────────────────────────────────────────

  get isBusy(): boolean {
    return this.#events.isBusy || (!this.#gone && this.#closeSent && !this.#inputOver);
  }

  stop(): void {
    // A client that ends gets its answers first, which takes no longer than for them.
    if (this.#ending !== null || this.#closeSent || this.#gone) return;
    if (!this.#events.isBusy) return this.#goAway();
    // What is under way may still be answered; nothing is read meanwhile. The other half of the time is the client's.
    this.#leaveBy = this.#host.now + this.#host.settings.drainTimeoutMs / 2;
    this.#readLater();
    this.#watch();
  }

  #goAway(): void {
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
    if (this.#gone) {
      const { goneEventTimeoutMs } = this.#host.settings;
      if (goneEventTimeoutMs === 0 || !this.#events.isBusy) return Infinity;
      // One that waits for a thread waits as long as it takes.
      const since = this.#events.awaitsSince ?? this.#host.now;
      return Math.max(this.#movedAt, since) + goneEventTimeoutMs;
    }
    if (this.#early !== null) return Infinity;
    const { writeTimeoutMs } = this.#host.settings;
    if (this.#closeSent) {
      const quiet = this.#inputOver ? LINGER_MS : CLOSE_TIMEOUT_MS;
      return this.#movedAt + (this.#waitingSeen > 0 ? lingerMs(writeTimeoutMs) : quiet);
    }
    const written = this.#waitingSeen === 0 || writeTimeoutMs === 0
      ? Infinity
      : this.#movedAt + writeTimeoutMs;
    if (this.#ending !== null) return Math.min(written, this.#endBy);
    if (this.#leaveBy !== 0) return Math.min(written, this.#leaveBy);
    // What the client sends is not seen while it is not read from.
    if (this.#paused) return Math.min(written, this.#host.now + REST_LOOK_MS);
    const { pingIntervalMs, idleTimeoutMs } = this.#settings;
    const ping = pingIntervalMs === 0
      ? Infinity
      : Math.max(this.#receivedAt, this.#pingedAt) + pingIntervalMs;
    const idle = idleTimeoutMs === 0 ? Infinity : this.#activeAt + idleTimeoutMs;
    return Math.min(written, ping, idle);
  }

  onDue(now: number): void {
    if (this.#gone) {
      if (this.#dueTime() <= now) {
        this.#host.eventGivenUp(this.remoteAddress);
        this.#events.giveUp();
      }
      this.#watch();
      return;
    }
    const waiting = this.transport.bufferedBytes;
    if (waiting < this.#waitingSeen) this.#movedAt = now;
    this.#waitingSeen = waiting;
    if (this.#paused) {
      this.#readLater();
      this.#events.kick();
    }
    this.dueAt = this.#dueTime();
    if (this.dueAt > now) {
      this.#host.timeouts.schedule(this);
      return;
    }
    const { idleTimeoutMs } = this.#settings;
    const { writeTimeoutMs } = this.#host.settings;
    // What the kernel has is still the client's; with octets that wait here it is a reset.
    if (this.#closeSent) this.transport.close();
    else if (waiting > 0 && writeTimeoutMs !== 0 && now - this.#movedAt >= writeTimeoutMs) {
      this.transport.abort();
    } else if (this.#ending !== null) this.#end();
    else if (this.#leaveBy !== 0) this.#goAway();
    else if (idleTimeoutMs !== 0 && now - this.#activeAt >= idleTimeoutMs) {
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

/** The end of a client that is at fault (RFC 6455 section 7.1.7). */
function failure(code: number, reason: string): Ending {
  return { payload: encodeClosePayload(code, reason), error: reason, code, reason };
}
