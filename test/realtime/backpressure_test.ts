/**
 * Tests of clients that do not read: what `send` says, what becomes of those that are too slow, and that nothing is
 * dropped in silence.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../support/until.ts";
import { concat, frame } from "../websocket/client_frames.ts";
import { type RealtimeApp, withRealtime } from "./support/realtime_app.ts";
import type { SocketClient } from "./support/socket_client.ts";

/** Far more than the kernel takes for a client that does not read. */
const SIZE = 65_536;
const COUNT = 300;

/** Whether frames are the first messages of a `burst`, in order; how many there are. */
function countBurst(client: SocketClient): number {
  const messages = client.frames.filter(({ opcode }) => opcode === 2);
  for (const [i, { payload }] of messages.entries()) {
    assert.equal(payload.length, SIZE);
    assert.ok(payload.every((octet) => octet === i % 256), `message ${i}`);
  }
  return messages.length;
}

/** A client that has told its id and reads no more, and its observer. */
async function paused(app: RealtimeApp, query: string) {
  const watched = await app.watched(query);
  const id = Number(await watched.client.ask("id"));
  watched.client.pause();
  return { ...watched, id };
}

test("send tells of back-pressure, bufferedAmount counts, and drain follows when the client reads", async () => {
  await withRealtime({}, async (app) => {
    const { client, observer, id } = await paused(app, `buffer=${100 * 1024 * 1024}`);
    client.text(`burst ${COUNT} ${SIZE}`);
    const { said, buffered } = await observer.find("burst") as unknown as {
      said: Record<string, number>;
      buffered: number;
    };
    assert.equal((said.queued ?? 0) + (said.backpressure ?? 0), COUNT);
    assert.ok((said.backpressure ?? 0) > 0, JSON.stringify(said));
    assert.ok(buffered > 0);
    // The same figure in every thread.
    const handle = app.local.server.socket(id);
    assert.ok(handle.isOpen && handle.bufferedAmount > 1024 * 1024);
    assert.equal(handle.send("by id"), "backpressure");
    client.resume();
    assert.equal((await observer.find("drain")).buffered, 0);
    await client.until("all is here", () => client.frames.at(-1)?.text === "by id");
    assert.equal(countBurst(client), COUNT);
    assert.equal(handle.bufferedAmount, 0);
    client.text("echo and on");
    await client.until("it goes on", () => client.frames.at(-1)?.text === "and on");
  });
});

for (const reads of ["at once", "late"] as const) {
  test(`A sender that rests when it is told to is never closed, though its client reads ${reads}`, async () => {
    await withRealtime({}, async (app) => {
      // Messages of an eighth of the limit, of more than half, and of twice as much.
      for (const [size, count] of [[8_192, 600], [40_000, 200], [131_072, 80]] as const) {
        const client = await app.open("/pump?buffer=65536");
        if (reads === "late") client.pause();
        client.text(`${count} ${size}`);
        const other = await app.open();
        for (let i = 0; i < 50; i++) assert.equal(await other.ask(`echo ${i}`), String(i));
        client.resume();
        await client.until(
          "all is here",
          () => client.frames.at(-1)?.text === "pumped" || client.close !== null,
        );
        assert.equal(client.close, null);
        const left = client.frames.slice(0, -1).map(({ payload }) => payload[0]);
        assert.deepEqual(left, Array.from({ length: count }, (_, i) => (count - i) & 255));
      }
    });
  });
}

test("A client beyond its limit is closed with 1013: it gets what fitted, in order, and no gap", async () => {
  await withRealtime({}, async (app) => {
    const { client, observer } = await paused(app, `buffer=${4 * SIZE}`);
    client.text(`burst ${COUNT} ${SIZE}`);
    const reports = await observer.until("close");
    const told = reports.filter(({ event }) => event !== "burst" && event !== "drain");
    assert.deepEqual(told.map(({ event }) => event), ["open", "error", "close"]);
    assert.equal(told[1]?.code, "ERR_SOCKET");
    assert.equal(told[2]?.code, 1013);
    client.resume();
    assert.deepEqual(await client.closing(), { code: 1013, reason: "The client reads too slowly" });
    const count = countBurst(client);
    assert.ok(count >= 4 && count < COUNT, `${count}`);
  });
});

