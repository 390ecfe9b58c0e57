/**
 * Where everything is put together: options → rings, I/O thread, adapter, workers; start and stop. Read this first.
 * Runs on: any; runtime API: none
 *
 * How a request travels (each arrow is a file to open):
 *
 *     adapters/<runtime>.ts → connection/http_connection.ts, request_reader.ts → http/request_parser.ts,
 *       chunked_decoder.ts
 *       → connection/io_thread.ts → messages/request_message.ts → ring/request_producer.ts ══ shared memory ══
 *     ring/request_consumer.ts → worker/thread.ts → worker/request.ts → router/router.ts → the user's handler
 *       → worker/answer.ts → http/response_head.ts, content_coding.ts → worker/outbox.ts → ring/channel.ts ══
 *     ring/channel.ts → connection/delivery.ts → connection/response_queue.ts → adapters/<runtime>.ts
 *
 * `serve` runs on the caller's thread, which becomes the I/O thread, and in every worker, because workers import the
 * same module: there it returns a handle to the running server at once.
 */
import { availableParallelism } from "node:os";
import process from "node:process";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import type { Adapter, BoundAddress, Listener, ListenOptions } from "./adapters/adapter.ts";
import { keepBunFromServing } from "./adapters/bun_entry.ts";
import { detectAdapter } from "./adapters/detect.ts";
import { IoThread } from "./connection/io_thread.ts";
import type { RouteLimits } from "./connection/route_limiter.ts";
import { consoleLogger } from "./logging/console_logger.ts";
import { setLog } from "./logging/log.ts";
import { type Logger, ThreadLog } from "./logging/logger.ts";
import { decodeRecord } from "./logging/record_codec.ts";
import { resolveOptions, type ServeOptions, type Settings } from "./options.ts";
import { Pool } from "./pool/pool.ts";
import { createSharedRing } from "./ring/layout.ts";
import { RouteOptionsTable, type RouteRecord } from "./router/route_options.ts";
import { localSocketPort } from "./connection/local_socket_port.ts";
import { CartoucheError } from "./errors.ts";
import { workerContext } from "./worker/context.ts";
import { EventStream } from "./worker/event_stream.ts";
import { UNWIND_MS } from "./messages/kind.ts";
import { UpgradeKind } from "./messages/socket_message.ts";
import type { SocketPort } from "./messages/socket_port.ts";
import { isWorkerData, startWorker } from "./worker/start.ts";
import { publication, WebSocketHandle, type WebSocketMessage } from "./worker/web_socket.ts";

/** Slots of the request ring: more than may wait, so that the limit and not the ring decides. */
const MIN_SLOTS = 4096;
/** Octets for the heads and small bodies of waiting requests. */
const DATA_BYTES = 8 * 1024 * 1024;
/** How long a connection that was cut may take to be gone, ms. */
const CLOSE_MS = 100;
/** How often a stopping server looks whether it is done, ms. */
const STOP_POLL_MS = 10;

/** Figures of a server; all counters since its start. */
export interface ServerStats {
  readonly connections: number;
  /** WebSockets now; those whose clients have left count until their last event has ended. */
  readonly webSockets: number;
  /** Event streams now. */
  readonly eventStreams: number;
  readonly requests: number;
  /** Malformed, too large or too slow: answered without a worker. */
  readonly refused: number;
  /** 503 because no thread was free in time. */
  readonly shed: number;
  /** 503 because a handler overran its deadline. */
  readonly deadlines: number;
  /** Requests that wait for a thread now. */
  readonly waiting: number;
  /** Threads that take requests now. */
  readonly workers: number;
  readonly workersStarted: number;
  readonly workersDied: number;
  /** Threads that were given up and may still run. */
  readonly zombies: number;
  /** False when lost threads can no longer be replaced: let a process manager restart the process. */
  readonly healthy: boolean;
}

/** What goes with a publish. */
export interface PublishOptions {
  readonly event?: string;
  readonly id?: string;
}

/** A running server, seen from the thread that called `serve`, or from one of its workers. */
export interface Server {
  /** The bound address; undefined in a worker. */
  readonly addr: BoundAddress | undefined;
  /** Resolves when all threads of the pool's fixed part take requests; at once in a worker. */
  readonly ready: Promise<void>;
  /** Resolves when the server has stopped; never in a worker, which ends with it. */
  readonly stopped: Promise<void>;
  /**
   * Publishes to all subscribers of a topic, WebSockets and event streams alike, from any thread.
   *
   * @param options `event`: the event's type for event streams; `id`: its id for a later replay (the server gives one
   * when it keeps a history); ids of a topic must differ
   */
  publish(topic: string, message: WebSocketMessage, options?: PublishOptions): void;
  /** A handle of a WebSocket, from any thread. One that is gone says so. */
  socket(id: number): WebSocketHandle;
  /** A handle of an event stream, from any thread. One that is gone says so. */
  eventStream(id: number): EventStream;
  /** Figures; undefined in a worker. */
  stats(): ServerStats | undefined;
  /**
   * Stops gracefully: accepts nothing more, closes idle connections, lets what is under way finish within
   * `drainTimeoutMs`, then cuts it. Does not wait for threads that cannot be stopped.
   */
  stop(): Promise<void>;
}

