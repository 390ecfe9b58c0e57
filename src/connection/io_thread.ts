/**
 * The I/O thread's loop: sockets on one side, rings on the other, and what happens once per turn.
 * Runs on: I/O thread; runtime API: none
 *
 * A turn: the adapter delivers what sockets brought; requests go into the ring; at the end of the turn workers are
 * woken (one wake-up for many requests) and outboxes are read. Between turns the thread sleeps in its event loop; a
 * worker's doorbell wakes it (`ring/parking.ts`). Once per tick the slow things are looked at: time-outs, deadlines,
 * requests that wait too long, slots of dead threads.
 */
import type { Adapter, Transport, TransportEvents } from "../adapters/adapter.ts";
import type { HeadParser } from "../http/request_parser.ts";
import { HOLD_US, RingKind } from "../messages/kind.ts";
import { RequestEncoder, requestMessageLength } from "../messages/request_message.ts";
import type { Settings } from "../options.ts";
import type { ChannelConsumer } from "../ring/channel.ts";
import { ARMED, CLOCK, dirtyWord, DOORBELL, IO_SEAT, SERVICE, type SharedRing } from "../ring/layout.ts";
import { Waker } from "../ring/parking.ts";
import { Claim, RequestConsumer } from "../ring/request_consumer.ts";
import { RequestProducer } from "../ring/request_producer.ts";
import { deliver, type DeliveryHost, type SpeakingWorker } from "./delivery.ts";
import type { Exchange } from "./exchange.ts";
import {
  type BodyLimits,
  type ConnectionHost,
  type ConnectionStats,
  HttpConnection,
} from "./http_connection.ts";
import type { Holdable, Protocol } from "./protocol.ts";
import { RouteLimiter } from "./route_limiter.ts";
import { SocketDispatch } from "./socket_dispatch.ts";
import { flushResponses } from "./response_queue.ts";
import { socketRecord } from "./socket_records.ts";
import { SocketTable } from "./socket_table.ts";
import { TicketTable, type WorkerLink } from "./tickets.ts";
import { TICK_MS, Timeouts } from "./timeouts.ts";
import { Topics } from "./topics.ts";
import type { SocketHost } from "./websocket_connection.ts";

/** A worker as the I/O thread reads it. */
export interface AttachedWorker extends SpeakingWorker {
  readonly seat: number;
  readonly outbox: ChannelConsumer;
  /** The ticket of what it runs synchronously; 0: nothing. */
  readonly current: number;
  /** Room was made in the outbox: wake the worker if it waits for that. */
  afterDrain(): void;
}

/** What the owner of the I/O thread (the pool and the server) adds. */
export interface IoOwner {
  onWorkerLog(bytes: Uint8Array): void;
  onWorkerBye(worker: WorkerLink): void;
  /** Once per tick, after the time-outs. */
  onTick(now: number): void;
  /** Whether the thread of this seat was declared dead. */
  isDead(seat: number): boolean;
  /** An event of a WebSocket did not end, and its client has long left. */
  eventGivenUp(remote: string): void;
  /** What a peer did wrong. */
  note(message: string, remote: string): void;
  acceptFailed(error: unknown): void;
}

/** Most pieces of work that can be with the workers at a time (waiting, running, awaiting). */
const TICKETS = 65_536;
/** Handlers slower than this are answered and woken one by one, µs. */
const SLOW_SERVICE_US = 20;
/** A thread that runs a request which came longer ago than this is not counted on for the next, ms. */
const HELD_UP_MS = 1;
/** More waiting requests than this wake another thread even when handlers are fast. */
const BACKLOG_PER_WAKE = 128;
/** How soon it is looked whether threads get on, ms. */
const LOOK_MS = 1;
/** Requests that came while the ring was at its limit are refused when nothing moved for this long, ms. */
const STANDSTILL_MS = 100;

