/**
 * Tests of event streams through the server: octets on the wire, ends of all kinds, sends from any thread.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { get, post, type RawClient } from "../support/raw_client.ts";
import { until } from "../support/until.ts";
import { type RealtimeApp, SharedRealtime, withRealtime } from "./support/realtime_app.ts";

const shared = new SharedRealtime({ workers: 2 });

/** What an event source makes of a stream, and what it passes over. */
interface Heard {
  readonly events: EventSourceMessage[];
  readonly comments: string[];
  readonly retries: number[];
}

function heard(text: string): Heard {
  const result: Heard = { events: [], comments: [], retries: [] };
  const parser = createParser({
    onEvent: (event) => result.events.push(event),
    onComment: (comment) => result.comments.push(comment),
    onRetry: (ms) => result.retries.push(ms),
    onError: (error) => {
      throw error;
    },
  });
  parser.feed(text);
  return result;
}

/** The content so far. */
function textOf(client: RawClient): string {
  return (client.reader.partial ?? client.responses[0])?.text ?? "";
}

/** Opens a stream; its id is that of its first event. */
async function open(app: RealtimeApp, query = "", fields = "") {
  const client = await app.local.connect();
  client.send(get(`/stream?${query}`, fields));
  await client.until("the first event is here", () => textOf(client).includes("\n\n"));
  const first = heard(textOf(client)).events[0];
  const { id, lastEventId } = JSON.parse(first?.data ?? "") as { id: number; lastEventId: string };
  return { client, id, lastEventId };
}

const encode = encodeURIComponent;

test("A stream has the fields that proxies and browsers need", async () => {
  await shared.run(async (app) => {
    const { client } = await open(app);
    const response = client.reader.partial;
    assert.equal(response?.status, 200);
    assert.equal(response.header("content-type"), "text/event-stream");
    assert.equal(response.header("cache-control"), "no-cache");
    assert.equal(response.header("connection"), "close");
    assert.equal(response.header("transfer-encoding"), "chunked");
    assert.equal(response.header("content-length"), null);
    assert.match(response.header("date") ?? "", / GMT$/);

    const named = await open(app, "field=mine");
    assert.equal(named.client.reader.partial?.header("x-field"), "mine");
    assert.equal(named.client.reader.partial?.header("cache-control"), "no-store");
  });
});

test("To an HTTP/1.0 client a stream goes without chunks, to its end", async () => {
  await shared.run(async (app) => {
    const client = await app.local.connect();
    client.send("GET /stream?end HTTP/1.0\r\n\r\n");
    assert.equal(await client.ending(), "clean");
    const response = await client.response();
    assert.equal(response.framing, "close");
    assert.equal(response.header("transfer-encoding"), null);
    assert.equal(heard(response.text).events.length, 1);
  });
});

test("HEAD gets the fields and no stream, and the connection goes on", async () => {
  await shared.run(async (app) => {
    const client = await app.local.connect({ isHead: (index) => index === 0 });
    client.send(`HEAD /stream?${app.gates.query("head")} HTTP/1.1\r\nHost: x\r\n\r\n` + get("/light"));
    const [head, light] = await client.receive(2);
    assert.equal(head?.header("content-type"), "text/event-stream");
    assert.equal(light?.text, "light");
    await app.gates.arrived("head");
    assert.equal(app.gates.note("head"), "none");
  });
});

