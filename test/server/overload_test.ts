/**
 * Tests of too much work: all threads blocked, rings full on both sides, and that nothing is lost when it clears.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { pattern } from "../support/chunked.ts";
import { type Gates, withGates } from "../support/gate.ts";
import { get, post, type RawClient } from "../support/raw_client.ts";
import { type LocalApp, withApp } from "../support/start_app.ts";
import { until } from "../support/until.ts";

/** Blocks this many threads; each at a gate "block<n>". */
async function blockThreads(app: LocalApp, gates: Gates, count: number): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  for (let i = 0; i < count; i++) {
    const client = await app.connect();
    client.send(get(`/gate?${gates.query(`block${i}`)}`));
    await gates.arrived(`block${i}`);
    clients.push(client);
  }
  return clients;
}

async function unblock(gates: Gates, blocked: readonly RawClient[]): Promise<void> {
  blocked.forEach((_, index) => gates.open(`block${index}`));
  for (const client of blocked) assert.equal((await client.response()).text, "passed");
}

test("A request that waits longer than maxWaitMs for a thread gets 503 with Retry-After, and only it", async () => {
  await withApp("app.ts", { workers: 2, maxWaitMs: 400 }, async (app) => {
    await withGates(async (gates) => {
      const blocked = await blockThreads(app, gates, 2);
      const client = await app.connect();
      const since = performance.now();
      client.send(get("/light") + get("/light"));
      const [first, second] = await client.receive(2);
      assert.ok(performance.now() - since >= 380, `too early: ${performance.now() - since} ms`);
      for (const response of [first, second]) {
        assert.equal(response?.status, 503);
        assert.match(response?.header("retry-after") ?? "", /^[1-9][0-9]*$/);
        assert.equal(response?.header("connection"), null);
      }
      assert.equal(app.stats.shed, 2);
      assert.equal(app.stats.waiting, 0);
      await unblock(gates, blocked);
      assert.equal((await client.send(get("/light")).response(2)).text, "light");
    });
  });
});

test("Requests beyond maxWaiting are refused with Retry-After when nothing moves; the others are answered", async () => {
  await withApp("app.ts", { workers: 2, maxWaiting: 4, maxWaitMs: 0 }, async (app) => {
    await withGates(async (gates) => {
      const blocked = await blockThreads(app, gates, 2);
      const clients = await Promise.all(Array.from({ length: 20 }, () => app.connect()));
      for (const client of clients) client.send(get("/light"));
      await until("all but four are refused", () => clients.filter((client) => client.ended).length === 16);
      const refused = clients.filter((client) => client.ended);
      for (const client of refused) {
        const response = await client.response();
        assert.equal(response.status, 503);
        assert.match(response.header("retry-after") ?? "", /^[1-9][0-9]*$/);
        assert.equal(response.header("connection"), "close");
      }
      const { waiting, shed } = app.stats;
      assert.deepEqual({ waiting, shed }, { waiting: 4, shed: 16 });
      await unblock(gates, blocked);
      for (const client of clients) {
        if (!refused.includes(client)) assert.equal((await client.response()).text, "light");
      }
      assert.equal((await app.exchange(get("/light"))).text, "light");
    });
  });
});

test("Far more requests than may wait are all answered as long as threads take them", async () => {
  await withApp("app.ts", { workers: 2, maxWaiting: 8, maxWaitMs: 0 }, async (app) => {
    const clients = await Promise.all(Array.from({ length: 40 }, () => app.connect()));
    for (const [index, client] of clients.entries()) {
      for (let i = 0; i < 10; i++) client.send(get(`/number?n=${index}-${i}&ms=2&block`));
    }
    for (const [index, client] of clients.entries()) {
      const texts = (await client.receive(10)).map((response) => response.text);
      assert.deepEqual(texts, Array.from({ length: 10 }, (_, i) => `number ${index}-${i}`));
    }
    const { shed, waiting, requests } = app.stats;
    assert.deepEqual({ shed, waiting, requests }, { shed: 0, waiting: 0, requests: 400 });
  });
});

test("A full byte ring holds requests back and loses none", async () => {
  const content = pattern(60_000);
  const expected = `60000 ${createHash("sha256").update(content).digest("hex")} bytesSync`;
  await withApp("app.ts", { workers: 2, maxWaiting: 4096, maxWaitMs: 0 }, async (app) => {
    await withGates(async (gates) => {
      const blocked = await blockThreads(app, gates, 2);
      // 8 MiB of ring take fewer than 140 such requests; 250 come.
      const clients = await Promise.all(Array.from({ length: 250 }, () => app.connect()));
      for (const client of clients) client.send(post("/sum?how=bytesSync", content.length)).send(content);
      await app.until("the ring is full", ({ waiting }) => waiting > 100);
      assert.ok(app.stats.waiting < 145);
      await unblock(gates, blocked);
      let answered = 0;
      for (const client of clients) {
        const response = await client.response();
        if (response.status === 200) {
          answered++;
          assert.equal(response.text, expected);
        } else assert.equal(response.status, 503);
      }
      assert.ok(answered > 100, `${answered} of 250 were answered`);
      assert.equal(answered + app.stats.shed, 250);
      assert.equal(app.stats.waiting, 0);
    });
  });
});

