import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { constants, deflateRawSync } from "node:zlib";
import { closeForFault } from "../../src/websocket/close_code.ts";
import { FrameParser, type FrameSink, maxCompressedBytes } from "../../src/websocket/frame_parser.ts";
import { concat, frame, toHex, utf8 } from "./client_frames.ts";
import { FRAME_CASES, type FrameCase } from "./frame_cases.ts";
import {
  byOctet,
  everySplit,
  feedPieces,
  FUZZ_TEST,
  fuzzPlan,
  Recorder,
  SeededRandom,
} from "./split_frames.ts";

/** Cases up to this length are cut at every place; longer ones at places around the ends of their parts. */
const EVERY_SPLIT_BYTES = 160;

/** The calls that a sink of these tests should never get. */
const UNEXPECTED: Omit<FrameSink, "onMessage"> = {
  onPing: () => assert.fail("a ping"),
  onPong: () => assert.fail("a pong"),
  onClose: () => assert.fail("a close frame"),
  onFault: (fault) => assert.fail(fault),
};

function label(row: FrameCase): string {
  return `${row.section}: ${row.name}`;
}

test("FrameParser judges every row of the table", () => {
  assert.ok(FRAME_CASES.length >= 300, `${FRAME_CASES.length} rows`);
  assert.equal(new Set(FRAME_CASES.map(label)).size, FRAME_CASES.length, "rows have different names");
  for (const row of FRAME_CASES) assert.deepEqual(feedPieces([row.octets], row), row.events, label(row));
});

test("FrameParser judges every row the same one octet at a time", () => {
  for (const row of FRAME_CASES) {
    assert.deepEqual(feedPieces(byOctet(row.octets), row), row.events, label(row));
  }
});

test("FrameParser judges every short row the same at every split", () => {
  for (const row of FRAME_CASES) {
    if (row.octets.length > EVERY_SPLIT_BYTES) continue;
    for (const [first, second] of everySplit(row.octets)) {
      assert.deepEqual(feedPieces([first, second], row), row.events, `${label(row)}, cut at ${first.length}`);
    }
  }
});

test("FrameParser tells a fault at the octet that shows it and not before", () => {
  let judged = 0;
  for (const row of FRAME_CASES) {
    if (!row.isJudgedAtEnd) continue;
    judged++;
    const allButLast = row.octets.subarray(0, row.octets.length - 1);
    assert.deepEqual(feedPieces([allButLast], row), row.events.slice(0, -1), label(row));
  }
  assert.ok(judged > 300, `${judged} rows`);
});

test("FrameParser lets every close code from 0 to 65535 pass or not as section 7.4 says", () => {
  for (let code = 0; code < 65_536; code++) {
    const isGood = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
      (code >= 3000 && code <= 4999);
    const octets = Uint8Array.of(0x88, 0x82, 0, 0, 0, 0, code >> 8, code & 0xff);
    assert.deepEqual(
      feedPieces([octets]),
      [isGood ? ["close", code, ""] : ["fault", "close-code-invalid"]],
      `code ${code}`,
    );
  }
});

test("FrameParser makes one message of 65,536 fragments without keeping more than twice its octets", () => {
  const count = 65_536;
  for (const size of [0, 1]) {
    const one = frame({ opcode: 0, fin: false, payload: "x".repeat(size) });
    const octets = new Uint8Array(one.length * count);
    for (let i = 0; i < count; i++) octets.set(one, i * one.length);
    octets[0] = 0x01;
    octets[one.length * (count - 1)] = 0x80;
    const parser = new FrameParser({ maxMessageBytes: 1_048_576 }, false);
    const recorder = new Recorder();
    let most = 0;
    for (let at = 0; at < octets.length; at += 4099) {
      parser.feed(octets, at, Math.min(octets.length, at + 4099), recorder);
      most = Math.max(most, parser.heldBytes);
    }
    assert.deepEqual(recorder.events, [["text", "78".repeat(size * count)]]);
    assert.ok(most <= 2 * count, `held ${most} octets`);
    assert.equal(parser.heldBytes, 0);
  }
});

