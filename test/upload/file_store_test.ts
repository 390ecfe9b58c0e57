/**
 * FileStore on a real disk: layout, restart, sizes beyond 2^32, fencing, sweeping.
 * Runs on: any; runtime API: none
 *
 * Long because it has many situations for one class.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { FileStore } from "../../src/upload/file_store.ts";
import { thisOwner } from "../../src/upload/lease_owner.ts";
import { markOperation, writeNewLease } from "../../src/upload/lease_record.ts";
import { ownerTag } from "../../src/upload/owner_tag.ts";
import { nodeStoreFs, type StoreFs } from "../../src/upload/store_fs.ts";
import type { UploadSession } from "../../src/upload/upload_store.ts";
import { newUploadId, UPLOAD_ID } from "../../src/upload/upload_store.ts";
import { until } from "../support/until.ts";
import { bytesOf, idOf, UploadBench } from "../support/upload_bench.ts";

const GIB = 2 ** 30;

async function withBench(run: (bench: UploadBench) => Promise<void>, options = {}): Promise<void> {
  const bench = new UploadBench(options);
  try {
    await run(bench);
    assert.deepEqual(bench.errors, []);
  } finally {
    bench.close();
  }
}

async function hold(store: FileStore, url: string): Promise<UploadSession> {
  const session = await store.acquire(idOf(url), { waitMs: 5000, takeOver: true });
  if (typeof session === "string") throw new Error(`The upload is ${session}`);
  return session;
}

/** A thread of this process that was in the middle of an operation two seconds ago, and is silent since. */
function plantSilentHolder(bench: UploadBench, url: string, inFlight: boolean): void {
  const folder = join(bench.folder, ".cartouche", `${idOf(url)}.lock`);
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder);
  const fd = fs.openSync(join(folder, "1"), "wx+");
  const beatMs = Date.now() - 2000;
  writeNewLease(fs, fd, { ...thisOwner(), thread: 999_999 }, beatMs);
  markOperation(fs, fd, inFlight, beatMs);
  fs.closeSync(fd);
}

test("An id is 128 random bits in hexadecimal", () => {
  const ids = Array.from({ length: 1000 }, newUploadId);
  assert.ok(ids.every((id) => UPLOAD_ID.test(id)));
  assert.equal(new Set(ids).size, 1000);
  // Each digit takes each value: none of the bits is fixed.
  for (let digit = 0; digit < 32; digit++) assert.equal(new Set(ids.map((id) => id[digit])).size, 16);
});

test("FileStore refuses an id that could be a path", () =>
  withBench(async ({ store }) => {
    for (const id of ["", "../x", "a/b", "0".repeat(31), `${"0".repeat(32)}.json`, "\0".repeat(32)]) {
      await assert.rejects(store.read(id), { code: "ERR_OPTION" });
      await assert.rejects(store.acquire(id, { waitMs: 0, takeOver: false }), { code: "ERR_OPTION" });
    }
  }));

test("FileStore keeps the bytes of an upload in a file of its own, closed to other users", () =>
  withBench(async (bench) => {
    const url = await bench.create(10);
    await bench.patch(url, 0, "hello");
    const stat = fs.statSync(bench.path(url));
    assert.ok(stat.isFile());
    assert.equal(stat.size, 5);
    assert.equal(stat.mode & 0o777, 0o600);
    const json = join(bench.folder, ".cartouche", `${idOf(url)}.json`);
    assert.equal(fs.statSync(json).mode & 0o777, 0o600);
    assert.deepEqual(JSON.parse(fs.readFileSync(json, "utf8")).length, 10);
  }));

test("A restarted server goes on where the last one was", () =>
  withBench(async (bench) => {
    const url = await bench.create(10, { "upload-metadata": "a YQ==" });
    await bench.patch(url, 0, "hello");
    const again = bench.restarted();
    assert.equal(await again.offset(url), 5);
    assert.equal((await again.patch(url, 5, "world")).status, 204);
    assert.equal(again.text(url), "helloworld");
    assert.equal(await bench.offset(url), 10);
    again.app.close();
  }));

test("A file that is longer than what was verified is cut back", () =>
  withBench(async (bench) => {
    const url = await bench.create(20);
    const sum = `sha1 ${createHash("sha1").update("hello").digest("base64")}`;
    await bench.patch(url, 0, "hello", { "upload-checksum": sum });
    // As after a kill amid a second checksummed PATCH.
    fs.appendFileSync(bench.path(url), "unverified");
    assert.equal(await bench.offset(url), 5);
    assert.equal((await bench.patch(url, 15, "x")).status, 409);
    assert.equal(bench.text(url), "hello");
    assert.equal((await bench.patch(url, 5, "world")).status, 204);
    assert.equal(bench.text(url), "helloworld");
  }));

