/**
 * Tests of handlers that pass their request on to another server with `fetch`.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:net";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { chunked, pattern } from "../support/chunked.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { type LocalApp, SharedApp, withApp } from "../support/start_app.ts";
import type { WireResponse } from "../support/http_response.ts";
import { until } from "../support/until.ts";

const proxy = new SharedApp("proxy_app.ts", { maxBodyBytes: 0 });

/**
 * Runs with the proxy, and the port of the server behind it: each time another, because `fetch` keeps connections to
 * it as long as it likes.
 */
async function behind(body: (app: LocalApp, port: number) => Promise<void>): Promise<void> {
  await withApp("app.ts", {}, (server) => proxy.run((app) => body(app, server.port)));
}

/** A request for the server behind. */
function head(port: number, line: string, ...fields: string[]): string {
  return [`${line} HTTP/1.1`, `Host: 127.0.0.1:${port}`, ...fields].join("\r\n") + "\r\n\r\n";
}

interface Echo {
  readonly method: string;
  readonly url: string;
  readonly fields: readonly string[];
  readonly text: string;
}

function echoOf(response: WireResponse): Echo {
  assert.equal(response.status, 200, response.text);
  return JSON.parse(response.text) as Echo;
}

test("fetch(request) sends method, URL, fields and content on, and its answer is an answer", async () => {
  await behind(async (app, port) => {
    const client = await app.connect();
    client.send(head(port, "GET /echo?a=%20b", "X-One: 1", "Cookie: a=1", "cookie: b=2"));
    const echo = echoOf(await client.response());
    assert.deepEqual([echo.method, echo.url], ["GET", `http://127.0.0.1:${port}/echo?a=%20b`]);
    assert.ok(echo.fields.includes("x-one: 1"));
    assert.ok(echo.fields.includes("cookie: a=1; b=2"));
    client.send(head(port, "PUT /echo", "Content-Type: text/x", "Content-Length: 5") + "hello");
    const put = echoOf(await client.response(1));
    assert.deepEqual([put.method, put.text], ["PUT", "hello"]);
    assert.ok(put.fields.includes("content-type: text/x"));
    client.send(head(port, "GET /status?code=204") + head(port, "GET /status?code=404"));
    assert.deepEqual((await client.receive(4)).slice(2).map(({ status }) => status), [204, 404]);
    assert.deepEqual(app.logs, []);
  });
});

test("fetch(request) leaves the fields of the client's connection behind", async () => {
  await behind(async (app, port) => {
    const fields = [
      "Connection: keep-alive, X-Mine, b@d",
      "Keep-Alive: timeout=5",
      "X-Mine: 1",
      "X-Theirs: 1",
      "TE: trailers",
      "Trailer: x-sum",
      "Upgrade: h2c",
      "Proxy-Connection: keep-alive",
      "Expect: 100-continue",
      "Transfer-Encoding: chunked",
    ];
    const client = await app.connect();
    client.send(head(port, "POST /echo", ...fields) + "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n");
    await client.until("the response is there", () => client.responses.some(({ status }) => status === 200));
    const response = client.responses.find(({ status }) => status === 200) as WireResponse;
    const echo = echoOf(response);
    assert.equal(echo.text, "hello");
    const names = echo.fields.map((line) => line.slice(0, line.indexOf(":")));
    assert.ok(names.includes("x-theirs"));
    for (const name of ["x-mine", "te", "trailer", "upgrade", "proxy-connection", "expect"]) {
      assert.ok(!names.includes(name), name);
    }
    // What the target says wins over Host (RFC 9112 section 3.2.2).
    const absolute = await app.exchange(
      `GET http://127.0.0.1:${port}/echo HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n`,
    );
    assert.ok(echoOf(absolute).fields.includes(`host: 127.0.0.1:${port}`));
  });
});

const WAYS: Readonly<Record<string, Partial<Echo>>> = {
  init: { method: "POST", text: "hello" },
  body: { method: "POST", text: "other" },
  read: { method: "POST", text: "HELLO" },
  method: { method: "PUT", text: "hello" },
  clone: { method: "POST", text: "hello" },
  copy: { method: "POST", text: "hello" },
  url: { method: "POST", text: "hello" },
  "url-copy": { method: "POST", text: "hello" },
};
test("A request is passed on as a native one is, in whatever way it is handed to fetch", async () => {
  await behind(async (app, port) => {
    for (const [how, expected] of Object.entries(WAYS)) {
      for (const length of ["Content-Length: 5", "Transfer-Encoding: chunked"]) {
        const content = length.startsWith("C") ? "hello" : "5\r\nhello\r\n0\r\n\r\n";
        const response = await app.exchange(
          head(port, "POST /echo", `X-How: ${how}`, "X-One: 1", length) + content,
        );
        const { method, text, fields } = echoOf(response);
        assert.deepEqual({ method, text }, expected, `${how}, ${length}`);
        assert.equal(fields.includes("x-added: 1"), how === "init");
        assert.equal(fields.includes("x-one: 1"), how !== "init");
      }
    }
    // A GET of `fetch` has no content.
    for (const how of ["", "init", "clone", "copy", "url", "url-copy"]) {
      for (const line of ["GET /echo", "get /echo"]) {
        const response = await app.exchange(head(port, line, `X-How: ${how}`, "Content-Length: 5") + "hello");
        assert.equal(echoOf(response).text, "", how);
        assert.equal(echoOf(response).method, "GET");
      }
    }
  });
});

test("Long bodies stream through, both ways", async () => {
  await behind(async (app, port) => {
    const content = pattern(3_000_000);
    const hash = createHash("sha256").update(content).digest("hex");
    for (const path of ["/sum?how=stream", "/sum?how=readSync"]) {
      const client = await app.connect();
      client.send(head(port, `POST ${path}`, `Content-Length: ${content.length}`)).send(content);
      assert.ok((await client.response()).text.startsWith(`${content.length} ${hash}`));
      client.send(head(port, `POST ${path}`, "Transfer-Encoding: chunked"));
      client.send(chunked(content, new SeededRandom()));
      assert.ok((await client.response(1)).text.startsWith(`${content.length} ${hash}`));
    }
    const pieces = await app.exchange(head(port, "GET /pieces?count=40"));
    assert.equal(pieces.body.length, 40 * (48 * 1024 + 1));
  });
});

test("A response that the server behind would code reaches the client with the right coding", async () => {
  await behind(async (app, port) => {
    for (const fields of [[], ["Accept-Encoding: gzip"]]) {
      const response = await app.exchange(head(port, "GET /text?length=5000", ...fields));
      const coding = response.header("content-encoding");
      const content = coding === null ? response.body : gunzipSync(response.body);
      assert.equal(new TextDecoder().decode(content), "compressible ".repeat(385).slice(0, 5000));
    }
  });
});

test("A client that leaves takes the request behind with it, before there is a response", async () => {
  let arrived = false;
  let left = false;
  const silent = createServer((socket) => {
    socket.on("data", () => arrived = true);
    socket.on("error", () => left = true);
    socket.on("close", () => left = true);
  });
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const address = silent.address();
  assert.ok(typeof address === "object" && address !== null);
  try {
    await proxy.run(async (app) => {
      const client = await app.connect();
      client.send(head(address.port, "POST /", "Content-Length: 5") + "hello");
      await until("the request is there", () => arrived);
      assert.equal(left, false);
      client.reset();
      await until("the request is given up", () => left);
    });
  } finally {
    silent.close();
  }
});

test("The proxy that these tests share stops", () => proxy.stop());
