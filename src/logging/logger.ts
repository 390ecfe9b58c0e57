/**
 * Log records, the interface of loggers, and the front end that code on any thread logs through.
 * Runs on: any; runtime API: none
 *
 * A record is made where something happens, crosses the ring if that is a worker, and ends in the one logger
 * of the server, on the I/O thread: there `log` is called with the records of all threads. Records hold plain
 * values only, so that they can cross (a class and a `code` would be lost on the way). Invariant: logging
 * never throws into the code that logs.
 */

/** Levels, least first. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

/** How much a record matters. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What a field of a record may hold. */
export type LogValue = string | number | boolean | null;

/** Named values of a record. */
export type LogFields = Readonly<Record<string, LogValue>>;

/** An error as plain text. */
export interface LogError {
  readonly name: string;
  readonly message: string;
  /** With the stacks of its causes below it. */
  readonly stack?: string;
  /** The stable code, such as `ERR_DEADLINE` or `ENOENT`. */
  readonly code?: string;
}

/** One thing worth writing down. */
export interface LogRecord {
  readonly level: LogLevel;
  /** Milliseconds since 1970-01-01T00:00Z, by the clock of the thread that logged. */
  readonly time: number;
  /** What happened, the same text each time; what varies goes into `fields`. */
  readonly message: string;
  readonly fields?: LogFields;
  readonly error?: LogError;
  /** Where it happened: "main", "worker 3". */
  readonly thread: string;
}

/**
 * Takes records. Called on the I/O thread: neither `log` nor anything it calls may block for debug, info and
 * warn.
 */
export interface Logger {
  /** Takes a record; must not throw. */
  log(record: LogRecord): void;
  /** Writes out what waits, before it returns. */
  flush?(): void;
  /** Writes out what waits and gives back files. Called once, last. */
  close?(): Promise<void> | void;
}

/** `level` is `minimum` or above. */
export function isLogged(level: LogLevel, minimum: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(minimum);
}

/**
 * What code logs through: makes records and hands them to a sink.
 *
 * @example
 * ```ts ignore
 * const logger = consoleLogger({ level: "info" });
 * const log = new ThreadLog("main", (record) => logger.log(record), "info");
 * log.warn("The disk is nearly full", { freeBytes: 1024 });
 * ```
 */
export class ThreadLog {
  readonly #thread: string;
  readonly #sink: (record: LogRecord) => void;
  readonly #minimum: number;

  /**
   * @param thread goes into each record
   * @param sink gets each record at once; what it throws is printed on stderr and goes no further
   * @param minimum records below are not made
   */
  constructor(thread: string, sink: (record: LogRecord) => void, minimum: LogLevel = "info") {
    this.#thread = thread;
    this.#sink = sink;
    this.#minimum = LOG_LEVELS.indexOf(minimum);
  }

  /** For whoever looks for a fault in this library. */
  debug(message: string, fields?: LogFields, error?: unknown): void {
    this.#emit(0, message, fields, error);
  }

  /** Something that is as it should be. */
  info(message: string, fields?: LogFields, error?: unknown): void {
    this.#emit(1, message, fields, error);
  }

  /** Something that somebody should look at some day. */
  warn(message: string, fields?: LogFields, error?: unknown): void {
    this.#emit(2, message, fields, error);
  }

  /** Something that went wrong: a request was not answered as its handler meant to, or worse. */
  error(message: string, fields?: LogFields, error?: unknown): void {
    this.#emit(3, message, fields, error);
  }

  /** Records of `level` are made: ask before computing costly fields. */
  logs(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= this.#minimum;
  }

  #emit(rank: 0 | 1 | 2 | 3, message: string, fields: LogFields | undefined, error: unknown): void {
    if (rank < this.#minimum) return;
    try {
      this.#sink({
        level: LOG_LEVELS[rank],
        time: Date.now(),
        message: String(message),
        ...(fields === undefined ? {} : { fields: plainFields(fields) }),
        ...(error === undefined ? {} : { error: describeError(error) }),
        thread: this.#thread,
      });
    } catch (failure) {
      console.error("cartouche: a logger threw", failure);
    }
  }
}

/** `fields` with plain values only, for callers without types: anything else becomes text. */
function plainFields(fields: LogFields): LogFields {
  const plain: Record<string, LogValue> = {};
  for (const [name, value] of Object.entries(fields as Record<string, unknown>)) {
    if (value === undefined) continue;
    const keep = value === null || typeof value === "string" || typeof value === "boolean" ||
      Number.isFinite(value);
    plain[name] = keep ? value as LogValue : textOf(value);
  }
  return plain;
}

/** How many causes of causes a stack shows. */
const MAX_CAUSES = 4;

/** Whatever was thrown, as plain text. Never throws, whatever the value does when it is looked at. */
export function describeError(error: unknown): LogError {
  try {
    if (!(error instanceof Error)) return { name: "NonError", message: textOf(error) };
    const { name, message, code } = error as Error & { code?: unknown };
    let stack = error.stack;
    let cause = error.cause;
    for (let depth = 0; stack !== undefined && cause !== undefined && depth < MAX_CAUSES; depth++) {
      const inner = cause instanceof Error ? cause.stack ?? `${cause.name}: ${cause.message}` : textOf(cause);
      stack += `\nCaused by: ${inner}`;
      cause = cause instanceof Error ? cause.cause : undefined;
    }
    return {
      name: String(name),
      message: String(message),
      ...(stack === undefined ? {} : { stack: String(stack) }),
      ...(code === undefined ? {} : { code: String(code) }),
    };
  } catch {
    return { name: "NonError", message: "(a value that cannot be read)" };
  }
}

function textOf(value: unknown): string {
  try {
    return typeof value === "object" ? JSON.stringify(value) ?? String(value) : String(value);
  } catch {
    try {
      return String(value);
    } catch {
      return "(a value that cannot be read)";
    }
  }
}
