/**
 * Tests of the opening handshake through the server: what is accepted, what is refused with which status, and what
 * becomes of octets that come before the decision.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { get, post } from "../support/raw_client.ts";
import { until } from "../support/until.ts";
import { concat, frame, utf8 } from "../websocket/client_frames.ts";
import { SharedRealtime, withRealtime } from "./support/realtime_app.ts";
import { ACCEPT, handshake, KEY_FIELD, SocketClient, UPGRADE_FIELDS } from "./support/socket_client.ts";

const shared = new SharedRealtime();

test("A handshake is answered with exactly the fields of RFC 6455 section 4.2.2", async () => {
  await shared.run(async (app) => {
    const client = await app.open("/do");
    const lines = client.head.split("\r\n");
    assert.deepEqual(lines, [
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${ACCEPT}`,
    ]);
    assert.equal(await client.ask("echo hello"), "hello");
  });
});

for (
  const [what, fields] of [
    ["a Connection list in capitals", "Upgrade: WEBSOCKET\r\nConnection: keep-alive, UPGRADE\r\n"],
    ["two Connection lines", "Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: upgrade\r\n"],
    ["Connection: close beside upgrade", "Upgrade: websocket\r\nConnection: upgrade, close\r\n"],
    ["an Upgrade list", "Upgrade: h2c, websocket\r\nConnection: Upgrade\r\n"],
    ["a Content-Length of 0", "Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n"],
  ] as const
) {
  test(`A handshake with ${what} is accepted, and frames behind it are read`, async () => {
    await shared.run(async (app) => {
      const client = await app.connect();
      const head = `GET /do HTTP/1.1\r\nHost: test\r\nSec-WebSocket-Version: 13\r\n${KEY_FIELD}${fields}\r\n`;
      client.send(concat(utf8(head), frame({ payload: "echo at once" })));
      await client.upgraded();
      assert.equal(await client.nextText(), "at once");
      assert.equal(await client.ask("echo later"), "later");
    });
  });
}

const without = (name: string): string =>
  UPGRADE_FIELDS.split("\r\n").filter((line) => !line.startsWith(name)).join("\r\n");

for (
  const [what, head, status, field] of [
    ["no Upgrade field", `GET /do HTTP/1.1\r\nHost: x\r\n${without("Upgrade")}\r\n`, 400, ""],
    ["another protocol", `GET /do HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n${without("Upgrade")}\r\n`, 400, ""],
    ["no upgrade in Connection", `GET /do HTTP/1.1\r\nHost: x\r\n${without("Connection")}\r\n`, 400, ""],
    ["no key", `GET /do HTTP/1.1\r\nHost: x\r\n${without("Sec-WebSocket-Key")}\r\n`, 400, ""],
    [
      "a key of 15 octets",
      `GET /do HTTP/1.1\r\nHost: x\r\n${
        without("Sec-WebSocket-Key")
      }Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA\r\n\r\n`,
      400,
      "",
    ],
    ["two keys", `GET /do HTTP/1.1\r\nHost: x\r\n${UPGRADE_FIELDS}${KEY_FIELD}\r\n`, 400, ""],
    [
      "no version",
      `GET /do HTTP/1.1\r\nHost: x\r\n${without("Sec-WebSocket-Version")}\r\n`,
      426,
      "sec-websocket-version: 13",
    ],
    [
      "version 8",
      `GET /do HTTP/1.1\r\nHost: x\r\n${without("Sec-WebSocket-Version")}Sec-WebSocket-Version: 8\r\n\r\n`,
      426,
      "sec-websocket-version: 13",
    ],
    ["HTTP/1.0", `GET /do HTTP/1.0\r\nHost: x\r\n${UPGRADE_FIELDS}\r\n`, 400, ""],
    ["a body", `GET /do HTTP/1.1\r\nHost: x\r\n${UPGRADE_FIELDS}Content-Length: 3\r\n\r\nabc`, 400, ""],
    [
      "a malformed extension list",
      `GET /do HTTP/1.1\r\nHost: x\r\n${UPGRADE_FIELDS}Sec-WebSocket-Extensions: ;\r\n\r\n`,
      400,
      "",
    ],
    [
      "a malformed subprotocol list",
      `GET /do HTTP/1.1\r\nHost: x\r\n${UPGRADE_FIELDS}Sec-WebSocket-Protocol: a b\r\n\r\n`,
      400,
      "",
    ],
    ["POST", `POST /do HTTP/1.1\r\nHost: x\r\n${UPGRADE_FIELDS}Content-Length: 0\r\n\r\n`, 405, "allow: "],
    ["HEAD", `HEAD /do HTTP/1.1\r\nHost: x\r\n${UPGRADE_FIELDS}\r\n`, 405, "allow: "],
    ["nothing of it", get("/do"), 400, ""],
  ] as const
) {
  test(`A handshake with ${what} gets ${status} as an ordinary response`, async () => {
    await shared.run(async (app) => {
      const isHead = what === "HEAD";
      const client = await app.local.connect({ isHead: (index) => isHead && index === 0 });
      const [response, next] = await client.send(head).send(what === "HTTP/1.0" ? "" : get("/light")).receive(
        what === "HTTP/1.0" ? 1 : 2,
      );
      assert.equal(response?.status, status);
      const fields = response?.fields.map(([name, value]) => `${name.toLowerCase()}: ${value}`) ?? [];
      assert.ok(fields.some((line) => line.startsWith(field)), fields.join("\n"));
      // The connection is still HTTP.
      if (next !== undefined) assert.equal(next.text, "light");
    });
  });
}

test("A handshake without Host, or with two, is refused like any request", async () => {
  await shared.run(async (app) => {
    for (const hosts of ["", "Host: a\r\nHost: b\r\n"]) {
      const response = await app.local.exchange(`GET /do HTTP/1.1\r\n${hosts}${UPGRADE_FIELDS}\r\n`);
      assert.equal(response.status, 400);
    }
  });
});

test("The subprotocol is the first of the server's that the client offers", async () => {
  await shared.run(async (app) => {
    for (
      const [offered, agreed] of [
        ["chat.v1, chat.v2", "chat.v2"],
        ["other, chat.v1", "chat.v1"],
        ["other", null],
      ] as const
    ) {
      const fields = `Sec-WebSocket-Protocol: ${offered}\r\n`;
      const client = await app.open("/do?protocols=chat.v2,chat.v1", { fields });
      assert.equal(client.field("sec-websocket-protocol"), agreed);
      const [protocol, remote, isOpen] = JSON.parse(await client.ask("facts")) as unknown[];
      assert.deepEqual([protocol, remote, isOpen], [agreed ?? "", "127.0.0.1", true]);
    }
  });
});

test("The origins that may connect are those of the option; clients without one may", async () => {
  await shared.run(async (app) => {
    for (
      const [rule, origin, status] of [
        ["https://good.example,http://other.example", "https://good.example", 101],
        ["https://good.example", "https://GOOD.example", 101],
        ["https://good.example", "https://bad.example", 403],
        ["https://good.example", "null", 403],
        ["https://good.example", "", 101],
        ["same-host", "http://test", 101],
        ["same-host", "https://test", 101],
        ["same-host", "http://test.evil.example", 403],
        ["", "https://anything.example", 101],
      ] as const
    ) {
      const client = await app.connect();
      const fields = origin === "" ? "" : `Origin: ${origin}\r\n`;
      client.send(handshake(`/do${rule === "" ? "" : `?origins=${rule}`}`, fields));
      await client.until("an answer is here", () => client.head !== "");
      assert.equal(client.status, status, `${rule} ${origin}`);
    }
  });
});

test("Fields of the option stand in the 101 response", async () => {
  await shared.run(async (app) => {
    const client = await app.open("/do?cookie=seen%3D1");
    assert.equal(client.field("set-cookie"), "seen=1");
  });
});

test("An admission that awaits lets friends in and answers strangers itself", async () => {
  await shared.run(async (app) => {
    const friend = await app.open("/admitted?who=friend", { behind: frame({ payload: "hello" }) });
    assert.equal(await friend.nextText(), "hello");
    const stranger = await app.connect();
    stranger.send(handshake("/admitted?who=stranger"));
    await stranger.until("an answer is here", () => stranger.head !== "");
    assert.equal(stranger.status, 401);
  });
});

test("Frames in the packet of the handshake wait while the worker decides", async () => {
  await shared.run(async (app) => {
    const behind = concat(
      frame({ payload: "echo first" }),
      frame({ opcode: 9, payload: "p" }),
      frame({ fin: false, payload: "echo sec" }),
      frame({ opcode: 0, payload: "ond" }),
    );
    for (let cut = 0; cut <= behind.length; cut += 7) {
      const client = await app.open("/do", { behind: behind.subarray(0, cut) });
      client.send(behind.subarray(cut));
      const seen = [await client.next(), await client.next(), await client.next()];
      const kinds = seen.map(({ opcode, text }) => `${opcode} ${text}`).sort();
      assert.deepEqual(kinds, ["1 first", "1 second", "10 p"]);
    }
  });
});

test("A handshake and the frames behind it are the same one octet at a time", async () => {
  await shared.run(async (app) => {
    const fields = "Sec-WebSocket-Protocol: chat.v1\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";
    const octets = concat(
      utf8(handshake("/do?protocols=chat.v1", fields)),
      frame({ payload: "echo first" }),
      frame({ opcode: 9, payload: "p" }),
      frame({ payload: "echo second" }),
      frame({ opcode: 8, payload: "" }),
    );
    const client = await app.connect();
    for (const octet of octets) await client.sendAll(Uint8Array.of(octet));
    await client.upgraded();
    assert.equal(client.field("sec-websocket-protocol"), "chat.v1");
    assert.match(client.field("sec-websocket-extensions") ?? "", /^permessage-deflate/);
    assert.equal((await client.closing()).code, 1005);
    assert.equal(await client.ending(), "clean");
    const texts = client.frames.filter(({ opcode }) => opcode === 1).map(({ text }) => text);
    assert.deepEqual(texts, ["first", "second"]);
    assert.deepEqual(client.frames.filter(({ opcode }) => opcode === 10).map(({ text }) => text), ["p"]);
  });
});

test("Frames that come while a handler thinks about the upgrade wait for its decision", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    client.send(concat(
      utf8(handshake(`/decide?${app.gates.query("decide")}`)),
      frame({ opcode: 9, payload: "before" }),
    ));
    await app.gates.arrived("decide");
    await client.sendAll(concat(frame({ opcode: 9, payload: "during" }), frame({ opcode: 8, payload: "" })));
    // Nothing is answered before the decision: another connection's request would be overtaken by it.
    assert.equal(await app.get("/light"), "light");
    assert.equal(client.head, "");
    app.gates.open("decide");
    await client.upgraded();
    assert.deepEqual(
      [(await client.next()).text, (await client.next()).text, (await client.next()).opcode],
      ["before", "during", 8],
    );
    assert.equal(await client.ending(), "clean");
  });
});

test("Many octets of frames before the decision are not lost, and not all taken in", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    const payload = new Uint8Array(50_000).fill(7);
    const frames = concat(...Array.from({ length: 100 }, () => frame({ opcode: 2, payload })));
    client.send(handshake(`/decide/blocking?${app.gates.query("many")}`));
    await app.gates.arrived("many");
    const sent = client.sendAll(concat(frames, frame({ opcode: 9, payload: "the end" })));
    app.gates.open("many");
    await client.upgraded();
    assert.equal((await client.next()).text, "the end");
    await sent;
  });
});

test("What follows a refused handshake is read as HTTP again", async () => {
  await shared.run(async (app) => {
    const client = await app.local.connect();
    client.send(handshake(`/decide?${app.gates.query("no")}&refuse`) + get("/light"));
    await app.gates.arrived("no");
    assert.equal(client.received, 0);
    app.gates.open("no");
    const [refused, light] = await client.receive(2);
    assert.deepEqual([refused?.status, light?.text], [403, "light"]);
  });
});

test("A connection that has served requests is upgraded, also while they are unanswered", async () => {
  await shared.run(async (app) => {
    const client = await app.local.connect();
    client.send(get("/light") + post("/light", 0));
    await client.receive(2);
    client.destroy();

    const piped = await app.connect();
    piped.send(concat(
      utf8(get(`/gate?${app.gates.query("slow")}`) + get("/light") + handshake("/decide?early")),
      frame({ opcode: 9, payload: "behind all" }),
    ));
    await app.gates.arrived("slow");
    assert.equal(await app.get("/light"), "light");
    assert.equal(piped.head, "");
    app.gates.open("slow");
    await piped.until("the pong is here", () => piped.octets.includes("behind all"));
    const { octets } = piped;
    // What was sent before it was the upgrade's turn leaves with it, before any pong.
    const parts = ["passed", "light", "HTTP/1.1 101 ", "from the handler", "behind all"];
    const at = parts.map((part) => octets.indexOf(part));
    assert.deepEqual(at, [...at].sort((a, b) => a - b), octets);
    assert.ok(at.every((place) => place >= 0), octets);
    // Three heads, no more: the upgrade got no response of another kind.
    assert.equal(octets.split("HTTP/1.1 ").length, 4);
  });
});

for (const how of ["fail", "exit"] as const) {
  test(`A handler that ${how}s behind its upgrade changes nothing for a connection that waits for its turn`, async () => {
    await withRealtime({ workers: 3, logLevel: "error" }, async (app) => {
      const client = await app.connect();
      const upgrade = handshake(`/decide?${app.gates.query("second")}&id&${how}`);
      client.send(get(`/gate?${app.gates.query("first")}`) + upgrade);
      await app.gates.arrived("first");
      await app.gates.arrived("second");
      app.gates.open("second");
      await app.gates.arrived("second-id");
      await app.local.until("it has failed", ({ workersDied }) => how === "fail" || workersDied === 1);
      const id = app.gates.note("second-id");
      const other = await app.open("/do");
      assert.equal(await other.ask(`to ${id} state`), "true 0");
      assert.equal(await other.ask(`to ${id} send by id`), "queued");
      assert.equal(await other.ask(`to ${id} close bye`), "done");
      app.gates.open("first");
      await client.until("the close frame is here", () => client.octets.includes("bye"));
      assert.match(client.octets, /^HTTP\/1\.1 200 [^]*passedHTTP\/1\.1 101 /);
      assert.ok(client.octets.endsWith("\r\n\r\n\x81\x05by id\x88\x05\x0f\xa0bye"), client.octets);
    });
  });
}

test("An upgrade that waits for its turn longer than the deadline is still an upgrade", async () => {
  await withRealtime({ workers: 2, deadlineMs: 200, logLevel: "error" }, async (app) => {
    const client = await app.connect();
    // Neither handler ends; the first has no deadline, the second has upgraded.
    const upgrade = handshake(`/decide?${app.gates.query("second")}&id&forever`);
    client.send(get(`/slow?${app.gates.query("first")}`) + upgrade);
    await app.gates.arrived("second");
    app.gates.open("second");
    await app.gates.arrived("second-id");
    const begun = performance.now();
    await until("the deadline is long over", () => performance.now() - begun > 600);
    assert.equal(app.local.stats.deadlines, 0);
    app.gates.open("first");
    await client.ping("after all").until("the pong is here", () => client.octets.includes("after all"));
    assert.match(client.octets, /^HTTP\/1\.1 200 [^]*passedHTTP\/1\.1 101 [^]*after all$/);
  });
});

test("A client that leaves before the decision is told to the handler, and forgotten", async () => {
  await shared.run(async (app) => {
    for (const how of ["reset", "end"] as const) {
      const client = await app.connect();
      const name = `gone-${how}`;
      client.send(handshake(`/decide/blocking?${app.gates.query(name)}`));
      await app.gates.arrived(name);
      if (how === "reset") {
        client.reset();
        await app.local.until("the connection is gone", ({ connections }) => connections === 0);
      } else client.end();
      app.gates.open(name);
      await app.gates.arrived(`${name}-after`);
      // After FIN the handshake is still answered; then the connection is lost without a close frame.
      assert.equal(app.gates.note(`${name}-after`), how === "reset" ? "gone" : "upgraded");
      if (how === "end") assert.equal(await client.ending(), "clean");
      assert.equal(client.status, how === "reset" ? 0 : 101);
    }
  });
});

test("Messages, pings and a close frame in front of FIN are all heard", async () => {
  await shared.run(async (app) => {
    const topic = app.topic();
    const observer = await app.observe(topic);
    const client = await app.connect();
    client.send(concat(
      utf8(handshake(`/do?log=${topic}`)),
      frame({ payload: "count" }),
      frame({ opcode: 9, payload: "p" }),
      frame({ payload: "count" }),
      frame({ opcode: 8, payload: Uint8Array.of(0x0f, 0xa1, 0x78) }),
    )).end();
    const events = (await observer.until("close")).map(({ event }) => event);
    assert.deepEqual(events, ["open", "ping", "close"]);
    await client.closing();
    assert.deepEqual(client.close, { code: 4001, reason: "x" });
    assert.equal(await client.ending(), "clean");
  });
});

test("A second upgrade of one request throws, and a handler that throws afterwards changes nothing", async () => {
  await shared.run(async (app) => {
    const twice = await app.open("/decide?twice");
    assert.equal(await twice.nextText(), "ERR_ALREADY_RESPONDED");
    const failed = await app.open("/decide?early&fail");
    assert.equal(await failed.nextText(), "from the handler");
    await failed.ping("alive").until("the pong is here", () => failed.frames.at(-1)?.text === "alive");
    await app.local.until("the failure is logged", () => app.local.hasLogged("after the upgrade"));
  });
});

test("A handler may close at once: the client gets the 101, then the close frame", async () => {
  await shared.run(async (app) => {
    const client = await app.open("/decide?early&close");
    assert.equal(await client.nextText(), "from the handler");
    assert.deepEqual(await client.closing(), { code: 4001, reason: "at once" });
    client.sayClose(4001);
    assert.equal(await client.ending(), "clean");
  });
});

test("A wrong option is the handler's failure: 500", async () => {
  await shared.run(async (app) => {
    for (const query of ["max=0", "buffer=-1", "ping=0.5", "idle=NaN", "max=3000000000"]) {
      const client = await app.connect();
      client.send(handshake(`/do?${query}`));
      await client.until("an answer is here", () => client.head !== "");
      assert.equal(client.status, 500, query);
    }
  });
});

test("The server of this file stops", async () => {
  await shared.stop();
  assert.ok(SocketClient);
});