test("Senders of a connection that waits block until the client reads, and nothing is lost", async () => {
  await withRealtime({ workers: 2 }, async (app) => {
    const { client, observer, id } = await paused(app, `slow=wait&buffer=${4 * SIZE}`);
    client.text(`burst ${COUNT} ${SIZE}`);
    const handle = app.local.server.socket(id);
    await until("the sender is blocked", () => handle.bufferedAmount > 4 * SIZE);
    // Others are served meanwhile, by the other thread.
    const other = await app.open();
    assert.equal(await other.ask("echo alive"), "alive");
    // The limit, what the outbox holds, and a message: far from all of it.
    assert.ok(handle.bufferedAmount < 3 * 1024 * 1024, `${handle.bufferedAmount}`);
    client.resume();
    const { said } = await observer.find("burst") as unknown as { said: Record<string, number> };
    assert.equal(said.closed, undefined);
    await client.until("all is here", () => client.frames.length === COUNT + 1);
    assert.equal(countBurst(client), COUNT);
    assert.equal(client.close, null);
  });
});

test("Handles by id wait like the connection's own events", async () => {
  await withRealtime({ workers: 2 }, async (app) => {
    const { client, id } = await paused(app, `slow=wait&buffer=${4 * SIZE}`);
    const other = await app.open();
    other.text(`to ${id} burst ${COUNT} ${SIZE}`);
    const handle = app.local.server.socket(id);
    await until("the sender is blocked", () => handle.bufferedAmount > 4 * SIZE);
    assert.equal(other.frames.length, 0);
    client.resume();
    assert.match(await other.nextText(), /^(queued|backpressure)$/);
    await client.until("all is here", () => client.frames.length === COUNT + 1);
  });
});

test("The I/O thread cannot wait: beyond the limit its sends close the client, whatever the policy", async () => {
  await withRealtime({}, async (app) => {
    const { client, observer, id } = await paused(app, `slow=wait&buffer=${4 * SIZE}`);
    const handle = app.local.server.socket(id);
    const said = new Set<string>();
    for (let i = 0; i < COUNT; i++) said.add(handle.send(new Uint8Array(SIZE).fill(i)));
    assert.deepEqual([...said], ["queued", "backpressure", "closed"]);
    assert.equal((await observer.find("close")).code, 1013);
    client.resume();
    assert.equal((await client.closing()).code, 1013);
    countBurst(client);
  });
});

for (const how of ["reset", "never"] as const) {
  test(`A blocked sender goes on when its client ${how === "reset" ? "leaves" : "takes nothing for writeTimeoutMs"}`, async () => {
    await withRealtime({ writeTimeoutMs: 500 }, async (app) => {
      const { client, observer, id } = await paused(app, `slow=wait&buffer=${4 * SIZE}`);
      client.text(`burst ${COUNT} ${SIZE}`);
      await until("the sender is blocked", () => app.local.server.socket(id).bufferedAmount > 4 * SIZE);
      if (how === "reset") client.reset();
      const { said } = await observer.find("burst") as unknown as { said: Record<string, number> };
      assert.ok((said.closed ?? 0) > 0, JSON.stringify(said));
      assert.equal((await observer.find("close")).code, 1006);
    });
  });
}

test("A client that reads a little now and then is not cut by writeTimeoutMs", async () => {
  await withRealtime({ writeTimeoutMs: 3_000 }, async (app) => {
    const { client, observer } = await paused(app, `buffer=${200 * 1024 * 1024}`);
    const count = 2 * COUNT;
    client.text(`burst ${count} ${SIZE}`);
    await observer.find("burst");
    const begun = performance.now();
    // Steps of several MiB: smaller ones do not move the kernel's window.
    for (let next = 100; next < count; next += 100) {
      client.resume();
      await client.until("some is here", () => client.frames.length > next || client.closed);
      client.pause();
      await new Promise((resolve) => setTimeout(resolve, 700));
    }
    client.resume();
    await client.until("all is here", () => client.frames.length === count + 1 || client.closed);
    assert.ok(performance.now() - begun > 3_000);
    assert.equal(countBurst(client), count);
  });
});

