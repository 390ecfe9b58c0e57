/**
 * Table of tus 1.0.0 cases: core protocol, OPTIONS, method override, termination.
 * Runs on: any; runtime API: none
 *
 * The clause is in each name. Long because it is a table.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { bytesOf, idOf, ORIGIN, patternBytes, type UploadBench } from "../support/upload_bench.ts";
import { testUploadCases, type UploadCase } from "../support/upload_case.ts";

const OFFSET_TYPE = "application/offset+octet-stream";

async function status(response: Promise<Response>, expected: number): Promise<Headers> {
  const { status, headers } = await response;
  assert.equal(status, expected);
  return headers;
}

/** An upload of ten bytes with "hello" in it. */
async function half(bench: UploadBench): Promise<string> {
  const url = await bench.create(10);
  await status(bench.patch(url, 0, "hello"), 204);
  return url;
}

const version: UploadCase[] = ["POST", "HEAD", "PATCH", "DELETE"].flatMap((method): UploadCase[] => [
  ["Tus-Resumable", `${method} without it is refused with Tus-Version and does nothing`, async (bench) => {
    const url = await half(bench);
    const before = bench.names();
    const target = method === "POST" ? "/files/" : url;
    const fields = { "upload-length": "3", "upload-offset": "5", "content-type": OFFSET_TYPE };
    const headers = await status(bench.send(method, target, fields, { chunks: [bytesOf("abc")] }), 412);
    assert.equal(headers.get("tus-version"), "1.0.0");
    assert.equal(headers.get("tus-resumable"), "1.0.0");
    assert.deepEqual(bench.names(), before);
    assert.equal(await bench.offset(url), 5);
  }],
  ["Tus-Resumable", `${method} with version 0.2.2 is refused`, async (bench) => {
    const url = await half(bench);
    const target = method === "POST" ? "/files/" : url;
    const headers = await status(
      bench.tus(method, target, { "tus-resumable": "0.2.2", "upload-length": "3" }),
      412,
    );
    assert.equal(headers.get("tus-version"), "1.0.0");
    assert.equal(await bench.offset(url), 5);
  }],
]);

const answers: UploadCase[] = ([
  [200, (bench, url) => bench.tus("HEAD", url)],
  [201, (bench) => bench.tus("POST", "/files/", { "upload-length": "1" })],
  [204, (bench, url) => bench.patch(url, 5, "w")],
  [204, (bench, url) => bench.tus("DELETE", url)],
  [400, (bench) => bench.tus("POST", "/files/")],
  [404, (bench) => bench.tus("HEAD", `/files/${"0".repeat(32)}`)],
  [404, (bench) => bench.tus("HEAD", "/elsewhere")],
  [405, (bench, url) => bench.tus("GET", url)],
  [409, (bench, url) => bench.patch(url, 4, "w")],
  [413, (bench, url) => bench.patch(url, 5, "world!")],
  [415, (bench, url) => bench.patch(url, 5, "w", { "content-type": "text/plain" })],
  [460, (bench, url) => bench.patch(url, 5, "w", { "upload-checksum": "sha1 AAAA" })],
] satisfies [number, (bench: UploadBench, url: string) => Promise<Response>][]).map(([code, send]) => [
  "Tus-Resumable",
  `an answer with ${code} carries it`,
  async (bench) => {
    const headers = await status(send(bench, await half(bench)), code);
    assert.equal(headers.get("tus-resumable"), "1.0.0");
  },
]);

const badNumbers = [
  "",
  "-1",
  "+5",
  "5.0",
  "5e0",
  "0x5",
  "5, 5",
  "five",
  " ",
  "99999999999999999999",
  "9007199254740992",
];

const offsets: UploadCase[] = badNumbers.map((value) => [
  "Upload-Offset",
  `PATCH with "${value}" is refused`,
  async (bench) => {
    const url = await half(bench);
    await status(bench.patch(url, value, "world"), 400);
    assert.equal(await bench.offset(url), 5);
  },
]);

