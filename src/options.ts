/**
 * Every option of a server: unit, default, meaning of 0, consequence.
 * Runs on: any; runtime API: none
 *
 * Each default is written once, in `DEFAULTS`; a script compares them with `docs/options.md`.
 */
import { CartoucheError } from "./errors.ts";
import type { Logger, LogLevel } from "./logging/logger.ts";
import type { BoundAddress } from "./adapters/adapter.ts";

/** A pool that grows while requests wait and shrinks while threads idle. */
export interface ElasticPool {
  /** Threads that are always there; at least 1. */
  readonly min: number;
  /** Threads at most. */
  readonly max: number;
  /** How long a thread above `min` may idle before it is stopped, ms. Default 10,000. */
  readonly idleTimeoutMs?: number;
}

/** What `serve` takes. */
export interface ServeOptions {
  /** TCP port; 0: any free port. Default 8080. */
  readonly port?: number;
  /** Host name or IP address to bind. Default "127.0.0.1". */
  readonly hostname?: string;
  /** Path of a unix socket, instead of host name and port. */
  readonly path?: string;
  /** Length of the kernel's accept queue, connections. Default 1,024; at least 511. Bun fixes it at 512. */
  readonly backlog?: number;
  /** Whether other processes may bind the same port too. Default false. */
  readonly reusePort?: boolean;
  /** Threads that run handlers: a number for a fixed pool, or an elastic pool. Default: one per core. */
  readonly workers?: number | ElasticPool;
  /** A handler that has not answered after this many ms costs its thread, and the client gets 503. Default 30,000; 0: none. */
  readonly deadlineMs?: number;
  /** Octets of a request line and header section together. Default 16,384; at most 65,535. Beyond: 414 or 431. */
  readonly maxHeaderBytes?: number;
  /** Field lines in a header section. Default 128. Beyond: 431. */
  readonly maxHeaderFields?: number;
  /** Octets of a request body. Default 1,048,576; 0: no limit. Beyond: 413. A route may have its own. */
  readonly maxBodyBytes?: number;
  /** Octets of a request body that are collected before a thread is asked to run. Default 262,144. Larger bodies are streamed. */
  readonly spoolBodyBytes?: number;
  /** Octets that all collected bodies together may take. Default 67,108,864. Beyond, bodies are streamed at once. */
  readonly spoolTotalBytes?: number;
  /** Time for a whole header section, ms. Default 10,000; 0: none. Beyond: 408. */
  readonly headerTimeoutMs?: number;
  /** Silence inside a request body, ms. Default 30,000; 0: none. Beyond: 408. */
  readonly bodyTimeoutMs?: number;
  /** Silence between requests, ms. Default 65,000; 0: none. Beyond: the connection is closed. */
  readonly keepAliveTimeoutMs?: number;
  /**
   * Time in which a client that has octets waiting takes none, ms. Default 30,000; 0: none. Beyond: reset. Also the time in
   * which a client may end a connection that the server has ended, at most 30 s. Beyond: closed, without a reset.
   */
  readonly writeTimeoutMs?: number;
  /** Time that an event of a WebSocket whose client has left may still await, ms. Default 30,000; 0: for ever. Beyond: given up, and logged. */
  readonly goneEventTimeoutMs?: number;
  /** Requests that may wait for a thread. Default 1,024. Beyond, sockets are not read; when nothing moves: 503. */
  readonly maxWaiting?: number;
  /** Time that a request may wait for a thread, ms. Default 10,000; 0: none. Beyond: 503 with Retry-After. */
  readonly maxWaitMs?: number;
  /** Requests of one connection under way at a time. Default 64. Beyond, the socket is not read. */
  readonly maxPipelined?: number;
  /** Connections at a time. Default 0: no limit but the system's. Beyond: closed at once. */
  readonly maxConnections?: number;
  /** Threads that were given up and cannot be stopped. Default 8. Beyond: no replacements, `stats().healthy` is false. */
  readonly maxZombies?: number;
  /** Time for what is under way when the server stops, ms. Default 10,000; 0: none is waited for. */
  readonly drainTimeoutMs?: number;
  /** Publications that each topic keeps for subscribers that come back. Default 0: none. */
  readonly topicHistory?: number;
  /** Octets that all topics keep together. Default 16,777,216; 0: none. Beyond, what is oldest is forgotten. */
  readonly topicHistoryBytes?: number;
  /** Stop gracefully on SIGTERM and SIGINT and exit with code 0. Default true. */
  readonly handleSignals?: boolean;
  /** Compress responses of compressible types that are longer than 860 octets where the client accepts. Default true. */
  readonly compress?: boolean;
  /** Replace the global `Response` in the workers by one that costs less. Default true. */
  readonly fastResponse?: boolean;
  /** Handlers never need their thread's event loop (no timers, no promises): idle threads block. Default false. */
  readonly synchronous?: boolean;
  /** Heap of a worker, MiB. Default 2,048. Beyond, the thread dies and only it; without it Deno would. Bun ignores it. */
  readonly workerHeapMb?: number;
  /** Least severe level that is logged. Default "info". */
  readonly logLevel?: LogLevel;
  /** Receives log records, on the I/O thread. Default: warnings and errors to stderr. */
  readonly logger?: Logger;
  /** Called once when connections are accepted. Default: prints `Listening on http://HOST:PORT`. */
  readonly onListen?: (address: BoundAddress) => void;
}

