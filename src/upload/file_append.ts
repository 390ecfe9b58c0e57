/**
 * Bytes on their way to the disk: written in order behind the offset, at most one write under way.
 * Runs on: any; runtime API: none
 *
 * While a write is under way, what comes is gathered for the next one, so a fast sender makes few large writes and a
 * slow one is stored as it comes. Memory: one write of at most WRITE_BYTES and as much waiting; then `write` makes its
 * caller wait, and the caller's client with it.
 *
 * Invariant: the file never holds a byte behind a gap. Each write begins where the last one ended.
 */
import type { StoreFile } from "./store_fs.ts";
import type { UploadAppend } from "./upload_store.ts";

/** Most bytes of one write. Larger ones gain nothing and make a take-over wait longer. */
const WRITE_BYTES = 512 * 1024;

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
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | null = null;
  #failure: { readonly error: unknown } | null = null;

  constructor(host: AppendHost, start: number, checked: boolean) {
    this.#host = host;
    this.#start = start;
    this.#checked = checked;
    this.#position = start;
  }

  async write(chunk: Uint8Array): Promise<void> {
    // A larger chunk is written in pieces: the size of one write stays bounded whatever the caller brings.
    for (let from = 0; from < chunk.byteLength; from += WRITE_BYTES) {
      const piece = chunk.subarray(from, from + WRITE_BYTES);
      while (this.#writing !== null && this.#waitingBytes + piece.byteLength > WRITE_BYTES) {
        await this.#writing;
      }
      if (this.#failure !== null) throw this.#failure.error;
      this.#waiting.push(piece);
      this.#waitingBytes += piece.byteLength;
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
      while (this.#waiting.length > 0) {
        const chunks = this.#waiting;
        const bytes = this.#waitingBytes;
        this.#waiting = [];
        this.#waitingBytes = 0;
        await this.#host.guarded(() => this.#host.file.write(chunks, this.#position));
        this.#position += bytes;
      }
    } catch (error) {
      this.#failure = { error };
      this.#waiting = [];
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
