/**
 * A logger that writes to a file and never makes its thread wait for the disk, except for errors.
 * Runs on: any; runtime API: none
 *
 * Records below "error" wait in memory and are appended in batches by the runtime's own threads, one batch at
 * a time. An error is in the file when `log` returns, and everything logged before it is above it: premise 1,
 * the bytes of a batch under way are known, and the file has them once it has grown by their number; premise
 * 2, the batch is past recall before any other code runs (see `#run`); therefore waiting for the size and
 * then appending the queue and the error directly keeps the order and doubles nothing. Several writers can
 * share a file (see `append_file.ts`); then only the order between a batch and an error is best effort.
 * Invariant: whatever the disk does, the process goes on, and what is lost is counted or printed.
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import { setImmediate, setTimeout } from "node:timers";
import { CartoucheError } from "../errors.ts";
import { AppendFile } from "./append_file.ts";
import { jsonLine, textLine, visible } from "./log_line.ts";
import { isLogged, type Logger, type LogLevel, type LogRecord } from "./logger.ts";

/** Options of {@link fileLogger}. */
export interface FileLoggerOptions {
  /** Records below are left out. Default "info". */
  readonly level?: LogLevel;
  /** "json": one JSON object a line; "text": for people, stacks indented on further lines. Default "json". */
  readonly format?: "json" | "text";
  /**
   * Octets that may wait for the disk, at least 4,096. Default 4 MiB. When a record would exceed it, it and
   * those after it are dropped until a batch was written; then a warning with their number stands in their
   * place. Errors are never dropped: they do not wait.
   */
  readonly maxQueuedBytes?: number;
}

/** A {@link Logger} with a file. */
export interface FileLogger extends Logger {
  log(record: LogRecord): void;
  /** Writes out what waits, before it returns. */
  flush(): void;
  /**
   * Goes on in a new file of the same name: call it after the old one was renamed. What was not yet being
   * written goes to the new file. If that cannot be opened the old one stays in use.
   */
  reopen(): void;
  /**
   * Writes out what waits and closes the file. Never rejects. Errors that come later go to stderr, other
   * records nowhere.
   */
  close(): Promise<void>;
  /** Records dropped so far because too much waited. */
  readonly droppedRecords: number;
}

const DEFAULT_MAX_QUEUED_BYTES = 4 * 1024 * 1024;
const MIN_MAX_QUEUED_BYTES = 4096;
/**
 * UTF-16 code units of a batch, at least one line. Node splits appends above 512 KiB, which premise 2
 * excludes.
 */
const BATCH_LENGTH = 65_536;
/** Pause after a failed write before the next attempt. */
const RETRY_MS = 1000;
/**
 * An error waits at most so long for the batch before it. A disk that takes longer would hold up its own
 * write too.
 */
const SETTLE_MS = 500;

/**
 * A logger that appends to `path`. The file is made if it does not exist; its folder is not.
 *
 * While the file cannot be opened or written (full disk, rights), errors go to stderr, which also gets one
 * line about the reason; other records wait as far as `maxQueuedBytes` allows, and an attempt is made every
 * second. A process that ends by `process.exit()` or by itself writes out what waits; one that is killed
 * loses it.
 *
 * @throws CartoucheError ERR_OPTION for a bad option; never for the file
 */
export function fileLogger(path: string, options: FileLoggerOptions = {}): FileLogger {
  const { level = "info", format = "json", maxQueuedBytes = DEFAULT_MAX_QUEUED_BYTES } = options;
  if (!Number.isSafeInteger(maxQueuedBytes) || maxQueuedBytes < MIN_MAX_QUEUED_BYTES) {
    throw new CartoucheError(
      "ERR_OPTION",
      `fileLogger: maxQueuedBytes must be an integer >= ${MIN_MAX_QUEUED_BYTES}, not ${maxQueuedBytes}`,
    );
  }
  if (format !== "json" && format !== "text") {
    throw new CartoucheError(
      "ERR_OPTION",
      `fileLogger: format must be "json" or "text", not ${String(format)}`,
    );
  }
  return new LogFile(path, level, format === "json" ? jsonLine : textLine, maxQueuedBytes);
}

/** Bytes on their way to the file. */
interface Batch {
  readonly bytes: Buffer;
  /** Size of the file before. */
  readonly start: number;
  /** Octets that were written directly meanwhile. */
  added: number;
}

/** Files to write out when the process ends. */
const openFiles = new Set<LogFile>();

function flushAll(): void {
  for (const file of openFiles) file.flush();
}

