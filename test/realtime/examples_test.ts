/**
 * Tests of the examples websocket_echo, chat, advanced_chat and sse: each in a process of its own, on the runtime that
 * runs the test.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { get } from "../support/raw_client.ts";
import type { ChildApp } from "../support/start_app.ts";
import { withExample } from "../support/start_example.ts";
import { concat, frame } from "../websocket/client_frames.ts";
import { handshake, SocketClient } from "./support/socket_client.ts";
import { WsClient } from "./support/ws_client.ts";

/** Runs `body` with an example and clients that are gone when it stops. */
function run(
  name: string,
  body: (app: ChildApp, open: (path: string) => Promise<SocketClient>) => Promise<void>,
): Promise<unknown> {
  return withExample(name, {}, async (app) => {
    const clients: SocketClient[] = [];
    await body(app, async (path) => {
      const client = await SocketClient.open(app.port, path);
      clients.push(client);
      return client;
    });
    for (const client of clients) client.reset();
  });
}

test("websocket_echo.ts sends messages of both kinds back, at any path", async () => {
  await run("websocket_echo", async (_app, open) => {
    for (const path of ["/", "/any/where", "/x?y=z"]) {
      const client = await open(path);
      client.send(concat(frame({ payload: "text ü" }), frame({ opcode: 2, payload: Uint8Array.of(0, 255) })));
      assert.equal(await client.nextText(), "text ü");
      const { opcode, payload } = await client.next();
      assert.deepEqual([opcode, payload], [2, Uint8Array.of(0, 255)]);
      client.sayClose(1000, "bye");
      assert.deepEqual(await client.closing(), { code: 1000, reason: "bye" });
    }
  });
});

test("websocket_echo.ts takes messages up to 64 MiB, and refuses larger ones with 1009", async () => {
  await run("websocket_echo", async (_app, open) => {
    const size = 64 * 1024 * 1024;
    const client = await open("/");
    const head = frame({ opcode: 2, payload: "", key: [0, 0, 0, 0], announced: BigInt(size) });
    const sent = client.sendAll(concat(head, new Uint8Array(size).fill(7)));
    const { payload } = await client.next(60_000);
    await sent;
    assert.ok(payload.length === size && payload.every((octet) => octet === 7));
    client.send(frame({ opcode: 2, payload: "", announced: BigInt(size + 1) }));
    assert.equal((await client.closing()).code, 1009);
  });
});

test("websocket_echo.ts compresses where the client offers it, and serves a client that sends all before it reads", async () => {
  await run("websocket_echo", async (app, open) => {
    const client = await WsClient.open(app.port, "/", { perMessageDeflate: { threshold: 0 } });
    assert.match(client.socket.extensions, /permessage-deflate/);
    const text = "compress me ".repeat(1000);
    client.socket.send(text);
    assert.equal(await client.next(), text);
    client.socket.close();
    await client.closing();
    const greedy = await open("/");
    greedy.pause();
    const count = 300;
    const sending = (async () => {
      for (let i = 0; i < count; i++) {
        await greedy.sendAll(frame({ opcode: 2, payload: new Uint8Array(65_536).fill(i) }));
      }
    })();
    greedy.resume();
    await sending;
    await greedy.until("all came back", () => greedy.frames.length === count || greedy.close !== null);
    assert.ok(greedy.frames.every(({ payload }, i) => payload.length === 65_536 && payload[0] === i % 256));
  });
});

test("chat.ts has a page, and what one says all hear", async () => {
  await run("chat", async (app, open) => {
    const page = await app.exchange(get("/"));
    assert.equal(page.status, 200);
    assert.match(page.header("content-type") ?? "", /^text\/html\b/);
    assert.match(page.text, /new WebSocket/);
    const clients = [await open("/chat"), await open("/chat"), await open("/chat")];
    // An echo of one's own says that the subscription is entered.
    for (const [i, client] of clients.entries()) {
      client.text(`hello from ${i}`);
      await client.until("it is heard", () => client.frames.some(({ text }) => text === `hello from ${i}`));
    }
    clients[0]?.text("to all");
    for (const client of clients) {
      await client.until("it is heard", () => client.frames.at(-1)?.text === "to all");
    }
  });
});