const badIds = [
  "x",
  "0".repeat(31),
  "0".repeat(33),
  "G".repeat(32),
  `${"0".repeat(32)}.json`,
  `.cartouche/${"0".repeat(32)}.json`,
  `${"0".repeat(32)}/`,
  `${"0".repeat(31)}%30`,
  `${"0".repeat(32)}%00`,
  `..%2f${"0".repeat(32)}`,
  "%2e%2e%2fpasswd",
  ".cartouche",
  "sweep",
];

const identifiers: UploadCase[] = badIds.flatMap((id): UploadCase[] => [
  ["Upload URL", `HEAD and DELETE of "${id}" find nothing`, async (bench) => {
    await half(bench);
    const before = bench.names();
    for (const method of ["HEAD", "DELETE"]) {
      const headers = await status(bench.tus(method, `/files/${id}`), 404);
      assert.equal(headers.has("upload-offset"), false);
    }
    assert.deepEqual(bench.names(), before);
  }],
]);

const core: UploadCase[] = [
  ["HEAD", "a new upload is at offset 0, with its length, and is not cached", async (bench) => {
    const headers = await status(bench.tus("HEAD", await bench.create(10)), 200);
    assert.equal(headers.get("upload-offset"), "0");
    assert.equal(headers.get("upload-length"), "10");
    assert.equal(headers.get("cache-control"), "no-store");
    assert.equal(headers.has("upload-defer-length"), false);
  }],
  ["HEAD", "a half upload tells its offset", async (bench) => {
    assert.equal(await bench.offset(await half(bench)), 5);
  }],
  ["HEAD", "a finished upload tells an offset that is its length", async (bench) => {
    const url = await half(bench);
    await status(bench.patch(url, 5, "world"), 204);
    const headers = await status(bench.tus("HEAD", url), 200);
    assert.equal(headers.get("upload-offset"), "10");
    assert.equal(headers.get("upload-length"), "10");
  }],
  ["HEAD", "an unknown upload is 404 without Upload-Offset", async (bench) => {
    const headers = await status(bench.tus("HEAD", `/files/${"a".repeat(32)}`), 404);
    assert.equal(headers.has("upload-offset"), false);
  }],
  ["HEAD", "refusals have no content", async (bench) => {
    const response = await bench.tus("HEAD", `/files/${"a".repeat(32)}`);
    assert.equal(await response.text(), "");
  }],
  ["PATCH", "appends and tells the new offset", async (bench) => {
    const url = await bench.create(10);
    const headers = await status(bench.patch(url, 0, "hello"), 204);
    assert.equal(headers.get("upload-offset"), "5");
    assert.equal(bench.text(url), "hello");
  }],
  ["PATCH", "several make one file of exactly their bytes", async (bench) => {
    const url = await bench.create(10);
    for (let offset = 0; offset < 10; offset++) {
      const headers = await status(bench.patch(url, offset, String(offset)), 204);
      assert.equal(headers.get("upload-offset"), String(offset + 1));
    }
    assert.equal(bench.text(url), "0123456789");
  }],
  ["PATCH", "the last one leaves one regular file and its JSON", async (bench) => {
    const url = await half(bench);
    await status(bench.patch(url, 5, "world"), 204);
    assert.deepEqual(bench.names(), [idOf(url), `${idOf(url)}.json`]);
  }],
  ["PATCH", "content in chunks of one byte arrives as it was", async (bench) => {
    const bytes = patternBytes(300);
    const url = await bench.create(300);
    const chunks = Array.from(bytes, (byte) => Uint8Array.of(byte));
    await status(bench.patch(url, 0, { chunks, chunked: true }), 204);
    assert.deepEqual(bench.bytes(url), bytes);
  }],
  ["PATCH", "one chunk of 3 MiB and a bit arrives as it was", async (bench) => {
    const bytes = patternBytes(3 * 1024 * 1024 + 7);
    const url = await bench.create(bytes.length);
    await status(bench.patch(url, 0, bytes), 204);
    assert.deepEqual(bench.bytes(url), bytes);
  }],
  ["PATCH", "chunks of all sizes arrive in order", async (bench) => {
    const bytes = patternBytes(2_500_000, 7);
    const chunks: Uint8Array[] = [];
    for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 3 + 1) % 700_001) {
      chunks.push(bytes.subarray(at, at + size));
    }
    const url = await bench.create(bytes.length);
    await status(bench.patch(url, 0, { chunks, chunked: true }), 204);
    assert.deepEqual(bench.bytes(url), bytes);
  }],
  ["PATCH", "empty content changes nothing and succeeds", async (bench) => {
    const url = await half(bench);
    const headers = await status(bench.patch(url, 5, ""), 204);
    assert.equal(headers.get("upload-offset"), "5");
    assert.equal(bench.text(url), "hello");
  }],
  ["PATCH", "no content at all changes nothing and succeeds", async (bench) => {
    const url = await half(bench);
    const headers = await status(bench.patch(url, 5, {}), 204);
    assert.equal(headers.get("upload-offset"), "5");
  }],
  ["PATCH", "an offset below the stored one is a conflict that tells the stored one", async (bench) => {
    const url = await half(bench);
    const headers = await status(bench.patch(url, 0, "HELLO"), 409);
    assert.equal(headers.get("upload-offset"), "5");
    assert.equal(bench.text(url), "hello");
  }],
  ["PATCH", "an offset above the stored one is a conflict and leaves no hole", async (bench) => {
    const url = await half(bench);
    await status(bench.patch(url, 7, "rld"), 409);
    assert.equal(bench.text(url), "hello");
  }],
  ["PATCH", "goes on after a conflict", async (bench) => {
    const url = await half(bench);
    await status(bench.patch(url, 0, "hello"), 409);
    await status(bench.patch(url, 5, "world"), 204);
    assert.equal(bench.text(url), "helloworld");
  }],
  ["PATCH", "another content type is 415", async (bench) => {
    const url = await half(bench);
    await status(bench.patch(url, 5, "world", { "content-type": "application/octet-stream" }), 415);
    assert.equal(bench.text(url), "hello");
  }],
  ["PATCH", "a missing content type is 415", async (bench) => {
    const url = await half(bench);
    await status(bench.tus("PATCH", url, { "upload-offset": "5" }, { chunks: [bytesOf("w")] }), 415);
    assert.equal(await bench.offset(url), 5);
  }],
  ["PATCH", "the content type may be in capitals and have parameters", async (bench) => {
    const url = await half(bench);
    await status(bench.patch(url, 5, "w", { "content-type": "Application/Offset+Octet-Stream; q=1" }), 204);
  }],
  ["PATCH", "a missing Upload-Offset is 400", async (bench) => {
    const url = await half(bench);
    await status(bench.tus("PATCH", url, { "content-type": OFFSET_TYPE }, { chunks: [bytesOf("w")] }), 400);
  }],
  ["PATCH", "an unknown upload is 404 and is not made", async (bench) => {
    await status(bench.patch(`/files/${"b".repeat(32)}`, 0, "x"), 404);
    assert.deepEqual(bench.names(), []);
  }],
  ["PATCH", "content announced as longer than the room is 413 before it is read", async (bench) => {
    const url = await half(bench);
    let read = false;
    const content = { chunks: [bytesOf("world!")], onRead: () => read = true };
    const headers = await status(bench.patch(url, 5, content), 413);
    assert.equal(headers.get("upload-offset"), "5");
    assert.equal(read, false);
    assert.equal(bench.text(url), "hello");
  }],
  ["PATCH", "chunked content longer than the room is 413 and leaves the offset", async (bench) => {
    const url = await half(bench);
    const chunks = [bytesOf("wor"), bytesOf("ld"), bytesOf("!")];
    await status(bench.patch(url, 5, { chunks, chunked: true }), 413);
    assert.equal(await bench.offset(url), 5);
    assert.equal(bench.text(url), "hello");
  }],
  ["PATCH", "chunked content of exactly the room finishes", async (bench) => {
    const url = await half(bench);
    await status(bench.patch(url, 5, { chunks: [bytesOf("wor"), bytesOf("ld")], chunked: true }), 204);
    assert.equal(bench.text(url), "helloworld");
  }],
  ["PATCH", "a finished upload takes an empty one at its end", async (bench) => {
    const url = await half(bench);
    await status(bench.patch(url, 5, "world"), 204);
    const headers = await status(bench.patch(url, 10, ""), 204);
    assert.equal(headers.get("upload-offset"), "10");
  }],
  ["PATCH", "a finished upload takes no byte more", async (bench) => {
    const url = await half(bench);
    await status(bench.patch(url, 5, "world"), 204);
    await status(bench.patch(url, 10, "!"), 413);
    await status(bench.patch(url, 10, { chunks: [bytesOf(""), bytesOf("!")], chunked: true }), 413);
    await status(bench.patch(url, 0, "H"), 409);
    assert.equal(bench.text(url), "helloworld");
  }],
  ["PATCH", "a cut request keeps every byte that came", async (bench) => {
    const url = await bench.create(10);
    await bench.patch(url, 0, { chunks: [bytesOf("hel"), bytesOf("lo")], announced: 10, cut: true });
    assert.equal(await bench.offset(url), 5);
    await status(bench.patch(url, 5, "world"), 204);
    assert.equal(bench.text(url), "helloworld");
    assert.deepEqual(bench.errors, []);
  }],
  ["PATCH", "a cut chunked request keeps every byte that came", async (bench) => {
    const url = await bench.create(10);
    await bench.patch(url, 0, { chunks: [bytesOf("hello")], chunked: true, cut: true });
    assert.equal(await bench.offset(url), 5);
  }],
  ["PATCH", "content that ends before its announced length is kept but not acknowledged", async (bench) => {
    const url = await bench.create(10);
    await status(bench.patch(url, 0, { chunks: [bytesOf("hello")], announced: 8 }), 400);
    assert.equal(await bench.offset(url), 5);
  }],
  [
    "PATCH",
    "a client that falls silent and is aborted keeps its bytes and frees the upload",
    async (bench) => {
      const url = await bench.create(10);
      const gone = new AbortController();
      const content = { chunks: [bytesOf("hello")], silent: true, announced: 10, signal: gone.signal };
      await bench.patch(url, 0, { ...content, onRead: () => gone.abort() });
      await status(bench.patch(url, 5, "world"), 204);
      assert.equal(bench.text(url), "helloworld");
    },
  ],
  ["PATCH", "a second one takes over from a silent first one", async (bench) => {
    const url = await bench.create(10);
    const asleep = Promise.withResolvers<void>();
    let cancelled = false;
    const first = bench.patch(url, 0, {
      chunks: [bytesOf("hello")],
      silent: true,
      announced: 10,
      onRead: asleep.resolve,
      onCancel: () => cancelled = true,
    });
    await asleep.promise;
    await status(bench.patch(url, 5, "world"), 204);
    await status(first, 423);
    assert.equal(cancelled, true);
    assert.equal(bench.text(url), "helloworld");
  }],
  ["PATCH", "of twenty at the same offset one wins", async (bench) => {
    const url = await bench.create(1000);
    const writers = Array.from(
      { length: 20 },
      (_, index) => bench.patch(url, 0, patternBytes(1000, index + 1)),
    );
    const codes = (await Promise.all(writers)).map((response) => response.status);
    assert.equal(codes.filter((code) => code === 204).length, 1);
    assert.ok(codes.every((code) => [204, 409, 423].includes(code)), codes.join(" "));
    const winner = codes.indexOf(204);
    assert.deepEqual(bench.bytes(url), patternBytes(1000, winner + 1));
  }],
  ["HEAD", "does not stop a PATCH that is under way", async (bench) => {
    const url = await bench.create(10);
    const asleep = Promise.withResolvers<void>();
    const gone = new AbortController();
    const content = { chunks: [bytesOf("hello")], silent: true, announced: 10, signal: gone.signal };
    const first = bench.patch(url, 0, { ...content, onRead: asleep.resolve });
    await asleep.promise;
    assert.ok([0, 5].includes(await bench.offset(url)));
    gone.abort();
    await first;
    assert.equal(await bench.offset(url), 5);
  }],
  ["Method", "GET is 405 with Allow", async (bench) => {
    const url = await half(bench);
    assert.equal((await status(bench.tus("GET", url), 405)).get("allow"), "HEAD, PATCH, DELETE, OPTIONS");
    assert.equal((await status(bench.send("GET", "/files/"), 405)).get("allow"), "POST, OPTIONS");
  }],
  ["Method", "POST to an upload and PATCH to the collection are 405", async (bench) => {
    const url = await half(bench);
    await status(bench.tus("POST", url, { "upload-length": "3" }), 405);
    await status(bench.patch("/files/", 0, "x"), 405);
    await status(bench.tus("DELETE", "/files/"), 405);
    await status(bench.tus("HEAD", "/files/"), 405);
    await status(bench.tus("PUT", url), 405);
  }],
];

