/**
 * Tests of topics: WebSockets and event streams alike, order, replay, and that nothing is left behind.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createParser } from "eventsource-parser";
import { get, type RawClient } from "../support/raw_client.ts";
import { type RealtimeApp, SharedRealtime, withRealtime } from "./support/realtime_app.ts";
import type { SocketClient } from "./support/socket_client.ts";

const shared = new SharedRealtime({ workers: 3 });

interface Event {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: string;
}

/** The events of a stream so far, without those that the fixture sends itself. */
function eventsOf(client: RawClient): Event[] {
  const events: Event[] = [];
  const parser = createParser({
    onEvent: ({ id, event, data }) => {
      if (event !== "id" && event !== "subscribed") events.push({ id, event, data });
    },
  });
  parser.feed(client.reader.partial?.text ?? "");
  return events;
}

/** A stream that has subscribed. */
async function streamOf(app: RealtimeApp, topic: string, lastEventId = ""): Promise<RawClient> {
  const client = await app.local.connect();
  client.send(get(`/stream?topic=${topic}`, lastEventId === "" ? "" : `Last-Event-ID: ${lastEventId}\r\n`));
  await client.until(
    "it has subscribed",
    () => (client.reader.partial?.text ?? "").includes("event: subscribed\n"),
  );
  return client;
}

async function subscriber(app: RealtimeApp, topic: string, lastId?: string): Promise<SocketClient> {
  const client = await app.open(`/do?buffer=${64 * 1024 * 1024}`);
  client.text(`subscribe ${topic}${lastId === undefined ? "" : ` ${lastId}`}`);
  await client.until(
    "it has subscribed",
    () => client.frames.some(({ text }) => text === `subscribed ${topic}`),
  );
  return client;
}

/** What a subscriber got by the topic. */
const publishedTo = (client: SocketClient): string[] =>
  client.frames.map(({ text }) => text).filter((text) => !text.startsWith("subscribed "));

test("A publish reaches WebSockets and event streams alike, from any thread", async () => {
  await shared.run(async (app) => {
    const topic = app.topic();
    const sockets = await Promise.all(Array.from({ length: 3 }, () => subscriber(app, topic)));
    const streams = await Promise.all(Array.from({ length: 3 }, () => streamOf(app, topic)));
    const stranger = await subscriber(app, app.topic());
    await app.get(`/publish?topic=${topic}&text=${encodeURIComponent("two\nlines")}&event=news&id=n1`);
    app.local.server.publish(topic, "from the main thread");
    app.local.server.publish(topic, new TextEncoder().encode("bytes"));
    for (const client of sockets) {
      const frames = [await client.next(), await client.next(), await client.next(), await client.next()];
      assert.deepEqual(
        frames.slice(1).map(({ opcode, payload }) => [opcode, new TextDecoder().decode(payload)]),
        [
          [1, "two\nlines"],
          [1, "from the main thread"],
          [2, "bytes"],
        ],
      );
    }
    for (const client of streams) {
      await client.until("all is here", () => eventsOf(client).length === 3);
      assert.deepEqual(eventsOf(client), [
        { id: "n1", event: "news", data: "two\nlines" },
        { id: undefined, event: undefined, data: "from the main thread" },
        { id: undefined, event: undefined, data: "bytes" },
      ]);
    }
    assert.deepEqual(publishedTo(stranger), []);
  });
});

test("socket.publish reaches everyone but the publisher", async () => {
  await shared.run(async (app) => {
    const topic = app.topic();
    const [one, two, three] = [
      await subscriber(app, topic),
      await subscriber(app, topic),
      await streamOf(app, topic),
    ];
    one.text(`others ${topic} hello`);
    await one.until("it is published", () => one.frames.at(-1)?.text === "published");
    await two.until("it is here", () => publishedTo(two).length === 1);
    await three.until("it is here", () => eventsOf(three).length === 1);
    assert.deepEqual([publishedTo(one), publishedTo(two)], [["published"], ["hello"]]);
  });
});

