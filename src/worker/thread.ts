/**
 * A worker's loop: wait, claim, run, answer.
 * Runs on: worker; runtime API: none
 *
 * The loop takes requests one by one as long as there are any; handlers may block it. It yields to the thread's event
 * loop for the sake of what else lives there: promises of async handlers at once, timers and sockets after a while.
 * With nothing to do it parks (`ring/parking.ts`).
 *
 * Two rules keep requests from waiting behind their neighbours:
 * a request whose handler awaits is announced as taken, so that `current` names only what runs synchronously;
 * a worker with such requests leaves new ones to a worker that has none, if one sleeps, and wakes it.
 */
import { setImmediate } from "node:timers";
import { CartoucheError } from "../errors.ts";
import type { HandlerResult } from "../handler.ts";
import { dateField } from "../http/date_field.ts";
import { MultipartError } from "../http/multipart_error.ts";
import { BODY_WINDOW_BYTES, InboxKind, RingKind, UNWIND_MS } from "../messages/kind.ts";
import { RequestView } from "../messages/request_message.ts";
import { ChannelConsumer } from "../ring/channel.ts";
import {
  type ChannelBuffers,
  CLOCK,
  SEAT_BACKLOG,
  SEAT_CURRENT,
  SEAT_LEFT,
  SEAT_PENDING,
  SEAT_STOP,
  seatCell,
  SERVICE,
  type SharedRing,
} from "../ring/layout.ts";
import { Doorbell, Parking, Waker } from "../ring/parking.ts";
import { Claim, RequestConsumer } from "../ring/request_consumer.ts";
import { Answerer, type AnswerHost } from "./answer.ts";
import { bodyError } from "./body_reader.ts";
import { Call, type InboxWaiter } from "./call.ts";
import type { FetchFunction } from "./handler_module.ts";
import { Outbox, StoppedError } from "./outbox.ts";
import type { FieldLine } from "../websocket/handshake.ts";
import type { EventStream } from "./event_stream.ts";
import type { Job } from "./job.ts";
import { ServerRequest } from "./request.ts";
import { SocketJob, type SocketJobHost } from "./socket_job.ts";
import { socketId } from "../messages/socket_port.ts";
import { WorkerSocketPort } from "./socket_port.ts";
import { socketHandlers } from "./socket_registry.ts";
import type { UpgradeHost } from "./upgrade.ts";
import type { WebSocketHandlers } from "./web_socket.ts";

/** What a worker is given when it starts. */
export interface WorkerSetup {
  readonly ring: SharedRing;
  readonly seat: number;
  readonly inbox: ChannelBuffers;
  readonly outbox: ChannelBuffers;
  readonly compress: boolean;
  readonly synchronous: boolean;
}

/** How the loop ended. */
export type LoopEnd = "stopped" | "dead";

/** Microtask turns that a handler's promise gets before its request counts as awaiting. */
const SETTLE_TURNS = 6;
/** With awaiting requests the event loop turns at least after this many others. */
const YIELD_EVERY = 16;
/** Without them, at least after this long, ms. */
const YIELD_MS = 25;
/**
 * While requests keep coming, a thread with nothing to do blocks for such a spell before it parks in its event loop:
 * a blocked thread is woken by the kernel alone, a parked one through its event loop as well.
 */
const SPELL_MS = 4;
/** Above this every handler is timed, below it one in sixteen, µs. */
const SLOW_SERVICE_US = 20;
/** A blocked wait for the inbox looks at `stop` this often at least, ms. */
const STOP_CHECK_MS = 1_000;

/** Receives log records of this thread. */
export interface ErrorSink {
  handlerFailed(message: string, error: unknown, request: ServerRequest): void;
  socketHandlerFailed(message: string, error: unknown): void;
}

