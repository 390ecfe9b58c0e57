/**
 * Starts a server for tests: in this process, with its figures at hand, or in a child process on this runtime, where
 * memory, descriptors and signals are its own.
 * Runs on: any; runtime API: none
 *
 * The app is a module of `test/fixtures/`. In a child it calls `serve` itself, with the options that `CHILD_OPTIONS`
 * holds (`fixtures/child_options.ts`).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import type { LogRecord } from "../../src/logging/logger.ts";
import type { ServeOptions } from "../../src/options.ts";
import { serve, type Server, type ServerStats } from "../../src/server.ts";
import { type ClientOptions, exchange, RawClient } from "./raw_client.ts";
import type { WireResponse } from "./http_response.ts";
import { currentRuntime, runtimeCommand, withManyDescriptors } from "./runtimes.ts";
import { PATIENCE_MS, until } from "./until.ts";

/** The URL of a fixture. */
export function fixture(name: string): URL {
  return new URL(`../fixtures/${name}`, import.meta.url);
}

/** A server in this process. */
export class LocalApp {
  readonly server: Server;
  /** What the server and its workers logged. */
  readonly logs: LogRecord[];
  readonly #clients: RawClient[] = [];

  constructor(server: Server, logs: LogRecord[]) {
    this.server = server;
    this.logs = logs;
  }

  get port(): number {
    const address = this.server.addr;
    if (address?.transport !== "tcp") throw new Error("the server has no port");
    return address.port;
  }

  get stats(): ServerStats {
    const stats = this.server.stats();
    if (stats === undefined) throw new Error("the server has no figures");
    return stats;
  }

  async connect(options: ClientOptions = {}): Promise<RawClient> {
    const client = await RawClient.open(this.port, options);
    this.#clients.push(client);
    return client;
  }

  /** One request on a connection of its own. */
  exchange(request: string | Uint8Array, options: ClientOptions = {}): Promise<WireResponse> {
    return exchange(this.port, request, options);
  }

  /** Whether a record with this text was logged. */
  hasLogged(text: string): boolean {
    return this.logs.some((record) => record.message.includes(text) || record.error?.message.includes(text));
  }

  /** Resolves once the figures are so. */
  until(what: string, holds: (stats: ServerStats) => boolean, patienceMs = PATIENCE_MS): Promise<void> {
    return until(what, () => holds(this.stats), patienceMs);
  }

  /** Resets what a test has left open, and waits until the server has forgotten it. */
  async tidy(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.reset();
    await this.until(
      "no connection is left",
      ({ connections, waiting }) => connections === 0 && waiting === 0,
    );
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.reset();
    await this.server.stop();
  }
}

async function startLocal(app: string, options: ServeOptions): Promise<LocalApp> {
  const logs: LogRecord[] = [];
  const server = await serve(fixture(app), {
    port: 0,
    workers: 2,
    handleSignals: false,
    drainTimeoutMs: 500,
    onListen: () => undefined,
    logger: { log: (record) => void logs.push(record) },
    ...options,
  });
  return new LocalApp(server, logs);
}

/** Runs `body` with a server in this process, and stops it whatever happens. */
export async function withApp(
  app: string,
  options: ServeOptions,
  body: (app: LocalApp) => Promise<void>,
): Promise<void> {
  const local = await startLocal(app, options);
  try {
    await body(local);
  } finally {
    await local.stop();
  }
}

/** One server for several tests of a file; the last of them is `stop`. Every test leaves it without connections. */
export class SharedApp {
  readonly #start: () => Promise<LocalApp>;
  #local: Promise<LocalApp> | null = null;

  constructor(app: string, options: ServeOptions = {}) {
    this.#start = () => startLocal(app, options);
  }