test("Events arrive as the grammar has it, whatever lines their data has", async () => {
  await shared.run(async (app) => {
    const { client, id } = await open(app);
    const sent = [
      { data: "one line" },
      { data: "two\nlines" },
      { data: "cr\rand crlf\r\nand an end\n" },
      { data: "" },
      { data: "\n\n" },
      { data: "data: not a field\nid: neither" },
      { data: "nul \0 inside", event: "named", id: "7" },
      { data: " leading space", id: "ünï" },
      { data: '{"json": true}', event: "x" },
    ];
    for (const event of sent) {
      assert.equal(await app.get(`/stream/event?id=${id}&text=${encode(JSON.stringify(event))}`), "queued");
    }
    assert.equal(
      await app.get(`/stream/event?id=${id}&text=${encode(JSON.stringify({ retry: 1234 }))}`),
      "queued",
    );
    assert.equal(await app.get(`/stream/comment?id=${id}&text=${encode("hi\nthere")}`), "queued");
    await app.get(`/stream/close?id=${id}`);
    const { text } = await client.response();
    const { events, comments, retries } = heard(text);
    assert.deepEqual(
      events.slice(1).map(({ data, event, id: eventId }) => [data, event, eventId]),
      sent.map(({ data, event, id: eventId }) => [data.replaceAll(/\r\n|\r/g, "\n"), event, eventId]),
    );
    assert.deepEqual(retries, [1234]);
    assert.deepEqual(comments, ["hi", "there"]);
    // One chunk an event: nothing waits for the next.
    assert.equal(await client.ending(), "clean");
  });
});

test("Fields cannot be injected", async () => {
  await shared.run(async (app) => {
    const { client, id } = await open(app);
    for (
      const event of [
        { event: "a\nb", data: "" },
        { event: "a\rb", data: "" },
        { id: "1\n", data: "" },
        { id: "1\0", data: "" },
        { retry: -1 },
        { retry: 1.5 },
        { data: 7 },
        {},
      ]
    ) {
      assert.equal(await app.get(`/stream/bad?id=${id}&text=${encode(JSON.stringify(event))}`), "ERR_EVENT");
    }
    for (const query of ["event=a%0Ab", "id=1%0D", "id=1%00"]) {
      assert.equal(await app.get(`/publish?topic=t&text=x&${query}`), "ERR_EVENT");
    }
    assert.equal(heard(textOf(client)).events.length, 1);
  });
});

test("Last-Event-ID is readable, however it is spelled", async () => {
  await shared.run(async (app) => {
    assert.equal((await open(app)).lastEventId, "");
    assert.equal((await open(app, "", "Last-Event-ID: 42\r\n")).lastEventId, "42");
    assert.equal((await open(app, "", "last-event-id: a b\r\n")).lastEventId, "a b");
  });
});

test("Last-Event-ID is UTF-8, as the ids were sent; what is none is replaced and not refused", async () => {
  await shared.run(async (app) => {
    const octets = (text: string): string =>
      Array.from(new TextEncoder().encode(text), (octet) => String.fromCharCode(octet)).join("");
    for (
      const [value, expected] of [
        [octets("é1"), "é1"],
        [octets("\ufeff日本 😀"), "\ufeff日本 😀"],
        ["a\xffb\xe2\x82", "a\ufffdb\ufffd"],
      ] as const
    ) {
      const client = await app.local.connect();
      client.send(Uint8Array.from(get("/stream", `Last-Event-ID: ${value}\r\n`), (c) => c.charCodeAt(0)));
      await client.until("the first event is here", () => textOf(client).includes("\n\n"));
      const { lastEventId } = JSON.parse(heard(textOf(client)).events[0]?.data ?? "") as {
        lastEventId: string;
      };
      assert.equal(lastEventId, expected);
    }
  });
});

test("Any thread sends on a stream, and the thread that called serve too", async () => {
  await shared.run(async (app) => {
    const { client, id } = await open(app);
    const gate = await app.local.connect();
    const threads = new Set<string>();
    for (let i = 0; i < 30; i++) {
      if (i === 10) {
        // One thread is blocked: the other is asked.
        gate.send(get(`/gate?${app.gates.query("g")}`));
        await app.gates.arrived("g");
      }
      const [status, thread = ""] = (await app.get(`/stream/send?id=${id}&text=${i}`)).split(" ");
      assert.equal(status, "queued");
      threads.add(thread);
    }
    app.gates.open("g");
    const { server } = app.local;
    assert.equal(server.eventStream(id).send("from the main thread"), "queued");
    assert.equal(await app.get(`/stream/state?id=${id}`), "false 0");
    server.eventStream(id).close();
    const datas = heard((await client.response()).text).events.slice(1).map(({ data }) => data);
    assert.deepEqual(datas, [...Array.from({ length: 30 }, (_, i) => String(i)), "from the main thread"]);
    assert.equal(await app.get(`/stream/state?id=${id}`), "true 0");
    assert.match(await app.get(`/stream/send?id=${id}&text=late`), /^closed/);
    assert.equal(server.eventStream(id).closed, true);
  });
});

