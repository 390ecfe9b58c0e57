/**
 * Tests of the chunked decoder, each row at every split.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChunkedDecoder, ChunkEvent } from "../../src/http/chunked_decoder.ts";
import { CHUNKED_BODIES } from "../support/chunked_cases.ts";
import { CHUNK_LIMITS, type ChunkedOutcome, chunkedOutcome } from "../support/chunked_outcome.ts";
import { everySplit, wireBytes } from "../support/split_bytes.ts";

test("Chunked bodies are decoded as RFC 9112 section 7.1 says, at every split", () => {
  const decoder = new ChunkedDecoder(CHUNK_LIMITS);
  for (const [section, wire, ending, expected] of CHUNKED_BODIES) {
    const bytes = wireBytes(wire);
    const row = `${section} ${JSON.stringify(wire)}`;
    const whole = chunkedOutcome(decoder, bytes, [bytes.length]);
    assert.equal(whole.ending, ending, row);
    for (const key of Object.keys(expected ?? {}) as (keyof ChunkedOutcome)[]) {
      assert.deepEqual(whole[key], expected?.[key], `${row}: ${key}`);
    }
    for (const ends of everySplit(bytes.length)) {
      assert.deepEqual(chunkedOutcome(decoder, bytes, ends), whole, `${row} cut at ${ends.slice(0, -1)}`);
    }
  }
});

test("Nothing of one body shows in the next", () => {
  const decoder = new ChunkedDecoder(CHUNK_LIMITS);
  const plain = wireBytes("1\r\na\r\n0\r\n\r\n");
  const expected = chunkedOutcome(decoder, plain, [plain.length]);
  for (const [, wire] of CHUNKED_BODIES) {
    for (let length = 1; length <= wire.length; length++) {
      chunkedOutcome(decoder, wireBytes(wire.slice(0, length)), [length]);
      assert.deepEqual(chunkedOutcome(decoder, plain, [plain.length]), expected, JSON.stringify(wire));
    }
  }
});

test("Limits of 0 allow bodies without extensions and trailers", () => {
  const decoder = new ChunkedDecoder({ maxTrailerBytes: 0, maxExtensionBytes: 0 });
  const ending = (wire: string): string => chunkedOutcome(decoder, wireBytes(wire), [wire.length]).ending;
  assert.equal(ending("1\r\na\r\n0\r\n\r\n"), "end");
  assert.equal(ending("1;a\r\na\r\n0\r\n\r\n"), "413 ChunkExtensionTooLarge");
  assert.equal(ending("0\r\nA: b\r\n\r\n"), "431 TrailerTooLarge");
});

test("A call without octets needs more and moves nothing", () => {
  const decoder = new ChunkedDecoder(CHUNK_LIMITS);
  const bytes = wireBytes("5\r\nhello");
  assert.equal(decoder.next(bytes, 0, 0), ChunkEvent.NeedMore);
  assert.equal(decoder.next(bytes, 0, 3), ChunkEvent.NeedMore);
  assert.equal(decoder.next(bytes, 3, 3), ChunkEvent.NeedMore);
  assert.equal(decoder.position, 3);
  assert.equal(decoder.next(bytes, 3, 8), ChunkEvent.Data);
  assert.deepEqual([decoder.dataStart, decoder.dataEnd, decoder.position], [3, 8, 8]);
});

test("The size of a chunk is known before its content, at every split", () => {
  const decoder = new ChunkedDecoder(CHUNK_LIMITS);
  for (const [wire, left] of [["10000000000\r\n", 2 ** 40], ["00a;a=b\r\n", 10], ["5\r\nhe", 3]] as const) {
    const bytes = wireBytes(wire);
    const line = wire.indexOf("\n") + 1;
    for (const ends of everySplit(bytes.length)) {
      decoder.reset();
      let position = 0;
      for (const end of ends) {
        while (decoder.next(bytes, position, end) === ChunkEvent.Data) position = decoder.position;
        position = decoder.position;
        if (position < line) assert.equal(decoder.chunkLeft, 0);
      }
      assert.equal(decoder.chunkLeft, left, `${JSON.stringify(wire)} cut at ${ends.slice(0, -1)}`);
    }
  }
  assert.equal(decoder.next(wireBytes("llo\r"), 0, 4), ChunkEvent.Data);
  assert.equal(decoder.chunkLeft, 0);
});

test("The decoder reads framing once and content never", () => {
  const decoder = new ChunkedDecoder(CHUNK_LIMITS);
  const bytes = wireBytes("3e8\r\n" + "x".repeat(1000) + "\r\n0\r\n\r\n");
  let reads = 0;
  const counted = new Proxy(bytes, {
    get(target, key) {
      reads++;
      return Reflect.get(target, key);
    },
  });
  assert.equal(decoder.next(counted, 0, bytes.length), ChunkEvent.Data);
  assert.equal(decoder.next(counted, decoder.position, bytes.length), ChunkEvent.End);
  assert.ok(reads < 20, `${reads} reads`);
});
