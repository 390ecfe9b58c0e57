/**
 * Tests of the order of events: of one connection serial and in order, on whatever thread; of different connections
 * independent.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, frame } from "../websocket/client_frames.ts";
import { SharedRealtime, withRealtime } from "./support/realtime_app.ts";

const shared = new SharedRealtime({ workers: 3 });

test("Events of a connection never overlap and keep their order, on many threads", async () => {
  await shared.run(async (app) => {
    const count = 60;
    const threads = new Set<string>();
    await Promise.all(Array.from({ length: 8 }, async (_, which) => {
      const { client, observer } = await app.watched(`lock=${encodeURIComponent(app.gate(`lock${which}`))}`);
      // Half of them at once, the others one by one.
      const commands = Array.from({ length: count }, (_, i) => `serial ${i}`);
      client.text(...commands.slice(0, count / 2));
      for (let i = 0; i < count; i++) {
        if (i >= count / 2) client.text(commands[i] ?? "");
        // A handler that finds the lock taken throws, and the connection would be closed.
        const [n, counted, thread = ""] = (await client.nextText()).split(" ");
        assert.deepEqual([Number(n), Number(counted)], [i, i + 1]);
        threads.add(thread);
      }
      await client.leave();
      assert.equal((await observer.find("close")).count, count);
    }));
    assert.ok(threads.size > 1, "more than one thread ran them");
    assert.deepEqual(app.local.logs, []);
  });
});

test("Thousands of messages in one go are handled in order", async () => {
  await shared.run(async (app) => {
    const { client, observer } = await app.watched();
    const count = 5000;
    client.send(concat(...Array.from({ length: count }, (_, i) => frame({ payload: `echo ${i}` }))));
    for (let i = 0; i < count; i++) assert.equal(await client.nextText(), String(i));
    client.text(...Array.from({ length: 200 }, () => "count")).sayClose();
    assert.equal((await observer.find("close")).count, 200);
  });
});

test("A blocked handler delays its own connection and no other", async () => {
  await withRealtime({ workers: 2 }, async (app) => {
    const blocked = await app.open();
    const others = await Promise.all(Array.from({ length: 5 }, () => app.open()));
    blocked.text(`block ${app.gate("b")}`, "echo behind");
    await app.gates.arrived("b");
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(others.map((client, i) => client.ask(`echo ${round} ${i}`)));
      assert.deepEqual(answers, others.map((_, i) => `${round} ${i}`));
    }
    assert.equal(blocked.frames.length, 0);
    app.gates.open("b");
    assert.deepEqual(await blocked.nextTexts(2), ["passed", "behind"]);
  });
});

test("A handler that awaits holds up its own connection, and not its thread", async () => {
  await withRealtime({ workers: 1 }, async (app) => {
    const waiting = await app.open();
    const other = await app.open();
    waiting.text(`await ${app.gate("a")}`, "echo behind");
    await app.gates.arrived("a");
    for (let i = 0; i < 20; i++) assert.equal(await other.ask(`echo ${i}`), String(i));
    assert.equal(await app.get("/light"), "light");
    assert.equal(waiting.frames.length, 0);
    app.gates.open("a");
    assert.deepEqual(await waiting.nextTexts(2), ["passed", "behind"]);
  });
});

test("The open event comes before the first message, the close event behind the last", async () => {
  await shared.run(async (app) => {
    for (let i = 0; i < 10; i++) {
      const topic = app.topic();
      const observer = await app.observe(topic);
      const behind = concat(
        frame({ opcode: 9, payload: "1" }),
        frame({ payload: "burst 1 1" }),
        frame({ opcode: 10, payload: "2" }),
        frame({ payload: "count" }),
        frame({ opcode: 8, payload: "" }),
      );
      await app.open(`/do?log=${topic}`, { behind });
      const reports = await observer.until("close");
      assert.deepEqual(reports.map(({ event }) => event), ["open", "ping", "burst", "pong", "close"]);
      assert.equal(reports.at(-1)?.count, 1);
    }
  });
});

test("What a client sent before it left is handled, in order, and then it is told that it left", async () => {
  await shared.run(async (app) => {
    const { client, observer } = await app.watched();
    client.text(`block ${app.gate("left")}`);
    await app.gates.arrived("left");
    const rest = Array.from({ length: 300 }, () => frame({ payload: "count" }));
    await client.sendAll(concat(...rest, frame({ opcode: 9, payload: "read" })));
    // The pong says that the server has read all of it.
    assert.equal((await client.next()).text, "read");
    client.reset();
    app.gates.open("left");
    const report = await observer.find("close");
    assert.deepEqual([report.code, report.count], [1006, 300]);
  });
});

test("A flood of messages for a blocked handler stops in the socket, and is handled when it goes on", async () => {
  await shared.run(async (app) => {
    const client = await app.open();
    client.text(`block ${app.gate("flood")}`);
    await app.gates.arrived("flood");
    let isSent = false;
    const payload = new Uint8Array(64 * 1024).fill(1);
    const flood = frame({ opcode: 2, payload });
    const count = 1600;
    const sending = (async () => {
      for (let i = 0; i < count; i++) await client.sendAll(flood);
      isSent = true;
    })();
    const other = await app.open();
    assert.equal(await other.ask("echo alive"), "alive");
    // 100 MiB are more than the kernel and 1 MiB of queue take in.
    assert.equal(isSent, false);
    app.gates.open("flood");
    assert.equal(await client.nextText(), "passed");
    await client.until("all came back", () => client.frames.length === count + 1, 60_000);
    await sending;
    assert.ok(client.frames.slice(1).every((each) => each.payload.length === payload.length));
  });
});

test("The server of this file stops", () => shared.stop());
