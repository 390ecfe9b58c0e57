/**
 * What examples/uploads.ts promises, over the wire: both protocols, forms, limits, expiry, the folder, and others
 * being answered while many clients are silent.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { get, type RawClient } from "../support/raw_client.ts";
import type { ChildApp } from "../support/start_app.ts";
import { withExample } from "../support/start_example.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";
import { until } from "../support/until.ts";
import { patternBytes } from "../support/upload_bench.ts";
import {
  createUpload,
  FORM_TYPE,
  formBegin,
  formContent,
  formFiles,
  headOf,
  headUpload,
  joined,
  OFFSET_TYPE,
  offsetOf,
  patchHead,
  patchUpload,
  storedBytes,
  tusHead,
  untilOffset,
} from "../support/upload_client.ts";

/** Others are answered within that time, ms, on a machine that runs other tests as well. */
const PROMPT_MS = 1_500;

function withUploads(
  env: Record<string, string>,
  run: (app: ChildApp, folder: string) => Promise<void>,
): Promise<void> {
  return withTemporaryFolder(async (folder) => {
    await withExample("uploads", { UPLOAD_DIR: folder, ...env }, async (app) => {
      await run(app, folder);
      assert.equal(app.stderr, "");
    });
  });
}

/** The finished files in the folder, with their bytes. */
function finishedFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => readFileSync(join(folder, name), "latin1"))
    .sort();
}

test("uploads.ts says what it can", () =>
  withUploads({}, async (app) => {
    for (const target of ["/files/", "/files", `/files/${"0".repeat(32)}`]) {
      const response = await app.exchange(headOf("OPTIONS", target));
      assert.equal(response.status, 204, target);
      assert.equal(response.header("tus-version"), "1.0.0");
      assert.deepEqual((response.header("tus-extension") ?? "").split(",").sort(), [
        "checksum",
        "checksum-trailer",
        "concatenation",
        "creation",
        "creation-defer-length",
        "creation-with-upload",
        "expiration",
        "termination",
      ]);
      assert.equal(response.header("tus-max-size"), String(2 ** 40));
      assert.equal(response.header("tus-checksum-algorithm"), "sha1,sha256,md5");
    }
  }));

for (const collection of ["/files/", "/files"]) {
  test(`uploads.ts takes an upload that is created at ${collection}, and has it as a file when it says so`, () =>
    withUploads({}, async (app, folder) => {
      const content = patternBytes(700_001, 1);
      const fields = { "Upload-Length": content.length, "Content-Length": 0 };
      const created = await app.exchange(tusHead("POST", collection, fields));
      assert.equal(created.status, 201);
      const url = created.header("location") ?? "";
      assert.match(url, /^\/files\/[0-9a-f]{32}$/);
      for (let at = 0; at < content.length;) {
        const piece = content.subarray(at, at + 300_000);
        const response = await patchUpload(app, url, at, piece);
        assert.equal(response.status, 204);
        at += piece.length;
        assert.equal(response.header("upload-offset"), String(at));
        assert.equal(Buffer.compare(storedBytes(folder, url), content.subarray(0, at)), 0);
      }
      assert.equal((await app.exchange(tusHead("DELETE", url))).status, 204);
      assert.deepEqual(finishedFiles(folder), []);
    }));
}

test("uploads.ts speaks the IETF protocol when it is asked to", () =>
  withUploads({}, async (app, folder) => {
    for (const version of [5, 6]) {
      const fields = { "Upload-Draft-Interop-Version": version };
      const begin = { ...fields, "Upload-Complete": "?0", "Content-Length": 6 };
      const created = await app.exchange(`${headOf("POST", "/files/", begin)}hello `);
      assert.equal(created.status, 201);
      assert.deepEqual(created.interim, [104]);
      assert.equal(created.header("upload-complete"), "?0");
      const url = created.header("location") ?? "";
      const type = { "Content-Type": "application/partial-upload", "Upload-Offset": 6 };
      const end = { ...fields, ...type, "Upload-Complete": "?1", "Content-Length": 5 };
      const ended = await app.exchange(`${headOf("PATCH", url, end)}world`);
      assert.equal(ended.status, 204);
      assert.equal(ended.header("upload-complete"), "?1");
      assert.equal(Buffer.from(storedBytes(folder, url)).toString(), "hello world");
    }
  }));

