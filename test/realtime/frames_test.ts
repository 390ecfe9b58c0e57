/**
 * Tests of frames through the server: the table of `websocket/frame_cases.ts` on real connections, close codes and
 * reasons both ways, order of pongs, sizes.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { closeForFault, type FrameFault } from "../../src/websocket/close_code.ts";
import { get } from "../support/raw_client.ts";
import { concat, frame, fromHex, toHex, utf8 } from "../websocket/client_frames.ts";
import { FRAME_CASES, type FrameCase } from "../websocket/frame_cases.ts";
import { type RealtimeApp, SharedRealtime, withRealtime } from "./support/realtime_app.ts";
import type { SocketClient } from "./support/socket_client.ts";

const shared = new SharedRealtime();

/** Rows at a time. */
const ROWS_AT_A_TIME = 40;

/** Whether the octets end with a whole frame; of frames that are not at fault. */
function endsWhole(octets: Uint8Array): boolean {
  let at = 0;
  while (at < octets.length) {
    const short = (octets[at + 1] ?? 0xff) & 0x7f;
    const header = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + 4;
    if (octets.length < at + header) return false;
    const view = new DataView(octets.buffer, octets.byteOffset + at);
    at += header + (short === 126 ? view.getUint16(2) : short === 127 ? Number(view.getBigUint64(2)) : short);
  }
  return at === octets.length;
}

/** Frames of an echo server: messages and pongs are each in order, and not to each other. */
interface Answers {
  readonly messages: readonly string[];
  readonly pongs: readonly string[];
}

/** What the echo server should send for the events that come before a fault or close frame. */
function expectedAnswers(row: FrameCase): Answers {
  const messages: string[] = [];
  const pongs: string[] = [];
  for (const [kind, what] of row.events) {
    if (kind === "text" || kind === "binary") messages.push(`${kind} ${what}`);
    else if (kind === "ping") pongs.push(String(what));
  }
  return { messages, pongs };
}

function answersOf({ frames }: SocketClient): Answers {
  const messages = frames.filter(({ opcode }) => opcode < 8).map(({ opcode, payload }) =>
    `${opcode === 1 ? "text" : "binary"} ${toHex(payload)}`
  );
  return {
    messages,
    pongs: frames.filter(({ opcode }) => opcode === 10).map(({ payload }) => toHex(payload)),
  };
}

/** Texts of the messages that came. */
const textsOf = ({ frames }: SocketClient): string[] =>
  frames.filter(({ opcode }) => opcode < 8).map(({ text }) => text);

async function checkRow(app: RealtimeApp, row: FrameCase): Promise<void> {
  const limit = row.limits?.maxMessageBytes ?? 1_048_576;
  const fields = row.allowsCompressed === true ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "";
  const client = await app.open(`/echo?max=${limit}`, { fields });
  const label = `${row.section}: ${row.name}`;
  const last = row.events.at(-1);
  client.send(row.octets);
  if (last?.[0] === "fault" || last?.[0] === "close") {
    const close = await client.closing();
    const expected = last[0] === "close"
      ? { code: last[1], reason: last[2] }
      : closeForFault(last[1] as FrameFault);
    assert.deepEqual(close, expected, label);
    assert.equal(await client.ending(), "clean", label);
    // All answers are in front of it: SocketClient fails on any octet behind a close frame.
    assert.deepEqual(answersOf(client), expectedAnswers(row), label);
  } else if (endsWhole(row.octets)) {
    // Nothing was at fault: the connection goes on. Inside a message only control frames may.
    const { messages, pongs } = expectedAnswers(row);
    client.ping("end");
    await client.until(
      "all of it is answered",
      () => client.frames.length === messages.length + pongs.length + 1,
    );
    assert.deepEqual(answersOf(client), { messages, pongs: [...pongs, toHex(utf8("end"))] }, label);
  } else {
    // A part of a frame that may still become a good one: the server only ends because we do, and without a word.
    client.end();
    assert.equal(await client.ending(), "clean", label);
    assert.equal(client.close, null, label);
  }
  client.socket.destroy();
}

