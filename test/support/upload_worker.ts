/**
 * A worker thread with a tus app of its own over a shared folder; does what its parent says.
 * Runs on: worker; runtime API: none
 *
 * Commands:
 * - race: appends runs of this worker's own byte until the upload is full; answers with the runs that were
 *   acknowledged
 * - stall: sends a PATCH whose client falls silent after its bytes; says "stalled" once they were read
 * - hang: the same, but then blocks this thread for `ms` and sends `late` when it wakes; answers with the
 *   status
 */
import { statSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { FileStore } from "../../src/upload/file_store.ts";
import { tus } from "../../src/upload/tus.ts";
import { bytesOf, requestOf } from "./upload_bench.ts";

interface Command {
  readonly kind: "race" | "stall" | "hang";
  readonly url: string;
  readonly path: string;
  readonly offset: number;
  readonly length: number;
  readonly bytes: string;
  readonly late: string;
  readonly ms: number;
  readonly mark: number;
}

const app = tus({ store: new FileStore(workerData as string), sweepIntervalMs: 0 });
const type = { "tus-resumable": "1.0.0", "content-type": "application/offset+octet-stream" };

async function race({ url, length, mark }: Command): Promise<void> {
  const runs: [number, number][] = [];
  const codes: Record<number, number> = {};
  let seed = mark;
  for (;;) {
    const head = await app.fetch(requestOf("HEAD", url, type, {}));
    const offset = Number(head.headers.get("upload-offset"));
    if (offset >= length) break;
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const size = Math.min(1 + seed % 5000, length - offset);
    const half = new Uint8Array(size >> 1).fill(mark);
    const chunks = [half, new Uint8Array(size - half.length).fill(mark)];
    const fields = { ...type, "upload-offset": String(offset) };
    const response = await app.fetch(requestOf("PATCH", url, fields, { chunks }));
    codes[response.status] = (codes[response.status] ?? 0) + 1;
    if (response.status === 204) runs.push([offset, Number(response.headers.get("upload-offset"))]);
  }
  parentPort?.postMessage({ runs, codes });
}

async function stall({ url, offset, bytes, length }: Command): Promise<void> {
  const content = {
    chunks: [bytesOf(bytes)],
    silent: true,
    announced: length,
    onRead: () => parentPort?.postMessage("stalled"),
  };
  const response = await app.fetch(
    requestOf("PATCH", url, { ...type, "upload-offset": String(offset) }, content),
  );
  parentPort?.postMessage({ status: response.status });
}

async function hang({ url, path, offset, bytes, late, ms }: Command): Promise<void> {
  let reads = 0;
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      reads++;
      if (reads === 1) return controller.enqueue(bytesOf(bytes));
      if (reads > 2) return controller.close();
      // Once the first bytes are in the file, the thread does not turn any more, as in a handler that
      // computes.
      while (statSync(path).size < bytes.length) await new Promise((resolve) => setTimeout(resolve, 5));
      parentPort?.postMessage("hanging");
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
      controller.enqueue(bytesOf(late));
    },
  }, { highWaterMark: 0 });
  const request = requestOf("PATCH", url, { ...type, "upload-offset": String(offset) }, {});
  const response = await app.fetch({ ...request, body });
  parentPort?.postMessage({ status: response.status });
}

parentPort?.on("message", (command: Command) => {
  const run = { race, stall, hang }[command.kind];
  run(command).catch((error) => parentPort?.postMessage({ error: String(error) }));
});
parentPort?.postMessage("ready");
