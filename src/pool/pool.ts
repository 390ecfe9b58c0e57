/**
 * The workers of a server: starting, growing, shrinking, watching, replacing, stopping.
 * Runs on: I/O thread; runtime API: none
 *
 * Declaring a worker dead follows one order, verified by a model (`docs/ring.md`), because a thread cannot always be
 * stopped and may go on at any instruction: 1 set `stop`; 2 take its claims away; 3 read `current`; 4 read its outbox
 * for the last time; 5 answer what it held and had not answered; 6 never read the outbox again; 7 start another thread
 * in another seat. A seat is used again only when its thread is known to be gone.
 */
import { Worker } from "node:worker_threads";
import type { Adapter } from "../adapters/adapter.ts";
import type { IoThread } from "../connection/io_thread.ts";
import type { WorkerLink } from "../connection/tickets.ts";
import { CartoucheError, ERROR_CODES, type ErrorCode } from "../errors.ts";
import type { ThreadLog } from "../logging/logger.ts";
import { InboxKind } from "../messages/kind.ts";
import type { Settings } from "../options.ts";
import { createChannelBuffers, MAX_SEATS, resetSeat, type SharedRing } from "../ring/layout.ts";
import type { WorkerData, WorkerReport } from "../worker/start.ts";
import type { RouteRecord } from "../router/route_options.ts";
import { workerEntry } from "./worker_entry.ts";
import { WorkerHandle, WorkerState } from "./worker_handle.ts";

/** Sizes of a worker's channels; memory is only used as far as it is written. */
const INBOX_RECORDS = 1024;
const INBOX_BYTES = 512 * 1024;
const OUTBOX_RECORDS = 2048;
const OUTBOX_BYTES = 1024 * 1024;

/** A thread whose handler talks to us (reads its body) may unwind by itself after its deadline; longer is not waited, ms. */
const UNWIND_MS = 200;
/** A thread that does not read an abort for this long has a blocked event loop, ms. */
const BLOCKED_LOOP_MS = 500;
/** An elastic pool grows when a request has waited this long, ms. */
const GROW_AFTER_MS = 15;
/** Threads that are started per tick at most when the pool grows. */
const GROW_STEP = 2;
/** Threads of the fixed part that start at the same time at most; a server listens when so many are ready. */
const STARTING_AT_ONCE = 4;
/** Replacements after failures at start wait this long, doubled each time, ms. */
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;
/** Threads that may die while the server starts before it gives up. */
const MAX_STARTUP_DEATHS = 8;
const STARTUP_DEATHS = "worker threads died again and again while the server started; the log says of what";

/** What the pool tells its owner. */
export interface PoolOwner {
  /** Routes of the app, from the first thread that is ready. */
  onRoutes(routes: readonly RouteRecord[]): void;
  /** A worker's code asks for the server to stop. */
  onStopRequested(): void;
  /** All threads of the fixed part take requests. */
  onAllReady(): void;
}

/** Counters since the start. */
export interface PoolStats {
  started: number;
  died: number;
}

/** The workers. */
export class Pool {
  readonly stats: PoolStats = { started: 0, died: 0 };
  readonly #settings: Settings;
  readonly #moduleUrl: string;
  readonly #ring: SharedRing;
  readonly #adapter: Adapter;
  readonly #io: IoThread;
  readonly #log: ThreadLog;
  readonly #owner: PoolOwner;
  readonly #freeSeats: number[] = [];
  readonly #workers = new Set<WorkerHandle>();
  /** Declared dead, but their threads may still run. */
  readonly #buried = new Set<WorkerHandle>();
  readonly #deadSeats = new Set<number>();
  #stopping = false;
  #failures = 0;
  #retryAt = 0;
  #startup: { resolve(): void; reject(error: unknown): void } | null = null;
  #toldCap = false;

  constructor(
    settings: Settings,
    moduleUrl: string,
    ring: SharedRing,
    seats: number,
    adapter: Adapter,
    io: IoThread,
    log: ThreadLog,
    owner: PoolOwner,
  ) {
    this.#settings = settings;
    this.#moduleUrl = moduleUrl;
    this.#ring = ring;
    this.#adapter = adapter;
    this.#io = io;
    this.#log = log;
    this.#owner = owner;
    for (let seat = seats - 1; seat >= 0; seat--) this.#freeSeats.push(seat);
  }