const webRequests: UploadCase[] = [
  ["PATCH", "a web Request is all that is needed", async (bench) => {
    const fields = { "tus-resumable": "1.0.0" };
    const post = new Request(`${ORIGIN}/files/`, {
      method: "POST",
      headers: { ...fields, "upload-length": "5" },
    });
    const url = (await status(bench.app.fetch(post), 201)).get("location") ?? "";
    const patch = new Request(ORIGIN + url, {
      method: "PATCH",
      headers: { ...fields, "upload-offset": "0", "content-type": OFFSET_TYPE },
      body: "hello",
    });
    await status(bench.app.fetch(patch), 204);
    assert.equal(bench.text(url), "hello");
  }],
];

const options: UploadCase[] = [
  ["OPTIONS", "the collection tells version, extensions, limit and algorithms", async (bench) => {
    const headers = await status(bench.send("OPTIONS", "/files/", {}, { trailers: {} }), 204);
    assert.equal(headers.get("tus-resumable"), "1.0.0");
    assert.equal(headers.get("tus-version"), "1.0.0");
    assert.equal(headers.get("tus-max-size"), String(2 ** 40));
    assert.equal(headers.get("tus-checksum-algorithm"), "sha1,sha256,md5");
    const extensions = (headers.get("tus-extension") ?? "").split(",").sort();
    assert.deepEqual(extensions, [
      "checksum",
      "checksum-trailer",
      "concatenation",
      "creation",
      "creation-defer-length",
      "creation-with-upload",
      "expiration",
      "termination",
    ]);
  }],
  ["OPTIONS", "an upload URL gives the same answer", async (bench) => {
    const url = await bench.create(3);
    const one = await status(bench.send("OPTIONS", url), 204);
    const other = await status(bench.send("OPTIONS", "/files/"), 204);
    assert.deepEqual([...one], [...other]);
  }],
  ["OPTIONS", "Tus-Resumable in the request is ignored", async (bench) => {
    await status(bench.send("OPTIONS", "/files/", { "tus-resumable": "0.0.1" }), 204);
  }],
  ["OPTIONS", "a server without trailer fields does not announce checksum-trailer", async (bench) => {
    const headers = await status(bench.send("OPTIONS", "/files/"), 204);
    assert.ok(!(headers.get("tus-extension") ?? "").includes("checksum-trailer"));
  }],
  ["OPTIONS", "without expiry and limit neither is announced", async (bench) => {
    const headers = await status(bench.send("OPTIONS", "/files/"), 204);
    assert.equal(headers.has("tus-max-size"), false);
    assert.ok(!(headers.get("tus-extension") ?? "").includes("expiration"));
  }, { expireMs: 0, maxSizeBytes: 0 }],
  ["OPTIONS", "only the algorithms of the option are announced", async (bench) => {
    const headers = await status(bench.send("OPTIONS", "/files/"), 204);
    assert.equal(headers.get("tus-checksum-algorithm"), "sha1");
  }, { checksumAlgorithms: ["sha1"] }],
  ["OPTIONS", "a path beside the uploads is 404", async (bench) => {
    await status(bench.send("OPTIONS", "/other/"), 404);
  }],
];