test("uploads.ts takes a form, and says what was in it", () =>
  withUploads({}, async (app, folder) => {
    const body = joined(
      '------gate\r\nContent-Disposition: form-data; name="k"\r\n\r\nv\r\n',
      '------gate\r\nContent-Disposition: form-data; name="k"\r\n\r\nö\r\n',
      '------gate\r\nContent-Disposition: form-data; name="empty"; filename=""\r\n\r\n\r\n',
      '------gate\r\nContent-Disposition: form-data; name="f"; filename="../a b.txt"\r\n',
      "Content-Type: text/css\r\n\r\n",
      "content\r\n------gate--\r\n",
    );
    const head = headOf("POST", "/upload", { "Content-Type": FORM_TYPE, "Content-Length": body.length });
    const response = await app.exchange(joined(head, body));
    assert.equal(response.status, 200);
    assert.deepEqual(JSON.parse(response.text), {
      files: [{ field: "f", name: "a b.txt", type: "text/css", size: 7 }],
      fields: { k: ["v", "ö"] },
    });
    assert.deepEqual(finishedFiles(folder), ["content"]);
    const list = JSON.parse((await app.exchange(get("/list"))).text);
    assert.deepEqual(list, [{ name: "a b.txt", size: 7 }]);
  }));

test("uploads.ts has a page, and the client that it needs", () =>
  withUploads({}, async (app) => {
    const page = await app.exchange(get("/"));
    assert.match(page.header("content-type") ?? "", /^text\/html\b/);
    const client = await app.exchange(get("/tus.min.js"));
    assert.equal(client.status, 200);
    assert.match(client.header("content-type") ?? "", /javascript/);
  }));

test("uploads.ts keeps to UPLOAD_MAX_SIZE", () =>
  withUploads({ UPLOAD_MAX_SIZE: "1000" }, async (app, folder) => {
    assert.equal((await app.exchange(headOf("OPTIONS", "/files/"))).header("tus-max-size"), "1000");
    const create = (length: number) =>
      app.exchange(tusHead("POST", "/files/", { "Upload-Length": length, "Content-Length": 0 }));
    assert.equal((await create(1000)).status, 201);
    assert.equal((await create(1001)).status, 413);
    const chunked = tusHead("POST", "/files/", {
      "Upload-Defer-Length": 1,
      "Content-Type": OFFSET_TYPE,
      "Transfer-Encoding": "chunked",
    });
    const content = "x".repeat(1001);
    assert.equal((await app.exchange(`${chunked}3e9\r\n${content}\r\n0\r\n\r\n`)).status, 413);
    for (const [length, status] of [[100, 200], [1001, 413]] as const) {
      const body = formContent("x".repeat(length));
      const type = { "Content-Type": FORM_TYPE };
      const whole = joined(headOf("POST", "/upload", { ...type, "Content-Length": body.length }), body);
      assert.equal((await app.exchange(whole)).status, status, `${length} octets`);
      const inChunks = headOf("POST", "/upload", { ...type, "Transfer-Encoding": "chunked" });
      const chunk = joined(`${body.length.toString(16)}\r\n`, body, "\r\n0\r\n\r\n");
      assert.equal(
        (await app.exchange(joined(inChunks, chunk))).status,
        status,
        `${length} octets in a chunk`,
      );
    }
    assert.deepEqual(formFiles(folder).length, 2);
  }));

test("uploads.ts has no limit with UPLOAD_MAX_SIZE=0", () =>
  withUploads({ UPLOAD_MAX_SIZE: "0" }, async (app) => {
    assert.equal((await app.exchange(headOf("OPTIONS", "/files/"))).header("tus-max-size"), null);
    await createUpload(app, 2 ** 50);
    const body = formContent("x".repeat(2_000_000));
    const head = headOf("POST", "/upload", { "Content-Type": FORM_TYPE, "Content-Length": body.length });
    assert.equal((await app.exchange(joined(head, body))).status, 200);
  }));

test("uploads.ts lets unfinished uploads go after UPLOAD_EXPIRE_SECONDS, though nobody asks, and no others", () =>
  withUploads({ UPLOAD_EXPIRE_SECONDS: "1" }, async (app, folder) => {
    const finished = await createUpload(app, 5);
    await patchUpload(app, finished, 0, Buffer.from("hello"));
    const unfinished = await createUpload(app, 10);
    await patchUpload(app, unfinished, 0, Buffer.from("hello"));
    const held = await createUpload(app, 10);
    const client = await app.connect();
    client.send(`${patchHead(held, 0, 10)}hello`);
    await untilOffset(app, held, 5);
    await until("it is gone", () => !existsSync(join(folder, unfinished.slice("/files/".length))));
    // By then the one that a silent client has in hand would be gone, too.
    const clock = await createUpload(app, 10);
    await until("another is gone", () => !existsSync(join(folder, clock.slice("/files/".length))));
    assert.equal(await offsetOf(app, unfinished), -1);
    assert.equal(await offsetOf(app, finished), 5);
    assert.equal(await offsetOf(app, held), 5);
    assert.equal((await client.send("world").response()).status, 204);
    assert.equal(Buffer.from(storedBytes(folder, held)).toString(), "helloworld");
  }));