test("Every row of the table of frames is judged the same by the server", async () => {
  await shared.run(async (app) => {
    const rows = FRAME_CASES.filter(({ events, limits }) => {
      const limit = limits?.maxMessageBytes ?? 1;
      return limit >= 1 && limit < 2 ** 31 && !events.some(([kind]) => kind.startsWith("compressed"));
    });
    assert.ok(rows.length > 1000, `${rows.length} rows`);
    let next = 0;
    const takeRows = async (): Promise<void> => {
      for (let row = rows[next++]; row !== undefined; row = rows[next++]) await checkRow(app, row);
    };
    await Promise.all(Array.from({ length: ROWS_AT_A_TIME }, takeRows));
  });
});

const HELLO = "Hello, world!";
const hello = (): Uint8Array => frame({ payload: HELLO });
const ping = (): Uint8Array => frame({ opcode: 9, payload: "" });

/** The cases of the Autobahn test suite with a message in front of a fault; without its echo they are "non-strict". */
const MESSAGE_BEFORE_FAULT = [
  ["3.2", () => [hello(), frame({ payload: HELLO, rsv: 2 }), ping()], HELLO],
  ["3.3", () => [hello(), frame({ payload: HELLO, rsv: 3 }), ping()], HELLO],
  ["3.4", () => [hello(), frame({ payload: HELLO, rsv: 4 }), ping()], HELLO],
  ["4.1.3", () => [hello(), frame({ opcode: 5, payload: "" }), ping()], HELLO],
  ["4.1.4", () => [hello(), frame({ opcode: 6, payload: HELLO }), ping()], HELLO],
  ["4.1.5", () => [hello(), frame({ opcode: 7, payload: HELLO }), ping()], HELLO],
  ["4.2.3", () => [hello(), frame({ opcode: 13, payload: "" }), ping()], HELLO],
  ["4.2.4", () => [hello(), frame({ opcode: 14, payload: HELLO }), ping()], HELLO],
  ["4.2.5", () => [hello(), frame({ opcode: 15, payload: HELLO }), ping()], HELLO],
  ["5.15", () => [
    frame({ fin: false, payload: "fragment1" }),
    frame({ opcode: 0, payload: "fragment2" }),
    frame({ opcode: 0, fin: false, payload: "fragment3" }),
    frame({ payload: "fragment4" }),
  ], "fragment1fragment2"],
] as const;

for (const [number, frames, echo] of MESSAGE_BEFORE_FAULT) {
  test(`The message in front of a fault is echoed before the close frame: Autobahn ${number}`, async () => {
    await shared.run(async (app) => {
      for (
        const how of ["in one packet", "frame by frame", "octet by octet", "behind the handshake"] as const
      ) {
        const octets = concat(...frames());
        const client = await app.open("/echo", how === "behind the handshake" ? { behind: octets } : {});
        if (how === "in one packet") client.send(octets);
        else if (how === "frame by frame") { for (const one of frames()) await client.sendAll(one); }
        else if (how === "octet by octet") {
          for (const octet of octets) await client.sendAll(Uint8Array.of(octet));
        }
        assert.equal((await client.closing()).code, 1002, how);
        assert.deepEqual(textsOf(client), [echo], how);
        assert.equal(await client.ending(), "clean", how);
      }
    });
  });
}

test("The answers to messages in front of a close frame come before its echo, however many and slow they are", async () => {
  await shared.run(async (app) => {
    const echo = await app.open("/echo");
    // More than fits into a batch, and one that travels by itself.
    const large = "x".repeat(100_000);
    const texts = [...Array.from({ length: 200 }, (_, i) => String(i)), large, "last"];
    echo.text(...texts).sayClose(1000, "thanks");
    assert.deepEqual(await echo.closing(), { code: 1000, reason: "thanks" });
    assert.deepEqual(textsOf(echo), texts);
    assert.equal(await echo.ending(), "clean");

    // A handler that awaits, a client that has ended its side, and nobody who waits behind.
    const { client, observer } = await app.watched();
    client.text(`await ${app.gate("late")}`, "echo behind").sayClose(4000).ping("not read any more").end();
    await app.gates.arrived("late");
    assert.deepEqual([client.frames.length, client.close], [0, null]);
    app.gates.open("late");
    assert.equal((await client.closing()).code, 4000);
    assert.deepEqual(textsOf(client), ["passed", "behind"]);
    assert.equal(await client.ending(), "clean");
    assert.deepEqual((await observer.until("close")).map(({ event }) => event), ["open", "close"]);
  });
});

