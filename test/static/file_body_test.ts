import assert from "node:assert/strict";
import { openSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { platform } from "node:process";
import { test } from "node:test";
import { FileBody, PIECE_BYTES } from "../../src/static/file_body.ts";
import { openFilesIn } from "../support/open_files.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";

const SIZE = 3 * PIECE_BYTES + 17;
const CONTENT = Uint8Array.from({ length: SIZE }, (_, index) => (index * 31 + (index >> 9)) & 255);

/** Runs with a file of CONTENT, opened once per call of `open`. */
function withFile(run: (open: () => number, path: string, folder: string) => Promise<void>): Promise<void> {
  return withTemporaryFolder((folder) => {
    const path = join(folder, "file");
    writeFileSync(path, CONTENT);
    return run(() => openSync(path, "r"), path, folder);
  });
}

async function readAll(body: FileBody, bufferBytes: number): Promise<Uint8Array> {
  const all = new Uint8Array(body.length);
  const buffer = new Uint8Array(bufferBytes);
  let at = 0;
  for (;;) {
    const length = await body.readInto(buffer);
    if (length === 0) return all.subarray(0, at);
    all.set(buffer.subarray(0, length), at);
    at += length;
  }
}

test("File body gives the file in pieces of any size and closes it", () =>
  withFile(async (open, _, folder) => {
    for (const bufferBytes of [1_000, 4_096, SIZE - 1, SIZE, SIZE + 1]) {
      const body = new FileBody(open(), [{ start: 0, end: SIZE }]);
      assert.equal(body.length, SIZE);
      assert.deepEqual(await readAll(body, bufferBytes), CONTENT);
      assert.deepEqual(openFilesIn(folder), []);
    }
  }));

test("File body gives ranges and octets between them in order", () =>
  withFile(async (open) => {
    const framing = new Uint8Array([1, 2, 3, 4, 5]);
    const segments = [framing, { start: SIZE - 3, end: SIZE }, framing, { start: 10, end: 11 }, framing];
    for (const bufferBytes of [1, 2, 7, 100]) {
      const body = new FileBody(open(), segments);
      assert.equal(body.length, 19);
      assert.deepEqual(
        [...await readAll(body, bufferBytes)],
        [...framing, ...CONTENT.subarray(SIZE - 3), ...framing, ...CONTENT.subarray(10, 11), ...framing],
      );
    }
  }));

test("File body of nothing closes the file at once", () =>
  withFile(async (open, _, folder) => {
    const body = new FileBody(open(), []);
    assert.deepEqual(openFilesIn(folder), []);
    assert.equal(await body.readInto(new Uint8Array(1)), 0);
    const reader = new FileBody(open(), []).stream().getReader();
    assert.equal((await reader.read()).done, true);
  }));

test("File body fails when the file became shorter, and closes it", () =>
  withFile(async (open, path, folder) => {
    const body = new FileBody(open(), [{ start: 0, end: SIZE }]);
    const buffer = new Uint8Array(PIECE_BYTES);
    assert.equal(await body.readInto(buffer), PIECE_BYTES);
    truncateSync(path, PIECE_BYTES + 5);
    assert.equal(await body.readInto(buffer), 5);
    await assert.rejects(body.readInto(buffer), { code: "ERR_FILE_CHANGED" });
    assert.deepEqual(openFilesIn(folder), []);
    assert.equal(await body.readInto(buffer), 0);
  }));

test("File body of a file that grows gives what was promised", () =>
  withFile(async (open, path) => {
    const body = new FileBody(open(), [{ start: 0, end: SIZE }]);
    writeFileSync(path, "more", { flag: "a" });
    assert.deepEqual(await readAll(body, 10_000), CONTENT);
  }));

test("File body that is closed under a read closes the file after it", () =>
  withFile(async (open, _, folder) => {
    const body = new FileBody(open(), [{ start: 0, end: SIZE }]);
    const reading = body.readInto(new Uint8Array(PIECE_BYTES));
    body.close();
    body.close();
    // Deno has a second descriptor for the time of the read.
    if (platform === "linux") assert.notEqual(openFilesIn(folder).length, 0);
    assert.equal(await reading, 0);
    assert.deepEqual(openFilesIn(folder), []);
  }));

test("File body passes on an error of the file system and closes", () =>
  withTemporaryFolder(async (folder) => {
    // Reading a folder fails with EISDIR on every system that can open one.
    const body = new FileBody(openSync(folder, "r"), [{ start: 0, end: 10 }]);
    await assert.rejects(body.readInto(new Uint8Array(10)), { code: "EISDIR" });
  }));

test("File body as a stream gives the same octets to every kind of reader", () =>
  withFile(async (open, _, folder) => {
    const pieces: Uint8Array[] = [];
    for await (const piece of new FileBody(open(), [{ start: 1, end: SIZE }]).stream()) pieces.push(piece);
    assert.deepEqual(new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer()), CONTENT.subarray(1));
    assert.ok(pieces.every((piece) => piece.length <= PIECE_BYTES));
    assert.deepEqual(openFilesIn(folder), []);

    const response = new Response(new FileBody(open(), [{ start: 1, end: SIZE }]).stream());
    assert.deepEqual(new Uint8Array(await response.arrayBuffer()), CONTENT.subarray(1));

    const own = new FileBody(open(), [{ start: 1, end: SIZE }]).stream().getReader({ mode: "byob" });
    const collected: number[] = [];
    let buffer = new Uint8Array(50_000);
    for (;;) {
      const { done, value } = await own.read(buffer);
      if (done) break;
      for (const octet of value) collected.push(octet);
      buffer = new Uint8Array(value.buffer);
    }
    assert.deepEqual(Uint8Array.from(collected), CONTENT.subarray(1));
    assert.deepEqual(openFilesIn(folder), []);
  }));

