/**
 * Tests of WebSocket handlers that an app exports beside `fetch`.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { get } from "../support/raw_client.ts";
import { type LocalApp, withApp } from "../support/start_app.ts";
import { frame } from "../websocket/client_frames.ts";
import { SocketClient } from "./support/socket_client.ts";

/** Runs `body` with a client, and a function that gives the next event that a handler told. */
async function withClient(
  body: (client: SocketClient, next: () => Promise<unknown>, app: LocalApp) => Promise<void>,
): Promise<void> {
  await withApp("websocket_app.ts", {}, async (app) => {
    const observer = await SocketClient.open(app.port, "/observe");
    assert.equal(await observer.nextText(), "welcome");
    const client = await SocketClient.open(app.port, "/");
    assert.equal(await client.nextText(), "welcome");
    try {
      await body(client, async () => JSON.parse(await observer.nextText()) as unknown, app);
    } finally {
      client.reset();
      observer.reset();
    }
  });
}

test("Every event of an app's sockets goes to the handlers beside its fetch", async () => {
  await withClient(async (client, next) => {
    assert.deepEqual(await next(), { event: "open", count: 0 });
    assert.equal(await client.ask("hello"), "hello");
    assert.deepEqual(await next(), { event: "message", count: 1, isText: true });
    client.binary(Uint8Array.of(1, 2));
    assert.deepEqual([...(await client.next()).payload], [1, 2]);
    assert.deepEqual(await next(), { event: "message", count: 2, isText: false });
    client.ping("p");
    assert.deepEqual(await next(), { event: "ping", count: 2, payload: "p" });
    assert.equal((await client.next()).opcode, 10);
    client.pong("q");
    assert.deepEqual(await next(), { event: "pong", count: 2, payload: "q" });
    client.text("much");
    assert.equal((await client.next()).payload.length, 60_000);
    assert.deepEqual(await next(), { event: "message", count: 3, isText: true });
    assert.deepEqual(await next(), { event: "drain", count: 3 });
    client.sayClose(4000, "bye");
    assert.deepEqual(await client.closing(), { code: 4000, reason: "bye" });
    assert.deepEqual(await next(), { event: "close", count: 3, code: 4000, reason: "bye" });
  });
});

test("A fault is told to the handlers beside an app's fetch, and requests that are none of theirs are answered", async () => {
  await withClient(async (client, next, app) => {
    assert.deepEqual(await next(), { event: "open", count: 0 });
    client.send(frame({ opcode: 3, payload: "" }));
    assert.deepEqual(await next(), { event: "error", count: 0, code: "ERR_SOCKET" });
    assert.deepEqual(await next(), {
      event: "close",
      count: 0,
      code: 1002,
      reason: (await client.closing()).reason,
    });
    assert.equal((await app.exchange(get("/"))).text, "no socket");
  });
});
