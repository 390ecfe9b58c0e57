/**
 * Reads the body of an upload piece by piece, into the same memory over and over where the stream can do that.
 * Runs on: any; runtime API: none
 *
 * A stream of bytes (Streams standard, section 4.7) fills the buffer that its reader brings. With a default reader each
 * piece is memory of its own, and collectors let tens to hundreds of MiB of it lie before they look.
 */

/** How much is read at most at a time. */
const PIECE_BYTES = 128 * 1024;

/** A body that is being read. */
export interface BodyPieces {
  /** The next piece; null at the end. It is good until the next call. Rejects as the stream does. */
  read(): Promise<Uint8Array | null>;
  /** Ends a read that waits, as the end of the body does. */
  cancel(): Promise<void>;
}

/** Begins to read; the stream is locked from now on. */
export function bodyPieces(body: ReadableStream<Uint8Array>): BodyPieces {
  let byob: ReadableStreamBYOBReader;
  try {
    byob = body.getReader({ mode: "byob" });
  } catch {
    // Not a stream of bytes: that is what the exception says, and there is no other way to ask.
    const reader = body.getReader();
    return {
      read: async () => (await reader.read()).value ?? null,
      cancel: () => reader.cancel(),
    };
  }
  let buffer = new ArrayBuffer(PIECE_BYTES);
  return {
    read: async () => {
      const { done, value } = await byob.read(new Uint8Array(buffer));
      if (done || value === undefined) return null;
      buffer = value.buffer as ArrayBuffer;
      return value;
    },
    cancel: () => byob.cancel(),
  };
}
