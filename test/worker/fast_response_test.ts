/**
 * Fast responses against the Fetch standard, and the native class against the same table.
 * Runs on: any; runtime API: none
 *
 * Every row runs with `FastResponse`; it also runs with the runtime's own class, which proves that the row
 * describes what programs know, except where `varies` says which runtime has it otherwise.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  fastBody,
  fastHeaders,
  FastResponse,
  installFastResponse,
  NativeResponse,
  nativeResponse,
} from "../../src/worker/fast_response.ts";
import { JSON_FIELDS, NO_FIELDS, TEXT_FIELDS } from "../../src/worker/field_list.ts";
import { errorOf, type ResponseClass, ROWS, TEXT_TYPE } from "./response_rows.ts";

for (const { name, run, want, varies } of ROWS) {
  test(`FastResponse ${name}`, async () => {
    assert.deepEqual(await run(FastResponse as unknown as ResponseClass), want);
  });
  if (varies === undefined) {
    test(`The native Response ${name}`, async () => {
      assert.deepEqual(await run(NativeResponse), want);
    });
  }
}

test("fastBody gives text, bytes and null as they were given, and marks them used", () => {
  const bytes = new Uint8Array([1, 2]);
  const shared = new Uint8Array(new SharedArrayBuffer(2));
  for (const body of ["text", "", bytes, shared]) {
    const response = new FastResponse(body as BodyInit);
    assert.equal(response.bodyUsed, false);
    assert.equal(fastBody(response), body);
    assert.equal(response.bodyUsed, true);
    assert.equal(fastBody(response), undefined, "only once");
  }
  const empty = new FastResponse(null);
  assert.equal(fastBody(empty), null);
  assert.equal(empty.bodyUsed, false);
});

test("fastBody is undefined for a native response, a stream and a body that was read", async () => {
  assert.equal(fastBody(new NativeResponse("x")), undefined);
  assert.equal(fastBody(new FastResponse(new Blob(["x"]).stream())), undefined);
  const read = new FastResponse("x");
  await read.text();
  assert.equal(fastBody(read), undefined);
  await assert.rejects(read.arrayBuffer(), TypeError);
  const locked = new FastResponse("x");
  locked.body?.getReader();
  assert.equal(fastBody(locked), undefined);
});

test("fastBody still has the bytes after a look at the stream, and spends the stream", async () => {
  const response = new FastResponse("x");
  const stream = response.body as ReadableStream;
  assert.equal(fastBody(response), "x");
  assert.equal((await stream.getReader().read()).done, true);
});

test("fastBody has the bytes of a body that was passed on by its stream", () => {
  const first = new FastResponse("x", { headers: { a: "1" } });
  const second = new FastResponse(first.body, first);
  const third = new FastResponse(second.body, { status: 203 });
  assert.equal(fastBody(third), "x");
  assert.deepEqual(fastHeaders(second), ["a", "1", "content-type", TEXT_TYPE]);
  assert.deepEqual([first.bodyUsed, second.bodyUsed, third.bodyUsed], [true, true, true]);
  assert.equal(fastBody(second), undefined);
});

test("A stream becomes a native response, bytes of shared memory can be read every way", async () => {
  const native = new FastResponse(new Blob(["x"]).stream());
  assert.equal(Object.getPrototypeOf(native), NativeResponse.prototype);
  const shared = new Uint8Array(new SharedArrayBuffer(1)).fill(65);
  const make = (): FastResponse => new FastResponse(shared as unknown as BodyInit);
  assert.equal(await make().text(), "A");
  assert.equal((await make().arrayBuffer()).byteLength, 1);
  assert.equal(await new FastResponse(make().body).text(), "A");
  assert.equal(await (await make().blob()).text(), "A");
});

test("fastHeaders gives the shared lists where nothing was added", () => {
  assert.equal(fastHeaders(new FastResponse("x")), TEXT_FIELDS);
  assert.equal(fastHeaders(new FastResponse("x", { status: 404 })), TEXT_FIELDS);
  assert.equal(fastHeaders(FastResponse.json(1)), JSON_FIELDS);
  assert.equal(fastHeaders(new FastResponse(null)), NO_FIELDS);
});

test("fastHeaders gives names in lower case, in the order and number they were given", () => {
  const headers: [string, string][] = [["Set-Cookie", "a"], ["X-B", "1"], ["set-cookie", "b"]];
  const response = new FastResponse(null, { headers });
  assert.deepEqual(fastHeaders(response), ["set-cookie", "a", "x-b", "1", "set-cookie", "b"]);
  response.headers.delete("x-b");
  assert.deepEqual(fastHeaders(response), ["set-cookie", "a", "set-cookie", "b"]);
  const native = new NativeResponse(null, { headers: [["Set-Cookie", "a"], ["set-cookie", "b"]] });
  assert.deepEqual(fastHeaders(native), ["set-cookie", "a", "set-cookie", "b"]);
});

test("nativeResponse hands over status, fields and body", async () => {
  const fast = new FastResponse("x", { status: 201, statusText: "A", headers: { a: "1" } });
  const native = nativeResponse(fast);
  assert.equal(Object.getPrototypeOf(native), NativeResponse.prototype);
  assert.deepEqual([native.status, native.statusText, native.headers.get("a")], [201, "A", "1"]);
  assert.equal(await native.text(), "x");
  assert.equal(fast.bodyUsed, true);
  assert.equal(nativeResponse(native), native);
});

test("Every native method works on a fast response or fails as it does natively", async () => {
  for (const name of Object.getOwnPropertyNames(NativeResponse.prototype)) {
    if (name === "constructor") continue;
    const outcome = async (R: ResponseClass): Promise<string> =>
      await errorOf(async () => {
        const member: unknown = Reflect.get(R.prototype, name, new R("1"));
        if (typeof member === "function") await Reflect.apply(member, new R("1"), []);
      });
    assert.equal(
      await outcome(FastResponse as unknown as ResponseClass),
      await outcome(NativeResponse),
      name,
    );
  }
});

test("installFastResponse replaces the global class, and the undo puts it back", () => {
  const undo = installFastResponse();
  try {
    assert.equal(fastBody(new Response("x")), "x");
    assert.equal(new NativeResponse("x") instanceof Response, true);
    assert.equal(new Response("x") instanceof Response, true);
    assert.equal(({}) instanceof Response, false);
    assert.equal((null as unknown) instanceof Response, false);
  } finally {
    undo();
  }
  assert.equal(globalThis.Response, NativeResponse);
});

test("The undo of installFastResponse leaves a class that came later alone", () => {
  const undo = installFastResponse();
  const installed = globalThis.Response;
  class Later {}
  Object.defineProperty(globalThis, "Response", { value: Later, writable: true, configurable: true });
  undo();
  assert.equal(globalThis.Response as unknown, Later);
  Object.defineProperty(globalThis, "Response", { value: installed, writable: true, configurable: true });
  undo();
  assert.equal(globalThis.Response, NativeResponse);
});
