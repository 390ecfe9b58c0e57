/**
 * Twenty thousand open event streams or WebSockets on two threads: they hold none, and other requests are answered at
 * once. Server and clients are processes of their own; where a process may not have so many descriptors, it is as many
 * as it may.
 * Runs on: any; runtime API: none
 */
// test-runs: alone
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { test } from "node:test";
import { get } from "../support/raw_client.ts";
import { currentRuntime, mostDescriptors, runtimeCommand, withManyDescriptors } from "../support/runtimes.ts";
import { type ChildApp, withChild } from "../support/start_app.ts";
import { until } from "../support/until.ts";
import { handshake } from "./support/socket_client.ts";

const WANTED = 20_000;
/** Those of a server for anything but connections. */
const OTHER_DESCRIPTORS = 300;
const CLIENT_PROCESSES = 2;
const PATIENCE_MS = 60_000;
const NEWS = "to everyone";

/** A process of clients. */
class Clients {
  stdout = "";
  stderr = "";
  isOver = false;
  readonly #child: ChildProcess;

  constructor(port: number, count: number, request: string, mark: string) {
    const script = new URL("support/many_clients.ts", import.meta.url);
    const words = [String(port), String(count), ...[request, mark, NEWS].map((text) => btoa(text))];
    const { command, args } = withManyDescriptors(runtimeCommand(currentRuntime(), script, words));
    this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stdout?.on("data", (bytes: Uint8Array) => this.stdout += new TextDecoder().decode(bytes));
    this.#child.stderr?.on("data", (bytes: Uint8Array) => this.stderr += new TextDecoder().decode(bytes));
    this.#child.on("close", () => this.isOver = true);
  }

  /** Resolves when all of them have seen it. */
  async all(word: "open" | "heard"): Promise<void> {
    await until(`all clients say "${word}"`, () => {
      if (this.isOver || this.stderr !== "") {
        throw new Error(`the clients failed: ${this.stderr.slice(0, 500)}`);
      }
      return this.stdout.includes(word);
    }, PATIENCE_MS);
  }

  async end(): Promise<void> {
    this.#child.stdin?.end();
    await until("the clients end", () => this.isOver, PATIENCE_MS);
  }
}

/** The longest of some requests, ms. */
async function slowest(app: ChildApp, count: number): Promise<number> {
  let worst = 0;
  for (let i = 0; i < count; i++) {
    const begun = performance.now();
    assert.equal((await app.exchange(get("/light"))).text, "light");
    worst = Math.max(worst, performance.now() - begun);
  }
  return worst;
}

for (
  const [what, request, mark] of [
    ["eventStreams", get("/stream?topic=all"), "event: subscribed\ndata: all\n\n"],
    ["webSockets", handshake("/observe?topic=all"), "observing"],
  ] as const
) {
  test(`Twenty thousand ${what} on two threads leave other requests alone, and hear a publish`, async () => {
    const setup = { options: { workers: 2 }, manyDescriptors: true };
    await withChild("realtime_app.ts", setup, async (app) => {
      const each = Math.floor(Math.min(WANTED, mostDescriptors() - OTHER_DESCRIPTORS) / CLIENT_PROCESSES);
      const count = each * CLIENT_PROCESSES;
      const idle = await slowest(app, 20);
      const clients = Array.from(
        { length: CLIENT_PROCESSES },
        () => new Clients(app.port, each, request, mark),
      );
      await Promise.all(clients.map((some) => some.all("open")));
      const stats = await app.stats();
      assert.deepEqual([stats.connections, stats[what]], [count, count]);
      const worst = await slowest(app, 20);
      assert.ok(worst < 20 * idle + 300, `${worst} ms, ${idle} ms without them`);
      assert.equal(
        (await app.exchange(get(`/publish?topic=all&text=${encodeURIComponent(NEWS)}`))).status,
        200,
      );
      await Promise.all(clients.map((some) => some.all("heard")));
      await Promise.all(clients.map((some) => some.end()));
      await until("all are forgotten", async () => (await app.stats())[what] === 0, PATIENCE_MS);
      const { workersDied, connections } = await app.stats();
      assert.deepEqual([workersDied, connections], [0, 0]);
    });
  });
}
