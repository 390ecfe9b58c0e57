/**
 * Tests of the request that handlers hold: a web `Request` to anyone who looks, and what goes beyond.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { CartoucheError } from "../../src/errors.ts";
import { AbortReason, BODY_WINDOW_BYTES } from "../../src/messages/kind.ts";
import { bodyError } from "../../src/worker/body_reader.ts";
import { ServerRequest } from "../../src/worker/request.ts";
import { installRequest } from "../../src/worker/request_globals.ts";
import { concat, pattern } from "../support/chunked.ts";
import { type MadeRequest, makeRequest } from "./request_case.ts";

const POST = (length: number, more = ""): string =>
  `POST /upload?a=1&a=2&b=%C3%A9+x HTTP/1.1\r\nHost: example.org\r\nContent-Length: ${length}\r\n${more}\r\n`;

interface Line {
  readonly head: string;
  readonly method: string;
  readonly target: string;
  readonly path: string;
  readonly url: string;
  readonly query?: string;
  readonly version?: string;
}

const LINES: readonly Line[] = [
  { head: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", method: "GET", target: "/", path: "/", url: "http://a/" },
  {
    head: "GET /a/b?c=d&e HTTP/1.1\r\nHost: a:8080\r\n\r\n",
    method: "GET",
    target: "/a/b?c=d&e",
    path: "/a/b",
    url: "http://a:8080/a/b?c=d&e",
    query: "c=d&e=",
  },
  {
    head: "PURGE /%E4%B8%96?q=%2B+ HTTP/1.0\r\n\r\n",
    method: "PURGE",
    target: "/%E4%B8%96?q=%2B+",
    path: "/%E4%B8%96",
    url: "http://localhost/%E4%B8%96?q=%2B+",
    query: "q=%2B+",
    version: "1.0",
  },
  {
    head: "GET http://other:1/x?y=z HTTP/1.1\r\nHost: a\r\n\r\n",
    method: "GET",
    target: "http://other:1/x?y=z",
    path: "/x",
    url: "http://other:1/x?y=z",
    query: "y=z",
  },
  {
    head: "GET http://other HTTP/1.1\r\nHost: a\r\n\r\n",
    method: "GET",
    target: "http://other",
    path: "/",
    url: "http://other/",
  },
  {
    head: "GET http://other?q HTTP/1.1\r\nHost: a\r\n\r\n",
    method: "GET",
    target: "http://other?q",
    path: "/",
    url: "http://other/?q",
    query: "q=",
  },
  {
    head: "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    method: "OPTIONS",
    target: "*",
    path: "*",
    url: "http://a/",
  },
  { head: "GET /? HTTP/1.1\r\nHost: a\r\n\r\n", method: "GET", target: "/?", path: "/", url: "http://a/?" },
  {
    head: "get //a//b HTTP/1.1\r\nHost: a\r\n\r\n",
    method: "get",
    target: "//a//b",
    path: "//a//b",
    url: "http://a//a//b",
  },
];

for (const line of LINES) {
  test(`A request line ${line.head.split("\r\n")[0]} gives method, target, path, url and query`, () => {
    const { request } = makeRequest(line.head);
    assert.equal(request.method, line.method);
    assert.equal(request.target, line.target);
    assert.equal(request.path, line.path);
    assert.equal(request.url, line.url);
    assert.equal(request.query.toString(), line.query ?? "");
    assert.equal(request.httpVersion, line.version ?? "1.1");
    // What code that parses the URL sees is the same.
    const parsed = new URL(request.url);
    if (line.path !== "*") assert.equal(parsed.pathname, line.path);
    assert.equal(parsed.searchParams.toString(), line.query ?? "");
  });
}

test("Fields are found whatever their case, several lines as one value", () => {
  const fields =
    "HOST: a\r\nX-One: 1\r\nx-two: a\r\nX-TWO: b\r\nX-High: \xe9\r\nCookie: a=1\r\nX_Under[]: no\r\n"
      .replace("X_Under[]: no\r\n", "X_Under: u\r\n");
  const { request } = makeRequest(`GET / HTTP/1.1\r\n${fields}\r\n`);
  for (let time = 0; time < 2; time++) {
    assert.equal(request.header("x-one"), "1");
    assert.equal(request.header("X-oNE"), "1");
    assert.equal(request.header("x-two"), "a, b");
    assert.equal(request.header("x-high"), "\xe9");
    assert.equal(request.header("x-on"), null);
    assert.equal(request.header("x-one2"), null);
    if (time === 0) {
      // Characters that differ by 0x20 and are no letters; Headers would throw.
      assert.equal(request.header("x\x7funder"), null);
    }
    // The second time the Headers object answers.
    assert.equal(request.headers.get("x-two"), "a, b");
  }
  assert.deepEqual(request.rawHeaders.slice(0, 6), ["HOST", "a", "X-One", "1", "x-two", "a"]);
  assert.equal([...request.headers].length, 6);
});

test("Lines of Cookie are joined by a semicolon, as RFC 9113 section 8.2.3 has it", () => {
  const { request } = makeRequest(
    "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nX: y\r\ncookie: b=2\r\nCOOKIE: c\r\n\r\n",
  );
  for (let time = 0; time < 2; time++) {
    assert.equal(request.header("cookie"), "a=1; b=2; c");
    assert.equal(request.header("Cookie"), "a=1; b=2; c");
    // The second time the Headers object answers.
    assert.equal(request.headers.get("cookie"), "a=1; b=2; c");
  }
  assert.deepEqual([...request.headers], [["cookie", "a=1; b=2; c"], ["host", "a"], ["x", "y"]]);
  assert.equal(request.clone().headers.get("cookie"), "a=1; b=2; c");
});

test("The connection's facts are those of the record", () => {
  const { request } = makeRequest("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.deepEqual([request.remoteAddress, request.remotePort], ["203.0.113.7", 54_321]);
});

test("Members are those of a native request to anyone who looks", () => {
  const { request } = makeRequest(POST(5), "hello");
  const native = new Request("http://example.org/upload?a=1&a=2&b=%C3%A9+x", {
    method: "POST",
    body: "hello",
  });
  assert.ok(request instanceof Request);
  assert.ok(request instanceof ServerRequest);
  assert.equal(Object.prototype.toString.call(request), Object.prototype.toString.call(native));
  assert.equal(request.url, native.url);
  assert.equal(request.method, native.method);
  assert.ok(request.headers instanceof Headers);
  assert.ok(request.signal instanceof AbortSignal);
  assert.ok(request.body instanceof ReadableStream);
  assert.equal(request.bodyUsed, false);
  // Fetch standard, section 5.4: the values of a request that nothing was said about.
  assert.deepEqual(
    [request.cache, request.credentials, request.destination, request.integrity, request.keepalive],
    ["default", "same-origin", "", "", false],
  );
  assert.deepEqual(
    [request.mode, request.redirect, request.referrer, request.referrerPolicy, request.duplex],
    ["cors", "follow", "about:client", "", "half"],
  );
});

test("Whoever walks through a request's members meets no exception, and finds those of a native one", () => {
  const native = new Request("http://a/x");
  const { request } = makeRequest("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  const seen = request as unknown as Record<string, unknown>;
  for (let object: unknown = request; object !== null; object = Object.getPrototypeOf(object)) {
    for (const name of Object.getOwnPropertyNames(object)) void seen[name];
  }
  for (const name in native) {
    const there = (native as unknown as Record<string, unknown>)[name];
    assert.equal(typeof seen[name], typeof there, name);
    if (/^is[A-Z]/.test(name)) assert.equal(seen[name], there, name);
  }
  assert.equal(request.bodyUsed, false);
});

test("A method that only this runtime's Request has works", async () => {
  const native = new Request("http://a/", { method: "POST", body: "hello" }) as Request & {
    textStream?(): ReadableStream<string>;
  };
  const { request } = makeRequest(POST(5), "hello");
  const stream = (request as unknown as typeof native).textStream?.();
  assert.equal(stream === undefined, native.textStream === undefined);
  if (stream === undefined) return;
  const pieces: string[] = [];
  for await (const piece of stream) pieces.push(piece);
  assert.equal(pieces.join(""), "hello");
  assert.equal(request.bodyUsed, true);
});

test("A request can be inspected, at any depth, and is not touched by it", () => {
  const { request } = makeRequest(POST(5, "X-One: 1\r\n"), "hello");
  for (const nested of [{ deeper: [request] }, [[[request]]], [[[[request]]]]]) {
    assert.equal(typeof inspect(nested), "string");
  }
  for (const part of ["POST", "/upload", "example.org", "x-one", "bodyUsed", "Request {"]) {
    assert.ok(inspect(request).includes(part), part);
  }
  console.log(request, [request]);
  assert.equal(request.bodyUsed, false);
  assert.equal(request.textSync(), "hello");
});

// ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────

type Read = (request: Request) => Promise<unknown>;

const READS: Readonly<Record<string, Read>> = {
  text: (request) => request.text(),
  json: (request) => request.json(),
  arrayBuffer: async (request) => [...new Uint8Array(await request.arrayBuffer())],
  bytes: async (
    request,
  ) => [...new Uint8Array(await (await new Response(request.body).blob()).arrayBuffer())],
  blob: async (request) => {
    const blob = await request.blob();
    return [blob.type.split(";")[0], blob.size, await blob.text()];
  },
  stream: async (request) => await new Response(request.body).text(),
};
const JSON_TYPE = "Content-Type: application/json\r\n";
const JSON_TEXT = '{"a":[1,"grüße \u{1f600}"]}';
const JSON_LENGTH = new TextEncoder().encode(JSON_TEXT).length;

for (const [name, read] of Object.entries(READS)) {
  test(`${name}() gives what a native request gives, and once`, async () => {
    const native = new Request("http://a/", {
      method: "POST",
      body: JSON_TEXT,
      headers: { "content-type": "application/json" },
    });
    const expected = await read(native);
    const { request } = makeRequest(POST(JSON_LENGTH, JSON_TYPE), JSON_TEXT);
    assert.deepEqual(await read(request as unknown as Request), expected);
    assert.equal(request.bodyUsed, true);
    await assert.rejects(request.text(), { code: "ERR_BODY_USED" });
    assert.throws(() => request.bytesSync(), { code: "ERR_BODY_USED" });
  });
}

const READERS: Readonly<Record<string, (request: ServerRequest) => Promise<unknown>>> = {
  text: (request) => request.text(),
  json: (request) => request.json(),
  bytes: (request) => request.bytes(),
  arrayBuffer: (request) => request.arrayBuffer(),
  blob: (request) => request.blob(),
  formData: (request) => request.formData(),
};

for (const [name, read] of Object.entries(READERS)) {
  test(`${name}() of a body that is used or locked rejects with a TypeError that has our code`, async () => {
    const isUsed = (error: unknown): boolean =>
      error instanceof TypeError && (error as { code?: unknown }).code === "ERR_BODY_USED";
    const { request: used } = makeRequest(POST(2), "{}");
    await used.text();
    await assert.rejects(read(used), isUsed);
    const { request: locked } = makeRequest(POST(2), "{}");
    const reader = locked.body?.getReader();
    await assert.rejects(read(locked), isUsed);
    assert.throws(() => locked.bytesSync(), isUsed);
    assert.throws(() => [...locked.chunksSync()], isUsed);
    assert.throws(() => locked.clone(), isUsed);
    // Nothing of it was read.
    assert.equal(locked.bodyUsed, false);
    reader?.releaseLock();
    assert.equal(await locked.text(), "{}");
    const { request: cloned } = makeRequest(POST(2), "{}");
    cloned.clone();
    assert.equal(await cloned.text(), "{}");
    await assert.rejects(read(cloned), isUsed);
    const { request: begun } = makeRequest(POST(2), "{}");
    const stream = begun.body?.getReader();
    await stream?.read();
    stream?.releaseLock();
    await assert.rejects(read(begun), isUsed);
    assert.throws(() => begun.toRequest(), isUsed);
  });
}

test("What reading an empty body gives is nobody else's memory", async () => {
  const head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (const read of ["arrayBuffer", "bytes"] as const) {
    const take = async (): Promise<ArrayBuffer> => {
      const given = await makeRequest(head).request[read]();
      return given instanceof Uint8Array ? given.buffer : given;
    };
    const first = await take();
    structuredClone(first, { transfer: [first] });
    const second = await take();
    assert.equal((second as { detached?: boolean }).detached ?? false, false);
    assert.equal(new Uint8Array(second).length, 0);
  }
  const sync = makeRequest(head).request.bytesSync();
  structuredClone(sync, { transfer: [sync.buffer as ArrayBuffer] });
  assert.equal((await makeRequest(head).request.arrayBuffer()).byteLength, 0);
});

test("A request without content has no body, and reads as empty as often as one likes", async () => {
  const { request } = makeRequest("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal(request.body, null);
  assert.equal(await request.text(), "");
  assert.equal(request.bodyUsed, false);
  assert.equal((await request.arrayBuffer()).byteLength, 0);
  assert.equal(request.textSync(), "");
  assert.equal(request.readSync(new Uint8Array(5)), 0);
  assert.deepEqual([...request.chunksSync()], []);
});

test("Blocking reads give the same content", () => {
  const content = pattern(10_000);
  const make = (): ServerRequest => makeRequest(POST(content.length), content).request;
  assert.deepEqual(make().bytesSync(), content);
  assert.deepEqual(concat([...make().chunksSync()]), content);
  assert.deepEqual(make().textSync(), new TextDecoder().decode(content));
  assert.deepEqual(makeRequest(POST(JSON_LENGTH), JSON_TEXT).request.jsonSync(), JSON.parse(JSON_TEXT));
  assert.throws(() => makeRequest(POST(5), "{bad}").request.jsonSync(), SyntaxError);
  for (const size of [1, 7, 4096, 9_999, 10_000, 20_000]) {
    const request = make();
    const buffer = new Uint8Array(size);
    const pieces: Uint8Array[] = [];
    for (let read = request.readSync(buffer); read > 0; read = request.readSync(buffer)) {
      pieces.push(buffer.slice(0, read));
    }
    assert.deepEqual(concat(pieces), content);
    assert.equal(request.readSync(buffer), 0);
    assert.equal(request.bodyUsed, true);
  }
});

test("What a handler is given of a body is its own memory", () => {
  const { request, call } = makeRequest(POST(5), "hello");
  const bytes = request.bytesSync();
  assert.notEqual(bytes.buffer, call.view.bytes.buffer);
  assert.equal(bytes.byteLength, bytes.buffer.byteLength);
});

/** A streamed request whose content comes piece by piece, whenever its handler blocks. */
function trickling(content: Uint8Array, piece: number): MadeRequest {
  let at = 0;
  return makeRequest(POST(content.length), content, {
    streamed: true,
    onBlock: ({ call }) => {
      if (at === content.length) call.body.end([["x-sum", "1"]]);
      else {
        const next = Math.min(content.length, at + piece);
        call.body.push(content, at, next);
        at = next;
      }
    },
  });
}

