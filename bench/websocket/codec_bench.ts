/**
 * Measures the WebSocket codec: masking, UTF-8, frames in and out, permessage-deflate with and without a window.
 *
 *     deno run -A bench/websocket/codec_bench.ts        (or: bun …, node …; one core, about 25 s)
 *
 * Each row checks its answer once before it is measured. The controls (octet loop, 64-bit words, TextDecoder, zlib
 * without a window, zlib's `dictionary`) are what the code in src was chosen against. Figures are the median over
 * samples: ns or µs per call, and MB/s of payload (1 MB = 10^6 octets).
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import process from "node:process";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { Bench } from "tinybench";
import { deflateInWindow } from "../../src/websocket/deflate/window_deflate.ts";
import { textFrameBytesMax, writeFrame, writeTextFrame } from "../../src/websocket/frame_encoder.ts";
import { FrameParser, type FrameSink } from "../../src/websocket/frame_parser.ts";
import { maskingKey, unmask } from "../../src/websocket/masking.ts";
import { OPCODE } from "../../src/websocket/opcode.ts";
import {
  deflateMessage,
  EMPTY_WINDOW,
  inflateMessage,
  slideWindow,
} from "../../src/websocket/permessage_deflate.ts";
import { isUtf8Text } from "../../src/websocket/utf8.ts";
import { concat, frame } from "../../test/websocket/client_frames.ts";
import { chatMessage } from "../../test/websocket/deflate/texts.ts";

interface Row {
  readonly name: string;
  /** Payload octets of one call; 0 where a rate in octets says nothing. */
  readonly bytes: number;
  readonly run: () => unknown;
}

/** Rows of a table, measured; short calls are repeated so that a sample is long enough for the clock. */
async function measure(title: string, rows: readonly Row[]): Promise<void> {
  const bench = new Bench({ time: 150, warmupTime: 80 });
  const repeats = new Map<string, number>();
  let guard = 0;
  for (const { name, run } of rows) {
    const started = performance.now();
    for (let i = 0; i < 20; i++) run();
    const repeat = Math.max(1, Math.round(0.2 / Math.max(1e-5, (performance.now() - started) / 20)));
    repeats.set(name, repeat);
    bench.add(name, () => {
      // What comes out is used, so that nothing can be left out.
      for (let i = 0; i < repeat; i++) if (run() === rows) guard++;
    });
  }
  await bench.run();
  const table: Record<string, Record<string, number | string>> = {};
  for (const task of bench.tasks) {
    const { result } = task;
    if (!("latency" in result)) throw new Error(`${task.name} did not run: ${result.state}`);
    const ns = result.latency.p50 * 1e6 / (repeats.get(task.name) ?? 1);
    const bytes = rows.find((row) => row.name === task.name)?.bytes ?? 0;
    table[task.name] = {
      "per call": ns < 10_000 ? `${ns.toFixed(0)} ns` : `${(ns / 1000).toFixed(1)} µs`,
      "MB/s": bytes === 0 ? "" : Math.round(bytes / ns * 1000),
    };
  }
  assert.equal(guard, 0);
  console.log(`\n${title}`);
  console.table(table);
}

// --- Masking.

function unmaskByOctet(bytes: Uint8Array, start: number, end: number, key: readonly number[]): void {
  for (let at = start; at < end; at++) bytes[at]! ^= key[(at - start) & 3]!;
}

/** For aligned starts and lengths only. */
function unmaskByWord64(bytes: Uint8Array, start: number, end: number, key: number): void {
  const words = new BigUint64Array(bytes.buffer, bytes.byteOffset + start, (end - start) >>> 3);
  const wide = BigInt.asUintN(32, BigInt(key)) * 0x1_0000_0001n;
  const count = words.length;
  for (let i = 0; i < count; i++) words[i]! ^= wide;
}

