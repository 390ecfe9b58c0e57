/**
 * Receives a form: its fields into memory, its files to disk, all of it or nothing.
 * Runs on: worker; runtime API: none
 *
 * Files grow as `DIR/.cartouche/spool/form-<random>.<owner>.tmp` (0600) and get their names in DIR only after
 * the closing delimiter of the form was seen; on any error, limit, abort or cut body everything is removed
 * again. By default each file is on the medium (fdatasync) before it has its name, and the names are before
 * the result is there: who got an answer still has the file after a power cut, as with tus. `durable: false`
 * saves that time where files can be sent again. Memory: one piece of the source, one buffer of 256 KiB, and
 * the fields, whatever the size of the files. The next piece is asked for only when the last one is written,
 * so a slow disk slows the client.
 */
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { CartoucheError } from "../errors.ts";
import { MultipartParser, type MultipartSink } from "../http/multipart.ts";
import { multipartBoundary } from "../http/multipart_boundary.ts";
import type { MultipartLimits } from "../http/multipart_error.ts";
import type { MultipartPart } from "../http/multipart_part.ts";
import { type BodyPieces, bodyPieces } from "./body_pieces.ts";
import { clientFileName, safeFileName } from "./sanitize.ts";
import {
  type Flow,
  localDisk,
  type Operation,
  perform,
  runLater,
  runNow,
  type SpoolDisk,
} from "./spool_disk.ts";
import { SpoolFile } from "./spool_file.ts";
import { watchSpools } from "./spool_sweep.ts";

/** How much a blocking source is asked for at a time. */
const READ_BYTES = 128 * 1024;

/** A leading U+FEFF belongs to the text (Encoding standard, UTF-8 decode without BOM). */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** A file of a form. */
export interface SpooledFile {
  /** The name of the form's field. */
  readonly field: string;
  /** The client's name for the file: its last part, without control characters. For people, not for paths. */
  readonly name: string;
  /** The media type that the client sent, "text/plain" when it sent none. */
  readonly type: string;
  /** Octets. */
  readonly size: number;
  /** Where the file is. */
  readonly path: string;
}

/** A form that was received as a whole. */
export interface SpooledForm {
  /** All values by field name, in the order of the form. The object has no prototype, so any name is safe. */
  readonly fields: Record<string, string[]>;
  /** The files in the order of the form, without file inputs that were left empty. */
  readonly files: SpooledFile[];
}

/** A file that is whole and waits for its name. */
export interface NamelessFile extends Omit<SpooledFile, "path"> {
  /** 32 hexadecimal digits, 128 random bits. */
  readonly id: string;
}

/** Where a form goes. */
export interface SpoolOptions {
  /** The folder for the files; made when it is not there. */
  readonly directory: string;
  /** How much is accepted. */
  readonly limits?: Partial<MultipartLimits> | undefined;
  /**
   * The path of a finished file within `directory`. A path that leaves the folder is an error (`ERR_OPTION`),
   * one that is taken, too (`ERR_STORAGE`). Default: the id, a hyphen, and a safe kind of the client's name
   * ("file" if nothing of it is left). Never the bare id: that is how uploads by tus are called.
   */
  readonly fileName?: ((file: NamelessFile) => string) | undefined;
  /** Whether files and names are on the medium before the result is there. Default true. */
  readonly durable?: boolean | undefined;
  /**
   * Gives the form up when it is aborted: nothing of it stays, not even under its own name, and the signal's reason is
   * thrown. Give it `request.signal`, so that a form whose client was refused, or is gone, does not come to be.
   */
  readonly signal?: AbortSignal | undefined;
}

/** Something that fills a buffer and blocks meanwhile; 0 is its end. */
export interface BlockingSource {
  readSync(buffer: Uint8Array): number;
}