  /** Seats that a pool of this size may need: its threads, those being replaced, and zombies. */
  static seatsFor(settings: Settings): number {
    return Math.min(MAX_SEATS, 2 * settings.maxWorkers + settings.maxZombies + 4);
  }

  /**
   * Starts the fixed threads, a few at a time; resolves when the first few have loaded the app. A hundred that start
   * at once would all come up late; the others follow while these serve.
   *
   * @throws the error of the user's module, or CartoucheError `ERR_WORKER`
   */
  start(): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#startup = { resolve, reject };
      for (let i = 0; i < Math.min(this.#settings.minWorkers, STARTING_AT_ONCE); i++) this.#spawn();
    });
  }

  /** Threads that take requests. */
  get ready(): number {
    let count = 0;
    for (const worker of this.#workers) if (worker.state === WorkerState.Ready) count++;
    return count;
  }

  /** Threads that take or will take requests. */
  get size(): number {
    let count = 0;
    for (const worker of this.#workers) if (worker.state <= WorkerState.Ready) count++;
    return count;
  }

  get #starting(): number {
    return this.size - this.ready;
  }

  /** Threads that were given up and may still run. */
  get zombies(): number {
    let count = 0;
    for (const worker of this.#buried) if (worker.isZombie) count++;
    return count;
  }

  /** Whether lost threads can still be replaced. */
  get isHealthy(): boolean {
    return this.zombies <= this.#settings.maxZombies;
  }

  isDead(seat: number): boolean {
    return this.#deadSeats.has(seat);
  }

  /** Tells every thread something through its port. */
  broadcast(message: unknown): void {
    for (const worker of this.#workers) worker.thread?.postMessage(message);
  }

  // ── starting ───────────────────────────────────────────────────────────────────────────────────────────────────

  #spawn(): void {
    const seat = this.#freeSeats.pop();
    if (seat === undefined) return;
    resetSeat(this.#ring, seat);
    this.#deadSeats.delete(seat);
    const inbox = createChannelBuffers(INBOX_RECORDS, INBOX_BYTES);
    const outbox = createChannelBuffers(OUTBOX_RECORDS, OUTBOX_BYTES);
    const worker = new WorkerHandle(this.#ring, seat, inbox, outbox, this.#io.waker, this.#io);
    const data: WorkerData = {
      cartouche: 1,
      ring: this.#ring,
      seat,
      inbox,
      outbox,
      moduleUrl: this.#moduleUrl,
      compress: this.#settings.compress,
      synchronous: this.#settings.synchronous,
      fastResponse: this.#settings.fastResponse,
      logLevel: this.#settings.logLevel,
    };
    const thread = new Worker(workerEntry(this.#moduleUrl), {
      workerData: data,
      name: `cartouche ${seat}`,
      resourceLimits: { maxOldGenerationSizeMb: this.#settings.workerHeapMb },
    });
    worker.thread = thread;
    this.#workers.add(worker);
    this.#io.attach(worker);
    this.stats.started++;
    thread.on("message", (report: WorkerReport) => this.#onReport(worker, report));
    thread.on("error", (error: unknown) => this.#onError(worker, error));
    thread.on("exit", () => this.#onExit(worker));
  }

  #onReport(worker: WorkerHandle, report: WorkerReport): void {
    if (report.type === "ready") {
      if (worker.state !== WorkerState.Starting) return;
      worker.state = WorkerState.Ready;
      worker.activeAt = this.#io.now;
      this.#failures = 0;
      this.#owner.onRoutes(report.routes);
      if (this.#startup !== null && this.ready >= Math.min(this.#settings.minWorkers, STARTING_AT_ONCE)) {
        this.#startup.resolve();
        this.#startup = null;
      }
      if (this.#startup === null) this.#refill();
      if (this.ready >= this.#settings.minWorkers) this.#owner.onAllReady();
    } else if (report.type === "failed") {
      this.#failedToLoad(worker, rebuildError(report));
    } else if (report.type === "stop") this.#owner.onStopRequested();
  }

  #failedToLoad(worker: WorkerHandle, error: unknown): void {
    this.#bury(worker);
    void worker.thread?.terminate();
    if (this.#startup !== null) {
      this.#startup.reject(error);
      this.#startup = null;
      this.#stopping = true;
      return;
    }
    // The others fail for the same reason; it was said once.
    if (this.#stopping) return;
    const backoff = this.#backOff();
    this.#log.error("a worker could not load the app; the next try is in " + backoff + " ms", {}, error);
  }

  // ── dying ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #onError(worker: WorkerHandle, error: unknown): void {
    if (worker.state === WorkerState.Dead) return;
    if (worker.state === WorkerState.Starting && this.#startup !== null) {
      this.#failedToLoad(worker, error);
      return;
    }
    this.#log.error("a worker died of an uncaught error", { worker: worker.seat }, error);
    this.#declareDead(worker, false);
  }

  #onExit(worker: WorkerHandle): void {
    worker.hasExited = true;
    const wasStarting = worker.state === WorkerState.Starting;
    if (worker.state !== WorkerState.Dead) {
      if (wasStarting && this.#startup !== null) {
        this.#failedToLoad(
          worker,
          new CartoucheError("ERR_WORKER", "a worker ended while it loaded the app"),
        );
      } else if (worker.state === WorkerState.Leaving) {
        this.#bury(worker);
      } else {
        this.#log.error("a worker ended", { worker: worker.seat });
        this.#declareDead(worker, false);
      }
    }
    this.#freeSeatIfGone(worker);
  }

  #declareDead(worker: WorkerHandle, isBusy: boolean): void {
    if (worker.state === WorkerState.Dead) return;
    this.stats.died++;
    const wasStarting = worker.state === WorkerState.Starting;
    this.#bury(worker, isBusy);
    // Where that does not stop a busy thread it takes away the event loop in which the thread would see that it has
    // to leave: then it is left to itself until it has.
    if (!isBusy || this.#adapter.stopsBusyThreads) void worker.thread?.terminate();
    if (wasStarting) this.#backOff();
    if (this.#startup !== null && !this.#stopping) {
      // Those that came up first are still being waited for.
      if (++this.#failures > MAX_STARTUP_DEATHS) {
        this.abortStart(new CartoucheError("ERR_WORKER", STARTUP_DEATHS));
      } else this.#spawn();
    } else if (!this.#stopping) this.#refill();
  }

  /** Gives starting up. */
  abortStart(error: unknown): void {
    this.#stopping = true;
    this.#startup?.reject(error);
    this.#startup = null;
  }

  /** A thread died while it loaded the app: the next one waits a while. @returns how long, ms */
  #backOff(): number {
    this.#failures++;
    const backoff = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(this.#failures - 1, 10));
    this.#retryAt = this.#io.now + backoff;
    return backoff;
  }

  /** Steps 1 to 6. */
  #bury(worker: WorkerHandle, isBusy = false): void {
    worker.state = WorkerState.Dead;
    this.#workers.delete(worker);
    worker.forbid();
    this.#deadSeats.add(worker.seat);
    this.#io.repairSeat(worker.seat);
    const current = worker.current;
    this.#io.drainLast(worker);
    this.#io.tickets.find(current)?.lost();
    this.#io.tickets.forEach((item) => {
      if (item.worker === worker) item.lost();
    });
    this.#io.sockets.forEach((socket) => {
      if (socket.pinnedTo === worker) socket.pinnedWorkerDied();
    });
    this.#io.detach(worker);
    worker.isZombie = isBusy;
    this.#buried.add(worker);
    this.#freeSeatIfGone(worker);
  }

  /** A seat is free again when its thread is gone for certain. */
  #freeSeatIfGone(worker: WorkerHandle): void {
    // A thread that was left to itself is on its way out of the process when its loop is over.
    const mayHaveLeft = worker.isZombie && !this.#adapter.stopsBusyThreads;
    const isGone = worker.hasExited || (mayHaveLeft && worker.hasLeft);
    if (!isGone || !this.#buried.delete(worker)) return;
    if (!worker.hasExited) void worker.thread?.terminate();
    // It may have claimed, announced or taken `armed` after it was declared dead; from here on it does nothing more.
    this.#io.repairSeat(worker.seat);
    this.#freeSeats.unshift(worker.seat);
  }

  /** Brings the pool back to its lower bound. */
  #refill(): void {
    if (this.#stopping || this.#startup !== null || this.#io.now < this.#retryAt) return;
    if (!this.isHealthy) {
      if (!this.#toldCap) {
        this.#toldCap = true;
        this.#log.error(
          "more threads were given up than maxZombies allows: lost threads are not replaced, restart the process",
          { zombies: this.zombies },
        );
      }
      return;
    }
    const missing = this.#settings.minWorkers - this.size;
    for (let i = Math.min(missing, STARTING_AT_ONCE - this.#starting); i > 0; i--) this.#spawn();
  }

  // ── once per tick ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Looks for threads that overran, are blocked, idle or missing. */
  tick(now: number): void {
    for (const worker of this.#workers) {
      this.#checkBlocked(worker, now);
      if (worker.state === WorkerState.Ready) this.#checkIdle(worker, now);
    }
    for (const worker of this.#buried) this.#freeSeatIfGone(worker);
    this.#refill();
    this.#grow(now);
  }

  #checkBlocked(worker: WorkerHandle, now: number): void {
    const current = worker.current;
    const item = this.#io.tickets.find(current);
    if (current !== worker.currentSeen) {
      worker.currentSeen = current;
      worker.currentSince = now;
      worker.currentDeadlineMs = item === null ? this.#settings.deadlineMs : item.deadlineMs;
    }
    if (worker.abortedAt !== 0) {
      if (worker.hasReadAll) worker.abortedAt = 0;
      else if (now - worker.abortedAt > BLOCKED_LOOP_MS && item === null) {
        this.#overran(worker, "its event loop is blocked");
        return;
      }
    }
    if (current === 0 || worker.currentDeadlineMs === 0) return;
    const overrun = now - Math.max(worker.currentSince, item?.movedAt ?? 0) - worker.currentDeadlineMs;
    if (overrun < 0) return;
    if (item !== null) {
      if (item.isGuarded) item.overdue();
      else if (!item.isOverdue) return;
    }
    // Without an item everything was said about the request, and still its handler runs.
    const mayUnwind = item === null || item.worker !== null;
    if (!mayUnwind || overrun > UNWIND_MS) this.#overran(worker, "its handler did not return in time");
  }

  #overran(worker: WorkerHandle, why: string): void {
    this.#log.error(`a worker is given up: ${why}`, { worker: worker.seat });
    this.#declareDead(worker, true);
  }

  #checkIdle(worker: WorkerHandle, now: number): void {
    const settings = this.#settings;
    // The streams of its handlers live on without it; the timers that feed them do not.
    if (worker.current !== 0 || worker.pending > 0 || worker.openStreams > 0) worker.activeAt = now;
    if (settings.minWorkers === settings.maxWorkers || this.size <= settings.minWorkers) return;
    if (now - worker.activeAt < settings.idleTimeoutMs) return;
    if (this.#io.sockets.some(({ pinnedTo }) => pinnedTo === worker)) {
      worker.activeAt = now;
      return;
    }
    worker.state = WorkerState.Leaving;
    worker.send(InboxKind.Stop, 0, 0, null);
  }

  #grow(now: number): void {
    const room = this.#settings.maxWorkers - this.size;
    if (room <= 0 || this.#stopping || !this.isHealthy || now < this.#retryAt) return;
    const waiting = this.#io.waiting;
    if (waiting === 0 || this.#io.oldestWaitMs() < GROW_AFTER_MS) return;
    for (let i = Math.min(room, waiting, GROW_STEP); i > 0; i--) this.#spawn();
  }

  // ── stopping ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** A worker has said its last word. */
  onBye(link: WorkerLink): void {
    for (const worker of this.#workers) {
      if (worker !== link) continue;
      this.#bury(worker);
      void worker.thread?.terminate();
      return;
    }
  }

  /** Tells every thread to finish and leave; nothing is replaced from now on. */
  stop(): void {
    this.#stopping = true;
    for (const worker of this.#workers) {
      if (worker.state === WorkerState.Dead) continue;
      worker.state = WorkerState.Leaving;
      worker.send(InboxKind.Stop, 0, 0, null);
    }
  }

  /** Ends what is left, without waiting: a thread may be beyond our reach. */
  kill(): void {
    this.#stopping = true;
    for (const worker of [...this.#workers]) this.#bury(worker);
    for (const worker of this.#buried) void worker.thread?.terminate();
  }

  /** Whether every thread has left. */
  get isEmpty(): boolean {
    return this.#workers.size === 0;
  }
}

/** The error that a thread reported: the class is ours again if it was, the rest is as it was there. */
function rebuildError(report: Extract<WorkerReport, { type: "failed" }>): Error {
  const { name, message, stack, code } = report;
  const error = code in ERROR_CODES ? new CartoucheError(code as ErrorCode, message) : new Error(message);
  return Object.assign(error, { name, stack }, code === "" ? undefined : { code });
}