const override: UploadCase[] = [
  ["X-HTTP-Method-Override", "POST as PATCH appends", async (bench) => {
    const url = await half(bench);
    const fields = {
      "x-http-method-override": "PATCH",
      "upload-offset": "5",
      "content-type": OFFSET_TYPE,
    };
    await status(bench.tus("POST", url, fields, { chunks: [bytesOf("world")] }), 204);
    assert.equal(bench.text(url), "helloworld");
  }],
  ["X-HTTP-Method-Override", "POST as DELETE removes", async (bench) => {
    const url = await half(bench);
    await status(bench.tus("POST", url, { "x-http-method-override": "DELETE" }), 204);
    assert.equal(await bench.offset(url), -1);
  }],
  ["X-HTTP-Method-Override", "POST as HEAD tells the offset", async (bench) => {
    const url = await half(bench);
    const headers = await status(bench.tus("POST", url, { "x-http-method-override": "HEAD" }), 200);
    assert.equal(headers.get("upload-offset"), "5");
  }],
  ["X-HTTP-Method-Override", "POST as OPTIONS needs no Tus-Resumable", async (bench) => {
    await status(bench.send("POST", "/files/", { "x-http-method-override": "OPTIONS" }), 204);
  }],
  ["X-HTTP-Method-Override", "an unknown method is refused", async (bench) => {
    for (const method of ["GET", "FOO", "patch", "PATCH, DELETE", ""]) {
      await status(
        bench.tus("POST", "/files/", { "x-http-method-override": method, "upload-length": "1" }),
        400,
      );
    }
    assert.deepEqual(bench.names(), []);
  }],
  ["X-HTTP-Method-Override", "a GET never becomes a DELETE", async (bench) => {
    const url = await half(bench);
    await status(bench.tus("GET", url, { "x-http-method-override": "DELETE" }), 405);
    assert.equal(await bench.offset(url), 5);
  }],
  ["X-HTTP-Method-Override", "a PATCH stays a PATCH", async (bench) => {
    const url = await half(bench);
    await status(bench.patch(url, 5, "world", { "x-http-method-override": "DELETE" }), 204);
    assert.equal(bench.text(url), "helloworld");
  }],
];

