/**
 * Tests of what a head says: host, body length, connection, each at every split, machine and parser alike.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HeadParser } from "../../src/http/request_parser.ts";
import { CONNECTIONS, HOSTS, LENGTHS } from "../support/head_cases.ts";
import { checkHeadTable, headOutcome, TABLE_LIMITS } from "../support/head_outcome.ts";
import { wireBytes } from "../support/split_bytes.ts";

test("Host is there, once and valid, or the answer is 400", () => {
  checkHeadTable(HOSTS);
});

test("Body lengths follow RFC 9112 section 6.3, and doubt is refused", () => {
  checkHeadTable(LENGTHS);
});

test("Persistence, upgrade and expectations follow Connection, Upgrade and Expect", () => {
  checkHeadTable(CONNECTIONS);
});

test("Nothing of one head shows in the next", () => {
  const plain = [
    "GET / HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: a\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
  ].map((wire) => wireBytes(wire));
  const rich = [
    "\r\n\r\nHEAD http://b:1/x HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\nUpgrade: a\r\n" +
    "Expect: 100-continue\r\nContent-Length: 7\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n",
    "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 5",
    "\r\n\r\n\r\nGET / HTTP/2.0\r\n",
  ];
  const parser = new HeadParser(TABLE_LIMITS);
  for (const next of plain) {
    const expected = headOutcome(new HeadParser(TABLE_LIMITS), next, [next.length]);
    for (const wire of rich) {
      for (let length = 1; length <= wire.length; length++) {
        headOutcome(parser, wireBytes(wire), [length]);
        const outcome = headOutcome(parser, next, [next.length]);
        assert.deepEqual(outcome, expected, JSON.stringify(wire.slice(0, length)));
      }
    }
  }
});
