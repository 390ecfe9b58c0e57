/**
 * Tests of what takes too long on sockets, and of the end of the server.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { blockFor } from "../fixtures/gate_side.ts";
import { get } from "../support/raw_client.ts";
import { until } from "../support/until.ts";
import { frame } from "../websocket/client_frames.ts";
import { SharedRealtime, withRealtime } from "./support/realtime_app.ts";
import { handshake, type SocketClient } from "./support/socket_client.ts";

const shared = new SharedRealtime();

const pings = (client: SocketClient): number => client.frames.filter(({ opcode }) => opcode === 9).length;

test("A silent client is pinged; one that answers stays, and so does one that says anything else", async () => {
  await shared.run(async (app) => {
    const answering = await app.open("/do?ping=60");
    for (let seen = 1; seen <= 5; seen++) {
      await answering.until("a ping comes", () => pings(answering) >= seen);
      assert.equal(answering.frames.at(-1)?.payload.length, 0);
      answering.pong();
    }
    const talking = await app.open("/do?ping=60");
    for (let seen = 1; seen <= 3; seen++) {
      await talking.until("a ping comes", () => pings(talking) >= seen);
      // A part of a message is as good as a pong.
      talking.send(
        seen === 1 ? frame({ fin: false, payload: "echo " }) : frame({ fin: false, opcode: 0, payload: "x" }),
      );
    }
    talking.send(frame({ opcode: 0, payload: "" }));
    await talking.until("the answer comes", () => talking.frames.at(-1)?.text === "xx");
    assert.equal(answering.close, null);
  });
});

test("The standstill of the server's own thread is not the silence of its clients", async () => {
  await shared.run(async (app) => {
    const client = await app.open("/do?ping=100");
    for (let seen = 1; seen <= 3; seen++) {
      await client.until("a ping comes", () => pings(client) >= seen);
      client.pong();
      // The server runs in this thread: it finds the time of the pong over before it can read it.
      blockFor(300);
    }
    await client.until("the server goes on to ping", () => pings(client) >= 4);
  });
});

test("A client that answers no ping is cut, and told as 1006", async () => {
  await shared.run(async (app) => {
    const { client, observer } = await app.watched("ping=100");
    await client.ending();
    assert.deepEqual(client.frames.map(({ opcode }) => opcode), [9]);
    const reports = await observer.until("close");
    assert.deepEqual(reports.map(({ event }) => event), ["open", "error", "close"]);
    assert.equal(reports[2]?.code, 1006);
  });
});

test("Without pingIntervalMs there are no pings", async () => {
  await shared.run(async (app) => {
    const [never, control] = [await app.open("/do?ping=0"), await app.open("/do?ping=50")];
    for (let seen = 1; seen <= 4; seen++) {
      await control.until("a ping comes", () => pings(control) >= seen);
      control.pong();
    }
    assert.equal(pings(never), 0);
  });
});

test("A client that says nothing for idleTimeoutMs is closed with 1001; answers to pings do not count", async () => {
  await shared.run(async (app) => {
    const { client, observer } = await app.watched("ping=50&idle=400");
    const begun = performance.now();
    await client.until("a ping comes", () => pings(client) >= 1);
    client.text("echo a message counts");
    let answered = 0;
    const lastWord = performance.now();
    await client.until("it is closed", () => {
      for (; answered < pings(client); answered++) client.pong();
      return client.close !== null;
    });
    assert.deepEqual(client.close, { code: 1001, reason: "Idle for too long" });
    assert.ok(performance.now() - lastWord > 350 && performance.now() - begun > 400);
    assert.ok(answered >= 3, `${answered} pings`);
    client.sayClose(1001);
    assert.equal(await client.ending(), "clean");
    assert.equal((await observer.find("close")).code, 1001);
  });
});

test("A blocked handler is not the client's silence", async () => {
  await shared.run(async (app) => {
    const client = await app.open("/do?ping=50&idle=300");
    const end = performance.now() + 800;
    client.text(`block ${app.gate("b")}`);
    await app.gates.arrived("b");
    let answered = 0;
    while (performance.now() < end) {
      await client.until("a ping comes", () => pings(client) > answered);
      answered++;
      client.pong().text("count");
    }
    app.gates.open("b");
    await client.until("it goes on", () => client.frames.some(({ text }) => text === "passed"));
    assert.equal(client.close, null);
  });
});

test("A close frame that is not answered, and a connection that is not ended, are cut after a while", async () => {
  await shared.run(async (app) => {
    const begun = performance.now();
    const silent = await app.watched();
    const lingering = await app.watched();
    silent.client.text("close 4000 x");
    lingering.client.sayClose(4000, "x");
    await silent.client.closing();
    await lingering.client.closing();
    assert.equal((await lingering.observer.find("close")).code, 4000);
    await Promise.all([
      silent.client.until("it is cut", () => silent.client.closed || silent.client.ended).then(() => {
        const took = performance.now() - begun;
        assert.ok(took > 4_500 && took < 15_000, `${took}`);
      }),
      app.local.until("the lingering one is forgotten", ({ connections }) => connections <= 3),
    ]);
    assert.equal((await silent.observer.find("close")).code, 1006);
  });
});

test("An event that never ends keeps nothing for ever: it is given up when its client has left, and logged", async () => {
  await withRealtime({ workers: 2, goneEventTimeoutMs: 300 }, async (app) => {
    const hanging = await Promise.all(Array.from({ length: 5 }, () => app.watched()));
    const patient = await app.watched();
    assert.equal(app.local.stats.webSockets, 12);
    const begun = performance.now();
    for (const { client } of [...hanging, patient]) client.text("count", "hang", "count", "echo behind");
    // Whoever is there is waited for.
    await until("the others have long waited", async () => {
      for (const { client } of hanging) {
        client.ping();
        await client.next();
      }
      return performance.now() - begun > 900;
    });
    assert.equal(app.local.hasLogged("did not end"), false);
    for (const { client } of hanging) client.reset();
    for (const { observer } of hanging) {
      const reports = (await observer.until("close")).filter(({ event }) => event !== "ping");
      assert.deepEqual(reports.map(({ event }) => event), ["open", "error", "close"]);
      // What was behind the lost event was handled, with the data as it was before.
      assert.deepEqual([reports[2]?.code, reports[2]?.count], [1006, 2]);
    }
    await app.local.until("their places are free", ({ webSockets }) => webSockets === 7);
    const logged = app.local.logs.filter(({ message }) =>
      message.includes("did not end after its client had left")
    );
    assert.deepEqual(logged.map(({ level, fields }) => [level, fields]), [
      ...Array.from({ length: 5 }, () => ["warn", { remote: "127.0.0.1" }]),
    ]);
    assert.equal(patient.client.close, null);
  });
});

test("An event that ends after it was given up changes nothing, and its thread begins with no other for it", async () => {
  await withRealtime({ workers: 2, goneEventTimeoutMs: 200 }, async (app) => {
    const { client, observer } = await app.watched();
    client.text(`hang ${app.gate("late")}`, "count");
    await app.gates.arrived("late");
    client.reset();
    assert.equal((await observer.find("close")).count, 1);
    app.gates.open("late");
    assert.equal((await observer.next()).event, "went on");
    assert.equal(app.local.stats.webSockets, 1);
    const next = await app.open();
    assert.equal(await next.ask("count"), "1");
    assert.equal(observer.client.frames.length, 5);
  });
});

test("stop() closes every WebSocket with 1001, and every close handler runs before the server has stopped", async () => {
  const gates: string[] = [];
  await withRealtime({ workers: 2, drainTimeoutMs: 10_000 }, async (app) => {
    const clients = await Promise.all(Array.from({ length: 10 }, (_, i) => {
      gates.push(`c${i}`);
      return app.open(`/do?closegate=${encodeURIComponent(app.gate(`c${i}`))}`);
    }));
    const busy = clients.pop() as SocketClient;
    busy.text(`block ${app.gate("busy")}`);
    await app.gates.arrived("busy");
    const stopped = app.local.server.stop();
    const leave = async (client: SocketClient): Promise<void> => {
      assert.deepEqual(await client.closing(), { code: 1001, reason: "The server stops" });
      client.sayClose(1001);
      await client.ending();
      client.socket.destroy();
    };
    for (const client of clients) await leave(client);
    // One whose message is being handled gets the answer first.
    assert.deepEqual([busy.close, app.gates.hasArrived("c9")], [null, false]);
    app.gates.open("busy");
    await leave(busy);
    assert.equal(busy.frames[0]?.text, "passed");
    await stopped;
    for (const name of gates) assert.match(app.gates.note(name), /^1001/);
  });
});

test("stop() says 1001 after half of drainTimeoutMs to a client whose message is still being handled", async () => {
  await withRealtime({ workers: 2, drainTimeoutMs: 1_000 }, async (app) => {
    const client = await app.open();
    client.text(`await ${app.gate("busy")}`);
    await app.gates.arrived("busy");
    const stopped = app.local.server.stop();
    assert.deepEqual(await client.closing(), { code: 1001, reason: "The server stops" });
    assert.equal(client.frames.length, 1);
    app.gates.open("busy");
    client.sayClose(1001);
    await client.ending();
    await stopped;
  });
});

test("stop() waits no longer than drainTimeoutMs for clients that do not answer", async () => {
  await withRealtime({ drainTimeoutMs: 300 }, async (app) => {
    const client = await app.open();
    const begun = performance.now();
    await app.local.server.stop();
    assert.ok(performance.now() - begun < 3_000);
    await client.until("it is cut", () => client.closed || client.ended);
    assert.equal(client.close?.code, 1001);
  });
});

test("stop() ends event streams as complete responses", async () => {
  await withRealtime({ drainTimeoutMs: 5_000 }, async (app) => {
    const client = await app.local.connect();
    client.send(get("/stream"));
    await client.until("the stream has begun", () => client.reader.partial !== null);
    const stopped = app.local.server.stop();
    assert.equal((await client.response()).framing, "chunked");
    assert.equal(await client.ending(), "clean");
    client.destroy();
    await stopped;
  });
});

test("A handshake whose decision falls into the stop is refused with 503", async () => {
  await withRealtime({ drainTimeoutMs: 5_000 }, async (app) => {
    const client = await app.connect();
    client.send(handshake(`/decide/blocking?${app.gates.query("d")}`));
    await app.gates.arrived("d");
    const stopped = app.local.server.stop();
    app.gates.open("d");
    await client.until("an answer comes", () => client.head !== "");
    assert.equal(client.status, 503);
    assert.equal(await client.ending(), "clean");
    client.socket.destroy();
    await stopped;
    assert.equal(app.gates.note("d-after"), "gone");
  });
});

test("An upgrade that waits for its turn when the server stops is closed with 1001 at once", async () => {
  await withRealtime({ workers: 2, drainTimeoutMs: 10_000 }, async (app) => {
    const client = await app.connect();
    client.send(
      get(`/gate?${app.gates.query("first")}`) + handshake(`/decide?${app.gates.query("second")}&id`),
    );
    await app.gates.arrived("first");
    await app.gates.arrived("second");
    app.gates.open("second");
    await app.gates.arrived("second-id");
    const stopped = app.local.server.stop();
    app.gates.open("first");
    await client.until("the close frame is here", () => client.octets.includes("The server stops"));
    assert.match(client.octets, /passedHTTP\/1\.1 101 /);
    assert.ok(client.octets.endsWith("\r\n\r\n\x88\x12\x03\xe9The server stops"), client.octets);
    client.sayClose(1001);
    await stopped;
  });
});

test("Nothing is left of connections that came and went", async () => {
  await shared.run(async (app) => {
    for (let round = 0; round < 3; round++) {
      const clients = await Promise.all(Array.from({ length: 50 }, () => app.open("/do")));
      await Promise.all(
        clients.map((client, i) => i % 3 === 0 ? client.leave() : Promise.resolve(client.reset())),
      );
      await until("the server has forgotten them", () => app.local.stats.connections === 0);
    }
  });
});

test("The server of this file stops", () => shared.stop());
