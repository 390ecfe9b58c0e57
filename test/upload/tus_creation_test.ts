/**
 * Table of tus 1.0.0 cases: creation, creation-with-upload, creation-defer-length, metadata, hooks.
 * Runs on: any; runtime API: none
 *
 * Long because it is a table.
 */
import assert from "node:assert/strict";
import { bytesOf, type Content, idOf, patternBytes, type UploadBench } from "../support/upload_bench.ts";
import { testUploadCases, type UploadCase } from "../support/upload_case.ts";
import type { Upload } from "../../src/upload/upload_request.ts";

const OFFSET_TYPE = "application/offset+octet-stream";

async function status(response: Promise<Response>, expected: number): Promise<Headers> {
  const { status, headers } = await response;
  assert.equal(status, expected);
  return headers;
}

function post(bench: UploadBench, fields: Record<string, string>, content?: Content): Promise<Response> {
  return bench.tus("POST", "/files/", fields, content);
}

function withUpload(bytes: string | Uint8Array, more: Content = {}): [Record<string, string>, Content] {
  return [{ "content-type": OFFSET_TYPE }, { chunks: [bytesOf(bytes)], ...more }];
}

const badLengths = [
  "",
  "-1",
  "+5",
  "5.0",
  "5e0",
  "0x5",
  "5, 5",
  "ten",
  "99999999999999999999",
  "9007199254740992",
];

const lengths: UploadCase[] = badLengths.map((value) => [
  "Upload-Length",
  `POST with "${value}" is refused and makes nothing`,
  async (bench) => {
    await status(post(bench, { "upload-length": value }), 400);
    assert.deepEqual(bench.names(), []);
  },
]);

const creation: UploadCase[] = [
  ["Creation", "POST answers 201 with a relative Location that nobody can guess", async (bench) => {
    const headers = await status(post(bench, { "upload-length": "10" }), 201);
    assert.match(headers.get("location") ?? "", /^\/files\/[0-9a-f]{32}$/);
    assert.equal(headers.has("upload-offset"), false);
  }],
  ["Creation", "the path without its last slash does, too", async (bench) => {
    await status(bench.tus("POST", "/files", { "upload-length": "10" }), 201);
  }],
  ["Creation", "two hundred ids are all different", async (bench) => {
    const ids = new Set<string>();
    for (let index = 0; index < 200; index++) ids.add(idOf(await bench.create(1)));
    assert.equal(ids.size, 200);
  }],
  ["Creation", "neither Upload-Length nor Upload-Defer-Length is 400", async (bench) => {
    await status(post(bench, {}), 400);
    assert.deepEqual(bench.names(), []);
  }],
  ["Creation", "both Upload-Length and Upload-Defer-Length are 400", async (bench) => {
    await status(post(bench, { "upload-length": "10", "upload-defer-length": "1" }), 400);
    assert.deepEqual(bench.names(), []);
  }],
  ["Creation", "more than the limit is 413", async (bench) => {
    await status(post(bench, { "upload-length": "1001" }), 413);
    assert.deepEqual(bench.names(), []);
    await status(post(bench, { "upload-length": "1000" }), 201);
  }, { maxSizeBytes: 1000 }],
  ["Creation", "5 GiB and 2^53 - 1 are kept to the digit", async (bench) => {
    for (const length of [5 * 2 ** 30 + 1, Number.MAX_SAFE_INTEGER]) {
      const headers = await status(bench.tus("HEAD", await bench.create(length)), 200);
      assert.equal(headers.get("upload-length"), String(length));
    }
  }, { maxSizeBytes: 0 }],
  ["Creation", "an empty upload is finished at once", async (bench) => {
    const url = await bench.create(0);
    assert.equal(bench.text(url), "");
    const headers = await status(bench.tus("HEAD", url), 200);
    assert.equal(headers.get("upload-offset"), "0");
    assert.equal(headers.get("upload-length"), "0");
    await status(bench.patch(url, 0, ""), 204);
    await status(bench.patch(url, 0, "x"), 413);
  }],
  ["Creation", "content of another type is no content of the upload", async (bench) => {
    const url = await bench.create(10, { "content-type": "text/plain" }, { chunks: [bytesOf("hello")] });
    assert.equal(await bench.offset(url), 0);
  }],
];

