/**
 * The other side of permessage-deflate as clients have it: zlib streams that live as long as the connection, and the
 * extension of the `ws` package.
 */
import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import { constants, createDeflateRaw, createInflateRaw } from "node:zlib";
import { concat } from "./client_frames.ts";

const FLUSH_TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff);

/** Compresses messages one after the other in one zlib stream: real context takeover. */
export class StreamDeflater {
  readonly #stream: ReturnType<typeof createDeflateRaw>;
  #chunks: Uint8Array[] = [];

  constructor(options: { readonly windowBits?: number; readonly level?: number } = {}) {
    this.#stream = createDeflateRaw(options);
    this.#stream.on("data", (chunk: Uint8Array) => this.#chunks.push(chunk));
  }

  /** A message without its last four octets. */
  async deflate(message: Uint8Array): Promise<Uint8Array> {
    if (message.length > 0) this.#stream.write(message);
    await new Promise<void>((resolve) => this.#stream.flush(constants.Z_SYNC_FLUSH, resolve));
    const whole = concat(...this.#chunks);
    this.#chunks = [];
    return whole.subarray(0, whole.length - FLUSH_TAIL.length);
  }

  close(): void {
    this.#stream.close();
  }
}

/** Inflates messages one after the other in one zlib stream. */
export class StreamInflater {
  readonly #stream: ReturnType<typeof createInflateRaw>;
  readonly #failed: Promise<never>;
  #chunks: Uint8Array[] = [];

  constructor(windowBits: number) {
    this.#stream = createInflateRaw({ windowBits });
    this.#failed = new Promise((_, reject) => this.#stream.once("error", reject));
    this.#failed.catch(() => {});
    this.#stream.on("data", (chunk: Uint8Array) => this.#chunks.push(chunk));
  }

  async inflate(payload: Uint8Array): Promise<Uint8Array> {
    const flushed = new Promise<void>((resolve) => {
      this.#stream.write(payload);
      this.#stream.write(FLUSH_TAIL);
      this.#stream.flush(constants.Z_SYNC_FLUSH, resolve);
    });
    await Promise.race([flushed, this.#failed]);
    const whole = concat(...this.#chunks);
    this.#chunks = [];
    return whole;
  }

  close(): void {
    this.#stream.close();
  }
}

/** What is used of `ws`; the package has no types for it. */
export interface WsPerMessageDeflate {
  accept(offers: Record<string, (string | true)[]>[]): Record<string, unknown>;
  compress(data: Uint8Array, fin: boolean, done: (error: Error | null, data: Uint8Array) => void): void;
  decompress(data: Uint8Array, fin: boolean, done: (error: Error | null, data: Uint8Array) => void): void;
  cleanup(): void;
}

interface WsExtension {
  parse(header: string): Record<string, Record<string, (string | true)[]>[]>;
}

// By path, because Bun has a `ws` of its own behind the name.
const require = createRequire(import.meta.url);
const WsDeflate = require("../../node_modules/ws/lib/permessage-deflate.js") as new (
  options: Record<string, unknown>,
) => WsPerMessageDeflate;
const wsExtension = require("../../node_modules/ws/lib/extension.js") as WsExtension;

/** The extension of a `ws` client that was answered with the given Sec-WebSocket-Extensions. */
export function wsClient(response: string, options: Record<string, unknown> = {}): WsPerMessageDeflate {
  const client = new WsDeflate({ threshold: 0, clientMaxWindowBits: true, ...options, isServer: false });
  client.accept(wsExtension.parse(response)["permessage-deflate"] ?? []);
  return client;
}

/** One call of a `ws` extension as a promise of plain octets. */
export function wsCall(
  peer: WsPerMessageDeflate,
  method: "compress" | "decompress",
  data: Uint8Array,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    peer[method](Buffer.from(data), true, (error, result) => {
      if (error) reject(error);
      else resolve(Uint8Array.from(result));
    });
  });
}
