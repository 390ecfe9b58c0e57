/**
 * Tests of the parser that connections use: equal to the machine, linear, and at home in the middle of a buffer.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { HeadMachine } from "../../src/http/head_machine.ts";
import { HeadParser } from "../../src/http/request_parser.ts";
import { CONNECTIONS, FIELD_LINES, HOSTS, LENGTHS, REQUEST_LINES, TARGETS } from "../support/head_cases.ts";
import { headOutcome, TABLE_LIMITS } from "../support/head_outcome.ts";
import { everySplit, wireBytes } from "../support/split_bytes.ts";

const LIMITS = { maxHeaderBytes: 16384, maxHeaderFields: 100 };

const BROWSER_HEAD = [
  "GET /index/of/some/page?with=query&and=more HTTP/1.1",
  "Host: localhost:8080",
  "Connection: keep-alive",
  'sec-ch-ua: "Chromium";v="124", "Not-A.Brand";v="99"',
  "Upgrade-Insecure-Requests: 1",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
  "Sec-Fetch-Site: none",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Cookie: a=1; b=2",
].join("\r\n") + "\r\n\r\n";

test("HeadParser and HeadMachine agree on every row of every table", () => {
  const machine = new HeadMachine(TABLE_LIMITS);
  const parser = new HeadParser(TABLE_LIMITS);
  for (const table of [REQUEST_LINES, TARGETS, FIELD_LINES, HOSTS, LENGTHS, CONNECTIONS]) {
    for (const [, wire] of table) {
      const bytes = wireBytes(wire);
      const ends = [bytes.length];
      const expected = headOutcome(machine, bytes, ends);
      assert.deepEqual(headOutcome(parser, bytes, ends), expected, JSON.stringify(wire));
    }
  }
});

test("HeadParser reads a browser's head alike at every split", () => {
  const parser = new HeadParser(LIMITS);
  const bytes = wireBytes(BROWSER_HEAD);
  const whole = headOutcome(parser, bytes, [bytes.length]);
  assert.ok(typeof whole === "object");
  assert.equal(whole.fields.length, 9);
  assert.deepEqual(whole.fields[8], ["Cookie", "a=1; b=2"]);
  for (const ends of everySplit(bytes.length)) assert.deepEqual(headOutcome(parser, bytes, ends), whole);
});

test("HeadParser reads every octet a bounded number of times, octet by octet too", () => {
  const value = "x".repeat(2000);
  const wire = `GET /${value} HTTP/1.1\r\nHost: a\r\nA: ${value}\r\nB:${
    " ".repeat(2000)
  }\r\n${value}: c\r\n\r\n`;
  const bytes = wireBytes(wire);
  let reads = 0;
  const counted = new Proxy(bytes, {
    get(target, key) {
      reads++;
      return Reflect.get(target, key);
    },
  });
  for (const parser of [new HeadParser(LIMITS), new HeadMachine(LIMITS)]) {
    reads = 0;
    for (let end = 1; end < bytes.length; end++) assert.equal(parser.parse(counted, 0, end), 0);
    assert.equal(parser.parse(counted, 0, bytes.length), bytes.length);
    assert.ok(reads < bytes.length * 5, `${reads} reads of ${bytes.length} octets`);
  }
});

test("HeadParser reads pipelined heads from the middle of one buffer", () => {
  const parser = new HeadParser(LIMITS);
  const heads = ["GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", BROWSER_HEAD, "HEAD /3 HTTP/1.0\r\n\r\n"];
  const bytes = wireBytes("....." + heads.join("") + "GET /4");
  let start = 5;
  for (const head of heads) {
    parser.reset();
    assert.equal(parser.parse(bytes, start, bytes.length), head.length);
    start += head.length;
  }
  parser.reset();
  assert.equal(parser.parse(bytes, start, bytes.length), 0);
});

test("HeadParser takes a Buffer and shared memory as it takes an array", () => {
  const parser = new HeadParser(LIMITS);
  const bytes = wireBytes(BROWSER_HEAD);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  for (const view of [Buffer.from(bytes), shared]) {
    parser.reset();
    assert.equal(parser.parse(view, 0, view.length), bytes.length);
  }
});
