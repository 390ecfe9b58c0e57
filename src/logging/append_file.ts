/**
 * A regular file that is only appended to, by the runtime's own threads or at once.
 * Runs on: any; runtime API: none
 *
 * Two descriptors, both opened to append (O_APPEND), so that whole writes of several writers never overlap:
 * one for `append`, one for `writeNow` and `size`, because Deno refuses direct use of a descriptor that is
 * busy. Bytes given to `append` are past recall when the microtasks of the caller's turn are done (at once on
 * Node and Bun). `fs.write` would not do: on Deno it blocks (measured: 275 ms for 100 MB; `appendFile` 1 ms).
 */
import * as fs from "node:fs";

/** Logs tell of clients: not for everybody on the machine. */
const FILE_MODE = 0o640;

/** An open file. */
export class AppendFile {
  readonly #background: number;
  readonly #direct: number;

  /** Opens or makes the file. @throws what the system says, or Error if it is not a regular file */
  constructor(path: string) {
    // Opening a pipe would wait for its reader; a terminal or socket has no size to go by.
    const found = fs.statSync(path, { throwIfNoEntry: false });
    if (found !== undefined && !found.isFile()) throw new Error("not a regular file");
    this.#background = fs.openSync(path, "a", FILE_MODE);
    try {
      this.#direct = fs.openSync(path, "a", FILE_MODE);
    } catch (error) {
      fs.closeSync(this.#background);
      throw error;
    }
  }

  /**
   * Appends off the calling thread, one call at a time.
   * @returns null, or what went wrong; some octets may be there
   */
  append(bytes: Uint8Array): Promise<Error | null> {
    return new Promise((resolve) => fs.appendFile(this.#background, bytes, resolve));
  }

  /**
   * Appends before it returns.
   * @returns how many octets were written, and what went wrong if those are not all
   */
  writeNow(bytes: Uint8Array): { readonly written: number; readonly error: unknown } {
    let written = 0;
    try {
      while (written < bytes.length) {
        written += fs.writeSync(this.#direct, bytes, written, bytes.length - written);
      }
      return { written, error: null };
    } catch (error) {
      return { written, error };
    }
  }

  /** Octets in the file now, whoever wrote them; undefined if the system does not say. */
  size(): number | undefined {
    try {
      return fs.fstatSync(this.#direct).size;
    } catch {
      return undefined;
    }
  }

  /** Gives back the descriptors; no `append` may be under way. */
  close(): void {
    for (const descriptor of [this.#background, this.#direct]) {
      try {
        fs.closeSync(descriptor);
      } catch {
        // Gone already; there is nothing to give back.
      }
    }
  }
}