for (const how of ["FIN", "RST"] as const) {
  test(`A client that leaves with ${how} is told: closed, onclose once, on the thread that opened`, async () => {
    await shared.run(async (app) => {
      const { client, id } = await open(app, app.gates.query("gone"));
      assert.equal(app.gates.hasArrived("gone"), false);
      if (how === "FIN") client.end();
      else client.reset();
      await app.gates.arrived("gone");
      assert.match(app.gates.note("gone"), /^[0-9]+ closed true closed$/);
      await until("every thread sees it", async () => await app.get(`/stream/state?id=${id}`) === "true 0");
    });
  });
}

test("A client that leaves at once is told, too", async () => {
  await shared.run(async (app) => {
    for (let i = 0; i < 20; i++) {
      const client = await app.local.connect();
      client.send(get(`/stream?${app.gates.query(`gone${i}`)}`));
      if (i % 2 === 0) client.end();
      else {
        await client.until("something is here", () => client.received > 0);
        client.reset();
      }
      await app.gates.arrived(`gone${i}`);
    }
  });
});

test("A stream to a client that has gone before its turn is none", async () => {
  await withRealtime({ workers: 2 }, async (app) => {
    const client = await app.local.connect();
    client.send(get(`/gate?${app.gates.query("first")}`) + get(`/stream?${app.gates.query("second")}`));
    await app.gates.arrived("first");
    await app.get("/light");
    // The stream's handler is through; its response waits for the first.
    client.reset();
    await app.gates.arrived("second");
    app.gates.open("first");
    assert.match(app.gates.note("second"), /closed true closed|none/);
  });
});

test("A stream behind an unanswered request keeps what is sent until its turn", async () => {
  await withRealtime({ workers: 2 }, async (app) => {
    const client = await app.local.connect();
    client.send(get(`/gate?${app.gates.query("first")}`) + get("/stream?topic=early"));
    await app.gates.arrived("first");
    await app.get("/publish?topic=early&text=published");
    assert.equal(client.received, 0);
    app.gates.open("first");
    await client.until("the event is here", () => (client.reader.partial?.text ?? "").includes("published"));
    const datas = heard(client.reader.partial?.text ?? "").events.slice(1).map(({ data }) => data);
    assert.deepEqual(datas, ["early", "published"]);
    assert.equal(client.responses[0]?.text, "passed");
  });
});

test("A comment goes out after silence, and not while events do", async () => {
  await shared.run(async (app) => {
    const { client, id } = await open(app, "comment=100");
    await client.until("comments come", () => textOf(client).split("\n:\n").length > 3);
    const quiet = await open(app, "comment=0");
    assert.equal(heard(textOf(quiet.client)).comments.length, 0);
    const busy = await open(app, "comment=400");
    const end = performance.now() + 1200;
    while (performance.now() < end) await app.get(`/stream/send?id=${busy.id}&text=x`);
    assert.deepEqual(heard(textOf(busy.client)).comments, []);
    assert.equal(await app.get(`/stream/state?id=${id}`), "false 0");
  });
});

test("A stream outlives the thread that opened it", async () => {
  await withRealtime({ workers: 1, logLevel: "error" }, async (app) => {
    const { client, id } = await open(app, "topic=t");
    await app.local.exchange(get("/die"));
    await app.local.until("a new thread is there", ({ workers }) => workers === 1);
    assert.match(await app.get(`/stream/send?id=${id}&text=${encode("by the next")}`), /^queued/);
    await app.get("/publish?topic=t&text=published");
    await client.until("both are here", () => textOf(client).includes("published"));
    assert.match(textOf(client), /data: by the next\n\ndata: published\n\n$/);
  });
});

