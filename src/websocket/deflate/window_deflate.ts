/**
 * DEFLATE with the window in the caller's hand (RFC 1951), for what node:zlib does not do everywhere.
 * Runs on: worker; runtime API: none
 *
 * Two things: Deno 2.9 ignores the `dictionary` option when it compresses, so a message could not refer to the ones
 * before it; and no zlib makes a raw stream for a window of 256 octets (`server_max_window_bits=8`). Where zlib can,
 * zlib is used: it is two to four times as fast (bench/websocket/codec_bench.ts).
 *
 * Each block is stored, or coded with the fixed or its own Huffman codes, whichever is the shortest.
 */
import { BitWriter } from "./bit_writer.ts";
import { buildCode, codeOfLengths, type HuffmanCode } from "./huffman_code.ts";
import { Lz77, TOKEN_DISTANCE_MASK, TOKEN_LENGTH_SHIFT } from "./lz77.ts";

const END_OF_BLOCK = 256;
const LITERAL_SYMBOLS = 286;
const DISTANCE_SYMBOLS = 30;
const MAX_STORED_BYTES = 65_535;

const STORED = 0;
const FIXED = 1;
const DYNAMIC = 2;

/** In which order the lengths of the code-length code are sent (section 3.2.7). */
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const REPEAT_LENGTH = 16;
const REPEAT_ZERO_3 = 17;
const REPEAT_ZERO_11 = 18;

/** Section 3.2.6. */
const FIXED_LITERALS = codeOfLengths(
  Uint8Array.from({ length: 288 }, (_, symbol) => symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8),
);
const FIXED_DISTANCES = codeOfLengths(new Uint8Array(DISTANCE_SYMBOLS).fill(5));

// Lengths 3..258 and distances 1..32768 as symbol and extra bits (section 3.2.5), computed from the position of the
// highest bit: two symbols per power of two for distances, four for lengths.

function lengthExtraBits(length: number): number {
  const above = length - 3;
  return above < 8 || length === 258 ? 0 : 29 - Math.clz32(above);
}

function lengthSymbol(length: number): number {
  if (length === 258) return 285;
  const extra = lengthExtraBits(length);
  return 257 + extra * 4 + ((length - 3) >>> extra);
}

function distanceExtraBits(distance: number): number {
  return distance <= 4 ? 0 : 30 - Math.clz32(distance - 1);
}

function distanceSymbol(distance: number): number {
  const extra = distanceExtraBits(distance);
  return extra * 2 + ((distance - 1) >>> extra);
}

/** The lengths of both codes as the symbols that are sent: pairs of symbol and extra bits' value. */
function runLengths(lengths: Uint8Array): number[] {
  const pairs: number[] = [];
  for (let at = 0; at < lengths.length;) {
    const length = lengths[at] ?? 0;
    let run = 1;
    while (at + run < lengths.length && lengths[at + run] === length) run++;
    at += run;
    if (length !== 0) {
      pairs.push(length, 0);
      run--;
    }
    while (run > 0) {
      if (run < 3) {
        pairs.push(length, 0);
        run--;
      } else if (length !== 0) {
        const now = Math.min(run, 6);
        pairs.push(REPEAT_LENGTH, now - 3);
        run -= now;
      } else if (run < 11) {
        pairs.push(REPEAT_ZERO_3, run - 3);
        run = 0;
      } else {
        const now = Math.min(run, 138);
        pairs.push(REPEAT_ZERO_11, now - 11);
        run -= now;
      }
    }
  }
  return pairs;
}

function runExtraBits(symbol: number): number {
  return symbol === REPEAT_LENGTH ? 2 : symbol === REPEAT_ZERO_3 ? 3 : symbol === REPEAT_ZERO_11 ? 7 : 0;
}

/** The header of a block with its own codes (section 3.2.7), ready to be measured and written. */
interface DynamicHeader {
  readonly literals: HuffmanCode;
  readonly distances: HuffmanCode;
  readonly literalCount: number;
  readonly distanceCount: number;
  readonly runs: readonly number[];
  readonly runCode: HuffmanCode;
  readonly runCodeCount: number;
  readonly bits: number;
}

function usedCount(lengths: Uint8Array, atLeast: number): number {
  let count = lengths.length;
  while (count > atLeast && lengths[count - 1] === 0) count--;
  return count;
}

function dynamicHeader(literalFrequencies: Uint32Array, distanceFrequencies: Uint32Array): DynamicHeader {
  const literals = buildCode(literalFrequencies, 15);
  const distances = buildCode(distanceFrequencies, 15);
  const literalCount = usedCount(literals.lengths, 257);
  const distanceCount = usedCount(distances.lengths, 1);
  const lengths = new Uint8Array(literalCount + distanceCount);
  lengths.set(literals.lengths.subarray(0, literalCount));
  lengths.set(distances.lengths.subarray(0, distanceCount), literalCount);
  const runs = runLengths(lengths);
  const frequencies = new Uint32Array(19);
  for (let i = 0; i < runs.length; i += 2) frequencies[runs[i] ?? 0]! += 1;
  // Inflaters want this code complete, so it has two symbols at least.
  frequencies[0] ||= 1;
  frequencies[REPEAT_ZERO_11] ||= 1;
  const runCode = buildCode(frequencies, 7);
  let runCodeCount = CODE_LENGTH_ORDER.length;
  while (runCodeCount > 4 && runCode.lengths[CODE_LENGTH_ORDER[runCodeCount - 1] ?? 0] === 0) runCodeCount--;
  let bits = 14 + 3 * runCodeCount;
  for (let i = 0; i < runs.length; i += 2) {
    const symbol = runs[i] ?? 0;
    bits += (runCode.lengths[symbol] ?? 0) + runExtraBits(symbol);
  }
  return { literals, distances, literalCount, distanceCount, runs, runCode, runCodeCount, bits };
}