const KEY = [0x12, 0x34, 0x56, 0x78] as const;
const WORD_KEY = maskingKey(...KEY);
const memory = new Uint8Array(1_048_576 + 16);
const maskRows: Row[] = [];
for (const bytes of [16, 128, 4096, 1_048_576]) {
  const [ours, octets, wide] = [
    () => unmask(memory, 8, 8 + bytes, WORD_KEY),
    () => unmaskByOctet(memory, 8, 8 + bytes, KEY),
    () => unmaskByWord64(memory, 8, 8 + bytes, WORD_KEY),
  ] as const;
  for (const run of [ours, octets, wide]) {
    memory.fill(0);
    run();
    assert.deepEqual([...memory.subarray(8 + bytes - 4, 8 + bytes + 1)], [...KEY, 0]);
  }
  maskRows.push(
    { name: `${bytes} octets: unmask`, bytes, run: ours },
    { name: `${bytes} octets: unmask, unaligned`, bytes, run: () => unmask(memory, 9, 9 + bytes, WORD_KEY) },
    { name: `${bytes} octets: octet loop`, bytes, run: octets },
    { name: `${bytes} octets: 64-bit words`, bytes, run: wide },
  );
}
await measure("Masking", maskRows);

// --- UTF-8.

const decoder = new TextDecoder("utf-8", { fatal: true });
const utf8Rows: Row[] = [];
for (
  const [kind, unit] of [["ASCII", "Hello, World! "], ["mixed", "Привет κόσμε 日本語 😀 hello "]] as const
) {
  for (const bytes of [16, 256, 16_384, 1_048_576]) {
    // The last character may be cut; spaces take the place of its octets.
    const text = Buffer.from(unit.repeat(Math.ceil(bytes / unit.length))).subarray(0, bytes);
    for (let at = bytes - 1; !isUtf8Text(text, 0, bytes); at--) text[at] = 0x20;
    assert.equal(decoder.decode(text), text.toString());
    utf8Rows.push(
      { name: `${kind}, ${bytes} octets: isUtf8Text`, bytes, run: () => isUtf8Text(text, 0, bytes) },
      { name: `${kind}, ${bytes} octets: TextDecoder`, bytes, run: () => decoder.decode(text) },
    );
  }
}
await measure("UTF-8", utf8Rows);

// --- Frames in.

let messages = 0;
let octetsTold = 0;
const sink: FrameSink = {
  onMessage(_isText, _isCompressed, _bytes, start, end): void {
    messages++;
    octetsTold += end - start;
  },
  onPing: () => assert.fail("a ping"),
  onPong: () => assert.fail("a pong"),
  onClose: () => assert.fail("a close frame"),
  onFault: (fault) => assert.fail(fault),
};
const LIMITS = { maxMessageBytes: 128 * 1_048_576 };
const CHUNK_BYTES = 65_536;

/** Feeds octets in pieces as a socket brings them. */
function parseAll(octets: Uint8Array): void {
  const parser = new FrameParser(LIMITS, false);
  for (let at = 0; at < octets.length; at += CHUNK_BYTES) {
    parser.feed(octets, at, Math.min(octets.length, at + CHUNK_BYTES), sink);
  }
}

const ZERO_KEY = [0, 0, 0, 0] as const; // unmasking in place must not change what the next round reads
const parseRows: Row[] = [];
for (
  const [name, octets, expected] of [
    ["3,000 texts of 16 octets", repeatFrame(frame({ payload: "x".repeat(16), key: ZERO_KEY }), 3000), 3000],
    [
      "400 binaries of 128 octets",
      repeatFrame(frame({ opcode: 2, payload: "x".repeat(128), key: ZERO_KEY }), 400),
      400,
    ],
    ["one binary of 1 MiB", frame({ opcode: 2, payload: new Uint8Array(1_048_576), key: ZERO_KEY }), 1],
    ["one text of 1 MiB", frame({ payload: "x".repeat(1_048_576), key: ZERO_KEY }), 1],
    ["65,536 fragments of one octet", fragments(65_536), 1],
  ] as const
) {
  messages = octetsTold = 0;
  parseAll(octets);
  assert.equal(messages, expected);
  parseRows.push({ name, bytes: octetsTold, run: () => parseAll(octets) });
}
await measure("Frames in, 64 KiB at a time", parseRows);

function repeatFrame(one: Uint8Array, count: number): Uint8Array {
  return concat(...new Array<Uint8Array>(count).fill(one));
}