/**
 * Serves the app that a module exports by default.
 *
 * @param moduleUrl the module: `import.meta.url` of the caller
 * @returns the running server, once it accepts connections
 * @throws CartoucheError `ERR_OPTION`, `ERR_LISTEN`, `ERR_APP`; whatever the module throws when a worker loads it
 *
 * @example
 * ```ts
 * import { serve } from "@cartouche/cartouche";
 *
 * export default { fetch: () => new Response("Hello, World!") };
 * await serve(import.meta.url, { port: 8080 });
 * ```
 */
export async function serve(moduleUrl: string | URL, options: ServeOptions = {}): Promise<Server> {
  // In a worker, too: there a bundled app is the module that Bun was started with.
  keepBunFromServing();
  if (!isMainThread && parentPort !== null && isWorkerData(workerData)) {
    // In a bundle there is no other entry than the user's module. Not awaited: it waits for that module.
    void startWorker(parentPort, workerData);
    return workerServer();
  }
  const settings = resolveOptions(options, Math.max(1, availableParallelism()));
  const server = new RunningServer(String(moduleUrl), settings, options, await detectAdapter());
  await server.start();
  return server;
}

/** The handle that code in a worker gets. */
function workerServer(): Server {
  return {
    addr: undefined,
    ready: Promise.resolve(),
    stopped: new Promise(() => undefined),
    publish: (topic, message, options = {}) =>
      workerPort().publish(publication(topic, message, options), 0, 0),
    socket: (id) => new WebSocketHandle(workerPort(), id),
    eventStream: (id) => new EventStream(workerPort(), id, ""),
    stats: () => undefined,
    stop: () => {
      parentPort?.postMessage({ type: "stop" });
      return Promise.resolve();
    },
  };
}

/** The port of this worker; it is there before any handler runs. */
function workerPort(): SocketPort {
  const port = workerContext()?.port ?? null;
  if (port === null) {
    throw new CartoucheError("ERR_WORKER", "the app is still being loaded: nothing can be sent yet");
  }
  return port;
}

class RunningServer implements Server {
  readonly ready: Promise<void>;
  readonly stopped: Promise<void>;
  readonly #settings: Settings;
  readonly #onListen: (address: BoundAddress) => void;
  readonly #logger: Logger;
  readonly #log: ThreadLog;
  readonly #io: IoThread;
  readonly #pool: Pool;
  readonly #port: SocketPort;
  readonly #adapter: Adapter;
  #listener: Listener | null = null;
  #stopping: Promise<void> | null = null;
  #resolveReady: () => void = () => undefined;
  #resolveStopped: () => void = () => undefined;
  readonly #onSignal = (): void => this.#stopOnSignal();