const goodMetadata: readonly (readonly [string, string])[] = [
  ["one pair", "filename d29ybGQucGRm"],
  ["two pairs and a key alone", "filename d29ybGQucGRm,is_confidential"],
  ["a blank after the comma", "filename d29ybGQucGRm, filetype YXBwbGljYXRpb24vcGRm"],
  ["a key with a blank and no value", "is_confidential ,filename d29ybGQucGRm"],
  ["bytes that are no text", "raw /+8AAQL+"],
  ["keys that are members of every object", "__proto__ YQ==,constructor Yg==,hasOwnProperty Yw=="],
  ["a key with signs in it", "a.b-c_d/e;f=g YQ=="],
];

const badMetadata: readonly (readonly [string, string])[] = [
  ["a key twice", "a YQ==,a Yg=="],
  ["a value that is no Base64", "a Y!=="],
  ["a value of a wrong length", "a YQ"],
  ["a value with padding in the middle", "a YQ==YQ=="],
  ["an empty pair", "a YQ==,,b Yg=="],
  ["a comma at the end", "a YQ==,"],
  ["three words", "a YQ== Yg=="],
  ["two blanks", "a  YQ=="],
];

const metadata: UploadCase[] = [
  ...goodMetadata.map(([name, text]): UploadCase => [
    "Upload-Metadata",
    `HEAD gives ${name} back as it was sent`,
    async (bench) => {
      const headers = await status(
        bench.tus("HEAD", await bench.create(1, { "upload-metadata": text })),
        200,
      );
      assert.equal(headers.get("upload-metadata"), text);
    },
  ]),
  ...badMetadata.map(([name, text]): UploadCase => [
    "Upload-Metadata",
    `${name} is refused and makes nothing`,
    async (bench) => {
      await status(post(bench, { "upload-length": "1", "upload-metadata": text }), 400);
      assert.deepEqual(bench.names(), []);
    },
  ]),
  ["Upload-Metadata", "none and an empty one are not given back", async (bench) => {
    const none = await status(bench.tus("HEAD", await bench.create(1)), 200);
    const empty = await status(bench.tus("HEAD", await bench.create(1, { "upload-metadata": "" })), 200);
    assert.equal(none.has("upload-metadata"), false);
    assert.equal(empty.has("upload-metadata"), false);
  }],
  ["Upload-Metadata", "survives a restart and the end of the upload", async (bench) => {
    const url = await bench.create(1, { "upload-metadata": "a YQ==,b" });
    await bench.patch(url, 0, "x");
    const again = bench.restarted();
    const headers = await status(again.tus("HEAD", url), 200);
    assert.equal(headers.get("upload-metadata"), "a YQ==,b");
    again.app.close();
  }],
];

