/**
 * tus-js-client against tus() over real connections: interruptions, pause, parallel parts.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { test } from "node:test";
import { Upload, type UploadOptions } from "tus-js-client";
import { type Bridge, serveThroughNodeHttp } from "../support/node_http_bridge.ts";
import { idOf, patternBytes, UploadBench } from "../support/upload_bench.ts";

/** 64 MiB through a test server take seconds on a busy machine. */
const LONG = { timeout: 120_000 };
const MIB = 1024 * 1024;
const LARGE = Buffer.from(patternBytes(64 * MIB, 5));

/** The types of the package lack an option that its code has. */
type ClientOptions = UploadOptions & { readonly protocol?: "tus-v1" | "ietf-draft-03" | "ietf-draft-05" };

interface Server {
  readonly bench: UploadBench;
  readonly bridge: Bridge;
  readonly endpoint: string;
  /** How many requests came, by method. */
  readonly counts: Record<string, number>;
  /** Called with the bytes that came so far, over all requests. */
  onBytes: (total: number) => void;
}

async function withServer(run: (server: Server) => Promise<void>): Promise<void> {
  let total = 0;
  const counts: Record<string, number> = {};
  const bench = new UploadBench({ onProgress: () => {} });
  const bridge = await serveThroughNodeHttp((request) => {
    counts[request.method] = (counts[request.method] ?? 0) + 1;
    const counted = request.body?.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          controller.enqueue(chunk);
          server.onBytes(total += chunk.byteLength);
        },
      }),
    );
    return bench.app.fetch({ ...request, body: counted ?? null });
  });
  const server: Server = { bench, bridge, counts, endpoint: `${bridge.origin}/files/`, onBytes: () => {} };
  try {
    await run(server);
    assert.deepEqual(bench.errors, []);
  } finally {
    await bridge.close();
    bench.close();
  }
}

/** Runs an upload to its end; returns its URL. */
function upload(
  data: Buffer | Readable,
  options: ClientOptions,
  onStart: (upload: Upload) => void = () => {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const all: ClientOptions = {
      retryDelays: [0, 20, 50, 100, 200, 400, 800],
      ...options,
      onSuccess: () => resolve(running.url ?? ""),
      onError: reject,
    };
    const running = new Upload(data, all);
    onStart(running);
    running.start();
  });
}

function isSame(server: Server, url: string, expected: Uint8Array): void {
  const bytes = server.bench.bytes(url);
  assert.equal(bytes?.length, expected.length);
  assert.equal(Buffer.compare(bytes ?? new Uint8Array(), expected), 0);
}

test("tus-js-client sends 64 MiB in one request", LONG, () =>
  withServer(async (server) => {
    const { endpoint, bench } = server;
    const metadata = { filename: "größe.bin", filetype: "application/octet-stream" };
    const url = await upload(LARGE, { endpoint, metadata });
    isSame(server, url, LARGE);
    assert.equal(server.counts["PATCH"], 1);
    const head = await bench.tus("HEAD", `/files/${idOf(url)}`);
    assert.equal(
      head.headers.get("upload-metadata"),
      "filename Z3LDtsOfZS5iaW4=,filetype YXBwbGljYXRpb24vb2N0ZXQtc3RyZWFt",
    );
  }));

test("tus-js-client resumes 64 MiB over five cut connections", LONG, () =>
  withServer(async (server) => {
    const { endpoint, bridge } = server;
    let cuts = 0;
    server.onBytes = (total) => {
      if (cuts < 5 && total > (cuts + 1) * 9 * MIB) {
        cuts++;
        bridge.cut();
      }
    };
    const url = await upload(LARGE, { endpoint });
    isSame(server, url, LARGE);
    assert.equal(cuts, 5);
    assert.ok((server.counts["HEAD"] ?? 0) >= 5, "it asked where to go on");
  }));

test("tus-js-client pauses and resumes", LONG, () =>
  withServer(async (server) => {
    const { endpoint } = server;
    const running: Upload[] = [];
    let paused = false;
    server.onBytes = (total) => {
      if (paused || total < 20 * MIB) return;
      paused = true;
      const [first] = running;
      void first?.abort().then(() => first.start());
    };
    const url = await upload(LARGE, { endpoint }, (started) => running.push(started));
    assert.equal(paused, true);
    isSame(server, url, LARGE);
  }));

