/**
 * WebSockets that send and wait for the echo, over and over. Runs on Node, in a process of its own.
 *
 * The argument is a JSON object: {@link EchoClients}. The echoes run from the start; it prints READY, and counts from
 * a line on stdin on. Every octet that comes back is compared.
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import process from "node:process";
import { clientFrame, handshake, headLength, open, ready, report, serverFrame } from "./framed_socket.ts";

export interface EchoClients {
  readonly port: number;
  readonly connections: number;
  /** Messages of a connection that are under way at a time. */
  readonly depth: number;
  readonly seconds: number;
}

export interface EchoResult {
  readonly messages: number;
  readonly seconds: number;
  readonly wrong: number;
  readonly cpuMs: number;
}

/** 64 octets. */
const TEXT = "An echo of sixty-four octets, as short as messages of a game are";

const { port, connections, depth, seconds } = JSON.parse(process.argv[2] ?? "{}") as EchoClients;
const sent = clientFrame(TEXT);
const expected = serverFrame(TEXT);
/** As many frames as ever leave together. */
const batch = Buffer.concat(Array.from({ length: depth }, () => sent));
let messages = 0;
let wrong = 0;
let ended = false;

class EchoClient {
  #socket: Socket | null = null;
  #isOpen = false;
  #text = "";
  /** Octets of the next frame that are here. */
  #at = 0;

  async connect(): Promise<void> {
    this.#socket = await open(port, (bytes, length) => this.#onBytes(bytes, length), () => {
      if (!ended) wrong++;
    });
    this.#socket.write(handshake("/echo"));
  }

  #onBytes(bytes: Buffer, length: number): void {
    if (this.#isOpen) {
      this.#onFrames(bytes, length);
      return;
    }
    this.#text += bytes.toString("latin1", 0, length);
    if (headLength(this.#text) === 0) return;
    if (!this.#text.startsWith("HTTP/1.1 101 ")) throw new Error(`no WebSocket: ${this.#text}`);
    this.#isOpen = true;
    this.#socket?.write(batch);
  }

  #onFrames(bytes: Buffer, length: number): void {
    let complete = 0;
    for (let from = 0; from < length;) {
      const take = Math.min(expected.length - this.#at, length - from);
      if (expected.compare(bytes, from, from + take, this.#at, this.#at + take) !== 0) wrong++;
      from += take;
      this.#at += take;
      if (this.#at < expected.length) break;
      this.#at = 0;
      complete++;
    }
    messages += complete;
    if (complete > 0 && !ended) this.#socket?.write(batch.subarray(0, complete * sent.length));
  }
}

for (let i = 0; i < connections; i++) await new EchoClient().connect();
await ready();
const cpuBefore = process.cpuUsage();
const before = messages;
const start = performance.now();
await sleep(seconds * 1000);
const elapsed = (performance.now() - start) / 1000;
const cpu = process.cpuUsage(cpuBefore);
const result: EchoResult = {
  messages: messages - before,
  seconds: elapsed,
  wrong,
  cpuMs: (cpu.user + cpu.system) / 1000,
};
ended = true;
report(result);
process.exit(0);

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
