/**
 * Tests of handlers that answer early, answer nonsense, throw, overflow, or take their thread with them.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withGates } from "../support/gate.ts";
import { get } from "../support/raw_client.ts";
import { currentRuntime } from "../support/runtimes.ts";
import { type LocalApp, SharedApp, withApp, withChild } from "../support/start_app.ts";
import { until } from "../support/until.ts";

const shared = new SharedApp("app.ts");

/** Every thread is there, and each answers. */
async function isWell(app: LocalApp): Promise<void> {
  await app.until("all threads are there", ({ workers, zombies }) => workers === 2 && zombies === 0);
  assert.equal((await app.exchange(get("/light"))).text, "light");
}

for (const path of ["/gate/early", "/gate/early-async"]) {
  test(`A handler at ${path} that responds early has its response out while it works on`, async () => {
    await shared.run(async (app) => {
      await withGates(async (gates) => {
        const client = await app.connect();
        const response = await client.send(get(`${path}?${gates.query("a")}`)).response();
        assert.equal(response.text, "early");
        await gates.arrived("a");
        assert.equal(gates.hasArrived("a-after"), false);
        // The connection goes on meanwhile.
        assert.equal((await client.send(get("/light")).response(1)).text, "light");
        gates.open("a");
        await gates.arrived("a-after");
        assert.equal(gates.note("a-after"), "true");
      });
    });
  });
}

test("A second respond() throws, and neither it nor a returned value changes the response", async () => {
  await shared.run(async (app) => {
    await withGates(async (gates) => {
      const client = await app.connect();
      client.send(get(`/twice?${gates.query("a")}`) + get("/light"));
      const texts = (await client.receive(2)).map((response) => response.text);
      assert.deepEqual(texts, ["first", "light"]);
      await gates.arrived("a");
      assert.equal(gates.note("a"), "ERR_ALREADY_RESPONDED");
    });
  });
});

const NONSENSE = [
  "undefined",
  "null",
  "number",
  "boolean",
  "object",
  "array",
  "symbol",
  "function",
  "bigint",
  "date",
];
for (const path of ["/returns", "/returns/async"]) {
  test(`A handler at ${path} that returns no answer gets 500 and a log record that names what it returned`, async () => {
    await shared.run(async (app) => {
      const client = await app.connect();
      for (const what of NONSENSE) client.send(get(`${path}?what=${what}`));
      client.send(get("/light"));
      const responses = await client.receive(NONSENSE.length + 1);
      assert.deepEqual(responses.map(({ status }) => status), [...NONSENSE.map(() => 500), 200]);
      await app.until("all are logged", () => app.logs.length >= NONSENSE.length);
      assert.deepEqual(app.logs.map((record) => record.error?.code), NONSENSE.map(() => "ERR_RESULT"));
      assert.ok(app.hasLogged("returned null"));
      assert.ok(app.hasLogged("returned nothing, without respond()"));
      assert.ok(app.hasLogged("returned an object of class Date"));
      await isWell(app);
      assert.equal(app.stats.workersDied, 0);
    });
  });
}

const THROWN = [
  "error",
  "null",
  "undefined",
  "string",
  "number",
  "symbol",
  "empty",
  "hostile",
  "huge",
  "deep",
  "foreign",
  "response",
];
for (const path of ["/throws", "/throws/async", "/throws/late"]) {
  for (const what of THROWN) {
    test(`A handler at ${path} that throws (${what}) gets 500, a log record, and keeps its thread`, async () => {
      await shared.run(async (app) => {
        const client = await app.connect();
        const [response, next] = await client.send(get(`${path}?what=${what}`) + get("/light")).receive(2);
        assert.equal(response?.status, 500);
        assert.equal(response?.header("connection"), null);
        assert.equal(next?.text, "light");
        await app.until("it is logged", () => app.logs.length > 0);
        assert.equal(app.logs.length, 1);
        assert.equal(app.logs[0]?.level, "error");
        assert.equal(app.logs[0]?.fields?.["path"], path);
        assert.equal(app.stats.workersDied, 0);
      });
    });
  }
}

test("The text of an error does not reach the client", async () => {
  await shared.run(async (app) => {
    const response = await app.exchange(get("/throws?what=error"));
    assert.doesNotMatch(response.text, /on purpose/);
    await app.until("it is logged", () => app.hasLogged("thrown on purpose"));
  });
});