/** The defaults of every option that has a plain one. */
export const DEFAULTS = {
  port: 8080,
  hostname: "127.0.0.1",
  backlog: 1024,
  reusePort: false,
  deadlineMs: 30_000,
  maxHeaderBytes: 16_384,
  maxHeaderFields: 128,
  maxBodyBytes: 1_048_576,
  spoolBodyBytes: 262_144,
  spoolTotalBytes: 67_108_864,
  headerTimeoutMs: 10_000,
  bodyTimeoutMs: 30_000,
  keepAliveTimeoutMs: 65_000,
  writeTimeoutMs: 30_000,
  goneEventTimeoutMs: 30_000,
  maxWaiting: 1_024,
  maxWaitMs: 10_000,
  maxPipelined: 64,
  maxConnections: 0,
  maxZombies: 8,
  drainTimeoutMs: 10_000,
  topicHistory: 0,
  topicHistoryBytes: 16_777_216,
  handleSignals: true,
  compress: true,
  fastResponse: true,
  synchronous: false,
  workerHeapMb: 2_048,
  logLevel: "info",
  idleTimeoutMs: 10_000,
} as const;

/** The numbers and switches of a server, complete. */
export interface Settings {
  readonly port: number;
  readonly hostname: string;
  readonly path: string | undefined;
  readonly backlog: number;
  readonly reusePort: boolean;
  readonly minWorkers: number;
  readonly maxWorkers: number;
  readonly idleTimeoutMs: number;
  readonly deadlineMs: number;
  readonly maxHeaderBytes: number;
  readonly maxHeaderFields: number;
  readonly maxBodyBytes: number;
  readonly spoolBodyBytes: number;
  readonly spoolTotalBytes: number;
  readonly headerTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly goneEventTimeoutMs: number;
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
  readonly maxPipelined: number;
  readonly maxConnections: number;
  readonly maxZombies: number;
  readonly drainTimeoutMs: number;
  readonly topicHistory: number;
  readonly topicHistoryBytes: number;
  readonly handleSignals: boolean;
  readonly compress: boolean;
  readonly fastResponse: boolean;
  readonly synchronous: boolean;
  readonly workerHeapMb: number;
  readonly logLevel: LogLevel;
}

/** Threads beyond which a pool is refused: claims name their seat in 10 bits, zombies need seats too. */
const MAX_WORKERS = 512;

/**
 * Fills in the defaults and checks the ranges.
 *
 * @param cores processors that the machine has
 * @throws CartoucheError `ERR_OPTION` with the option, the value and the range
 */
export function resolveOptions(options: ServeOptions, cores: number): Settings {
  const pool = options.workers ?? cores;
  const elastic = typeof pool === "object";
  const minWorkers = integer("workers", elastic ? pool.min : pool, 1, MAX_WORKERS);
  const whole = (name: keyof ServeOptions & keyof typeof DEFAULTS, min: number, max: number): number => {
    const value = options[name] ?? DEFAULTS[name];
    return integer(name, value, min, max);
  };
  const YEAR_MS = 365 * 24 * 3600 * 1000;
  const PETABYTE = 2 ** 50;
  return {
    port: whole("port", 0, 65_535),
    hostname: options.hostname ?? DEFAULTS.hostname,
    path: options.path,
    backlog: whole("backlog", 511, 65_535),
    reusePort: options.reusePort ?? DEFAULTS.reusePort,
    minWorkers,
    maxWorkers: elastic ? integer("workers.max", pool.max, minWorkers, MAX_WORKERS) : minWorkers,
    idleTimeoutMs: elastic
      ? integer("workers.idleTimeoutMs", pool.idleTimeoutMs ?? DEFAULTS.idleTimeoutMs, 1, YEAR_MS)
      : 0,
    deadlineMs: whole("deadlineMs", 0, YEAR_MS),
    maxHeaderBytes: whole("maxHeaderBytes", 256, 65_535),
    maxHeaderFields: whole("maxHeaderFields", 1, 4_096),
    maxBodyBytes: whole("maxBodyBytes", 0, PETABYTE),
    spoolBodyBytes: whole("spoolBodyBytes", 0, 2 ** 30),
    spoolTotalBytes: whole("spoolTotalBytes", 0, 2 ** 40),
    headerTimeoutMs: whole("headerTimeoutMs", 0, YEAR_MS),
    bodyTimeoutMs: whole("bodyTimeoutMs", 0, YEAR_MS),
    keepAliveTimeoutMs: whole("keepAliveTimeoutMs", 0, YEAR_MS),
    writeTimeoutMs: whole("writeTimeoutMs", 0, YEAR_MS),
    goneEventTimeoutMs: whole("goneEventTimeoutMs", 0, YEAR_MS),
    maxWaiting: whole("maxWaiting", 1, 32_768),
    maxWaitMs: whole("maxWaitMs", 0, YEAR_MS),
    maxPipelined: whole("maxPipelined", 1, 1_024),
    maxConnections: whole("maxConnections", 0, 10_000_000),
    maxZombies: whole("maxZombies", 0, 256),
    drainTimeoutMs: whole("drainTimeoutMs", 0, YEAR_MS),
    topicHistory: whole("topicHistory", 0, 1_000_000),
    topicHistoryBytes: whole("topicHistoryBytes", 0, 2 ** 40),
    handleSignals: options.handleSignals ?? DEFAULTS.handleSignals,
    compress: options.compress ?? DEFAULTS.compress,
    fastResponse: options.fastResponse ?? DEFAULTS.fastResponse,
    synchronous: options.synchronous ?? DEFAULTS.synchronous,
    workerHeapMb: whole("workerHeapMb", 16, 1_048_576),
    logLevel: options.logLevel ?? DEFAULTS.logLevel,
  };
}

function integer(name: string, value: unknown, min: number, max: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new CartoucheError(
    "ERR_OPTION",
    `${name} is ${String(value)}; it must be a whole number from ${min} to ${max}`,
  );
}