test("A full outbox makes its worker wait and loses nothing", async () => {
  await withApp("app.ts", { workers: 2 }, async (app) => {
    const clients = await Promise.all(Array.from({ length: 4 }, () => app.connect()));
    for (const client of clients) {
      for (let i = 0; i < 60; i++) client.send(get(`/text?length=${40_000 + i}&type=x/y`));
    }
    await app.until("all have come", ({ requests }) => requests === 240);
    // This thread is the I/O thread: while it stands still, 10 MiB of responses do not fit into 2 MiB of outboxes.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
    for (const client of clients) {
      const responses = await client.receive(60);
      assert.deepEqual(
        responses.map((response) => response.bodyLength),
        Array.from({ length: 60 }, (_, i) => 40_000 + i),
      );
    }
  });
});

test("A full inbox makes content wait and loses nothing", async () => {
  const content = pattern(400_000);
  const expected = `400000 ${createHash("sha256").update(content).digest("hex")} bytes`;
  await withApp("app.ts", { workers: 1 }, async (app) => {
    await withGates(async (gates) => {
      const clients = await Promise.all(Array.from({ length: 12 }, () => app.connect()));
      for (const client of clients) client.send(post("/sum?how=bytes", content.length));
      // Each has asked for its first window; then the only thread is blocked, so that nobody reads the inbox.
      await app.until("all are with the worker", ({ requests, waiting }) => requests === 12 && waiting === 0);
      const blocked = await blockThreads(app, gates, 1);
      await Promise.all(clients.map((client) => client.sendAll(content.subarray(0, 300_000))));
      for (const client of clients) client.send(content.subarray(300_000));
      await unblock(gates, blocked);
      for (const client of clients) assert.equal((await client.response()).text, expected);
    });
  });
});

for (const path of ["/gate", "/gate/burning", "/gate/late-burning"]) {
  test(`A thread that blocks in ${path} delays nobody while another is free`, async () => {
    await withApp("app.ts", { workers: 2, deadlineMs: 0 }, async (app) => {
      await withGates(async (gates) => {
        const blocked = await app.connect();
        blocked.send(get(`${path}?${gates.query("a")}`));
        await gates.arrived("a");
        const one = await app.connect();
        for (let i = 0; i < 200; i++) assert.equal((await one.send(get("/light")).response(i)).text, "light");
        const many = await Promise.all(Array.from({ length: 10 }, () => app.connect()));
        for (const client of many) client.send(get("/light").repeat(20));
        for (const client of many) assert.equal((await client.receive(20)).length, 20);
        assert.equal(blocked.responses.length, 0);
        assert.equal(app.stats.waiting, 0);
        gates.open("a");
        assert.equal((await blocked.response()).text, "passed");
      });
    });
  });
}

test("A light request that comes together with a slow one does not wait behind it", async () => {
  await withApp("app.ts", { workers: 2 }, async (app) => {
    const light = await app.connect();
    const slow = await app.connect();
    // So many fast ones that one thread is thought to be enough.
    light.send(get("/light").repeat(500));
    await light.receive(500);
    for (let round = 0; round < 40; round++) {
      await withGates(async (gates) => {
        const heavy = get(`/gate?${gates.query("a")}`);
        if (round % 2 === 0) {
          slow.send(heavy);
          light.send(get("/light"));
        } else {
          light.send(get("/light"));
          slow.send(heavy);
        }
        // The slow one is not done before the gate opens, which it does behind the light one's response.
        assert.equal((await light.response(500 + round)).text, "light");
        await gates.arrived("a");
        gates.open("a");
        assert.equal((await slow.response(round)).text, "passed");
      });
    }
  });
});

test("Requests wait behind no awaiting handler", async () => {
  await withApp("app.ts", { workers: 1 }, async (app) => {
    await withGates(async (gates) => {
      const awaiting = await Promise.all(Array.from({ length: 50 }, () => app.connect()));
      for (const client of awaiting) client.send(get(`/gate/async?${gates.query("a")}`));
      await gates.arrived("a");
      const light = await app.connect();
      for (let i = 0; i < 100; i++) assert.equal((await light.send(get("/light")).response(i)).text, "light");
      gates.open("a");
      for (const client of awaiting) assert.equal((await client.response()).text, "passed");
    });
  });
});
