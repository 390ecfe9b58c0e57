/**
 * Tests of what the server answers by itself: malformed, too large, too slow, and Expect: 100-continue.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withGates } from "../support/gate.ts";
import { get, post, type RawClient } from "../support/raw_client.ts";
import { SharedApp, withApp } from "../support/start_app.ts";

const shared = new SharedApp("app.ts");

const EXPECT = "Expect: 100-continue\r\n";
const MEBIBYTE = 1024 * 1024;

interface Refusal {
  readonly what: string;
  readonly text: string;
  readonly status: number;
}

const REFUSALS: readonly Refusal[] = [
  { what: "a malformed request line", text: "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", status: 400 },
  { what: "a missing Host", text: "GET / HTTP/1.1\r\n\r\n", status: 400 },
  { what: "both framings", text: post("/sum", 5, "Transfer-Encoding: chunked\r\n"), status: 400 },
  { what: "a request-target that is too long", text: get("/" + "a".repeat(20_000)), status: 414 },
  { what: "a field line that is too long", text: get("/", `A: ${"a".repeat(20_000)}\r\n`), status: 431 },
  { what: "too many fields", text: get("/", "A: a\r\n".repeat(200)), status: 431 },
  { what: "content beyond maxBodyBytes", text: post("/echo", MEBIBYTE + 1), status: 413 },
  { what: "a terabyte", text: post("/ignore", 2 ** 40), status: 413 },
  {
    what: "more than 2^53",
    text: post("/ignore", 0, "").replace("Length: 0", "Length: 99999999999999999999"),
    status: 413,
  },
  { what: "content beyond a route's limit", text: post("/small", 1001), status: 413 },
  { what: "two octets where a route takes one", text: post("/one", 2), status: 413 },
  { what: "CONNECT", text: "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", status: 501 },
  { what: "another expectation", text: post("/sum", 5, "Expect: a-miracle\r\n"), status: 417 },
];

for (const { what, text, status } of REFUSALS) {
  test(`A request with ${what} gets ${status} and the connection ends`, async () => {
    await shared.run(async (app) => {
      const before = app.stats;
      const client = await app.connect();
      // What follows would be an answerable request, were it read as one.
      client.send(get("/light") + text + get("/light"));
      const [first, refusal] = await client.receive(2);
      assert.equal(first?.text, "light");
      assert.equal(refusal?.status, status);
      assert.equal(refusal?.header("connection"), "close");
      assert.deepEqual(refusal?.interim, []);
      assert.equal(await client.ending(), "clean");
      assert.equal(client.responses.length, 2);
      assert.equal(app.stats.refused - before.refused, 1);
    });
  });
}

test("Content at exactly the limit is taken", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    client.send(post("/small", 1000) + "a".repeat(1000) + post("/one", 1) + "a" + get("/light"));
    const texts = (await client.receive(3)).map((response) => response.text);
    assert.deepEqual(texts, ["1000", "hardly any content expected", "light"]);
  });
});

/** Sends until the kernel has taken it all, without reading; then reads the one response. */
async function refusedWhileSending(client: RawClient, head: string, bytes: number): Promise<void> {
  client.pause();
  client.send(head);
  const piece = new Uint8Array(256 * 1024);
  for (let sent = 0; sent < bytes; sent += piece.length) await client.sendAll(piece);
  assert.equal(client.closed, false, "the connection was cut while the client was sending");
  client.resume();
  const response = await client.response();
  assert.equal(response.header("connection"), "close");
  assert.equal(await client.ending(), "clean");
}

test("A refusal has its content, whatever was asked before on other connections", async () => {
  await shared.run(async (app) => {
    for (const refused of ["\r\n".repeat(9), "GET  / HTTP/1.1\r\n\r\n"]) {
      const head = await app.exchange(get("/light").replace("GET", "HEAD"), { isHead: () => true });
      assert.equal(head.status, 200);
      const refusal = await app.exchange(refused);
      assert.equal(refusal.status, 400);
      assert.equal(refusal.bodyLength, Number(refusal.header("content-length")));
    }
  });
});

