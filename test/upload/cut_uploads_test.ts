/**
 * Uploads whose client breaks off, over the wire: every byte that arrived is kept, however few they were.
 * Runs on: any; runtime API: none
 *
 * tus 1.0.0, PATCH: "the Server SHOULD always attempt to store as much of the received data as possible".
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { type ChildApp, withChild } from "../support/start_app.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";
import { patternBytes } from "../support/upload_bench.ts";
import {
  createUpload,
  headOf,
  offsetOf,
  patchHead,
  patchUpload,
  storedBytes,
  untilOffset,
} from "../support/upload_client.ts";

const KIB = 1024;
/** Octets that come, of a few more that are announced. Up to 256 KiB others collect a body before a handler runs. */
const LENGTHS = [1, KIB, 200 * KIB, 300 * KIB];
const MISSING = 100;

async function withUploads(
  options: { readonly bodyTimeoutMs?: number; readonly deadlineMs?: number },
  run: (app: ChildApp, folder: string) => Promise<void>,
): Promise<void> {
  await withTemporaryFolder((folder) =>
    withChild("upload_app.ts", { options, env: { UPLOAD_DIR: folder } }, (app) => run(app, folder))
  );
}

/** Brings the upload to its end, and looks at its bytes. */
async function resume(
  app: ChildApp,
  folder: string,
  url: string,
  content: Uint8Array,
  at: number,
): Promise<void> {
  assert.equal((await patchUpload(app, url, at, content.subarray(at))).status, 204);
  assert.equal(Buffer.compare(storedBytes(folder, url), content), 0);
}

for (const how of ["ends its side", "resets the connection"] as const) {
  test(`A PATCH whose client ${how} keeps every byte that came`, () =>
    withUploads({}, async (app, folder) => {
      for (const length of LENGTHS) {
        const content = patternBytes(length + MISSING, length);
        const url = await createUpload(app, content.length);
        const client = await app.connect();
        await client.sendAll(patchHead(url, 0, content.length));
        await client.sendAll(content.subarray(0, length));
        if (how === "ends its side") {
          client.end();
          assert.equal((await client.response()).status, 400, `${length} octets`);
          assert.equal(await client.ending(), "clean");
        } else {
          await untilOffset(app, url, length);
          client.reset();
        }
        assert.equal(await offsetOf(app, url), length, `${length} octets`);
        await resume(app, folder, url, content, length);
      }
    }));
}

test("A PATCH whose client falls silent keeps every byte that came, and is ended by the body time-out", () =>
  withUploads({ bodyTimeoutMs: 300 }, async (app, folder) => {
    for (const length of LENGTHS) {
      const content = patternBytes(length + MISSING, length);
      const url = await createUpload(app, content.length);
      const client = await app.connect();
      client.send(patchHead(url, 0, content.length)).send(content.subarray(0, length));
      assert.equal((await client.response()).status, 408, `${length} octets`);
      assert.equal(await offsetOf(app, url), length, `${length} octets`);
      await resume(app, folder, url, content, length);
    }
    assert.equal((await app.stats()).deadlines, 0);
  }));

test("A PATCH in chunks is stored while it comes, from the first octet on", () =>
  withUploads({}, async (app, folder) => {
    const content = patternBytes(3 * KIB, 5);
    const url = await createUpload(app, content.length);
    const client = await app.connect();
    const length = { "Content-Length": "", "Transfer-Encoding": "chunked" };
    client.send(patchHead(url, 0, 0, length).replace("Content-Length: \r\n", ""));
    for (let at = 0; at < content.length; at += KIB) {
      client.send(`${KIB.toString(16)}\r\n`).send(content.subarray(at, at + KIB)).send("\r\n");
      await untilOffset(app, url, at + KIB);
    }
    assert.equal((await client.send("0\r\n\r\n").response()).status, 204);
    assert.equal(Buffer.compare(storedBytes(folder, url), content), 0);
  }));

for (const coding of ["with a length", "in chunks"]) {
  test(`The IETF protocol tells where an upload will be before its content comes, ${coding}`, () =>
    withUploads({}, async (app) => {
      const client = await app.connect();
      const framing: Record<string, string | number> = coding === "in chunks"
        ? { "Transfer-Encoding": "chunked" }
        : { "Content-Length": 200_000 };
      client.send(
        headOf("POST", "/files/", {
          "Upload-Draft-Interop-Version": 6,
          "Upload-Complete": "?1",
          ...framing,
        }),
      );
      await client.until("104 comes", () => client.reader.interims.includes(104));
    }));
}