/**
 * Receives a form without blocking the thread.
 *
 * @param source the body: a web stream or anything that can be iterated asynchronously; null is an empty one
 * @param contentType the request's Content-Type field
 * @returns the form; its files are in `options.directory`
 * @throws MultipartError for a form that is malformed or too large; CartoucheError `ERR_STORAGE_FULL` or
 *   `ERR_STORAGE` when the disk refuses; what the source throws; the reason of the signal. No file is left in
 *   any of these cases.
 * @example
 * ```ts ignore
 * import { Router, spoolForm } from "@cartouche/cartouche";
 *
 * const router = new Router();
 * router.post("/upload", async (request) => {
 *   const contentType = request.headers.get("content-type");
 *   const { signal } = request;
 *   const form = await spoolForm(request.body, contentType, { directory: "./uploads", signal });
 *   return Response.json(form.files.map((file) => file.name));
 * }, { maxBodyBytes: 2 ** 30, deadlineMs: 0 });
 * export default router;
 * ```
 */
export async function spoolForm(
  source: AsyncIterable<Uint8Array> | ReadableStream<Uint8Array> | null,
  contentType: string | null,
  options: SpoolOptions,
  disk: SpoolDisk = localDisk,
): Promise<SpooledForm> {
  const { signal } = options;
  const pieces = piecesOf(source);
  let ended = false;
  let giveUp: (reason: unknown) => void = () => {};
  const abort = (): void => giveUp(signal?.reason);
  const read: Operation<Uint8Array | undefined> = {
    now: () => {
      throw new CartoucheError("ERR_OPTION", "An async source cannot be read by a blocking flow.");
    },
    later: () =>
      new Promise<Uint8Array | undefined>((resolve, reject) => {
        giveUp = reject;
        pieces.read().then((piece) => {
          ended = piece === null;
          resolve(piece ?? undefined);
        }, (error: unknown) => {
          // A source that has failed, or ended, is not to be told so.
          ended = true;
          reject(error);
        });
      }),
  };
  signal?.addEventListener("abort", abort);
  try {
    return await runLater(receive(read, contentType, options, disk));
  } finally {
    signal?.removeEventListener("abort", abort);
    // Nobody waits for the source to take notice: the request has failed already.
    if (!ended) pieces.cancel().catch(() => {});
  }
}

/**
 * Receives a form and blocks the thread until it is there. The same as {@link spoolForm} in all else.
 */
export function spoolFormSync(
  source: BlockingSource,
  contentType: string | null,
  options: SpoolOptions,
  disk: SpoolDisk = localDisk,
): SpooledForm {
  const buffer = new Uint8Array(READ_BYTES);
  const read: Operation<Uint8Array | undefined> = {
    now: () => {
      const length = source.readSync(buffer);
      return length > 0 ? buffer.subarray(0, length) : undefined;
    },
    later: () => Promise.reject(new CartoucheError("ERR_OPTION", "A blocking source cannot be awaited.")),
  };
  return runNow(receive(read, contentType, options, disk));
}

function piecesOf(source: AsyncIterable<Uint8Array> | ReadableStream<Uint8Array> | null): BodyPieces {
  if (source === null) return { read: () => Promise.resolve(null), cancel: () => Promise.resolve() };
  if (source instanceof ReadableStream) return bodyPieces(source);
  const iterator = source[Symbol.asyncIterator]();
  return {
    read: async () => {
      const next = await iterator.next();
      return next.done === true ? null : next.value;
    },
    cancel: async () => void await iterator.return?.(),
  };
}

/** The one flow behind both. */
function* receive(
  read: Operation<Uint8Array | undefined>,
  contentType: string | null,
  options: SpoolOptions,
  disk: SpoolDisk,
): Flow<SpooledForm> {
  const collector = new FormCollector(options.directory, disk, options.durable ?? true);
  const parser = new MultipartParser(multipartBoundary(contentType), collector, options.limits);
  const { signal } = options;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const bytes = yield* perform(read);
      if (bytes === undefined) break;
      parser.feed(bytes);
      yield* collector.writeOut();
    }
    parser.finish();
    return { fields: collector.fields, files: yield* publish(collector.files, options, disk) };
  } catch (error) {
    for (const file of collector.files) yield* file.discard();
    throw error;
  }
}

