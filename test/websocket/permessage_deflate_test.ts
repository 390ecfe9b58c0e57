import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import process from "node:process";
import { test } from "node:test";
import { constants, deflateRawSync } from "node:zlib";
import { agreeOnDeflate, DEFAULT_DEFLATE_OPTIONS, parseExtensions } from "../../src/websocket/extension.ts";
import {
  deflateMessage,
  EMPTY_WINDOW,
  inflateMessage,
  MAX_FINAL_BLOCKS,
  slideWindow,
} from "../../src/websocket/permessage_deflate.ts";
import { concat, fromHex, toHex, utf8 } from "./client_frames.ts";
import { readDeflate } from "./deflate/inflate_reader.ts";
import { chatMessage, randomText } from "./deflate/texts.ts";
import { FUZZ_TEST, fuzzPlan, SeededRandom } from "./split_frames.ts";
import { StreamDeflater, StreamInflater, wsCall, wsClient } from "./zlib_peer.ts";

const MIB = 1_048_576;

function inflate(payload: Uint8Array, window: Uint8Array = EMPTY_WINDOW, maxBytes = MIB): Uint8Array {
  const plaintext = inflateMessage(payload, window, maxBytes);
  if (typeof plaintext === "string") assert.fail(plaintext);
  return plaintext;
}

test("inflateMessage reads the examples of RFC 7692 section 7.2.3", () => {
  const hello = toHex(utf8("Hello"));
  for (
    const [section, payload, window] of [
      ["7.2.3.1", "f2 48 cd c9 c9 07 00", ""],
      ["7.2.3.2, the second message", "f2 00 11 00 00", "Hello"],
      ["7.2.3.3, no compression", "00 05 00 fa ff 48 65 6c 6c 6f 00", ""],
      ["7.2.3.4, a final block", "f3 48 cd c9 c9 07 00 00", ""],
      ["7.2.3.5, two blocks", "f2 48 05 00 00 00 ff ff ca c9 c9 07 00", ""],
    ] as const
  ) {
    assert.equal(toHex(inflate(fromHex(payload), utf8(window))), hello, section);
  }
  assert.equal(inflate(fromHex("00")).length, 0, "7.2.3.6, an empty message");
  assert.equal(inflate(fromHex("02 00")).length, 0, "an empty fixed block");
  assert.equal(inflate(fromHex("")).length, 0, "no octets at all");
});

test("inflateMessage goes on after final blocks", () => {
  const final = (text: string): Uint8Array => deflateRawSync(utf8(text));
  const open = deflateRawSync(utf8("end"), { finishFlush: constants.Z_SYNC_FLUSH });
  for (
    const [name, payload, expected] of [
      ["one, then the octet of 7.2.3.4", concat(final("a"), fromHex("00")), "a"],
      ["one, without that octet", final("a"), "a"],
      ["several", concat(final("a"), final("b"), final("c"), fromHex("00")), "abc"],
      ["one, then one that is not", concat(final("a"), open.subarray(0, -4)), "aend"],
      ["one that is not, then one", concat(open, final("a")), "enda"],
      ["empty ones", concat(final(""), final(""), fromHex("00")), ""],
      ["a stored one", concat(fromHex("01 01 00 fe ff 61"), fromHex("00")), "a"],
    ] as const
  ) {
    assert.equal(Buffer.from(inflate(payload)).toString(), expected, name);
  }
});

test("inflateMessage lets what follows a final block refer to what was before it, and to the window", () => {
  const window = utf8("the window before ");
  const first = deflateRawSync(utf8("and this text "));
  const reference = deflateMessage(
    utf8("the window and this text "),
    concat(window, utf8("and this text ")),
    15,
    6,
  );
  const payload = concat(first, reference);
  const facts = readDeflate(
    concat(reference, fromHex("00 00 ff ff")),
    concat(window, utf8("and this text ")),
  );
  assert.ok(facts.maxDistance > 14);
  assert.equal(
    Buffer.from(inflate(payload, window)).toString(),
    "and this text the window and this text ",
  );
});

test("inflateMessage takes as many final blocks as its limit and refuses more", () => {
  const empty = fromHex("03 00");
  const many = (count: number): Uint8Array =>
    concat(...new Array<Uint8Array>(count).fill(empty), fromHex("00"));
  assert.equal(inflate(many(MAX_FINAL_BLOCKS)).length, 0);
  assert.equal(inflateMessage(many(MAX_FINAL_BLOCKS + 1), EMPTY_WINDOW, MIB), "inflate-corrupt");
});

