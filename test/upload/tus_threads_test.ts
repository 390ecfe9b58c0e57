/**
 * One upload and several threads: writers that compete, a holder that is terminated, one that hangs.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { UploadBench } from "../support/upload_bench.ts";

/** Threads start, and leases go stale, in seconds. */
const LONG = { timeout: 60_000 };
const WORKER = new URL("../support/upload_worker.ts", import.meta.url);

class UploadWorker {
  readonly #worker: Worker;
  readonly #messages: unknown[] = [];
  #wake: () => void = () => {};

  constructor(folder: string) {
    this.#worker = new Worker(WORKER, { workerData: folder });
    this.#worker.on("message", (message) => {
      this.#messages.push(message);
      this.#wake();
    });
  }

  send(command: object): void {
    this.#worker.postMessage(command);
  }

  // deno-lint-ignore no-explicit-any
  async next(): Promise<any> {
    while (this.#messages.length === 0) await new Promise<void>((resolve) => this.#wake = resolve);
    return this.#messages.shift();
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}

async function withWorkers(
  count: number,
  run: (bench: UploadBench, workers: UploadWorker[]) => Promise<void>,
): Promise<void> {
  const bench = new UploadBench();
  const workers = Array.from({ length: count }, () => new UploadWorker(bench.folder));
  try {
    for (const worker of workers) assert.equal(await worker.next(), "ready");
    await run(bench, workers);
    assert.deepEqual(bench.errors, []);
  } finally {
    for (const worker of workers) await worker.terminate();
    bench.close();
  }
}

test(
  "Two threads that write to one upload never mix their bytes",
  LONG,
  () =>
    withWorkers(2, async (bench, workers) => {
      const length = 200_000;
      const url = await bench.create(length);
      workers.forEach((worker, index) => worker.send({ kind: "race", url, length, mark: index + 1 }));
      const covered = new Uint8Array(length);
      for (const [index, worker] of workers.entries()) {
        const { runs, codes, error } = await worker.next();
        assert.equal(error, undefined);
        for (const code of Object.keys(codes)) assert.ok(["204", "409", "413", "423"].includes(code), code);
        for (const [from, to] of runs) {
          assert.ok(
            covered.subarray(from, to).every((mark) => mark === 0),
            `${from} to ${to} were acknowledged twice`,
          );
          covered.fill(index + 1, from, to);
        }
      }
      const bytes = bench.bytes(url) ?? new Uint8Array();
      assert.equal(bytes.length, length);
      // What nobody was told of came with a request that was taken over; what was told is as it was sent.
      let told = 0;
      for (let at = 0; at < length; at++) {
        if (covered[at] === 0) continue;
        told++;
        if (bytes[at] !== covered[at]) {
          assert.fail(`byte ${at} is ${bytes[at]}, acknowledged was ${covered[at]}`);
        }
      }
      assert.ok(told > 0);
      assert.deepEqual(new Set(covered.filter((mark) => mark > 0)).size > 0, true);
      assert.equal(await bench.offset(url), length);
    }),
);

test("A thread takes over from another whose client is silent, within a second", () =>
  withWorkers(1, async (bench, [worker]) => {
    const url = await bench.create(10);
    worker?.send({ kind: "stall", url, offset: 0, bytes: "hello", length: 10 });
    assert.equal(await worker?.next(), "stalled");
    const start = performance.now();
    assert.equal((await bench.patch(url, 5, "world")).status, 204);
    assert.ok(performance.now() - start < 1400, `${performance.now() - start} ms`);
    assert.equal((await worker?.next()).status, 423);
    assert.equal(bench.text(url), "helloworld");
  }));

test(
  "A lock dies with its thread: the upload goes on within two seconds, at what was stored",
  LONG,
  () =>
    withWorkers(1, async (bench, [worker]) => {
      const url = await bench.create(10);
      worker?.send({ kind: "stall", url, offset: 0, bytes: "hello", length: 10 });
      assert.equal(await worker?.next(), "stalled");
      // What was read is written at once; what comes is on the disk before the thread goes.
      while (bench.bytes(url)?.length !== 5) await new Promise((resolve) => setTimeout(resolve, 5));
      await worker?.terminate();
      const start = performance.now();
      assert.equal((await bench.patch(url, 5, "world")).status, 204);
      assert.ok(performance.now() - start < 3500, `${performance.now() - start} ms`);
      assert.equal(bench.text(url), "helloworld");
    }),
);

test(
  "A thread that hangs loses the upload, and writes nothing when it wakes",
  LONG,
  () =>
    withWorkers(1, async (bench, [worker]) => {
      const url = await bench.create(20);
      worker?.send({
        kind: "hang",
        url,
        path: bench.path(url),
        offset: 0,
        bytes: "hello",
        late: "XXXXXXXX",
        ms: 3500,
      });
      assert.equal(await worker?.next(), "hanging");
      assert.equal((await bench.patch(url, 5, " world")).status, 204);
      assert.equal((await worker?.next()).status, 423);
      assert.equal(bench.text(url), "hello world");
      assert.equal((await bench.patch(url, 11, " and more")).status, 204);
      assert.equal(bench.text(url), "hello world and more");
    }),
);