test("A client that half-closes without a close frame gets its answers, and no close frame", async () => {
  await shared.run(async (app) => {
    const { client, observer } = await app.watched();
    client.text("echo one", "echo two").end();
    assert.equal(await client.ending(), "clean");
    assert.deepEqual([textsOf(client), client.close], [["one", "two"], null]);
    assert.equal((await observer.find("close")).code, 1006);
  });
});

test("A handler that does not answer holds a close frame back for half a second and no longer", async () => {
  await withRealtime({ workers: 2 }, async (app) => {
    for (const end of ["close", "fault"] as const) {
      const { client, observer } = await app.watched();
      client.text("echo answered", `block ${app.gate(end)}`, "echo too late");
      await app.gates.arrived(end);
      const begun = performance.now();
      if (end === "close") client.sayClose(1000);
      else client.send(fromHex("83 80 00 00 00 00"));
      assert.equal((await client.closing()).code, end === "close" ? 1000 : 1002);
      assert.ok(performance.now() - begun > 400);
      assert.equal(await client.ending(), "clean");
      assert.deepEqual(textsOf(client), ["answered"]);
      app.gates.open(end);
      // Its messages are handled all the same, then the end is told.
      const told = (await observer.until("close")).map(({ event }) => event);
      assert.deepEqual(told, end === "close" ? ["open", "close"] : ["open", "error", "close"]);
    }
  });
});

test("The error event tells a fault of the client, and the close event its code and reason", async () => {
  await shared.run(async (app) => {
    for (
      const [octets, code] of [[fromHex("83 80 00 00 00 00"), 1002], [
        frame({ payload: fromHex("ff") }),
        1007,
      ]] as const
    ) {
      const { client, observer } = await app.watched();
      client.send(octets).text("count");
      const { reason } = await client.closing();
      const reports = await observer.until("close");
      assert.deepEqual(reports.map(({ event }) => event), ["open", "error", "close"]);
      assert.equal(reports[1]?.code, "ERR_SOCKET");
      assert.equal(reports[1]?.message, reason);
      assert.deepEqual([reports[2]?.code, reports[2]?.reason, reports[2]?.count], [code, reason, 0]);
      assert.deepEqual([reports[2]?.isOpen, reports[2]?.send], [false, "closed"]);
    }
  });
});

test("A close frame of the client is echoed, and the close event has its code and reason", async () => {
  await shared.run(async (app) => {
    for (const [code, reason] of [[1000, ""], [1001, "away"], [3000, "ü".repeat(61)], [4999, "x"]] as const) {
      const { client, observer } = await app.watched();
      client.sayClose(code, reason);
      assert.deepEqual(await client.closing(), { code, reason });
      assert.equal(await client.ending(), "clean");
      const report = await observer.find("close");
      assert.deepEqual([report.code, report.reason], [code, reason]);
    }
    const { client, observer } = await app.watched();
    client.sayClose();
    assert.deepEqual(await client.closing(), { code: 1005, reason: "" });
    assert.equal((await observer.find("close")).code, 1005);
  });
});

test("A close of the server has its code and reason, and the client's echo ends the connection", async () => {
  await shared.run(async (app) => {
    for (
      const [command, code, reason] of [
        ["close", 1000, ""],
        ["close 4001 see you", 4001, "see you"],
        [`close 1008 ${"ü".repeat(61)}`, 1008, "ü".repeat(61)],
      ] as const
    ) {
      const { client, observer } = await app.watched();
      client.text(command);
      assert.deepEqual(await client.closing(), { code, reason });
      const after = await observer.find("after close");
      assert.deepEqual([after.send, after.isOpen], ["closed", false]);
      // Until the client agrees, it may still send.
      client.text("count").sayClose(code, reason);
      assert.equal(await client.ending(), "clean");
      const report = await observer.find("close");
      assert.deepEqual([report.code, report.reason, report.count], [code, reason, 1]);
    }
  });
});

test("A close code that may not travel is refused where it is said", async () => {
  await shared.run(async (app) => {
    const client = await app.open();
    for (
      const bad of [[1004, ""], [1005, ""], [1006, ""], [1015, ""], [999, ""], [5000, ""], [
        1000,
        "x".repeat(124),
      ]]
    ) {
      assert.equal(await client.ask(`badClose ${JSON.stringify(bad)}`), "ERR_CLOSE");
    }
    assert.equal(await client.ask("longPing"), "ERR_SOCKET");
    await client.leave();
  });
});

