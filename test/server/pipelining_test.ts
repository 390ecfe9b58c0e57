/**
 * Tests of connections that carry several requests: order, half-close, persistence, HTTP/1.0, HEAD.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withGates } from "../support/gate.ts";
import { get, post } from "../support/raw_client.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { SharedApp, withApp } from "../support/start_app.ts";

const shared = new SharedApp("app.ts");

test("Pipelined responses come in request order whatever worker finishes first", async () => {
  await withApp("app.ts", { workers: 3 }, async (app) => {
    await withGates(async (gates) => {
      const client = await app.connect();
      client.send(
        get(`/gate?${gates.query("first")}`) + get("/light") + get(`/gate?${gates.query("third")}`),
      );
      client.send(get("/number?n=4&ms=1") + get("/number?n=5"));
      await gates.arrived("first");
      await gates.arrived("third");
      // The light ones are through: on another connection they would be answered by now.
      assert.equal((await app.exchange(get("/light"))).text, "light");
      assert.equal(client.received, 0);
      gates.open("third");
      assert.equal((await app.exchange(get("/light"))).text, "light");
      assert.equal(client.received, 0);
      gates.open("first");
      const texts = (await client.receive(5)).map((response) => response.text);
      assert.deepEqual(texts, ["passed", "light", "passed", "number 4", "number 5"]);
    });
  });
});

test("Pipelined responses keep their order over thousands of requests of mixed speed", async () => {
  const random = new SeededRandom();
  await withApp("app.ts", { workers: 4 }, async (app) => {
    const connections = Array.from({ length: 8 }, async () => {
      const client = await app.connect();
      const expected: string[] = [];
      for (let batch = 0; batch < 10; batch++) {
        let text = "";
        for (let i = 0; i < 40; i++) {
          const n = `${batch}-${i}-${random.below(1e9)}`;
          const how = random.below(10);
          const slow = how === 0 ? "&ms=3" : how === 1 ? "&ms=2&block" : "";
          expected.push(`number ${n}`);
          text += get(`/number?n=${n}${slow}`);
        }
        // Cut anywhere, so that heads arrive in pieces too.
        const cut = random.below(text.length);
        client.send(text.slice(0, cut));
        await client.receive(batch * 40);
        client.send(text.slice(cut));
      }
      const responses = await client.receive(400);
      assert.deepEqual(responses.map((response) => response.text), expected);
    });
    await Promise.all(connections);
    assert.equal(app.stats.requests, 3200);
  });
});

test("Requests beyond maxPipelined wait in the socket and are answered all the same", async () => {
  await withApp("app.ts", { maxPipelined: 4, workers: 1 }, async (app) => {
    await withGates(async (gates) => {
      const client = await app.connect();
      client.send(get(`/gate?${gates.query("a")}`));
      for (let i = 0; i < 50; i++) client.send(get(`/number?n=${i}`));
      await gates.arrived("a");
      await app.exchange("x\r\n\r\n");
      // One refused, one at the gate, and three more of this connection.
      assert.equal(app.stats.requests, 4);
      gates.open("a");
      const texts = (await client.receive(51)).map((response) => response.text);
      assert.deepEqual(texts, ["passed", ...Array.from({ length: 50 }, (_, i) => `number ${i}`)]);
    });
  });
});

test("A broken request in the middle lets the earlier responses out and ends the connection", async () => {
  await shared.run(async (app) => {
    await withGates(async (gates) => {
      const before = app.stats;
      const client = await app.connect();
      client.send(
        get(`/gate?${gates.query("a")}`) + get("/light") + "GET / HTTP/1.1\r\nHo st: x\r\n\r\n" +
          get("/never"),
      );
      await gates.arrived("a");
      gates.open("a");
      const responses = await client.receive(3);
      assert.deepEqual(responses.map(({ status }) => status), [200, 200, 400]);
      assert.equal(responses[2]?.header("connection"), "close");
      assert.equal(await client.ending(), "clean");
      assert.equal(client.responses.length, 3);
      // The request behind the refusal was never read as one.
      assert.equal(app.stats.requests - before.requests, 2);
      assert.equal(app.stats.refused - before.refused, 1);
    });
  });
});

test("After a half-close everything that was received is answered, then the connection ends", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    client.send(get("/number?n=1&ms=20") + post("/sum?how=bytes", 5) + "hello" + get("/light")).end();
    const responses = await client.receive(3);
    assert.deepEqual(responses.map(({ status }) => status), [200, 200, 200]);
    assert.equal(responses[2]?.text, "light");
    assert.equal(await client.ending(), "clean");
    await app.until("the connection is gone", (stats) => stats.connections === 0);
  });
});

test("After a half-close with a full pipeline everything is answered", async () => {
  await withApp("app.ts", { maxPipelined: 2 }, async (app) => {
    const client = await app.connect();
    let text = "";
    for (let i = 0; i < 30; i++) text += get(`/number?n=${i}&ms=1`);
    client.send(text).end();
    const responses = await client.receive(30);
    assert.deepEqual(
      responses.map((response) => response.text),
      Array.from({ length: 30 }, (_, i) => `number ${i}`),
    );
    assert.equal(await client.ending(), "clean");
  });
});

for (
  const [what, text] of [
    ["a header section", get("/light") + "GET /light HTTP/1.1\r\nHost:"],
    ["content of known length", get("/light") + post("/sum?how=bytes", 10) + "hello"],
    [
      "a chunk",
      get("/light") + "POST /sum?how=bytes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ],
  ] as const
) {
  test(`A half-close inside ${what} is refused behind the responses that are due`, async () => {
    await shared.run(async (app) => {
      const client = await app.connect();
      client.send(text).end();
      const responses = await client.receive(2);
      assert.deepEqual(responses.map(({ status }) => status), [200, 400]);
      assert.equal(await client.ending(), "clean");
    });
  });
}

test("An HTTP/1.1 connection goes on until the request says close", async () => {
  await shared.run(async (app) => {
    const before = app.stats;
    const client = await app.connect();
    for (let i = 0; i < 20; i++) {
      const response = await client.send(get("/light")).response(i);
      assert.equal(response.header("connection"), null);
      assert.equal(response.version, "1.1");
    }
    client.send(get("/light", "Connection: x, Close\r\n") + get("/light"));
    assert.equal((await client.response(20)).header("connection"), "close");
    assert.equal(await client.ending(), "clean");
    assert.equal(client.responses.length, 21);
    assert.equal(app.stats.requests - before.requests, 21);
  });
});

test("A response that says close ends the connection behind it", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    client.send(get("/header?name=connection&value=close") + get("/light"));
    const response = await client.response();
    assert.equal(response.header("connection"), "close");
    assert.equal(await client.ending(), "clean");
    assert.equal(client.responses.length, 1);
  });
});

test("An HTTP/1.0 connection ends behind its response unless keep-alive is asked for", async () => {
  await shared.run(async (app) => {
    const once = await app.connect();
    const response = await once.send("GET /light HTTP/1.0\r\n\r\nGET /light HTTP/1.0\r\n\r\n").response();
    assert.equal(response.text, "light");
    assert.equal(response.header("connection"), "close");
    assert.equal(await once.ending(), "clean");
    assert.equal(once.responses.length, 1);

    const kept = await app.connect();
    const head = "GET /method HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    const [first, second] = await kept.send(head + head).receive(2);
    assert.equal(first?.text, "GET 1.0");
    assert.equal(first?.header("connection"), "keep-alive");
    assert.equal(second?.text, "GET 1.0");
    kept.send("GET /light HTTP/1.0\r\n\r\n");
    assert.equal(await kept.ending(), "clean");
    assert.equal(kept.responses.length, 3);
  });
});

test("A stream to an HTTP/1.0 client is delimited by the end of the connection", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    client.send("GET /pieces?count=3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert.equal(await client.ending(), "clean");
    const response = await client.response();
    assert.equal(response.header("transfer-encoding"), null);
    assert.equal(response.framing, "close");
    assert.equal(response.bodyLength, 3 * (48 * 1024 + 1));
  });
});

test("HEAD gets the fields of GET without content, and the connection stays in step", async () => {
  await shared.run(async (app) => {
    const paths = [
      "/light",
      "/text?length=5000",
      "/text?length=5000&type=image/png",
      "/pieces?count=2",
      "/nowhere",
    ];
    const plain = await app.connect();
    for (const path of paths) plain.send(get(path));
    const gets = await plain.receive(paths.length);
    const client = await app.connect({ isHead: () => true });
    for (const path of paths) client.send(get(path).replace("GET", "HEAD"));
    const heads = await client.receive(paths.length);
    const shown = (response: typeof heads[number] | undefined): unknown => [
      response?.status,
      ...["content-length", "content-type", "transfer-encoding", "vary"].map((name) =>
        response?.header(name)
      ),
    ];
    assert.deepEqual(heads.map(shown), gets.map(shown));
    assert.equal(heads[0]?.header("content-length"), "5");
  });
});

for (const code of [204, 304]) {
  test(`A ${code} has no content and no framing fields, and the connection stays in step`, async () => {
    await shared.run(async (app) => {
      const client = await app.connect();
      client.send(get(`/status?code=${code}`) + get(`/respond-status?code=${code}`) + get("/light"));
      const [made, responded, next] = await client.receive(3);
      for (const response of [made, responded]) {
        assert.equal(response?.status, code);
        assert.equal(response?.header("content-length"), null);
        assert.equal(response?.header("transfer-encoding"), null);
      }
      assert.equal(next?.text, "light");
    });
  });
}

for (const code of [0, 99, 100, 101, 103, 199, 1000, NaN, 200.5]) {
  test(`A handler that answers with status ${code} gets 500, and the connection stays in step`, async () => {
    await shared.run(async (app) => {
      const client = await app.connect();
      client.send(get(`/respond-status?code=${code}`) + get("/light"));
      const [response, next] = await client.receive(2);
      assert.equal(response?.status, 500);
      assert.deepEqual(response?.interim, []);
      assert.equal(next?.text, "light");
      await app.until("the failure is logged", () => app.hasLogged("a handler failed"));
    });
  });
}

test("A 205 has no content even if the handler gives some", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    client.send(get("/respond-status?code=205") + get("/light"));
    const [response, next] = await client.receive(2);
    assert.equal(response?.status, 205);
    assert.equal(response?.bodyLength, 0);
    assert.equal(response?.header("content-length"), "0");
    assert.equal(next?.text, "light");
  });
});

test("An idle connection is closed after keepAliveTimeoutMs, one in use is not", async () => {
  await withApp("app.ts", { keepAliveTimeoutMs: 300 }, async (app) => {
    const idle = await app.connect();
    const used = await app.connect();
    const fresh = await app.connect();
    await idle.send(get("/light")).response();
    const since = performance.now();
    let rounds = 0;
    while (!idle.ended || !fresh.ended) {
      await used.send(get("/number?n=1&ms=10")).response(rounds++);
      assert.ok(performance.now() - since < 15_000, "the idle connections were not closed");
    }
    assert.ok(performance.now() - since >= 250, "the idle connections were closed too early");
    assert.equal(await idle.ending(), "clean");
    assert.equal(used.ended, false);
    // Longer than the time-out, but under way.
    assert.equal((await used.send(get("/number?n=2&ms=700")).response(rounds)).text, "number 2");
  });
});

test("Connections beyond maxConnections are closed at once and the others go on", async () => {
  await withApp("app.ts", { maxConnections: 2 }, async (app) => {
    const first = await app.connect();
    const second = await app.connect();
    await first.send(get("/light")).response();
    await second.send(get("/light")).response();
    await assert.rejects(app.exchange(get("/light")));
    assert.equal((await first.send(get("/light")).response(1)).text, "light");
    second.destroy();
    await app.until("the second is gone", (stats) => stats.connections === 1);
    assert.equal((await app.exchange(get("/light"))).text, "light");
  });
});

test("The server that these tests share stops", () => shared.stop());