test("inflateMessage refuses what is no DEFLATE, or is cut in the middle of a block", () => {
  for (
    const [name, hex] of [
      ["a reserved kind of block", "07"],
      ["a reserved kind of block after a good one", "f2 48 cd c9 c9 07 00 00 00 ff ff 06"],
      ["a stored length that is not its complement's", "00 05 00 fa fe 48 65 6c 6c 6f 00"],
      ["a stored block cut short", "00 64 00 9b ff 48 65"],
      ["a distance before the start", "f2 00 11 00 00"],
      ["a fixed block cut short", "f2 48 cd"],
      ["dynamic codes that cannot be", "04 ff ff ff ff ff ff ff"],
      ["random octets", "ff 12 34 56 78 9a"],
      ["rubbish after a final block", "f3 48 cd c9 c9 07 00 ff ff"],
    ] as const
  ) {
    assert.equal(inflateMessage(fromHex(hex), EMPTY_WINDOW, MIB), "inflate-corrupt", name);
  }
});

test("inflateMessage refuses most cuts of a message and never throws", () => {
  const whole = deflateMessage(
    concat(...Array.from({ length: 20 }, (_, i) => chatMessage(i))),
    EMPTY_WINDOW,
    15,
    6,
  );
  let refused = 0;
  for (let length = 1; length < whole.length; length++) {
    const result = inflateMessage(whole.subarray(0, length), EMPTY_WINDOW, MIB);
    if (typeof result === "string") refused++;
  }
  assert.ok(refused > 0.98 * whole.length, `${refused} of ${whole.length}`);
});

test("inflateMessage stops at its limit and not before", () => {
  for (const window of [EMPTY_WINDOW, new Uint8Array(32_768).fill(120)]) {
    for (const length of [1, 100, 65_536, 300_000]) {
      const payload = deflateMessage(new Uint8Array(length), EMPTY_WINDOW, 15, 6);
      assert.equal(inflate(payload, window, length).length, length);
      assert.equal(inflateMessage(payload, window, length - 1), "inflate-too-big");
    }
    assert.equal(inflate(fromHex("00"), window, 0).length, 0);
  }
  // Over several final blocks together.
  const ten = deflateRawSync(new Uint8Array(10));
  const three = concat(ten, ten, ten, fromHex("00"));
  assert.equal(inflate(three, EMPTY_WINDOW, 30).length, 30);
  assert.equal(inflateMessage(three, EMPTY_WINDOW, 29), "inflate-too-big");
});

test("inflateMessage refuses a bomb early and in little memory", () => {
  const bomb = deflateRawSync(new Uint8Array(256 * MIB), { level: 9, finishFlush: constants.Z_SYNC_FLUSH });
  const started = performance.now();
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 10; i++) {
    assert.equal(inflateMessage(bomb.subarray(0, -4), EMPTY_WINDOW, MIB), "inflate-too-big");
  }
  const grown = process.memoryUsage().rss - before;
  // Inflating 10 times 256 MiB takes seconds and gigabytes; ten times 1 MiB neither.
  assert.ok(grown < 128 * MIB, `${grown} octets`);
  assert.ok(performance.now() - started < 2000);
});

test("deflateMessage leaves out 00 00 FF FF and keeps to its window at every size", () => {
  for (let windowBits = 8; windowBits <= 15; windowBits++) {
    const random = new SeededRandom(windowBits);
    // Words that come again at every distance, so that a coder takes all that its window allows.
    const words = Array.from({ length: 60 }, () => random.bytes(12));
    const text = concat(...Array.from({ length: 6000 }, () => random.pick(words)));
    for (const level of [1, 6, 9]) {
      let window = EMPTY_WINDOW;
      for (
        const message of [text.subarray(0, 20_000), text.subarray(20_000, 21_000), text.subarray(21_000)]
      ) {
        const payload = deflateMessage(message, window, windowBits, level);
        const facts = readDeflate(concat(payload, fromHex("00 00 ff ff")), window);
        assert.equal(Buffer.compare(facts.plaintext, message), 0);
        assert.equal(facts.blocks.at(-1), "stored");
        const label = `${windowBits} bits, level ${level}: ${facts.maxDistance}`;
        assert.ok(facts.maxDistance <= 2 ** windowBits, label);
        // Level 1 of some zlibs does not look far back.
        if (level > 1) assert.ok(facts.maxDistance > 2 ** windowBits * 0.4, label);
        window = slideWindow(window, message, windowBits);
      }
    }
  }
});

test("deflateMessage with a window makes a message like the last one several times shorter", () => {
  let window = EMPTY_WINDOW;
  for (let i = 0; i < 30; i++) window = slideWindow(window, chatMessage(i), 15);
  const alone = deflateMessage(chatMessage(31), EMPTY_WINDOW, 15, 3);
  const after = deflateMessage(chatMessage(31), window, 15, 3);
  assert.ok(after.length * 4 < alone.length, `${after.length} after others, ${alone.length} alone`);
});

test("deflateMessage and inflateMessage take an empty message and one in shared memory", () => {
  for (const window of [EMPTY_WINDOW, utf8("before")]) {
    assert.equal(inflate(deflateMessage(EMPTY_WINDOW, window, 15, 3), window).length, 0);
  }
  const shared = (bytes: Uint8Array): Uint8Array => {
    const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
    copy.set(bytes);
    return copy;
  };
  const window = shared(utf8("a window in shared memory"));
  const payload = deflateMessage(shared(utf8("in shared memory")), window, 15, 3);
  assert.equal(Buffer.from(inflate(shared(payload), window)).toString(), "in shared memory");
});

