/**
 * What the examples that others rely on answer: hello, echo, blocking, hono, database.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { get, post } from "../support/raw_client.ts";
import { withExample } from "../support/start_example.ts";

const MIB = 1024 * 1024;

test("hello.ts greets", async () => {
  await withExample("hello", {}, async (app) => {
    const response = await app.exchange(get("/"));
    assert.equal(response.status, 200);
    assert.match(response.header("content-type") ?? "", /^text\/plain\b/);
    assert.equal(response.text, "Hello, World!");
    assert.equal((await app.exchange(get("/nothing"))).status, 404);
  });
});

test("echo.ts sends back the content of any request", async () => {
  await withExample("echo", {}, async (app) => {
    for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"]) {
      for (const target of ["/", "/any/path?x=1", "*"]) {
        if (target === "*" && method !== "OPTIONS") continue;
        const head = `${method} ${target} HTTP/1.1\r\nHost: test\r\nContent-Type: text/x-test\r\n`;
        const full = await app.exchange(`${head}Content-Length: 5\r\n\r\nhello`);
        assert.equal(full.status, 200, `${method} ${target}`);
        assert.equal(full.text, "hello");
        assert.equal(full.header("content-type"), "text/x-test");
        const empty = await app.exchange(`${head}\r\n`);
        assert.equal(empty.status, 200);
        assert.equal(empty.bodyLength, 0);
      }
    }
    const isHead = { isHead: () => true };
    const head = await app.exchange(
      "HEAD / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello",
      isHead,
    );
    assert.equal(head.status, 200);
  });
});

test("echo.ts sends back 8 MiB, with a length and in chunks", async () => {
  const content = new Uint8Array(8 * MIB);
  for (let i = 0; i < content.length; i++) content[i] = (i * 31) ^ (i >> 8);
  await withExample("echo", {}, async (app) => {
    const client = await app.connect();
    void client.sendAll(post("/", content.length)).then(() => client.sendAll(content));
    const first = await client.response(0);
    assert.equal(first.status, 200);
    assert.ok(sameBytes(first.body, content));
    client.send("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (let at = 0; at < content.length; at += MIB) {
      client.send(`${MIB.toString(16)}\r\n`).send(content.subarray(at, at + MIB)).send("\r\n");
    }
    client.send("0\r\n\r\n");
    assert.ok(sameBytes((await client.response(1)).body, content));
  });
});

test("echo.ts refuses a terabyte before it is sent", async () => {
  await withExample("echo", {}, async (app) => {
    for (const field of ["", "Expect: 100-continue\r\n"]) {
      const client = await app.connect();
      const response = await client.send(post("/", 2 ** 40, field)).response();
      assert.equal(response.status, 413);
      assert.deepEqual(response.interim, []);
      assert.equal(await client.ending(), "clean");
    }
  });
});

test("blocking.ts blocks, burns and awaits for as long as it is asked", async () => {
  await withExample("blocking", {}, async (app) => {
    assert.equal((await app.exchange(get("/"))).text, "abcdefghijklmnopqrstuvwxyz");
    for (const path of ["/sleep", "/spin", "/async"]) {
      const start = performance.now();
      assert.equal((await app.exchange(get(`${path}?ms=60`))).status, 200);
      // Clocks of two processes and timers may differ by a little.
      assert.ok(performance.now() - start >= 55, path);
    }
    assert.equal((await app.exchange(get("/light"))).status, 200);
  });
});

test("blocking.ts goes on while a handler never returns, and answers for it at the deadline", async () => {
  await withExample("blocking", { DEADLINE_MS: "3000" }, async (app) => {
    const stuck = await app.connect();
    stuck.send(get("/loop"));
    // The second thread answers; should it be the one that /loop is about to take, the first does.
    assert.equal((await app.exchange(get("/light"))).status, 200);
    assert.equal(stuck.responses.length, 0);
    assert.equal((await stuck.response()).status, 503);
    assert.equal((await app.exchange(get("/light"))).status, 200);
  });
});

test("blocking.ts answers 500 for a thread that dies, and has another", async () => {
  await withExample("blocking", { WORKERS: "1" }, async (app) => {
    for (let i = 0; i < 3; i++) {
      assert.equal((await app.exchange(get("/crash"))).status, 500);
      assert.equal((await app.exchange(get("/light"))).status, 200);
    }
    assert.match(app.stderr, /crashed on purpose/);
  });
});

test("hono.ts runs a Hono app", async () => {
  await withExample("hono", {}, async (app) => {
    const root = await app.exchange(get("/"));
    assert.equal(root.status, 200);
    assert.match(root.header("content-type") ?? "", /^text\/plain\b/);
    const json = await app.exchange(get("/json"));
    assert.match(json.header("content-type") ?? "", /^application\/json\b/);
    assert.equal(typeof JSON.parse(json.text), "object");
    assert.equal((await app.exchange(post("/echo", 5) + "hello")).text, "hello");
    assert.deepEqual(JSON.parse((await app.exchange(get("/users/a%20b"))).text), { id: "a b" });
    assert.equal((await app.exchange(get("/nowhere"))).status, 404);
    const isHead = { isHead: () => true };
    assert.equal((await app.exchange("HEAD /json HTTP/1.1\r\nHost: test\r\n\r\n", isHead)).status, 200);
  });
});

test("database.ts counts every POST once, from many connections", async () => {
  await withExample("database", { WORKERS: "3" }, async (app) => {
    assert.equal((await app.exchange(get("/get"))).text, "0");
    const answers = await Promise.all(Array.from({ length: 60 }, () => app.exchange(post("/inc", 0))));
    const values = answers.map(({ text }) => Number(text)).sort((a, b) => a - b);
    assert.deepEqual(values, Array.from({ length: 60 }, (_, index) => index + 1));
    assert.equal((await app.exchange(get("/get"))).text, "60");
  });
});

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, index) => octet === b[index]);
}
