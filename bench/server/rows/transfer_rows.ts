/** The rows of large transfers: one upload, one download, and what light requests and memory feel of it. */
import { startClient } from "../harness/load_client.ts";
import { peakResidentMb, resetPeakResident } from "../harness/proc.ts";
import { type Metric, P50, type Row, type Settings, twoThirds, Watch } from "../harness/row.ts";
import { cartouche, type Contestant, nodeTus, ownServer } from "../harness/servers.ts";
import { plainRequest, probe } from "../harness/wrk.ts";
import type { TransferClient, TransferResult } from "../load/transfer_client.ts";
import {
  clearUploads,
  DOWNLOAD_BYTES,
  patternBlock,
  prepareTransfers,
  UPLOAD_BYTES,
  UPLOADS,
} from "../transfer.ts";

const RUNTIMES = ["node", "bun", "deno"] as const;
const PATIENCE_MS = 60_000;
const WARM_UPS = 500;

const SPEED: Metric = { key: "mbPerS", title: "MB/s", digits: 0, better: "more" };
const GROWTH: Metric = { key: "growthMb", title: "peak growth MB", digits: 0, better: "less" };
const LIGHT_P50: Metric = { ...P50, key: "lightP50Ms", title: "light p50 ms" };
const LIGHT_P95: Metric = { ...P50, key: "lightP95Ms", title: "light 95 % ms" };

/** 96 MiB. */
const MAX_GROWTH_MB = 100;
const MAX_LIGHT_MS = 100;

interface TransferRow extends Pick<Row, "id" | "title" | "method" | "contestants"> {
  load(contestant: Contestant): Omit<TransferClient, "port">;
}

function transferRow(row: TransferRow): Row {
  return {
    ...row,
    needsWrk: false,
    metrics: [SPEED, GROWTH, LIGHT_P50, LIGHT_P95],
    goals: RUNTIMES.flatMap((runtime) => [
      { of: cartouche(runtime, 2).id, metric: GROWTH.key, bound: MAX_GROWTH_MB },
      { of: cartouche(runtime, 2).id, metric: LIGHT_P95.key, bound: MAX_LIGHT_MS },
    ]),
    repeats: twoThirds,
    estimate: () => 2.5,
    async measure(server) {
      const load = row.load(server.contestant);
      prepareTransfers();
      await probe(server.port, plainRequest("/light").repeat(WARM_UPS), WARM_UPS);
      const client = startClient("transfer_client.ts", { port: server.port, ...load });
      try {
        await client.line(/^READY$/, PATIENCE_MS);
        const before = server.residentMb();
        resetPeakResident(server.pid);
        const watch = new Watch(server);
        await client.write("go");
        const { ms, lightP50Ms, lightP95Ms, cpuMs } = await client.result<TransferResult>(PATIENCE_MS);
        const usage = watch.end(cpuMs);
        const growthMb = Math.max(0, peakResidentMb(server.pid) - before);
        if (load.kind === "upload") await checkUpload();
        return { values: { mbPerS: load.bytes / 1e3 / ms, growthMb, lightP50Ms, lightP95Ms }, usage };
      } finally {
        await client.stop();
        clearUploads();
      }
    },
  };
}

/** The one large file among the uploads must be what was sent. @throws Error when it is not */
async function checkUpload(): Promise<void> {
  const block = patternBlock();
  const sizes: number[] = [];
  for (const { name, isFile } of Deno.readDirSync(UPLOADS)) {
    const path = `${UPLOADS}/${name}`;
    if (!isFile || Deno.statSync(path).size !== UPLOAD_BYTES) continue;
    sizes.push(UPLOAD_BYTES);
    using file = await Deno.open(path);
    const octets = new Uint8Array(block.length);
    for (let at = 0; at < UPLOAD_BYTES;) {
      const start = at % block.length;
      const count = await file.read(octets.subarray(0, block.length - start)) ?? 0;
      if (count === 0 || block.compare(octets, 0, count, start, start + count) !== 0) {
        throw new Error(`${name} is not what was sent, near octet ${at}`);
      }
      at += count;
    }
  }
  if (sizes.length !== 1) throw new Error(`${sizes.length} whole uploads instead of one`);
}

const megabytes = (bytes: number): string => `${bytes / 2 ** 20} MiB`;
const BESIDE =
  "Beside it one connection asks for /light every 5 ms. Peak growth is that of the server's resident " +
  "memory over what it was, warm, before the transfer.";

const upload = transferRow({
  id: "upload",
  title: `Upload of ${megabytes(UPLOAD_BYTES)} into a file`,
  method:
    "One POST on one connection; the file is compared afterwards. Cartouche (tus, creation with upload) answers " +
    `after fdatasync; @tus/server and node:http, which pipes the request into a file, do not sync. ${BESIDE}`,
  contestants: ({ runtimes }: Settings) => [
    ...runtimes.map((runtime) => cartouche(runtime, 2)),
    ...(runtimes.includes("node") ? [nodeTus(), ownServer("node")] : []),
  ],
  load: ({ script }) => {
    const isTus = script !== ownServer("node").script;
    return {
      kind: "upload",
      bytes: UPLOAD_BYTES,
      target: isTus ? "/files/" : "/upload",
      status: isTus ? 201 : 204,
      fields: isTus
        ? "Tus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\n" +
          `Upload-Length: ${UPLOAD_BYTES}\r\n`
        : "",
    };
  },
});

const download = transferRow({
  id: "download",
  title: `Download of ${megabytes(DOWNLOAD_BYTES)} from a file`,
  method:
    `One GET on one connection; the client compares every octet. node:http pipes a file stream. ${BESIDE}`,
  contestants: ({ runtimes }: Settings) =>
    runtimes.flatMap((runtime) => [cartouche(runtime, 2), ownServer(runtime)]),
  load: () => ({ kind: "download", bytes: DOWNLOAD_BYTES, target: "/download", status: 200, fields: "" }),
});

export const TRANSFER_ROWS: readonly Row[] = [upload, download];