test("Blocking reads wait for content that is still on its way", () => {
  const content = pattern(50_000);
  for (const piece of [1000, 7_777, 50_000]) {
    assert.deepEqual(trickling(content, piece).request.bytesSync(), content);
    assert.deepEqual(concat([...trickling(content, piece).request.chunksSync()]), content);
    const { request } = trickling(content, piece);
    const buffer = new Uint8Array(3_333);
    const pieces: Uint8Array[] = [];
    assert.deepEqual([...request.trailers], []);
    for (let read = request.readSync(buffer); read > 0; read = request.readSync(buffer)) {
      pieces.push(buffer.slice(0, read));
    }
    assert.deepEqual(concat(pieces), content);
    assert.deepEqual([...request.trailers], [["x-sum", "1"]]);
  }
});

test("Awaiting reads wait for content that is still on its way", async () => {
  const content = pattern(50_000);
  for (const read of ["bytes", "stream"] as const) {
    const { request, call } = makeRequest(POST(content.length), content, { streamed: true });
    const reading = read === "bytes" ? request.bytes() : new Response(request.body).bytes();
    for (let at = 0; at < content.length; at += 10_000) {
      call.body.push(content, at, at + 10_000);
      await new Promise((resolve) => setTimeout(resolve));
    }
    call.body.end([]);
    assert.deepEqual(await reading, content);
  }
});

