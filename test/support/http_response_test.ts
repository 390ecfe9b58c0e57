/**
 * Tests of the response reader that server tests rely on.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ResponseReader } from "./http_response.ts";

const encoder = new TextEncoder();

/** Reads the text whole, octet by octet, and cut in two everywhere; the three must agree. */
function read(text: string, isHead?: (index: number) => boolean): ResponseReader {
  const bytes = encoder.encode(text);
  const whole = new ResponseReader(isHead);
  whole.push(bytes);
  for (let split = 0; split <= bytes.length; split++) {
    const parts = new ResponseReader(isHead);
    parts.push(bytes.subarray(0, split));
    for (const octet of bytes.subarray(split)) parts.push(Uint8Array.of(octet));
    assert.deepEqual(
      parts.responses.map((
        response,
      ) => [response.status, response.text, response.interim, response.trailers]),
      whole.responses.map((
        response,
      ) => [response.status, response.text, response.interim, response.trailers]),
    );
    assert.equal(parts.end(), parts.leftover === 0);
  }
  return whole;
}

test("The reader tells responses apart by length, chunks, HEAD and status", () => {
  const reader = read(
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\na:  c \r\n\r\nhello" +
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: u\r\n\r\n" +
      "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n" +
      "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nHTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n",
    (index) => index === 4,
  );
  assert.deepEqual(
    reader.responses.map(({ status, text, framing }) => [status, text, framing]),
    [[200, "hello", "length"], [200, "abc0123456789", "chunked"], [204, "", "none"], [304, "", "none"], [
      200,
      "",
      "none",
    ], [404, "", "length"]],
  );
  assert.deepEqual(reader.responses[0]?.interim, [100]);
  assert.deepEqual(reader.responses[1]?.interim, []);
  assert.equal(reader.responses[0]?.header("a"), "b, c");
  assert.deepEqual(reader.responses[1]?.trailers, [["T", "u"]]);
  assert.equal(reader.end(), true);
});

test("The reader takes the end of the connection for the end of the content only without a length", () => {
  const open = read("HTTP/1.1 200 OK\r\n\r\nuntil the end");
  assert.equal(open.responses.length, 0);
  assert.equal(open.end(), true);
  assert.equal(open.responses[0]?.text, "until the end");
  for (
    const cut of [
      "HTTP/1.1 200 OK\r\nContent-Le",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ]
  ) {
    const reader = new ResponseReader();
    reader.push(encoder.encode(cut));
    assert.equal(reader.end(), false, cut);
  }
});

for (
  const [what, text] of [
    ["a bare LF", "HTTP/1.1 200 OK\nA: b\r\n\r\n"],
    ["another protocol", "HTTP/2 200 OK\r\n\r\n"],
    ["two framings", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"],
    ["a field without a colon", "HTTP/1.1 200 OK\r\nfield\r\n\r\n"],
    ["a bad chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"],
    ["a chunk that is too long", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n"],
    ["content behind 204", "HTTP/1.1 204 No Content\r\n\r\ncontent\r\n\r\n"],
  ] as const
) {
  test(`The reader refuses ${what}`, () => {
    assert.throws(() => new ResponseReader().push(encoder.encode(text)));
  });
}
