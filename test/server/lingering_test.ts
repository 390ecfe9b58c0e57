/**
 * Tests of the end of a connection: what is complete reaches a client that reads late or slowly, whatever ended it.
 * Runs on: any; runtime API: none
 *
 * RFC 9112 section 9.6. A reset makes the kernels on both sides throw away what the client has not read yet.
 */
// test-limit: 240 s
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServeOptions } from "../../src/options.ts";
import { get, type RawClient } from "../support/raw_client.ts";
import { withApp, withChild } from "../support/start_app.ts";
import { until } from "../support/until.ts";

/** More than a client's kernel takes unread, and little enough that the server's has all of it at once. */
const LENGTH = 1.5 * 1024 * 1024;
const PATH = "/large?mib=1.5&as=bytes";

const LAST_RESPONSES: readonly (readonly [why: string, request: string, options: ServeOptions])[] = [
  ["Connection: close", get(PATH, "Connection: close\r\n"), {}],
  ["HTTP/1.0", `GET ${PATH} HTTP/1.0\r\n\r\n`, {}],
  ["the keep-alive time-out", get(PATH), { keepAliveTimeoutMs: 1_000 }],
];

async function arrivesWhole(client: RawClient, why: string): Promise<void> {
  assert.equal(await client.ending(), "clean", `${why}: ${client.errorCode} after ${client.received} octets`);
  assert.equal(client.responses.length, 1, why);
  assert.equal(client.responses[0]?.bodyLength, LENGTH, why);
}

for (const [why, request, options] of LAST_RESPONSES) {
  test(`A response before the end by ${why} reaches a client that reads when the server has closed`, async () => {
    await withApp("app.ts", { ...options, writeTimeoutMs: 300 }, async (app) => {
      const client = await app.connect({ paused: true });
      client.send(request);
      await app.until("the server has closed", (stats) => stats.requests === 1 && stats.connections === 0);
      client.resume();
      await arrivesWhole(client, why);
    });
  });
}

test("A response before the end of its connection reaches a slow reader, also one that goes on sending", async () => {
  await withApp("app.ts", { keepAliveTimeoutMs: 1_000 }, async (app) => {
    const requests = [
      ...LAST_RESPONSES.map(([why, request]) => [why, request, ""] as const),
      ["more requests", get(PATH, "Connection: close\r\n"), get("/light")] as const,
    ];
    await Promise.all(requests.map(async ([why, request, more]) => {
      const client = await app.connect({ paused: true });
      // One read at a time.
      client.socket.on("data", () => client.pause());
      client.send(request);
      const since = performance.now();
      while (client.responses.length === 0) {
        const before = client.received;
        client.send(more).resume();
        await client.until(`octets come (${why})`, () => client.received > before || client.closed);
        assert.equal(client.errorCode, "", `${why}: after ${client.received} octets`);
        // The whole takes 5 s.
        const ms = Math.ceil((client.received - before) / LENGTH * 5_000);
        await app.exchange(get(`/number?n=1&ms=${ms}`));
      }
      assert.ok(performance.now() - since > 4_000, "the client was not slow enough to prove anything");
      client.resume();
      await arrivesWhole(client, why);
      client.end();
    }));
    await app.until("the connections are gone", ({ connections }) => connections === 0);
  });
});

for (const how of ["SIGTERM", "stop()"]) {
  test(`What was written before ${how} reaches a client that reads when the process has ended`, async () => {
    await withChild("app.ts", {}, async (app) => {
      const idle = await app.connect({ paused: true });
      const last = await app.connect({ paused: true });
      idle.send(get(PATH));
      last.send(get(PATH, "Connection: close\r\n"));
      await until("both are known", async () => (await app.stats()).requests === 2);
      if (how === "SIGTERM") app.signal(how);
      else app.stop();
      assert.deepEqual(await app.exited(), { code: 0, signal: null }, app.stderr);
      for (const client of [idle, last]) {
        client.resume();
        await arrivesWhole(client, how);
      }
    });
  });
}

test("Clients that do not close when the server has ended their connections cost it nothing for long", async () => {
  await withChild("app.ts", { options: { writeTimeoutMs: 300, keepAliveTimeoutMs: 2_000 } }, async (app) => {
    await app.exchange(get("/light"));
    await until("only the test itself is connected", async () => (await app.stats()).connections === 0);
    const descriptors = app.descriptors();
    const clients: RawClient[] = [];
    for (let i = 0; i < 500; i++) {
      const client = await app.connect({ paused: i % 2 === 0 });
      clients.push(client.send(get("/light", i % 3 === 0 ? "" : "Connection: close\r\n")));
    }
    await until("the server has closed", async () => {
      const { requests, connections } = await app.stats();
      return requests === 501 && connections === 0;
    });
    await until("its descriptors are back", () => app.descriptors() <= descriptors + 3);
    for (const client of clients) {
      assert.equal((await client.resume().response()).text, "light");
      assert.equal(await client.ending(), "clean");
    }
  });
});