test("An elastic pool keeps a thread whose streams are open: their timers go on", async () => {
  await withRealtime({ workers: { min: 1, max: 2, idleTimeoutMs: 50 } }, async (app) => {
    const blocked = await app.local.connect();
    blocked.send(get(`/gate?${app.gates.query("first")}`));
    await app.gates.arrived("first");
    // The pool grows for it, and the new thread ticks more rarely than it may idle.
    const { client } = await open(app, "tick=300");
    const ticks = (): string[] => heard(textOf(client)).events.slice(1).map(({ data }) => data);
    app.gates.open("first");
    await app.local.until("the idle one has left", ({ workers }) => workers === 1);
    const before = ticks().length;
    await client.until("it ticks on", () => ticks().length >= before + 4);
    assert.equal(new Set(ticks()).size, 1);
    assert.equal(app.local.stats.eventStreams, 1);
    client.reset();
    await app.local.until("it is forgotten", ({ eventStreams }) => eventStreams === 0);
  });
});

test("A client that is too slow is cut, not left with a gap", async () => {
  await shared.run(async (app) => {
    const client = await app.local.connect({ paused: true });
    client.send(get(`/stream?buffer=200000&topic=slow&${app.gates.query("cut")}`));
    await until("it is there", async () => {
      await app.get(`/publish?topic=slow&text=${"x".repeat(8000)}`);
      return app.gates.hasArrived("cut");
    });
    client.resume();
    const end = await client.ending();
    assert.ok(end === "cut" || end === "reset", end);
  });
});

test("A client that takes nothing for writeTimeoutMs is cut", async () => {
  await withRealtime({ writeTimeoutMs: 400 }, async (app) => {
    const client = await app.local.connect();
    client.send(get(`/stream?buffer=100000000&comment=100&${app.gates.query("cut")}`));
    await client.until("the first event is here", () => textOf(client).includes("\n\n"));
    const { id } = JSON.parse(heard(textOf(client)).events[0]?.data ?? "") as { id: number };
    client.pause();
    await app.get(`/stream/burst?id=${id}&count=400&size=65536`);
    await app.gates.arrived("cut");
  });
});

test("A large event arrives whole, and events of many threads do not mix", async () => {
  await shared.run(async (app) => {
    const { client, id } = await open(app, "buffer=100000000");
    await Promise.all(
      Array.from({ length: 6 }, () => app.get(`/stream/burst?id=${id}&count=5&size=300000`)),
    );
    await app.get(`/stream/close?id=${id}`);
    const { events } = heard((await client.response(0, 60_000)).text);
    assert.equal(events.length, 31);
    assert.ok(events.slice(1).every(({ data }) => data === "x".repeat(300_000)));
  });
});

test("A POST may become a stream, and pipelined requests behind a stream are not answered", async () => {
  await shared.run(async (app) => {
    const client = await app.local.connect();
    client.send(post("/stream", 11) + "a question?" + get("/light"));
    const response = await client.response();
    assert.deepEqual(heard(response.text).events.map(({ data }) => data), ["a question?"]);
    assert.equal(await client.ending(), "clean");
    assert.equal(client.responses.length, 1);
  });
});

test("Closing ends the response, and what the client does not read of it is not lost to a reset", async () => {
  await shared.run(async (app) => {
    const client = await app.local.connect({ paused: true });
    client.send(get("/stream?buffer=100000000&topic=end"));
    await until("it is there", () => app.local.stats.connections === 1 && app.local.stats.requests > 0);
    const text = "y".repeat(10_000);
    // Until it has subscribed, nothing comes of it; then all of it waits for the client.
    const { server } = app.local;
    let id = 0;
    client.resume();
    await client.until("the subscription is here", () => textOf(client).includes("event: subscribed"));
    id = (JSON.parse(heard(textOf(client)).events[0]?.data ?? "") as { id: number }).id;
    client.pause();
    for (let i = 0; i < 1000; i++) server.publish("end", text);
    server.eventStream(id).close();
    client.end();
    client.resume();
    assert.equal(await client.ending(), "clean");
    assert.equal(heard((await client.response()).text).events.length, 1002);
  });
});

test("The server of this file stops", () => shared.stop());
