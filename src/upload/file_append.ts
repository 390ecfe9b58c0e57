/**
 * Bytes on their way to the disk: written in order behind the offset, at most one write under way.
 * Runs on: any; runtime API: none
 *
 * While a write is under way, what comes is gathered for the next one, so a fast sender makes few large
 * writes and a slow one is stored as it comes. Memory: one write of at most WRITE_BYTES and as much waiting,
 * in two buffers that later appends use again; then `write` makes its caller wait, and the caller's client
 * with it.
 *
 * Invariant: the file never holds a byte behind a gap. Each write begins where the last one ended.
 */
import type { StoreFile } from "./store_fs.ts";
import type { UploadAppend } from "./upload_store.ts";

/** Most bytes of one write. Larger ones gain nothing and make a take-over wait longer. */
const WRITE_BYTES = 512 * 1024;

/**
 * Buffers of WRITE_BYTES that no append uses; at most MAX_SPARES. Their memory is taken only as far as it is
 * filled.
 */
const spares: Uint8Array<ArrayBuffer>[] = [];
const MAX_SPARES = 8;

/** What an append needs of the session that it belongs to. */
export interface AppendHost {
  readonly file: StoreFile;
  /** Runs an operation on the data under the lock. */
  guarded<T>(operation: () => Promise<T>): Promise<T>;
  /** All is in the file and durable: the bytes up to `offset` count from now on. */
  committed(offset: number): Promise<void>;
}

/** An append to a file. */
export class FileAppend implements UploadAppend {
  readonly #host: AppendHost;
  readonly #start: number;
  readonly #checked: boolean;
  /** Where the next write begins. */
  #position: number;
  /** Holds what waits; null while nothing does. */
  #waiting: Uint8Array<ArrayBuffer> | null = null;
  #waitingBytes = 0;
  #writing: Promise<void> | null = null;
  #failure: { readonly error: unknown } | null = null;

  constructor(host: AppendHost, start: number, checked: boolean) {
    this.#host = host;
    this.#start = start;
    this.#checked = checked;
    this.#position = start;
  }

  /** Takes a copy: the caller may use the memory again. */
  async write(chunk: Uint8Array): Promise<void> {
    let from = 0;
    while (from < chunk.byteLength) {
      while (this.#writing !== null && this.#waitingBytes === WRITE_BYTES) await this.#writing;
      if (this.#failure !== null) throw this.#failure.error;
      const piece = chunk.subarray(from, from + WRITE_BYTES - this.#waitingBytes);
      this.#waiting ??= spares.pop() ?? new Uint8Array(WRITE_BYTES);
      this.#waiting.set(piece, this.#waitingBytes);
      this.#waitingBytes += piece.byteLength;
      from += piece.byteLength;
      this.#writing ??= this.#drain();
    }
  }

  async commit(): Promise<void> {
    await this.#writing;
    if (this.#failure !== null) {
      const { error } = this.#failure;
      if (this.#checked) await this.discard().catch(() => {});
      else await this.#keepWhatCame();
      throw error;
    }
    try {
      await this.#host.guarded(() => this.#host.file.datasync());
    } catch (error) {
      // Bytes that the disk has refused once may look written to the next reader. They must not count.
      await this.discard().catch(() => {});
      throw error;
    }
    await this.#host.committed(this.#position);
  }

  async discard(): Promise<void> {
    await this.#writing;
    await this.#host.guarded(async () => {
      await this.#host.file.truncate(this.#start);
      await this.#host.file.datasync();
    });
    this.#position = this.#start;
  }

  /** Never rejects: a failure is kept for the next call, because nobody may be waiting just now. */
  async #drain(): Promise<void> {
    try {
      while (this.#waiting !== null) {
        const buffer = this.#waiting;
        const bytes = this.#waitingBytes;
        this.#waiting = null;
        this.#waitingBytes = 0;
        await this.#host.guarded(() => this.#host.file.write([buffer.subarray(0, bytes)], this.#position));
        // Not after a failure: nobody knows then whether the write is over.
        if (spares.length < MAX_SPARES) spares.push(buffer);
        this.#position += bytes;
      }
    } catch (error) {
      this.#failure = { error };
      this.#waiting = null;
      this.#waitingBytes = 0;
    } finally {
      this.#writing = null;
    }
  }

  /** A write failed (a full disk, mostly): what reached the file stays, if the disk will have it. */
  async #keepWhatCame(): Promise<void> {
    try {
      const size = await this.#host.guarded(async () => {
        await this.#host.file.datasync();
        return await this.#host.file.size();
      });
      await this.#host.committed(size);
    } catch {
      await this.discard().catch(() => {});
    }
  }
}
