/**
 * Tests of permessage-deflate (RFC 7692) through the server: what is agreed, windows that travel between threads, bombs
 * and rubbish.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { constants, deflateRawSync } from "node:zlib";
import { SeededRandom } from "../support/seeded_random.ts";
import { concat, frame, toHex, utf8 } from "../websocket/client_frames.ts";
import { StreamDeflater, StreamInflater } from "../websocket/zlib_peer.ts";
import { SharedRealtime } from "./support/realtime_app.ts";
import { WsClient } from "./support/ws_client.ts";

const shared = new SharedRealtime({ workers: 3 });

const EXTENSION = "Sec-WebSocket-Extensions: ";
const OFFER = `${EXTENSION}permessage-deflate\r\n`;

/** A message as a client without context sends it. */
function deflated(message: Uint8Array | string, windowBits = 15): Uint8Array {
  const bytes = typeof message === "string" ? utf8(message) : message;
  const whole = deflateRawSync(bytes, { windowBits, finishFlush: constants.Z_SYNC_FLUSH });
  return Uint8Array.from(whole.subarray(0, whole.length - 4));
}

for (
  const [query, offer, answer] of [
    ["", "", null],
    ["compress=no", "permessage-deflate", null],
    ["", "permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"],
    [
      "",
      "x-webkit-deflate-frame, permessage-deflate",
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    ],
    ["takeover", "permessage-deflate", "permessage-deflate"],
    [
      "takeover",
      "permessage-deflate; client_no_context_takeover",
      "permessage-deflate; client_no_context_takeover",
    ],
    [
      "takeover",
      "permessage-deflate; server_no_context_takeover",
      "permessage-deflate; server_no_context_takeover",
    ],
    [
      "takeover",
      "permessage-deflate; server_max_window_bits=9",
      "permessage-deflate; server_max_window_bits=9",
    ],
    ["takeover", "permessage-deflate; server_max_window_bits=7", null],
    [
      "takeover",
      "permessage-deflate; unknown, permessage-deflate; server_max_window_bits=10",
      "permessage-deflate; server_max_window_bits=10",
    ],
  ] as const
) {
  test(`The offer "${offer}" is answered with ${answer} (${query})`, async () => {
    await shared.run(async (app) => {
      const client = await app.open(`/do?${query}`, {
        fields: offer === "" ? "" : `${EXTENSION}${offer}\r\n`,
      });
      assert.equal(client.field("sec-websocket-extensions"), answer);
    });
  });
}

/** Texts that repeat each other, so that a window matters, of all sizes. */
function texts(count: number): string[] {
  const random = new SeededRandom();
  const words = Array.from({ length: 300 }, () => random.below(2 ** 31).toString(36));
  return Array.from({ length: count }, (_, i) => {
    const length = random.pick([1, 5, 40, 400, 3000]);
    return `${i} ` + Array.from({ length }, () => words[random.below(words.length)]).join(" ");
  });
}

for (const query of ["takeover", "threshold=0", "threshold=1024"]) {
  test(`A ws client's compressed messages come back, whatever thread takes them (${query})`, async () => {
    await shared.run(async (app) => {
      const options = { perMessageDeflate: { threshold: 0 } };
      const clients = await Promise.all(
        Array.from({ length: 3 }, () => WsClient.open(app.port, `/echo?${query}`, options)),
      );
      const other = await WsClient.open(app.port, "/do", options);
      const all = texts(150);
      await Promise.all(clients.map(async (client, which) => {
        // In step at first, so that every message is a batch of its own; then all at once.
        for (const [i, message] of all.entries()) {
          client.socket.send(which === 1 ? utf8(message) : message);
          if (i % 10 === 0) other.socket.send("thread");
          if (i > 50) continue;
          assert.deepEqual(await client.next(), which === 1 ? utf8(message) : message);
        }
        for (const message of all.slice(51)) {
          assert.deepEqual(await client.next(), which === 1 ? utf8(message) : message);
        }
        client.socket.close(1000, "thanks");
        assert.deepEqual(await client.closing(), { code: 1000, reason: "thanks" });
      }));
      other.socket.terminate();
    });
  });
}