/** Gives the files their names; the caller discards all of them, named or not, when this fails. */
function* publish(files: readonly SpoolFile[], options: SpoolOptions, disk: SpoolDisk): Flow<SpooledFile[]> {
  const published: SpooledFile[] = [];
  const folders = new Set<string>();
  for (const file of files) {
    options.signal?.throwIfAborted();
    if (!file.exists) continue;
    const { part, id, size } = file;
    const described = { field: part.name, name: clientFileName(part.filename ?? ""), type: part.type, size };
    const path = pathWithin(options.directory, nameOf({ ...described, id }, part, options));
    if (options.fileName !== undefined) yield* file.makeFolder(dirname(path));
    yield* file.moveTo(path);
    folders.add(dirname(path));
    published.push({ ...described, path });
  }
  if (options.durable ?? true) {
    for (const folder of folders) yield* perform(disk.syncFolder(folder));
  }
  // From here on it is the caller's.
  options.signal?.throwIfAborted();
  return published;
}

function nameOf(file: NamelessFile, part: MultipartPart, options: SpoolOptions): string {
  if (options.fileName !== undefined) return options.fileName(file);
  return `${file.id}-${safeFileName(part.filename ?? "") || "file"}`;
}

function pathWithin(directory: string, name: string): string {
  const path = join(directory, name);
  const inside = relative(resolve(directory), resolve(path));
  if (
    name === "" || name.includes("\0") || inside === "" || /^\.\.(?:[/\\]|$)/.test(inside) ||
    isAbsolute(inside)
  ) {
    throw new CartoucheError(
      "ERR_OPTION",
      `fileName returned "${name}", which is no path inside ${directory}.`,
    );
  }
  return path;
}

/** Sorts what the parser finds: fields are kept, file octets are listed until they are written. */
class FormCollector implements MultipartSink {
  readonly fields: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  readonly files: SpoolFile[] = [];
  readonly #directory: string;
  readonly #disk: SpoolDisk;
  readonly #durable: boolean;
  /**
   * What to do with files since the last call of `writeOut`, in order. Ranges lie in the piece that was fed.
   */
  #todo: (() => Flow<void>)[] = [];
  #file: SpoolFile | undefined;
  #name = "";
  /** The value of a field so far. One buffer that grows, for a client may send a field octet by octet. */
  #value = new Uint8Array(1024);
  #valueBytes = 0;

  constructor(directory: string, disk: SpoolDisk, durable: boolean) {
    this.#directory = directory;
    this.#disk = disk;
    this.#durable = durable;
  }

  onPartBegin(part: MultipartPart): void {
    this.#name = part.name;
    this.#valueBytes = 0;
    this.#file = undefined;
    if (part.filename === undefined) return;
    watchSpools(this.#directory);
    this.#file = new SpoolFile(part, this.#directory, this.#disk, this.#durable);
    this.files.push(this.#file);
  }

  onPartData(bytes: Uint8Array, start: number, end: number): void {
    const file = this.#file;
    if (file !== undefined) {
      this.#todo.push(() => file.write(bytes, start, end));
      return;
    }
    const length = this.#valueBytes + end - start;
    if (length > this.#value.length) {
      const larger = new Uint8Array(Math.max(length, this.#value.length * 2));
      larger.set(this.#value.subarray(0, this.#valueBytes));
      this.#value = larger;
    }
    this.#value.set(bytes.subarray(start, end), this.#valueBytes);
    this.#valueBytes = length;
  }

  onPartEnd(): void {
    const file = this.#file;
    if (file !== undefined) {
      this.#todo.push(() => file.finish());
      return;
    }
    (this.fields[this.#name] ??= []).push(utf8.decode(this.#value.subarray(0, this.#valueBytes)));
  }

  /** Performs what is to be done; the piece that was fed may be reused after that. */
  *writeOut(): Flow<void> {
    const todo = this.#todo;
    this.#todo = [];
    for (const act of todo) yield* act();
  }
}