test("FrameParser keeps memory for what has arrived, not for what was announced", () => {
  const parser = new FrameParser({ maxMessageBytes: 2 ** 40 }, false);
  const recorder = new Recorder();
  const head = Uint8Array.of(0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  parser.feed(head, 0, head.length, recorder);
  assert.equal(parser.heldBytes, 0);
  let sent = 0;
  for (const size of [1, 10, 100, 1000, 10_000, 100_000, 1_000_000]) {
    parser.feed(new Uint8Array(size), 0, size, recorder);
    sent += size;
    assert.ok(parser.heldBytes <= Math.max(1024, 2 * sent), `${parser.heldBytes} held for ${sent}`);
  }
  assert.deepEqual(recorder.events, []);
});

test("FrameParser ends a large message in memory of exactly its length", () => {
  const payload = new SeededRandom(7).bytes(300_000);
  const octets = frame({ opcode: 2, payload });
  const parser = new FrameParser({ maxMessageBytes: 1_048_576 }, false);
  let told = 0;
  const sink: FrameSink = {
    onMessage(_isText, _isCompressed, bytes, start, end, isOwned) {
      told++;
      assert.equal(isOwned, true);
      assert.equal(bytes.length, payload.length);
      assert.equal(Buffer.compare(bytes.subarray(start, end), payload), 0);
    },
    ...UNEXPECTED,
  };
  for (let at = 0; at < octets.length; at += 16_384) {
    parser.feed(octets, at, Math.min(octets.length, at + 16_384), sink);
  }
  assert.equal(told, 1);
});

test("FrameParser tells a message that came in one piece from the caller's memory", () => {
  const octets = concat(new Uint8Array(9), frame({ payload: "whole" }), frame({ opcode: 9, payload: "p" }));
  const parser = new FrameParser({ maxMessageBytes: 100 }, false);
  const told: string[] = [];
  const sink: FrameSink = {
    onMessage(_isText, _isCompressed, bytes, start, end, isOwned) {
      assert.equal(bytes, octets);
      assert.equal(isOwned, false);
      told.push(toHex(bytes.subarray(start, end)));
    },
    onPing(bytes, start, end) {
      assert.equal(bytes, octets);
      told.push(toHex(bytes.subarray(start, end)));
    },
    onPong: UNEXPECTED.onPong,
    onClose: UNEXPECTED.onClose,
    onFault: UNEXPECTED.onFault,
  };
  parser.feed(octets, 9, octets.length, sink);
  assert.deepEqual(told, [toHex(utf8("whole")), toHex(utf8("p"))]);
});

test("FrameParser tells nothing more when its sink stops it", () => {
  const octets = concat(frame({ payload: "one" }), frame({ payload: "two" }), frame({ opcode: 9 }));
  const parser = new FrameParser({ maxMessageBytes: 100 }, false);
  let messages = 0;
  const sink: FrameSink = {
    onMessage() {
      messages++;
      parser.stop();
    },
    ...UNEXPECTED,
  };
  parser.feed(octets, 0, octets.length, sink);
  assert.equal(messages, 1);
  assert.equal(parser.isFinished, true);
});

test("FrameParser frees what it kept when it ends with a fault", () => {
  const parser = new FrameParser({ maxMessageBytes: 100_000 }, false);
  const recorder = new Recorder();
  const octets = concat(frame({ opcode: 2, fin: false, payload: new Uint8Array(5000) }), Uint8Array.of(0x83));
  parser.feed(octets, 0, octets.length - 1, recorder);
  assert.ok(parser.heldBytes >= 5000);
  parser.feed(octets, octets.length - 1, octets.length, recorder);
  assert.deepEqual(recorder.events, [["fault", "reserved-opcode"]]);
  assert.equal(parser.heldBytes, 0);
});

test("FrameParser lets a compressed message be a little longer than the limit of its content", () => {
  const limits = { maxMessageBytes: 1000 };
  const most = maxCompressedBytes(1000);
  assert.ok(most > 1000 && most < 1300);
  const good = frame({ opcode: 2, rsv: 4, payload: new Uint8Array(most) });
  assert.equal(feedPieces([good], { limits, allowsCompressed: true })[0]?.[0], "compressed binary");
  const long = frame({ opcode: 2, rsv: 4, payload: new Uint8Array(most + 1) });
  assert.deepEqual(feedPieces([long], { limits, allowsCompressed: true }), [["fault", "message-too-big"]]);
});

test("maxCompressedBytes has room for what cannot be compressed, however it is deflated", () => {
  const random = new SeededRandom(8);
  const { Z_FIXED, Z_HUFFMAN_ONLY, Z_DEFAULT_STRATEGY, Z_SYNC_FLUSH } = constants;
  for (const length of [0, 1, 2, 10, 60, 200, 1000, 20_000, 200_000]) {
    // Octets above 143 have the longest of the fixed codes.
    const payload = random.bytes(length).map((octet) => 144 + octet % 112);
    for (const level of [0, 1, 6]) {
      for (const strategy of [Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY]) {
        for (const memLevel of [1, 8]) {
          const options = { level, strategy, memLevel, finishFlush: Z_SYNC_FLUSH };
          const deflated = deflateRawSync(payload, options).length - 4;
          const label = `${length} octets, level ${level}, strategy ${strategy}, memLevel ${memLevel}`;
          assert.ok(deflated <= maxCompressedBytes(length), `${label}: ${deflated}`);
        }
      }
    }
  }
});

test("closeForFault answers every fault with 1002, 1007 or 1009 and a reason that fits", () => {
  const expected: Record<string, number> = {
    "message-too-big": 1009,
    "inflate-too-big": 1009,
    "text-not-utf8": 1007,
    "close-reason-not-utf8": 1007,
    "inflate-corrupt": 1007,
  };
  const faults = new Set(FRAME_CASES.flatMap((row) => row.events.filter(([kind]) => kind === "fault")));
  const codes = new Set([...faults].map(([, fault]) => fault));
  assert.equal(codes.size, 14, "every fault of the parser is in the table");
  for (
    const fault of [...codes, "inflate-corrupt", "inflate-too-big"] as Parameters<typeof closeForFault>[0][]
  ) {
    const { code, reason } = closeForFault(fault);
    assert.equal(code, expected[fault] ?? 1002, fault);
    assert.ok(reason.length > 0 && utf8(reason).length <= 123, fault);
  }
});

function randomFrames(random: SeededRandom): Uint8Array {
  const parts: Uint8Array[] = [];
  const count = 1 + random.below(12);
  let isInside = false;
  for (let i = 0; i < count; i++) {
    const length = random.pick(
      [0, 1, 3, 5, 20, 125, 126, 127, 200, 1000, 65_535, 65_536].slice(0, 6 + random.below(7)),
    );
    const key = [random.below(256), random.below(256), random.below(256), random.below(256)] as const;
    const payload = random.below(3) === 0
      ? random.bytes(length)
      : utf8("aé€😀".repeat(length)).subarray(0, length);
    if (random.below(4) === 0) {
      parts.push(frame({ opcode: random.pick([9, 10]), payload: payload.subarray(0, 125), key }));
      continue;
    }
    const fin = random.below(2) === 0;
    const opcode = isInside ? 0 : random.pick([1, 2]);
    const rsv = !isInside && random.below(4) === 0 ? 4 : 0;
    parts.push(frame({ fin, opcode, rsv, payload, key }));
    isInside = !fin;
  }
  const octets = concat(...parts);
  // Now and then one octet is changed, most often one of a header.
  if (random.below(3) === 0) octets[random.below(Math.min(octets.length, 40))] = random.below(256);
  return octets;
}

test("FrameParser tells the same of random frames however they are cut", FUZZ_TEST, () => {
  const { count, seed } = fuzzPlan();
  const options = { allowsCompressed: true, limits: { maxMessageBytes: 100_000 } };
  let faults = 0;
  for (let i = 0; i < count; i++) {
    const random = new SeededRandom(seed * 1_000_003 + i);
    const octets = randomFrames(random);
    const expected = feedPieces([octets], options);
    if (expected.at(-1)?.[0] === "fault") faults++;
    for (const longest of [1, 3, 17, 1500]) {
      if (longest === 1 && octets.length > 20_000) continue;
      const actual = feedPieces(random.pieces(octets, longest), options);
      assert.deepEqual(actual, expected, `seed ${seed}, case ${i}, pieces up to ${longest}`);
    }
  }
  if (count >= 50) assert.ok(faults > 0 && faults < count, `${faults} of ${count} end with a fault`);
});

test("FrameParser stops in front of the next frame when its sink interrupts it, and goes on there", () => {
  const frames = [
    frame({ opcode: 9, payload: "a" }),
    frame({ fin: false, payload: "b" }),
    frame({ opcode: 9, payload: "" }),
    frame({ opcode: 0, payload: "c" }),
    frame({ opcode: 8, payload: "" }),
  ];
  const ends = frames.map((_, i) => frames.slice(0, i + 1).reduce((sum, each) => sum + each.length, 0));
  const octets = concat(...frames);
  const parser = new FrameParser({ maxMessageBytes: 100 }, false);
  class Interrupting extends Recorder {
    override onPing(bytes: Uint8Array, start: number, end: number): void {
      super.onPing(bytes, start, end);
      parser.interrupt();
    }
  }
  const sink = new Interrupting();
  const stops: number[] = [];
  for (let at = 0; at < octets.length;) {
    at = parser.feed(octets, at, octets.length, sink);
    stops.push(at);
  }
  assert.deepEqual(stops, [ends[0], ends[2], ends[4]]);
  assert.deepEqual(sink.events.map(([kind]) => kind), ["ping", "ping", "text", "close"]);
});