test("A refusal is not lost to a reset when the client goes on sending before it reads", async () => {
  await shared.run(async (app) => {
    for (
      const head of [
        post("/echo", 1 << 30),
        "GET / HTTP/9.9\r\n\r\n",
        get("/", `A: ${"a".repeat(20_000)}\r\n`),
      ]
    ) {
      await refusedWhileSending(await app.connect(), head, 8 * MEBIBYTE);
    }
  });
});

test("A refusal behind a slow response is not lost when the client goes on sending", async () => {
  await shared.run(async (app) => {
    await withGates(async (gates) => {
      const client = await app.connect();
      client.send(get(`/gate?${gates.query("a")}`) + post("/echo", 1 << 30));
      await gates.arrived("a");
      for (let i = 0; i < 16; i++) await client.sendAll(new Uint8Array(256 * 1024));
      gates.open("a");
      const responses = await client.receive(2);
      assert.deepEqual(responses.map(({ status }) => status), [200, 413]);
      assert.equal(await client.ending(), "clean");
    });
  });
});

test("A client that never stops sending after a refusal is cut off after a moment", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    client.send(post("/echo", 2 ** 40));
    const response = await client.response();
    assert.equal(response.status, 413);
    const since = performance.now();
    while (!client.closed) {
      await client.sendAll(new Uint8Array(64 * 1024));
      assert.ok(performance.now() - since < 15_000, "the client may send for ever");
    }
    await app.until("the connection is gone", (stats) => stats.connections === 0);
  });
});

// ── Expect: 100-continue ─────────────────────────────────────────────────────────────────────────────────────────

test("100 Continue comes at once for content that will be taken", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    client.send(post("/sum?how=bytes", 5, EXPECT));
    await client.until("100 comes", () => client.reader.interims.length === 1);
    assert.equal(client.responses.length, 0);
    client.send("hello");
    const response = await client.response();
    assert.deepEqual(response.interim, [100]);
    assert.match(response.text, /^5 /);
  });
});

for (const how of ["bytesSync", "chunksSync", "readSync", "bytes", "stream", "native"]) {
  test(`100 Continue comes when the handler begins to read long content with ${how}`, async () => {
    await shared.run(async (app) => {
      const client = await app.connect();
      client.send(post(`/sum?how=${how}`, MEBIBYTE, EXPECT));
      await client.until("100 comes", () => client.reader.interims.length === 1);
      await client.sendAll(new Uint8Array(MEBIBYTE));
      assert.match((await client.response()).text, /^1048576 /);
      assert.equal((await client.send(get("/light")).response(1)).text, "light");
    });
  });
}

test("100 Continue waits for its turn behind earlier responses", async () => {
  await shared.run(async (app) => {
    await withGates(async (gates) => {
      const client = await app.connect();
      client.send(get(`/gate?${gates.query("a")}`) + post("/sum?how=bytes", 5, EXPECT));
      await gates.arrived("a");
      assert.equal((await app.exchange(get("/light"))).text, "light");
      assert.equal(client.received, 0);
      gates.open("a");
      await client.until("100 comes", () => client.reader.interims.length === 1);
      assert.equal(client.responses.length, 1);
      client.send("hello");
      const response = await client.response(1);
      assert.deepEqual(response.interim, [100]);
      assert.match(response.text, /^5 /);
    });
  });
});

test("100 Continue is left out when the content came along, and in HTTP/1.0", async () => {
  await shared.run(async (app) => {
    const together = await app.connect();
    together.send(post("/sum?how=bytes", 5, EXPECT) + "hello");
    assert.deepEqual((await together.response()).interim, []);
    const old = await app.connect();
    old.send(`POST /sum?how=bytes HTTP/1.0\r\nContent-Length: 5\r\n${EXPECT}\r\n`);
    // An answer on another connection: 100 would have come by now.
    assert.equal((await app.exchange(get("/light"))).text, "light");
    assert.equal(old.received, 0);
    assert.deepEqual((await old.send("hello").response()).interim, []);
  });
});

