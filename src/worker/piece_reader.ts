/**
 * Reads the body of a response piece by piece, whatever kind of stream it is.
 * Runs on: worker; runtime API: none
 */
import { MAX_RECORD_BYTES } from "../messages/kind.ts";

/** Reads a stream piece by piece; null at its end. A piece is good until the next one is asked for. */
export interface PieceReader {
  read(): Promise<Uint8Array | string | null>;
  cancel(reason: unknown): Promise<void>;
}

/**
 * A byte stream is read into one buffer over and over: 512 MiB of a file then cost no garbage, where a default reader
 * leaves up to 90 MiB for the collector.
 */
export function readerOf(stream: ReadableStream<Uint8Array>): PieceReader {
  let byob: ReadableStreamBYOBReader;
  try {
    byob = stream.getReader({ mode: "byob" });
  } catch {
    // Not a byte stream: that is what the exception says, and there is no other way to ask.
    const reader = stream.getReader();
    return {
      async read() {
        const { done, value } = await reader.read();
        return done ? null : value;
      },
      cancel: (reason) => reader.cancel(reason),
    };
  }
  let buffer = new ArrayBuffer(MAX_RECORD_BYTES - 16);
  return {
    async read() {
      const { done, value } = await byob.read(new Uint8Array(buffer));
      if (done || value === undefined) return null;
      buffer = value.buffer as ArrayBuffer;
      return value;
    },
    cancel: (reason) => byob.cancel(reason),
  };
}
