/**
 * Table of tus 1.0.0 cases: checksum, checksum-trailer, concatenation, expiration.
 * Runs on: any; runtime API: none
 *
 * Long because it is a table.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  bytesOf,
  type Content,
  idOf,
  patternBytes,
  requestOf,
  type UploadBench,
} from "../support/upload_bench.ts";
import { testUploadCases, type UploadCase } from "../support/upload_case.ts";

async function status(response: Promise<Response>, expected: number): Promise<Headers> {
  const { status, headers } = await response;
  assert.equal(status, expected);
  return headers;
}

function sumOf(algorithm: string, bytes: string | Uint8Array): string {
  return `${algorithm} ${createHash(algorithm).update(bytesOf(bytes)).digest("base64")}`;
}

function checked(algorithm: string, bytes: string): Record<string, string> {
  return { "upload-checksum": sumOf(algorithm, bytes) };
}

const badChecksums: readonly (readonly [string, string])[] = [
  ["an unknown algorithm", "crc32 AAAAAA=="],
  ["an algorithm in capitals", "SHA1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="],
  ["no digest", "sha1"],
  ["an empty digest", "sha1 "],
  ["a digest that is no Base64", "sha1 Kq5s!clPz7QV2+lfQIuc6R7oRu0="],
  ["a digest in hexadecimal", "sha1 2aae6c35c94fcfb415dbe95f408b9ce91ee846ed0"],
  ["two blanks", "sha1  Kq5sNclPz7QV2+lfQIuc6R7oRu0="],
  ["two checksums", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=, md5 XrY7u+Ae7tCTyyK7j1rNww=="],
];

const checksum: UploadCase[] = [
  ...["sha1", "sha256", "md5"].flatMap((algorithm): UploadCase[] => [
    ["Checksum", `${algorithm} that fits is 204`, async (bench) => {
      const url = await bench.create(11);
      const headers = await status(
        bench.patch(url, 0, "hello world", checked(algorithm, "hello world")),
        204,
      );
      assert.equal(headers.get("upload-offset"), "11");
      assert.equal(bench.text(url), "hello world");
    }],
    ["Checksum", `${algorithm} that does not fit is 460 and leaves the offset`, async (bench) => {
      const url = await bench.create(11);
      await status(bench.patch(url, 0, "hello"), 204);
      const headers = await status(bench.patch(url, 5, " w0rld", checked(algorithm, " world")), 460);
      assert.equal(headers.get("upload-offset"), "5");
      assert.equal(bench.text(url), "hello");
      assert.equal(await bench.offset(url), 5);
    }],
  ]),
  ...badChecksums.map(([name, value]): UploadCase => [
    "Checksum",
    `${name} is 400 and leaves the offset`,
    async (bench) => {
      const url = await bench.create(11);
      await status(bench.patch(url, 0, "hello world", { "upload-checksum": value }), 400);
      assert.equal(await bench.offset(url), 0);
    },
  ]),
  ["Checksum", "the example of the specification is right", async (bench) => {
    const url = await bench.create(11);
    const fields = { "upload-checksum": "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=" };
    await status(bench.patch(url, 0, "hello world", fields), 204);
  }],
  ["Checksum", "a digest of another length does not fit", async (bench) => {
    const url = await bench.create(11);
    await status(bench.patch(url, 0, "hello world", { "upload-checksum": "sha1 AAAA" }), 460);
    assert.equal(await bench.offset(url), 0);
  }],
  ["Checksum", "content in many chunks is summed as a whole", async (bench) => {
    const bytes = patternBytes(100_000);
    const chunks = Array.from(
      { length: 100 },
      (_, index) => bytes.subarray(index * 1000, (index + 1) * 1000),
    );
    const url = await bench.create(bytes.length);
    const fields = { "upload-checksum": sumOf("sha256", bytes) };
    await status(bench.patch(url, 0, { chunks, chunked: true }, fields), 204);
    assert.deepEqual(bench.bytes(url), bytes);
  }],
  ["Checksum", "after a mismatch the right bytes are taken", async (bench) => {
    const url = await bench.create(5);
    await status(bench.patch(url, 0, "hellO", checked("sha1", "hello")), 460);
    await status(bench.patch(url, 0, "hello", checked("sha1", "hello")), 204);
    assert.equal(bench.text(url), "hello");
  }],
  ["Checksum", "requests with and without one may alternate", async (bench) => {
    const url = await bench.create(20);
    await status(bench.patch(url, 0, "aaaaa", checked("md5", "aaaaa")), 204);
    await status(bench.patch(url, 5, "bbbbb"), 204);
    await status(bench.patch(url, 10, "ccccc", checked("sha1", "ccccc")), 204);
    await status(bench.patch(url, 15, "XXXXX", checked("sha1", "ddddd")), 460);
    assert.equal(await bench.offset(url), 15);
    await status(bench.patch(url, 15, "ddddd"), 204);
    assert.equal(bench.text(url), "aaaaabbbbbcccccddddd");
  }],
  ["Checksum", "a mismatch of the last bytes does not finish the upload", async (bench) => {
    const url = await bench.create(5);
    await status(bench.patch(url, 0, "hellO", checked("sha1", "hello")), 460);
    const headers = await status(bench.tus("HEAD", url), 200);
    assert.equal(headers.get("upload-offset"), "0");
  }],
  ["Checksum", "of no content is that of the empty string", async (bench) => {
    const url = await bench.create(5);
    await status(bench.patch(url, 0, "", checked("sha1", "")), 204);
    await status(bench.patch(url, 0, "", checked("sha1", "x")), 460);
  }],
  ["Checksum", "a cut request with one leaves nothing", async (bench) => {
    const url = await bench.create(10);
    const content = { chunks: [bytesOf("hello")], announced: 10, cut: true };
    await bench.patch(url, 0, content, checked("sha1", "helloworld"));
    assert.equal(await bench.offset(url), 0);
    assert.equal(bench.text(url), "");
  }],
  ["Checksum", "HEAD does not count bytes that nobody has confirmed yet", async (bench) => {
    const url = await bench.create(10);
    await status(bench.patch(url, 0, "ab"), 204);
    const asleep = Promise.withResolvers<void>();
    const gone = new AbortController();
    const content = { chunks: [bytesOf("hello")], silent: true, announced: 8, signal: gone.signal };
    const first = bench.patch(url, 2, { ...content, onRead: asleep.resolve }, checked("sha1", "helloxyz"));
    await asleep.promise;
    assert.equal(await bench.offset(url), 2);
    gone.abort();
    await first;
    assert.equal(await bench.offset(url), 2);
  }],
  ["Checksum", "an algorithm that the option leaves out is 400", async (bench) => {
    const url = await bench.create(5);
    await status(bench.patch(url, 0, "hello", checked("md5", "hello")), 400);
  }, { checksumAlgorithms: ["sha1"] }],
];

function trailing(bytes: string, trailers: Record<string, string> | undefined): Content {
  return { chunks: [bytesOf(bytes)], chunked: true, trailers };
}

const announced = { trailer: "Upload-Checksum" };

const trailer: UploadCase[] = [
  ...["sha1", "sha256", "md5"].flatMap((algorithm): UploadCase[] => [
    ["Checksum Trailer", `${algorithm} that fits is 204`, async (bench) => {
      const url = await bench.create(5);
      await status(bench.patch(url, 0, trailing("hello", checked(algorithm, "hello")), announced), 204);
      assert.equal(bench.text(url), "hello");
    }],
    ["Checksum Trailer", `${algorithm} that does not fit is 460 and leaves the offset`, async (bench) => {
      const url = await bench.create(5);
      await status(bench.patch(url, 0, trailing("hellO", checked(algorithm, "hello")), announced), 460);
      assert.equal(await bench.offset(url), 0);
      assert.equal(bench.text(url), "");
    }],
  ]),
  ["Checksum Trailer", "one that was announced and does not come is 400", async (bench) => {
    const url = await bench.create(5);
    await status(bench.patch(url, 0, trailing("hello", {}), announced), 400);
    assert.equal(await bench.offset(url), 0);
  }],
  ["Checksum Trailer", "one with an unknown algorithm is 400", async (bench) => {
    const url = await bench.create(5);
    await status(bench.patch(url, 0, trailing("hello", { "upload-checksum": "crc32 AAAA" }), announced), 400);
    assert.equal(await bench.offset(url), 0);
  }],
  ["Checksum Trailer", "it may be announced among others, in any case", async (bench) => {
    const url = await bench.create(5);
    const fields = { trailer: "X-Other, upload-CHECKSUM" };
    await status(bench.patch(url, 0, trailing("hellO", checked("sha1", "hello")), fields), 460);
  }],
  ["Checksum Trailer", "one that was not announced is not looked at", async (bench) => {
    const url = await bench.create(5);
    await status(bench.patch(url, 0, trailing("hellO", checked("sha1", "hello"))), 204);
  }],
  ["Checksum Trailer", "a server that cannot see it refuses before the content", async (bench) => {
    const url = await bench.create(5);
    await status(bench.patch(url, 0, { chunks: [bytesOf("hello")], chunked: true }, announced), 400);
    assert.equal(await bench.offset(url), 0);
  }],
  ["Checksum Trailer", "a trailer section that is cut off is 400", async (bench) => {
    const url = await bench.create(5);
    const fields = { "tus-resumable": "1.0.0", "upload-offset": "0", ...announced };
    const type = { "content-type": "application/offset+octet-stream" };
    const request = requestOf("PATCH", url, { ...fields, ...type }, trailing("hello", {}));
    const trailers = Promise.reject(new Error("The client is gone"));
    await status(bench.app.fetch({ ...request, trailers }), 400);
    assert.equal(await bench.offset(url), 0);
    assert.deepEqual(bench.errors, []);
  }],
  ["Checksum Trailer", "works with creation-with-upload", async (bench) => {
    const fields = { "upload-length": "5", "content-type": "application/offset+octet-stream", ...announced };
    const good = trailing("hello", checked("sha256", "hello"));
    await status(bench.tus("POST", "/files/", fields, good), 201);
    const names = bench.names();
    const bad = trailing("hellO", checked("sha256", "hello"));
    await status(bench.tus("POST", "/files/", fields, bad), 460);
    await status(bench.tus("POST", "/files/", fields, trailing("hello", {})), 400);
    assert.deepEqual(bench.names(), names);
  }],
];

async function partial(bench: UploadBench, text: string): Promise<string> {
  const url = await bench.create(text.length, { "upload-concat": "partial" });
  if (text !== "") await status(bench.patch(url, 0, text), 204);
  return url;
}

function final(bench: UploadBench, concat: string, fields: Record<string, string> = {}): Promise<Response> {
  return bench.tus("POST", "/files/", { "upload-concat": concat, ...fields });
}

async function location(response: Promise<Response>): Promise<string> {
  return (await status(response, 201)).get("location") ?? "";
}

const badConcats: readonly (readonly [string, (url: string) => string])[] = [
  ["another word", () => "whole"],
  ["capitals", () => "Partial"],
  ["an empty value", () => ""],
  ["final without a list", () => "final"],
  ["final with an empty list", () => "final;"],
  ["two blanks between URLs", (url) => `final;${url}  ${url}`],
  ["a comma between URLs", (url) => `final;${url},${url}`],
  ["a URL of another host", (url) => `final;http://elsewhere.test${url}`],
  ["a URL of another scheme", (url) => `final;ftp://uploads.test${url}`],
  ["a file URL", () => "final;file:///etc/passwd"],
  ["a path out of the uploads", () => "final;/files/../../etc/passwd"],
  ["an encoded path out of the uploads", () => "final;/files/%2e%2e/%2e%2e/etc/passwd"],
  ["a path beside the uploads", (url) => `final;/other/${idOf(url)}`],
  ["the JSON of an upload", (url) => `final;${url}.json`],
  ["an unknown upload", () => `final;/files/${"e".repeat(32)}`],
  ["a known and an unknown upload", (url) => `final;${url} /files/${"e".repeat(32)}`],
];

const concatenation: UploadCase[] = [
  ["Concatenation", "parts are joined in the order of the list", async (bench) => {
    const [a, b] = [await partial(bench, "hello"), await partial(bench, " world")];
    assert.equal(bench.text(await location(final(bench, `final;${a} ${b}`))), "hello world");
    assert.equal(bench.text(await location(final(bench, `final;${b} ${a}`))), " worldhello");
  }],
  ["Concatenation", "a part may occur several times, and alone", async (bench) => {
    const a = await partial(bench, "ab");
    assert.equal(bench.text(await location(final(bench, `final;${a} ${a} ${a}`))), "ababab");
    assert.equal(bench.text(await location(final(bench, `final;${a}`))), "ab");
  }],
  ["Concatenation", "URLs may be absolute", async (bench) => {
    const a = await partial(bench, "ab");
    assert.equal(bench.text(await location(final(bench, `final;http://uploads.test${a} ${a}`))), "abab");
  }],
  ["Concatenation", "URLs may name a host of the option", async (bench) => {
    const a = await partial(bench, "ab");
    assert.equal(bench.text(await location(final(bench, `final;https://cdn.test:8443${a}`))), "ab");
  }, { hosts: ["cdn.test:8443"] }],
  ["Concatenation", "empty parts are parts", async (bench) => {
    const [a, b] = [await partial(bench, ""), await partial(bench, "x")];
    assert.equal(bench.text(await location(final(bench, `final;${a} ${b} ${a}`))), "x");
    assert.equal(bench.text(await location(final(bench, `final;${a}`))), "");
  }],
  ["Concatenation", "large parts are joined byte by byte", async (bench) => {
    const [x, y] = [patternBytes(2_500_001, 3), patternBytes(1_048_576, 4)];
    const urls: string[] = [];
    for (const bytes of [x, y]) {
      const url = await bench.create(bytes.length, { "upload-concat": "partial" });
      await status(bench.patch(url, 0, bytes), 204);
      urls.push(url);
    }
    const whole = bench.bytes(await location(final(bench, `final;${urls.join(" ")}`)));
    assert.equal(Buffer.compare(whole ?? new Uint8Array(), Buffer.concat([x, y])), 0);
  }],
  ["Concatenation", "HEAD of the final tells its length and Upload-Concat as received", async (bench) => {
    const [a, b] = [await partial(bench, "hello"), await partial(bench, " world")];
    const concat = `final;http://uploads.test${a} ${b}`;
    const headers = await status(bench.tus("HEAD", await location(final(bench, concat))), 200);
    assert.equal(headers.get("upload-concat"), concat);
    assert.equal(headers.get("upload-length"), "11");
    assert.equal(headers.get("upload-offset"), "11");
  }],
  ["Concatenation", "HEAD of a part tells Upload-Concat and its offset", async (bench) => {
    const headers = await status(bench.tus("HEAD", await partial(bench, "hello")), 200);
    assert.equal(headers.get("upload-concat"), "partial");
    assert.equal(headers.get("upload-offset"), "5");
  }],
  ["Concatenation", "only the final's own metadata counts", async (bench) => {
    const a = await bench.create(0, { "upload-concat": "partial", "upload-metadata": "a YQ==" });
    const bare = await status(bench.tus("HEAD", await location(final(bench, `final;${a}`))), 200);
    assert.equal(bare.has("upload-metadata"), false);
    const own = await location(final(bench, `final;${a}`, { "upload-metadata": "b Yg==" }));
    assert.equal((await status(bench.tus("HEAD", own), 200)).get("upload-metadata"), "b Yg==");
  }],
  ["Concatenation", "PATCH of a final is 403 and changes nothing", async (bench) => {
    const url = await location(final(bench, `final;${await partial(bench, "hello")}`));
    await status(bench.patch(url, 5, "x"), 403);
    await status(bench.patch(url, 0, ""), 403);
    assert.equal(bench.text(url), "hello");
  }],
  ["Concatenation", "an unfinished part is 400, and no final is made", async (bench) => {
    const a = await bench.create(5, { "upload-concat": "partial" });
    await status(bench.patch(a, 0, "hell"), 204);
    const before = bench.names();
    await status(final(bench, `final;${a}`), 400);
    assert.deepEqual(bench.names(), before);
  }],
  ["Concatenation", "an upload that is no part is 400", async (bench) => {
    const a = await bench.create(5);
    await status(bench.patch(a, 0, "hello"), 204);
    await status(final(bench, `final;${a}`), 400);
  }],
  ["Concatenation", "a final is no part of another one", async (bench) => {
    const url = await location(final(bench, `final;${await partial(bench, "a")}`));
    await status(final(bench, `final;${url}`), 400);
  }],
  ["Concatenation", "a final with Upload-Length or Upload-Defer-Length is 400", async (bench) => {
    const a = await partial(bench, "hello");
    await status(final(bench, `final;${a}`, { "upload-length": "5" }), 400);
    await status(final(bench, `final;${a}`, { "upload-defer-length": "1" }), 400);
  }],
  ["Concatenation", "a final that is larger than the limit is 413", async (bench) => {
    const a = await partial(bench, "hello");
    const before = bench.names();
    await status(final(bench, `final;${a} ${a} ${a}`), 413);
    assert.deepEqual(bench.names(), before);
    await status(final(bench, `final;${a} ${a}`), 201);
  }, { maxSizeBytes: 10 }],
  ["Concatenation", "parts stay when the final is made or removed", async (bench) => {
    const a = await partial(bench, "hello");
    const url = await location(final(bench, `final;${a}`));
    await status(bench.tus("DELETE", url), 204);
    assert.equal(bench.text(a), "hello");
  }],
  ["Concatenation", "the final stays when its parts are removed", async (bench) => {
    const a = await partial(bench, "hello");
    const url = await location(final(bench, `final;${a}`));
    await status(bench.tus("DELETE", a), 204);
    assert.equal(bench.text(url), "hello");
    await status(final(bench, `final;${a}`), 400);
  }],
  ["Concatenation", "a part may defer its length and come with its creation", async (bench) => {
    const fields = { "upload-concat": "partial", "content-type": "application/offset+octet-stream" };
    const a = await bench.create(null, fields, { chunks: [bytesOf("hel")] });
    await status(bench.patch(a, 3, "lo", { "upload-length": "5" }), 204);
    assert.equal(bench.text(await location(final(bench, `final;${a}`))), "hello");
  }],
  ["Concatenation", "onComplete is called for the final, not for the parts", async (bench) => {
    completed.length = 0;
    const a = await partial(bench, "hello");
    const url = await location(final(bench, `final;${a}`));
    assert.deepEqual(completed, [idOf(url)]);
  }, { onComplete: (upload) => void completed.push(upload.id) }],
  ["Concatenation", "authorize is asked for each part", async (bench) => {
    const a = await partial(bench, "hello");
    await status(final(bench, `final;${a}`), 403);
  }, { authorize: (_request, _id, action) => action !== "concatenate" }],
  ["Concatenation", "a client that left gets no final", async (bench) => {
    const a = await partial(bench, "hello");
    const before = bench.names();
    await bench.tus("POST", "/files/", { "upload-concat": `final;${a}` }, { signal: AbortSignal.abort() });
    assert.deepEqual(bench.names(), before);
  }],
  ...badConcats.map(([name, value]): UploadCase => [
    "Upload-Concat",
    `${name} is 400 and makes nothing`,
    async (bench) => {
      const url = await partial(bench, "hello");
      const before = bench.names();
      await status(
        final(bench, value(url), value(url).startsWith("final") ? {} : { "upload-length": "1" }),
        400,
      );
      assert.deepEqual(bench.names(), before);
    },
  ]),
];
const completed: string[] = [];

let clockMs = 0;
const expiring = { expireMs: 60_000, now: () => clockMs };

/**
 * The clock of the store is the file system's for the bytes, so only its own notes go by the clock of the
 * test.
 */
