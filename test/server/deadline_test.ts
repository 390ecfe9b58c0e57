/**
 * Tests of deadlines: 503 on time, the thread replaced, nobody else delayed, nothing answered twice.
 * Runs on: any; runtime API: none
 *
 * A second server request is the clock where a test must show that something does not happen: a request that runs into
 * the same deadline is sent later and answered later.
 */
// test-runs: alone
import assert from "node:assert/strict";
import { test } from "node:test";
import { detectAdapter } from "../../src/adapters/detect.ts";
import { withGates } from "../support/gate.ts";
import { get, post } from "../support/raw_client.ts";
import { type LocalApp, SharedApp, withApp } from "../support/start_app.ts";

const DEADLINE_MS = 250;
/** Beyond this a 503 is late, even on a busy machine, ms. */
const LATE_MS = 1_500;

const shared = new SharedApp("app.ts", { deadlineMs: DEADLINE_MS, maxZombies: 64 });

/** The pool is whole again, and the threads that were given up are gone. */
function isWhole(app: LocalApp): Promise<void> {
  return app.until(
    "the pool is whole and no zombie is left",
    ({ workers, zombies }) => workers === 2 && zombies === 0,
  );
}

/** Lets more than one deadline pass. */
async function letDeadlinesPass(app: LocalApp): Promise<void> {
  for (let i = 0; i < 2; i++) assert.equal((await app.exchange(get("/never"))).status, 503);
}

for (
  const { path, what, costsThread } of [
    { path: "/gate/burning", what: "loops", costsThread: true },
    { path: "/gate", what: "blocks in Atomics.wait", costsThread: true },
    { path: "/gate/late-burning", what: "loops after an await", costsThread: true },
    { path: "/gate/async", what: "awaits", costsThread: false },
  ]
) {
  test(`A handler that ${what} beyond its deadline gets 503 on time, once, and the others go on`, async () => {
    await shared.run(async (app) => {
      await withGates(async (gates) => {
        const before = app.stats;
        const client = await app.connect();
        const other = await app.connect();
        const since = performance.now();
        client.send(get(`${path}?${gates.query("a")}`));
        await gates.arrived("a");
        let lights = 0;
        while (client.responses.length === 0) {
          assert.equal((await other.send(get("/light")).response(lights++)).text, "light");
          assert.ok(performance.now() - since < DEADLINE_MS + LATE_MS, "the 503 is late");
        }
        const took = performance.now() - since;
        assert.ok(took >= DEADLINE_MS - 5, `the 503 is early: ${took} ms`);
        assert.equal(client.responses[0]?.status, 503);
        assert.ok(lights >= 5, `only ${lights} light requests were answered meanwhile`);
        assert.equal(app.stats.deadlines - before.deadlines, 1);
        if (costsThread) {
          await app.until(
            "the thread is replaced",
            (stats) => stats.workersStarted === before.workersStarted + 1,
          );
        }
        // The thread comes to its answer after all; nobody may see it.
        gates.open("a");
        await isWhole(app);
        const next = await client.send(get("/light")).response(1);
        assert.equal(next.text, "light");
        assert.equal(client.responses.length, 2);
        assert.equal(app.stats.workersDied - before.workersDied, costsThread ? 1 : 0);
        assert.equal(app.stats.workersStarted - before.workersStarted, costsThread ? 1 : 0);
        await letDeadlinesPass(app);
        assert.equal(app.stats.workersDied - before.workersDied, costsThread ? 1 : 0);
      });
    });
  });
}

test("A promise that never settles gets 503, and its signal is aborted with the reason", async () => {
  await shared.run(async (app) => {
    await withGates(async (gates) => {
      const before = app.stats;
      const client = await app.connect();
      assert.equal((await client.send(get(`/never/signal?${gates.query("a")}`)).response()).status, 503);
      await gates.arrived("a-aborted");
      assert.equal(gates.note("a-aborted"), "ERR_DEADLINE");
      assert.equal((await client.send(get("/light")).response(1)).text, "light");
      assert.equal(app.stats.workersDied, before.workersDied);
    });
  });
});