/** To sleep on in `#settle`: nobody ever notifies. */
const sleepCell = new Int32Array(new SharedArrayBuffer(4));

class LogFile implements FileLogger {
  readonly #path: string;
  readonly #level: LogLevel;
  readonly #lineOf: (record: LogRecord) => string;
  readonly #maxQueuedBytes: number;
  #file: AppendFile | null = null;
  /** Size of the file as far as this logger knows; read while no batch is under way. */
  #size = 0;
  /** What a write that failed half-way left over; goes before the queue. */
  #rest: Buffer | null = null;
  #queue: string[] = [];
  /** Octets of batch, rest and queue. */
  #queuedBytes = 0;
  #batch: Batch | null = null;
  /** Runs while there is something to write; null otherwise. */
  #pump: Promise<void> | null = null;
  #endPause: () => void = () => {};
  /** Dropped records that no warning in the file tells of yet; while above 0 all further ones are dropped. */
  #untold = 0;
  #dropped = 0;
  /** When the last attempt failed; 0 while all is well. */
  #failedAt = 0;
  #reopenWanted = false;
  #closing: Promise<void> | null = null;

  constructor(path: string, level: LogLevel, lineOf: (record: LogRecord) => string, maxQueuedBytes: number) {
    this.#path = path;
    this.#level = level;
    this.#lineOf = lineOf;
    this.#maxQueuedBytes = maxQueuedBytes;
    this.#open();
    if (openFiles.size === 0) process.on("exit", flushAll);
    openFiles.add(this);
  }

  get droppedRecords(): number {
    return this.#dropped;
  }