function withClock(run: (bench: UploadBench) => Promise<void>): UploadCase[2] {
  return async (bench) => {
    clockMs = Date.now();
    const clocked = bench.restarted(expiring, { now: () => clockMs });
    try {
      await run(clocked);
      assert.deepEqual(clocked.errors, []);
    } finally {
      clocked.app.close();
    }
  };
}

const expiration: UploadCase[] = [
  [
    "Expiration",
    "POST and PATCH tell an IMF-fixdate while the upload is unfinished",
    withClock(async (bench) => {
      const created = await status(bench.tus("POST", "/files/", { "upload-length": "10" }), 201);
      const expected = new Date(clockMs + 60_000).toUTCString();
      assert.equal(created.get("upload-expires"), expected);
      assert.match(expected, /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
      const patched = await status(bench.patch(created.get("location") ?? "", 0, "hello"), 204);
      assert.equal(patched.get("upload-expires"), expected);
    }),
  ],
  [
    "Expiration",
    "the PATCH that finishes tells none, and a later HEAD neither",
    withClock(async (bench) => {
      const url = await bench.create(5);
      assert.equal((await status(bench.patch(url, 0, "hello"), 204)).has("upload-expires"), false);
      assert.equal((await status(bench.tus("HEAD", url), 200)).has("upload-expires"), false);
    }),
  ],
  [
    "Expiration",
    "each PATCH renews the time",
    withClock(async (bench) => {
      const url = await bench.create(10);
      for (let offset = 0; offset < 5; offset++) {
        clockMs += 50_000;
        const headers = await status(bench.patch(url, offset, "x"), 204);
        assert.equal(headers.get("upload-expires"), new Date(clockMs + 60_000).toUTCString());
        assert.equal(await bench.app.sweep(), 0);
      }
    }),
  ],
  [
    "Expiration",
    "each HEAD renews the time",
    withClock(async (bench) => {
      const url = await bench.create(10);
      for (let turn = 0; turn < 5; turn++) {
        clockMs += 50_000;
        const headers = await status(bench.tus("HEAD", url), 200);
        assert.equal(headers.get("upload-expires"), new Date(clockMs + 60_000).toUTCString());
      }
      assert.equal(await bench.app.sweep(), 0);
    }),
  ],
  ...(["HEAD", "PATCH", "DELETE"] as const).map((method): UploadCase => [
    "Expiration",
    `an expired upload is 404 for ${method}`,
    withClock(async (bench) => {
      const url = await bench.create(10);
      clockMs += 60_001;
      const sent = method === "PATCH" ? bench.patch(url, 0, "hello") : bench.tus(method, url);
      const headers = await status(sent, 404);
      assert.equal(headers.has("upload-offset"), false);
    }),
  ]),
  [
    "Expiration",
    "a sweep frees the disk although nobody asks",
    withClock(async (bench) => {
      const url = await bench.create(10);
      await status(bench.patch(url, 0, "hello"), 204);
      clockMs += 60_001;
      assert.equal(await bench.app.sweep(), 1);
      assert.deepEqual(bench.names(), []);
      assert.equal(await bench.offset(url), -1);
    }),
  ],
  [
    "Expiration",
    "finished uploads never go",
    withClock(async (bench) => {
      const urls = [await bench.create(5), await bench.create(0)];
      await status(bench.patch(urls[0] ?? "", 0, "hello"), 204);
      const a = await partial(bench, "ab");
      const whole = await location(final(bench, `final;${a}`));
      for (let turn = 0; turn < 3; turn++) {
        clockMs += 365 * 86_400_000;
        await bench.app.sweep();
      }
      for (const url of [...urls, whole]) assert.notEqual(await bench.offset(url), -1);
      assert.equal(bench.text(urls[0] ?? ""), "hello");
      assert.equal(bench.text(whole), "ab");
    }),
  ],
  [
    "Expiration",
    "finished parts go, and use renews them",
    withClock(async (bench) => {
      const a = await partial(bench, "ab");
      clockMs += 50_000;
      await status(final(bench, `final;${a}`), 201);
      clockMs += 50_000;
      assert.equal(await bench.app.sweep(), 0);
      clockMs += 60_001;
      assert.equal(await bench.app.sweep(), 1);
      assert.equal(await bench.offset(a), -1);
    }),
  ],
  [
    "Expiration",
    "an expired part is no part",
    withClock(async (bench) => {
      const a = await partial(bench, "ab");
      clockMs += 60_001;
      await status(final(bench, `final;${a}`), 400);
    }),
  ],
  [
    "Expiration",
    "an upload that is being written is not swept",
    withClock(async (bench) => {
      const url = await bench.create(10);
      const asleep = Promise.withResolvers<void>();
      const gone = new AbortController();
      const content = { chunks: [bytesOf("hello")], silent: true, announced: 10, signal: gone.signal };
      const first = bench.patch(url, 0, { ...content, onRead: asleep.resolve });
      await asleep.promise;
      clockMs += 1_000_000;
      assert.equal(await bench.app.sweep(), 0);
      gone.abort();
      // Cut by its client, not stopped by the sweep.
      await status(first, 400);
      assert.equal(await bench.offset(url), 5);
    }),
  ],
  ["Expiration", "with 0 nothing expires and nothing is told", async (bench) => {
    const headers = await status(bench.tus("POST", "/files/", { "upload-length": "10" }), 201);
    assert.equal(headers.has("upload-expires"), false);
    assert.equal(await bench.app.sweep(), 0);
  }, { expireMs: 0 }],
];

testUploadCases([...checksum, ...trailer, ...concatenation, ...expiration]);
