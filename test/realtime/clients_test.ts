/**
 * Tests with real clients: the `ws` package, the WebSocket of the runtime, an event source that reconnects.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createParser } from "eventsource-parser";
import { until } from "../support/until.ts";
import { SharedRealtime, withRealtime } from "./support/realtime_app.ts";
import { WsClient } from "./support/ws_client.ts";

const shared = new SharedRealtime({ workers: 2 });

/** Messages of the runtime's own client, one by one. */
class NativeClient {
  readonly socket: WebSocket;
  readonly messages: unknown[] = [];
  close: CloseEvent | null = null;
  isOpen = false;

  constructor(url: string, protocols: string[] = []) {
    this.socket = new WebSocket(url, protocols);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.isOpen = true;
    this.socket.onmessage = ({ data }) => void this.messages.push(data);
    this.socket.onclose = (event) => this.close = event;
  }

  async opened(): Promise<this> {
    await until("it is open", () => this.isOpen);
    return this;
  }

  received(count: number): Promise<void> {
    return until(`${count} messages are here`, () => this.messages.length >= count);
  }
}

test("The runtime's own WebSocket talks to the server", async () => {
  await shared.run(async (app) => {
    const client = await new NativeClient(`ws://127.0.0.1:${app.port}/do?protocols=b,a`, ["a", "b"]).opened();
    assert.equal(client.socket.protocol, "b");
    client.socket.send("echo hello");
    client.socket.send(Uint8Array.from([0, 1, 255]));
    client.socket.send(`echo ${"long ".repeat(20_000)}`);
    client.socket.send(new Uint8Array(300_000).fill(3));
    await client.received(4);
    assert.equal(client.messages[0], "hello");
    assert.deepEqual(new Uint8Array(client.messages[1] as ArrayBuffer), Uint8Array.from([0, 1, 255]));
    assert.equal(client.messages[2], "long ".repeat(20_000));
    assert.equal((client.messages[3] as ArrayBuffer).byteLength, 300_000);
    client.socket.close(3001, "thanks");
    await until("it is closed", () => client.close !== null);
    assert.deepEqual([client.close?.code, client.close?.reason, client.close?.wasClean], [
      3001,
      "thanks",
      true,
    ]);
  });
});

test("The runtime's own WebSocket hears the server's close code and reason", async () => {
  await shared.run(async (app) => {
    for (
      const [command, code, reason] of [["close 4321 enough", 4321, "enough"], [
        "throw",
        1011,
        "A handler failed",
      ]] as const
    ) {
      const client = await new NativeClient(`ws://127.0.0.1:${app.port}/do`).opened();
      client.socket.send(command);
      await until("it is closed", () => client.close !== null);
      assert.deepEqual([client.close?.code, client.close?.reason, client.close?.wasClean], [
        code,
        reason,
        true,
      ]);
    }
  });
});

test("The runtime's own WebSocket fails where the handshake is refused", async () => {
  await shared.run(async (app) => {
    const client = new NativeClient(`ws://127.0.0.1:${app.port}/decide?refuse`);
    await until("it is closed", () => client.close !== null);
    // The standard says 1006 here; Deno says 0.
    assert.deepEqual([client.close?.wasClean, client.isOpen], [false, false]);
  });
});

test("Many of the runtime's own WebSockets hear each other", async () => {
  await shared.run(async (app) => {
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => new NativeClient(`ws://127.0.0.1:${app.port}/do`).opened()),
    );
    for (const client of clients) client.socket.send("subscribe all");
    await Promise.all(clients.map((client) => client.received(1)));
    for (const [i, client] of clients.entries()) client.socket.send(`others all ${i}`);
    await Promise.all(clients.map((client) => client.received(clients.length + 1)));
    for (const [i, client] of clients.entries()) {
      const heard = client.messages.slice(1).filter((text) => text !== "published").map(Number);
      assert.deepEqual(heard.sort((a, b) => a - b), clients.map((_, n) => n).filter((n) => n !== i));
    }
    for (const client of clients) client.socket.close();
    await until("all are closed", () => clients.every(({ close }) => close !== null));
  });
});

test("A ws client talks, pings, and closes", async () => {
  await shared.run(async (app) => {
    const client = await WsClient.open(app.port, "/do?protocols=chat", {
      origin: "http://x",
      headers: { "x-a": "b" },
    }, ["chat"]);
    client.socket.send("echo text");
    client.socket.send(new Uint8Array([9, 8]));
    client.socket.ping("are you there");
    assert.equal(await client.next(), "text");
    assert.deepEqual(await client.next(), Uint8Array.of(9, 8));
    await client.until("the pong is here", () => client.pongs.length === 1);
    assert.equal(client.pongs[0], "are you there");
    client.socket.close(4000, "done");
    assert.deepEqual(await client.closing(), { code: 4000, reason: "done" });
  });
});

