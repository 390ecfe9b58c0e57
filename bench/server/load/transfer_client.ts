/**
 * One large transfer on one connection, and light requests on another meanwhile. Runs on Node, in a process of its own.
 *
 * The argument is a JSON object: {@link TransferClient}. It prints READY when both are connected, and begins at a line
 * on stdin. Every octet of a download is compared; what an upload became is the harness's to compare.
 */
import type { Buffer } from "node:buffer";
import { Buffer as Bytes } from "node:buffer";
import type { Socket } from "node:net";
import process from "node:process";
import { percentile } from "../harness/statistics.ts";
import { LIGHT } from "../shared.ts";
import { patternBlock } from "../transfer.ts";
import { headLength, open, readResponse, ready, report } from "./framed_socket.ts";

export interface TransferClient {
  readonly port: number;
  readonly kind: "upload" | "download";
  readonly target: string;
  readonly bytes: number;
  /** The status of the right answer. */
  readonly status: number;
  /** Field lines beside Host and Content-Length, each with its CR LF. */
  readonly fields: string;
}

export interface TransferResult {
  readonly ms: number;
  readonly lightAnswers: number;
  readonly lightP50Ms: number;
  readonly lightP95Ms: number;
  readonly cpuMs: number;
}

/** Pause between one light answer and the next light request. */
const LIGHT_PAUSE_MS = 5;

const { port, kind, target, bytes, status, fields } = JSON.parse(process.argv[2] ?? "{}") as TransferClient;
const block = patternBlock();
let onHeavy: (octets: Buffer, length: number) => void = () => undefined;
let onLight: (octets: Buffer, length: number) => void = () => undefined;

function unexpectedEnd(): void {
  throw new Error("the server closed the connection");
}

const heavy = await open(port, (octets, length) => onHeavy(octets, length), unexpectedEnd);
const light = await open(port, (octets, length) => onLight(octets, length), unexpectedEnd);

/** Sends the content as the server takes it; resolves with the answer. */
async function upload(socket: Socket): Promise<void> {
  let text = "";
  const answered = new Promise<void>((resolve) => {
    onHeavy = (octets, length) => {
      text += octets.toString("latin1", 0, length);
      if (readResponse(text) !== undefined) resolve();
    };
  });
  socket.write(`POST ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${bytes}\r\n${fields}\r\n`);
  for (let sent = 0; sent < bytes; sent += block.length) {
    if (!socket.write(block)) await new Promise<void>((resolve) => socket.once("drain", () => resolve()));
  }
  await answered;
  const answer = readResponse(text);
  if (answer?.status !== status) throw new Error(`wrong answer: ${text}`);
}

/** Reads the content and compares it as it comes. */
function download(socket: Socket): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    let head = "";
    let received = -1;
    onHeavy = (octets, length) => {
      let from = 0;
      if (received < 0) {
        head += octets.toString("latin1", 0, length);
        const end = headLength(head);
        if (end === 0) return;
        if (!head.startsWith(`HTTP/1.1 ${status} `)) reject(new Error(`wrong answer: ${head.slice(0, end)}`));
        from = length - (head.length - end);
        received = 0;
      }
      while (from < length) {
        const at = received % block.length;
        const take = Math.min(length - from, block.length - at);
        if (block.compare(octets, from, from + take, at, at + take) !== 0) {
          return reject(new Error(`wrong octets in the mebibyte at ${received}`));
        }
        from += take;
        received += take;
      }
      if (received === bytes) resolve();
    };
    socket.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n${fields}\r\n`);
  });
}

/** One light request. @returns its time, ms */
function askLight(): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = "";
    const start = performance.now();
    onLight = (octets, length) => {
      text += octets.toString("latin1", 0, length);
      const answer = readResponse(text);
      if (answer === undefined) return;
      if (answer.status !== 200 || answer.body !== LIGHT) reject(new Error(`wrong answer: ${text}`));
      resolve(performance.now() - start);
    };
    light.write(Bytes.from("GET /light HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
  });
}

await ready();
const cpuBefore = process.cpuUsage();
const start = performance.now();
let isOver = false;
const transfer = (kind === "upload" ? upload(heavy) : download(heavy)).finally(() => isOver = true);
const times: number[] = [];
do {
  times.push(await askLight());
  await new Promise((resolve) => setTimeout(resolve, LIGHT_PAUSE_MS));
} while (!isOver);
await transfer;
const ms = performance.now() - start;
const cpu = process.cpuUsage(cpuBefore);
const result: TransferResult = {
  ms,
  lightAnswers: times.length,
  lightP50Ms: percentile(times, 0.5),
  lightP95Ms: percentile(times, 0.95),
  cpuMs: (cpu.user + cpu.system) / 1000,
};
report(result);
process.exit(0);
