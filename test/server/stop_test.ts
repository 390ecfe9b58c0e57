/**
 * Tests of stopping: signals, `stop()`, what is under way, what waits, and that the process then ends.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { withGates } from "../support/gate.ts";
import { get, post, RawClient } from "../support/raw_client.ts";
import { type ChildApp, withApp, withChild } from "../support/start_app.ts";
import { until } from "../support/until.ts";

/** Whether somebody accepts connections there. */
function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

async function endsCleanly(app: ChildApp, patienceMs?: number): Promise<void> {
  assert.deepEqual(await app.exited(patienceMs), { code: 0, signal: null }, app.stderr);
  assert.match(app.stdout, /^Listening on .*\n(stats .*\n|stopped\n)*$/);
}

for (const name of ["SIGTERM", "SIGINT"] as const) {
  test(`${name} stops an idle server with exit code 0 and closes its connections`, async () => {
    await withChild("app.ts", {}, async (app) => {
      const used = await app.connect();
      const fresh = await app.connect();
      const half = await app.connect();
      await used.send(get("/light")).response();
      await half.send("GET /light HTTP/1.1\r\nHo").sendAll("st:");
      await until("all are known", async () => (await app.stats()).connections === 3);
      const since = performance.now();
      app.signal(name);
      for (const client of [used, fresh, half]) assert.equal(await client.ending(), "clean");
      await endsCleanly(app);
      assert.ok(performance.now() - since < 5_000, `it took ${performance.now() - since} ms`);
      assert.equal(app.stderr, "");
    });
  });

  test(`${name} lets what is under way finish, and refuses what is new`, async () => {
    await withChild("app.ts", {}, async (app) => {
      await withGates(async (gates) => {
        const port = app.port;
        const blocking = await app.connect();
        const awaiting = await app.connect();
        blocking.send(get(`/gate?${gates.query("a")}`));
        awaiting.send(get(`/gate/async?${gates.query("b")}`));
        await gates.arrived("a");
        await gates.arrived("b");
        app.signal(name);
        await until("connections are refused", async () => !await isOpen(port));
        // What was not begun to be read is not begun.
        awaiting.send(get("/light"));
        gates.open("a");
        gates.open("b");
        for (const client of [blocking, awaiting]) {
          assert.equal((await client.response()).text, "passed");
          assert.equal(await client.ending(), "clean");
          assert.equal(client.responses.length, 1);
        }
        await endsCleanly(app);
      });
    });
  });
}

for (const path of ["/gate/burning", "/gate", "/gate/async", "/gate/late-burning"]) {
  test(`What does not finish in drainTimeoutMs is cut (${path})`, async () => {
    await withChild("app.ts", { options: { drainTimeoutMs: 600, deadlineMs: 0 } }, async (app) => {
      await withGates(async (gates) => {
        const client = await app.connect();
        client.send(get(`${path}?${gates.query("a")}`));
        await gates.arrived("a");
        const since = performance.now();
        app.signal("SIGTERM");
        await endsCleanly(app);
        const took = performance.now() - since;
        assert.ok(took >= 580 && took < 8_000, `it took ${took} ms`);
        await client.until("the connection is gone", () => client.ended || client.closed);
        assert.equal(client.responses.length, 0);
      });
    });
  });
}

test("drainTimeoutMs: 0 waits for nothing", async () => {
  await withChild("app.ts", { options: { drainTimeoutMs: 0, deadlineMs: 0 } }, async (app) => {
    await withGates(async (gates) => {
      const client = await app.connect();
      client.send(get(`/gate?${gates.query("a")}`));
      await gates.arrived("a");
      app.signal("SIGTERM");
      await endsCleanly(app);
      assert.equal(client.responses.length, 0);
    });
  });
});

test("A response on its way to a slow client is completed while the server drains", async () => {
  await withChild("app.ts", {}, async (app) => {
    const client = await app.connect({ paused: true });
    client.send(get("/large?mib=24&as=bytes"));
    await until("it is known", async () => (await app.stats()).requests === 1);
    app.signal("SIGTERM");
    await until("connections are refused", async () => !await isOpen(app.port));
    client.resume();
    assert.equal((await client.response()).bodyLength, 24 * 1024 * 1024);
    assert.equal(await client.ending(), "clean");
    await endsCleanly(app);
  });
});

