/**
 * Random mutations of heads and chunked bodies: the pieces never matter, and what is accepted is in the grammar.
 * Runs on: any; runtime API: none
 *
 * FUZZ_SEED repeats a run, FUZZ_COUNT makes it longer.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChunkedDecoder } from "../../src/http/chunked_decoder.ts";
import { HeadMachine } from "../../src/http/head_machine.ts";
import { HeadParser } from "../../src/http/request_parser.ts";
import { CHUNKED_BODIES } from "../support/chunked_cases.ts";
import { CHUNK_LIMITS, chunkedOutcome } from "../support/chunked_outcome.ts";
import { CONNECTIONS, FIELD_LINES, HOSTS, LENGTHS, REQUEST_LINES, TARGETS } from "../support/head_cases.ts";
import { type HeadFacts, headOutcome, TABLE_LIMITS } from "../support/head_outcome.ts";
import { FUZZ_SEED, fuzzCount, SeededRandom } from "../support/seeded_random.ts";
import { randomSplit, wireBytes } from "../support/split_bytes.ts";

const COUNT = fuzzCount(3000);
/** Bun stops a test after 5 s unless told. */
const LONG = { timeout: 3_600_000 };
console.log(`framing fuzz: FUZZ_SEED=${FUZZ_SEED} FUZZ_COUNT=${COUNT}`);

const HEADS = [REQUEST_LINES, TARGETS, FIELD_LINES, HOSTS, LENGTHS, CONNECTIONS].flat().map(([, wire]) =>
  wire
);
const BODIES = CHUNKED_BODIES.map(([, wire]) => wire);

/** What mutations put in: octets and words that mean something somewhere. */
const FRAGMENTS = [
  ...'\r\n\t :;,="\\/*#%?@[].+-05aAg_\x00\x7f\x80\xff',
  "\r\n",
  "\r\n\r\n",
  "\r\nContent-Length: 1",
  "\r\nTransfer-Encoding: chunked",
  "\r\nHost: b",
  "\r\nConnection: close",
  "\r\nExpect: 100-continue",
  " HTTP/1.1\r\n",
  "HTTP/1.0",
  "http://b/",
  "CONNECT b:1",
  "chunked",
  "0\r\n\r\n",
  "1\r\na\r\n",
  ";a=b",
];

/** The syntax of a whole head, limits aside: RFC 9112 section 2.1, strict as this server is. */
const HEAD_GRAMMAR = new RegExp(
  "^(?:\\r\\n){0,4}([!#$%&'*+\\-.^_`|~0-9A-Za-z]{1,64}) ([\\x21\\x22\\x24-\\x7e]+) HTTP/1\\.([0-9])\\r\\n" +
    "((?:[!#$%&'*+\\-.^_`|~0-9A-Za-z]+:[\\t\\x20-\\x7e\\x80-\\xff]*\\r\\n)*)\\r\\n",
);