test("Every publisher's order is kept, and all subscribers see one order", async () => {
  await shared.run(async (app) => {
    const topic = app.topic();
    const sockets = await Promise.all(Array.from({ length: 4 }, () => subscriber(app, topic)));
    const stream = await streamOf(app, topic);
    const publishers = ["a", "b", "c", "d"];
    const count = 150;
    await Promise.all(publishers.map(async (who) => {
      const client = await app.open();
      // In several batches, so that different threads publish.
      for (let i = 0; i < 3; i++) {
        assert.equal(await client.ask(`numbers ${topic} ${who}${i} ${count / 3}`), "published");
      }
    }));
    const all = publishers.length * count;
    for (const client of sockets) await client.until("all is here", () => publishedTo(client).length === all);
    await stream.until("all is here", () => eventsOf(stream).length === all);
    const [first, ...others] = [...sockets.map(publishedTo), eventsOf(stream).map(({ data }) => data)];
    for (const other of others) assert.deepEqual(other, first);
    for (const who of publishers) {
      const own = first?.filter((text) => text.startsWith(who)) ?? [];
      assert.deepEqual(own, Array.from({ length: count }, (_, i) => `${who}${Math.floor(i / 50)} ${i % 50}`));
    }
  });
});

test("unsubscribe takes effect between two publishes of one thread", async () => {
  await shared.run(async (app) => {
    const topic = app.topic();
    const client = await subscriber(app, topic);
    client.text(
      `publish ${topic} heard`,
      `unsubscribe ${topic}`,
      `publish ${topic} not heard`,
      `subscribe ${topic}`,
    );
    client.text(`publish ${topic} heard again`);
    await client.until(
      "all is here",
      () => publishedTo(client).filter((text) => text === "published").length === 3,
    );
    const texts = client.frames.slice(1).map(({ text }) => text);
    assert.deepEqual(texts, [
      "heard",
      "published",
      `unsubscribed ${topic}`,
      "published",
      `subscribed ${topic}`,
      "heard again",
      "published",
    ]);
  });
});

test("Subscribing twice is subscribing once, and unsubscribing from nothing is nothing", async () => {
  await shared.run(async (app) => {
    const topic = app.topic();
    const client = await subscriber(app, topic);
    for (const command of [`subscribe ${topic}`, "unsubscribe nothing", `publish ${topic} once`]) {
      client.text(command);
    }
    await client.until("it is published", () => client.frames.at(-1)?.text === "published");
    assert.equal(publishedTo(client).filter((text) => text === "once").length, 1);
  });
});

test("A stream subscribes and unsubscribes by its id, from any thread", async () => {
  await shared.run(async (app) => {
    const [one, two] = [app.topic(), app.topic()];
    const client = await streamOf(app, one);
    const id =
      (JSON.parse(/data: (\{.*\})/.exec(client.reader.partial?.text ?? "")?.[1] ?? "") as { id: number }).id;
    await app.get(`/stream/subscribe?id=${id}&text=${two}`);
    await app.get(`/stream/unsubscribe?id=${id}&text=${one}`);
    for (const topic of [one, two]) await app.get(`/publish?topic=${topic}&text=${topic}`);
    await client.until("it is here", () => eventsOf(client).length === 1);
    assert.deepEqual(eventsOf(client).map(({ data }) => data), [two]);
  });
});

test("Topics with a byte order mark, and of more than a record, are left as they are entered", async () => {
  await shared.run(async (app) => {
    for (const topic of [`\ufeff${app.topic()}`, app.topic() + "x".repeat(100_000)]) {
      const client = await app.open(`/do?max=${1024 * 1024}`);
      assert.equal(await client.ask(`subscribe ${topic}`), `subscribed ${topic}`);
      app.local.server.publish(topic, "heard");
      assert.equal(await client.nextText(), "heard");
      assert.equal(await client.ask(`unsubscribe ${topic}`), `unsubscribed ${topic}`);
      app.local.server.publish(topic, "not heard");
      assert.equal(await client.ask("echo quiet"), "quiet");
    }
  });
});

