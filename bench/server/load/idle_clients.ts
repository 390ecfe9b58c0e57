/**
 * Many connections that idle: each has had one answer, or is a WebSocket. Runs on Node, in a process of its own.
 *
 * The argument is a JSON object: {@link IdleClients}. When all are connected it prints a result; then each line
 * "broadcast" on stdin asks the server to publish, and a result says how long it took until the last WebSocket had the
 * whole frame. The end of stdin ends it.
 */
import type { Buffer } from "node:buffer";
import process from "node:process";
import { createInterface } from "node:readline";
import { BROADCAST, LIGHT, PUBLISHED } from "../shared.ts";
import { handshake, headLength, open, readResponse, report, serverFrame } from "./framed_socket.ts";

export interface IdleClients {
  readonly port: number;
  readonly count: number;
  readonly kind: "http" | "websocket";
}

export interface ConnectedResult {
  readonly connected: number;
  readonly ms: number;
  readonly cpuMs: number;
}

export interface BroadcastResult {
  /** WebSockets that have got the frame, every octet of it right. */
  readonly received: number;
  readonly ms: number;
  readonly cpuMs: number;
}

/** Fewer than the accept queue of Bun, which is 512, can hold. */
const CONNECTING_AT_ONCE = 100;
const BROADCAST_PATIENCE_MS = 20_000;

const { port, count, kind } = JSON.parse(process.argv[2] ?? "{}") as IdleClients;
const frame = serverFrame(BROADCAST);
let closed = 0;
let received = 0;
let onReceived: () => void = () => undefined;

/** One idle connection. */
class Idler {
  #text = "";
  #onReady: (() => void) | null;
  /** Octets of the frame that are here. */
  #frameBytes = 0;

  constructor(onReady: () => void) {
    this.#onReady = onReady;
  }

  onBytes(bytes: Buffer, length: number): void {
    if (this.#onReady === null) this.#readFrame(bytes, length);
    else this.#readHead(bytes, length);
  }

  #readHead(bytes: Buffer, length: number): void {
    this.#text += bytes.toString("latin1", 0, length);
    if (kind === "http") {
      const response = readResponse(this.#text);
      if (response === undefined) return;
      if (response.status !== 200 || response.body !== LIGHT) throw new Error(`wrong answer: ${this.#text}`);
    } else {
      const end = headLength(this.#text);
      if (end === 0) return;
      if (!this.#text.startsWith("HTTP/1.1 101 ") || this.#text.length !== end) {
        throw new Error(`no WebSocket: ${this.#text}`);
      }
    }
    this.#text = "";
    const ready = this.#onReady;
    this.#onReady = null;
    ready?.();
  }

  #readFrame(bytes: Buffer, length: number): void {
    const from = this.#frameBytes;
    if (from + length > frame.length || frame.compare(bytes, 0, length, from, from + length) !== 0) {
      throw new Error(`unexpected octets on an idle connection: ${bytes.toString("latin1", 0, length)}`);
    }
    this.#frameBytes += length;
    if (this.#frameBytes < frame.length) return;
    this.#frameBytes = 0;
    received++;
    onReceived();
  }
}

async function connectOne(): Promise<void> {
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  const idler = new Idler(resolve);
  const socket = await open(port, (bytes, length) => idler.onBytes(bytes, length), () => closed++);
  socket.write(kind === "http" ? "GET /light HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" : handshake("/idle"));
  await ready;
}

async function connectAll(): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      next++;
      await connectOne();
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONNECTING_AT_ONCE, count) }, lane));
}

/** Asks for one publish and waits for all frames; the clock starts when the request is sent. */
async function broadcast(): Promise<BroadcastResult> {
  received = 0;
  const all = new Promise<void>((resolve) => {
    onReceived = () => {
      if (received >= count) resolve();
    };
  });
  let text = "";
  const { promise: answered, resolve: onAnswer } = Promise.withResolvers<void>();
  const socket = await open(port, (bytes, length) => {
    text += bytes.toString("latin1", 0, length);
    if (readResponse(text) !== undefined) onAnswer();
  }, () => undefined);
  const cpuBefore = cpuMs();
  const start = performance.now();
  socket.write("GET /publish HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  const patience = new Promise<void>((resolve) => setTimeout(resolve, BROADCAST_PATIENCE_MS).unref());
  await Promise.race([all, patience]);
  const ms = performance.now() - start;
  await Promise.race([answered, patience]);
  socket.destroy();
  if (readResponse(text)?.body !== PUBLISHED) throw new Error(`wrong answer: ${text}`);
  return { received, ms, cpuMs: cpuMs() - cpuBefore };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const start = performance.now();
await connectAll();
const connected: ConnectedResult = {
  connected: count - closed,
  ms: performance.now() - start,
  cpuMs: cpuMs(),
};
report(connected);
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "broadcast") report(await broadcast());
}
process.exit(0);
