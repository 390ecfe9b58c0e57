/**
 * Tests of handles by id, from other threads and from the thread that called `serve`.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../support/until.ts";
import { SharedRealtime } from "./support/realtime_app.ts";

const shared = new SharedRealtime({ workers: 3 });

test("A handle sends from any thread, also while the connection's own handler is blocked", async () => {
  await shared.run(async (app) => {
    const client = await app.open();
    const id = await client.ask("id");
    client.text(`block ${app.gate("b")}`);
    await app.gates.arrived("b");
    const other = await app.open();
    assert.equal(await other.ask(`to ${id} state`), "true 0");
    assert.equal(await other.ask(`to ${id} send from another thread`), "queued");
    assert.equal(await client.nextText(), "from another thread");
    assert.equal(app.local.server.socket(Number(id)).send("from the main thread"), "queued");
    assert.equal(await client.nextText(), "from the main thread");
    assert.equal(app.local.server.socket(Number(id)).send(Uint8Array.of(1, 2, 3)), "queued");
    assert.deepEqual((await client.next()).payload, Uint8Array.of(1, 2, 3));
    assert.equal(await other.ask(`to ${id} ping p`), "queued");
    const ping = await client.next();
    assert.deepEqual([ping.opcode, ping.text], [9, "p"]);
    app.gates.open("b");
    assert.equal(await client.nextText(), "passed");
  });
});

test("Every kind of bytes is sent as what it holds, and nothing else is taken for bytes", async () => {
  await shared.run(async (app) => {
    const client = await app.open();
    const handle = app.local.server.socket(Number(await client.ask("id")));
    const bytes = Uint8Array.from({ length: 16 }, (_, i) => i);
    const block = new SharedArrayBuffer(16);
    new Uint8Array(block).set(bytes);
    const inside = new Uint8Array(32);
    inside.set(bytes, 8);
    for (
      const message of [
        bytes,
        bytes.buffer,
        block,
        new Uint16Array(bytes.buffer),
        new DataView(inside.buffer, 8, 16),
        inside.subarray(8, 24),
      ]
    ) {
      assert.equal(handle.send(message), "queued");
      const { opcode, payload } = await client.next();
      assert.deepEqual([opcode, payload], [2, bytes]);
    }
    for (const bad of [7, null, undefined, {}, [1, 2]]) {
      assert.throws(() => handle.send(bad as unknown as string), { code: "ERR_SOCKET" });
    }
    assert.equal(handle.send(""), "queued");
    const empty = await client.next();
    assert.deepEqual([empty.opcode, empty.payload.length], [1, 0]);
  });
});

for (const from of ["another thread", "the main thread"] as const) {
  test(`A handle closes, terminates and subscribes from ${from}`, async () => {
    await shared.run(async (app) => {
      const other = await app.open();
      const order = async (id: string, what: string, text: string): Promise<void> => {
        if (from === "another thread") {
          await other.ask(`to ${id} ${what} ${text}`);
          return;
        }
        const handle = app.local.server.socket(Number(id));
        if (what === "close") handle.close(4000, text);
        else if (what === "terminate") handle.terminate();
        else if (what === "subscribe") handle.subscribe(text);
        else handle.unsubscribe(text);
      };
      const topic = app.topic();
      const client = await app.open();
      const id = await client.ask("id");
      await order(id, "subscribe", topic);
      await app.get(`/publish?topic=${topic}&text=first`);
      assert.equal(await client.nextText(), "first");
      await order(id, "unsubscribe", topic);
      await app.get(`/publish?topic=${topic}&text=second`);
      await order(id, "close", "bye");
      assert.deepEqual(await client.closing(), { code: 4000, reason: "bye" });
      const cut = await app.open();
      await order(await cut.ask("id"), "terminate", "");
      await cut.ending();
      assert.equal(cut.close, null);
    });
  });
}

test("A handle of a connection that is gone says so, for ever, whoever has its place now", async () => {
  await shared.run(async (app) => {
    const other = await app.open();
    const gone: string[] = [];
    for (let i = 0; i < 30; i++) {
      const client = await app.open();
      const id = await client.ask("id");
      assert.ok(!gone.includes(id), "no id is used twice");
      if (i % 2 === 0) await client.leave();
      else client.reset();
      await until("the handle knows", () => !app.local.server.socket(Number(id)).isOpen);
      gone.push(id);
    }
    const present = await Promise.all(Array.from({ length: 30 }, () => app.open()));
    for (const client of present) await client.ask("echo here");
    for (const id of gone) {
      assert.equal(await other.ask(`to ${id} send a ghost`), "closed");
      assert.equal(await other.ask(`to ${id} state`), "false 0");
      for (const what of ["close", "terminate", "subscribe ghosts"]) {
        assert.equal(await other.ask(`to ${id} ${what}`), "done");
      }
      assert.equal(app.local.server.socket(Number(id)).send("a ghost"), "closed");
      assert.equal(app.local.server.eventStream(Number(id)).closed, true);
    }
    await app.get("/publish?topic=ghosts&text=boo");
    for (const client of present) {
      assert.equal(await client.ask("echo still"), "still");
      assert.equal(client.frames.length, 2);
    }
  });
});

test("Numbers that are no ids are closed", async () => {
  await shared.run(async (app) => {
    const client = await app.open();
    const id = Number(await client.ask("id"));
    for (const bad of [0, -1, 0.5, id + 0.5, id + 1, id + 2 ** 18, NaN, Infinity, -id, 2 ** 60, 2 ** 53]) {
      const handle = app.local.server.socket(bad);
      assert.deepEqual(
        [handle.isOpen, handle.bufferedAmount, handle.send("?")],
        [false, 0, "closed"],
        String(bad),
      );
      handle.close();
      handle.terminate();
      assert.equal(await client.ask(`to ${bad} send ?`), "closed");
      assert.equal(await client.ask(`to ${bad} terminate`), "done");
    }
    assert.equal(await client.ask("echo unharmed"), "unharmed");
  });
});

test("An event stream's id is no WebSocket, and the other way round", async () => {
  await shared.run(async (app) => {
    const client = await app.open();
    const id = Number(await client.ask("id"));
    const { server } = app.local;
    const stream = server.eventStream(id);
    assert.deepEqual([stream.closed, stream.send("data"), stream.comment("c")], [true, "closed", "closed"]);
    stream.close();
    assert.equal(await client.ask("echo unharmed"), "unharmed");
  });
});

test("After close() the socket takes nothing more, in the same handler and everywhere else", async () => {
  await shared.run(async (app) => {
    const client = await app.open();
    const id = Number(await client.ask("id"));
    const handle = app.local.server.socket(id);
    handle.close(4002, "x");
    assert.deepEqual([handle.isOpen, handle.send("late"), handle.ping()], [false, "closed", "closed"]);
    assert.equal(app.local.server.socket(id).isOpen, false);
    handle.close(4003, "again");
    assert.deepEqual(await client.closing(), { code: 4002, reason: "x" });
  });
});

test("The server of this file stops", () => shared.stop());
