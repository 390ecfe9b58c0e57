/**
 * What examples/files.ts promises, over the wire: ranges, conditions, nothing outside of the folder, and others being
 * answered while many clients take nothing.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { get, type RawClient } from "../support/raw_client.ts";
import type { WireResponse } from "../support/http_response.ts";
import type { ChildApp } from "../support/start_app.ts";
import { withExample } from "../support/start_example.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";

const CONTENT = "0123456789".repeat(200);
const LARGE_BYTES = 5 * 2 ** 30;
const PROMPT_MS = 1_500;

/** The example over a folder with a file of each kind, beside a folder that is not its business. */
function withFiles(run: (app: ChildApp, root: string) => Promise<void>): Promise<void> {
  return withTemporaryFolder(async (folder) => {
    const root = join(folder, "www");
    const beside = join(folder, "www-private");
    for (const path of [root, beside, join(root, "folder")]) mkdirSync(path);
    writeFileSync(join(beside, "secret.txt"), "secret");
    writeFileSync(join(root, "a.txt"), CONTENT);
    const old = Date.UTC(2026, 0, 2, 3, 4, 5) / 1000;
    utimesSync(join(root, "a.txt"), old, old);
    writeFileSync(join(root, "large"), "");
    truncateSync(join(root, "large"), LARGE_BYTES);
    symlinkSync("a.txt", join(root, "inside"));
    symlinkSync(beside, join(root, "outside"));
    symlinkSync(join(beside, "secret.txt"), join(root, "secret"));
    execFileSync("mkfifo", [join(root, "pipe")]);
    await withExample("files", { FILES_DIR: root }, async (app) => {
      await run(app, root);
      assert.equal(app.stderr, "");
    });
  });
}

function ask(app: ChildApp, target: string, fields: Record<string, string> = {}): Promise<WireResponse> {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return app.exchange(get(target, lines.join("")));
}

test("files.ts serves a file, and says what it knows of it", () =>
  withFiles(async (app) => {
    const response = await ask(app, "/a.txt");
    assert.equal(response.status, 200);
    assert.equal(response.text, CONTENT);
    assert.equal(response.header("content-type"), "text/plain; charset=utf-8");
    assert.equal(response.header("last-modified"), "Fri, 02 Jan 2026 03:04:05 GMT");
    assert.match(response.header("etag") ?? "", /^"[^"]+"$/);
    assert.equal(response.header("accept-ranges"), "bytes");
    const head = await app.exchange(get("/a.txt").replace("GET", "HEAD"), { isHead: () => true });
    assert.equal(head.status, 200);
    for (const name of ["content-length", "etag", "last-modified"]) {
      assert.equal(head.header(name), response.header(name));
    }
    assert.equal((await ask(app, "/inside")).text, CONTENT);
  }));

test("files.ts serves ranges", () =>
  withFiles(async (app) => {
    for (
      const [range, status, contentRange, text] of [
        ["bytes=0-9", 206, "bytes 0-9/2000", "0123456789"],
        ["bytes=1995-", 206, "bytes 1995-1999/2000", "56789"],
        ["bytes=-3", 206, "bytes 1997-1999/2000", "789"],
        ["bytes=-9999", 206, "bytes 0-1999/2000", CONTENT],
        ["bytes=1999-5000", 206, "bytes 1999-1999/2000", "9"],
        ["bytes=2000-", 416, "bytes */2000", undefined],
        ["bytes=-0", 416, "bytes */2000", undefined],
        ["lines=0-1", 200, null, CONTENT],
        ["bytes=5-2", 200, null, CONTENT],
      ] as const
    ) {
      const response = await ask(app, "/a.txt", { range });
      assert.equal(response.status, status, range);
      assert.equal(response.header("content-range"), contentRange, range);
      if (text !== undefined) assert.equal(response.text, text, range);
    }
    const several = await ask(app, "/a.txt", { range: "bytes=0-1,10-11,-1" });
    assert.equal(several.status, 206);
    assert.equal(several.header("content-range"), null);
    const boundary = /^multipart\/byteranges; boundary=(.+)$/.exec(several.header("content-type") ?? "")?.[1];
    const part = (range: string, text: string): string =>
      `--${boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Range: bytes ${range}/2000\r\n\r\n${text}\r\n`;
    assert.equal(
      several.text,
      `${part("0-1", "01")}${part("10-11", "01")}${part("1999-1999", "9")}--${boundary}--\r\n`,
    );
    const end = await ask(app, "/large", { range: `bytes=${LARGE_BYTES - 2}-` });
    assert.equal(end.header("content-range"), `bytes ${LARGE_BYTES - 2}-${LARGE_BYTES - 1}/${LARGE_BYTES}`);
    assert.deepEqual([...end.body], [0, 0]);
  }));

