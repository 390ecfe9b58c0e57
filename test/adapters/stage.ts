/**
 * What the adapter contract plays on: a listener that records events, and plain `node:net` clients.
 *
 * Nothing here sleeps. `until` looks at a condition again after each event of either side; where a test must show
 * that something does *not* happen, round trips on a second connection are its clock.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import type {
  Adapter,
  Listener,
  ListenOptions,
  Transport,
  TransportEvents,
} from "../../src/adapters/adapter.ts";
import { currentRuntime, runtimeCommand } from "../support/runtimes.ts";

/** A test that waits longer has failed. */
const PATIENCE_MS = 20_000;

/** Conditions that are looked at again whenever something happened. */
export class Watch {
  readonly #waiting = new Set<() => void>();

  /** Something happened. */
  stir(): void {
    for (const look of [...this.#waiting]) look();
  }

  /** Resolves once `holds`; rejects with `what` when the test's patience ends. */
  until(what: string, holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!holds()) return;
        clearTimeout(guard);
        this.#waiting.delete(look);
        resolve();
      };
      const guard = setTimeout(() => {
        this.#waiting.delete(look);
        reject(new Error(`in ${PATIENCE_MS} ms it did not happen that ${what}`));
      }, PATIENCE_MS);
      this.#waiting.add(look);
    });
  }
}

/** A raw TCP or unix client. Reads only when told to. */
export class Peer {
  readonly socket: Socket;
  readonly #watch: Watch;
  #chunks: Uint8Array[] = [];
  received = 0;
  ended = false;
  closed = false;
  errorCode = "";

  constructor(socket: Socket, watch: Watch) {
    this.socket = socket;
    this.#watch = watch;
    socket.on("error", (error: { code?: string }) => {
      this.errorCode = error.code ?? "unknown";
      watch.stir();
    });
    socket.on("end", () => {
      this.ended = true;
      watch.stir();
    });
    socket.on("close", () => {
      this.closed = true;
      watch.stir();
    });
  }

  /** Starts to read. */
  read(): this {
    this.socket.on("data", (chunk: Uint8Array) => {
      this.#chunks.push(chunk);
      this.received += chunk.length;
      this.#watch.stir();
    });
    return this;
  }

  /** All that was read. */
  get bytes(): Uint8Array {
    const all = new Uint8Array(this.received);
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  get text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  send(data: string | Uint8Array): void {
    this.socket.write(data);
  }

  until(what: string, holds: () => boolean): Promise<void> {
    return this.#watch.until(what, holds);
  }
}

/** What happened to one connection, in order. */
export interface Story {
  readonly transport: Transport;
  readonly events: string[];
  /** Octets of `onData`; their values only if `keep` is set. */
  received: number;
  readonly chunks: Uint8Array[];
}

/** What a test may do inside an event. */
export interface Script {
  onOpen?(story: Story): void;
  onData?(story: Story, bytes: Uint8Array, length: number): void;
  onDrain?(story: Story): void;
  onEnd?(story: Story): void;
  onClose?(story: Story): void;
  /** Keep what arrives. */
  readonly keep?: boolean;
}

/** A listener with its connections, in order of opening. */
export class Stage implements TransportEvents {
  readonly stories: Story[] = [];
  readonly watch = new Watch();
  readonly acceptErrors: unknown[] = [];
  readonly #script: Script;
  readonly #peers: Peer[] = [];
  readonly #adapter: Adapter;
  listener!: Listener;

  constructor(adapter: Adapter, script: Script = {}) {
    this.#adapter = adapter;
    this.#script = script;
  }

  async listen(options: Partial<ListenOptions> = {}): Promise<this> {
    this.listener = await this.#adapter.listen(listenOptions(options), this);
    return this;
  }

  get port(): number {
    const { address } = this.listener;
    assert.equal(address.transport, "tcp");
    return address.transport === "tcp" ? address.port : 0;
  }

  /** Connects, and resolves when both sides know. On a unix socket one at a time. */
  async connect(host = "127.0.0.1"): Promise<{ peer: Peer; story: Story }> {
    const { address } = this.listener;
    const known = this.stories.length;
    const socket = address.transport === "unix"
      ? connect({ path: address.path, allowHalfOpen: true })
      : connect({ port: address.port, host, allowHalfOpen: true, noDelay: true });
    const peer = new Peer(socket, this.watch);
    this.#peers.push(peer);
    let port: number | undefined;
    socket.on("connect", () => {
      port = socket.localPort ?? 0;
      this.watch.stir();
    });
    // Of a connection that ends while it opens either side may never know the port.
    const find = (): Story | undefined =>
      port === undefined || port === 0 || this.stories[known]?.events.at(-1) === "close"
        ? this.stories[known]
        : this.stories.findLast((story) => story.transport.remotePort === port);
    const isSettled = (): boolean =>
      port !== undefined || peer.closed || this.stories[known]?.events.at(-1) === "close";
    await this.watch.until("both sides open", () => isSettled() && find() !== undefined);
    const story = find();
    assert.ok(story);
    return { peer, story };
  }