function writeDynamicHeader(writer: BitWriter, header: DynamicHeader): void {
  writer.write(header.literalCount - 257, 5);
  writer.write(header.distanceCount - 1, 5);
  writer.write(header.runCodeCount - 4, 4);
  for (const symbol of CODE_LENGTH_ORDER.slice(0, header.runCodeCount)) {
    writer.write(header.runCode.lengths[symbol] ?? 0, 3);
  }
  for (let i = 0; i < header.runs.length; i += 2) {
    const symbol = header.runs[i] ?? 0;
    writer.write(header.runCode.bits[symbol] ?? 0, header.runCode.lengths[symbol] ?? 0);
    writer.write(header.runs[i + 1] ?? 0, runExtraBits(symbol));
  }
}

function codedBits(frequencies: Uint32Array, lengths: Uint8Array): number {
  let bits = 0;
  for (let symbol = 0; symbol < frequencies.length; symbol++) {
    bits += (frequencies[symbol] ?? 0) * (lengths[symbol] ?? 0);
  }
  return bits;
}

function writeTokens(
  writer: BitWriter,
  tokens: Uint32Array,
  count: number,
  literals: HuffmanCode,
  distances: HuffmanCode,
): void {
  for (let i = 0; i < count; i++) {
    const token = tokens[i] ?? 0;
    const length = token >>> TOKEN_LENGTH_SHIFT;
    if (length === 0) {
      writer.write(literals.bits[token] ?? 0, literals.lengths[token] ?? 0);
      continue;
    }
    const symbol = lengthSymbol(length);
    const extra = lengthExtraBits(length);
    writer.write(literals.bits[symbol] ?? 0, literals.lengths[symbol] ?? 0);
    writer.write((length - 3) & ((1 << extra) - 1), extra);
    const distance = token & TOKEN_DISTANCE_MASK;
    const distanceCode = distanceSymbol(distance);
    const distanceExtra = distanceExtraBits(distance);
    writer.write(distances.bits[distanceCode] ?? 0, distances.lengths[distanceCode] ?? 0);
    writer.write((distance - 1) & ((1 << distanceExtra) - 1), distanceExtra);
  }
  writer.write(literals.bits[END_OF_BLOCK] ?? 0, literals.lengths[END_OF_BLOCK] ?? 0);
}

/** Writes the tokens of `text` as one block, never the final one. */
function writeBlock(writer: BitWriter, text: Uint8Array, tokens: Uint32Array, count: number): void {
  const literalFrequencies = new Uint32Array(LITERAL_SYMBOLS);
  const distanceFrequencies = new Uint32Array(DISTANCE_SYMBOLS);
  let extraBits = 0;
  literalFrequencies[END_OF_BLOCK] = 1;
  for (let i = 0; i < count; i++) {
    const token = tokens[i] ?? 0;
    const length = token >>> TOKEN_LENGTH_SHIFT;
    if (length === 0) {
      literalFrequencies[token]! += 1;
      continue;
    }
    const distance = token & TOKEN_DISTANCE_MASK;
    literalFrequencies[lengthSymbol(length)]! += 1;
    distanceFrequencies[distanceSymbol(distance)]! += 1;
    extraBits += lengthExtraBits(length) + distanceExtraBits(distance);
  }
  const header = dynamicHeader(literalFrequencies, distanceFrequencies);
  const dynamicBits = header.bits + extraBits + codedBits(literalFrequencies, header.literals.lengths) +
    codedBits(distanceFrequencies, header.distances.lengths);
  const fixedBits = extraBits + codedBits(literalFrequencies, FIXED_LITERALS.lengths) +
    codedBits(distanceFrequencies, FIXED_DISTANCES.lengths);
  const storedBits = text.length > MAX_STORED_BYTES ? Infinity : 7 + 32 + text.length * 8;
  if (storedBits < dynamicBits && storedBits < fixedBits) {
    writer.write(STORED << 1, 3);
    writer.align();
    writer.write(text.length, 16);
    writer.write(~text.length & 0xffff, 16);
    writer.append(text);
  } else if (fixedBits <= dynamicBits) {
    writer.write(FIXED << 1, 3);
    writeTokens(writer, tokens, count, FIXED_LITERALS, FIXED_DISTANCES);
  } else {
    writer.write(DYNAMIC << 1, 3);
    writeDynamicHeader(writer, header);
    writeTokens(writer, tokens, count, header.literals, header.distances);
  }
}

let shared: Lz77 | undefined;

/**
 * Compresses a text that may refer to what was sent before it, and ends with the header of an empty stored block whose
 * last four octets (00 00 FF FF) are left out, as permessage-deflate wants it (RFC 7692 section 7.2.1).
 *
 * @param history the plaintext before the text; only its last `windowBytes` count
 * @param windowBytes longest distance, a power of two from 256 to 32768
 */
export function deflateInWindow(text: Uint8Array, history: Uint8Array, windowBytes: number): Uint8Array {
  const whole = new Uint8Array(history.length + text.length);
  whole.set(history);
  whole.set(text, history.length);
  const lz77 = shared ??= new Lz77();
  const writer = new BitWriter(text.length >>> 1);
  lz77.begin(whole, history.length, windowBytes);
  for (let from = lz77.position; from < whole.length; from = lz77.position) {
    const count = lz77.nextBlock();
    writeBlock(writer, whole.subarray(from, lz77.position), lz77.tokens, count);
  }
  lz77.end();
  writer.write(STORED << 1, 3);
  writer.align();
  return writer.toBytes();
}