test(
  "tus-js-client resumes in a new client by the URL alone, after a restart of the server",
  LONG,
  () =>
    withServer(async (server) => {
      const { endpoint, bench } = server;
      const halfway = Promise.withResolvers<Upload>();
      const running: Upload[] = [];
      server.onBytes = (total) => {
        if (total > 10 * MIB && running[0] !== undefined) halfway.resolve(running[0]);
      };
      void upload(LARGE, { endpoint }, (started) => running.push(started)).catch(() => {});
      const first = await halfway.promise;
      await first.abort();
      const again = bench.restarted();
      const bridge = await serveThroughNodeHttp(again.app.fetch);
      const uploadUrl = `${bridge.origin}/files/${idOf(first.url ?? "")}`;
      const url = await upload(LARGE, { endpoint: `${bridge.origin}/files/`, uploadUrl });
      assert.equal(idOf(url), idOf(first.url ?? ""));
      isSame(server, url, LARGE);
      await bridge.close();
      again.app.close();
    }),
);

const DATA = LARGE.subarray(0, 5 * MIB + 321);

for (
  const [name, options] of [
    ["in pieces", { chunkSize: MIB }],
    ["in four parallel parts", { parallelUploads: 4 }],
    ["in parallel parts of pieces", { parallelUploads: 3, chunkSize: 500_000 }],
    ["with the first piece in the creation", { uploadDataDuringCreation: true, chunkSize: 2 * MIB }],
    ["whole in the creation", { uploadDataDuringCreation: true }],
    ["with POST in place of PATCH", { overridePatchMethod: true, chunkSize: MIB }],
    ["by draft -03 of the IETF protocol", { protocol: "ietf-draft-03" }],
    ["by draft -05 of the IETF protocol, in pieces", { protocol: "ietf-draft-05", chunkSize: MIB }],
    ["by draft -05 in the creation", { protocol: "ietf-draft-05", uploadDataDuringCreation: true }],
  ] satisfies [string, ClientOptions][]
) {
  test(`tus-js-client sends 5 MiB ${name}`, LONG, () =>
    withServer(async (server) => {
      const url = await upload(DATA, { endpoint: server.endpoint, ...options });
      isSame(server, url, DATA);
    }));
}

test("tus-js-client sends a stream whose length it does not know", LONG, () =>
  withServer(async (server) => {
    const { endpoint } = server;
    const pieces = Array.from({ length: 11 }, (_, index) =>
      DATA.subarray(index * 100_000, (index + 1) * 100_000));
    const url = await upload(Readable.from(pieces), {
      endpoint,
      uploadLengthDeferred: true,
      chunkSize: 300_000,
    });
    isSame(server, url, DATA.subarray(0, 1_100_000));
  }));

test("tus-js-client sends nothing, in each protocol", LONG, () =>
  withServer(async (server) => {
    for (const protocol of ["tus-v1", "ietf-draft-03", "ietf-draft-05"] as const) {
      const url = await upload(Buffer.alloc(0), { endpoint: server.endpoint, protocol });
      isSame(server, url, new Uint8Array());
    }
  }));

test("tus-js-client resumes by draft -05 over a cut connection", LONG, () =>
  withServer(async (server) => {
    let cut = false;
    server.onBytes = (total) => {
      if (cut || total < 2 * MIB) return;
      cut = true;
      server.bridge.cut();
    };
    const url = await upload(DATA, { endpoint: server.endpoint, protocol: "ietf-draft-05" });
    assert.equal(cut, true);
    isSame(server, url, DATA);
  }));

test("tus-js-client removes what it gives up", LONG, () =>
  withServer(async (server) => {
    const { endpoint, bench } = server;
    const halfway = Promise.withResolvers<void>();
    const running: Upload[] = [];
    server.onBytes = (total) => {
      if (total > 10 * MIB) halfway.resolve();
    };
    void upload(LARGE, { endpoint }, (started) => running.push(started)).catch(() => {});
    await halfway.promise;
    await running[0]?.abort(true);
    assert.deepEqual(bench.names(), []);
  }));

test(
  "A checksum in the trailer section comes through a real connection",
  LONG,
  () =>
    withServer(async ({ bench, bridge }) => {
      const url = await bench.create(11);
      const patch = (trailer: string) =>
        new Promise<string>((resolve) => {
          const socket = connect(bridge.port, "127.0.0.1");
          let answer = "";
          socket.on("data", (data) => {
            answer += data;
            if (answer.includes("\r\n\r\n")) socket.destroy();
          });
          socket.on("close", () => resolve(answer.slice(0, 12)));
          socket.write(
            `PATCH ${url} HTTP/1.1\r\nHost: h\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n` +
              "Content-Type: application/offset+octet-stream\r\nTransfer-Encoding: chunked\r\n" +
              "Trailer: Upload-Checksum\r\n\r\n5\r\nhello\r\n6\r\n world\r\n" +
              `0\r\nUpload-Checksum: ${trailer}\r\n\r\n`,
          );
        });
      assert.equal(await patch("sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA="), "HTTP/1.1 460");
      assert.equal(await bench.offset(url), 0);
      assert.equal(await patch("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="), "HTTP/1.1 204");
      assert.equal(bench.text(url), "hello world");
    }),
);
