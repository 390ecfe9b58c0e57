/**
 * Tests of threads that die while sockets talk: connections stay, each message is handled at most once, and the error
 * event tells what was lost.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { handshake } from "./support/socket_client.ts";
import { get } from "../support/raw_client.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { until } from "../support/until.ts";
import { concat, frame, utf8 } from "../websocket/client_frames.ts";
import { StreamDeflater, StreamInflater } from "../websocket/zlib_peer.ts";
import { withRealtime } from "./support/realtime_app.ts";

const QUIET = { logLevel: "error" } as const;

for (const command of ["exit", "crash", "countAndExit"]) {
  test(`A handler that ends its thread (${command}) loses its event and nothing else`, async () => {
    await withRealtime({ workers: 2, ...QUIET }, async (app) => {
      const { client, observer } = await app.watched();
      const messages = ["count", "count", command, "count", "echo on"].map((payload) => frame({ payload }));
      client.send(concat(...messages));
      // The data is what it was after the last event that ended.
      assert.deepEqual(await client.nextTexts(4), ["1", "2", "3", "on"]);
      const reports = await observer.until("error");
      assert.deepEqual(reports.map(({ event }) => event), ["open", "error"]);
      assert.equal(reports[1]?.code, "ERR_WORKER");
      assert.equal(await client.ask("count"), "4");
      client.ping("still open");
      assert.equal((await client.next()).text, "still open");
      await client.leave();
      assert.equal((await observer.find("close")).count, 4);
    });
  });
}

test("What a handler said before it died is sent", async () => {
  await withRealtime({ workers: 2, ...QUIET }, async (app) => {
    const client = await app.open();
    client.text("sendAndExit last words", "echo next");
    assert.deepEqual(await client.nextTexts(2), ["last words", "next"]);
  });
});

test("An error handler that dies is not asked again and again", async () => {
  await withRealtime({ workers: 2, ...QUIET }, async (app) => {
    const { client, observer } = await app.watched("diesonerror");
    client.text("exit", "echo on");
    assert.equal(await client.nextText(), "on");
    assert.deepEqual((await observer.until("error")).map(({ event }) => event), ["open", "error"]);
    await app.local.until(
      "both are replaced",
      ({ workers, workersDied }) => workersDied === 2 && workers === 2,
    );
    assert.equal(await client.ask("count"), "1");
    await client.leave();
    assert.deepEqual((await observer.until("close")).map(({ event }) => event), ["close"]);
  });
});

test("Chaos: threads die while sockets talk; every message is handled at most once, and all but the lost ones", async () => {
  await withRealtime({ workers: 3, ...QUIET }, async (app) => {
    const sockets = 16;
    const count = 60;
    const lost = new Set<string>();
    await Promise.all(Array.from({ length: sockets }, async (_, which) => {
      const { client, observer } = await app.watched();
      const expected: string[] = [];
      let deaths = 0;
      for (let i = 0; i < count; i++) {
        if (i === 20 + (which * 7) % 30) {
          client.text("exit");
          deaths++;
          lost.add(`${which} ${i}`);
        } else {
          client.text(`echo ${which} ${i}`);
          expected.push(`${which} ${i}`);
        }
        // Sometimes a whole heap at once, sometimes step by step.
        if (i % 9 === 8) {
          await client.until("all is answered", () => client.frames.length >= expected.length, 60_000);
        }
      }
      await client.until("all is answered", () => client.frames.length >= expected.length, 60_000);
      assert.equal(await client.ask("echo end"), expected.length === 0 ? "end" : expected[0]);
      const texts = client.frames.map(({ text }) => text);
      assert.deepEqual(texts.slice(0, expected.length), expected);
      await client.until("the end is answered", () => client.frames.length > expected.length);
      await client.leave();
      const errors = (await observer.until("close")).filter(({ event }) => event === "error");
      assert.deepEqual(errors.map(({ code }) => code), Array.from({ length: deaths }, () => "ERR_WORKER"));
    }));
    assert.equal(lost.size, sockets);
    await app.local.until("the pool is whole again", ({ workers }) => workers === 3, 60_000);
    assert.equal(app.local.stats.workersDied, lost.size);
  });
});

test("Chaos with handlers that await: none runs twice, and each that is lost is told", async () => {
  await withRealtime({ workers: 2, ...QUIET }, async (app) => {
    const rounds = 20;
    let isOver = false;
    const killer = (async () => {
      for (let deaths = 0; !isOver; deaths++) {
        await app.local.until("the pool is whole", ({ workers }) => workers === 2, 60_000);
        await app.local.exchange(get("/die"));
      }
    })();
    await Promise.all(Array.from({ length: 6 }, async (_, which) => {
      const lock = app.gate(`lock${which}`);
      const { client, observer } = await app.watched(`lock=${encodeURIComponent(lock)}`);
      const numbers: number[] = [];
      for (let i = 0; i < rounds; i++) {
        client.text(`echo before ${i}`, `await ${app.gate(`open`)}`, `echo after ${i}`);
      }
      if (which === 0) app.gates.open("open");
      await client.until(
        "all that can come is here",
        () =>
          client.frames.filter(({ text }) => text.startsWith("after")).length === rounds ||
          client.frames.at(-1)?.text === `after ${rounds - 1}`,
        60_000,
      );
      for (const kind of ["before", "after"]) {
        const seen = client.frames.filter(({ text }) => text.startsWith(kind)).map(({ text }) =>
          Number(text.split(" ")[1])
        );
        assert.deepEqual(seen, [...new Set(seen)].sort((a, b) => a - b), "in order, none twice");
        numbers.push(seen.length);
      }
      const passed = client.frames.filter(({ text }) => text === "passed").length;
      await client.leave();
      const errors = (await observer.until("close")).filter(({ event }) => event === "error").length;
      // What was lost is told, an event each; the answer of a lost one may still have got out.
      const missing = 3 * rounds - passed - (numbers[0] ?? 0) - (numbers[1] ?? 0);
      assert.ok(missing <= errors, `${missing} answers are missing, ${errors} errors`);
    }));
    isOver = true;
    await killer;
  });
});

test("A thread that dies with a large message loses it, and the messages behind it are handled", async () => {
  await withRealtime({ workers: 2, ...QUIET }, async (app) => {
    const { client, observer } = await app.watched();
    const gate = app.gate("dies");
    const large = `block ${gate}`;
    const big = new Uint8Array(900_000).fill(5);
    client.text(large).binary(big).text("count");
    await app.gates.arrived("dies");
    app.gates.open("dies");
    assert.equal(await client.nextText(), "passed");
    assert.equal((await client.next()).payload.length, big.length);
    assert.equal(await client.nextText(), "1");
    client.send(concat(frame({ payload: `exit ${"x".repeat(500_000)}` }), frame({ payload: "count" })));
    assert.equal(await client.nextText(), "2");
    assert.equal((await observer.find("error")).code, "ERR_WORKER");
  });
});

test("With context takeover the windows survive a thread's death, in both directions", async () => {
  await withRealtime({ workers: 2, ...QUIET }, async (app) => {
    const { client, observer } = await app.watched("takeover", {
      fields: "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    });
    const deflater = new StreamDeflater();
    const inflater = new StreamInflater(15);
    const compressed = async (text: string): Promise<Uint8Array> =>
      frame({ rsv: 4, payload: await deflater.deflate(utf8(text)) });
    const next = async (): Promise<string> => {
      const { isCompressed, payload, text } = await client.next();
      return isCompressed ? new TextDecoder().decode(await inflater.inflate(payload)) : text;
    };
    const random = new SeededRandom();
    const words = [
      "that",
      "every",
      "message",
      "tells",
      "again",
      "so",
      "each",
      "refers",
      "to",
      "the",
      "others",
    ];
    // Alike, and of different lengths: a reference into the wrong place brings other words.
    const story = (): string =>
      Array.from({ length: 10 + random.below(30) }, () => random.pick(words)).join(" ");
    for (let round = 0; round < 4; round++) {
      const stories = [story(), story(), story(), story()];
      const [a, b, c, d] = stories;
      // All in one packet, so in one batch; in some rounds what is lost is not compressed itself.
      const packet = [
        await compressed(`echo ${a}`),
        await compressed(`echo ${b}`),
        round % 2 === 0 ? await compressed(`exit ${story()}`) : frame({ payload: "exit" }),
        await compressed(`echo ${c}`),
        frame({ payload: "plain p" }),
        await compressed(`echo ${d}`),
      ];
      client.send(concat(...packet));
      const answers = [];
      for (let i = 0; i < 5; i++) answers.push(await next());
      assert.deepEqual(answers, [a, b, c, "p", d]);
    }
    await client.leave();
    const events = (await observer.until("close")).map(({ event }) => event);
    assert.deepEqual(events, ["open", ...Array.from({ length: 4 }, () => "error"), "close"]);
    deflater.close();
    inflater.close();
  });
});

test("A thread that is given up and goes on runs nothing that another was given", async () => {
  await withRealtime({ workers: 1, deadlineMs: 300, ...QUIET }, async (app) => {
    const { client, observer } = await app.watched();
    const gate = app.gate("slow");
    client.send(concat(
      ...[`awaitCount ${gate}`, "count", "count"].map((payload) => frame({ payload })),
    ));
    await app.gates.arrived("slow");
    // Burns the same thread beyond the deadline; Deno cannot stop it.
    const spun = await app.local.exchange(get("/spin?ms=1500"));
    assert.equal(spun.status, 503);
    // The next thread runs what the first had not begun with.
    assert.deepEqual(await client.nextTexts(2), ["1", "2"]);
    assert.equal((await observer.find("error")).code, "ERR_WORKER");
    app.gates.open("slow");
    await app.local.until("the thread has come to its end", ({ zombies }) => zombies === 0);
    assert.equal(await client.ask("count"), "3");
    await client.leave();
    assert.equal((await observer.find("close")).count, 3);
    assert.equal(client.frames.filter(({ text }) => text === "passed").length, 0);
  });
});

test("Pinned connections keep to their thread, and end with 1011 when it dies; others stay", async () => {
  await withRealtime({ workers: 3, ...QUIET }, async (app) => {
    const pinned = await Promise.all(
      Array.from({ length: 8 }, () => app.watched("affinity=worker")),
    );
    const free = await app.watched();
    const threads: string[] = [];
    for (const { client } of pinned) {
      const own = await client.ask("thread");
      threads.push(own);
      for (let i = 0; i < 5; i++) assert.equal(await client.ask("thread"), own);
    }
    const [first] = pinned;
    assert.ok(first);
    const doomed = threads[0] ?? "";
    first.client.text("count", "exit", "count");
    for (const [i, { client, observer }] of pinned.entries()) {
      if (threads[i] !== doomed) {
        assert.equal(await client.ask("thread"), threads[i]);
        continue;
      }
      assert.equal((await client.closing()).code, 1011);
      assert.equal(await client.ending(), "clean");
      // Its thread is gone: nobody is left to be told.
      assert.ok(observer.client.frames.every(({ text }) => !text.includes('"close"')));
    }
    assert.equal(await free.client.ask("count"), "1");
    // A new one gets a living thread.
    const next = await app.open("/do?affinity=worker");
    assert.notEqual(await next.ask("thread"), doomed);
  });
});

test("A pinned connection's events wait for its thread, and pings do not", async () => {
  await withRealtime({ workers: 2 }, async (app) => {
    const client = await app.open("/do?affinity=worker");
    client.text(`block ${app.gate("b")}`, ...Array.from({ length: 200 }, (_, i) => `echo ${i}`));
    await app.gates.arrived("b");
    client.ping("p");
    assert.equal((await client.next()).text, "p");
    app.gates.open("b");
    assert.equal(await client.nextText(), "passed");
    assert.deepEqual(await client.nextTexts(200), Array.from({ length: 200 }, (_, i) => String(i)));
    client.binary(new Uint8Array(800_000).fill(1));
    assert.equal((await client.next()).payload.length, 800_000);
  });
});

test("A thread with pinned connections is not idle: an elastic pool keeps it", async () => {
  await withRealtime({ workers: { min: 1, max: 3, idleTimeoutMs: 50 } }, async (app) => {
    // Requests that block make the pool grow, and keep the first threads from the handshakes.
    const gates = ["a", "b"];
    const blocked = await Promise.all(gates.map((name) => app.open(`/do?${name}`)));
    for (const [i, client] of blocked.entries()) {
      client.text(`block ${app.gate(gates[i] ?? "")}`);
      await app.gates.arrived(gates[i] ?? "");
    }
    const pinned = await app.open("/do?affinity=worker");
    const own = await pinned.ask("thread");
    for (const name of gates) app.gates.open(name);
    await app.local.until("the others have left", ({ workers }) => workers <= 2);
    await until("the pinned one was idle for long", () => app.local.stats.workers <= 2);
    for (let i = 0; i < 20; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(pinned.close, null);
    }
    assert.equal(await pinned.ask("thread"), own);
  });
});

test("A thread that dies before its upgrade is through answers 500, and the client may come again", async () => {
  await withRealtime({ workers: 1, ...QUIET }, async (app) => {
    const client = await app.connect();
    client.send(get("/die"));
    await client.until("an answer is here", () => client.head !== "");
    assert.equal(client.status, 500);
    const next = await app.connect();
    next.send(handshake("/do"));
    await next.upgraded();
    assert.equal(await next.ask("echo again"), "again");
  });
});
