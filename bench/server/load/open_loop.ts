/**
 * An open-loop client: requests fall due at a fixed rate whether answers come or not, and each one's time counts from
 * the moment it was due. Every n-th request is heavy; the times of the light ones are what is reported. Runs on Node,
 * in a process of its own.
 *
 * The argument is a JSON object: {@link OpenLoop}. It prints READY when all are connected, and begins at a line on
 * stdin.
 */
import process from "node:process";
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { percentile } from "../harness/statistics.ts";
import { open, readResponse, ready, report } from "./framed_socket.ts";

/** A request and the answer it must get. */
interface Exchange {
  readonly target: string;
  readonly body: string;
}

export interface OpenLoop {
  readonly port: number;
  readonly connections: number;
  /** Requests per second, evenly spaced. */
  readonly rate: number;
  readonly seconds: number;
  readonly light: Exchange;
  readonly heavy: Exchange;
  /** Every how manieth request is heavy. */
  readonly heavyEvery: number;
}

export interface OpenLoopResult {
  readonly lightAnswers: number;
  readonly heavyAnswers: number;
  /** Wrong answers and requests that had none 10 s after the end. */
  readonly wrong: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly heavyP50Ms: number;
  readonly cpuMs: number;
}

const PATIENCE_MS = 10_000;

interface Due {
  readonly at: number;
  readonly isHeavy: boolean;
}

const load = JSON.parse(process.argv[2] ?? "{}") as OpenLoop;
const lightTimes: number[] = [];
const heavyTimes: number[] = [];
let wrong = 0;
let answered = 0;

class Connection {
  socket: Socket | null = null;
  #due: Due | null = null;
  #text = "";

  send(due: Due): void {
    this.#due = due;
    const { target } = due.isHeavy ? load.heavy : load.light;
    this.socket?.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  }

  onBytes(bytes: Buffer, length: number): void {
    this.#text += bytes.toString("latin1", 0, length);
    const response = readResponse(this.#text);
    if (response === undefined || this.#due === null) return;
    const { at, isHeavy } = this.#due;
    const { body } = isHeavy ? load.heavy : load.light;
    if (response.status !== 200 || response.body !== body || response.length !== this.#text.length) wrong++;
    (isHeavy ? heavyTimes : lightTimes).push(performance.now() - at);
    answered++;
    this.#text = "";
    this.#due = null;
    const next = waiting.shift();
    if (next === undefined) free.push(this);
    else this.send(next);
  }
}

const free: Connection[] = [];
/** Due, and no connection was free. */
const waiting: Due[] = [];
for (let i = 0; i < load.connections; i++) {
  const connection = new Connection();
  connection.socket = await open(
    load.port,
    (bytes, length) => connection.onBytes(bytes, length),
    () => undefined,
  );
  free.push(connection);
}

await ready();
const total = Math.round(load.rate * load.seconds);
const cpuBefore = process.cpuUsage();
const start = performance.now() + 20;
let sent = 0;
await new Promise<void>((resolve) => {
  const timer = setInterval(() => {
    const now = performance.now();
    for (; sent < total; sent++) {
      const due: Due = { at: start + sent * 1000 / load.rate, isHeavy: (sent + 1) % load.heavyEvery === 0 };
      if (due.at > now) break;
      const connection = free.pop();
      if (connection === undefined) waiting.push(due);
      else connection.send(due);
    }
    if (answered < total && now < start + load.seconds * 1000 + PATIENCE_MS) return;
    clearInterval(timer);
    resolve();
  }, 1);
});
const cpu = process.cpuUsage(cpuBefore);

const result: OpenLoopResult = {
  lightAnswers: lightTimes.length,
  heavyAnswers: heavyTimes.length,
  wrong: wrong + total - answered,
  p50Ms: percentile(lightTimes, 0.5),
  p90Ms: percentile(lightTimes, 0.9),
  p99Ms: percentile(lightTimes, 0.99),
  maxMs: percentile(lightTimes, 1),
  heavyP50Ms: percentile(heavyTimes, 0.5),
  cpuMs: (cpu.user + cpu.system) / 1000,
};
report(result);
process.exit(0);
