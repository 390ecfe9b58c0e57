/**
 * Uploads that a request has in hand do not expire meanwhile, however silent its client is.
 * Runs on: any; runtime API: none
 *
 * Uploads that nobody has in hand are the clock: what is renewed outlives those that were made beside it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeStoreFs, type StoreFs } from "../../src/upload/store_fs.ts";
import { idOf, UploadBench } from "../support/upload_bench.ts";
import { until } from "../support/until.ts";

const EXPIRE_MS = 200;

async function withBench(run: (bench: UploadBench) => Promise<void>, fs?: StoreFs): Promise<void> {
  const bench = new UploadBench({ expireMs: EXPIRE_MS }, fs === undefined ? {} : { fs });
  try {
    await run(bench);
    assert.deepEqual(bench.errors, []);
  } finally {
    bench.close();
  }
}

/** Lets uploads expire that are made now, twice over. */
async function letUploadsExpire(bench: UploadBench): Promise<void> {
  for (let round = 0; round < 2; round++) {
    const url = await bench.create(5);
    // A list is no request for an upload: it renews nothing.
    await until("an upload expires that nobody asks for", async () => {
      const ids = (await Array.fromAsync(bench.app.uploads())).map(({ id }) => id);
      return !ids.includes(idOf(url));
    });
  }
}

test("An upload whose client is silent amid a PATCH does not expire", () =>
  withBench(async (bench) => {
    const url = await bench.create(10);
    const client = new AbortController();
    const read = Promise.withResolvers<void>();
    const patch = bench.patch(url, 0, {
      chunks: [new TextEncoder().encode("hello")],
      announced: 10,
      silent: true,
      signal: client.signal,
      onRead: () => read.resolve(),
    });
    await read.promise;
    await letUploadsExpire(bench);
    assert.ok(await bench.offset(url) >= 0, "HEAD finds it");
    client.abort();
    assert.equal((await patch).status, 400);
    assert.equal(await bench.offset(url), 5);
    // From its end on the time runs.
    await letUploadsExpire(bench);
    assert.equal(await bench.offset(url), -1);
  }));

test("An upload whose hook takes long does not expire", async () => {
  const gate = Promise.withResolvers<void>();
  const bench = new UploadBench({ expireMs: EXPIRE_MS, onProgress: () => gate.promise });
  try {
    const url = await bench.create(10);
    const patch = bench.patch(url, 0, "hello");
    await letUploadsExpire(bench);
    assert.ok(await bench.offset(url) >= 0);
    gate.resolve();
    assert.equal((await patch).status, 204);
  } finally {
    bench.close();
  }
});

test("The parts of a concatenation do not expire while it copies", async () => {
  const gate = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  let isSlow = false;
  const fs: StoreFs = {
    ...nodeStoreFs,
    open: async (path, flags) => {
      const file = await nodeStoreFs.open(path, flags);
      if (!isSlow || flags !== "wx" || !path.includes("concat")) return file;
      const write = file.write.bind(file);
      file.write = async (chunks, position) => {
        reached.resolve();
        await gate.promise;
        await write(chunks, position);
      };
      return file;
    },
  };
  await withBench(async (bench) => {
    const parts: string[] = [];
    for (const text of ["hello", "world"]) {
      const url = await bench.create(5, { "upload-concat": "partial" });
      await bench.patch(url, 0, text);
      parts.push(url);
    }
    isSlow = true;
    const final = bench.tus("POST", "/files/", { "upload-concat": `final;${parts.join(" ")}` });
    await reached.promise;
    await letUploadsExpire(bench);
    assert.equal(await bench.app.sweep() >= 1, true, "others went");
    gate.resolve();
    const response = await final;
    assert.equal(response.status, 201);
    assert.equal(bench.text(response.headers.get("location") ?? ""), "helloworld");
  }, fs);
});