test("A ws client's large messages of 20 MiB come back", async () => {
  await shared.run(async (app) => {
    const client = await WsClient.open(app.port, "/echo", { maxPayload: 64 * 1024 * 1024 });
    const big = new Uint8Array(20 * 1024 * 1024).map((_, i) => i % 253);
    client.socket.send(big);
    const back = await client.next() as Uint8Array;
    assert.equal(back.length, big.length);
    assert.ok(back.every((octet, i) => octet === i % 253));
    client.socket.terminate();
  });
});

/** What `EventSource` does, with `fetch`: reads, reconnects after the retry time with the last event id. */
class EventReader {
  readonly events: { readonly id: string | undefined; readonly data: string }[] = [];
  connections = 0;
  readonly #url: string;
  #lastEventId = "";
  #retry = 10;
  #isClosed = false;
  #abort = new AbortController();

  constructor(url: string) {
    this.#url = url;
    void this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      this.#abort = new AbortController();
      const parser = createParser({
        onEvent: ({ id, data, event }) => {
          if (id !== undefined) this.#lastEventId = id;
          if (event === undefined) this.events.push({ id, data });
        },
        onRetry: (ms) => this.#retry = ms,
      });
      try {
        const headers: Record<string, string> = { accept: "text/event-stream" };
        if (this.#lastEventId !== "") headers["last-event-id"] = this.#lastEventId;
        const response = await fetch(this.#url, { headers, signal: this.#abort.signal });
        assert.equal(response.headers.get("content-type"), "text/event-stream");
        this.connections++;
        const decoder = new TextDecoder();
        for (const reader = (response.body as ReadableStream<Uint8Array>).getReader();;) {
          const { value, done } = await reader.read();
          if (done) break;
          parser.feed(decoder.decode(value, { stream: true }));
        }
      } catch {
        // Cut: it comes back.
      }
      await new Promise((resolve) => setTimeout(resolve, this.#retry));
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#abort.abort();
  }
}

test("An event source that is sent away comes back with its last id and misses nothing", async () => {
  await withRealtime({ workers: 2, topicHistory: 1000 }, async (app) => {
    const reader = new EventReader(`http://127.0.0.1:${app.port}/stream?topic=news`);
    await until("it is connected", () => reader.connections === 1);
    const { server } = app.local;
    // Until the subscription is entered, what is published is only kept.
    await until("it hears", () => {
      server.publish("news", "hello?");
      return reader.events.length > 0;
    });
    const numbers = (): number[] =>
      reader.events.map(({ data }) => Number(data)).filter((n) => !Number.isNaN(n));
    for (let i = 0; i < 300; i++) {
      server.publish("news", String(i));
      if (i % 100 !== 50) continue;
      await until("it has heard that", () => numbers().at(-1) === i);
      // The last stream ends; the reader is away for a moment, and publishing goes on.
      const connections = reader.connections;
      closeStreams(app.local.server);
      for (let more = 1; more <= 20; more++) server.publish("news", String(i + more / 100));
      await until("it is back", () => reader.connections === connections + 1);
    }
    await until("it has heard all", () => numbers().at(-1) === 299);
    const whole = numbers().filter((n) => Number.isInteger(n));
    assert.deepEqual(whole, Array.from({ length: 300 }, (_, i) => i));
    assert.equal(numbers().length, 300 + 3 * 20);
    reader.close();
  });
});

/** Ends every event stream of the server; ids are `generation * 2^18 + index`. */
function closeStreams(
  server: { eventStream(id: number): { readonly closed: boolean; close(): void } },
): void {
  for (let generation = 1; generation < 200; generation++) {
    for (let index = 0; index < 8; index++) {
      const stream = server.eventStream(generation * 2 ** 18 + index);
      if (!stream.closed) stream.close();
    }
  }
}

test("A fetch that reads a stream and cancels it is gone for the server", async () => {
  await shared.run(async (app) => {
    const response = await fetch(`http://127.0.0.1:${app.port}/stream?${app.gates.query("gone")}`);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const { value } = await reader.read();
    assert.match(new TextDecoder().decode(value), /^event: id\n/);
    await reader.cancel();
    await app.gates.arrived("gone");
  });
});

test("The server of this file stops", () => shared.stop());