test("A slow subscriber is closed, the others get everything", async () => {
  await withRealtime({}, async (app) => {
    const topic = app.topic();
    const slow = await app.open(`/do?buffer=${2 * SIZE}`);
    const fast = await app.open(`/do?buffer=${100 * 1024 * 1024}`);
    const publisher = await app.open();
    assert.equal(await slow.ask(`subscribe ${topic}`), `subscribed ${topic}`);
    assert.equal(await fast.ask(`subscribe ${topic}`), `subscribed ${topic}`);
    slow.pause();
    const text = "x".repeat(SIZE);
    for (let i = 0; i < COUNT; i++) {
      assert.equal(await publisher.ask(`publish ${topic} ${i} ${text}`), "published");
    }
    await fast.until("all is here", () => fast.frames.length === COUNT + 1);
    assert.ok(fast.frames.slice(1).every(({ text }, i) => text.startsWith(`${i} `)));
    slow.resume();
    assert.equal((await slow.closing()).code, 1013);
    const numbers = slow.frames.slice(1, -1).map(({ text }) => Number(text.split(" ")[0]));
    assert.deepEqual(numbers, numbers.map((_, i) => i));
    assert.ok(numbers.length < COUNT);
  });
});

test("An echo for a client that sends everything before it reads anything pushes back and loses nothing", async () => {
  await withRealtime({}, async (app) => {
    const client = await app.open("/do");
    client.pause();
    const count = 400;
    // 25 MiB against a limit of 1 MiB.
    let sent = 0;
    const sending = (async () => {
      for (let i = 0; i < count; i++) {
        await client.sendAll(frame({ opcode: 2, payload: new Uint8Array(SIZE).fill(i) }));
        sent++;
      }
    })();
    const other = await app.open();
    for (let i = 0; i < 50; i++) assert.equal(await other.ask(`echo ${i}`), String(i));
    assert.ok(sent < count);
    client.resume();
    await sending;
    await client.until("all is here", () => client.frames.length === count || client.close !== null);
    assert.equal(client.close, null);
    assert.equal(countBurst(client), count);
  });
});

test("Messages that wait for a blocked handler are not answered all at once to a client that reads slowly", async () => {
  await withRealtime({}, async (app) => {
    const { client, id } = await paused(app, "");
    const handle = app.local.server.socket(id);
    // The kernel is full, and a little less than half of the limit waits here.
    let filled = 0;
    for (; handle.bufferedAmount < 300_000; filled++) handle.send(new Uint8Array(SIZE).fill(filled));
    client.text(`block ${app.gate("b")}`);
    await app.gates.arrived("b");
    const count = 16;
    for (let i = 0; i < count; i++) {
      await client.sendAll(frame({ opcode: 2, payload: new Uint8Array(SIZE).fill(i) }));
    }
    const other = await app.open();
    for (let i = 0; i < 50; i++) assert.equal(await other.ask(`echo ${i}`), String(i));
    app.gates.open("b");
    for (let i = 50; i < 100; i++) assert.equal(await other.ask(`echo ${i}`), String(i));
    client.resume();
    const all = 1 + filled + 1 + count;
    await client.until("all is here", () => client.frames.length === all || client.close !== null);
    assert.equal(client.close, null);
    const messages = client.frames.filter(({ opcode }) => opcode === 2).map(({ payload }) => payload[0]);
    const numbers = (length: number): number[] => Array.from({ length }, (_, i) => i % 256);
    assert.deepEqual(messages, [...numbers(filled), ...numbers(count)]);
  });
});

test("Pings of a client that does not read its pongs stop being read", async () => {
  await withRealtime({}, async (app) => {
    const client = await app.open(`/do?buffer=${64 * 1024}`);
    client.pause();
    const pings = concat(
      ...Array.from({ length: 1000 }, (_, i) => frame({ opcode: 9, payload: `${i}`.padEnd(125) })),
    );
    let sent = 0;
    const sending = (async () => {
      for (; sent < 200; sent++) await client.sendAll(pings);
    })();
    const other = await app.open();
    for (let i = 0; i < 50; i++) assert.equal(await other.ask(`echo ${i}`), String(i));
    assert.ok(sent < 200, `${sent}`);
    client.resume();
    await sending;
    await client.until("all pongs are here", () => client.frames.length === 200_000, 60_000);
    assert.ok(client.frames.every(({ opcode, text }, i) => opcode === 10 && Number(text) === i % 1000));
  });
});