test("Content is asked for a window at a time, and not before somebody reads", async () => {
  const made = makeRequest(POST(1 << 20), new Uint8Array(1), { streamed: true });
  assert.equal(made.pulled(), 0);
  const { request, call } = made;
  assert.equal(request.header("host"), "example.org");
  assert.equal(made.pulled(), 0);
  const reader = request.body?.getReader();
  const first = reader?.read();
  // A stream asks its source in a turn of its own.
  await new Promise((resolve) => setTimeout(resolve));
  assert.equal(made.pulled(), BODY_WINDOW_BYTES);
  call.body.push(new Uint8Array(1000), 0, 1000);
  assert.equal((await first)?.value?.length, 1000);
  assert.equal(made.pulled(), BODY_WINDOW_BYTES);
});

for (
  const [failure, code] of [[1, "ERR_CLIENT_GONE"], [2, "ERR_BODY_TOO_LARGE"], [3, "ERR_BODY_SYNTAX"], [
    4,
    "ERR_TIMEOUT",
  ]] as const
) {
  test(`A body that fails with ${code} says so to every way of reading, behind the content that came`, async () => {
    const failing = (): MadeRequest => {
      const made = makeRequest(POST(100), new Uint8Array(1), { streamed: true });
      made.call.body.push(pattern(10), 0, 10);
      made.call.body.fail(bodyError(failure));
      return made;
    };
    assert.throws(() => failing().request.bytesSync(), { code });
    await assert.rejects(failing().request.text(), { code });
    const { request } = failing();
    const chunks = request.chunksSync();
    assert.deepEqual(chunks.next().value, pattern(10));
    assert.throws(() => chunks.next(), { code });
    const reader = failing().request.body?.getReader();
    assert.deepEqual((await reader?.read())?.value, pattern(10));
    await assert.rejects(async () => await reader?.read(), { code });
  });
}

