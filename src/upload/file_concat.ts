/**
 * Puts the bytes of finished parts into one new file.
 * Runs on: any; runtime API: none
 *
 * Spec: tus 1.0.0, Concatenation. Memory: one buffer, whatever the size of the parts. A finished part never
 * changes, and a part that is removed meanwhile stays readable through the open file, so no locks are taken.
 */
import { CartoucheError } from "../errors.ts";
import { openNew } from "./file_commit.ts";
import type { StoreFile, StoreFs } from "./store_fs.ts";

/** Bytes that are copied at a time. */
const COPY_BYTES = 1024 * 1024;

/** A finished part, open for reading. */
export interface Part {
  readonly file: StoreFile;
  readonly bytes: number;
}

/**
 * Copies the parts in order, repeats included, and makes the result durable.
 * @returns its length in bytes
 * @throws CartoucheError ERR_UPLOAD_PART, or ERR_CLIENT_GONE when the signal fires
 */
export async function joinParts(
  fs: StoreFs,
  open: (id: string) => Promise<Part | null>,
  ids: readonly string[],
  path: string,
  signal?: AbortSignal,
): Promise<number> {
  const buffer = new Uint8Array(COPY_BYTES);
  const target = await openNew(fs, path);
  try {
    let length = 0;
    for (const id of ids) {
      const part = await open(id);
      if (part === null) throw partError(id);
      try {
        for (let copied = 0; copied < part.bytes;) {
          // A final upload whose URL nobody will learn must not come to be.
          if (signal?.aborted === true) throw gone();
          const bytes = await part.file.read(
            buffer.subarray(0, Math.min(COPY_BYTES, part.bytes - copied)),
            copied,
          );
          if (bytes === 0) throw partError(id);
          await target.write([buffer.subarray(0, bytes)], length);
          copied += bytes;
          length += bytes;
        }
      } finally {
        await part.file.close();
      }
    }
    await target.datasync();
    if (signal?.aborted === true) throw gone();
    return length;
  } finally {
    await target.close();
  }
}

function partError(id: string): CartoucheError {
  return new CartoucheError("ERR_UPLOAD_PART", `Upload ${id} is not there, or not finished`);
}

function gone(): CartoucheError {
  return new CartoucheError("ERR_CLIENT_GONE", "The client left before the parts were put together");
}
