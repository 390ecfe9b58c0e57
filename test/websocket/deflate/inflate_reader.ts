/**
 * A plain reader of DEFLATE (RFC 1951) that says which blocks and how long distances a stream has. Slow and simple.
 */

export interface DeflateFacts {
  readonly plaintext: Uint8Array;
  /** The longest distance of a match; 0 without any. */
  readonly maxDistance: number;
  readonly blocks: readonly ("stored" | "fixed" | "dynamic")[];
}

type Code = ReadonlyMap<string, number>;

const BLOCK_KINDS = ["stored", "fixed", "dynamic"] as const;
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const LENGTH_BASES = [
  ...[
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    13,
    15,
    17,
    19,
    23,
    27,
    31,
    35,
    43,
    51,
    59,
    67,
    83,
    99,
    115,
    131,
    163,
    195,
  ],
  ...[227, 258],
];
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASES = [
  ...[1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073],
  ...[4097, 6145, 8193, 12289, 16385, 24577],
];

function codeOf(lengths: readonly number[]): Code {
  const code = new Map<string, number>();
  let next = 0;
  for (let bits = 1; bits <= 15; bits++) {
    lengths.forEach((length, symbol) => {
      if (length === bits) code.set((next++).toString(2).padStart(bits, "0"), symbol);
    });
    next <<= 1;
  }
  return code;
}

class Reader {
  readonly #bytes: Uint8Array;
  #bit = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#bit >= this.#bytes.length * 8;
  }

  bits(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      const octet = this.#bytes[this.#bit >> 3];
      if (octet === undefined) throw new Error("the stream ends in the middle");
      value |= ((octet >> (this.#bit++ & 7)) & 1) << i;
    }
    return value;
  }

  align(): void {
    this.#bit = (this.#bit + 7) & ~7;
  }

  symbol(code: Code): number {
    let bits = "";
    while (bits.length <= 15) {
      bits += this.bits(1);
      const symbol = code.get(bits);
      if (symbol !== undefined) return symbol;
    }
    throw new Error("no such code");
  }
}

function readCodes(reader: Reader): [Code, Code] {
  const literalCount = reader.bits(5) + 257;
  const distanceCount = reader.bits(5) + 1;
  const lengths19: number[] = new Array(19).fill(0);
  const given = reader.bits(4) + 4;
  for (const symbol of ORDER.slice(0, given)) lengths19[symbol] = reader.bits(3);
  const code = codeOf(lengths19);
  const lengths: number[] = [];
  while (lengths.length < literalCount + distanceCount) {
    const symbol = reader.symbol(code);
    if (symbol < 16) lengths.push(symbol);
    else if (symbol === 16) lengths.push(...new Array(3 + reader.bits(2)).fill(lengths.at(-1)));
    else lengths.push(...new Array(symbol === 17 ? 3 + reader.bits(3) : 11 + reader.bits(7)).fill(0));
  }
  return [codeOf(lengths.slice(0, literalCount)), codeOf(lengths.slice(literalCount))];
}

const FIXED: [Code, Code] = [
  codeOf(
    Array.from({ length: 288 }, (_, symbol) => symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8),
  ),
  codeOf(new Array(30).fill(5)),
];

/**
 * Reads a stream up to its end, which must be the end of a block.
 *
 * @param history plaintext that matches may reach into
 * @throws Error when the stream is malformed
 */
export function readDeflate(stream: Uint8Array, history: Uint8Array = new Uint8Array(0)): DeflateFacts {
  const reader = new Reader(stream);
  const output = Array.from(history);
  const blocks: ("stored" | "fixed" | "dynamic")[] = [];
  let maxDistance = 0;
  while (!reader.isAtEnd) {
    const isFinal = reader.bits(1) === 1;
    const kind = BLOCK_KINDS[reader.bits(2)];
    if (kind === undefined) throw new Error("no such kind of block");
    blocks.push(kind);
    if (kind === "stored") {
      reader.align();
      const length = reader.bits(16);
      if (reader.bits(16) !== (~length & 0xffff)) throw new Error("stored length and its complement differ");
      for (let i = 0; i < length; i++) output.push(reader.bits(8));
    } else {
      const [literals, distances] = kind === "fixed" ? FIXED : readCodes(reader);
      for (;;) {
        const symbol = reader.symbol(literals);
        if (symbol === 256) break;
        if (symbol < 256) {
          output.push(symbol);
          continue;
        }
        const length = (LENGTH_BASES[symbol - 257] ?? NaN) + reader.bits(LENGTH_EXTRA[symbol - 257] ?? 0);
        const place = reader.symbol(distances);
        const distance = (DISTANCE_BASES[place] ?? NaN) + reader.bits(place < 4 ? 0 : (place >> 1) - 1);
        if (!(distance <= output.length)) throw new Error("a distance before the start");
        maxDistance = Math.max(maxDistance, distance);
        for (let i = 0; i < length; i++) output.push(output[output.length - distance] ?? 0);
      }
    }
    if (isFinal) reader.align();
  }
  return { plaintext: Uint8Array.from(output.slice(history.length)), maxDistance, blocks };
}