test("A body on its way is received while the server drains", async () => {
  await withChild("app.ts", {}, async (app) => {
    const client = await app.connect();
    const streamed = await app.connect();
    client.send(post("/sum?how=bytes", 1000) + "x".repeat(400));
    streamed.send(post("/sum?how=bytesSync", 400_000) + "x".repeat(400));
    await until("they are known", async () => (await app.stats()).requests === 2);
    app.signal("SIGTERM");
    await until("connections are refused", async () => !await isOpen(app.port));
    client.send("x".repeat(600));
    streamed.send("x".repeat(399_600));
    assert.match((await client.response()).text, /^1000 /);
    assert.match((await streamed.response()).text, /^400000 /);
    await endsCleanly(app);
  });
});

test("Requests that wait for a thread are answered while the server drains", async () => {
  await withChild("app.ts", { options: { workers: 1 } }, async (app) => {
    await withGates(async (gates) => {
      const blocked = await app.connect();
      blocked.send(get(`/gate?${gates.query("a")}`));
      await gates.arrived("a");
      const waiting = await app.connect();
      waiting.send(get("/light") + get("/number?n=1"));
      await until("they wait", async () => (await app.stats()).waiting === 2);
      app.signal("SIGTERM");
      await until("connections are refused", async () => !await isOpen(app.port));
      gates.open("a");
      assert.equal((await blocked.response()).text, "passed");
      assert.deepEqual((await waiting.receive(2)).map((response) => response.text), ["light", "number 1"]);
      assert.equal(await waiting.ending(), "clean");
      await endsCleanly(app);
    });
  });
});

test("Stopping under load answers every request that was begun, whole, and ends every connection between two", async () => {
  await withChild("app.ts", { options: { workers: 2 } }, async (app) => {
    let sent = 0;
    const clients = await Promise.all(Array.from({ length: 12 }, () => app.connect()));
    const loads = clients.map(async (client, index) => {
      for (let batch = 0; !client.ended && !client.closed; batch++) {
        for (let i = 0; i < 8; i++) {
          client.send(get(`/number?n=${index}-${batch * 8 + i}${i % 4 === 0 ? "&ms=1" : ""}`));
          sent++;
        }
        const wanted = (batch + 1) * 8;
        await client.until(
          "a batch is answered",
          () => client.responses.length >= wanted || client.ended || client.closed,
        );
      }
    });
    await until("the load runs", () => clients.every((client) => client.responses.length > 100));
    app.signal("SIGTERM");
    await Promise.all(loads);
    for (const [index, client] of clients.entries()) {
      assert.equal(await client.ending(), "clean", client.errorCode);
      client.responses.forEach((response, n) => assert.equal(response.text, `number ${index}-${n}`));
    }
    await endsCleanly(app);
    assert.ok(sent > 1200);
  });
});

test("stop() on the main thread lets the process end by itself", async () => {
  await withChild("app.ts", {}, async (app) => {
    const client = await app.connect();
    await client.send(get("/light")).response();
    app.stop();
    assert.equal(await client.ending(), "clean");
    await endsCleanly(app);
    assert.match(app.stdout, /\nstopped\n$/);
  });
});

test("stop() in a handler lets that handler answer, and the process ends by itself", async () => {
  await withChild("app.ts", { env: { CHILD_STDIN: "closed" } }, async (app) => {
    await withGates(async (gates) => {
      const other = await app.connect();
      other.send(get(`/gate?${gates.query("a")}`));
      await gates.arrived("a");
      const client = await app.connect();
      assert.equal((await client.send(post("/stop", 0)).response()).text, "stopping");
      await until("connections are refused", async () => !await isOpen(app.port));
      gates.open("a");
      assert.equal((await other.response()).text, "passed");
      await endsCleanly(app);
    });
  });
});

test("stop() may be called twice, frees the port, and leaves figures to look at", async () => {
  let port = 0;
  await withApp("app.ts", {}, async (app) => {
    port = app.port;
    const client = await app.connect();
    await client.send(get("/light")).response();
    await Promise.all([app.server.stop(), app.server.stop(), app.server.stopped]);
    assert.equal(await client.ending(), "clean");
    assert.equal(await isOpen(port), false);
    const { connections, requests, workers } = app.stats;
    assert.deepEqual({ connections, requests, workers }, { connections: 0, requests: 1, workers: 0 });
  });
  await withApp("app.ts", { port }, async (app) => {
    assert.equal(app.port, port);
    const client = await RawClient.open(port);
    assert.equal((await client.send(get("/light")).response()).text, "light");
    client.reset();
  });
});