test("inflateMessage and deflateMessage give plain octets that do not lie in the input", () => {
  const message = utf8("x".repeat(100));
  const payload = deflateMessage(message, EMPTY_WINDOW, 15, 3);
  const plaintext = inflate(payload);
  assert.equal(Object.getPrototypeOf(payload), Uint8Array.prototype);
  assert.equal(Object.getPrototypeOf(plaintext), Uint8Array.prototype);
  payload.fill(0);
  message.fill(0);
  assert.equal(Buffer.from(plaintext).toString(), "x".repeat(100));
});

test("slideWindow keeps the last octets of what was said, as a copy", () => {
  const bits = 8;
  let window = EMPTY_WINDOW;
  let said = "";
  for (const length of [0, 1, 100, 155, 1, 0, 200, 255, 256, 257, 1000, 3]) {
    const message = utf8(String.fromCharCode(97 + (length % 26)).repeat(length));
    window = slideWindow(window, Buffer.from(message), bits);
    said = (said + Buffer.from(message).toString()).slice(-256);
    assert.equal(Buffer.from(window).toString(), said);
    assert.ok(window.buffer.byteLength <= 256, "keeps nothing larger alive");
  }
});

test("inflateMessage reads a zlib stream with context takeover at every window size", FUZZ_TEST, async () => {
  const { count, seed } = fuzzPlan();
  for (let windowBits = 9; windowBits <= 15; windowBits++) {
    const random = new SeededRandom(seed * 65_537 + windowBits);
    const peer = new StreamDeflater({ windowBits, level: random.below(10) });
    let window = EMPTY_WINDOW;
    for (let i = 0; i < Math.ceil(count / 7); i++) {
      const message = randomText(random, random.pick([0, 100, 5000, 50_000]));
      const plaintext = inflate(await peer.deflate(message), window);
      assert.equal(Buffer.compare(plaintext, message), 0, `${windowBits} bits, message ${i}, seed ${seed}`);
      window = slideWindow(window, plaintext, windowBits);
    }
    peer.close();
  }
});

test(
  "deflateMessage is read by a zlib stream with context takeover at every window size",
  FUZZ_TEST,
  async () => {
    const { count, seed } = fuzzPlan();
    for (let windowBits = 8; windowBits <= 15; windowBits++) {
      const random = new SeededRandom(seed * 131_071 + windowBits);
      const peer = new StreamInflater(windowBits);
      let window = EMPTY_WINDOW;
      for (let i = 0; i < Math.ceil(count / 8); i++) {
        const message = randomText(random, random.pick([0, 100, 5000, 50_000]));
        const payload = deflateMessage(message, window, windowBits, 1 + random.below(9));
        const plaintext = await peer.inflate(payload);
        assert.equal(Buffer.compare(plaintext, message), 0, `${windowBits} bits, message ${i}, seed ${seed}`);
        window = slideWindow(window, message, windowBits);
      }
      peer.close();
    }
  },
);

const OFFERS = [
  "permessage-deflate; client_max_window_bits",
  "permessage-deflate",
  "permessage-deflate; server_no_context_takeover; client_max_window_bits",
  "permessage-deflate; client_no_context_takeover; server_max_window_bits=10",
  "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
  "permessage-deflate; server_max_window_bits=8",
  "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; " +
  "client_max_window_bits=11",
];

test("a ws client and this server understand each other under every agreement", async () => {
  const random = new SeededRandom(99);
  for (const offer of OFFERS) {
    for (const takeover of [false, true]) {
      const agreement = agreeOnDeflate(parseExtensions([offer]) ?? [], {
        ...DEFAULT_DEFLATE_OPTIONS,
        serverNoContextTakeover: !takeover,
        clientNoContextTakeover: !takeover,
        clientMaxWindowBits: 13,
      });
      assert.ok(agreement);
      const client = wsClient(agreement.response);
      let clientWindow = EMPTY_WINDOW;
      let serverWindow = EMPTY_WINDOW;
      for (let i = 0; i < 30; i++) {
        const label: string = `${offer} → ${agreement.response}, message ${i}`;
        const message = random.below(3) === 0 ? randomText(random, 40_000) : chatMessage(i);
        const plaintext = inflate(await wsCall(client, "compress", message), clientWindow);
        assert.equal(Buffer.compare(plaintext, message), 0, `to the server, ${label}`);
        if (!agreement.clientNoContextTakeover) {
          clientWindow = slideWindow(clientWindow, plaintext, agreement.clientWindowBits);
        }
        const payload = deflateMessage(message, serverWindow, agreement.serverWindowBits, 3);
        const echoed = await wsCall(client, "decompress", payload);
        assert.equal(Buffer.compare(echoed, message), 0, `to the client, ${label}`);
        if (!agreement.serverNoContextTakeover) {
          serverWindow = slideWindow(serverWindow, message, agreement.serverWindowBits);
        }
      }
      client.cleanup();
    }
  }
});
