/**
 * Tests of request records: what the parser found on one thread is what the view reads on another.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HeadParser } from "../../src/http/request_parser.ts";
import {
  RequestEncoder,
  RequestFlag,
  requestMessageLength,
  RequestView,
} from "../../src/messages/request_message.ts";
import { pattern } from "../support/chunked.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

/** Writes a record at `at`, as the I/O thread does, and moves it somewhere else, as the worker does. */
function roundTrip(head: Uint8Array, before: number, at: number, body: Uint8Array, flags: number): {
  view: RequestView;
  text: (start: number, end: number) => string;
} {
  const bytes = new Uint8Array(before + head.length + 10).fill(255);
  bytes.set(head, before);
  const parser = new HeadParser({ maxHeaderBytes: 65_535, maxHeaderFields: 200 });
  const headLength = parser.parse(bytes, before, before + head.length);
  assert.equal(headLength, head.length);
  const remote = encoder.encode("203.0.113.7");
  const length = requestMessageLength(parser.fieldCount, remote.length, headLength, body.length);
  assert.equal(length % 8, 0);
  const shared = new Uint8Array(new SharedArrayBuffer(at + length + 64)).fill(0xee);
  const bodyAt = new RequestEncoder(shared)
    .write(at, parser, flags, 123_456, remote, 54_321, bytes, before, headLength, body.length);
  assert.ok(bodyAt + body.length <= at + length);
  shared.set(body, bodyAt);
  // Neither before nor behind its place anything was touched.
  assert.ok(shared.subarray(0, at).every((octet) => octet === 0xee));
  assert.ok(shared.subarray(at + length).every((octet) => octet === 0xee));
  const copy = new Uint8Array(length + 24);
  copy.set(shared.subarray(at, at + length), 24);
  const view = new RequestView(copy, 24);
  return { view, text: (start, end) => decoder.decode(copy.slice(start, end)) };
}

const HEAD =
  "\r\nPOST /a/b?c=d HTTP/1.1\r\nHost: example.org:8080\r\nEmpty:\r\nContent-Length: 5\r\nX-High: \xe9\xff\r\n" +
  "A:  spaces around \t\r\n\r\n";
const headBytes = Uint8Array.from(HEAD, (char) => char.charCodeAt(0));

for (const before of [0, 1, 7, 1000]) {
  for (const at of [0, 8, 4096]) {
    test(`A record of a head ${before} octets into its buffer, written at ${at}, says what was parsed`, () => {
      const { view, text } = roundTrip(
        headBytes,
        before,
        at,
        encoder.encode("hello"),
        RequestFlag.Http11 | RequestFlag.HasBody,
      );
      assert.equal(text(view.methodStart, view.methodEnd), "POST");
      assert.equal(text(view.targetStart, view.targetEnd), "/a/b?c=d");
      assert.equal(text(view.remoteStart, view.remoteEnd), "203.0.113.7");
      assert.equal(view.remotePort, 54_321);
      assert.equal(view.connection, 123_456);
      assert.equal(view.contentLength, 5);
      assert.equal(view.flags & 0xff, RequestFlag.Http11 | RequestFlag.HasBody);
      assert.equal(view.targetForm, 0);
      assert.equal(text(view.head, view.head + view.headLength), HEAD);
      assert.equal(text(view.bodyStart, view.bodyStart + view.bodyLength), "hello");
      const fields = Array.from({ length: view.fieldCount }, (_, i) => [
        text(view.fieldAt(i, 0), view.fieldAt(i, 1)),
        text(view.fieldAt(i, 2), view.fieldAt(i, 3)),
      ]);
      assert.deepEqual(fields, [
        ["Host", "example.org:8080"],
        ["Empty", ""],
        ["Content-Length", "5"],
        ["X-High", "\xe9\xff"],
        ["A", "spaces around"],
      ]);
    });
  }
}

test("A record without content, field lines or length says so", () => {
  const { view } = roundTrip(encoder.encode("GET / HTTP/1.0\r\n\r\n"), 0, 0, new Uint8Array(), 0);
  assert.deepEqual([view.fieldCount, view.bodyLength, view.contentLength, view.flags & 0xff], [0, 0, -1, 0]);
});

test("A length beyond 32 bits is exact", () => {
  const head = encoder.encode("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9007199254740991\r\n\r\n");
  assert.equal(roundTrip(head, 0, 0, new Uint8Array(), 0).view.contentLength, Number.MAX_SAFE_INTEGER);
});

test("The largest head there can be fits, with offsets up to 65,535", () => {
  const start = "GET / HTTP/1.1\r\nHost: a\r\nA: ";
  const head = encoder.encode(`${start}${"v".repeat(65_535 - start.length - 4)}\r\n\r\n`);
  assert.equal(head.length, 65_535);
  const { view } = roundTrip(head, 0, 0, new Uint8Array(), 0);
  assert.equal(view.headLength, 65_535);
  assert.equal(view.fieldAt(1, 3) - view.head, 65_531);
});

test("Each form of the request-target travels", () => {
  const heads = [
    "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
  ];
  const forms = heads.map((head) =>
    roundTrip(encoder.encode(head), 0, 0, new Uint8Array(), 0).view.targetForm
  );
  assert.equal(new Set(forms).size, 4);
});

test("A body of any length lies right behind the head", () => {
  for (const length of [0, 1, 7, 8, 9, 65_536]) {
    const body = pattern(length);
    const { view } = roundTrip(headBytes, 3, 64, body, RequestFlag.HasBody);
    assert.deepEqual(view.bytes.slice(view.bodyStart, view.bodyStart + view.bodyLength), body);
  }
});