test("A damaged JSON is no upload, and is left alone", () =>
  withBench(async (bench) => {
    const url = await bench.create(10);
    const json = join(bench.folder, ".cartouche", `${idOf(url)}.json`);
    for (const text of ["", "{", "[]", "null", '{"length":-1}', '{"length":"10"}']) {
      fs.writeFileSync(json, text);
      assert.equal(await bench.offset(url), -1);
      assert.equal((await bench.patch(url, 0, "x")).status, 404);
      assert.equal((await bench.tus("DELETE", url)).status, 404);
      await bench.app.sweep();
      assert.equal(fs.readFileSync(json, "utf8"), text);
    }
  }));

test("Files that are no uploads are never touched", () =>
  withBench(async (bench) => {
    await bench.create(1);
    const others = ["photo.jpg", "f".repeat(32), ".cartouche/form-1.tmp", ".cartouche/notes.txt"];
    for (const name of others) fs.writeFileSync(join(bench.folder, name), "mine");
    for (const name of others) fs.utimesSync(join(bench.folder, name), 1, 1);
    const again = bench.restarted({ expireMs: 1000, now: () => Date.now() + 1e9 }, {
      now: () => Date.now() + 1e9,
    });
    assert.equal(await again.app.sweep(), 1);
    for (const name of others) assert.equal(fs.readFileSync(join(bench.folder, name), "utf8"), "mine");
    assert.equal((await bench.tus("DELETE", `/files/${"f".repeat(32)}`)).status, 404);
    again.app.close();
  }));

test("An upload of 5 GiB goes on behind its 5 GiB", () =>
  withBench(async (bench) => {
    const length = 5 * GIB + 10;
    const url = await bench.create(length);
    fs.truncateSync(bench.path(url), 5 * GIB);
    const head = await bench.tus("HEAD", url);
    assert.equal(head.headers.get("upload-offset"), String(5 * GIB));
    assert.equal(head.headers.get("upload-length"), String(length));

    assert.equal((await bench.patch(url, 1 * GIB, "0123456789")).status, 409);
    const wrong = await bench.patch(url, 5 * GIB, "01234", { "upload-checksum": "sha1 AAAA" });
    assert.equal(wrong.status, 460);
    assert.equal(fs.statSync(bench.path(url)).size, 5 * GIB);
    const long = { chunks: [bytesOf("0123456789"), bytesOf("!")], chunked: true };
    assert.equal((await bench.patch(url, 5 * GIB, long)).status, 413);
    assert.equal(fs.statSync(bench.path(url)).size, 5 * GIB);

    const half = await bench.patch(url, 5 * GIB, { chunks: [bytesOf("01234")], announced: 10, cut: true });
    assert.equal(half.status, 400);
    assert.equal(await bench.offset(url), 5 * GIB + 5);
    const last = await bench.patch(url, 5 * GIB + 5, "56789");
    assert.equal(last.headers.get("upload-offset"), String(length));
    assert.equal(fs.statSync(bench.path(url)).size, length);
    const tail = new Uint8Array(10);
    const fd = fs.openSync(bench.path(url), "r");
    fs.readSync(fd, tail, 0, 10, 5 * GIB);
    fs.closeSync(fd);
    assert.equal(new TextDecoder().decode(tail), "0123456789");
  }));

test("A store whose thread was silent amid a write moves the upload to a new file", () =>
  withBench(async (bench) => {
    const url = await bench.create(10);
    await bench.patch(url, 0, "hello");
    // The silent one holds the data file open, and has a JSON on its way.
    const zombie = fs.openSync(bench.path(url), "r+");
    const temporary = join(bench.folder, ".cartouche", `${idOf(url)}.n1.tmp`);
    fs.writeFileSync(temporary, "{}");
    plantSilentHolder(bench, url, true);
    assert.equal((await bench.patch(url, 5, "wor")).status, 204);
    assert.equal(fs.existsSync(temporary), false);
    // Its write and its truncation come late, and go to the old file.
    fs.writeSync(zombie, bytesOf("XXXXX"), 0, 5, 5);
    fs.ftruncateSync(zombie, 1);
    fs.closeSync(zombie);
    assert.equal((await bench.patch(url, 8, "ld")).status, 204);
    assert.equal(bench.text(url), "helloworld");
  }));

