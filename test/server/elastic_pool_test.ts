/**
 * Tests of pools: an elastic one grows while requests wait and shrinks while threads idle, a fixed one does neither.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withGates } from "../support/gate.ts";
import { get } from "../support/raw_client.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { withApp } from "../support/start_app.ts";
import { until } from "../support/until.ts";

test("An elastic pool grows up to its maximum while requests wait, and shrinks to its minimum while threads idle", async () => {
  await withApp("app.ts", { workers: { min: 1, max: 4, idleTimeoutMs: 400 } }, async (app) => {
    assert.equal(app.stats.workers, 1);
    for (let round = 0; round < 2; round++) {
      await withGates(async (gates) => {
        const clients = await Promise.all(Array.from({ length: 6 }, () => app.connect()));
        clients.forEach((client, index) => client.send(get(`/gate?${gates.query(`g${index}`)}`)));
        await app.until("four threads run", ({ workers, waiting }) => workers === 4 && waiting === 2);
        // A request that waits is looked at each tick; many ticks later there are still four.
        const async = await app.connect();
        async.send(get("/light"));
        await app.until("it waits", ({ waiting }) => waiting === 3);
        gates.open("g0");
        await clients[0]?.response();
        for (let index = 1; index < 6; index++) gates.open(`g${index}`);
        for (const client of clients) assert.equal((await client.response()).text, "passed");
        assert.equal((await async.response()).text, "light");
        assert.equal(app.stats.workers, 4);
      });
      await app.until("three threads have left", ({ workers }) => workers === 1);
      assert.equal((await app.exchange(get("/light"))).text, "light");
    }
    assert.equal(app.stats.workersDied, 0);
    assert.deepEqual(app.logs, []);
  });
});

test("A thread with an awaiting handler does not idle", async () => {
  await withApp("app.ts", { workers: { min: 1, max: 2, idleTimeoutMs: 150 } }, async (app) => {
    await withGates(async (gates) => {
      const blocked = await app.connect();
      blocked.send(get(`/gate?${gates.query("block")}`));
      await gates.arrived("block");
      // Taken by the second thread, which the pool starts for it.
      const awaiting = await app.connect();
      awaiting.send(get(`/gate/async?${gates.query("await")}`));
      await gates.arrived("await");
      await app.until("the second thread has said that it is ready", ({ workers }) => workers === 2);
      gates.open("block");
      await blocked.response();
      // The first is the one that may leave; the second answers, however long it takes.
      for (let i = 0; i < 4; i++) {
        assert.equal((await app.exchange(get("/number?n=1&ms=100"))).text, "number 1");
      }
      gates.open("await");
      assert.equal((await awaiting.response()).text, "passed");
    });
  });
});

test("Requests that come while threads come and go are all answered", async () => {
  const random = new SeededRandom();
  await withApp("app.ts", { workers: { min: 1, max: 3, idleTimeoutMs: 30 } }, async (app) => {
    let most = 0;
    for (let round = 0; round < 12; round++) {
      const clients = await Promise.all(Array.from({ length: 6 }, () => app.connect()));
      const counts = clients.map(() => 1 + random.below(6));
      clients.forEach((client, index) => {
        for (let i = 0; i < (counts[index] ?? 0); i++) {
          client.send(get(`/number?n=${i}&ms=${10 + random.below(15)}&block`));
        }
      });
      for (const [index, client] of clients.entries()) {
        const texts = (await client.receive(counts[index] ?? 0)).map((response) => response.text);
        assert.deepEqual(texts, texts.map((_, i) => `number ${i}`));
        client.reset();
        most = Math.max(most, app.stats.workers);
      }
      if (round % 3 === 2) await app.until("the pool has shrunk", ({ workers }) => workers === 1);
    }
    assert.ok(most > 1, "the pool never grew");
    assert.equal(app.stats.workersDied, 0);
  });
});

test("A fixed pool keeps its threads", async () => {
  await withApp("app.ts", { workers: 3, maxWaitMs: 300 }, async (app) => {
    assert.equal(app.stats.workers, 3);
    await withGates(async (gates) => {
      const clients = await Promise.all(Array.from({ length: 5 }, () => app.connect()));
      clients.forEach((client, index) => client.send(get(`/gate?${gates.query(`g${index}`)}`)));
      await app.until("two wait", ({ waiting }) => waiting === 2);
      const arrived = (): number => clients.filter((_, index) => gates.hasArrived(`g${index}`)).length;
      await until("three run", () => arrived() === 3);
      // An elastic pool would have grown by the time that this one is refused.
      const late = await app.connect();
      assert.equal((await late.send(get("/light")).response()).status, 503);
      assert.equal(arrived(), 3);
      assert.equal(app.stats.workers, 3);
      for (let index = 0; index < 5; index++) gates.open(`g${index}`);
      const statuses = (await Promise.all(clients.map((client) => client.response()))).map(({ status }) =>
        status
      );
      assert.deepEqual(statuses.sort(), [200, 200, 200, 503, 503]);
    });
    const { workers, workersStarted, workersDied } = app.stats;
    assert.deepEqual({ workers, workersStarted, workersDied }, {
      workers: 3,
      workersStarted: 3,
      workersDied: 0,
    });
  });
});