test("The 503 of a pipelined request stands in its place", async () => {
  await shared.run(async (app) => {
    await withGates(async (gates) => {
      const client = await app.connect();
      client.send(
        get("/light") + get(`/gate/burning?${gates.query("a")}`) + get("/light") + get("/never") +
          get("/light"),
      );
      const statuses = (await client.receive(5)).map(({ status }) => status);
      assert.deepEqual(statuses, [200, 503, 200, 503, 200]);
      gates.open("a");
      await isWhole(app);
    });
  });
});

test("Many handlers that never return cost their threads only; every request has one answer", async () => {
  await shared.run(async (app) => {
    await withGates(async (gates) => {
      const before = app.stats;
      let lost = 0;
      const clients = await Promise.all(Array.from({ length: 6 }, () => app.connect()));
      for (const [index, client] of clients.entries()) {
        const loop = get(`/gate?${gates.query(`loop${index}`)}`);
        client.send(loop + get("/light") + get("/never") + get("/light"));
      }
      for (const client of clients) {
        const [loop, first, never, last] = (await client.receive(4)).map(({ status }) => status);
        assert.deepEqual([loop, first, last], [503, 200, 200]);
        // One that awaits on a thread which another one's loop blocks is lost with that thread.
        assert.ok(never === 503 || never === 500, `${never}`);
        if (never === 500) lost++;
      }
      clients.forEach((_, index) => gates.open(`loop${index}`));
      await isWhole(app);
      assert.equal(app.stats.deadlines - before.deadlines, 12 - lost);
      assert.equal(app.stats.workersDied - before.workersDied, 6);
    });
  });
});

test("A response that was given before the deadline lets the handler work on behind it", async () => {
  await shared.run(async (app) => {
    for (const path of ["/gate/early", "/gate/early-async"]) {
      await withGates(async (gates) => {
        const before = app.stats;
        const client = await app.connect();
        assert.equal((await client.send(get(`${path}?${gates.query("a")}`)).response()).text, "early");
        await gates.arrived("a");
        await letDeadlinesPass(app);
        assert.equal(app.stats.workersDied, before.workersDied);
        gates.open("a");
        await gates.arrived("a-after");
        assert.equal(app.stats.deadlines - before.deadlines, 2);
      });
    }
  });
});

for (const path of ["/gate/burning", "/gate", "/gate/late-burning"]) {
  test(`A thread that does not return from ${path} is given up although its client has left`, async () => {
    await shared.run(async (app) => {
      await withGates(async (gates) => {
        const before = app.stats;
        const client = await app.connect();
        client.send(get(`${path}?${gates.query("a")}`));
        await gates.arrived("a");
        client.reset();
        await app.until("the client's leaving is known", ({ connections }) => connections === 0);
        await app.until(
          "the thread is replaced",
          (stats) => stats.workersStarted === before.workersStarted + 1,
        );
        gates.open("a");
        await isWhole(app);
        assert.equal((await app.exchange(get("/light"))).text, "light");
      });
    });
  });
}

test("A handler that catches the failure of its body and loops on is given up", async () => {
  await withApp("app.ts", { deadlineMs: DEADLINE_MS, spoolBodyBytes: 0 }, async (app) => {
    const client = await app.connect();
    client.send(post("/fails/stubborn?ms=4000", 1000) + "hello");
    await app.until("the handler reads", () => app.stats.requests === 1);
    assert.equal((await app.exchange(get("/light"))).text, "light");
    client.reset();
    await app.until("the thread is replaced", ({ workersStarted }) => workersStarted === 3, 3_500);
    await isWhole(app);
  });
});

for (const path of ["/fails", "/fails/async"]) {
  test(`The silence of a client does not count against ${path}, and ends with the body time-out`, async () => {
    const options = { deadlineMs: DEADLINE_MS, bodyTimeoutMs: 3 * DEADLINE_MS, spoolBodyBytes: 0 };
    await withApp("app.ts", options, async (app) => {
      await withGates(async (gates) => {
        const client = await app.connect();
        client.send(post(`${path}?${gates.query("a")}`, 1000) + "hello");
        await gates.arrived("a-begun");
        await letDeadlinesPass(app);
        assert.equal(client.responses.length, 0);
        assert.equal((await client.response()).status, 408);
        await gates.arrived("a");
        assert.equal(gates.note("a"), "ERR_TIMEOUT");
        assert.equal((await app.exchange(get("/light"))).text, "light");
      });
      assert.equal(app.stats.workersDied, 0);
      assert.equal(app.stats.deadlines, 2);
    });
  });
}