test("Pings are answered in order, between fragments, with their payloads", async () => {
  await shared.run(async (app) => {
    const client = await app.open("/echo");
    const pieces: Uint8Array[] = [frame({ fin: false, opcode: 1, payload: "" })];
    for (let i = 0; i < 500; i++) {
      pieces.push(frame({ opcode: 9, payload: `ping ${i}` }));
      pieces.push(frame({ fin: false, opcode: 0, payload: `${i},` }));
    }
    pieces.push(frame({ opcode: 0, payload: "end" }));
    client.send(concat(...pieces));
    for (let i = 0; i < 500; i++) assert.equal((await client.next()).text, `ping ${i}`);
    assert.match(await client.nextText(), /^0,1,2,[0-9,]*,499,end$/);
  });
});

test("Tens of thousands of pings in one write are answered in order, and others are served meanwhile", async () => {
  await shared.run(async (app) => {
    const [client, other] = [await app.open("/echo"), await app.open("/do")];
    const count = 40_000;
    const octets = new Uint8Array(count * 8);
    for (let i = 0; i < count; i++) {
      octets.set([0x89, 0x82, 0, 0, 0, 0, i >> 8, i & 255], i * 8);
    }
    client.send(concat(octets, frame({ payload: "behind all of them" }))).end();
    for (let i = 0; client.frames.length < count; i++) assert.equal(await other.ask(`echo ${i}`), String(i));
    assert.equal(await client.ending(), "clean");
    assert.equal(client.frames.at(-1)?.text, "behind all of them");
    const numbers = client.frames.slice(0, -1).map(({ payload }) =>
      ((payload[0] ?? 0) << 8) + (payload[1] ?? 0)
    );
    assert.deepEqual(numbers, Array.from({ length: count }, (_, i) => i));
  });
});

test("Pings are answered while every thread is blocked, and frames behind a blocked message wait for it", async () => {
  await withRealtime({ workers: 2 }, async (app) => {
    const [idle, leaving] = [await app.open("/do"), await app.open("/do")];
    const [one, two] = [await app.open("/do"), await app.open("/do")];
    one.text(`block ${app.gate("one")}`);
    two.text(`block ${app.gate("two")}`).text("echo behind");
    await app.gates.arrived("one");
    await app.gates.arrived("two");
    idle.ping("idle").text("echo waits");
    assert.equal((await idle.next()).text, "idle");
    two.ping("busy");
    assert.equal((await two.next()).text, "busy");
    // A close handshake needs no thread either.
    await leaving.leave();
    assert.deepEqual([idle.frames.length, one.frames.length, two.frames.length], [1, 0, 1]);
    app.gates.open("two");
    assert.deepEqual(await two.nextTexts(2), ["passed", "behind"]);
    assert.equal(await idle.nextText(), "waits");
    app.gates.open("one");
    assert.equal(await one.nextText(), "passed");
  });
});

test("A pong nobody asked for is told and not answered", async () => {
  await shared.run(async (app) => {
    const { client, observer } = await app.watched();
    client.pong("hello").ping("p");
    assert.equal((await client.next()).text, "p");
    assert.deepEqual((await observer.until("ping")).map(({ event, payload }) => [event, payload]), [
      ["open", undefined],
      ["pong", "hello"],
      ["ping", "p"],
    ]);
  });
});

test("The server's own pings and pongs go out, and the client's answer is told", async () => {
  await shared.run(async (app) => {
    const { client, observer } = await app.watched();
    client.text("ping are you there").text("pong unasked");
    const [ping, pong] = [await client.next(), await client.next()];
    assert.deepEqual([ping.opcode, ping.text, pong.opcode, pong.text], [9, "are you there", 10, "unasked"]);
    client.pong(ping.text);
    assert.equal((await observer.find("pong")).payload, "are you there");
  });
});

test("65,536 fragments make one message", async () => {
  await shared.run(async (app) => {
    const client = await app.open("/echo");
    const count = 65_536;
    const payload = new Uint8Array(count);
    const octets = new Uint8Array(count * 7);
    for (let i = 0; i < count; i++) {
      payload[i] = i % 251;
      const one = frame({
        fin: i === count - 1,
        opcode: i === 0 ? 2 : 0,
        payload: payload.subarray(i, i + 1),
      });
      octets.set(one, i * 7);
    }
    client.send(octets);
    const echoed = await client.next();
    assert.equal(echoed.opcode, 2);
    assert.ok(sameBytes(echoed.payload, payload));
  });
});