test("A handler that throws after it responded changes nothing for the client and is logged", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    client.send(get("/throws/after-respond") + get("/light"));
    const texts = (await client.receive(2)).map((response) => response.text);
    assert.deepEqual(texts, ["answered before", "light"]);
    await app.until("it is logged", () => app.hasLogged("too late to matter"));
    // Also when most of the content is still to be sent.
    for (const as of ["text", "bytes"]) {
      const response = await app.exchange(get(`/throws/after-respond?times=100000&${as}`));
      assert.equal(response.bodyLength, 1_500_000);
    }
  });
});

for (const path of ["/overflow", "/overflow/async"]) {
  test(`A handler at ${path} that overflows the stack gets 500 and keeps its thread`, async () => {
    await shared.run(async (app) => {
      const client = await app.connect();
      const [response, next] = await client.send(get(path) + get("/light")).receive(2);
      assert.equal(response?.status, 500);
      assert.equal(next?.text, "light");
      assert.equal(app.stats.workersDied, 0);
    });
  });
}

for (const path of ["/exit", "/exit?code=0", "/exit/late", "/crash", "/reject"]) {
  test(`A handler whose thread dies of ${path} gets 500, and another thread takes its place`, async () => {
    await shared.run(async (app) => {
      const before = app.stats;
      const client = await app.connect();
      const response = await client.send(get(path)).response();
      assert.equal(response.status, 500);
      assert.equal((await client.send(get("/light")).response(1)).text, "light");
      await app.until(
        "the thread is replaced",
        (stats) => stats.workersStarted === before.workersStarted + 1,
      );
      await isWell(app);
      assert.equal(app.stats.workersDied - before.workersDied, 1);
      await app.until("it is logged", () => app.logs.length > 0);
      if (path === "/crash") assert.ok(app.hasLogged("crashed on purpose"));
      if (path === "/reject") assert.ok(app.hasLogged("rejected on purpose"));
    });
  });
}

test("A HEAD whose thread dies gets a 500 without content, and the connection stays in step", async () => {
  await shared.run(async (app) => {
    const client = await app.connect({ isHead: (index) => index === 0 });
    client.send(get("/exit").replace("GET", "HEAD") + get("/light"));
    const [died, light] = await client.receive(2);
    assert.equal(died?.status, 500);
    assert.notEqual(died?.header("content-length"), "0");
    assert.equal(light?.text, "light");
    await isWell(app);
  });
});

test("process.abort() in a handler costs its request at most", async () => {
  await withChild("app.ts", {}, async (app) => {
    const client = await app.connect();
    assert.equal((await client.send(get("/abort")).response()).status, 500);
    assert.equal((await client.send(get("/light")).response(1)).text, "light");
  });
});

test("A handler that outgrows workerHeapMb costs its thread; Bun has no such limit and lets it", async () => {
  await withChild("app.ts", { options: { workerHeapMb: 64, workers: 2 } }, async (app) => {
    const client = await app.connect();
    client.send(get("/hoard"));
    assert.equal((await client.response()).status, currentRuntime() === "bun" ? 200 : 500);
    assert.equal((await client.send(get("/light")).response(1)).text, "light");
    const isWhole = async (): Promise<boolean> => (await app.stats()).workers === 2;
    await until("the pool is whole", isWhole);
  });
});

test("A synchronous pool blocks while it idles, and still awaits, overruns and stops", async () => {
  await withApp("app.ts", { synchronous: true, deadlineMs: 400 }, async (app) => {
    await withGates(async (gates) => {
      const client = await app.connect();
      for (let i = 0; i < 50; i++) {
        assert.equal((await client.send(get(`/number?n=${i}&ms=${i % 3}`)).response(i)).text, `number ${i}`);
      }
      const other = await app.connect();
      other.send(get(`/gate?${gates.query("a")}`) + get("/light"));
      await gates.arrived("a");
      assert.equal((await client.send(get("/light")).response(50)).text, "light");
      assert.deepEqual((await other.receive(2)).map(({ status }) => status), [503, 200]);
      gates.open("a");
      await isWell(app);
    });
  });
});