test("Behind the silence of its client a handler has its deadline whole", async () => {
  const options = { deadlineMs: DEADLINE_MS, bodyTimeoutMs: 2 * DEADLINE_MS, spoolBodyBytes: 0 };
  await withApp("app.ts", options, async (app) => {
    const inTime = await app.connect();
    inTime.send(post(`/fails/stubborn?ms=${DEADLINE_MS / 2}`, 1000) + "hello");
    assert.equal((await inTime.response()).text, "stubborn");
    const late = await app.connect();
    late.send(post("/fails/stubborn?ms=4000", 1000) + "hello");
    assert.equal((await late.response()).status, 503);
    await isWhole(app);
    assert.equal(app.stats.deadlines, 1);
  });
});

test("A client that was silent for longer than the deadline may go on", async () => {
  await withApp("app.ts", { deadlineMs: DEADLINE_MS, spoolBodyBytes: 0 }, async (app) => {
    for (const how of ["bytesSync", "bytes", "stream"]) {
      const client = await app.connect();
      client.send(post(`/sum?how=${how}`, 10) + "hello");
      await letDeadlinesPass(app);
      assert.match((await client.send("hello").response()).text, /^10 /, how);
    }
    assert.equal(app.stats.workersDied, 0);
  });
});

test("A handler that does not read what its client sends gets 503", async () => {
  await withApp("app.ts", { deadlineMs: DEADLINE_MS, spoolBodyBytes: 0, maxZombies: 64 }, async (app) => {
    for (const path of ["/slow", "/slow/async"]) {
      await withGates(async (gates) => {
        const client = await app.connect();
        client.send(post(`${path}?${gates.query("a")}`, 1 << 20)).send(new Uint8Array(1 << 19));
        assert.equal((await client.response()).status, 503, path);
        gates.open("a");
      });
      await isWhole(app);
    }
  });
});

test("A route's own deadline counts, shorter or none", async () => {
  await withApp("app.ts", { deadlineMs: 60_000, maxZombies: 64 }, async (app) => {
    assert.equal((await app.exchange(get("/deadline/short?ms=2500"))).status, 503);
    await isWhole(app);
  });
  await withApp("app.ts", { deadlineMs: 200, maxZombies: 64 }, async (app) => {
    assert.equal((await app.exchange(get("/deadline/none?ms=1200"))).text, "in time");
    assert.equal(app.stats.workersDied, 0);
  });
});

test("Without a deadline a handler may take its time", async () => {
  await withApp("app.ts", { deadlineMs: 0 }, async (app) => {
    await withGates(async (gates) => {
      const client = await app.connect();
      client.send(get(`/gate/burning?${gates.query("a")}`) + get(`/gate/async?${gates.query("b")}`));
      await gates.arrived("a");
      // Long past what any internal limit could be taken for.
      assert.equal((await app.exchange(get("/number?n=1&ms=800"))).text, "number 1");
      assert.equal(app.stats.workersDied, 0);
      gates.open("a");
      gates.open("b");
      assert.deepEqual((await client.receive(2)).map((response) => response.text), ["passed", "passed"]);
    });
  });
});

test("Beyond maxZombies the server is unhealthy and goes on with what it has, until the zombies leave", async () => {
  const { stopsBusyThreads } = await detectAdapter();
  await withApp("app.ts", { deadlineMs: DEADLINE_MS, maxZombies: 0 }, async (app) => {
    await withGates(async (gates) => {
      assert.equal(app.stats.healthy, true);
      const client = await app.connect();
      assert.equal((await client.send(get(`/gate/burning?${gates.query("a")}`)).response()).status, 503);
      if (!stopsBusyThreads) {
        await letDeadlinesPass(app);
        const { healthy, zombies, workers } = app.stats;
        assert.deepEqual({ healthy, zombies, workers }, { healthy: false, zombies: 1, workers: 1 });
        assert.ok(app.hasLogged("maxZombies"));
      }
      assert.equal((await client.send(get("/light")).response(1)).text, "light");
      gates.open("a");
      await isWhole(app);
      assert.equal(app.stats.healthy, true);
    });
  });
});

test("The server that these tests share stops", () => shared.stop());