test("Nobody is left in a topic after a disconnect", async () => {
  await shared.run(async (app) => {
    const topic = app.topic();
    const stays = await subscriber(app, topic);
    for (let i = 0; i < 5; i++) {
      const socket = await subscriber(app, topic);
      const stream = await streamOf(app, topic);
      if (i % 2 === 0) {
        await socket.leave();
        stream.end();
      } else {
        socket.reset();
        stream.reset();
      }
      await app.local.until("they are gone", ({ connections }) => connections === 1);
    }
    // Ids and places are used again: a forgotten subscription would make itself heard on the next ones.
    const next = await Promise.all(Array.from({ length: 5 }, () => app.open()));
    await app.get(`/publish?topic=${topic}&text=hello`);
    await stays.until("it is here", () => publishedTo(stays).length === 1);
    for (const client of next) {
      assert.equal(await client.ask("echo quiet"), "quiet");
      assert.equal(client.frames.length, 1);
    }
  });
});

// ── history ──────────────────────────────────────────────────────────────────────────────────────────────────────

test("What a topic keeps is replayed after the last id, to streams and WebSockets", async () => {
  await withRealtime({ topicHistory: 5 }, async (app) => {
    const publisher = await app.open();
    for (let i = 0; i < 4; i++) await publisher.ask(`publish t before ${i}`);
    // Ids of the server's own, told to event streams.
    const watching = await streamOf(app, "t");
    for (let i = 0; i < 4; i++) await publisher.ask(`publish t text ${i}`);
    await watching.until("all is here", () => eventsOf(watching).length === 4);
    const ids = eventsOf(watching).map(({ id }) => id ?? "");
    assert.equal(new Set(ids).size, 4);
    assert.ok(ids.every((id) => /^[0-9a-z]+\.[0-9a-z]+$/.test(id)), ids.join());

    const again = await streamOf(app, "t", ids[1]);
    assert.deepEqual(eventsOf(again).map(({ data }) => data), ["text 2", "text 3"]);
    const upToDate = await streamOf(app, "t", ids[3]);
    assert.deepEqual(eventsOf(upToDate), []);
    // Of a last id that is not kept any more: all that is.
    const late = await streamOf(app, "t", "1.long-ago");
    assert.deepEqual(eventsOf(late).map(({ data }) => data), [
      "before 3",
      "text 0",
      "text 1",
      "text 2",
      "text 3",
    ]);
    // A first visit has missed nothing.
    const first = await streamOf(app, "t");
    assert.deepEqual(eventsOf(first), []);

    for (let i = 0; i < 3; i++) {
      await app.get(`/publish?topic=own&text=own ${i}&id=n${i}`.replace(" ", "%20"));
    }
    const socket = await subscriber(app, "own", "n0");
    assert.deepEqual(publishedTo(socket), ["own 1", "own 2"]);
    await app.get("/publish?topic=own&text=next");
    await socket.until("it is here", () => publishedTo(socket).length === 3);
  });
});

test("A stream of two topics that comes back has neither gap nor repeat, however it subscribes", async () => {
  for (const how of ["one by one", "at once"] as const) {
    await withRealtime({ topicHistory: 50 }, async (app) => {
      const say = async (topic: string, text: string): Promise<void> => {
        await app.get(`/publish?topic=${topic}&text=${text}`);
      };
      const come = async (lastEventId = ""): Promise<RawClient> => {
        if (how === "at once") return await streamOf(app, "a%2Bb", lastEventId);
        const client = await streamOf(app, "a", lastEventId);
        const id =
          (JSON.parse(/data: (\{.*\})/.exec(client.reader.partial?.text ?? "")?.[1] ?? "") as { id: number })
            .id;
        const last = lastEventId === "" ? "" : `&last=${lastEventId}`;
        await app.get(`/stream/subscribe?id=${id}&text=b${last}`);
        return client;
      };
      const first = await come();
      for (const [topic, text] of [["a", "1"], ["a", "2"], ["b", "3"]] as const) await say(topic, text);
      await first.until("all is here", () => eventsOf(first).length === 3);
      const last = eventsOf(first).at(-1)?.id ?? "";
      first.reset();
      await say("b", "4");
      await say("a", "5");
      await say("b", "6");
      const again = await come(last);
      await say("a", "7");
      await again.until("all is here", () => eventsOf(again).length >= 4);
      const datas = eventsOf(again).map(({ data }) => data);
      // Only what is subscribed at once can be in order.
      assert.deepEqual(how === "at once" ? datas : datas.sort(), ["4", "5", "6", "7"]);
    });
  }
});

