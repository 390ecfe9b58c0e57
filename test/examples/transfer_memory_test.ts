/**
 * Tests of what large transfers cost the server in memory: 256 MiB in, 512 MiB out.
 * Runs on: any; runtime API: none
 *
 * The bound is the same on all three runtimes. Most of it is garbage of the runtime: Node reads into a buffer a read,
 * and V8 lets external memory lie for a while.
 */
// test-runs: alone
// test-limit: 240 s
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash, type Hash } from "node:crypto";
import {
  closeSync,
  createReadStream,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { get } from "../support/raw_client.ts";
import type { ChildApp } from "../support/start_app.ts";
import { withExample } from "../support/start_example.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";

const MEBIBYTE = 1024 * 1024;
const MAX_GROWTH_MIB = 96;

/** Runs `transfer`; the most that resident memory was above what it was before, MiB. */
async function peakGrowth(app: ChildApp, transfer: () => Promise<void>): Promise<number> {
  // The server has served before: what it loads and compiles once is not the transfer's.
  for (let i = 0; i < 50; i++) assert.ok((await app.exchange(get("/"))).status < 500);
  const before = app.residentMb();
  writeFileSync(`/proc/${app.pid}/clear_refs`, "5");
  await transfer();
  const status = readFileSync(`/proc/${app.pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? NaN) / 1024 - before;
}

/** Asks over and over until `over`; every answer must come. @returns how many did */
async function askMeanwhile(app: ChildApp, target: string, over: Promise<unknown>): Promise<number> {
  let isOver = false;
  const end = over.finally(() => isOver = true);
  const client = await app.connect();
  let count = 0;
  while (!isOver) assert.equal((await client.send(get(target)).response(count++)).status, 200);
  await end;
  return count;
}

/** Sends one request with so many octets of content, as the server takes them; resolves with the response's head. */
async function post(port: number, head: string, piece: Buffer, count: number, end: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1" });
  let text = "";
  const answered = new Promise<void>((resolve, reject) => {
    socket.on("data", (bytes: Buffer) => {
      text += bytes.toString("latin1");
      if (text.includes("\r\n\r\n")) resolve();
    });
    socket.once("error", reject).once("end", () => reject(new Error(`the server closed: ${text}`)));
  });
  socket.write(head);
  for (let i = 0; i < count; i++) {
    if (!socket.write(piece)) await new Promise<void>((resolve) => socket.once("drain", () => resolve()));
  }
  socket.write(end);
  await answered;
  socket.destroy();
  return text;
}

/** Reads one response with Content-Length to its end and hashes its content. */
function download(port: number, target: string, hash: Hash): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1" });
    let head = "";
    let left = -1;
    let received = 0;
    socket.on("data", (bytes: Buffer) => {
      let content = bytes;
      if (left < 0) {
        head += bytes.toString("latin1");
        const end = head.indexOf("\r\n\r\n") + 4;
        if (end === 3) return;
        left = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1] ?? NaN);
        content = bytes.subarray(bytes.length - (head.length - end));
      }
      hash.update(content);
      received += content.length;
      left -= content.length;
      if (left > 0) return;
      socket.destroy();
      resolve(received);
    });
    socket.once("error", reject).once("end", () => reject(new Error(`cut after ${received}: ${head}`)));
    socket.write(get(target));
  });
}

async function hashOfFile(path: string): Promise<string> {
  const hash = createHash("sha1");
  for await (const piece of createReadStream(path, { highWaterMark: MEBIBYTE })) hash.update(piece as Buffer);
  return hash.digest("hex");
}

function patternOf(length: number): Buffer {
  const piece = Buffer.alloc(length);
  for (let i = 0; i < length; i++) piece[i] = (i * 31 + (i >>> 8)) & 0xff;
  return piece;
}

const FORM_END = "\r\n--b--\r\n";

const UPLOADS = [
  {
    name: "tus upload",
    head: (length: number) =>
      "POST /files/ HTTP/1.1\r\nHost: test\r\nTus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\n" +
      `Upload-Length: ${length}\r\nContent-Length: ${length}\r\n\r\n`,
    end: "",
    status: 201,
  },
  {
    name: "multipart form",
    head: (length: number) => {
      const part = '--b\r\nContent-Disposition: form-data; name="f"; filename="large"\r\n\r\n';
      return "POST /upload HTTP/1.1\r\nHost: test\r\nContent-Type: multipart/form-data; boundary=b\r\n" +
        `Content-Length: ${part.length + length + FORM_END.length}\r\n\r\n${part}`;
    },
    end: FORM_END,
    status: 200,
  },
];

for (const { name, head, end, status } of UPLOADS) {
  test(`A ${name} of 256 MiB costs little memory, and others are answered meanwhile`, async () => {
    await withTemporaryFolder(async (folder) => {
      await withExample("uploads", { UPLOAD_DIR: folder }, async (app) => {
        const count = 256;
        const piece = patternOf(MEBIBYTE);
        const growth = await peakGrowth(app, async () => {
          const upload = post(app.port, head(count * MEBIBYTE), piece, count, end);
          assert.ok(await askMeanwhile(app, "/", upload) > 0);
          assert.match(await upload, new RegExp(`^HTTP/1\\.1 ${status} `));
        });
        const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
        assert.equal(files.length, 1);
        const expected = createHash("sha1");
        for (let i = 0; i < count; i++) expected.update(piece);
        assert.equal(await hashOfFile(join(folder, files[0]?.name ?? "")), expected.digest("hex"));
        assert.ok(growth < MAX_GROWTH_MIB, `memory grew by ${growth.toFixed(0)} MiB`);
      });
    });
  });
}

test("A download of 512 MiB costs little memory, and others are answered meanwhile", async () => {
  await withTemporaryFolder(async (folder) => {
    const path = join(folder, "large");
    const file = openSync(path, "w");
    writeSync(file, patternOf(MEBIBYTE));
    ftruncateSync(file, 512 * MEBIBYTE);
    closeSync(file);
    writeFileSync(join(folder, "light"), "light");
    await withExample("files", { FILES_DIR: folder }, async (app) => {
      const hash = createHash("sha1");
      const growth = await peakGrowth(app, async () => {
        const transfer = download(app.port, "/large", hash);
        assert.ok(await askMeanwhile(app, "/light", transfer) > 0);
        assert.equal(await transfer, 512 * MEBIBYTE);
      });
      assert.equal(hash.digest("hex"), await hashOfFile(path));
      assert.ok(growth < MAX_GROWTH_MIB, `memory grew by ${growth.toFixed(0)} MiB`);
    });
  });
});