// ── copies ───────────────────────────────────────────────────────────────────────────────────────────────────────

test("A clone and its original have the same content, each once, in whatever order they are read", async () => {
  for (const streamed of [false, true]) {
    for (const first of ["clone", "original"]) {
      const { request, call } = makeRequest(POST(5), "hello", { streamed });
      const clone = request.clone();
      if (streamed) {
        call.body.push(new TextEncoder().encode("hello"), 0, 5);
        call.body.end([]);
      }
      const reads = [() => clone.text(), () => request.text()];
      if (first === "original") reads.reverse();
      for (const read of reads) assert.equal(await read(), "hello", `${first}, streamed ${streamed}`);
      assert.equal(request.bodyUsed, true);
      assert.equal(clone.bodyUsed, true);
      await assert.rejects(request.text());
    }
  }
});

test("A clone has method, url, fields and signal of its original", async () => {
  const { request, call } = makeRequest(POST(5, "X-One: 1\r\n"), "hello");
  const clone = request.clone();
  assert.equal(clone.method, "POST");
  assert.equal(clone.url, request.url);
  assert.equal(clone.headers.get("x-one"), "1");
  const aborted = new Promise<void>((resolve) => clone.signal.addEventListener("abort", () => resolve()));
  call.abort(AbortReason.Gone);
  await aborted;
  assert.equal(clone.signal.aborted, true);
});