/** The loop. One per server. */
export class IoThread implements ConnectionHost, DeliveryHost, SocketHost, TransportEvents {
  readonly settings: Settings;
  readonly tickets: TicketTable;
  readonly timeouts: Timeouts;
  readonly stats: ConnectionStats = { requests: 0, refused: 0, shed: 0, deadlines: 0 };
  readonly parsers: HeadParser[] = [];
  readonly waker: Waker;
  readonly maxInlineBytes: number;
  readonly sockets: SocketTable;
  readonly topics: Topics;
  now: number;
  stopping = false;
  spooledBytes = 0;
  readonly routeLimits: RouteLimiter;
  readonly #adapter: Adapter;
  readonly #owner: IoOwner;
  readonly #control: Int32Array;
  readonly #producer: RequestProducer;
  readonly #shedder: RequestConsumer;
  readonly #encoder: RequestEncoder;
  readonly #workers: (AttachedWorker | null)[] = [];
  readonly #connections: Protocol[] = [];
  #held: Holdable[] = [];
  /** What turns the server's clock into Unix time, ms; set anew each tick, because clocks are set. */
  #epoch = performance.timeOrigin;
  #pushed = 0;
  #turnScheduled = false;
  #deferrals = 0;
  #lastPushed = 0;
  #isWatching = false;
  #quietLooks = 0;
  #headWatched = 0;
  #headSeen = 0;
  #headMovedAt = 0;
  #ticker: ReturnType<typeof setInterval> | null = null;
  /** When the last tick was. */
  #tickedAt: number;
  #closed = false;
  readonly #endTurn: () => void;