  log(record: LogRecord): void {
    if (!isLogged(record.level, this.#level)) return;
    if (record.level === "error") return this.#logError(record);
    if (this.#closing !== null) return;
    const line = this.#lineOf(record);
    const bytes = Buffer.byteLength(line);
    if (this.#untold > 0 || this.#queuedBytes + bytes > this.#maxQueuedBytes) {
      this.#untold++;
      this.#dropped++;
      this.#wake();
      return;
    }
    this.#push(line, bytes);
  }

  flush(): void {
    if (openFiles.has(this)) this.#drain();
  }

  reopen(): void {
    if (this.#closing !== null) return;
    this.#reopenWanted = true;
    // A batch under way belongs to the old file: its end swaps.
    if (this.#batch === null) this.#swap();
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    // After this turn, so that `#closing` is set for whatever runs meanwhile.
    await null;
    this.#endPause();
    await this.#pump;
    if (this.#file !== null || this.#open()) this.#drain();
    if (this.#queuedBytes > 0) {
      report(`${this.#queuedBytes} octets of log were lost: ${visible(this.#path)} cannot be written`);
    }
    openFiles.delete(this);
    if (openFiles.size === 0) process.off("exit", flushAll);
    this.#file?.close();
    this.#file = null;
  }

  #logError(record: LogRecord): void {
    if (this.#closing === null && this.#mayTry() && this.#drain()) {
      const line = Buffer.from(this.#lineOf(record));
      const written = this.#writeNow(line);
      if (written === line.length) return;
      // A line that was begun is ended some time; the error itself is not to wait for that.
      if (written > 0) {
        this.#rest = line.subarray(written);
        this.#queuedBytes += this.#rest.length;
        this.#wake();
      }
    }
    console.error(textLine(record).slice(0, -1));
  }

  #push(line: string, bytes: number): void {
    this.#queue.push(line);
    this.#queuedBytes += bytes;
    this.#wake();
  }

  #wake(): void {
    this.#pump ??= this.#run();
  }

  /** Appends batches until nothing waits. */
  async #run(): Promise<void> {
    do {
      // Each batch starts a turn of its own: all that was logged in the last one is in it, and no other code
      // can run between `appendFile` and the moment it is past recall (on Deno, a microtask later).
      await new Promise<void>((resolve) => setImmediate(resolve));
      const well = (this.#file !== null || this.#open()) && await this.#append();
      if (this.#reopenWanted) this.#swap();
      else if (!well) await this.#pause();
    } while (this.#queuedBytes > 0 && !(this.#closing !== null && this.#failedAt !== 0));
    this.#pump = null;
  }

  /** Appends one batch. @returns false if that failed */
  async #append(): Promise<boolean> {
    const bytes = this.#takeBatch();
    if (bytes === null) {
      this.#tellDropped();
      return true;
    }
    const batch: Batch = { bytes, start: this.#size, added: 0 };
    this.#batch = batch;
    const file = this.#file as AppendFile;
    const error = await file.append(bytes);
    this.#batch = null;
    this.#size = batch.start + batch.added + bytes.length;
    if (error === null) {
      this.#queuedBytes -= bytes.length;
      this.#failedAt = 0;
      this.#tellDropped();
      return true;
    }
    // The growth of the file tells how much of it arrived.
    this.#size = file.size() ?? this.#size;
    const arrived = Math.min(Math.max(this.#size - batch.start - batch.added, 0), bytes.length);
    this.#queuedBytes -= arrived;
    const left = bytes.subarray(arrived);
    this.#rest = this.#rest === null ? left : Buffer.concat([left, this.#rest]);
    this.#failed(error);
    return false;
  }

  #takeBatch(): Buffer | null {
    const rest = this.#rest;
    if (rest !== null) {
      this.#rest = null;
      return rest;
    }
    let count = 0;
    let length = 0;
    while (count < this.#queue.length && length < BATCH_LENGTH) {
      length += (this.#queue[count++] as string).length;
    }
    return count === 0 ? null : Buffer.from(this.#queue.splice(0, count).join(""));
  }

  /** Writes out batch, rest and queue before it returns. @returns false if that failed */
  #drain(): boolean {
    if (this.#file === null && !this.#open()) return false;
    this.#settle();
    this.#tellDropped();
    const queued = Buffer.from(this.#queue.join(""));
    const bytes = this.#rest === null ? queued : Buffer.concat([this.#rest, queued]);
    const written = this.#writeNow(bytes);
    this.#queue = [];
    this.#rest = written === bytes.length ? null : bytes.subarray(written);
    this.#queuedBytes -= written;
    return this.#rest === null;
  }

  /**
   * Waits until the file has the batch under way. Gives up when the size says nothing: cut by others, or too
   * late.
   */
  #settle(): void {
    const batch = this.#batch;
    if (batch === null) return;
    const end = batch.start + batch.added + batch.bytes.length;
    const until = performance.now() + SETTLE_MS;
    for (;;) {
      const size = (this.#file as AppendFile).size();
      if (size === undefined || size >= end || size < batch.start || performance.now() > until) return;
      Atomics.wait(sleepCell, 0, 0, 1);
    }
  }

  /**
   * Appends `bytes` before it returns.
   * @returns how many octets were written, fewer than given if writing failed
   */
  #writeNow(bytes: Buffer): number {
    const file = this.#file as AppendFile;
    const { written, error } = file.writeNow(bytes);
    if (error !== null) this.#failed(error);
    else if (written > 0) this.#failedAt = 0;
    if (this.#batch !== null) this.#batch.added += written;
    else this.#size = file.size() ?? this.#size + written;
    return written;
  }

  /** Puts a warning where dropped records would have stood. */
  #tellDropped(): void {
    if (this.#untold === 0) return;
    const line = this.#lineOf({
      level: "warn",
      time: Date.now(),
      message: "Log records were dropped because too much waited for the disk",
      fields: { dropped: this.#untold, maxQueuedBytes: this.#maxQueuedBytes },
      thread: "log",
    });
    this.#untold = 0;
    this.#queue.push(line);
    this.#queuedBytes += Buffer.byteLength(line);
  }

  #open(): boolean {
    try {
      this.#file = new AppendFile(this.#path);
      this.#size = this.#file.size() ?? 0;
      this.#failedAt = 0;
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  #swap(): void {
    this.#reopenWanted = false;
    const old = this.#file;
    if (this.#open()) old?.close();
    this.#endPause();
    if (this.#queuedBytes > 0) this.#wake();
  }

  #failed(error: unknown): void {
    const first = this.#failedAt === 0;
    this.#failedAt = Date.now();
    if (!first) return;
    const reason = visible(error instanceof Error ? error.message : String(error));
    report(
      `the log file ${visible(this.#path)} cannot be written (${reason}); errors go to stderr until it can`,
    );
  }

  /** Nothing failed lately. */
  #mayTry(): boolean {
    return this.#failedAt === 0 || Math.abs(Date.now() - this.#failedAt) >= RETRY_MS;
  }

  async #pause(): Promise<void> {
    if (this.#closing !== null) return;
    await new Promise<void>((resolve) => {
      this.#endPause = resolve;
      setTimeout(resolve, RETRY_MS).unref();
    });
  }
}

function report(message: string): void {
  console.error(`cartouche: ${message}`);
}