function fragments(count: number): Uint8Array {
  const octets = repeatFrame(frame({ opcode: 0, fin: false, payload: "x", key: ZERO_KEY }), count);
  octets[0] = 0x02;
  octets[7 * (count - 1)] = 0x80;
  return octets;
}

// --- Frames out.

const outRows: Row[] = [];
for (
  const [name, text] of [
    ["20 octets", "x".repeat(20)],
    ["4 KiB", "x".repeat(4096)],
    ["4 KiB, mixed", "Привет 日本語 😀 ".repeat(130)],
  ] as const
) {
  const target = new Uint8Array(new SharedArrayBuffer(textFrameBytesMax(text)));
  const payload = Buffer.from(text);
  const end = writeTextFrame(target, 0, text);
  const again = new Uint8Array(end);
  assert.equal(writeFrame(again, 0, OPCODE.text, payload), end);
  assert.deepEqual(Buffer.from(target.subarray(0, end)), Buffer.from(again));
  outRows.push(
    { name: `${name}: writeTextFrame`, bytes: payload.length, run: () => writeTextFrame(target, 0, text) },
    {
      name: `${name}: writeFrame`,
      bytes: payload.length,
      run: () => writeFrame(target, 0, OPCODE.text, payload),
    },
  );
}
await measure("Frames out", outRows);

// --- permessage-deflate.

const LEVEL = 3;
const message = chatMessage(1001);
const large = concat(...Array.from({ length: 200 }, (_, i) => chatMessage(i)));
let window = EMPTY_WINDOW;
for (let i = 0; i < 300; i++) window = slideWindow(window, chatMessage(i), 15);
assert.equal(window.length, 32_768);
const flush = { level: LEVEL, finishFlush: constants.Z_SYNC_FLUSH };
const deflateRows: Row[] = [];
const inflateRows: Row[] = [];
for (
  const [name, text] of [["a chat message", message], [`${large.length} octets of them`, large]] as const
) {
  const bytes = text.length;
  const alone = deflateMessage(text, EMPTY_WINDOW, 15, LEVEL);
  const after = deflateMessage(text, window, 15, LEVEL);
  const own = deflateInWindow(text, window, 32_768);
  const narrow = deflateMessage(text, window, 8, LEVEL);
  for (
    const [payload, before] of [[alone, EMPTY_WINDOW], [after, window], [own, window], [
      narrow,
      window,
    ]] as const
  ) {
    const plaintext = inflateMessage(payload, before, 1_048_576);
    assert.ok(typeof plaintext !== "string" && Buffer.compare(plaintext, text) === 0);
  }
  deflateRows.push(
    {
      name: `${name}: alone → ${alone.length}`,
      bytes,
      run: () => deflateMessage(text, EMPTY_WINDOW, 15, LEVEL),
    },
    {
      name: `${name}: after 32 KiB → ${after.length}`,
      bytes,
      run: () => deflateMessage(text, window, 15, LEVEL),
    },
    {
      name: `${name}: the same by deflateInWindow → ${own.length}`,
      bytes,
      run: () => deflateInWindow(text, window, 32_768),
    },
    {
      name: `${name}: window of 256 → ${narrow.length}`,
      bytes,
      run: () => deflateMessage(text, window.subarray(-256), 8, LEVEL),
    },
    {
      name: `${name}: bare zlib, 15 bits`,
      bytes,
      run: () => deflateRawSync(text, flush),
    },
  );
  const closed = concat(alone, Uint8Array.of(0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff));
  inflateRows.push(
    { name: `${name}: alone`, bytes, run: () => inflateMessage(alone, EMPTY_WINDOW, 1_048_576) },
    { name: `${name}: after 32 KiB`, bytes, run: () => inflateMessage(after, window, 1_048_576) },
    { name: `${name}: bare zlib`, bytes, run: () => inflateRawSync(closed) },
  );
}
await measure(`Deflating, level ${LEVEL}`, deflateRows);
await measure("Inflating", inflateRows);

const { node, deno, bun, v8 } = process.versions;
console.log(`${process.platform} ${process.arch}`, JSON.stringify({ node, deno, bun, v8 }));