test("advanced_chat.ts tells rooms apart, names who is there, and what was said", async () => {
  await run("advanced_chat", async (app, open) => {
    assert.match((await app.exchange(get("/"))).text, /<title>Rooms<\/title>/);
    const heard = (client: SocketClient): string[] =>
      client.frames.map(({ text }) => JSON.parse(text) as { what: string; name: string; text?: string })
        .map(({ what, name, text }) => `${what} ${name}${text === undefined ? "" : ` ${text}`}`);
    const hears = (client: SocketClient, ...lines: string[]): Promise<void> =>
      client.until(`it hears ${lines.join()}`, () => lines.every((each) => heard(client).includes(each)));
    const anna = await open("/rooms/tea?name=Anna");
    await hears(anna, "here Anna");
    const bert = await open("/rooms/tea?name=Bert%20B");
    await hears(anna, "here Bert B");
    await hears(bert, "here Anna", "here Bert B");
    const carl = await open("/rooms/coffee?name=Carl");
    await hears(carl, "here Carl");
    anna.text("hello Bert");
    await hears(bert, "said Anna hello Bert");
    await hears(anna, "said Anna hello Bert");
    const dora = await open("/rooms/tea?name=Dora");
    await hears(dora, "here Anna", "here Bert B", "said Anna hello Bert", "here Dora");
    await bert.leave();
    await hears(anna, "left Bert B");
    assert.deepEqual(heard(carl), ["here Carl"]);
    // The heartbeat: who is silent is pinged, and its pong tells that it is still there.
    const before = heard(anna).filter((each) => each === "here Anna").length;
    await anna.until("a ping comes", () => anna.frames.some(({ opcode }) => opcode === 9));
    anna.frames.splice(0);
    anna.pong();
    await hears(anna, "here Anna");
    assert.equal(before, 1);
    for (const name of ["", "x".repeat(31)]) {
      const refused = await SocketClient.connect(app.port);
      refused.send(handshake(`/rooms/tea?name=${name}`));
      await refused.until("an answer is here", () => refused.head !== "");
      assert.equal(refused.status, 400);
      refused.reset();
    }
  });
});

test("sse.ts has a page, and an endless stream of events to the contract", async () => {
  await run("sse", async (app) => {
    const page = await app.exchange(get("/"));
    assert.match(page.text, /new EventSource/);
    const client = await app.connect();
    const begun = performance.now();
    client.send(get("/events"));
    const events: EventSourceMessage[] = [];
    const retries: number[] = [];
    let isFirstInTime = false;
    const read = (): void => {
      events.length = retries.length = 0;
      const parser = createParser({
        onEvent: (event) => events.push(event),
        onRetry: (ms) => retries.push(ms),
      });
      parser.feed(client.reader.partial?.text ?? "");
    };
    await client.until("22 events are here", () => {
      read();
      if (events.length === 1 && performance.now() - begun < 1000) isFirstInTime = true;
      return events.length >= 22;
    });
    const took = performance.now() - begun;
    assert.ok(isFirstInTime, "one at once");
    assert.ok(took > 1900 && took < 15_000, `${took}`);
    const first = client.reader.partial?.text.split("\n\n")[0] ?? "";
    assert.match(first, /^retry: [0-9]+$/m);
    assert.deepEqual(retries.length, 1);
    for (const [i, { id, event, data }] of events.entries()) {
      assert.equal(id, String(i + 1));
      assert.ok(event !== undefined && data !== "");
      assert.equal(data.includes("\n"), i % 10 === 9, `event ${i + 1}`);
    }
    // Coming back goes on behind the last id.
    const again = await app.connect();
    again.send(get("/events", "Last-Event-ID: 22\r\n"));
    await again.until("an event is here", () => (again.reader.partial?.text ?? "").includes("\n\n"));
    assert.match(again.reader.partial?.text ?? "", /^id: 23$/m);
    const head = await app.exchange("HEAD /events HTTP/1.1\r\nHost: x\r\n\r\n", { isHead: () => true });
    assert.equal(head.header("content-type"), "text/event-stream");
    client.reset();
    again.reset();
  });
});
