/** wrk, the load generator of most rows: what it sends, and how its answers are checked. */
import { Child } from "./child.ts";

/** What wrk does. */
export interface WrkLoad {
  readonly threads: number;
  readonly connections: number;
  /** The octets of one request. */
  readonly request: string;
  /** Requests that are sent in one write, and whose answers are awaited together. */
  readonly depth: number;
  /** The content of the right answer. */
  readonly body: string;
}

export interface WrkResult {
  readonly rate: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMs: number;
}

/** What `wrk.lua` prints. */
interface WrkReport {
  readonly requests: number;
  readonly us: number;
  readonly bytes: number;
  readonly wrong: number;
  readonly statuses: number;
  readonly timeouts: number;
  readonly sockets: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly cpuMs: number;
}

const SCRIPT = new URL("../load/wrk.lua", import.meta.url).pathname;
/** Time beyond its own duration after which wrk is given up. */
const PATIENCE_MS = 15_000;
const PROBE_PATIENCE_MS = 15_000;

/** A request for a path, as short as they get. */
export function plainRequest(target: string): string {
  return `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
}

/** wrk's version; undefined when there is no wrk. */
export async function wrkVersion(): Promise<string | undefined> {
  try {
    const { stdout } = await new Deno.Command("wrk", { args: ["--version"], stderr: "null" }).output();
    return /^wrk (\S+)/.exec(new TextDecoder().decode(stdout))?.[1];
  } catch {
    return undefined;
  }
}

/** Sends octets on a connection of its own and reads so many answers. */
export async function probe(port: number, octets: string, count: number): Promise<ProbeAnswer[]> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const timer = setTimeout(() => connection.close(), PROBE_PATIENCE_MS);
  try {
    // Written beside reading: a server may answer before it has read all.
    const [, answers] = await Promise.all([writeAll(connection, octets), readAnswers(connection, count)]);
    return answers;
  } finally {
    clearTimeout(timer);
  }
}

export interface ProbeAnswer {
  readonly status: number;
  readonly body: string;
  /** Octets of the whole answer. */
  readonly length: number;
}

async function writeAll(connection: Deno.Conn, octets: string): Promise<void> {
  const bytes = new TextEncoder().encode(octets);
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

async function readAnswers(connection: Deno.Conn, count: number): Promise<ProbeAnswer[]> {
  const answers: ProbeAnswer[] = [];
  const bytes = new Uint8Array(65_536);
  const decoder = new TextDecoder();
  let text = "";
  while (answers.length < count) {
    const length = await connection.read(bytes);
    if (length === null) throw new Error(`${answers.length} of ${count} answers, then the end: ${text}`);
    // All that servers of the benchmark send is ASCII.
    text += decoder.decode(bytes.subarray(0, length));
    for (let answer = firstAnswer(text); answer !== undefined; answer = firstAnswer(text)) {
      answers.push(answer);
      text = text.slice(answer.length);
    }
  }
  return answers;
}

function firstAnswer(text: string): ProbeAnswer | undefined {
  const end = text.indexOf("\r\n\r\n") + 4;
  if (end === 3) return undefined;
  const head = text.slice(0, end);
  const length = end + Number(/\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1] ?? NaN);
  if (Number.isNaN(length)) throw new Error(`an answer without Content-Length: ${head}`);
  if (text.length < length) return undefined;
  return { status: Number(head.slice(9, 12)), body: text.slice(end, length), length };
}

/** Sends the request once; returns the octets of the answer. @throws Error when it is wrong */
async function checkOnce(port: number, load: WrkLoad): Promise<number> {
  const [answer] = await probe(port, load.request, 1);
  if (answer?.status !== 200 || answer.body !== load.body) {
    throw new Error(`wrong answer: ${JSON.stringify(answer)}`);
  }
  return answer.length;
}

async function run(
  port: number,
  load: WrkLoad,
  seconds: number,
  env: Record<string, string>,
): Promise<WrkReport> {
  const { threads, connections, request, depth } = load;
  const wrk = new Child({
    command: "wrk",
    args: [`-t${threads}`, `-c${connections}`, `-d${seconds}s`, "--timeout", "10s"]
      .concat("-s", SCRIPT, `http://127.0.0.1:${port}/`),
  }, { ...env, WRK_REQUEST: request.repeat(depth) });
  try {
    const report = await wrk.result<WrkReport>(seconds * 1000 + PATIENCE_MS);
    const { requests, wrong, statuses, timeouts, sockets } = report;
    if (requests === 0 || wrong + statuses + timeouts + sockets > 0) {
      throw new Error(`wrong answers: ${JSON.stringify(report)}`);
    }
    return report;
  } finally {
    await wrk.stop();
  }
}

/** Warms a server up while every answer is looked at. @throws Error when one is wrong */
export async function warmUp(port: number, load: WrkLoad, seconds: number): Promise<void> {
  await checkOnce(port, load);
  await run(port, load, seconds, { WRK_BODY: load.body });
}

/** Measures at full speed; the answers are checked by their number and octets. */
export async function measure(port: number, load: WrkLoad, seconds: number): Promise<WrkResult> {
  const { requests, us, bytes, p50Us, p99Us, cpuMs } = await run(port, load, seconds, {});
  const answerBytes = await checkOnce(port, load);
  // At the end each connection may have read a part of the answers that it awaited.
  const slack = load.connections * load.depth * answerBytes;
  if (Math.abs(bytes - requests * answerBytes) > slack) {
    throw new Error(`${requests} answers of ${answerBytes} octets cannot have ${bytes} octets`);
  }
  return { rate: requests / (us / 1e6), p50Ms: p50Us / 1000, p99Ms: p99Us / 1000, cpuMs };
}
