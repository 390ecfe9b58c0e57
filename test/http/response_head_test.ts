/**
 * Tests of response heads: framing by rule, fields of ours and of the handler, and what is refused.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeHead,
  Framing,
  hasNoContent,
  type RequestFacts,
  responseHead,
} from "../../src/http/response_head.ts";

const DATE = "Sun, 06 Nov 1994 08:49:37 GMT";
const GET: RequestFacts = { isHttp11: true, keepAlive: true, isHead: false };
const HEAD: RequestFacts = { ...GET, isHead: true };
const LAST: RequestFacts = { ...GET, keepAlive: false };
const OLD: RequestFacts = { isHttp11: false, keepAlive: false, isHead: false };
const OLD_KEPT: RequestFacts = { ...OLD, keepAlive: true };

interface Row {
  readonly name: string;
  readonly request?: RequestFacts;
  readonly status?: number;
  readonly fields?: readonly string[];
  readonly length: number;
  readonly wire: readonly string[];
  readonly framing: number;
  readonly close?: boolean;
}

const OK = "HTTP/1.1 200 OK";
const D = `Date: ${DATE}`;
const CLOSE = "Connection: close";

const ROWS: readonly Row[] = [
  { name: "a known length", length: 5, wire: [OK, D, "Content-Length: 5"], framing: Framing.Length },
  { name: "no content", length: 0, wire: [OK, D, "Content-Length: 0"], framing: Framing.Length },
  {
    name: "an unknown length",
    length: -1,
    wire: [OK, D, "Transfer-Encoding: chunked"],
    framing: Framing.Chunked,
  },
  {
    name: "a stream whose length the handler gave",
    fields: ["Content-Length", "12"],
    length: -1,
    wire: [OK, D, "Content-Length: 12"],
    framing: Framing.Length,
  },
  {
    name: "a length of the handler that differs from the content's",
    fields: ["content-length", "12"],
    length: 5,
    wire: [OK, D, "Content-Length: 5"],
    framing: Framing.Length,
  },
  {
    name: "fields of the handler, in order",
    fields: ["x-b", "2", "X-A", "1", "x-b", ""],
    length: 1,
    wire: [OK, "x-b: 2", "X-A: 1", "x-b: ", D, "Content-Length: 1"],
    framing: Framing.Length,
  },
  {
    name: "a Date of the handler",
    fields: ["date", "yesterday"],
    length: 1,
    wire: [OK, "date: yesterday", "Content-Length: 1"],
    framing: Framing.Length,
  },
  {
    name: "framing of the handler",
    fields: ["Transfer-Encoding", "gzip", "Keep-Alive", "max=1", "connection", "keep-alive, x-hop"],
    length: 1,
    wire: [OK, D, "Content-Length: 1"],
    framing: Framing.Length,
  },
  {
    name: "close of the handler",
    fields: ["Connection", "x , CLOSE"],
    length: 1,
    wire: [OK, D, "Content-Length: 1", CLOSE],
    framing: Framing.Length,
    close: true,
  },
  {
    name: "another option that begins with close",
    fields: ["connection", "closer"],
    length: 1,
    wire: [OK, D, "Content-Length: 1"],
    framing: Framing.Length,
  },
  {
    name: "the last request",
    request: LAST,
    length: 1,
    wire: [OK, D, "Content-Length: 1", CLOSE],
    framing: Framing.Length,
    close: true,
  },
  {
    name: "HEAD with a length",
    request: HEAD,
    length: 5,
    wire: [OK, D, "Content-Length: 5"],
    framing: Framing.None,
  },
  {
    name: "HEAD with a length that only the handler knows",
    request: HEAD,
    fields: ["content-length", "77"],
    length: 0,
    wire: [OK, D, "Content-Length: 77"],
    framing: Framing.None,
  },
  {
    name: "HEAD of a stream",
    request: HEAD,
    length: -1,
    wire: [OK, D, "Transfer-Encoding: chunked"],
    framing: Framing.None,
  },
  { name: "204", status: 204, length: 0, wire: ["HTTP/1.1 204 No Content", D], framing: Framing.None },
  {
    name: "204 with a length",
    status: 204,
    fields: ["content-length", "5"],
    length: -1,
    wire: ["HTTP/1.1 204 No Content", D],
    framing: Framing.None,
  },
  {
    name: "304 with the length of the 200",
    status: 304,
    fields: ["content-length", "5", "etag", '"a"'],
    length: 0,
    wire: ["HTTP/1.1 304 Not Modified", 'etag: "a"', D, "Content-Length: 5"],
    framing: Framing.None,
  },
  {
    name: "an interim response",
    status: 103,
    length: 0,
    wire: ["HTTP/1.1 103 Early Hints"],
    framing: Framing.None,
  },
  {
    name: "HTTP/1.0",
    request: OLD,
    length: 5,
    wire: [OK, D, "Content-Length: 5", CLOSE],
    framing: Framing.Length,
    close: true,
  },
  {
    name: "HTTP/1.0 that keeps the connection",
    request: OLD_KEPT,
    length: 5,
    wire: [OK, D, "Content-Length: 5", "Connection: keep-alive"],
    framing: Framing.Length,
  },
  {
    name: "a stream to HTTP/1.0",
    request: OLD_KEPT,
    length: -1,
    wire: [OK, D, CLOSE],
    framing: Framing.Close,
    close: true,
  },
];

for (const row of ROWS) {
  test(`The head for ${row.name} is on the wire as it must be`, () => {
    const { request = GET, status = 200, fields = [], length } = row;
    const head = responseHead(request, status, "", fields, length, DATE);
    assert.equal(head.text, row.wire.join("\r\n") + "\r\n\r\n");
    assert.equal(head.framing, row.framing);
    assert.equal(head.close, row.close ?? false);
  });
}

test("A reason phrase is the handler's, the registered one, or a word for what is not registered", () => {
  const line = (status: number, text: string): string =>
    responseHead(GET, status, text, [], 0, DATE).text.split("\r\n")[0] ?? "";
  assert.equal(line(200, "Fine"), "HTTP/1.1 200 Fine");
  assert.equal(line(404, ""), "HTTP/1.1 404 Not Found");
  assert.equal(line(799, ""), "HTTP/1.1 799 Unknown");
  assert.equal(line(200, "a\r\nSet-Cookie: a=b"), "HTTP/1.1 200 OK");
});

for (const status of [0, 99, 1000, -200, 200.5, NaN, Infinity]) {
  test(`Status ${status} is refused with ERR_RESULT`, () => {
    assert.throws(() => responseHead(GET, status, "", [], 0, DATE), { code: "ERR_RESULT" });
  });
}

test("Every octet that HTTP does not allow in a name or a value is refused with ERR_HEADER, every other is sent", () => {
  const isToken = (code: number): boolean => /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(code));
  for (let code = 0; code <= 0x120; code++) {
    const char = String.fromCharCode(code);
    const inName = (): unknown => responseHead(GET, 200, "", [`a${char}b`, "v"], 0, DATE);
    if (code < 0x80 && isToken(code)) assert.doesNotThrow(inName, `name ${code}`);
    else assert.throws(inName, { code: "ERR_HEADER" }, `name ${code}`);
    const inValue = (): unknown => responseHead(GET, 200, "", ["a", `x${char}y`], 0, DATE);
    const isAllowed = code === 9 || (code >= 0x20 && code <= 0xff && code !== 0x7f);
    if (isAllowed) assert.doesNotThrow(inValue, `value ${code}`);
    else assert.throws(inValue, { code: "ERR_HEADER" }, `value ${code}`);
  }
  assert.throws(() => responseHead(GET, 200, "", ["", "v"], 0, DATE), { code: "ERR_HEADER" });
});

for (const length of ["", " 1", "1 ", "+1", "-1", "1,1", "01", "1e3", "0x1", "99999999999999999"]) {
  test(`A Content-Length ${JSON.stringify(length)} of the handler is refused with ERR_HEADER`, () => {
    assert.throws(() => responseHead(GET, 200, "", ["content-length", length], -1, DATE), {
      code: "ERR_HEADER",
    });
  });
}

test("The statuses without content are those of RFC 9110", () => {
  const without = Array.from({ length: 900 }, (_, i) => i + 100).filter(hasNoContent);
  assert.deepEqual(without.filter((status) => status >= 200), [204, 304]);
  assert.equal(without.length, 102);
});

test("A head is encoded octet by octet, characters above 0x7F as themselves", () => {
  const { text } = responseHead(GET, 200, "", ["x", "\xe9\xff"], 0, DATE);
  const bytes = encodeHead(text);
  assert.equal(bytes.length, text.length);
  assert.ok(bytes.every((octet, index) => octet === text.charCodeAt(index)));
});