test("What a handler fails of is logged also behind its client, unless it is that the client has left", async () => {
  await withApp("app.ts", { workers: 1 }, async (app) => {
    await withGates(async (gates) => {
      for (const [name, query] of [["a", ""], ["b", "&own"]] as const) {
        const client = await app.connect();
        client.send(get(`/fails/abandoned?${gates.query(name)}${query}`));
        await gates.arrived(name);
        client.reset();
        await app.until("the connection is gone", ({ connections }) => connections === 0);
      }
      await app.until("it is logged", () => app.logs.length > 0);
      assert.deepEqual(app.logs.map(({ error }) => error?.message), ["failed behind its client"]);
    });
  });
});

test("A thread that dies behind its response leaves the response as it was", async () => {
  await shared.run(async (app) => {
    const before = app.stats;
    const client = await app.connect();
    const response = await client.send(get("/crash/after")).response();
    assert.equal(response.text, "answered before");
    await app.until("the thread is replaced", (stats) => stats.workersStarted === before.workersStarted + 1);
    assert.equal((await client.send(get("/light")).response(1)).text, "light");
    await isWell(app);
  });
});

test("A thread that dies takes only the requests with it that it was running", async () => {
  await withApp("app.ts", { workers: 2 }, async (app) => {
    await withGates(async (gates) => {
      const safe = await app.connect();
      safe.send(get(`/gate?${gates.query("safe")}`));
      await gates.arrived("safe");
      // The other thread awaits two requests, then runs one that kills it.
      const lost = await app.connect();
      lost.send(get(`/gate/async?${gates.query("one")}`) + get(`/gate/async?${gates.query("two")}`));
      await gates.arrived("one");
      await gates.arrived("two");
      const killer = await app.connect();
      assert.equal((await killer.send(get("/crash")).response()).status, 500);
      assert.deepEqual((await lost.receive(2)).map(({ status }) => status), [500, 500]);
      gates.open("safe");
      assert.equal((await safe.response()).text, "passed");
      assert.equal((await lost.send(get("/light")).response(2)).text, "light");
      await isWell(app);
    });
  });
});

test("Requests that wait in the ring outlive the threads that die before them", async () => {
  await withApp("app.ts", { workers: 1 }, async (app) => {
    const client = await app.connect();
    client.send(get("/light") + get("/exit") + get("/light") + get("/crash") + get("/light"));
    const statuses = (await client.receive(5)).map(({ status }) => status);
    assert.deepEqual(statuses, [200, 500, 200, 500, 200]);
  });
});

// ── content and fields of respond() and stream() ─────────────────────────────────────────────────────────────────

const OCTETS = ["string", "bytes", "part", "buffer", "view", "words", "shared"];
const NO_OCTETS = [
  "object",
  "like",
  "number",
  "boolean",
  "symbol",
  "bigint",
  "function",
  "array",
  "map",
  "blob",
  "stream",
  "response",
];

test("respond() takes text and octets in whatever form, and nothing", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    for (const what of [...OCTETS, "null", "undefined"]) {
      client.send(get(`/content?how=respond&what=${what}`));
    }
    const responses = await client.receive(OCTETS.length + 2);
    assert.deepEqual(responses.map(({ status }) => status), [...OCTETS.map(() => 200), 200, 200]);
    assert.deepEqual(responses.map(({ text }) => text), [...OCTETS.map(() => "abcd"), "", ""]);
  });
});

test("respond() with content that is neither gets 500 at once, and a log record that names it", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    for (const what of NO_OCTETS) client.send(get(`/content?how=respond&what=${what}`));
    client.send(get("/light"));
    const responses = await client.receive(NO_OCTETS.length + 1);
    assert.deepEqual(responses.map(({ status }) => status), [...NO_OCTETS.map(() => 500), 200]);
    await app.until("all are logged", () => app.logs.length >= NO_OCTETS.length);
    assert.deepEqual(app.logs.map((record) => record.error?.code), NO_OCTETS.map(() => "ERR_RESULT"));
    assert.ok(app.hasLogged("the content of a response is an object of class Blob"));
  });
});