/** One worker. */
export class WorkerThread implements InboxWaiter, AnswerHost, UpgradeHost, SocketJobHost {
  readonly compress: boolean;
  readonly outbox: Outbox;
  readonly port: WorkerSocketPort;
  readonly #consumer: RequestConsumer;
  readonly #inbox: ChannelConsumer;
  readonly #parking: Parking;
  readonly #doorbell: Doorbell;
  readonly #waker: Waker;
  readonly #control: Int32Array;
  readonly #seats: Int32Array;
  readonly #seat: number;
  readonly #cell: number;
  readonly #synchronous: boolean;
  readonly #fetch: FetchFunction;
  readonly #errors: ErrorSink;
  readonly #answerer: Answerer;
  /** Requests that are not done when their synchronous part is over, by ticket. */
  readonly #open = new Map<number, Job>();
  readonly #onDone = (call: Call): void => {
    if (call.aborted !== 0 && !call.returned) {
      call.isUnwinding = true;
      this.#unwinding++;
    }
    this.jobDone(call);
  };
  /** Event streams that this thread opened and that are still there, by id. */
  readonly #streams = new Map<number, EventStream>();
  /** Ids of streams whose clients left before `watchStream` could be called. */
  readonly #goneEarly = new Set<number>();
  /** What the I/O thread said about requests that became sockets, by ticket, until it is fetched. */
  readonly #opened = new Map<number, { readonly index: number; readonly generation: number }>();
  /** Handlers that run on although their requests were given up. */
  #unwinding = 0;
  #allUnwound: () => void = () => undefined;
  /** The request whose handler runs synchronously now. */
  #running: Job | null = null;
  #pending = 0;
  #stopping = false;
  #service = 0;
  #count = 0;
  #turnedAt = performance.now();
  /** Work has come soon after work: the next wait begins with a spell. */
  #isInDemand = false;
  #isParked = false;

  constructor(setup: WorkerSetup, fetch: FetchFunction, errors: ErrorSink) {
    const { ring, seat } = setup;
    this.compress = setup.compress;
    this.#synchronous = setup.synchronous;
    this.#fetch = fetch;
    this.#errors = errors;
    this.outbox = new Outbox(ring, seat, setup.outbox);
    this.port = new WorkerSocketPort(this.outbox, ring);
    this.#consumer = new RequestConsumer(ring, seat);
    this.#inbox = new ChannelConsumer(setup.inbox);
    this.#parking = new Parking(ring, seat);
    this.#doorbell = new Doorbell(ring, seat);
    this.#waker = new Waker(ring);
    this.#control = new Int32Array(ring.control);
    this.#seats = new Int32Array(ring.seats);
    this.#seat = seat;
    this.#cell = seatCell(seat);
    this.#answerer = new Answerer(this);
  }

  date(): string {
    return dateField(this.#control[CLOCK] ?? 0);
  }

  logError(message: string, error: unknown, request: ServerRequest): void {
    this.#errors.handlerFailed(message, error, request);
  }

  /** Runs until the server stops this worker or declares it dead. */
  async run(): Promise<LoopEnd> {
    try {
      return await this.#loop();
    } catch (error) {
      // It was declared dead while it waited for room in its outbox.
      if (error instanceof StoppedError) return "dead";
      throw error;
    } finally {
      // From here on this thread touches nothing that is shared.
      Atomics.store(this.#seats, this.#cell + SEAT_LEFT, 1);
    }
  }

  async #loop(): Promise<LoopEnd> {
    for (;;) {
      let isPolite = false;
      let mustTurn = false;
      let sinceYield = 0;
      for (;;) {
        this.#readInbox();
        if (this.#isDead()) return "dead";
        if (this.#stopping) break;
        if (this.#pending > 0 && this.#consumer.hasWork() && this.#waker.wakeIdle()) {
          isPolite = true;
          break;
        }
        const claim = this.#consumer.claim();
        if (claim === Claim.Empty) break;
        if (claim === Claim.Dead) return "dead";
        const job = this.#consumer.kind === RingKind.Request
          ? this.#startRequest()
          : this.#startBatch(this.#consumer.ticket, this.#consumer.bytes, this.#consumer.start);
        if (job !== null) await this.#settle(job);
        sinceYield++;
        if (this.#pending > 0 ? sinceYield >= YIELD_EVERY : (sinceYield & 63) === 0 || this.#service > 200) {
          mustTurn = this.#pending > 0 || performance.now() - this.#turnedAt > YIELD_MS;
          if (mustTurn) break;
        }
      }
      this.#current(0);
      this.outbox.ring();
      // Whoever woke this worker for a request, or relied on it, has to wake another.
      if (this.#stopping && this.#consumer.hasWork()) this.#waker.wake(1);
      if (this.#stopping && this.#open.size === 0) {
        await this.#unwind();
        this.outbox.bye();
        return "stopped";
      }
      if (mustTurn) await this.#turn();
      else if (!this.#announce(isPolite)) continue;
      else if (this.#open.size > 0 || !(this.#synchronous || this.#isInDemand)) await this.#park();
      else if (this.#block()) await this.#turn();
    }
  }

  /** Announces that this thread is about to sleep; false: there is something to do after all. */
  #announce(isPolite: boolean): boolean {
    // Who leaves takes no more requests: a wake-up for one would be lost on it, again and again.
    if (this.#stopping) this.#parking.announcePrivately();
    else this.#parking.announce();
    const hasWork = (!isPolite && !this.#stopping && this.#consumer.hasWork()) || this.#inbox.hasWork() ||
      this.#isDead();
    if (hasWork) this.#parking.cancel();
    return !hasWork;
  }

  /** Sleeps while the thread's event loop goes on. */
  async #park(): Promise<void> {
    const sleptAt = performance.now();
    const sleep = this.#parking.park();
    this.#isParked = true;
    if (sleep !== undefined) await sleep;
    this.#isParked = false;
    this.#parking.cancel();
    this.#turnedAt = performance.now();
    this.#isInDemand = this.#turnedAt - sleptAt < SPELL_MS;
  }

  /**
   * Sleeps with the event loop standing still: for ever if the app wants that, else for a short spell.
   *
   * @returns whether it is time for the event loop to turn
   */
  #block(): boolean {
    const wasWoken = this.#parking.block(this.#synchronous ? Infinity : SPELL_MS);
    this.#parking.cancel();
    if (this.#synchronous) return false;
    this.#isInDemand = wasWoken;
    return performance.now() - this.#turnedAt > YIELD_MS;
  }

  /** Lets timers, sockets and messages of this thread have a turn. */
  async #turn(): Promise<void> {
    await turnEventLoop();
    this.#turnedAt = performance.now();
  }

  /** Runs the synchronous part of a handler. @returns the call if it is not done with that */
  #startRequest(): Job | null {
    const consumer = this.#consumer;
    const view = new RequestView(consumer.bytes, consumer.start);
    const call = new Call(consumer.ticket, view, this.outbox, this, this.#onDone);
    const request = new ServerRequest(call, this.#answerer);
    const isTimed = this.#service > SLOW_SERVICE_US || (this.#count++ & 15) === 0;
    const begun = isTimed ? performance.now() : 0;
    let waits = false;
    this.#running = call;
    try {
      const result = this.#fetch(request);
      if (isThenable(result)) {
        waits = true;
        result.then(
          (value) => this.#finish(request, call, value),
          (error) => this.#failed(request, call, error),
        );
      } else this.#finish(request, call, result);
    } catch (error) {
      this.#failed(request, call, error);
    }
    this.#running = null;
    if (isTimed) this.#measure((performance.now() - begun) * 1000);
    if (call.done) return null;
    // Streamed answers go on after the handler; promises get a few turns before the request counts as awaiting.
    this.#open.set(call.ticket, call);
    if (!waits) this.#announceTaken(call);
    return waits ? call : null;
  }

  /** Runs the synchronous part of a batch of events. @returns the job if it is not done with that */
  #startBatch(ticket: number, bytes: Uint8Array, at: number): Job | null {
    const job = new SocketJob(this, ticket, bytes, at);
    this.#open.set(ticket, job);
    const before = this.#running;
    this.#running = job;
    // A batch from the inbox may begin inside another handler's wait.
    this.#current(ticket);
    const isTimed = this.#service > SLOW_SERVICE_US || (this.#count++ & 15) === 0;
    const begun = isTimed ? performance.now() : 0;
    try {
      void job.run();
    } catch (error) {
      if (!(error instanceof StoppedError)) throw error;
    }
    if (isTimed) this.#measure((performance.now() - begun) * 1000);
    this.#running = before;
    if (before !== null) this.#current(before.ticket);
    return job.done ? null : job;
  }

  /** Gives the promise of a handler a few turns of the microtask queue. */
  async #settle(call: Job): Promise<void> {
    for (let turn = 0; turn < SETTLE_TURNS && !call.done; turn++) await undefined;
    if (!call.done) this.#announceTaken(call);
  }

  #announceTaken(call: Job): void {
    this.outbox.taken(call.ticket);
    call.isTaken = true;
    this.#pending++;
    Atomics.store(this.#seats, this.#cell + SEAT_PENDING, this.#pending);
    if (Atomics.load(this.#seats, this.#cell + SEAT_CURRENT) === call.ticket) this.#current(0);
  }

  jobDone(call: Job): void {
    this.#open.delete(call.ticket);
    if (!call.isTaken) return;
    call.isTaken = false;
    this.#pending--;
    Atomics.store(this.#seats, this.#cell + SEAT_PENDING, this.#pending);
    // Not part of a batch: nobody else would announce it.
    this.outbox.ring();
    // Nobody else would tell the loop that it can leave now.
    if (this.#stopping && this.#open.size === 0) this.#waker.wakeSeat(this.#seat);
  }

  /** The handler of a request that is done has come to its end. */
  #unwound(call: Call): void {
    if (!call.isUnwinding) return;
    call.isUnwinding = false;
    if (--this.#unwinding === 0) this.#allUnwound();
  }

  /** Lets the handlers that were given up clean up behind themselves, for a moment: a promise may never settle. */
  async #unwind(): Promise<void> {
    if (this.#unwinding === 0) return;
    const unwound = new Promise<void>((resolve) => {
      const guard = setTimeout(resolve, UNWIND_MS);
      this.#allUnwound = () => {
        clearTimeout(guard);
        resolve();
      };
    });
    await unwound;
  }

  #measure(microseconds: number): void {
    this.#service += (microseconds - this.#service) * 0.2;
    this.#control[SERVICE] = this.#service;
  }

  #finish(request: ServerRequest, call: Call, result: HandlerResult): void {
    if (call.done) return this.#unwound(call);
    call.returned = true;
    try {
      if (call.responded) {
        if (call.complete) call.end();
        // Its head went out, and the rest never will: the handler kept the exception to itself.
        else if (!call.sending) this.#answerer.breakOff(call);
        return;
      }
      this.#answerer.answer(request, call, result);
    } catch (error) {
      this.#failed(request, call, error);
    }
  }

  #failed(request: ServerRequest, call: Call, error: unknown): void {
    if (error instanceof StoppedError) return;
    if (call.done) {
      this.#unwound(call);
      // Given up meanwhile. What follows from that is no news; any other failure is.
      if (!isAbort(error)) this.#errors.handlerFailed("a handler failed", error, request);
      return;
    }
    call.returned = true;
    const status = statusOf(error);
    if (status === 0 || status >= 500) this.#errors.handlerFailed("a handler failed", error, request);
    if (!call.responded) {
      try {
        if (status !== 0) this.#answerer.fail(request, call, status, (error as Error).message, true);
        else this.#answerer.fail(request, call, 500, "The handler failed.", false);
      } catch (second) {
        if (!(second instanceof StoppedError)) throw second;
      }
    } else if (call.complete) call.end();
    else if (!call.isUnderway) this.#answerer.breakOff(call);
  }

  // ── the inbox ──────────────────────────────────────────────────────────────────────────────────────────────────

  waitForInbox(): void {
    // An async handler may block here while the loop is parked on the same futex: it must not be counted on for
    // requests meanwhile, and it has to be woken afterwards, because what would have woken it was for this wait.
    const isParked = this.#isParked;
    if (isParked) this.#parking.cancel();
    try {
      while (!this.#readInbox()) {
        if (this.#isDead()) throw new StoppedError();
        this.outbox.ring();
        this.#parking.announcePrivately();
        if (!this.#inbox.hasWork()) this.#parking.block(STOP_CHECK_MS);
        this.#parking.cancel();
      }
    } finally {
      if (isParked) this.#parking.wakeSelf();
    }
  }

  /** Handles what the I/O thread has said. @returns whether there was anything */
  #readInbox(): boolean {
    const inbox = this.#inbox;
    if (!inbox.hasWork()) return false;
    // What runs from here on is not the request that ran last.
    if (this.#running === null) this.#current(0);
    while (inbox.next()) {
      const call = this.#callOf(inbox.ticket);
      switch (inbox.kind) {
        case InboxKind.Body:
          call?.body?.push(inbox.bytes, inbox.offset, inbox.offset + inbox.length);
          break;
        case InboxKind.BodyEnd:
          call?.body?.end(inbox.length === 0 ? [] : parseTrailers(inbox.bytes, inbox.offset, inbox.length));
          break;
        case InboxKind.BodyFailed:
          call?.body?.fail(bodyError(inbox.a));
          break;
        case InboxKind.Abort:
          call?.abort(inbox.a);
          break;
        case InboxKind.Credit:
          call?.credit(inbox.a);
          break;
        case InboxKind.SocketEvents: {
          const job = this.#startBatch(
            inbox.ticket,
            inbox.bytes.slice(inbox.offset, inbox.offset + inbox.length),
            0,
          );
          if (job !== null) this.#announceTaken(job);
          break;
        }
        case InboxKind.SocketOpened:
          // One that was given up meanwhile waits for nothing.
          if (call !== undefined) {
            this.#opened.set(inbox.ticket, { index: inbox.connection, generation: inbox.a });
          }
          break;
        case InboxKind.StreamClosed:
          this.#streamClosed(socketId(inbox.connection, inbox.a));
          break;
        case InboxKind.Stop:
          this.#stopping = true;
          break;
      }
    }
    inbox.release();
    // The I/O thread keeps what does not fit: tell it that there is room.
    if (Atomics.load(this.#seats, this.#cell + SEAT_BACKLOG) !== 0) {
      Atomics.store(this.#seats, this.#cell + SEAT_BACKLOG, 0);
      this.#doorbell.mark();
      this.#doorbell.ring();
    }
    return true;
  }

  #callOf(ticket: number): Job | undefined {
    return this.#running !== null && this.#running.ticket === ticket ? this.#running : this.#open.get(ticket);
  }

  // ── sockets ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** For the answerer: upgrades are this thread's business. */
  get upgrades(): UpgradeHost {
    return this;
  }

  get isDead(): boolean {
    return this.#isDead();
  }

  handlersOf(key: string): WebSocketHandlers | undefined {
    return socketHandlers(key);
  }

  requestSocket(
    call: Call,
    message: Uint8Array,
  ): { readonly index: number; readonly generation: number } | null {
    this.#opened.delete(call.ticket);
    call.becomeSocket(message);
    // The I/O thread answers within one turn of its loop.
    while (!this.#opened.has(call.ticket) && call.aborted === 0) this.waitForInbox();
    const opened = this.#opened.get(call.ticket);
    this.#opened.delete(call.ticket);
    return opened === undefined || opened.generation === 0 ? null : opened;
  }

  watchStream(stream: EventStream): void {
    this.#streams.set(stream.id, stream);
    // The handler has not had the time to set its onclose.
    if (this.#goneEarly.delete(stream.id)) setImmediate(() => this.#streamClosed(stream.id));
  }

  #streamClosed(id: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      this.#goneEarly.add(id);
      return;
    }
    this.#streams.delete(id);
    try {
      stream.onclose?.();
    } catch (error) {
      this.#errors.socketHandlerFailed("the onclose of an event stream failed", error);
    }
  }

  refuse(
    request: ServerRequest,
    call: Call,
    status: number,
    fields: readonly FieldLine[],
    detail: string,
  ): void {
    this.#answerer.refuse(request, call, status, fields, detail);
  }

  socketHandlerFailed(message: string, error: unknown): void {
    this.#errors.socketHandlerFailed(message, error);
  }

  pull(ticket: number): void {
    this.outbox.pull(ticket, BODY_WINDOW_BYTES);
  }

  #current(ticket: number): void {
    Atomics.store(this.#seats, this.#cell + SEAT_CURRENT, ticket);
  }

  #isDead(): boolean {
    return Atomics.load(this.#seats, this.#cell + SEAT_STOP) !== 0;
  }
}

/** Lets timers, sockets and messages of this thread have a turn. */
function turnEventLoop(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

function isThenable(value: unknown): value is PromiseLike<HandlerResult> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** Whether an error only says that the request was given up. */
function isAbort(error: unknown): boolean {
  if (error instanceof CartoucheError) {
    return error.code === "ERR_CLIENT_GONE" || error.code === "ERR_DEADLINE";
  }
  return error instanceof Error && error.name === "AbortError";
}

/** The status for an error that is not the handler's doing but the client's, or the disk's; 0: it is. */
function statusOf(error: unknown): number {
  // The class and not the code alone: other libraries have an ERR_TIMEOUT too, and theirs is the handler's failure.
  if (!(error instanceof CartoucheError)) return 0;
  if (error instanceof MultipartError) return error.status;
  switch (error.code) {
    case "ERR_BODY_TOO_LARGE":
      return 413;
    case "ERR_BODY_SYNTAX":
      return 400;
    case "ERR_TIMEOUT":
      return 408;
    case "ERR_STORAGE_FULL":
      return 507;
    case "ERR_CLIENT_GONE":
      // Nobody reads it.
      return 400;
    default:
      return 0;
  }
}

const decoder = new TextDecoder();

function parseTrailers(bytes: Uint8Array, offset: number, length: number): [string, string][] {
  return JSON.parse(decoder.decode(bytes.slice(offset, offset + length))) as [string, string][];
}