test("files.ts evaluates conditions", () =>
  withFiles(async (app) => {
    const first = await ask(app, "/a.txt");
    const etag = first.header("etag") ?? "";
    const date = first.header("last-modified") ?? "";
    const range = "bytes=0-0";
    const rows: [Record<string, string>, number][] = [
      [{ "if-none-match": etag }, 304],
      [{ "if-none-match": `"x", W/${etag}` }, 304],
      [{ "if-none-match": '"x"', "if-modified-since": date }, 200],
      [{ "if-modified-since": date }, 304],
      [{ "if-match": '"x"' }, 412],
      [{ "if-match": etag }, 200],
      [{ "if-unmodified-since": "Thu, 01 Jan 2026 00:00:00 GMT" }, 412],
      [{ "if-unmodified-since": "never" }, 200],
      [{ range, "if-range": etag }, 206],
      [{ range, "if-range": `W/${etag}` }, 200],
      [{ range, "if-range": date }, 206],
      [{ range, "if-range": "Fri, 02 Jan 2026 03:04:06 GMT" }, 200],
    ];
    for (const [fields, status] of rows) {
      assert.equal((await ask(app, "/a.txt", fields)).status, status, JSON.stringify(fields));
    }
    // A 304 ends with its head: the connection goes on.
    const client = await app.connect();
    client.send(get("/a.txt", `If-None-Match: ${etag}\r\n`) + get("/a.txt"));
    assert.deepEqual((await client.receive(2)).map(({ status }) => status), [304, 200]);
  }));

test("files.ts serves nothing but files of its folder", () =>
  withFiles(async (app) => {
    for (
      const target of [
        "/nothing",
        "/folder",
        "/folder/",
        "/pipe",
        "/secret",
        "/outside/secret.txt",
        "/../www-private/secret.txt",
        "/%2e%2e/www-private/secret.txt",
        "/..%2fwww-private%2fsecret.txt",
        "/folder/../../www-private/secret.txt",
        "/a.txt%00",
        "/a.txt/",
        "/%zz",
        `/${"a".repeat(300)}`,
        "//etc/passwd",
      ]
    ) {
      const { status, text } = await ask(app, target);
      assert.ok(status >= 400 && status < 500, `${target}: ${status}`);
      assert.ok(!text.includes("secret\n"), target);
    }
    for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
      const response = await app.exchange(get("/a.txt").replace("GET", method));
      assert.equal(response.status, 405, method);
      assert.equal(response.header("allow"), "GET, HEAD");
    }
  }));

test("files.ts answers others while twenty clients take nothing, with two threads", () =>
  withFiles(async (app) => {
    const lazy: RawClient[] = [];
    for (let index = 0; index < 20; index++) {
      const client = await app.connect({ paused: true });
      lazy.push(client.send(get("/large")));
    }
    for (let round = 0; round < 20; round++) {
      const start = performance.now();
      assert.equal((await ask(app, "/a.txt")).text, CONTENT);
      const whole = await ask(app, "/large", { range: "bytes=1000-200999" });
      assert.equal(Buffer.compare(whole.body, new Uint8Array(200_000)), 0);
      assert.ok(performance.now() - start < PROMPT_MS, `${performance.now() - start} ms`);
    }
    assert.ok(app.residentMb() < 500, `${app.residentMb()} MiB`);
    for (const client of lazy) client.reset();
  }));