const creationWithUpload: UploadCase[] = [
  ["Creation With Upload", "the first bytes are stored and the offset told", async (bench) => {
    const headers = await status(
      post(bench, { "upload-length": "10", ...withUpload("hello")[0] }, withUpload("hello")[1]),
      201,
    );
    assert.equal(headers.get("upload-offset"), "5");
    assert.equal(await bench.offset(headers.get("location") ?? ""), 5);
  }],
  ["Creation With Upload", "all bytes finish the upload", async (bench) => {
    const url = await bench.create(5, ...withUpload("hello"));
    assert.equal(bench.text(url), "hello");
    assert.deepEqual(bench.names(), [idOf(url), `${idOf(url)}.json`]);
  }],
  ["Creation With Upload", "no bytes of that type give offset 0", async (bench) => {
    const headers = await status(post(bench, { "upload-length": "10", "content-type": OFFSET_TYPE }), 201);
    assert.equal(headers.get("upload-offset"), "0");
  }],
  [
    "Creation With Upload",
    "more than Upload-Length by Content-Length is 413 before it is read",
    async (bench) => {
      let read = false;
      const [fields, content] = withUpload("hello!", { onRead: () => read = true });
      await status(post(bench, { "upload-length": "5", ...fields }, content), 413);
      assert.equal(read, false);
      assert.deepEqual(bench.names(), []);
    },
  ],
  ["Creation With Upload", "more than Upload-Length in chunks is 413 and leaves nothing", async (bench) => {
    const [fields] = withUpload("");
    const chunks = [bytesOf("hello"), bytesOf("!")];
    await status(post(bench, { "upload-length": "5", ...fields }, { chunks, chunked: true }), 413);
    assert.deepEqual(bench.names(), []);
  }],
  ["Creation With Upload", "the length may be deferred", async (bench) => {
    const url = await bench.create(null, ...withUpload("hello"));
    assert.equal(await bench.offset(url), 5);
    await status(bench.patch(url, 5, "world", { "upload-length": "10" }), 204);
    assert.equal(bench.text(url), "helloworld");
  }],
  ["Creation With Upload", "a checksum that fits is fine", async (bench) => {
    const [fields, content] = withUpload("hello world");
    const sum = { "upload-checksum": "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=" };
    const url = await bench.create(11, { ...fields, ...sum }, content);
    assert.equal(bench.text(url), "hello world");
  }],
  ["Creation With Upload", "a checksum that does not fit is 460 and leaves nothing", async (bench) => {
    const [fields, content] = withUpload("hello w0rld");
    const sum = { "upload-checksum": "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=" };
    await status(post(bench, { "upload-length": "11", ...fields, ...sum }, content), 460);
    assert.deepEqual(bench.names(), []);
  }],
  ["Creation With Upload", "bytes of a cut request wait for whoever knows the id", async (bench) => {
    const [fields, content] = withUpload("hello", { announced: 10, cut: true });
    await post(bench, { "upload-length": "10", ...fields }, content);
    const [id] = await Array.fromAsync(bench.store.ids());
    assert.equal(await bench.offset(`/files/${id}`), 5);
  }],
];

