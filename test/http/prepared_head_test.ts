/**
 * Tests of prepared heads: with the length in its place each is the head that `responseHead` makes.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type PreparedHead, PreparedHeads } from "../../src/http/prepared_head.ts";
import { encodeHead, responseHead } from "../../src/http/response_head.ts";

const DATE = "Fri, 27 Nov 2026 12:00:00 GMT";
const latin1 = new TextDecoder("latin1");

function withLength({ before, behind }: PreparedHead, length: number): string {
  return latin1.decode(before) + length + latin1.decode(behind);
}

const FIELDS: readonly (readonly string[])[] = [
  [],
  ["content-type", "text/plain"],
  ["content-length", "99", "x-a", "Content-Length: 0"],
  ["x-a", "caf\xe9", "set-cookie", "a=1", "set-cookie", "b=2"],
  ["connection", "close"],
  ["date", "Sat, 28 Nov 2026 12:00:00 GMT"],
];

test("A prepared head is the head that would be made, whatever was prepared before", () => {
  const heads = new PreparedHeads();
  for (let round = 0; round < 3; round++) {
    for (const fields of FIELDS) {
      for (const status of [200, 404]) {
        for (const isHttp11 of [true, false]) {
          for (const keepAlive of [true, false]) {
            const request = { isHttp11, keepAlive, isHead: false };
            for (const [text, length] of [["", 0], ["", 13], ["Fine", 1_000_000]] as const) {
              const expected = responseHead(request, status, text, fields, length, DATE);
              const head = heads.find(request, status, text, [...fields], DATE);
              assert.equal(withLength(head, length), latin1.decode(encodeHead(expected.text)));
              assert.equal(head.close, expected.close);
            }
          }
        }
      }
    }
  }
});

test("A prepared head is found again for equal fields, and not in the next second", () => {
  const heads = new PreparedHeads();
  const request = { isHttp11: true, keepAlive: true, isHead: false };
  const first = heads.find(request, 200, "", ["x-a", "1"], DATE);
  assert.equal(heads.find(request, 200, "", ["x-a", "1"], DATE), first);
  assert.notEqual(heads.find(request, 200, "", ["x-a", "2"], DATE), first);
  const later = "Fri, 27 Nov 2026 12:00:01 GMT";
  assert.match(withLength(heads.find(request, 200, "", ["x-a", "1"], later), 0), /12:00:01/);
});

test("Fields that HTTP does not allow are refused each time", () => {
  const heads = new PreparedHeads();
  const request = { isHttp11: true, keepAlive: true, isHead: false };
  for (let i = 0; i < 2; i++) {
    assert.throws(() => heads.find(request, 200, "", ["x-a", "1\r\n"], DATE), { code: "ERR_HEADER" });
  }
});