test("Context takeover runs over events of different threads, both ways, against zlib's own streams", async () => {
  await shared.run(async (app) => {
    const client = await app.open("/do?takeover", { fields: OFFER });
    const deflater = new StreamDeflater();
    const inflater = new StreamInflater(15);
    const threads = new Set<string>();
    const said = new Set<number>();
    const say = async (message: string): Promise<string> => {
      client.send(frame({ rsv: 4, payload: await deflater.deflate(utf8(message)) }));
      const answer = await client.next();
      assert.equal(answer.isCompressed, true);
      if (message.startsWith("echo")) said.add(answer.payload.length);
      return new TextDecoder().decode(await inflater.inflate(answer.payload));
    };
    const text = "a text that is long enough to be worth a reference to the one before it ".repeat(3);
    // Blocked handlers of other connections send this one's events around.
    const blockers = [];
    for (let i = 0; i < 12; i++) {
      threads.add(await say("thread"));
      assert.equal(await say(`echo ${text}`), text);
      if (i % 4 !== 3) continue;
      const blocker = await app.open("/do");
      blocker.text(`block ${app.gate(`b${i}`)}`);
      await app.gates.arrived(`b${i}`);
      blockers.push(`b${i}`);
      if (blockers.length > 2) app.gates.open(blockers.shift() ?? "");
    }
    for (const name of blockers) app.gates.open(name);
    assert.ok(threads.size > 1, [...threads].join());
    // The first has to spell the text out, the others refer to it.
    assert.ok(Math.min(...said) < 20, [...said].join());
    deflater.close();
    inflater.close();
  });
});

test("Compressed messages, fragments of them and what follows are the same one octet at a time", async () => {
  await shared.run(async (app) => {
    for (const query of ["takeover", "threshold=0"]) {
      const client = await app.open(`/echo?${query}`, { fields: OFFER });
      const keeps = query === "takeover";
      const deflater = new StreamDeflater();
      const inflater = new StreamInflater(15);
      const text = "alike and alike, again and again, ünï";
      const expected: string[] = [];
      const frames: Uint8Array[] = [];
      for (let i = 0; i < 5; i++) {
        const message = `${i} ${text}`;
        expected.push(message);
        const payload = keeps ? await deflater.deflate(utf8(message)) : deflated(message);
        if (i % 2 === 0) frames.push(frame({ rsv: 4, payload }));
        else {
          frames.push(frame({ rsv: 4, fin: false, payload: payload.subarray(0, 5) }));
          frames.push(frame({ opcode: 9, payload: "between" }));
          frames.push(frame({ opcode: 0, payload: payload.subarray(5) }));
        }
        frames.push(frame({ payload: `plain ${i}` }));
        expected.push(`plain ${i}`);
      }
      for (const octet of concat(...frames)) await client.sendAll(Uint8Array.of(octet));
      const seen: string[] = [];
      while (seen.length < expected.length) {
        const { opcode, payload, isCompressed } = await client.next();
        if (opcode !== 1) continue;
        const plain = isCompressed ? await inflater.inflate(payload) : payload;
        seen.push(new TextDecoder().decode(plain));
      }
      assert.deepEqual(seen, expected);
      deflater.close();
      inflater.close();
    }
  });
});

test("A window of 512 octets is kept to in both directions", async () => {
  await shared.run(async (app) => {
    const fields = `${EXTENSION}permessage-deflate; server_max_window_bits=9; client_max_window_bits=9\r\n`;
    const client = await app.open("/echo?takeover", { fields });
    assert.match(client.field("sec-websocket-extensions") ?? "", /server_max_window_bits=9/);
    const deflater = new StreamDeflater({ windowBits: 9 });
    // An inflater with this window fails on a distance beyond it.
    const inflater = new StreamInflater(9);
    for (const message of texts(40)) {
      const text = message.slice(0, 3000);
      client.send(frame({ rsv: 4, payload: await deflater.deflate(utf8(text)) }));
      const answer = await client.next();
      assert.equal(answer.isCompressed, true);
      assert.equal(new TextDecoder().decode(await inflater.inflate(answer.payload)), text);
    }
    deflater.close();
    inflater.close();
  });
});

test("Messages below the threshold, sends that ask for it, and handles by id send plain", async () => {
  await shared.run(async (app) => {
    const client = await app.open("/do", { fields: OFFER });
    const long = "x".repeat(2000);
    for (
      const [command, isCompressed] of [
        ["echo short", false],
        [`echo ${long}`, true],
        [`plain ${long}`, false],
      ] as const
    ) {
      client.text(command);
      assert.equal((await client.next()).isCompressed, isCompressed, command.slice(0, 20));
    }
    const id = await client.ask("id");
    const other = await app.open("/do");
    other.text(`to ${id} send ${long}`);
    const direct = await client.next();
    assert.deepEqual([direct.isCompressed, direct.text], [false, long]);
  });
});