test("A store whose thread was silent between two writes goes on in the same file", () =>
  withBench(async (bench) => {
    const url = await bench.create(10);
    await bench.patch(url, 0, "hello");
    const { ino } = fs.statSync(bench.path(url));
    plantSilentHolder(bench, url, false);
    assert.equal((await bench.patch(url, 5, "world")).status, 204);
    assert.equal(fs.statSync(bench.path(url)).ino, ino);
  }));

test("An upload that is too large to be copied is refused until the silent write is over", () =>
  withBench(async (bench) => {
    const url = await bench.create(10);
    await bench.patch(url, 0, "hello");
    plantSilentHolder(bench, url, true);
    const again = bench.restarted({ lockWaitMs: 100 }, { fenceCopyBytes: 4 });
    assert.equal((await again.patch(url, 5, "world")).status, 423);
    // Still: the first one watches over the upload.
    assert.equal((await again.patch(url, 5, "world")).status, 423);
    assert.equal(await again.offset(url), 5);
    again.app.close();
  }));

test("A fence that fails is tried again by the next one", () =>
  withBench(async (bench) => {
    const url = await bench.create(10);
    await bench.patch(url, 0, "hello");
    plantSilentHolder(bench, url, true);
    const { ino } = fs.statSync(bench.path(url));
    let failures = 0;
    const failing: StoreFs = {
      ...nodeStoreFs,
      copy: (from, to) => {
        if (failures++ === 0) return Promise.reject(Object.assign(new Error("broken"), { code: "EIO" }));
        return nodeStoreFs.copy(from, to);
      },
    };
    const again = bench.restarted({}, { fs: failing });
    assert.equal((await again.patch(url, 5, "world")).status, 500);
    assert.equal((await again.patch(url, 5, "world")).status, 204);
    assert.equal(failures, 2);
    assert.notEqual(fs.statSync(bench.path(url)).ino, ino);
    again.app.close();
  }));

test("A session that lost its upload changes nothing more", () =>
  withBench(async (bench) => {
    const url = await bench.create(10);
    const session = await hold(bench.store, url);
    const append = await session.append(false);
    await append.write(bytesOf("he"));
    await append.commit();
    // Taken away, as from a thread that hung: the word "taken" in the lease file.
    const folder = join(bench.folder, ".cartouche", `${idOf(url)}.lock`);
    const [name = ""] = fs.readdirSync(folder);
    const fd = fs.openSync(join(folder, name), "r+");
    fs.writeSync(fd, bytesOf("1"), 0, 1, 16);
    fs.closeSync(fd);
    const lost = { code: "ERR_UPLOAD_LOST" };
    await append.write(bytesOf("XXX"));
    await assert.rejects(append.commit(), lost);
    await assert.rejects(append.discard(), lost);
    await assert.rejects(session.setLength(11), lost);
    await assert.rejects(session.finish({ sealed: true, notified: true }), lost);
    await assert.rejects(session.remove(), lost);
    await session.release();
    assert.equal(bench.text(url), "he");
    assert.deepEqual(bench.names().filter((entry) => entry.endsWith(".tmp")), []);
  }));

test("A request whose upload was taken away is answered with 423", () =>
  withBench(async (bench) => {
    const url = await bench.create(10);
    const folder = join(bench.folder, ".cartouche", `${idOf(url)}.lock`);
    const taken = () => {
      const [name = ""] = fs.readdirSync(folder);
      const fd = fs.openSync(join(folder, name), "r+");
      fs.writeSync(fd, bytesOf("1"), 0, 1, 16);
      fs.closeSync(fd);
    };
    const response = await bench.patch(url, 0, { chunks: [bytesOf("hello")], announced: 5, onRead: taken });
    assert.equal(response.status, 423);
  }));