test("100 Continue is left out when the refusal is sure", async () => {
  await shared.run(async (app) => {
    for (const head of [post("/echo", MEBIBYTE + 1, EXPECT), post("/one", 2, EXPECT)]) {
      const client = await app.connect();
      const response = await client.send(head).response();
      assert.equal(response.status, 413);
      assert.deepEqual(response.interim, []);
      assert.equal(await client.ending(), "clean");
    }
  });
});

test("100 Continue is left out when the handler answers without reading, and the connection ends", async () => {
  await shared.run(async (app) => {
    // Long enough to be streamed, short enough that reading it for nothing would be thinkable.
    for (const length of [300_000, 100 * MEBIBYTE]) {
      const client = await app.connect();
      const response = await client.send(post("/ignore/wide", length, EXPECT)).response();
      assert.equal(response.text, "ignored");
      assert.deepEqual(response.interim, []);
      assert.equal(response.header("connection"), "close");
      // The client sends no content now; were the connection kept, this request would be taken for content.
      assert.equal(await client.ending(), "clean");
    }
  });
});

test("A client that got its answer instead of 100 Continue may not have its next request taken for content", async () => {
  await withApp("app.ts", { spoolBodyBytes: 0 }, async (app) => {
    const next = get("/light");
    const client = await app.connect();
    const response = await client.send(post("/ignore", next.length, EXPECT)).response();
    assert.equal(response.text, "ignored");
    assert.deepEqual(response.interim, []);
    assert.equal(response.header("connection"), "close");
    client.send(next);
    assert.equal(await client.ending(), "clean");
    assert.equal(client.responses.length, 1);
    assert.equal(app.stats.requests, 1);
  });
});

for (const how of ["sends it", "closes"]) {
  test(`An early answer in place of 100 Continue ends the connection behind the content (the client ${how})`, async () => {
    await shared.run(async (app) => {
      await withGates(async (gates) => {
        const client = await app.connect();
        client.send(post(`/respond-then-read/async?${gates.query("a")}`, 600_000, EXPECT));
        const response = await client.response();
        assert.equal(response.text, "early");
        assert.deepEqual(response.interim, []);
        // It may never send the content: only a connection that ends leaves no doubt about what it sends next.
        assert.equal(response.header("connection"), "close");
        gates.open("a");
        if (how === "closes") client.end();
        else client.send(new Uint8Array(600_000)).send(get("/light"));
        await gates.arrived("a-read");
        assert.equal(gates.note("a-read"), how === "closes" ? "ERR_CLIENT_GONE" : "600000");
        assert.equal(await client.ending(), "clean");
        assert.equal(client.responses.length, 1);
      });
    });
  });
}

test("A handler that answers early in place of 100 Continue and is done ends the connection", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    const response = await client.send(post("/ignore/early", 300_000, EXPECT)).response();
    assert.deepEqual([response.text, response.header("connection")], ["early", "close"]);
    assert.deepEqual(response.interim, []);
    client.send(get("/light"));
    assert.equal(await client.ending(), "clean");
    assert.equal(client.responses.length, 1);
  });
});

// ── empty lines ──────────────────────────────────────────────────────────────────────────────────────────────────

const EMPTY_LINES = ["\r\n", "\r", "\r\n\r\n\r\n\r\n"];

