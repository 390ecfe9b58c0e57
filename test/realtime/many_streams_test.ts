/**
 * Thousands of open event streams and WebSockets on two threads: they hold none, and other requests are answered at
 * once.
 * Runs on: any; runtime API: none
 */
// test-runs: alone
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { get } from "../support/raw_client.ts";
import { until } from "../support/until.ts";
import { type RealtimeApp, withRealtime } from "./support/realtime_app.ts";
import { handshake } from "./support/socket_client.ts";

/** Server and clients are one process: two descriptors a connection, and some for everything else. */
function affordable(wanted: number): number {
  const line = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  const limit = line?.[1] === "unlimited" ? Infinity : Number(line?.[1] ?? 1024);
  return Math.min(wanted, Math.floor((limit - 300) / 2));
}

const AT_A_TIME = 100;
const PATIENCE_MS = 90_000;

/** A client that only counts: thousands of anything larger would be what is measured. */
class SmallClient {
  readonly socket: Socket;
  text = "";

  constructor(port: number, request: string) {
    this.socket = connect({ port, host: "127.0.0.1" }, () => this.socket.write(request));
    this.socket.on("data", (bytes: Uint8Array) => this.text += new TextDecoder().decode(bytes));
    this.socket.on("error", () => undefined);
  }
}

async function openMany(
  app: RealtimeApp,
  count: number,
  request: string,
  mark: string,
): Promise<SmallClient[]> {
  const clients: SmallClient[] = [];
  while (clients.length < count) {
    const some = Array.from(
      { length: Math.min(AT_A_TIME, count - clients.length) },
      () => new SmallClient(app.port, request),
    );
    clients.push(...some);
    await until("they are open", () => some.every(({ text }) => text.includes(mark)), PATIENCE_MS);
  }
  return clients;
}

/** The longest of some requests, ms. */
async function slowest(app: RealtimeApp, count: number): Promise<number> {
  let worst = 0;
  for (let i = 0; i < count; i++) {
    const begun = performance.now();
    assert.equal(await app.get("/light"), "light");
    worst = Math.max(worst, performance.now() - begun);
  }
  return worst;
}

for (
  const [what, request, opened] of [
    ["event streams", get("/stream?topic=all"), "event: subscribed\ndata: all\n\n"],
    ["WebSockets", handshake("/observe?topic=all"), "observing"],
  ] as const
) {
  test(`Thousands of open ${what} on two threads leave other requests alone, and hear a publish`, async () => {
    await withRealtime({ workers: 2 }, async (app) => {
      const count = affordable(what === "WebSockets" ? 3000 : 5000);
      const idle = await slowest(app, 20);
      const clients = await openMany(app, count, request, opened);
      assert.equal(app.local.stats.connections, count);
      const worst = await slowest(app, 20);
      assert.ok(worst < 20 * idle + 300, `${worst} ms, ${idle} ms without them`);
      app.local.server.publish("all", "to everyone");
      await until(
        "everyone has heard",
        () => clients.every(({ text }) => text.includes("to everyone")),
        PATIENCE_MS,
      );
      for (const { socket } of clients) socket.resetAndDestroy();
      await app.local.until("all are forgotten", ({ connections }) => connections === 0, PATIENCE_MS);
      assert.equal(app.local.stats.workersDied, 0);
    });
  });
}