test("Plain messages between compressed ones leave the windows alone", async () => {
  await shared.run(async (app) => {
    const topic = app.topic();
    const client = await app.open("/do?takeover", { fields: OFFER });
    const deflater = new StreamDeflater();
    const inflater = new StreamInflater(15);
    const next = async (): Promise<string> => {
      const { isCompressed, payload, text } = await client.next();
      return isCompressed ? new TextDecoder().decode(await inflater.inflate(payload)) : text;
    };
    client.send(frame({ rsv: 4, payload: await deflater.deflate(utf8(`subscribe ${topic}`)) }));
    assert.equal(await next(), `subscribed ${topic}`);
    for (let i = 0; i < 10; i++) {
      // Compressed, plain, by a topic, compressed in three fragments.
      client.send(frame({ rsv: 4, payload: await deflater.deflate(utf8(`echo one ${i}`)) })).text(
        `plain two ${i}`,
      );
      assert.deepEqual([await next(), await next()], [`one ${i}`, `two ${i}`]);
      await app.get(`/publish?topic=${topic}&text=three`);
      assert.equal(await next(), "three");
      const payload = await deflater.deflate(utf8(`echo four ${i}`));
      client.send(concat(
        frame({ rsv: 4, fin: false, payload: payload.subarray(0, 3) }),
        frame({ opcode: 0, fin: false, payload: payload.subarray(3, 4) }),
        frame({ opcode: 0, payload: payload.subarray(4) }),
      ));
      assert.equal(await next(), `four ${i}`);
    }
    deflater.close();
    inflater.close();
  });
});

test("Compressed messages of all sizes come back, streamed ones too", async () => {
  await shared.run(async (app) => {
    const client = await app.open("/echo?threshold=0", { fields: OFFER });
    const inflater = new StreamInflater(15);
    const random = new SeededRandom();
    for (const size of [0, 1, 100, 30_000, 70_000, 1_000_000, 5_000_000]) {
      const message = Uint8Array.from({ length: size }, () => random.below(size > 1_000_000 ? 4 : 250));
      client.send(frame({ rsv: 4, opcode: 2, payload: deflated(message) }));
      const answer = await client.next();
      assert.equal(answer.isCompressed, true);
      const back = await inflater.inflate(answer.payload);
      assert.ok(back.length === size && back.every((octet, at) => octet === message[at]), `${size}`);
    }
    inflater.close();
  });
});

for (
  const [what, payload, isText, code] of [
    ["a bomb of 4 MiB in 4 kB", deflated(new Uint8Array(4 * 1024 * 1024)), false, 1009],
    ["one octet more than the limit", deflated(new Uint8Array(1001)), false, 1009],
    ["rubbish", Uint8Array.of(0xff, 0xff, 0xff, 0xff), false, 1007],
    ["a message that is cut", deflated("x".repeat(500) + Math.PI).subarray(0, 9), false, 1007],
    ["a text that is no UTF-8", deflated(Uint8Array.of(0x61, 0xff)), true, 1007],
    ["a text that ends inside a character", deflated(Uint8Array.of(0xe2, 0x82)), true, 1007],
  ] as const
) {
  test(`Compressed, ${what} is refused with ${code}, and nothing behind it is told`, async () => {
    await shared.run(async (app) => {
      const { client, observer } = await app.watched("max=1000", { fields: OFFER });
      const count = frame({ payload: "count" });
      client.send(concat(count, frame({ rsv: 4, opcode: isText ? 1 : 2, payload }), count, count));
      assert.equal((await client.closing()).code, code);
      assert.equal(await client.ending(), "clean");
      const reports = await observer.until("close");
      assert.deepEqual(reports.map(({ event }) => event), ["open", "error", "close"]);
      assert.deepEqual([reports[1]?.code, reports[2]?.code, reports[2]?.count], ["ERR_SOCKET", code, 1]);
    });
  });
}

test("A message of exactly the limit passes, however it was compressed", async () => {
  await shared.run(async (app) => {
    const client = await app.open("/echo?max=1000", { fields: OFFER });
    const random = new SeededRandom();
    const wild = Uint8Array.from({ length: 1000 }, () => random.below(256));
    const stored = deflateRawSync(wild, { level: 0, finishFlush: constants.Z_SYNC_FLUSH });
    for (const payload of [deflated(wild), Uint8Array.from(stored.subarray(0, stored.length - 4))]) {
      client.send(frame({ rsv: 4, opcode: 2, payload }));
      assert.equal(toHex((await client.next()).payload), toHex(wild));
    }
  });
});

test("A bomb costs its connection and nobody else's time", async () => {
  await shared.run(async (app) => {
    const bomb = deflated(new Uint8Array(50 * 1024 * 1024));
    const other = await app.open("/do");
    const bombs = await Promise.all(Array.from({ length: 10 }, () => app.open("/do", { fields: OFFER })));
    for (const client of bombs) client.send(frame({ rsv: 4, opcode: 2, payload: bomb }));
    assert.equal(await other.ask("echo alive"), "alive");
    for (const client of bombs) assert.equal((await client.closing()).code, 1009);
  });
});

test("The server of this file stops", () => shared.stop());
