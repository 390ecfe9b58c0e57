/**
 * Uploads that a request has in hand do not expire meanwhile, however silent its client is.
 * Runs on: any; runtime API: none
 *
 * The clock that expiry goes by is the test's own: it moves on once an upload was renewed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeStoreFs, type StoreFs } from "../../src/upload/store_fs.ts";
import type { TusOptions } from "../../src/upload/tus_options.ts";
import { idOf, UploadBench } from "../support/upload_bench.ts";
import { until } from "../support/until.ts";

const EXPIRE_MS = 200;

class Clock {
  nowMs = Date.UTC(2026, 0, 1);
  readonly now = (): number => this.nowMs;
}

async function withBench(
  run: (bench: UploadBench, clock: Clock) => Promise<void>,
  options: Partial<TusOptions> = {},
  fs: StoreFs = nodeStoreFs,
): Promise<void> {
  const clock = new Clock();
  const { now } = clock;
  const bench = new UploadBench({ expireMs: EXPIRE_MS, now, ...options }, { now, fs });
  try {
    await run(bench, clock);
    assert.deepEqual(bench.errors, []);
  } finally {
    bench.close();
  }
}

/** Lets more than the time pass in which uploads expire; each of these must be renewed again and again. */
async function letTimePass(bench: UploadBench, clock: Clock, urls: readonly string[]): Promise<void> {
  const other = await bench.create(5);
  for (let step = 0; step < 5; step++) {
    clock.nowMs += EXPIRE_MS / 2;
    for (const url of urls) {
      await until(`${url} is renewed`, async () => {
        return (await bench.store.read(idOf(url)))?.touchedMs === clock.nowMs;
      });
    }
  }
  // A list is no request for an upload: it renews nothing.
  const ids = (await Array.fromAsync(bench.app.uploads())).map(({ id }) => id);
  assert.equal(ids.includes(idOf(other)), false, "what nobody has in hand has expired");
  for (const url of urls) assert.equal(ids.includes(idOf(url)), true);
}

test("An upload whose client is silent amid a PATCH does not expire", () =>
  withBench(async (bench, clock) => {
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
    await letTimePass(bench, clock, [url]);
    assert.ok(await bench.offset(url) >= 0, "HEAD finds it");
    client.abort();
    assert.equal((await patch).status, 400);
    assert.equal(await bench.offset(url), 5);
    // From its end on the time runs.
    clock.nowMs += EXPIRE_MS + 1;
    assert.equal(await bench.offset(url), -1);
  }));

test("An upload whose hook takes long does not expire", async () => {
  const gate = Promise.withResolvers<void>();
  await withBench(async (bench, clock) => {
    const url = await bench.create(10);
    const patch = bench.patch(url, 0, "hello");
    await letTimePass(bench, clock, [url]);
    gate.resolve();
    assert.equal((await patch).status, 204);
  }, { onProgress: () => gate.promise });
});

test("The parts of a concatenation do not expire while it copies", async () => {
  const gate = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  const fs: StoreFs = {
    ...nodeStoreFs,
    open: async (path, flags) => {
      const file = await nodeStoreFs.open(path, flags);
      if (flags !== "wx" || !path.includes("concat")) return file;
      const write = file.write.bind(file);
      file.write = async (chunks, position) => {
        reached.resolve();
        await gate.promise;
        await write(chunks, position);
      };
      return file;
    },
  };
  await withBench(
    async (bench, clock) => {
      const parts: string[] = [];
      for (const text of ["hello", "world"]) {
        const url = await bench.create(5, { "upload-concat": "partial" });
        await bench.patch(url, 0, text);
        parts.push(url);
      }
      const final = bench.tus("POST", "/files/", { "upload-concat": `final;${parts.join(" ")}` });
      await reached.promise;
      await letTimePass(bench, clock, parts);
      assert.equal(await bench.app.sweep(), 1, "another went");
      gate.resolve();
      const response = await final;
      assert.equal(response.status, 201);
      assert.equal(bench.text(response.headers.get("location") ?? ""), "helloworld");
    },
    {},
    fs,
  );
});
