/**
 * Table of cases of draft-ietf-httpbis-resumable-upload (interop versions 5 and 6), section in each name.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { bytesOf, type Content, idOf, type UploadBench } from "../support/upload_bench.ts";
import { testUploadCases, type UploadCase } from "../support/upload_case.ts";

const PROBLEM = "https://iana.org/assignments/http-problem-types#";

function send(
  bench: UploadBench,
  method: string,
  target: string,
  fields: Record<string, string> = {},
  content: Content | string = {},
): Promise<Response> {
  const rest = typeof content === "string" ? { chunks: [bytesOf(content)] } : content;
  return bench.send(method, target, { "upload-draft-interop-version": "6", ...fields }, rest);
}

async function expect(response: Promise<Response>, status: number, fields: Record<string, string> = {}) {
  const answer = await response;
  assert.equal(answer.status, status);
  for (const [name, value] of Object.entries(fields)) assert.equal(answer.headers.get(name), value, name);
  return answer;
}

async function create(
  bench: UploadBench,
  complete: boolean,
  content: Content | string,
  fields: Record<string, string> = {},
): Promise<string> {
  const mark = { "upload-complete": complete ? "?1" : "?0" };
  const response = await expect(send(bench, "POST", "/files/", { ...mark, ...fields }, content), 201, mark);
  return response.headers.get("location") ?? "";
}

function append(
  bench: UploadBench,
  url: string,
  offset: number,
  complete: boolean,
  content: Content | string,
  fields: Record<string, string> = {},
): Promise<Response> {
  const own = {
    "content-type": "application/partial-upload",
    "upload-offset": String(offset),
    "upload-complete": complete ? "?1" : "?0",
  };
  return send(bench, "PATCH", url, { ...own, ...fields }, content);
}

async function isProblem(
  response: Promise<Response>,
  status: number,
  type: string,
  members = {},
): Promise<void> {
  const answer = await expect(response, status, { "content-type": "application/problem+json" });
  const { title, ...rest } = JSON.parse(await answer.text());
  assert.equal(typeof title, "string");
  assert.deepEqual(rest, { type: PROBLEM + type, ...members });
}

const told: string[] = [];
const hook = { onComplete: (upload: { id: string }) => void told.push(upload.id) };

const cases: UploadCase[] = [
  ["Upload Creation", "a whole representation is one request", async (bench) => {
    told.length = 0;
    const url = await create(bench, true, "hello");
    assert.equal(bench.text(url), "hello");
    assert.deepEqual(told, [idOf(url)]);
  }, hook],
  ["Upload Creation", "the answer has Location, offset and limits, and nothing of tus", async (bench) => {
    const response = await send(bench, "POST", "/files/", { "upload-complete": "?0" }, "hello");
    assert.match(response.headers.get("location") ?? "", /^\/files\/[0-9a-f]{32}$/);
    assert.equal(response.headers.get("upload-offset"), "5");
    assert.match(response.headers.get("upload-limit") ?? "", /^max-size=1099511627776, max-age=86\d{3}$/);
    assert.equal(response.headers.has("tus-resumable"), false);
  }],
  ["Upload Creation", "without content it gives a URL", async (bench) => {
    const url = await create(bench, false, {});
    await expect(send(bench, "HEAD", url), 204, { "upload-offset": "0", "upload-complete": "?0" });
  }],
  ["Upload Creation", "an empty representation is complete", async (bench) => {
    const url = await create(bench, true, "");
    assert.equal(bench.text(url), "");
    await expect(send(bench, "HEAD", url), 204, { "upload-complete": "?1", "upload-length": "0" });
  }],
  ["Upload Creation", "a missing or odd Upload-Complete is 400", async (bench) => {
    for (const value of [undefined, "1", "true", "?2", "?1, ?1"]) {
      const fields: Record<string, string> = value === undefined ? {} : { "upload-complete": value };
      await expect(send(bench, "POST", "/files/", fields, "hello"), 400);
    }
    assert.deepEqual(bench.names(), []);
  }],
  ["Upload Creation", "an interim answer tells the URL before the content is read", async (bench) => {
    const order: string[] = [];
    let interim: Record<string, string> = {};
    const content: Content = {
      chunks: [bytesOf("hello")],
      onRead: () => order.push("read"),
      sendInterim: (status, fields) => {
        order.push(String(status));
        interim = fields;
      },
    };
    const url = await create(bench, true, content);
    assert.deepEqual(order, ["104", "read"]);
    assert.equal(interim["location"], url);
    assert.equal(interim["upload-draft-interop-version"], "6");
  }],
  ["Upload Creation", "a cut request keeps what came, and is not complete", async (bench) => {
    await send(bench, "POST", "/files/", { "upload-complete": "?1" }, {
      chunks: [bytesOf("hello")],
      announced: 10,
      cut: true,
    });
    const [id] = await Array.fromAsync(bench.store.ids());
    const url = `/files/${id}`;
    await expect(send(bench, "HEAD", url), 204, {
      "upload-offset": "5",
      "upload-complete": "?0",
      "upload-length": "10",
    });
    await expect(append(bench, url, 5, true, "world"), 204, { "upload-complete": "?1" });
    assert.equal(bench.text(url), "helloworld");
  }],
  ["Upload Creation", "file name and type become metadata", async (bench) => {
    const url = await create(bench, true, "hello", {
      "content-type": "text/plain; charset=utf-8",
      "content-disposition": "attachment; filename=\"a.txt\"; filename*=UTF-8''%C3%A4.txt",
    });
    const head = await bench.tus("HEAD", url);
    assert.equal(head.headers.get("upload-metadata"), "filename w6QudHh0,filetype dGV4dC9wbGFpbg==");
  }],
  ["Upload Creation", "the metadata of tus is taken, too", async (bench) => {
    const url = await create(bench, true, "hello", { "upload-metadata": "filename YQ==" });
    const head = await bench.tus("HEAD", url);
    assert.equal(head.headers.get("upload-metadata"), "filename YQ==");
  }],
  ["Upload Creation", "onCreate may refuse it", async (bench) => {
    await expect(send(bench, "POST", "/files/", { "upload-complete": "?1" }, "hello"), 422);
    assert.deepEqual(bench.names(), []);
  }, { onCreate: () => new Response(null, { status: 422 }) }],
  ["Length", "that of the content and Upload-Length must agree", async (bench) => {
    const fields = { "upload-complete": "?1", "upload-length": "6" };
    await isProblem(send(bench, "POST", "/files/", fields, "hello"), 400, "inconsistent-upload-length");
    assert.deepEqual(bench.names(), []);
  }],
  ["Length", "Upload-Length is told by HEAD once it is known", async (bench) => {
    const url = await create(bench, false, "hello");
    assert.equal((await send(bench, "HEAD", url)).headers.has("upload-length"), false);
    await expect(append(bench, url, 5, false, "w", { "upload-length": "10" }), 204);
    await expect(send(bench, "HEAD", url), 204, { "upload-length": "10", "upload-offset": "6" });
  }],
  ["Length", "it must not change", async (bench) => {
    const url = await create(bench, false, "hello", { "upload-length": "10" });
    await isProblem(
      append(bench, url, 5, false, "wo", { "upload-length": "11" }),
      400,
      "inconsistent-upload-length",
    );
    await isProblem(append(bench, url, 5, true, "wo"), 400, "inconsistent-upload-length");
    await expect(send(bench, "HEAD", url), 204, { "upload-offset": "5", "upload-complete": "?0" });
  }],
  ["Length", "content beyond it is refused and not kept", async (bench) => {
    const url = await create(bench, false, "hello", { "upload-length": "10" });
    await isProblem(append(bench, url, 5, false, "world!"), 400, "inconsistent-upload-length");
    const chunked = { chunks: [bytesOf("world"), bytesOf("!")], chunked: true };
    await isProblem(append(bench, url, 5, false, chunked), 400, "inconsistent-upload-length");
    await expect(send(bench, "HEAD", url), 204, { "upload-offset": "5" });
  }],
  ["Length", "a last request that leaves a gap does not complete", async (bench) => {
    const url = await create(bench, false, "hello", { "upload-length": "10" });
    const chunked = { chunks: [bytesOf("wor")], chunked: true };
    await isProblem(append(bench, url, 5, true, chunked), 400, "inconsistent-upload-length");
    await expect(send(bench, "HEAD", url), 204, { "upload-offset": "8", "upload-complete": "?0" });
  }],
  ["Length", "without one the last request ends the upload", async (bench) => {
    const url = await create(bench, false, "hello");
    await expect(append(bench, url, 5, true, { chunks: [bytesOf("world")], chunked: true }), 204);
    assert.equal(bench.text(url), "helloworld");
    await expect(send(bench, "HEAD", url), 204, { "upload-complete": "?1", "upload-length": "10" });
  }],
  ["Limits", "more than the limit is 413", async (bench) => {
    const fields = { "upload-complete": "?1" };
    await expect(send(bench, "POST", "/files/", fields, "hello world"), 413, {
      "upload-limit": "max-size=10",
    });
    const unsized = { "upload-complete": "?0", "upload-length": "11" };
    await expect(send(bench, "POST", "/files/", unsized), 413);
    assert.deepEqual(bench.names(), []);
    const url = await create(bench, false, "hello");
    await expect(append(bench, url, 5, false, "world!"), 413);
    const chunked = { chunks: [bytesOf("world"), bytesOf("!")], chunked: true };
    await expect(append(bench, url, 5, false, chunked), 413);
    await expect(send(bench, "HEAD", url), 204, { "upload-offset": "5" });
  }, { maxSizeBytes: 10, expireMs: 0 }],
  ["Limits", "OPTIONS tells them, and the media type", async (bench) => {
    await expect(bench.send("OPTIONS", "/files/"), 204, {
      "upload-limit": "max-size=10",
      "accept-patch": "application/partial-upload",
    });
  }, { maxSizeBytes: 10 }],
  ["Limits", "OPTIONS of a server without them says so", async (bench) => {
    await expect(bench.send("OPTIONS", "/files/"), 204, { "upload-limit": "min-size=0" });
  }, { maxSizeBytes: 0 }],
  ["Offset Retrieval", "an unfinished upload tells its state and is not cached", async (bench) => {
    const url = await create(bench, false, "hello");
    await expect(send(bench, "HEAD", url), 204, {
      "upload-offset": "5",
      "upload-complete": "?0",
      "cache-control": "no-store",
    });
  }],
  ["Offset Retrieval", "an unknown upload is 404", async (bench) => {
    await expect(send(bench, "HEAD", `/files/${"a".repeat(32)}`), 404);
  }],
  [
    "Offset Retrieval",
    "it stops the request that is writing, and what it tells is accepted",
    async (bench) => {
      const url = await create(bench, false, {});
      const asleep = Promise.withResolvers<void>();
      const content: Content = {
        chunks: [bytesOf("hello")],
        silent: true,
        announced: 10,
        onRead: asleep.resolve,
      };
      const first = append(bench, url, 0, true, content);
      await asleep.promise;
      await expect(send(bench, "HEAD", url), 204, { "upload-offset": "5", "upload-complete": "?0" });
      await expect(first, 423);
      await expect(append(bench, url, 5, true, "world"), 204);
      assert.equal(bench.text(url), "helloworld");
    },
  ],
  ["Upload Append", "parts make the whole", async (bench) => {
    const url = await create(bench, false, "he");
    await expect(append(bench, url, 2, false, "llo"), 204, { "upload-offset": "5", "upload-complete": "?0" });
    await expect(append(bench, url, 5, true, "world"), 204, {
      "upload-offset": "10",
      "upload-complete": "?1",
    });
    assert.equal(bench.text(url), "helloworld");
  }],
  ["Upload Append", "an empty last part completes", async (bench) => {
    told.length = 0;
    const url = await create(bench, false, "hello");
    assert.deepEqual(told, []);
    await expect(append(bench, url, 5, true, ""), 204, { "upload-complete": "?1" });
    assert.deepEqual(told, [idOf(url)]);
  }, hook],
  ["Upload Append", "a wrong offset is a conflict with both offsets", async (bench) => {
    const url = await create(bench, false, "hello");
    const members = { "expected-offset": 5, "provided-offset": 3 };
    await isProblem(append(bench, url, 3, true, "lo"), 409, "mismatching-upload-offset", members);
    await expect(append(bench, url, 3, true, "lo"), 409, { "upload-offset": "5", "upload-complete": "?0" });
    assert.equal(bench.text(url), "hello");
  }],
  ["Upload Append", "a complete upload takes nothing more", async (bench) => {
    const url = await create(bench, true, "hello");
    await isProblem(append(bench, url, 5, true, "x"), 400, "completed-upload");
    await isProblem(append(bench, url, 5, true, ""), 400, "completed-upload");
    assert.equal(bench.text(url), "hello");
  }],
  ["Upload Append", "another media type is 415", async (bench) => {
    const url = await create(bench, false, "hello");
    await expect(append(bench, url, 5, true, "x", { "content-type": "text/plain" }), 415, {
      "accept-patch": "application/partial-upload",
    });
  }],
  ["Upload Append", "a missing offset or mark is 400", async (bench) => {
    const url = await create(bench, false, "hello");
    await expect(append(bench, url, 5, true, "x", { "upload-offset": "five" }), 400);
    await expect(append(bench, url, 5, true, "x", { "upload-complete": "yes" }), 400);
    await expect(send(bench, "HEAD", url), 204, { "upload-offset": "5" });
  }],
  ["Upload Append", "a cut request keeps what came", async (bench) => {
    const url = await create(bench, false, {});
    await append(bench, url, 0, true, { chunks: [bytesOf("hello")], announced: 10, cut: true });
    await expect(send(bench, "HEAD", url), 204, { "upload-offset": "5", "upload-complete": "?0" });
  }],
  [
    "Completeness",
    "bytes up to the length are safe before the client says that it is complete",
    async (bench) => {
      told.length = 0;
      const url = await create(bench, false, "hello", { "upload-length": "5" });
      assert.deepEqual(told, [idOf(url)]);
      await expect(send(bench, "HEAD", url), 204, { "upload-offset": "5", "upload-complete": "?0" });
      await expect(append(bench, url, 5, false, ""), 204, { "upload-complete": "?0" });
      await expect(append(bench, url, 5, true, ""), 204, { "upload-complete": "?1" });
      await expect(send(bench, "HEAD", url), 204, { "upload-complete": "?1" });
      assert.equal(told.length, 1);
    },
    hook,
  ],
  ["Upload Cancellation", "DELETE removes the upload", async (bench) => {
    const url = await create(bench, false, "hello");
    await expect(send(bench, "DELETE", url), 204);
    await expect(send(bench, "HEAD", url), 404);
    assert.deepEqual(bench.names(), []);
  }],
  ["Interop version", "5 has no media type for appends and no limits", async (bench) => {
    const five = { "upload-draft-interop-version": "5" };
    const made = await send(bench, "POST", "/files/", { ...five, "upload-complete": "?0" }, "hello");
    assert.equal(made.status, 201);
    assert.equal(made.headers.has("upload-limit"), false);
    const url = made.headers.get("location") ?? "";
    const fields = { ...five, "upload-offset": "5", "upload-complete": "?1" };
    await expect(send(bench, "PATCH", url, fields, "world"), 204, { "upload-offset": "10" });
    assert.equal(bench.text(url), "helloworld");
  }],
  ["Interop version", "one that is not on offer is 400", async (bench) => {
    for (const version of ["4", "8", "six", "", "6, 6"]) {
      const fields = { "upload-draft-interop-version": version, "upload-complete": "?1" };
      await expect(send(bench, "POST", "/files/", fields, "hello"), 400);
    }
    assert.deepEqual(bench.names(), []);
  }],
  ["Interop version", "8 can be switched on", async (bench) => {
    const fields = { "upload-draft-interop-version": "8" };
    const url = await create(bench, false, "hello", fields);
    await expect(append(bench, url, 5, true, "world", fields), 204, { "upload-complete": "?1" });
    assert.equal(bench.text(url), "helloworld");
  }, { interopVersions: [8] }],
  ["Interop version", "without any the draft is not spoken", async (bench) => {
    await expect(send(bench, "POST", "/files/", { "upload-complete": "?1" }, "hello"), 412);
    assert.equal((await bench.send("OPTIONS", "/files/")).headers.has("accept-patch"), false);
  }, { interopVersions: [] }],
  ["Both protocols", "an upload begun with one goes on with the other", async (bench) => {
    const url = await create(bench, false, "hello", { "upload-length": "15" });
    await expect(bench.patch(url, 5, "world"), 204);
    await expect(append(bench, url, 10, true, "!!!!!"), 204, { "upload-complete": "?1" });
    const other = await bench.create(10);
    await expect(append(bench, other, 0, false, "hello"), 204);
    await expect(bench.patch(other, 5, "world"), 204);
    await expect(send(bench, "HEAD", other), 204, { "upload-complete": "?1", "upload-offset": "10" });
    assert.equal(bench.text(other), "helloworld");
  }],
  ["Both protocols", "a request that says Tus-Resumable is tus", async (bench) => {
    const fields = { "tus-resumable": "1.0.0", "upload-length": "5" };
    const response = await expect(send(bench, "POST", "/files/", fields), 201);
    assert.equal(response.headers.get("tus-resumable"), "1.0.0");
  }],
  ["Method", "others are 405 with Allow", async (bench) => {
    const url = await create(bench, false, "hello");
    await expect(send(bench, "GET", url), 405, { allow: "HEAD, PATCH, DELETE, OPTIONS" });
    await expect(send(bench, "PUT", "/files/", { "upload-complete": "?1" }, "x"), 405, {
      allow: "POST, OPTIONS",
    });
  }],
];

testUploadCases(cases);