/** The syntax of a whole chunked body, sizes aside. */
const BODY_START = /^[0-9A-Fa-f]{1,16}(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?\r\n/;

function mutated(random: SeededRandom, seeds: readonly string[]): string {
  let text = random.pick(seeds);
  for (let changes = random.below(3); changes >= 0; changes--) {
    const at = random.below(text.length + 1);
    const to = Math.min(text.length, at + random.below(6));
    switch (random.below(5)) {
      case 0:
        text = text.slice(0, at) + random.pick(FRAGMENTS) + text.slice(at);
        break;
      case 1:
        text = text.slice(0, at) + text.slice(to);
        break;
      case 2:
        text = text.slice(0, at) + random.pick(FRAGMENTS) + text.slice(at + 1);
        break;
      case 3:
        text = text.slice(0, at) + text.slice(at, to).repeat(1 + random.below(3)) + text.slice(to);
        break;
      default: {
        const other = random.pick(seeds);
        text = text.slice(0, at) + other.slice(random.below(other.length + 1));
      }
    }
  }
  return text.slice(0, 700);
}

/** The facts of an accepted head against an independent reading of the same text. */
function checkAgainstGrammar(wire: string, facts: HeadFacts): void {
  const match = HEAD_GRAMMAR.exec(wire);
  assert.ok(match, "an accepted head is in the grammar");
  const [whole, method, target, minor, lines] = match;
  assert.equal(facts.length, whole.length);
  assert.equal(facts.method, method);
  assert.equal(facts.target, target);
  assert.equal(facts.minor, minor === "0" ? 0 : 1);
  const fields = (lines ?? "").split("\r\n").slice(0, -1).map((text) => {
    const colon = text.indexOf(":");
    return [text.slice(0, colon), text.slice(colon + 1).replace(/^[\t ]+|[\t ]+$/g, "")] as const;
  });
  assert.deepEqual(facts.fields, fields);
  const valuesOf = (name: string): string[] =>
    fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
  const hosts = valuesOf("host");
  assert.ok(hosts.length === 1 || (hosts.length === 0 && minor === "0"), "one Host");
  const lengths = valuesOf("content-length");
  const codings = valuesOf("transfer-encoding").join(",").split(",").map((text) => text.trim()).filter(
    Boolean,
  );
  if (valuesOf("transfer-encoding").length > 0) {
    assert.deepEqual(codings.map((coding) => coding.toLowerCase()), ["chunked"]);
    assert.deepEqual(lengths, []);
    assert.deepEqual([facts.chunked, facts.contentLength], [true, -1]);
  } else {
    assert.ok(lengths.length <= 1 && lengths.every((length) => /^[0-9]+$/.test(length)));
    assert.deepEqual([facts.chunked, facts.contentLength], [false, Number(lengths[0] ?? -1)]);
  }
}

test(
  "Mutated heads give the same in any pieces, from parser and machine, and only good ones pass",
  LONG,
  () => {
    const random = new SeededRandom();
    const machine = new HeadMachine(TABLE_LIMITS);
    const parser = new HeadParser(TABLE_LIMITS);
    const endings = new Map<string, number>();
    for (let round = 0; round < COUNT; round++) {
      const wire = mutated(random, HEADS);
      const bytes = wireBytes(wire);
      const where = `FUZZ_SEED=${FUZZ_SEED} round ${round} ${JSON.stringify(wire)}`;
      const outcome = headOutcome(machine, bytes, [bytes.length]);
      for (const reader of [parser, parser, machine]) {
        const ends = randomSplit(bytes.length, (limit) => random.below(limit));
        assert.deepEqual(headOutcome(reader, bytes, ends), outcome, `${where} cut at ${ends}`);
      }
      assert.deepEqual(headOutcome(parser, bytes, [bytes.length]), outcome, where);
      if (typeof outcome === "object") checkAgainstGrammar(wire, outcome);
      const ending = typeof outcome === "object" ? "accepted" : outcome;
      endings.set(ending, (endings.get(ending) ?? 0) + 1);
    }
    assert.ok((endings.get("accepted") ?? 0) > COUNT / 20, "mutants are not all refused");
    assert.ok(endings.size > 10, "mutants fail in many ways");
  },
);

test("Mutated chunked bodies give the same in any pieces, and only good ones end", LONG, () => {
  const random = new SeededRandom(FUZZ_SEED + 1);
  const decoder = new ChunkedDecoder(CHUNK_LIMITS);
  const endings = new Map<string, number>();
  for (let round = 0; round < COUNT; round++) {
    const wire = mutated(random, BODIES);
    const bytes = wireBytes(wire);
    const where = `FUZZ_SEED=${FUZZ_SEED} round ${round} ${JSON.stringify(wire)}`;
    const outcome = chunkedOutcome(decoder, bytes, [bytes.length]);
    for (let tries = 0; tries < 2; tries++) {
      const ends = randomSplit(bytes.length, (limit) => random.below(limit));
      assert.deepEqual(chunkedOutcome(decoder, bytes, ends), outcome, `${where} cut at ${ends}`);
    }
    if (outcome.ending === "end") assert.equal(outcome.content, contentByHand(wire, outcome.taken), where);
    endings.set(outcome.ending, (endings.get(outcome.ending) ?? 0) + 1);
  }
  assert.ok((endings.get("end") ?? 0) > COUNT / 20, "mutants are not all refused");
  assert.ok(endings.size > 8, "mutants fail in many ways");
});

/** The content of a chunked body that ends at `length`, read with a regular expression per chunk. */
function contentByHand(wire: string, length: number): string {
  let content = "";
  for (let position = 0;;) {
    const start = BODY_START.exec(wire.slice(position));
    assert.ok(start, "a chunk begins with its size");
    const size = parseInt(start[0], 16);
    position += start[0].length;
    if (size === 0) {
      assert.match(
        wire.slice(position, length),
        /^(?:[^\r\n]+\r\n)*\r\n$/,
        "the body ends behind its trailers",
      );
      return content;
    }
    content += wire.slice(position, position + size);
    position += size;
    assert.equal(wire.slice(position, position + 2), "\r\n", "a chunk ends with CR LF");
    position += 2;
  }
}
