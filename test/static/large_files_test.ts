/**
 * Static files that are large, or change while they are sent.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { closeSync, ftruncateSync, openSync, renameSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import process, { platform } from "node:process";
import { test } from "node:test";
import { PIECE_BYTES } from "../../src/static/file_body.ts";
import { files } from "../../src/static/files.ts";
import { openFilesIn } from "../support/open_files.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";
import { request, write } from "./files_stage.ts";

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

test("Files stream a large file, and every range of it is right", () =>
  withTemporaryFolder(async (folder) => {
    const content = Uint8Array.from({ length: 1_000_003 }, (_, index) => (index * 131 + (index >> 7)) & 255);
    write(join(folder, "large.bin"), content);
    const serve = files(folder);
    const whole = serve(request("/large.bin"));
    assert.equal(whole.headers.get("content-length"), "1000003");
    assert.deepEqual(new Uint8Array(await whole.arrayBuffer()), content);
    for (
      const [start, end] of [[0, 1], [1, 65_537], [65_536, 1_000_003], [0, 1_000_003], [999_000, 1_000_003]]
    ) {
      const response = serve(request("/large.bin", { range: `bytes=${start}-${Number(end) - 1}` }));
      assert.equal(response.status, 206);
      assert.equal(response.headers.get("content-length"), String(Number(end) - Number(start)));
      assert.deepEqual(new Uint8Array(await response.arrayBuffer()), content.subarray(start, end));
    }
    const several = serve(request("/large.bin", { range: "bytes=900000-,0-99999" }));
    const body = new Uint8Array(await several.arrayBuffer());
    assert.equal(several.headers.get("content-length"), String(body.length));
    const text = new TextDecoder("latin1").decode(body);
    const firstAt = text.indexOf("\r\n\r\n") + 4;
    assert.deepEqual(body.subarray(firstAt, firstAt + 100_003), content.subarray(900_000));
    const secondAt = text.indexOf("\r\n\r\n", firstAt + 100_003) + 4;
    assert.deepEqual(body.subarray(secondAt, secondAt + 100_000), content.subarray(0, 100_000));
  }));

test("Files serve ranges of a sparse file of 5 GiB beyond 2^31 and 2^32", () =>
  withTemporaryFolder(async (folder) => {
    const path = join(folder, "huge.bin");
    const fd = openSync(path, "w");
    ftruncateSync(fd, 5 * GIB);
    const mark = (text: string, position: number): number =>
      writeSync(fd, new TextEncoder().encode(text), 0, text.length, position);
    mark("BEGIN", 0);
    mark("2^31", 2 ** 31 - 2);
    mark("2^32", 2 ** 32 - 2);
    mark("END", 5 * GIB - 3);
    closeSync(fd);
    const serve = files(folder);
    for (
      const [range, contentRange, text] of [
        ["bytes=0-4", "bytes 0-4/5368709120", "BEGIN"],
        ["bytes=2147483646-2147483649", "bytes 2147483646-2147483649/5368709120", "2^31"],
        ["bytes=4294967294-4294967297", "bytes 4294967294-4294967297/5368709120", "2^32"],
        ["bytes=5368709117-", "bytes 5368709117-5368709119/5368709120", "END"],
        ["bytes=-3", "bytes 5368709117-5368709119/5368709120", "END"],
      ] as const
    ) {
      const response = serve(request("/huge.bin", { range }));
      assert.equal(response.status, 206);
      assert.equal(response.headers.get("content-range"), contentRange);
      assert.equal(await response.text(), text);
    }
    // Streamed: more than is read at once, across the boundary.
    const across = serve(request("/huge.bin", { range: `bytes=${2 ** 32 - MIB}-${2 ** 32 + MIB - 1}` }));
    const bytes = new Uint8Array(await across.arrayBuffer());
    assert.equal(bytes.length, 2 * MIB);
    assert.equal(new TextDecoder().decode(bytes.subarray(MIB - 2, MIB + 2)), "2^32");
    const several = serve(request("/huge.bin", { range: "bytes=-3,0-4,4294967294-4294967297" }));
    const text = await several.text();
    assert.equal(several.headers.get("content-length"), String(text.length));
    assert.match(
      text,
      /5368709117-5368709119\/5368709120\r\n\r\nEND\r\n.*0-4\/5368709120\r\n\r\nBEGIN\r\n.*\r\n2\^32\r\n/s,
    );
    assert.equal(serve(request("/huge.bin", { range: `bytes=${5 * GIB}-` })).status, 416);
    const whole = serve(request("/huge.bin"));
    assert.equal(whole.headers.get("content-length"), "5368709120");
    await whole.body?.cancel();
  }));

test("Files cost twenty readers who stop a descriptor and a piece each", () =>
  withTemporaryFolder(async (folder) => {
    const path = join(folder, "large.bin");
    const fd = openSync(path, "w");
    ftruncateSync(fd, 256 * MIB);
    closeSync(fd);
    const serve = files(folder);
    const before = process.memoryUsage().rss;
    const readers = Array.from({ length: 20 }, () => serve(request("/large.bin")).body?.getReader());
    for (const reader of readers) assert.equal((await reader?.read())?.value?.length, PIECE_BYTES);
    if (platform === "linux") assert.equal(openFilesIn(folder).length, 20);
    assert.ok(
      process.memoryUsage().rss - before < 24 * MIB,
      `${(process.memoryUsage().rss - before) / MIB} MiB`,
    );
    for (const reader of readers) await reader?.cancel();
    assert.deepEqual(openFilesIn(folder), []);
  }));

test("Files fail a download whose file became shorter, after octets that were right", () =>
  withTemporaryFolder(async (folder) => {
    const path = join(folder, "large.bin");
    write(path, new Uint8Array(MIB).fill(7));
    const reader = files(folder)(request("/large.bin")).body?.getReader();
    assert.equal((await reader?.read())?.value?.every((octet) => octet === 7), true);
    truncateSync(path, 1_000);
    await assert.rejects(async () => await reader?.read(), { code: "ERR_FILE_CHANGED" });
  }));

test("Files keep sending the file that was opened when another takes its name", () =>
  withTemporaryFolder(async (folder) => {
    const path = join(folder, "large.bin");
    write(path, new Uint8Array(MIB).fill(1));
    const response = files(folder)(request("/large.bin"));
    write(join(folder, "new"), new Uint8Array(MIB).fill(2));
    renameSync(join(folder, "new"), path);
    assert.ok(new Uint8Array(await response.arrayBuffer()).every((octet) => octet === 1));
  }));