  constructor(settings: Settings, ring: SharedRing, adapter: Adapter, owner: IoOwner) {
    this.settings = settings;
    this.routeLimits = new RouteLimiter(settings);
    this.#adapter = adapter;
    this.#owner = owner;
    this.now = performance.now();
    this.#tickedAt = this.now;
    this.tickets = new TicketTable(TICKETS);
    this.timeouts = new Timeouts(this.now);
    this.#control = new Int32Array(ring.control);
    this.#producer = new RequestProducer(ring);
    this.#shedder = new RequestConsumer(ring, IO_SEAT, false);
    this.#encoder = new RequestEncoder(this.#producer.data);
    this.waker = new Waker(ring);
    this.sockets = new SocketTable(ring);
    this.topics = new Topics(settings.topicHistory, settings.topicHistoryBytes);
    // A record is at most a quarter of the byte ring; the head and its table take their part.
    this.maxInlineBytes = Math.min(64 * 1024, this.#producer.dataCapacity / 8);
    this.#endTurn = () => this.#onTurnEnd();
    this.#setClock();
  }

  /** Starts ticking and listening for the doorbell. */
  start(): void {
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    this.#awaitDoorbell();
    this.#arm();
  }

  /** Ends the loop; nothing is read or written afterwards. */
  close(): void {
    this.#closed = true;
    if (this.#ticker !== null) clearInterval(this.#ticker);
    // The doorbell's promise must not outlive the server.
    Atomics.add(this.#control, DOORBELL, 1);
    Atomics.notify(this.#control, DOORBELL);
  }

  get connections(): readonly Protocol[] {
    return this.#connections;
  }

  /** Requests that wait for a thread. */
  get waiting(): number {
    return Math.max(0, this.#producer.waiting);
  }

  /** How long the oldest waiting request has waited, ms. */
  oldestWaitMs(): number {
    const item = this.tickets.find(this.#shedder.peekTicket());
    return item === null ? 0 : this.now - item.dispatchedAt;
  }

  /** Lets a worker's outbox be read from now on. */
  attach(worker: AttachedWorker): void {
    this.#workers[worker.seat] = worker;
  }

  /** Never reads this worker's outbox again. */
  detach(worker: AttachedWorker): void {
    if (this.#workers[worker.seat] === worker) this.#workers[worker.seat] = null;
  }

  /** The part of a thread's death that concerns the request ring: takes its claims away and answers them. */
  repairSeat(seat: number): void {
    this.waker.forgetSeat(seat);
    this.#producer.repair(seat, this.#answerLost);
    this.waker.wake(1);
    // It may have died between taking `armed` and ringing: nobody else would ring for what the others have said.
    Atomics.add(this.#control, DOORBELL, 1);
    Atomics.notify(this.#control, DOORBELL);
  }

  readonly #answerLost = (ticket: number): void => {
    const item = this.tickets.find(ticket);
    // What a thread claimed and did not begin is nobody's loss where it may be begun by another.
    if (item instanceof SocketDispatch) item.shed();
    else item?.lost();
  };

  // ── sockets ────────────────────────────────────────────────────────────────────────────────────────────────────

  onOpen(transport: Transport): void {
    this.#beginTurn();
    const limit = this.settings.maxConnections;
    if (this.stopping || (limit !== 0 && this.#connections.length >= limit)) {
      transport.context = null;
      transport.abort();
      return;
    }
    const connection = new HttpConnection(this, transport);
    this.adopt(connection);
  }

  /** A connection, new or changed to another protocol, belongs to its transport from now on. */
  adopt(connection: Protocol): void {
    connection.transport.context = connection;
    connection.index = this.#connections.length;
    this.#connections.push(connection);
  }

  onData(transport: Transport, bytes: Uint8Array, length: number): void {
    this.#beginTurn();
    (transport.context as Protocol | null)?.onData(bytes, length);
  }

  onDrain(transport: Transport): void {
    this.#beginTurn();
    (transport.context as Protocol | null)?.onDrain();
  }

  onEnd(transport: Transport): void {
    this.#beginTurn();
    (transport.context as Protocol | null)?.onEnd();
  }

  onClose(transport: Transport): void {
    this.#beginTurn();
    (transport.context as Protocol | null)?.onClose();
    transport.context = null;
  }

  onAcceptError(error: unknown): void {
    this.#owner.acceptFailed(error);
  }

  forget(connection: Protocol): void {
    if (connection.index < 0) return;
    const last = this.#connections.pop();
    if (last !== undefined && last !== connection) {
      this.#connections[connection.index] = last;
      last.index = connection.index;
    }
    connection.index = -1;
  }

  nextTurn(callback: () => void): void {
    this.#adapter.atEndOfTurn(() => {
      if (this.#closed) return;
      this.#beginTurn();
      callback();
    });
  }

  eventGivenUp(remote: string): void {
    this.#owner.eventGivenUp(remote);
  }

  note(connection: HttpConnection, message: string): void {
    this.#owner.note(message, connection.transport.remoteAddress);
  }

  onWorkerLog(bytes: Uint8Array): void {
    this.#owner.onWorkerLog(bytes);
  }

  onWorkerBye(worker: WorkerLink): void {
    this.#owner.onWorkerBye(worker);
  }

  // ── the ring ───────────────────────────────────────────────────────────────────────────────────────────────────

  hasRoom(): boolean {
    return this.#held.length === 0 && this.tickets.free > 0 &&
      this.#producer.hasFewerThan(this.settings.maxWaiting);
  }

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
  ): boolean {
    if (this.tickets.free === 0) return false;
    const connection = exchange.connection;
    if (connection === null) return true;
    const remote = connection.remote;
    const length = requestMessageLength(parser.fieldCount, remote.length, headLength, bodyLength);
    const producer = this.#producer;
    const at = producer.reserve(length);
    if (at < 0) return false;
    const bodyAt = this.#encoder.write(
      at,
      parser,
      flags,
      connection.index,
      remote,
      connection.transport.remotePort,
      head,
      start,
      headLength,
      bodyLength,
    );
    if (bodyLength > 0) producer.data.set(body.subarray(bodyStart, bodyStart + bodyLength), bodyAt);
    this.tickets.issue(exchange);
    exchange.dispatchedAt = this.now;
    exchange.movedAt = this.now;
    exchange.deadlineMs = this.routeLimits.deadlineMs(parser, head, start);
    producer.commit(RingKind.Request, exchange.ticket, length);
    this.#pushed++;
    return true;
  }

  dispatchBatch(
    batch: SocketDispatch,
    length: number,
    write: (target: Uint8Array, at: number) => void,
  ): boolean {
    const at = this.#producer.reserve(length);
    if (at < 0 || this.tickets.free === 0) return false;
    write(this.#producer.data, at);
    this.tickets.issue(batch);
    batch.dispatchedAt = this.now;
    this.#producer.commit(RingKind.SocketEvents, batch.ticket, length);
    this.#pushed++;
    this.#beginTurn();
    return true;
  }

  onSocketRecord(worker: SpeakingWorker, outbox: ChannelConsumer): void {
    socketRecord(this, worker, outbox);
  }

  hold(connection: Holdable): void {
    // The time counts from the first try: being tried again in vain is no progress.
    if (connection.heldSince === 0) connection.heldSince = this.now;
    this.#held.push(connection);
  }

  bodyLimits(parser: HeadParser, head: Uint8Array, start: number): BodyLimits {
    return this.routeLimits.bodyLimits(parser, head, start);
  }

  // ── turns ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #beginTurn(): void {
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    this.#setClock();
    this.#adapter.atEndOfTurn(this.#endTurn);
  }

  #setClock(): void {
    this.now = performance.now();
    const seconds = Math.floor((this.#epoch + this.now) / 1000);
    if (this.#control[CLOCK] !== seconds) Atomics.store(this.#control, CLOCK, seconds);
  }

  #onTurnEnd(): void {
    // Bun brings few sockets a turn: while more requests keep coming, a few turns share one wake-up.
    if (
      this.#pushed !== this.#lastPushed && this.#pushed < 48 && this.#deferrals < this.#adapter.deferTurns
    ) {
      this.#lastPushed = this.#pushed;
      this.#deferrals++;
      this.#drain();
      this.#adapter.atEndOfTurn(this.#endTurn);
      return;
    }
    this.#deferrals = this.#lastPushed = 0;
    this.#turnScheduled = false;
    this.#wakeWorkers();
    this.#drain();
    this.#retryHeld();
    // What draining made ready to be read may have been put into the ring.
    this.#wakeWorkers();
    this.#watch();
  }

  /**
   * Handlers have been fast, so one thread was woken for several requests and announces several answers at once; the
   * next may turn out slow. So while threads have work, a timer looks whether requests move and reads what was said,
   * until for the length of a tick nothing happened: then the tick is enough.
   */
  #watch(): void {
    this.#quietLooks = 0;
    this.#lookLater();
  }

  #lookLater(): void {
    if (this.#isWatching || this.#closed) return;
    const waiting = this.#producer.waiting;
    if (waiting <= 0 && (this.#quietLooks * LOOK_MS >= TICK_MS || !this.#mayHold())) return;
    this.#isWatching = true;
    this.#headWatched = (this.#producer.tail - waiting) | 0;
    setTimeout(this.#look, LOOK_MS);
  }

  readonly #look = (): void => {
    this.#isWatching = false;
    if (this.#closed) return;
    this.#setClock();
    const waiting = this.#producer.waiting;
    if (((this.#producer.tail - waiting) | 0) !== this.#headWatched) this.#quietLooks = 0;
    else if (waiting > 0) this.waker.wake(waiting);
    this.#quietLooks++;
    this.#afterBell();
    this.#lookLater();
  };

  /** Whether a thread may keep an answer to itself: handlers are fast, and one is running. */
  #mayHold(): boolean {
    if ((this.#control[SERVICE] ?? 0) > HOLD_US) return false;
    for (const worker of this.#workers) {
      if (worker !== null && worker !== undefined && worker.current !== 0) return true;
    }
    return false;
  }

  #wakeWorkers(): void {
    const pushed = this.#pushed;
    if (pushed === 0) return;
    this.#pushed = 0;
    if ((this.#control[SERVICE] ?? 0) > SLOW_SERVICE_US) {
      this.waker.wake(pushed);
      return;
    }
    // Fast handlers: one hot thread takes them in batches; another helps when it is held up or the backlog grows.
    const sleepers = this.waker.countSleepers();
    if (sleepers > 0 && (this.#producer.waiting > BACKLOG_PER_WAKE || !this.#hasHotWorker(sleepers))) {
      this.waker.wake(1);
    }
  }

  /** Whether a thread is awake that has not been with one request for long. */
  #hasHotWorker(sleepers: number): boolean {
    let hot = -sleepers;
    for (const worker of this.#workers) {
      if (worker === null || worker === undefined) continue;
      const { current } = worker;
      const item = current === 0 ? null : this.tickets.find(current);
      if (item === null || this.now - item.dispatchedAt < HELD_UP_MS) hot++;
    }
    return hot > 0;
  }

  /** Reads every outbox that has news. @returns how many records there were */
  #drain(): number {
    let count = 0;
    for (let seat = 0; seat < this.#workers.length; seat += 32) {
      const word = dirtyWord(seat);
      if (Atomics.load(this.#control, word) === 0) continue;
      let bits = Atomics.exchange(this.#control, word, 0);
      while (bits !== 0) {
        const bit = bits & -bits;
        bits &= ~bit;
        const worker = this.#workers[seat + 31 - Math.clz32(bit)];
        if (worker === null || worker === undefined) continue;
        count += deliver(this, worker, worker.outbox);
        worker.afterDrain();
      }
    }
    flushResponses();
    return count;
  }

  /** Reads what one worker has left behind, for the last time. */
  drainLast(worker: AttachedWorker): void {
    deliver(this, worker, worker.outbox);
    flushResponses();
  }

  #retryHeld(): void {
    if (this.#held.length === 0) return;
    const held = this.#held;
    this.#held = [];
    let index = 0;
    // hasRoom() is false while others are held, so that nobody overtakes them: look at the ring itself.
    while (
      index < held.length && this.#producer.waiting < this.settings.maxWaiting && this.tickets.free > 0
    ) {
      const connection = held[index++] as Holdable;
      connection.retry();
      if (this.#held.at(-1) !== connection) connection.heldSince = 0;
    }
    if (index < held.length) this.#held = this.#held.concat(held.slice(index));
    flushResponses();
  }

  // ── the doorbell ───────────────────────────────────────────────────────────────────────────────────────────────

  #awaitDoorbell(): void {
    if (this.#closed) return;
    const wait = Atomics.waitAsync(this.#control, DOORBELL, Atomics.load(this.#control, DOORBELL));
    if (wait.async) wait.value.then(this.#onDoorbell);
    else queueMicrotask(this.#onDoorbell);
  }

  readonly #onDoorbell = (): void => {
    if (this.#closed) return;
    this.#setClock();
    this.#afterBell();
    this.#awaitDoorbell();
    this.#arm();
  };

  /** Announce, then look again: a worker that published before it saw the announcement is not missed. */
  #arm(): void {
    Atomics.store(this.#control, ARMED, 1);
    this.#afterBell();
  }

  #afterBell(): void {
    if (this.#drain() === 0) return;
    this.#retryHeld();
    if (this.#turnScheduled) return;
    this.#wakeWorkers();
    this.#watch();
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #tick(): void {
    this.#epoch = Date.now() - performance.now();
    this.#setClock();
    const now = this.now;
    this.#drain();
    this.timeouts.advance(now, this.#tickedAt);
    this.#tickedAt = now;
    this.#shedOld(now);
    this.#shedHeld(now);
    this.#checkDeadlines(now);
    this.#producer.repairOldest(this.#isDead, this.#answerLost);
    // A waker was right and its sleeper wrong: work stands still while somebody sleeps.
    if (this.#producer.waiting > 0) this.waker.wake(this.#producer.waiting);
    this.#owner.onTick(now);
    this.#retryHeld();
    flushResponses();
    this.#wakeWorkers();
  }

  readonly #isDead = (seat: number): boolean => this.#owner.isDead(seat);

  /** Takes requests that waited too long out of the ring, as one more consumer of it. */
  #shedOld(now: number): void {
    const limit = this.settings.maxWaitMs;
    if (limit === 0) return;
    for (;;) {
      const oldest = this.tickets.find(this.#shedder.peekTicket());
      if (oldest === null || now - oldest.dispatchedAt < limit) return;
      if (this.#shedder.claim() !== Claim.Taken) return;
      // A worker may have taken the one that was looked at just now; then the one behind it goes in its place.
      this.tickets.find(this.#shedder.ticket)?.shed();
    }
  }

  #shedHeld(now: number): void {
    const waiting = this.#producer.waiting;
    const head = (this.#producer.tail - waiting) | 0;
    if (head !== this.#headSeen || waiting === 0) {
      this.#headSeen = head;
      this.#headMovedAt = now;
    }
    if (this.#held.length === 0 || now - this.#headMovedAt < STANDSTILL_MS) return;
    const held = this.#held;
    this.#held = [];
    for (const entry of held) {
      if (now - entry.heldSince >= STANDSTILL_MS && entry.shedHeld()) continue;
      this.#held.push(entry);
    }
  }

  #checkDeadlines(now: number): void {
    this.tickets.forEach((item) => {
      if (item.worker === null || item.deadlineMs === 0) return;
      // Silence of the client is bounded by `bodyTimeoutMs`, and not the handler's.
      const isOver = now - item.movedAt >= item.deadlineMs;
      if (item.waitsForContent) item.movedAt = now;
      else if (isOver && item.isGuarded && !item.waitsForClient) item.overdue();
    });
  }
}