for (const how of ["write", "writeSync"]) {
  test(`${how}() takes text and octets in whatever form, and cuts the response at anything else`, async () => {
    await shared.run(async (app) => {
      const client = await app.connect();
      for (const what of OCTETS) client.send(get(`/content?how=${how}&what=${what}`));
      const responses = await client.receive(OCTETS.length);
      assert.deepEqual(responses.map(({ text }) => text), OCTETS.map(() => "abcd"));
      for (const what of ["object", "number", "null"]) {
        const other = await app.connect();
        assert.notEqual(await other.send(get(`/content?how=${how}&what=${what}`)).ending(), "clean");
      }
      await app.until("all are logged", () => app.logs.length >= 3);
      assert.deepEqual(app.logs.map((record) => record.error?.code), Array(3).fill("ERR_RESULT"));
    });
  });
}

for (const query of ["", "?quiet"]) {
  test(`A response that fails behind its head is cut at once${query}`, async () => {
    await shared.run(async (app) => {
      const before = app.stats;
      const client = await app.connect();
      client.send(get(`/content/hostile${query}`));
      assert.notEqual(await client.ending(), "clean");
      if (query === "") await app.until("it is logged", () => app.hasLogged("hostile octets"));
      await isWell(app);
      assert.equal(app.stats.workersDied, before.workersDied);
    });
  });
}

test("Fields are taken from a record, Headers, and anything that gives pairs", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    const given = ["record", "pairs", "headers", "map", "params", "generator"];
    for (const what of given) client.send(get(`/fields?what=${what}`) + get(`/fields?what=${what}&stream`));
    for (const response of await client.receive(given.length * 2)) {
      assert.deepEqual([response.status, response.header("x-a"), response.header("x-b")], [200, "1", "2"]);
    }
    assert.equal((await app.exchange(get("/fields?what=null"))).text, "sent");
    for (const what of ["flat", "three", "one", "numbers", "text"]) {
      assert.equal((await app.exchange(get(`/fields?what=${what}`))).status, 500, what);
      await app.until("it is logged", () => app.logs.length > 0);
      assert.equal(app.logs.splice(0)[0]?.error?.code, "ERR_HEADER", what);
    }
  });
});

// ── malformed responses ──────────────────────────────────────────────────────────────────────────────────────────

const BAD_FIELDS: readonly (readonly [name: string, value: string])[] = [
  ["x-test", "a\r\nSet-Cookie: injected=1"],
  ["x-test", "a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ninjected"],
  ["x-test", "a\nb"],
  ["x-test", "a\rb"],
  ["x-test", "a\0b"],
  ["x-test", "a\u010ab"],
  ["x-test\r\ninjected", "a"],
  ["x test", "a"],
  ["x-test:", "a"],
  ["", "a"],
];
for (const how of ["", "&respond", "&stream"]) {
  test(`A field that HTTP does not allow gets 500 and nothing of it is sent${how}`, async () => {
    await shared.run(async (app) => {
      const client = await app.connect();
      for (const [name, value] of BAD_FIELDS) {
        client.send(get(`/header?name=${encodeURIComponent(name)}&value=${encodeURIComponent(value)}${how}`));
      }
      client.send(get("/light"));
      const responses = await client.receive(BAD_FIELDS.length + 1);
      assert.deepEqual(responses.map(({ status }) => status), [...BAD_FIELDS.map(() => 500), 200]);
      for (const response of responses) {
        assert.equal(response.header("x-test"), null);
        assert.equal(response.header("set-cookie"), null);
        assert.doesNotMatch(response.text, /injected/);
      }
      await app.until("all are logged", () => app.logs.length >= BAD_FIELDS.length);
      if (how !== "") {
        assert.deepEqual(
          app.logs.map((log) => log.error?.code),
          BAD_FIELDS.map(() => "ERR_HEADER"),
        );
      }
    });
  });
}

test("A handler cannot set the framing fields of its response to something else", async () => {
  await shared.run(async (app) => {
    for (const how of ["", "&respond"]) {
      const client = await app.connect();
      for (
        const [name, value] of [["transfer-encoding", "chunked"], ["content-length", "2"], [
          "keep-alive",
          "max=1",
        ]]
      ) {
        client.send(get(`/header?name=${name}&value=${value}${how}`));
      }
      client.send(get("/light"));
      const responses = await client.receive(4);
      assert.deepEqual(responses.map((response) => response.text), ["sent", "sent", "sent", "light"]);
      for (const response of responses) {
        assert.equal(response.header("transfer-encoding"), null);
        assert.equal(response.header("keep-alive"), null);
      }
    }
  });
});

test("The server that these tests share stops", () => shared.stop());