test("Empty lines are no request: they are not answered when the time is over, nor at FIN", async () => {
  await withApp("app.ts", { headerTimeoutMs: 100, keepAliveTimeoutMs: 400 }, async (app) => {
    const cases = EMPTY_LINES.flatMap((lines) =>
      ["", get("/light")].flatMap((before) => [true, false].map((ends) => ({ lines, before, ends })))
    );
    await Promise.all(cases.map(async ({ lines, before, ends }) => {
      const client = await app.connect();
      if (before !== "") await client.send(before).response();
      const since = performance.now();
      client.send(lines);
      if (ends) client.end();
      assert.equal(await client.ending(), "clean");
      assert.equal(client.responses.length, before === "" ? 0 : 1);
      const took = performance.now() - since;
      assert.ok(ends || took >= 380, `${JSON.stringify(lines)} ended the connection after ${took} ms`);
    }));
    assert.equal(app.stats.refused, 0);
  });
});

test("The time of a header section begins with its first octet, not with an empty line before it", async () => {
  await withApp("app.ts", { headerTimeoutMs: 300 }, async (app) => {
    const client = await app.connect();
    await client.send(get("/light") + "\r\n").response();
    await app.exchange(get("/number?n=1&ms=400"));
    const since = performance.now();
    client.send("G");
    assert.equal((await client.response(1)).status, 408);
    assert.ok(performance.now() - since >= 280, `too early: ${performance.now() - since} ms`);
    const other = await app.connect();
    for (let i = 0; i < 3; i++) {
      assert.equal((await other.send("\r\n\r\n" + get("/light") + "\r\n").response(i)).text, "light");
    }
  });
});

// ── too slow ─────────────────────────────────────────────────────────────────────────────────────────────────────

test("A header section that trickles in gets 408 when headerTimeoutMs is over", async () => {
  await withApp("app.ts", { headerTimeoutMs: 400, keepAliveTimeoutMs: 60_000 }, async (app) => {
    const client = await app.connect();
    await client.send(get("/light")).response();
    const since = performance.now();
    client.send("GET /light HTTP/1.1\r\nHost: x\r\n");
    const trickle = setInterval(() => client.send("A: b\r\n"), 20);
    try {
      const response = await client.response(1);
      assert.equal(response.status, 408);
      assert.equal(response.header("connection"), "close");
      assert.ok(performance.now() - since >= 380, `too early: ${performance.now() - since} ms`);
      assert.equal(await client.ending(), "clean");
    } finally {
      clearInterval(trickle);
    }
    assert.equal(app.stats.refused, 1);
  });
});

test("Content that stalls gets 408 after bodyTimeoutMs; content that trickles is taken", async () => {
  await withApp("app.ts", { bodyTimeoutMs: 300 }, async (app) => {
    const trickling = await app.connect();
    trickling.send(post("/sum?how=bytes", 20));
    let rounds = 0;
    const trickle = setInterval(() => trickling.send("a") && ++rounds === 20 && clearInterval(trickle), 40);
    try {
      const since = performance.now();
      const stalled = await app.connect();
      const response = await stalled.send(post("/sum?how=bytes", 20) + "hello").response();
      assert.equal(response.status, 408);
      assert.ok(performance.now() - since >= 280, `too early: ${performance.now() - since} ms`);
      assert.equal(await stalled.ending(), "clean");
      const taken = await trickling.response();
      assert.match(taken.text, /^20 /);
      assert.ok(performance.now() - since >= 600, "the test's own trickle was too fast to prove anything");
    } finally {
      clearInterval(trickle);
    }
  });
});

for (const path of ["/fails", "/fails/async"]) {
  test(`A handler that reads at ${path} is told of content that stalls, and the client gets 408`, async () => {
    await withApp("app.ts", { bodyTimeoutMs: 300, spoolBodyBytes: 0 }, async (app) => {
      await withGates(async (gates) => {
        const client = await app.connect();
        client.send(post(`${path}?${gates.query("a")}`, 20) + "hello");
        assert.equal((await client.response()).status, 408);
        assert.equal(gates.note("a"), "ERR_TIMEOUT");
        assert.equal(await client.ending(), "clean");
        assert.equal((await app.exchange(get("/light"))).text, "light");
      });
    });
  });
}

test("The server that these tests share stops", () => shared.stop());