  /** Closes everything and waits for it. */
  async over(): Promise<void> {
    for (const peer of this.#peers) peer.socket.destroy();
    for (const story of this.stories) story.transport.abort();
    await this.listener.close();
    await this.watch.until(
      "every connection is closed",
      () => this.stories.every((story) => story.events.at(-1) === "close"),
    );
  }

  onOpen(transport: Transport): void {
    const story: Story = { transport, events: ["open"], received: 0, chunks: [] };
    transport.context = story;
    this.stories.push(story);
    this.#script.onOpen?.(story);
    this.watch.stir();
  }

  onData(transport: Transport, bytes: Uint8Array, length: number): void {
    const story = transport.context as Story;
    if (story.events.at(-1) !== "data") story.events.push("data");
    story.received += length;
    if (this.#script.keep) story.chunks.push(bytes.slice(0, length));
    this.#script.onData?.(story, bytes, length);
    this.watch.stir();
  }

  onDrain(transport: Transport): void {
    this.#note(transport, "drain");
    this.#script.onDrain?.(transport.context as Story);
  }

  onEnd(transport: Transport): void {
    this.#note(transport, "end");
    this.#script.onEnd?.(transport.context as Story);
  }

  onClose(transport: Transport): void {
    this.#note(transport, "close");
    this.#script.onClose?.(transport.context as Story);
  }

  onAcceptError(error: unknown): void {
    this.acceptErrors.push(error);
    this.watch.stir();
  }

  #note(transport: Transport, what: string): void {
    (transport.context as Story).events.push(what);
    // The event's own script runs before anybody who waits is told.
    queueMicrotask(() => this.watch.stir());
  }
}

/** Options for any free port on 127.0.0.1. */
export function listenOptions(options: Partial<ListenOptions> = {}): ListenOptions {
  return { hostname: "127.0.0.1", port: 0, backlog: 511, ...options };
}

/** A listener that sends back what it gets: a client of it is a clock that does not sleep. */
export async function echoStage(
  adapter: Adapter,
): Promise<{ stage: Stage; roundTrips(count: number): Promise<void> }> {
  const stage = await new Stage(adapter, {
    onData: (story, bytes, length) => story.transport.write(bytes, 0, length),
  }).listen();
  const { peer } = await stage.connect();
  peer.read();
  return {
    stage,
    async roundTrips(count: number): Promise<void> {
      for (let i = 0; i < count; i++) {
        const before = peer.received;
        peer.send("x");
        await peer.until("an echo arrives", () => peer.received > before);
      }
    },
  };
}

/** `length` octets that show any shift, loss or repetition. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Compares without printing megabytes. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(actual.length, expected.length, "number of octets");
  for (let i = 0; i < actual.length; i++) {
    if (actual[i] !== expected[i]) assert.fail(`octet ${i} is ${actual[i]} instead of ${expected[i]}`);
  }
}

/** A program of `fixtures/` in a process of its own, on this runtime. */
export class Child {
  readonly #process: ReturnType<typeof spawn>;
  readonly #watch = new Watch();
  output = "";
  exitCode: number | null = null;

  constructor(fixture: string, args: readonly string[], descriptorLimit?: number) {
    const script = fileURLToPath(new URL(`./fixtures/${fixture}`, import.meta.url));
    const run = runtimeCommand(currentRuntime(), script, args);
    this.#process = descriptorLimit === undefined
      ? spawn(run.command, run.args, { stdio: ["pipe", "pipe", "inherit"] })
      : spawn("sh", ["-c", `ulimit -n ${descriptorLimit}; exec "$0" "$@"`, run.command, ...run.args], {
        stdio: ["pipe", "pipe", "inherit"],
      });
    this.#process.stdout?.on("data", (chunk: Uint8Array) => {
      this.output += new TextDecoder().decode(chunk);
      this.#watch.stir();
    });
    this.#process.on("exit", (code) => {
      this.exitCode = code ?? -1;
      this.#watch.stir();
    });
  }

  /** Resolves when the program has printed this. */
  async prints(text: string): Promise<void> {
    await this.#watch.until(
      `the child prints "${text}" (so far: "${this.output}")`,
      () => this.output.includes(text) || this.exitCode !== null,
    );
    assert.ok(this.output.includes(text), `the child ended without "${text}": ${this.output}`);
  }

  /** The number after this word in the output. */
  number(word: string): number {
    return Number(new RegExp(`${word} (\\d+)`).exec(this.output)?.[1]);
  }

  /** Resolves with the exit code. */
  async ends(): Promise<number | null> {
    await this.#watch.until("the child ends by itself", () => this.exitCode !== null);
    return this.exitCode;
  }

  kill(): void {
    if (this.exitCode === null) this.#process.kill("SIGKILL");
  }
}

/** Differences that a runtime is allowed. */
export interface Capabilities {
  /** All reads arrive in one buffer. */
  readonly sharesReadBuffer: boolean;
  /** False: this is not the adapter that `detectAdapter` gives, so children cannot be told to use it. */
  readonly isDefault: boolean;
}

/** What each part of the contract is given. */
export interface Suite {
  readonly adapter: Adapter;
  readonly can: Capabilities;
  /** Registers one test. */
  it(name: string, run: () => Promise<void>): void;
  /** A listener of this adapter. */
  stageOf(script?: Script, options?: Partial<ListenOptions>): Promise<Stage>;
}