test("A request whose body was read cannot be cloned", async () => {
  const { request } = makeRequest(POST(5), "hello");
  await request.text();
  assert.throws(() => request.clone(), TypeError);
});

test("A GET is cloned, also one with content", async () => {
  const plain = makeRequest("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").request;
  assert.equal(plain.clone().url, "http://a/x");
  const strange = makeRequest("GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", "hello").request;
  assert.equal(strange.clone().url, "http://a/x");
  assert.equal(await strange.text(), "hello");
});

for (const method of ["TRACE", "TRACK", "trace", "Connect"]) {
  test(`A request with method ${method}, which native ones may not have, is cloned all the same`, async () => {
    const undo = installRequest();
    try {
      const head = `${method} /x HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nContent-Length: 5\r\n\r\n`;
      const { request } = makeRequest(head, "hello");
      const clone = request.clone();
      const second = clone.clone();
      const third = new Request(second);
      const copy = new Request(request as unknown as Request);
      for (const native of [clone, second, third, copy, request.toRequest()]) {
        assert.equal(native.method, method);
        assert.equal(native.url, "http://a/x");
        assert.equal(native.headers.get("x-one"), "1");
        assert.ok(native instanceof Request);
      }
      assert.equal(await copy.text(), "hello");
      assert.equal(new Request(request as unknown as Request, { method: "PUT", body: "b" }).method, "PUT");
      // Section 2.2.1 of the Fetch standard.
      for (const input of [request as unknown as Request, clone, third]) {
        await assert.rejects(fetch(input), TypeError);
      }
    } finally {
      undo();
    }
  });
}

