/**
 * What the limits of a route do to requests: the server asks the table before any handler runs.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withGates } from "../support/gate.ts";
import { post } from "../support/raw_client.ts";
import { withApp } from "../support/start_app.ts";

/** Path, octets of content, status. The server's limit is 2,000. */
const ROWS: readonly [path: string, length: number, status: number][] = [
  ["/server", 2000, 200],
  ["/server", 2001, 413],
  ["/more", 3000, 200],
  ["/more", 3001, 413],
  ["/less", 1, 200],
  ["/less", 2, 413],
  ["/unlimited", 2001, 200],
  ["/unlimited", 3_000_000, 200],
  ["/mounted", 7, 200],
  ["/mounted", 8, 413],
  ["/mounted/below/it", 8, 413],
  ["/no-such-route", 2001, 413],
];

test("maxBodyBytes of a route replaces the server's, and 0 lifts it", async () => {
  await withApp("route_limits_app.ts", { workers: 1, maxBodyBytes: 2000 }, async (app) => {
    for (const [path, length, status] of ROWS) {
      const request = post(path, length) + "x".repeat(length);
      const response = await app.exchange(request);
      assert.equal(response.status, status, `${path} with ${length} octets`);
      if (status === 200) assert.equal(response.text, String(length));
    }
  });
});

test("An app that is no router is served within its own limits", async () => {
  await withApp("limited_app.ts", {}, async (app) => {
    assert.equal((await app.exchange(`${post("/any/path", 5)}hello`)).text, "5");
    assert.equal((await app.exchange(`${post("/", 6)}hello!`)).status, 413);
  });
});

/** Path, the head of the request, whether the handler runs before the content comes. */
const AHEAD: readonly [path: string, framing: string, isAhead: boolean][] = [
  ["/ahead", "Content-Length: 5", true],
  ["/ahead", "Transfer-Encoding: chunked", true],
  ["/ahead", "Expect: 100-continue\r\nContent-Length: 5", true],
  ["/ahead/of-much", "Content-Length: 11", true],
  ["/ahead/of-much", "Content-Length: 10", false],
  ["/ahead/of-much", "Transfer-Encoding: chunked", false],
  ["/behind", "Content-Length: 500000", false],
];

test("spoolBodyBytes of a route says whether its handler runs ahead of a body", async () => {
  await withApp("route_limits_app.ts", { workers: 1 }, async (app) => {
    for (const [path, framing, isAhead] of AHEAD) {
      await withGates(async (gates) => {
        const name = `${path} ${framing}`;
        const client = await app.connect();
        client.send(`POST ${path}?${gates.query("a")} HTTP/1.1\r\nHost: test\r\n${framing}\r\n\r\n`);
        if (isAhead) await gates.arrived("a");
        else {
          // What came later is answered; the one thread has nothing to do with what waits for its content.
          assert.equal((await app.exchange(`${post("/less", 1)}x`)).text, "1", name);
          assert.equal(gates.hasArrived("a"), false, name);
        }
        const length = /Content-Length: (\d+)/.exec(framing)?.[1];
        client.send(length === undefined ? "5\r\nhello\r\n0\r\n\r\n" : "x".repeat(Number(length)));
        const response = await client.response();
        assert.equal(response.text, length ?? "5", name);
        assert.deepEqual(response.interim, framing.startsWith("Expect") ? [100] : [], name);
      });
    }
  });
});