  async run(body: (app: LocalApp) => Promise<void>): Promise<void> {
    const app = await (this.#local ??= this.#start());
    app.logs.length = 0;
    try {
      await body(app);
    } catch (error) {
      // The next test gets a server of its own: this one may be what failed.
      this.#local = null;
      await app.stop();
      throw error;
    }
    await app.tidy();
  }

  async stop(): Promise<void> {
    await (await this.#local)?.stop();
  }
}

/** How a child ended. */
export interface ChildExit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** What a child is started with. */
export interface ChildSetup {
  readonly options?: ServeOptions;
  readonly env?: Readonly<Record<string, string>>;
  /** As many descriptors as the system lets it have. */
  readonly manyDescriptors?: boolean;
}

/** A server in a child process. */
export class ChildApp {
  readonly pid: number;
  stdout = "";
  stderr = "";
  exit: ChildExit | null = null;
  readonly #child: ChildProcess;
  readonly #clients: RawClient[] = [];
  #asked = 0;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    child.stdout?.on("data", (bytes: Uint8Array) => this.stdout += new TextDecoder().decode(bytes));
    child.stderr?.on("data", (bytes: Uint8Array) => this.stderr += new TextDecoder().decode(bytes));
    // "close" comes after the exit, when both streams were read to their ends.
    child.on("close", (code, signal) => this.exit = { code, signal });
  }

  get port(): number {
    const match = /^Listening on http:\/\/127\.0\.0\.1:(\d+)$/m.exec(this.stdout);
    if (match === null) throw new Error("the child does not listen");
    return Number(match[1]);
  }

  get isListening(): boolean {
    return /^Listening on .*\n/m.test(this.stdout);
  }

  async connect(options: ClientOptions = {}): Promise<RawClient> {
    const client = await RawClient.open(this.port, options);
    this.#clients.push(client);
    return client;
  }

  exchange(request: string | Uint8Array, options: ClientOptions = {}): Promise<WireResponse> {
    return exchange(this.port, request, options);
  }

  /** What `server.stats()` says in the child. */
  async stats(): Promise<ServerStats> {
    const number = ++this.#asked;
    this.tell("stats");
    const lines = (): RegExpMatchArray[] => [...this.stdout.matchAll(/^stats (\{.*\})$/gm)];
    await until("the child prints its figures", () => lines().length >= number || this.exit !== null);
    const line = lines()[number - 1]?.[1];
    if (line === undefined) throw new Error(`the child ended: ${JSON.stringify(this.exit)} ${this.stderr}`);
    return JSON.parse(line) as ServerStats;
  }

  /** Writes a line to its stdin. */
  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Tells its main thread to call `server.stop()`. */
  stop(): void {
    this.tell("stop");
  }

  /** Open descriptors of the process. */
  descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Threads of the process. */
  threads(): number {
    return readdirSync(`/proc/${this.pid}/task`).length;
  }

  /** Resident memory, MiB. */
  residentMb(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? NaN) / 1024;
  }

  signal(name: "SIGTERM" | "SIGINT" | "SIGHUP" | "SIGKILL"): void {
    // Not `child.kill`: on Deno 2.9 the exit event then names the signal, whatever the process made of it.
    if (this.exit === null && this.pid > 0) process.kill(this.pid, name);
  }

  /** Resolves when the process has ended and all it printed is here. */
  async exited(patienceMs = PATIENCE_MS): Promise<ChildExit> {
    await until(
      `the child ends (it printed ${this.stdout}${this.stderr})`,
      () => this.exit !== null,
      patienceMs,
    );
    return this.exit as ChildExit;
  }

  /** Ends it whatever it does. */
  async kill(): Promise<void> {
    for (const client of this.#clients) client.reset();
    if (this.exit === null) {
      this.signal("SIGKILL");
      await this.exited();
    }
  }
}

/** Starts a fixture (or the module of a URL) in a process of its own; does not wait for it to listen. */
export function spawnApp(app: string | URL, setup: ChildSetup = {}): ChildApp {
  const plain = runtimeCommand(currentRuntime(), typeof app === "string" ? fixture(app) : app);
  const { command, args } = setup.manyDescriptors === true ? withManyDescriptors(plain) : plain;
  const options: ServeOptions = { port: 0, workers: 2, ...setup.options };
  const child = spawn(command, args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...setup.env, NO_COLOR: "1", CHILD_OPTIONS: JSON.stringify(options) },
  });
  return new ChildApp(child);
}

/** Runs `body` with a server in a child process that listens, and ends it whatever happens. */
export async function withChild(
  app: string,
  setup: ChildSetup,
  body: (app: ChildApp) => Promise<void>,
): Promise<void> {
  const child = spawnApp(app, setup);
  try {
    await until(
      "the child listens",
      () => {
        if (child.exit !== null) throw new Error(`the child ended: ${child.stdout}${child.stderr}`);
        return child.isListening;
      },
    );
    await body(child);
  } finally {
    await child.kill();
  }
}
