/**
 * tus-js-client against the example, in a process of its own: interruptions, pause, parallel parts, restart.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { Upload, type UploadOptions } from "tus-js-client";
import { type CuttingProxy, withProxy } from "../support/cutting_proxy.ts";
import type { ChildApp } from "../support/start_app.ts";
import { listening, spawnExample, withExample } from "../support/start_example.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";
import { idOf, patternBytes } from "../support/upload_bench.ts";
import { createUpload, headUpload, offsetOf, patchHead, storedBytes } from "../support/upload_client.ts";

/** 64 MiB through a test server take seconds on a busy machine. */
const LONG = { timeout: 120_000 };
const MIB = 1024 * 1024;
const LARGE = Buffer.from(patternBytes(64 * MIB, 5));

/** The types of the package lack an option that its code has. */
type ClientOptions = UploadOptions & { readonly protocol?: "tus-v1" | "ietf-draft-03" | "ietf-draft-05" };

interface Server {
  readonly app: ChildApp;
  /** The folder of the uploads. */
  readonly folder: string;
  /** What the client talks to. */
  readonly proxy: CuttingProxy;
  readonly endpoint: string;
}

async function withServer(run: (server: Server) => Promise<void>): Promise<void> {
  await withTemporaryFolder(async (folder) => {
    await withExample("uploads", { UPLOAD_DIR: folder }, async (app) => {
      await withProxy(app.port, async (proxy) => {
        await run({ app, folder, proxy, endpoint: `${proxy.origin}/files/` });
        assert.equal(app.stderr, "");
      });
    });
  });
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

/** Options that count the requests by method. */
function counting(counts: Record<string, number>): ClientOptions {
  return {
    onBeforeRequest: (request) => {
      counts[request.getMethod()] = (counts[request.getMethod()] ?? 0) + 1;
    },
  };
}

function isSame({ folder }: Server, url: string, expected: Uint8Array): void {
  const bytes = storedBytes(folder, url);
  assert.equal(bytes.length, expected.length);
  assert.equal(Buffer.compare(bytes, expected), 0);
}

test("tus-js-client sends 64 MiB in one request", LONG, () =>
  withServer(async (server) => {
    const { app, endpoint } = server;
    const counts: Record<string, number> = {};
    const metadata = { filename: "größe.bin", filetype: "application/octet-stream" };
    const url = await upload(LARGE, { endpoint, metadata, ...counting(counts) });
    isSame(server, url, LARGE);
    assert.deepEqual(counts, { POST: 1, PATCH: 1 });
    const head = await headUpload(app, `/files/${idOf(url)}`);
    assert.equal(
      head.header("upload-metadata"),
      "filename Z3LDtsOfZS5iaW4=,filetype YXBwbGljYXRpb24vb2N0ZXQtc3RyZWFt",
    );
  }));

test("tus-js-client resumes 64 MiB over five cut connections", LONG, () =>
  withServer(async (server) => {
    const { endpoint, proxy } = server;
    const counts: Record<string, number> = {};
    let cuts = 0;
    proxy.onSent = (total) => {
      if (cuts < 5 && total > (cuts + 1) * 9 * MIB) {
        cuts++;
        proxy.cut();
      }
    };
    const url = await upload(LARGE, { endpoint, ...counting(counts) });
    isSame(server, url, LARGE);
    assert.equal(cuts, 5);
    assert.ok((counts["HEAD"] ?? 0) >= 5, "it asked where to go on");
    // What was sent twice is what a cut lost on its way, not all that came before it.
    assert.ok(proxy.sent < 128 * MIB, `${proxy.sent} octets were sent`);
  }));

test(
  "tus-js-client resumes four parallel parts of 64 MiB over three cut connections",
  LONG,
  () =>
    withServer(async (server) => {
      const { endpoint, proxy } = server;
      let cuts = 0;
      proxy.onSent = (total) => {
        if (cuts < 3 && total > (cuts + 1) * 15 * MIB) {
          cuts++;
          proxy.cut();
        }
      };
      const url = await upload(LARGE, { endpoint, parallelUploads: 4 });
      isSame(server, url, LARGE);
      assert.equal(cuts, 3);
    }),
);

test("tus-js-client pauses and resumes", LONG, () =>
  withServer(async (server) => {
    const { endpoint, proxy } = server;
    const running: Upload[] = [];
    let paused = false;
    proxy.onSent = (total) => {
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
  "tus-js-client goes on when the server is killed amid 64 MiB and started again",
  LONG,
  () =>
    withServer(async (server) => {
      const { endpoint, proxy, folder } = server;
      // One of its own, which this test may kill.
      const victim = spawnExample("uploads", { UPLOAD_DIR: folder });
      let heir: ChildApp | null = null;
      try {
        await listening(victim);
        proxy.target = victim.port;
        const halfway = Promise.withResolvers<void>();
        proxy.onSent = (total) => {
          if (total > 20 * MIB) halfway.resolve();
        };
        const url = upload(LARGE, { endpoint, retryDelays: Array<number>(100).fill(100) });
        await halfway.promise;
        await victim.kill();
        proxy.cut();
        heir = spawnExample("uploads", { UPLOAD_DIR: folder });
        await listening(heir);
        proxy.target = heir.port;
        isSame(server, await url, LARGE);
        assert.ok(proxy.sent < 128 * MIB, `${proxy.sent} octets were sent`);
      } finally {
        await victim.kill();
        await heir?.kill();
      }
    }),
);

test("tus-js-client resumes in a new client by the URL alone", LONG, () =>
  withServer(async (server) => {
    const { endpoint, proxy } = server;
    const halfway = Promise.withResolvers<Upload>();
    const running: Upload[] = [];
    proxy.onSent = (total) => {
      if (total > 10 * MIB && running[0] !== undefined) halfway.resolve(running[0]);
    };
    void upload(LARGE, { endpoint }, (started) => running.push(started)).catch(() => {});
    const first = await halfway.promise;
    await first.abort();
    const uploadUrl = first.url ?? "";
    const url = await upload(LARGE, { endpoint, uploadUrl });
    assert.equal(url, uploadUrl);
    isSame(server, url, LARGE);
  }));

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
    const { endpoint, proxy } = server;
    let cut = false;
    proxy.onSent = (total) => {
      if (cut || total < 2 * MIB) return;
      cut = true;
      proxy.cut();
    };
    const url = await upload(DATA, { endpoint, protocol: "ietf-draft-05" });
    assert.equal(cut, true);
    isSame(server, url, DATA);
  }));

test("tus-js-client removes what it gives up", LONG, () =>
  withServer(async (server) => {
    const { endpoint, folder, proxy } = server;
    const halfway = Promise.withResolvers<void>();
    const running: Upload[] = [];
    proxy.onSent = (total) => {
      if (total > 10 * MIB) halfway.resolve();
    };
    void upload(LARGE, { endpoint }, (started) => running.push(started)).catch(() => {});
    await halfway.promise;
    await running[0]?.abort(true);
    const names = [...readdirSync(folder), ...readdirSync(join(folder, ".cartouche"))];
    assert.deepEqual(names.filter((name) => /^[0-9a-f]{32}/.test(name)), []);
  }));

test(
  "A checksum in the trailer section comes through a real connection",
  LONG,
  () =>
    withServer(async ({ app, folder }) => {
      const url = await createUpload(app, 11);
      const patch = async (trailer: string): Promise<number> => {
        const fields = { "Transfer-Encoding": "chunked", Trailer: "Upload-Checksum" };
        const head = patchHead(url, 0, 0, fields).replace("Content-Length: 0\r\n", "");
        const body = `5\r\nhello\r\n6\r\n world\r\n0\r\nUpload-Checksum: ${trailer}\r\n\r\n`;
        return (await app.exchange(head + body)).status;
      };
      assert.equal(await patch("sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA="), 460);
      assert.equal(await offsetOf(app, url), 0);
      assert.equal(await patch("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="), 204);
      assert.equal(Buffer.from(storedBytes(folder, url)).toString(), "hello world");
    }),
);