const termination: UploadCase[] = [
  ["Termination", "DELETE removes an unfinished upload with all its files", async (bench) => {
    const url = await half(bench);
    await status(bench.tus("DELETE", url), 204);
    assert.deepEqual(bench.names(), []);
  }],
  ["Termination", "afterwards HEAD, PATCH and DELETE find nothing", async (bench) => {
    const url = await half(bench);
    await status(bench.tus("DELETE", url), 204);
    await status(bench.tus("HEAD", url), 404);
    await status(bench.patch(url, 5, "world"), 404);
    await status(bench.tus("DELETE", url), 404);
    assert.deepEqual(bench.names(), []);
  }],
  ["Termination", "DELETE removes a finished upload", async (bench) => {
    const url = await half(bench);
    await status(bench.patch(url, 5, "world"), 204);
    await status(bench.tus("DELETE", url), 204);
    assert.equal(existsSync(bench.path(url)), false);
    assert.deepEqual(bench.names(), []);
  }],
  ["Termination", "an unknown upload is 404", async (bench) => {
    await status(bench.tus("DELETE", `/files/${"c".repeat(32)}`), 404);
    assert.deepEqual(bench.names(), []);
  }],
  ["Termination", "DELETE stops a PATCH that is under way", async (bench) => {
    const url = await bench.create(10);
    const asleep = Promise.withResolvers<void>();
    const content = { chunks: [bytesOf("hello")], silent: true, announced: 10, onRead: asleep.resolve };
    const first = bench.patch(url, 0, content);
    await asleep.promise;
    await status(bench.tus("DELETE", url), 204);
    await status(first, 423);
    assert.deepEqual(bench.names(), []);
  }],
  ["Termination", "of two at once one succeeds", async (bench) => {
    const url = await half(bench);
    const codes = await Promise.all([bench.tus("DELETE", url), bench.tus("DELETE", url)]);
    assert.deepEqual(codes.map(({ status }) => status).sort(), [204, 404]);
  }],
];

testUploadCases([
  ...version,
  ...answers,
  ...offsets,
  ...identifiers,
  ...core,
  ...webRequests,
  ...options,
  ...override,
  ...termination,
]);