  constructor(moduleUrl: string, settings: Settings, options: ServeOptions, adapter: Adapter) {
    this.#adapter = adapter;
    this.#settings = settings;
    this.#onListen = options.onListen ?? announce;
    this.#logger = options.logger ?? consoleLogger();
    this.#log = new ThreadLog("io", (record) => this.#logger.log(record), settings.logLevel);
    setLog(new ThreadLog("main", (record) => this.#logger.log(record), settings.logLevel));
    this.ready = new Promise((resolve) => this.#resolveReady = resolve);
    this.stopped = new Promise((resolve) => this.#resolveStopped = resolve);
    const seats = Pool.seatsFor(settings);
    const ring = createSharedRing(slotsFor(settings.maxWaiting), DATA_BYTES, seats);
    this.#io = new IoThread(settings, ring, this.#adapter, {
      onWorkerLog: (bytes) => this.#logRecord(bytes),
      onWorkerBye: (worker) => this.#pool.onBye(worker),
      onTick: (now) => this.#pool.tick(now),
      isDead: (seat) => this.#pool.isDead(seat),
      note: (message, remote) => this.#log.debug("a request was refused", { reason: message, remote }),
      eventGivenUp: (remote) =>
        this.#log.warn("an event of a WebSocket did not end after its client had left: it is given up", {
          remote,
        }),
      acceptFailed: (error) => this.#log.error("accepting a connection failed", {}, error),
    });
    this.#port = localSocketPort(this.#io);
    this.#pool = new Pool(settings, moduleUrl, ring, seats, this.#adapter, this.#io, this.#log, {
      onRoutes: (routes) => {
        if (this.#io.routeLimits.routes === null && routes.length > 0) {
          this.#io.routeLimits.routes = routeLimits(routes);
        }
      },
      onStopRequested: () => void this.stop(),
      onAllReady: () => this.#resolveReady(),
    });
  }

  async start(): Promise<void> {
    this.#io.start();
    try {
      await this.#pool.start();
      this.#throwIfStopping();
      this.#listener = await this.#adapter.listen(listenOptions(this.#settings), this.#io);
      this.#throwIfStopping();
    } catch (error) {
      this.#pool.kill();
      this.#io.close();
      this.#resolveStopped();
      throw error;
    }
    if (this.#settings.handleSignals) {
      process.on("SIGTERM", this.#onSignal);
      process.on("SIGINT", this.#onSignal);
    }
    this.#onListen(this.#listener.address);
  }

  /** A worker may ask for the end while the server still starts. */
  #throwIfStopping(): void {
    if (this.#stopping === null) return;
    void this.#listener?.close();
    throw new CartoucheError("ERR_WORKER", "the server was stopped while it started");
  }

  get addr(): BoundAddress | undefined {
    return this.#listener?.address;
  }

  stats(): ServerStats {
    const { requests, refused, shed, deadlines } = this.#io.stats;
    return {
      connections: this.#io.connections.length,
      webSockets: this.#io.sockets.countOf(UpgradeKind.WebSocket),
      eventStreams: this.#io.sockets.countOf(UpgradeKind.EventStream),
      requests,
      refused,
      shed,
      deadlines,
      waiting: this.#io.waiting,
      workers: this.#pool.ready,
      workersStarted: this.#pool.stats.started,
      workersDied: this.#pool.stats.died,
      zombies: this.#pool.zombies,
      healthy: this.#pool.isHealthy,
    };
  }

  publish(topic: string, message: WebSocketMessage, options: PublishOptions = {}): void {
    this.#port.publish(publication(topic, message, options), 0, 0);
  }

  socket(id: number): WebSocketHandle {
    return new WebSocketHandle(this.#port, id);
  }

  eventStream(id: number): EventStream {
    return new EventStream(this.#port, id, "");
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    process.off("SIGTERM", this.#onSignal);
    process.off("SIGINT", this.#onSignal);
    const deadline = performance.now() + this.#settings.drainTimeoutMs;
    const io = this.#io;
    io.stopping = true;
    this.#pool.abortStart(new CartoucheError("ERR_WORKER", "the server was stopped while it started"));
    await this.#listener?.close();
    for (const connection of [...io.connections]) connection.stop();
    // Sockets that are gone may still have events to tell.
    const isQuiet = (): boolean =>
      io.connections.every(({ isBusy }) => !isBusy) && !io.sockets.some(({ isBusy }) => isBusy);
    await until(isQuiet, deadline);
    this.#pool.stop();
    await until(() => this.#pool.isEmpty, deadline);
    // A last moment for responses that are written and not yet taken (their connections close by themselves).
    await until(() => io.connections.length === 0, Math.min(deadline, performance.now() + 500));
    for (const connection of [...io.connections]) connection.kill();
    // What ran until now hears that it is given up, and may keep or remove what it has on the disk.
    await until(() => this.#pool.isEmpty, performance.now() + UNWIND_MS);
    this.#pool.kill();
    // The runtime tells of each close a moment later.
    await until(() => io.connections.length === 0, performance.now() + CLOSE_MS);
    io.close();
    await this.#logger.close?.();
    this.#resolveStopped();
  }

  /** A record of a worker. A logger that throws must not take the I/O thread with it. */
  #logRecord(bytes: Uint8Array): void {
    try {
      this.#logger.log(decodeRecord(bytes));
    } catch (error) {
      console.error("cartouche: a logger threw", error);
    }
  }

  #stopOnSignal(): void {
    this.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        this.#log.error("stopping failed", {}, error);
        process.exit(1);
      },
    );
  }
}

function announce(address: BoundAddress): void {
  console.log(`Listening on ${addressUrl(address)}`);
}

/** The address as people write it. */
function addressUrl(address: BoundAddress): string {
  if (address.transport === "unix") return `unix:${address.path}`;
  const host = address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname;
  return `http://${host}:${address.port}`;
}

function listenOptions(settings: Settings): ListenOptions {
  const { hostname, port, path, backlog, reusePort } = settings;
  return path === undefined
    ? { hostname, port, backlog, reusePort }
    : { hostname, port, path, backlog, reusePort };
}

/** What the routes of the app say about limits; null if they say nothing. */
function routeLimits(records: readonly RouteRecord[]): RouteLimits | null {
  const table = new RouteOptionsTable(records);
  if (!table.hasOptions) return null;
  const hasDeadlines = records.some(({ options }) => options.deadlineMs !== undefined);
  return { lookup: (method, path) => table.lookup(method, path), hasDeadlines };
}

function slotsFor(maxWaiting: number): number {
  let slots = MIN_SLOTS;
  while (slots < maxWaiting * 2) slots *= 2;
  return slots;
}

/** Waits until a condition holds or the time is over. */
async function until(condition: () => boolean, deadline: number): Promise<void> {
  while (!condition() && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, STOP_POLL_MS));
  }
}
