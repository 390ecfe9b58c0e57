/**
 * Content coding of a body that comes in pieces: each piece can be decoded as soon as it was sent.
 * Runs on: worker; runtime API: none
 *
 * The compressor is flushed after every piece, so a client sees what the handler wrote when it was written;
 * that costs 5 to 10 bytes and some ratio a piece. The work is done by the runtime's own threads (node:zlib
 * streams, the one streaming interface that all three runtimes have; zstd where `CODINGS` has it). Whether to
 * code at all is decided by `content_coding.ts`. Invariant: everything that `write` and `end` gave, in order,
 * is one well-formed coded body.
 */
import { Buffer } from "node:buffer";
import type { Transform } from "node:stream";
import * as zlib from "node:zlib";
import { CODING_OPTIONS, type ContentCoding } from "./content_coding.ts";

/** Codes one body, piece by piece. One call at a time: wait for a promise before the next call. */
export interface StreamCompressor {
  /**
   * The coded bytes of `chunk`, ready to send; may be empty for an empty chunk. `chunk` must not change
   * meanwhile.
   */
  write(chunk: Uint8Array): Promise<Uint8Array>;
  /** The last bytes. The compressor is done afterwards. */
  end(): Promise<Uint8Array>;
  /** Gives up: frees the memory (some 100 KiB) when the body will not be sent to its end. */
  destroy(): void;
}

type Flushable = Transform & { flush(kind: number, callback: () => void): void };

/** A compressor for one body. */
export function createCompressor(coding: ContentCoding): StreamCompressor {
  const { stream, flushKind } = open(coding);
  let parts: Uint8Array[] = [];
  let fail: (error: unknown) => void = () => {};
  let failure: unknown;
  stream.on("data", (part: Uint8Array) => parts.push(part));
  stream.on("error", (error: unknown) => {
    failure = error;
    fail(error);
  });

  const take = (): Uint8Array => {
    const taken = parts;
    parts = [];
    return taken.length === 1 ? taken[0] as Uint8Array : Buffer.concat(taken);
  };
  const run = (start: (done: () => void) => void): Promise<Uint8Array> =>
    new Promise((resolve, reject) => {
      if (failure !== undefined || stream.destroyed) {
        return reject(failure ?? new TypeError("createCompressor: the compressor was destroyed"));
      }
      fail = reject;
      start(() => resolve(take()));
    });

  return {
    write: (chunk) =>
      run((done) => {
        stream.write(chunk);
        // Called after all that was written before is coded and came out through "data".
        stream.flush(flushKind, done);
      }),
    end: () =>
      run((done) => {
        stream.once("end", done);
        stream.end();
      }),
    destroy: () => {
      stream.destroy();
      fail(new TypeError("createCompressor: the compressor was destroyed"));
    },
  };
}

function open(coding: ContentCoding): { stream: Flushable; flushKind: number } {
  const { constants } = zlib;
  switch (coding) {
    case "gzip":
      return { stream: zlib.createGzip(CODING_OPTIONS.gzip), flushKind: constants.Z_SYNC_FLUSH };
    case "deflate":
      return { stream: zlib.createDeflate(CODING_OPTIONS.deflate), flushKind: constants.Z_SYNC_FLUSH };
    case "br":
      return {
        stream: zlib.createBrotliCompress(CODING_OPTIONS.br),
        flushKind: constants.BROTLI_OPERATION_FLUSH,
      };
    case "zstd":
      return { stream: zlib.createZstdCompress(), flushKind: constants.ZSTD_e_flush };
  }
}