const deferred: UploadCase[] = [
  ...["0", "2", "true", "", "1, 1"].map((value): UploadCase => [
    "Upload-Defer-Length",
    `POST with "${value}" is refused`,
    async (bench) => {
      await status(post(bench, { "upload-defer-length": value }), 400);
      assert.deepEqual(bench.names(), []);
    },
  ]),
  ["Creation Defer Length", "HEAD tells that the length is deferred", async (bench) => {
    const headers = await status(bench.tus("HEAD", await bench.create(null)), 200);
    assert.equal(headers.get("upload-defer-length"), "1");
    assert.equal(headers.has("upload-length"), false);
    assert.equal(headers.get("upload-offset"), "0");
  }],
  ["Creation Defer Length", "bytes come before the length", async (bench) => {
    const url = await bench.create(null);
    await status(bench.patch(url, 0, "hello"), 204);
    await status(bench.patch(url, 5, "world"), 204);
    const headers = await status(bench.tus("HEAD", url), 200);
    assert.equal(headers.get("upload-offset"), "10");
    assert.equal(headers.get("upload-defer-length"), "1");
  }],
  ["Creation Defer Length", "a PATCH with bytes fixes it, and HEAD tells", async (bench) => {
    const url = await bench.create(null);
    await status(bench.patch(url, 0, "hello", { "upload-length": "10" }), 204);
    const headers = await status(bench.tus("HEAD", url), 200);
    assert.equal(headers.get("upload-length"), "10");
    assert.equal(headers.has("upload-defer-length"), false);
    await status(bench.patch(url, 5, "world"), 204);
    assert.equal(bench.text(url), "helloworld");
  }],
  ["Creation Defer Length", "an empty PATCH fixes it and finishes what is whole", async (bench) => {
    const url = await bench.create(null);
    await status(bench.patch(url, 0, "hello"), 204);
    await status(bench.patch(url, 5, "", { "upload-length": "5" }), 204);
    assert.deepEqual(bench.names(), [idOf(url), `${idOf(url)}.json`]);
    assert.equal(bench.text(url), "hello");
  }],
  ["Creation Defer Length", "the length of nothing is nothing", async (bench) => {
    const url = await bench.create(null);
    await status(bench.patch(url, 0, {}, { "upload-length": "0" }), 204);
    assert.equal((await status(bench.tus("HEAD", url), 200)).get("upload-length"), "0");
  }],
  ["Creation Defer Length", "the same length once more is no change", async (bench) => {
    const url = await bench.create(null);
    await status(bench.patch(url, 0, "hello", { "upload-length": "10" }), 204);
    await status(bench.patch(url, 5, "world", { "upload-length": "10" }), 204);
  }],
  ["Creation Defer Length", "another length is refused, once set or known from the start", async (bench) => {
    const url = await bench.create(null);
    await status(bench.patch(url, 0, "hello", { "upload-length": "10" }), 204);
    await status(bench.patch(url, 5, "world", { "upload-length": "11" }), 400);
    assert.equal(await bench.offset(url), 5);
    const known = await bench.create(10);
    await status(bench.patch(known, 0, "hello", { "upload-length": "20" }), 400);
    assert.equal((await status(bench.tus("HEAD", known), 200)).get("upload-length"), "10");
  }],
  ["Creation Defer Length", "a length below the offset is refused", async (bench) => {
    const url = await bench.create(null);
    await status(bench.patch(url, 0, "hello"), 204);
    await status(bench.patch(url, 5, "", { "upload-length": "4" }), 400);
    assert.equal((await status(bench.tus("HEAD", url), 200)).get("upload-defer-length"), "1");
  }],
  ["Creation Defer Length", "a length above the limit is 413", async (bench) => {
    const url = await bench.create(null);
    await status(bench.patch(url, 0, "hello", { "upload-length": "101" }), 413);
    assert.equal(await bench.offset(url), 0);
  }, { maxSizeBytes: 100 }],
  ["Creation Defer Length", "bytes above the limit are 413 although no length was said", async (bench) => {
    const url = await bench.create(null);
    await status(bench.patch(url, 0, patternBytes(101)), 413);
    await status(bench.patch(url, 0, { chunks: [patternBytes(60), patternBytes(41)], chunked: true }), 413);
    await status(bench.patch(url, 0, patternBytes(100)), 204);
    assert.equal(await bench.offset(url), 100);
  }, { maxSizeBytes: 100 }],
  ["Creation Defer Length", "bytes beyond the length of the same request are 413", async (bench) => {
    const url = await bench.create(null);
    await status(bench.patch(url, 0, "hello!", { "upload-length": "5" }), 413);
    assert.equal(await bench.offset(url), 0);
  }],
  ["Creation Defer Length", "a number that is none is 400", async (bench) => {
    const url = await bench.create(null);
    await status(bench.patch(url, 0, "hello", { "upload-length": "1e3" }), 400);
    assert.equal(await bench.offset(url), 0);
  }],
];

const calls: string[] = [];
const seen: Upload[] = [];

