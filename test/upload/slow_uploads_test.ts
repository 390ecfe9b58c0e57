/**
 * Uploads that take longer than the server's deadline, and those whose server, thread or process ends before they do.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { type Gates, withGates } from "../support/gate.ts";
import { get, type RawClient } from "../support/raw_client.ts";
import { type ChildApp, spawnApp, withChild } from "../support/start_app.ts";
import { listening } from "../support/start_example.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";
import { patternBytes } from "../support/upload_bench.ts";
import {
  createUpload,
  formFiles,
  headUpload,
  OFFSET_TYPE,
  offsetOf,
  patchHead,
  patchUpload,
  storedBytes,
  tusHead,
  untilOffset,
} from "../support/upload_client.ts";

const MIB = 1024 * 1024;
const DEADLINE_MS = 200;

interface Uploads {
  readonly app: ChildApp;
  readonly folder: string;
  readonly gates: Gates;
  /** The path of a gate, as the server's process knows it. */
  gate(name: string): string;
}

async function withUploads(
  options: { readonly workers?: number; readonly drainTimeoutMs?: number },
  run: (uploads: Uploads) => Promise<void>,
  env: (gate: Uploads["gate"]) => Record<string, string> = () => ({}),
): Promise<void> {
  await withTemporaryFolder((folder) =>
    withGates(async (gates) => {
      const gate = (name: string): string => decodeURIComponent(gates.query(name).slice("gate=".length));
      const setup = {
        options: { deadlineMs: DEADLINE_MS, ...options },
        env: { UPLOAD_DIR: folder, ...env(gate) },
      };
      await withChild("upload_app.ts", setup, (app) => run({ app, folder, gates, gate }));
    })
  );
}

/** Lets more than one deadline pass. */
async function letDeadlinesPass(app: ChildApp): Promise<void> {
  for (let round = 0; round < 2; round++) assert.equal((await app.exchange(get("/never"))).status, 503);
}

/** Sends the beginning of a PATCH, and waits until it is stored. */
async function beginPatch(
  app: ChildApp,
  url: string,
  content: Uint8Array,
  length: number,
): Promise<RawClient> {
  const client = await app.connect();
  client.send(patchHead(url, 0, content.length)).send(content.subarray(0, length));
  await untilOffset(app, url, length);
  return client;
}

async function resume(app: ChildApp, folder: string, url: string, content: Uint8Array): Promise<void> {
  const offset = await offsetOf(app, url);
  assert.equal((await patchUpload(app, url, offset, content.subarray(offset))).status, 204);
  assert.equal(Buffer.compare(storedBytes(folder, url), content), 0);
}

test("A concatenation may take longer than the server's deadline, and delays nobody", () =>
  withUploads({ workers: 1 }, async ({ app, folder, gates }) => {
    const parts: string[] = [];
    const contents = [patternBytes(3 * MIB, 1), patternBytes(2 * MIB, 2)];
    for (const content of contents) {
      const url = await createUpload(app, content.length, { "Upload-Concat": "partial" });
      assert.equal((await patchUpload(app, url, 0, content)).status, 204);
      parts.push(url);
    }
    const client = await app.connect();
    const fields = { "Upload-Concat": `final;${parts.join(" ")}`, "Content-Length": 0 };
    client.send(tusHead("POST", "/files/", fields));
    await gates.arrived("concat");
    await letDeadlinesPass(app);
    assert.equal((await app.exchange(get("/light"))).status, 200);
    assert.equal(client.responses.length, 0);
    gates.open("concat");
    const response = await client.response();
    assert.equal(response.status, 201);
    const url = response.header("location") ?? "";
    assert.equal(Buffer.compare(storedBytes(folder, url), Buffer.concat(contents)), 0);
    assert.equal((await headUpload(app, url)).header("upload-offset"), String(5 * MIB));
  }, (gate) => ({ CONCAT_GATE: gate("concat") })));

for (const how of ["PATCH", "POST with its content"] as const) {
  test(`The end of an upload by ${how} may take longer than the server's deadline`, () =>
    withUploads({}, async ({ app, gates, gate }) => {
      const metadata = { "Upload-Metadata": `gate ${Buffer.from(gate("hook")).toString("base64")}` };
      const client = await app.connect();
      if (how === "PATCH") {
        const url = await createUpload(app, 5, metadata);
        client.send(`${patchHead(url, 0, 5)}hello`);
      } else {
        const fields = { "Upload-Length": 5, "Content-Length": 5, "Content-Type": OFFSET_TYPE, ...metadata };
        client.send(`${tusHead("POST", "/files/", fields)}hello`);
      }
      await gates.arrived("hook");
      await letDeadlinesPass(app);
      assert.equal(client.responses.length, 0);
      gates.open("hook");
      assert.equal((await client.response()).status, how === "PATCH" ? 204 : 201);
    }));
}

test("A PATCH whose client is slow is not ended by the deadline", () =>
  withUploads({}, async ({ app, folder }) => {
    const content = patternBytes(2000, 3);
    const url = await createUpload(app, content.length);
    const client = await beginPatch(app, url, content, 1000);
    await letDeadlinesPass(app);
    client.send(content.subarray(1000));
    assert.equal((await client.response()).status, 204);
    assert.equal(Buffer.compare(storedBytes(folder, url), content), 0);
  }));

test("An upload goes on in another thread when its thread dies", () =>
  withUploads({ workers: 1 }, async ({ app, folder }) => {
    const content = patternBytes(3 * MIB, 4);
    const url = await createUpload(app, content.length);
    const client = await beginPatch(app, url, content, 2 * MIB);
    assert.equal((await app.exchange(get("/crash"))).status, 500);
    assert.equal((await client.response()).status, 500);
    await resume(app, folder, url, content);
  }));

test("An upload goes on in another process when its process is killed", () =>
  withUploads({}, async ({ app, folder }) => {
    const content = patternBytes(30 * MIB, 5);
    const url = await createUpload(app, content.length);
    // Whatever it is doing then.
    const client = await app.connect();
    client.send(patchHead(url, 0, content.length));
    void client.sendAll(content);
    let told = 0;
    while (told < 5 * MIB) told = await offsetOf(app, url);
    await app.kill();
    const heir = spawnApp("upload_app.ts", { env: { UPLOAD_DIR: folder } });
    try {
      await listening(heir);
      const offset = await offsetOf(heir, url);
      assert.ok(offset >= told, `${offset} octets of ${told} that were acknowledged are there`);
      await resume(heir, folder, url, content);
    } finally {
      await heir.kill();
    }
  }));

test("An upload that is under way when the server has stopped waiting keeps what came", () =>
  withUploads({ drainTimeoutMs: 100 }, async ({ app, folder }) => {
    const content = patternBytes(900_000, 6);
    const urls: string[] = [];
    for (const length of [1, 1000, 300_000, 800_000]) {
      const url = await createUpload(app, content.length);
      await beginPatch(app, url, content, length);
      urls.push(url);
    }
    app.signal("SIGTERM");
    assert.deepEqual(await app.exited(), { code: 0, signal: null });
    assert.equal(app.stderr, "");
    const lengths = urls.map((url) => storedBytes(folder, url).length);
    assert.deepEqual(lengths, [1, 1000, 300_000, 800_000]);
    assert.deepEqual(formFiles(folder), [], "no temporary file is left");
    await withChild("upload_app.ts", { env: { UPLOAD_DIR: folder } }, async (heir) => {
      for (const url of urls) await resume(heir, folder, url, content);
    });
  }));