test("File body as a stream reads nothing before it is asked, and no piece ahead", () =>
  withFile(async (open) => {
    const body = new FileBody(open(), [{ start: 0, end: SIZE }]);
    const reader = body.stream().getReader();
    await Promise.resolve();
    assert.equal(body.remaining, SIZE);
    await reader.read();
    assert.equal(body.remaining, SIZE - PIECE_BYTES);
    await reader.cancel();
  }));

test("File body as a stream closes the file when the reader cancels, read under way or not", () =>
  withFile(async (open, _, folder) => {
    await new FileBody(open(), [{ start: 0, end: SIZE }]).stream().cancel();
    assert.deepEqual(openFilesIn(folder), []);

    const reader = new FileBody(open(), [{ start: 0, end: SIZE }]).stream().getReader();
    await reader.read();
    await reader.cancel(new Error("enough"));
    assert.deepEqual(openFilesIn(folder), []);

    const body = new FileBody(open(), [{ start: 0, end: SIZE }]);
    const other = body.stream().getReader();
    const reading = other.read();
    await other.cancel();
    assert.equal((await reading).done, true);
    // The read that was under way gives the descriptor back when it is done; a later read waits behind it.
    const after = new FileBody(open(), [{ start: 0, end: 1 }]);
    while (openFilesIn(folder).length > 1) await new Promise((resolve) => setTimeout(resolve, 1));
    await after.readInto(new Uint8Array(1));
    assert.deepEqual(openFilesIn(folder), []);
  }));

test("File body as a stream fails when the file became shorter", () =>
  withFile(async (open, path, folder) => {
    const reader = new FileBody(open(), [{ start: 0, end: SIZE }]).stream().getReader();
    await reader.read();
    truncateSync(path, PIECE_BYTES);
    await assert.rejects(reader.read(), { code: "ERR_FILE_CHANGED" });
    assert.deepEqual(openFilesIn(folder), []);
  }));