test("new Request(request, init) takes the body over, as it does with a native one", async () => {
  const undo = installRequest();
  try {
    const { request } = makeRequest(POST(5, "X-One: 1\r\n"), "hello");
    const copy = new Request(request as unknown as Request, { headers: { "x-two": "2" } });
    assert.equal(copy.method, "POST");
    assert.equal(copy.url, request.url);
    assert.equal(copy.headers.get("x-one"), null);
    assert.equal(copy.headers.get("x-two"), "2");
    // Bun leaves the original readable, against the standard; ours does as its runtime does.
    const native = new Request("http://a/", { method: "POST", body: "hello" });
    new Request(native, { headers: {} });
    assert.equal(request.bodyUsed, native.bodyUsed);
    assert.equal(await copy.text(), "hello");
    if (native.bodyUsed) await assert.rejects(request.text());
    const { request: other } = makeRequest("GET /y HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.equal(new Request(other as unknown as Request, { method: "DELETE" }).method, "DELETE");
    assert.ok(other instanceof Request);
    assert.ok(new Request("http://a/") instanceof Request);
  } finally {
    undo();
  }
});

// ── answering ────────────────────────────────────────────────────────────────────────────────────────────────────

test("A request is answered once, and interim responses do not count", () => {
  const { request, asked } = makeRequest("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  request.sendInterim(103, { link: "</a>" });
  assert.equal(request.responded, false);
  request.respond(201);
  assert.equal(request.responded, true);
  assert.throws(() => request.respond(200), { code: "ERR_ALREADY_RESPONDED" });
  assert.throws(() => request.stream(200), { code: "ERR_ALREADY_RESPONDED" });
  assert.throws(() => request.sendInterim(103), { code: "ERR_ALREADY_RESPONDED" });
  assert.deepEqual(asked, ["interim 103", "respond 201"]);
});

for (const status of [99, 100, 101, 200, 103.5, NaN]) {
  test(`Status ${status} is refused as that of an interim response`, () => {
    const { request, asked } = makeRequest("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.throws(() => request.sendInterim(status), { code: "ERR_RESULT" });
    assert.deepEqual(asked, []);
  });
}

test("The signal is aborted with a CartoucheError, whether it was asked for before or after", () => {
  for (
    const [reason, code] of [[AbortReason.Gone, "ERR_CLIENT_GONE"], [
      AbortReason.Deadline,
      "ERR_DEADLINE",
    ]] as const
  ) {
    for (const before of [true, false]) {
      const { request, call } = makeRequest("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      if (before) assert.equal(request.signal.aborted, false);
      call.abort(reason);
      assert.equal(request.signal.aborted, true);
      const error: unknown = request.signal.reason;
      assert.ok(error instanceof CartoucheError);
      assert.equal(error.code, code);
    }
  }
});
