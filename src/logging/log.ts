/**
 * The log of the thread that code runs on: what handlers, and the code around `serve`, log through.
 * Runs on: any; runtime API: none
 *
 * In a worker the records cross the ring to the server's logger; on the thread that called `serve` they go to it
 * directly; where there is no server, warnings and errors go to stderr. Code that logs does not know which it is.
 * Invariant: logging never throws into the code that logs.
 */
import { consoleLogger } from "./console_logger.ts";
import { type LogFields, type LogLevel, ThreadLog } from "./logger.ts";

/** What code logs through; see {@link log}. */
export interface Log {
  /** For whoever looks for a fault. Not made unless the server's `logLevel` is "debug". */
  debug(message: string, fields?: LogFields, error?: unknown): void;
  /** Something that is as it should be. */
  info(message: string, fields?: LogFields, error?: unknown): void;
  /** Something that somebody should look at some day. */
  warn(message: string, fields?: LogFields, error?: unknown): void;
  /** Something that went wrong. */
  error(message: string, fields?: LogFields, error?: unknown): void;
  /** Whether records of this level are made: ask before computing costly fields. */
  logs(level: LogLevel): boolean;
}

const stderr = consoleLogger();

let current: Log = new ThreadLog("main", (record) => stderr.log(record));

/** Gives this thread its log; a server calls it when it starts, in each of its threads. The last one counts. */
export function setLog(threadLog: Log): void {
  current = threadLog;
}

/**
 * Logs to the server's logger, from whatever thread this is.
 *
 * @example
 * ```ts
 * import { log, Router } from "@cartouche/cartouche";
 *
 * const router = new Router();
 * router.post("/orders/:id", (request) => {
 *   log.info("Order taken", { id: request.params.id });
 *   return "taken";
 * });
 * ```
 */
export const log: Log = {
  debug: (message, fields, error) => current.debug(message, fields, error),
  info: (message, fields, error) => current.info(message, fields, error),
  warn: (message, fields, error) => current.warn(message, fields, error),
  error: (message, fields, error) => current.error(message, fields, error),
  logs: (level) => current.logs(level),
};