const hooks: UploadCase[] = [
  ["onCreate", "sees length and decoded metadata before anything is stored", async (bench) => {
    seen.length = 0;
    await bench.create(7, { "upload-metadata": "filename YS50eHQ=,raw /+8=,flag" });
    const [upload] = seen;
    assert.equal(upload?.length, 7);
    assert.equal(upload?.text("filename"), "a.txt");
    assert.deepEqual(upload?.metadata.get("raw"), Uint8Array.of(0xff, 0xef));
    assert.deepEqual(upload?.metadata.get("flag"), new Uint8Array());
    assert.equal(upload?.text("other"), undefined);
  }, { onCreate: (upload) => void seen.push(upload) }],
  ["onCreate", "a Response of its own refuses, and nothing is stored", async (bench) => {
    const response = await post(bench, { "upload-length": "7" });
    assert.equal(response.status, 422);
    assert.equal(response.headers.get("x-reason"), "size");
    assert.equal(response.headers.get("tus-resumable"), "1.0.0");
    assert.equal(await response.text(), "too odd");
    assert.deepEqual(bench.names(), []);
  }, { onCreate: () => new Response("too odd", { status: 422, headers: { "x-reason": "size" } }) }],
  ["onCreate", "new metadata replaces the client's", async (bench) => {
    const headers = await status(
      bench.tus("HEAD", await bench.create(1, { "upload-metadata": "a YQ==" })),
      200,
    );
    assert.equal(headers.get("upload-metadata"), "owner bWU=,flag,raw /w==");
  }, { onCreate: () => ({ metadata: { owner: "me", flag: "", raw: Uint8Array.of(255) } }) }],
  [
    "onCreate",
    "metadata with a key that no field value can carry is 500, and nothing is stored",
    async (bench) => {
      await status(post(bench, { "upload-length": "7" }), 500);
      assert.deepEqual(bench.names(), []);
    },
    { onCreate: () => ({ metadata: { "größe, ✓": "x" } }) },
  ],
  ["onCreate", "an error is 500, and nothing is stored", async (bench) => {
    await status(post(bench, { "upload-length": "7" }), 500);
    assert.deepEqual(bench.names(), []);
    assert.equal(bench.errors.length, 1);
  }, {
    onCreate: () => {
      throw new Error("hook");
    },
  }],
  ["onComplete", "is called once, when all bytes are in the file", async (bench) => {
    calls.length = 0;
    const url = await bench.create(10);
    await bench.patch(url, 0, "hello");
    assert.deepEqual(calls, []);
    await bench.patch(url, 5, "world");
    await bench.patch(url, 10, "");
    await bench.offset(url);
    await bench.app.sweep();
    assert.deepEqual(calls, [`${idOf(url)} 10 true`]);
  }, { onComplete: (upload) => void calls.push(`${upload.id} ${upload.offset} ${upload.finished}`) }],
  ["onComplete", "is called for an empty upload and for one that came with its creation", async (bench) => {
    calls.length = 0;
    const empty = idOf(await bench.create(0));
    const whole = idOf(await bench.create(5, ...withUpload("hello")));
    assert.deepEqual(calls, [empty, whole]);
  }, { onComplete: (upload) => void calls.push(upload.id) }],
  ["onComplete", "an error is 500, and the upload is finished all the same", async (bench) => {
    const url = await bench.create(5);
    await status(bench.patch(url, 0, "hello"), 500);
    assert.equal(await bench.offset(url), 5);
    assert.equal(bench.text(url), "hello");
    await bench.app.sweep();
    assert.equal(bench.errors.length, 1);
  }, {
    onComplete: () => {
      throw new Error("hook");
    },
  }],
  ["onProgress", "tells growing offsets", async (bench) => {
    calls.length = 0;
    const url = await bench.create(10);
    await bench.patch(url, 0, "hello");
    await bench.patch(url, 5, "world");
    assert.deepEqual(calls, ["5", "10"]);
  }, { onProgress: (upload) => void calls.push(String(upload.offset)) }],
  ["onProgress", "an error is 500 and keeps the bytes", async (bench) => {
    const url = await bench.create(10);
    await status(bench.patch(url, 0, "hello"), 500);
    assert.equal(await bench.offset(url), 5);
  }, {
    onProgress: () => {
      throw new Error("hook");
    },
  }],
  ["authorize", "refuses each action by its name", async (bench) => {
    calls.length = 0;
    const id = "d".repeat(32);
    await status(post(bench, { "upload-length": "1" }), 403);
    await status(bench.tus("HEAD", `/files/${id}`), 403);
    await status(bench.patch(`/files/${id}`, 0, "x"), 403);
    await status(bench.tus("DELETE", `/files/${id}`), 403);
    assert.deepEqual(calls, ["create null", `read ${id}`, `write ${id}`, `remove ${id}`]);
    assert.deepEqual(bench.names(), []);
  }, {
    authorize: (_request, id, action) => {
      calls.push(`${action} ${id}`);
      return false;
    },
  }],
  ["authorize", "a Response of its own is the answer", async (bench) => {
    const headers = await status(post(bench, { "upload-length": "1" }), 401);
    assert.equal(headers.get("www-authenticate"), "Bearer");
  }, { authorize: () => new Response(null, { status: 401, headers: { "www-authenticate": "Bearer" } }) }],
];

testUploadCases([...lengths, ...creation, ...metadata, ...creationWithUpload, ...deferred, ...hooks]);