test("Histories are bounded in octets, too", async () => {
  await withRealtime({ topicHistory: 1000, topicHistoryBytes: 200_000 }, async (app) => {
    const text = "x".repeat(1_000);
    for (let i = 0; i < 500; i++) app.local.server.publish(i % 2 === 0 ? "even" : "odd", `${i} ${text}`);
    const numbers = async (topic: string): Promise<number[]> => {
      const client = await subscriber(app, topic, "all");
      return publishedTo(client).map((each) => Number(each.split(" ")[0]));
    };
    const [even, odd] = [await numbers("even"), await numbers("odd")];
    const kept = [...even, ...odd].sort((a, b) => a - b);
    assert.ok(kept.length > 140 && kept.length < 180, `${kept.length}`);
    assert.deepEqual(kept, Array.from(kept, (_, i) => 500 - kept.length + i));
  });
});

test("A client that comes back while others publish has neither gap nor repeat", async () => {
  await withRealtime({ workers: 3, topicHistory: 5000 }, async (app) => {
    const topic = "busy";
    const writers = ["x", "y"];
    const count = 900;
    const steady = await streamOf(app, topic);
    const publishing = Promise.all(writers.map(async (who) => {
      const client = await app.open();
      for (let i = 0; i < count / 30; i++) {
        client.text(`numbers ${topic} ${who}${i} 30`);
        await client.until("it is published", () => client.frames.length > i);
      }
    }));
    const all = writers.length * count;
    // Leaves and comes back with the last id it saw, again and again.
    const seen: Event[] = [];
    for (let visit = 0; seen.length < all; visit++) {
      const client = await streamOf(app, topic, seen.at(-1)?.id ?? "0");
      const wanted = Math.min(all - seen.length, 1 + (visit * 37) % 300);
      await client.until("some is here", () => eventsOf(client).length >= wanted);
      seen.push(...eventsOf(client));
      client.reset();
    }
    await publishing;
    await steady.until("all is here", () => eventsOf(steady).length === all);
    assert.deepEqual(seen.map(({ data }) => data), eventsOf(steady).map(({ data }) => data));
    assert.equal(new Set(seen.map(({ id }) => id)).size, all);
  });
});

test("A replay that a client cannot take closes it, and leaves nothing in the topic", async () => {
  await withRealtime({ topicHistory: 400, topicHistoryBytes: 64 * 1024 * 1024 }, async (app) => {
    const text = "z".repeat(64 * 1024);
    for (let i = 0; i < 400; i++) app.local.server.publish("big", `${i} ${text}`, { id: `b${i}` });
    const client = await app.open(`/do?buffer=${256 * 1024}`);
    client.pause();
    client.text("subscribe big none");
    const observer = await app.open();
    await app.local.until("it is through", ({ waiting }) => waiting === 0);
    assert.equal(await observer.ask("publish big on"), "published");
    client.resume();
    assert.equal((await client.closing()).code, 1013);
    const numbers = client.frames.slice(0, -1).map(({ text: each }) => Number(each.split(" ")[0]));
    assert.deepEqual(numbers, numbers.map((_, i) => i));
  });
});

test("A large message goes to many subscribers whole, in order with small ones", async () => {
  await shared.run(async (app) => {
    const topic = app.topic();
    const clients = await Promise.all(Array.from({ length: 20 }, () => subscriber(app, topic)));
    const big = "b".repeat(700_000);
    const publisher = await app.open(`/do?max=${2 * 1024 * 1024}`);
    for (const text of ["small 1", big, "small 2"]) {
      assert.equal(await publisher.ask(`publish ${topic} ${text}`), "published");
    }
    for (const client of clients) {
      await client.until("all is here", () => publishedTo(client).length === 3);
      assert.deepEqual(publishedTo(client), ["small 1", big, "small 2"]);
    }
  });
});

test("The server of this file stops", () => shared.stop());