test("Messages of 64 MiB come back, text and binary, and one octet more is refused from its header", async () => {
  await shared.run(async (app) => {
    const size = 64 * 1024 * 1024;
    const client = await app.open("/echo");
    const octets = new Uint8Array(size);
    for (let i = 0; i < size; i++) octets[i] = 97 + (i * 7 + (i >> 13)) % 26;
    // The key 0 spares the test the masking.
    for (const opcode of [2, 1]) {
      const head = frame({ opcode, payload: "", key: [0, 0, 0, 0], announced: BigInt(size) });
      const sent = client.sendAll(concat(head, octets));
      const echoed = await client.next(60_000);
      await sent;
      assert.equal(echoed.opcode, opcode);
      assert.ok(sameBytes(echoed.payload, octets));
    }
    client.send(frame({ opcode: 2, payload: "", announced: BigInt(size + 1) }));
    assert.equal((await client.closing()).code, 1009);
  });
});

test("A byte order mark in front of a text is part of it", async () => {
  await shared.run(async (app) => {
    const client = await app.open("/echo");
    client.send(frame({ payload: "\ufeffmarked" }));
    assert.equal(toHex((await client.next()).payload), `efbbbf${toHex(utf8("marked"))}`);
  });
});

test("A message arrives the same one octet at a time", async () => {
  await shared.run(async (app) => {
    const client = await app.open("/echo");
    const octets = concat(
      frame({ payload: "slow €" }),
      frame({ opcode: 9, payload: "p" }),
      frame({ opcode: 2, payload: new Uint8Array(130).fill(9) }),
    );
    for (const octet of octets) await client.sendAll(Uint8Array.of(octet));
    const seen = [await client.next(), await client.next(), await client.next()].map(({ opcode }) => opcode);
    assert.deepEqual(seen.sort(), [1, 10, 2].sort());
  });
});

test("A handler that throws or rejects closes with 1011, and is logged", async () => {
  await shared.run(async (app) => {
    for (const command of ["throw", "reject", "badData", `bigData ${70_000}`]) {
      const { client, observer } = await app.watched();
      client.text(command);
      assert.deepEqual(await client.closing(), { code: 1011, reason: "A handler failed" });
      client.sayClose(1011);
      assert.equal((await observer.find("close")).code, 1011);
      await app.local.until("it is logged", () => app.local.hasLogged("a WebSocket handler failed"));
      app.local.logs.length = 0;
    }
  });
});

test("A connection that ends without a close frame is told as an error and as 1006", async () => {
  await shared.run(async (app) => {
    for (const how of ["end", "reset"] as const) {
      const { client, observer } = await app.watched();
      await client.ask("echo open");
      client.text("count");
      if (how === "end") client.end();
      else {
        await client.ask("echo all of it is here");
        client.reset();
      }
      const reports = await observer.until("close");
      assert.deepEqual(reports.map(({ event }) => event), ["open", "error", "close"]);
      assert.deepEqual([reports[2]?.code, reports[2]?.reason, reports[2]?.count], [1006, "", 1]);
      if (how === "end") assert.equal(await client.ending(), "clean");
      assert.equal(client.close, null);
    }
  });
});

test("terminate cuts the connection without a close frame", async () => {
  await shared.run(async (app) => {
    const { client, observer } = await app.watched();
    client.text("terminate");
    await client.ending();
    assert.equal(client.close, null);
    assert.equal((await observer.find("close")).code, 1006);
  });
});

test("What arrives behind the server's close frame is not answered: nothing follows it", async () => {
  await shared.run(async (app) => {
    const client = await app.open("/do");
    client.text("close 4000 over");
    await client.closing();
    // SocketClient fails on any octet behind the close frame.
    client.ping("late").text("echo late").ping("later").sayClose(4000, "over");
    assert.equal(await client.ending(), "clean");
    assert.equal(client.fault, null);
  });
});

test("HTTP sent on a WebSocket is a fault, and no request", async () => {
  await shared.run(async (app) => {
    const before = app.local.stats.requests;
    const client = await app.open("/do");
    client.send(get("/light"));
    assert.equal((await client.closing()).code, 1002);
    assert.equal(app.local.stats.requests - before, 1);
  });
});

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

test("The server of this file stops", () => shared.stop());