test("FileAppend keeps at most one mebibyte in memory", () =>
  withBench(async (bench) => {
    const releases: (() => void)[] = [];
    let writes = 0;
    let most = 0;
    const slow: StoreFs = {
      ...nodeStoreFs,
      open: async (path, flags) => {
        const file = await nodeStoreFs.open(path, flags);
        if (path !== bench.path(url)) return file;
        return {
          write: async (chunks, position) => {
            writes++;
            most = Math.max(most, chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
            await new Promise<void>((resolve) => releases.push(resolve));
            await file.write(chunks, position);
          },
          read: (buffer, position) => file.read(buffer, position),
          datasync: () => file.datasync(),
          truncate: (size) => file.truncate(size),
          size: () => file.size(),
          close: () => file.close(),
        };
      },
    };
    const url = await bench.create(100 * 65536);
    const store = new FileStore(bench.folder, { fs: slow });
    const session = await hold(store, url);
    const append = await session.append(false);
    let taken = 0;
    const feeding = (async () => {
      for (let chunk = 0; chunk < 100; chunk++) {
        await append.write(new Uint8Array(65536).fill(chunk));
        taken += 65536;
      }
      await append.commit();
    })();
    while (releases.length === 0) await new Promise((resolve) => setImmediate(resolve));
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(taken <= 1024 * 1024, `${taken} bytes were taken while nothing was written`);
    let done = false;
    void feeding.then(() => done = true);
    while (!done) {
      releases.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await session.release();
    assert.ok(most <= 512 * 1024, `a write of ${most} bytes`);
    assert.ok(writes < 50, `${writes} writes: small chunks are gathered`);
    const bytes = bench.bytes(url);
    assert.equal(bytes?.length, 100 * 65536);
    for (let chunk = 0; chunk < 100; chunk++) assert.equal(bytes?.[chunk * 65536 + 7], chunk);
  }));

test("A timer sweeps although nobody asks, and does not keep the process alive", async () => {
  const bench = new UploadBench({ expireMs: 100, sweepIntervalMs: 50 });
  const finished = await bench.create(0);
  const unfinished = await bench.create(5);
  await bench.patch(unfinished, 0, "he");
  while (fs.existsSync(bench.path(unfinished))) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.notEqual(await bench.offset(finished), -1);
  bench.close();
});

test("Of many that share a folder about one sweeps per interval", () =>
  withBench(async ({ folder }) => {
    let clockMs = 1_700_000_000_000;
    const stores = Array.from({ length: 10 }, () => new FileStore(folder, { now: () => clockMs }));
    for (let round = 0; round < 3; round++) {
      const claims: boolean[] = [];
      for (const store of stores) claims.push(await store.claimSweep(1000));
      assert.equal(claims.filter((claim) => claim).length, 1);
      clockMs += 1000;
    }
  }));

test("Sweeps at the same time remove each expired upload once and no finished one", () =>
  withBench(async (bench) => {
    const expired: string[] = [];
    const finished: string[] = [];
    for (let index = 0; index < 20; index++) {
      expired.push(await bench.create(5));
      finished.push(await bench.create(2));
      await bench.patch(finished.at(-1) ?? "", 0, "ok");
    }
    const later = { now: () => Date.now() + 10_000 };
    const sweepers = Array.from({ length: 4 }, () => bench.restarted({ expireMs: 1000, ...later }, later));
    const counts = await Promise.all(sweepers.map(({ app }) => app.sweep()));
    assert.equal(counts.reduce((sum, count) => sum + count, 0), 20);
    for (const url of expired) assert.equal(bench.bytes(url), null);
    for (const url of finished) assert.equal(bench.text(url), "ok");
    for (const { app } of sweepers) app.close();
    assert.deepEqual(sweepers.flatMap(({ errors }) => errors), []);
  }));

test("A sweep looks again once it holds the upload", () =>
  withBench(async (bench) => {
    const url = await bench.create(5);
    let nowMs = Date.now();
    const now = () => nowMs;
    const store = new FileStore(bench.folder, { now });
    // A request comes between the first look and the lock.
    const acquire = store.acquire.bind(store);
    store.acquire = async (id, options) => {
      await store.touch(id);
      return await acquire(id, options);
    };
    const again = bench.restarted({ store, now, expireMs: 1000 });
    nowMs += 10_001;
    assert.equal(await again.app.sweep(), 0);
    assert.equal(bench.text(url), "");
    again.app.close();
  }));

test("A sweep removes what killed processes left behind", () =>
  withBench(async (bench) => {
    const url = await bench.create(5);
    const state = join(bench.folder, ".cartouche");
    const gone = "9".repeat(32);
    fs.writeFileSync(join(state, `${idOf(url)}.n3.tmp`), "half a JSON");
    fs.writeFileSync(join(state, `${gone}.new.concat.tmp`), "half a concatenation");
    fs.writeFileSync(join(state, `${gone}.json`), fs.readFileSync(join(state, `${idOf(url)}.json`)));
    fs.mkdirSync(join(state, `${"8".repeat(32)}.lock`));
    fs.writeFileSync(join(state, `${"8".repeat(32)}.lock`, "1"), "");
    await bench.app.sweep();
    assert.equal(fs.readdirSync(state).length, 5 + 0, "young ones may be in use");
    const later = { now: () => Date.now() + 1_000_000 };
    const again = bench.restarted({ expireMs: 1000, ...later }, later);
    await again.app.sweep();
    assert.deepEqual(bench.names(), []);
    again.app.close();
  }));

test("What a dead owner left goes at the start, at once; what a living one may use stays", () =>
  withBench(async (bench) => {
    const state = join(bench.folder, ".cartouche");
    fs.mkdirSync(state, { recursive: true });
    const dead = ownerTag().replace(/^\d+/, String(0x7ffffff0));
    const concat = (owner: string) => join(state, `${"9".repeat(32)}.${owner}.concat.tmp`);
    const json = (owner: string) => join(state, `${"9".repeat(32)}.${owner}.json.tmp`);
    for (const owner of [dead, ownerTag()]) {
      for (const path of [concat(owner), json(owner)]) fs.writeFileSync(path, "half");
    }
    const again = bench.restarted({ sweepIntervalMs: 60_000, expireMs: 0 });
    // On a main thread the first request starts it.
    assert.equal(await again.offset(`/files/${"0".repeat(32)}`), -1);
    await until("they are gone", () => !fs.existsSync(concat(dead)) && !fs.existsSync(json(dead)));
    assert.equal(fs.existsSync(concat(ownerTag())), true);
    assert.equal(fs.existsSync(json(ownerTag())), true);
    again.app.close();
  }));

test("A main thread does not sweep before it has had a request", () =>
  withBench(async (bench) => {
    let looks = 0;
    const store = new FileStore(bench.folder);
    store.removeLeftovers = () => {
      looks++;
      return Promise.resolve();
    };
    const again = bench.restarted({ store, sweepIntervalMs: 60_000 });
    assert.equal(looks, 0);
    for (let round = 0; round < 2; round++) assert.equal(await again.offset(`/files/${"0".repeat(32)}`), -1);
    assert.equal(looks, 1);
    again.app.close();
    await again.offset(`/files/${"0".repeat(32)}`);
    assert.equal(looks, 1, "it is closed for good");
  }));

test("A concatenation on its way says whose it is", () =>
  withBench(async (bench) => {
    const url = await bench.create(5, { "upload-concat": "partial" }, {});
    await bench.patch(url, 0, "hello");
    const names: string[] = [];
    const watching: StoreFs = {
      ...nodeStoreFs,
      open: (path, flags) => {
        if (flags === "wx") names.push(basename(path));
        return nodeStoreFs.open(path, flags);
      },
    };
    const again = bench.restarted({}, { fs: watching });
    const response = await again.tus("POST", "/files/", { "upload-concat": `final;${url}` });
    const id = idOf(response.headers.get("location") ?? "");
    assert.deepEqual(names, [
      `${id}.${ownerTag()}.concat.tmp`,
      `${id}.${ownerTag()}.json.tmp`,
      `${id}.n1.tmp`,
    ]);
    again.app.close();
  }));

test("An upload whose last request died before its end is ended by HEAD, and by a sweep", () =>
  withBench(async (bench) => {
    for (const wake of ["HEAD", "sweep"]) {
      const told: string[] = [];
      const url = await bench.create(5);
      fs.writeFileSync(bench.path(url), "hello");
      const again = bench.restarted({
        onComplete: (upload, request) => void told.push(`${upload.id} ${request}`),
      });
      if (wake === "HEAD") assert.equal(await again.offset(url), 5);
      else await again.app.sweep();
      assert.deepEqual(told, [`${idOf(url)} null`]);
      await again.app.sweep();
      assert.equal(await again.offset(url), 5);
      assert.equal(told.length, 1);
      again.app.close();
    }
  }));

test("uploads() lists what is there, and path() leads to the bytes", () =>
  withBench(async (bench) => {
    const finished = await bench.create(5, { "upload-metadata": "filename YS50eHQ=" });
    await bench.patch(finished, 0, "hello");
    const unfinished = await bench.create(5);
    const gone = await bench.create(5);
    await bench.tus("DELETE", gone);
    const list = await Array.fromAsync(bench.app.uploads());
    assert.deepEqual(list.map(({ id }) => id).sort(), [idOf(finished), idOf(unfinished)].sort());
    const one = list.find((upload) => upload.finished);
    assert.equal(one?.text("filename"), "a.txt");
    assert.equal(fs.readFileSync(bench.store.path(one?.id ?? ""), "utf8"), "hello");
  }));

test("tus refuses options that make no sense", () =>
  withBench(async ({ store }) => {
    const { tus } = await import("../../src/upload/tus.ts");
    const bad = [
      { path: "files/" },
      { path: "/files" },
      { maxSizeBytes: -1 },
      { maxSizeBytes: 1.5 },
      { expireMs: NaN },
      { checksumAlgorithms: ["crc32"] },
      { interopVersions: [4] },
      { corsCredentials: true },
    ];
    for (const options of bad) assert.throws(() => tus({ store, ...options }), { code: "ERR_OPTION" });
  }));