test("uploads.ts lets unfinished uploads of an earlier server go, though nobody ever asks", () =>
  withTemporaryFolder(async (folder) => {
    let url = "";
    await withExample("uploads", { UPLOAD_DIR: folder }, async (app) => {
      url = await createUpload(app, 10);
    });
    const path = join(folder, url.slice("/files/".length));
    assert.equal(existsSync(path), true);
    await withExample("uploads", { UPLOAD_DIR: folder, UPLOAD_EXPIRE_SECONDS: "1" }, async () => {
      await until("it is gone", () => !existsSync(path));
    });
  }));

test("uploads.ts lets the second of two writers take over from one that is silent", () =>
  withUploads({}, async (app, folder) => {
    const url = await createUpload(app, 10);
    const silent = await app.connect();
    silent.send(`${patchHead(url, 0, 10)}hello`);
    await untilOffset(app, url, 5);
    assert.equal((await patchUpload(app, url, 5, Buffer.from("world"))).status, 204);
    assert.equal((await silent.response()).status, 423);
    assert.equal(Buffer.from(storedBytes(folder, url)).toString(), "helloworld");
  }));

for (const length of [1_000, 100_000, 400_000]) {
  test(`uploads.ts takes one of eight PATCHes of ${length} octets that come at once, whole`, () =>
    withUploads({}, async (app, folder) => {
      const url = await createUpload(app, length);
      const clients = await Promise.all(Array.from({ length: 8 }, () => app.connect()));
      for (const client of clients) client.send(patchHead(url, 0, length));
      for (const [index, client] of clients.entries()) client.send(new Uint8Array(length).fill(index));
      const statuses = (await Promise.all(clients.map((client) => client.response()))).map(({ status }) =>
        status
      );
      assert.equal(statuses.filter((status) => status === 204).length, 1, statuses.join());
      assert.ok(statuses.every((status) => [204, 409, 423].includes(status)), statuses.join());
      const winner = statuses.indexOf(204);
      assert.equal(Buffer.compare(storedBytes(folder, url), new Uint8Array(length).fill(winner)), 0);
      assert.equal((await headUpload(app, url)).header("upload-offset"), String(length));
    }));
}

test("uploads.ts answers others while twenty PATCHes and twenty forms are silent, with two threads", () =>
  withUploads({}, async (app, folder) => {
    const silent: RawClient[] = [];
    const urls: string[] = [];
    for (let index = 0; index < 20; index++) {
      const url = await createUpload(app, 2_000_000);
      urls.push(url);
      const patch = await app.connect();
      // Less than what others collect before a handler runs, and more.
      patch.send(patchHead(url, 0, 2_000_000)).send(new Uint8Array(index % 2 === 0 ? 1000 : 400_000));
      const form = await app.connect();
      form.send(headOf("POST", "/upload", { "Content-Type": FORM_TYPE, "Content-Length": 2_000_000 }));
      form.send(joined(formBegin(), "x".repeat(400_000)));
      silent.push(patch, form);
    }
    await until("all of the forms are on the disk", () => formFiles(folder).length === 20);
    for (const [index, url] of urls.entries()) await untilOffset(app, url, index % 2 === 0 ? 1000 : 400_000);
    for (let round = 0; round < 10; round++) {
      const start = performance.now();
      const url = await createUpload(app, 5);
      assert.equal((await patchUpload(app, url, 0, Buffer.from("hello"))).status, 204);
      assert.equal((await app.exchange(get("/"))).status, 200);
      assert.ok(performance.now() - start < PROMPT_MS, `${performance.now() - start} ms`);
    }
    assert.ok(silent.every(({ responses }) => responses.length === 0));
    for (const client of silent) client.reset();
    await until("nothing is left of the forms", () => formFiles(folder).length === 0, 3_000);
    for (const [index, url] of urls.entries()) {
      assert.equal(await offsetOf(app, url), index % 2 === 0 ? 1000 : 400_000);
    }
  }));
