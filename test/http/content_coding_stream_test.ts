/**
 * Streamed content codings: every piece arrives when it was written.
 * Runs on: any; runtime API: none
 *
 * The decoder runs beside the compressor and is fed exactly what the client would have got by then.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Transform } from "node:stream";
import { test } from "node:test";
import * as zlib from "node:zlib";
import { CODINGS, type ContentCoding } from "../../src/http/content_coding.ts";
import { createCompressor } from "../../src/http/content_coding_stream.ts";

const DECODERS: Record<ContentCoding, () => Transform> = {
  zstd: () => zlib.createZstdDecompress(),
  br: () => zlib.createBrotliDecompress(),
  gzip: () => zlib.createGunzip(),
  deflate: () => zlib.createInflate(),
};

/** A decoder that says when it has given `length` octets in all. */
class Client {
  readonly #decoder: Transform;
  #parts: Uint8Array[] = [];
  #length = 0;
  #wake: () => void = () => {};

  constructor(coding: ContentCoding) {
    this.#decoder = DECODERS[coding]();
    this.#decoder.on("data", (part: Uint8Array) => {
      this.#parts.push(part);
      this.#length += part.byteLength;
      this.#wake();
    });
  }

  receive(bytes: Uint8Array): void {
    if (bytes.byteLength > 0) this.#decoder.write(bytes);
  }

  async has(length: number): Promise<Uint8Array> {
    while (this.#length < length) await new Promise<void>((resolve) => this.#wake = resolve);
    return Uint8Array.from(Buffer.concat(this.#parts));
  }

  async close(): Promise<void> {
    const ended = new Promise<void>((resolve, reject) => {
      this.#decoder.on("end", resolve);
      this.#decoder.on("error", reject);
    });
    this.#decoder.end();
    await ended;
  }
}

/** Bytes that nothing makes smaller, so that output outgrows the streams' buffers. */
function noise(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = 7;
  for (let at = 0; at < size; at++) {
    state = Math.imul(state, 1664525) + 1013904223;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

const PIECES: readonly Uint8Array[] = [
  new TextEncoder().encode("first"),
  new Uint8Array(0),
  new Uint8Array(new SharedArrayBuffer(100)).fill(65),
  noise(300_000),
  new Uint8Array(200_000),
  new Uint8Array([1]),
];

for (const coding of CODINGS) {
  test(`createCompressor in ${coding} makes each piece decodable before the next is written`, async () => {
    const compressor = createCompressor(coding);
    const client = new Client(coding);
    const sent: Uint8Array[] = [];
    let length = 0;
    for (const piece of PIECES) {
      client.receive(await compressor.write(piece));
      sent.push(piece);
      length += piece.byteLength;
      assert.deepEqual(await client.has(length), Uint8Array.from(Buffer.concat(sent)));
    }
    client.receive(await compressor.end());
    await client.close();
  });

  test(`createCompressor in ${coding} makes a well-formed body of nothing`, async () => {
    const compressor = createCompressor(coding);
    const client = new Client(coding);
    client.receive(await compressor.end());
    await client.close();
    assert.equal((await client.has(0)).byteLength, 0);
  });

  test(`createCompressor in ${coding} refuses pieces after destroy`, async () => {
    const compressor = createCompressor(coding);
    await compressor.write(new Uint8Array(10));
    compressor.destroy();
    compressor.destroy();
    await assert.rejects(compressor.write(new Uint8Array(10)), TypeError);
    await assert.rejects(compressor.end(), TypeError);
  });
}
