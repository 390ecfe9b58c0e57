/**
 * Tests of long and streamed responses: slow readers, failures midway, lengths that do not match, clients that leave.
 * Runs on: any; runtime API: none
 */
// test-limit: 240 s
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { withGates } from "../support/gate.ts";
import { get } from "../support/raw_client.ts";
import { SharedApp, withApp, withChild } from "../support/start_app.ts";
import { until } from "../support/until.ts";

const shared = new SharedApp("app.ts");
const MEBIBYTE = 1024 * 1024;
const PIECE = 48 * 1024 + 1;

/** Whether these are `largeBytes` of the fixture. */
function isLarge(bytes: Uint8Array): boolean {
  let expected = 0;
  for (const octet of bytes) {
    if (octet !== expected) return false;
    expected = expected === 250 ? 0 : expected + 1;
  }
  return true;
}

/** Whether these are `count` pieces of the fixture, in order. */
function arePieces(bytes: Uint8Array, count: number): boolean {
  if (bytes.length !== count * PIECE) return false;
  const piece = new Uint8Array(PIECE);
  for (let i = 0; i < count; i++) {
    piece.fill(i + 1);
    if (Buffer.compare(piece, bytes.subarray(i * PIECE, (i + 1) * PIECE)) !== 0) return false;
  }
  return true;
}

for (const as of ["string", "bytes"]) {
  test(`A response of 100 MiB as ${as} reaches a client that reads, whole`, async () => {
    await shared.run(async (app) => {
      const client = await app.connect();
      const response = await client.send(get(`/large?mib=100&as=${as}`) + get("/light")).response();
      assert.equal(response.header("content-length"), String(100 * MEBIBYTE));
      assert.equal(response.bodyLength, 100 * MEBIBYTE);
      if (as === "bytes") assert.ok(isLarge(response.body));
      else assert.equal(response.text, "0123456789abcdef".repeat(100 * MEBIBYTE / 16));
      assert.equal((await client.response(1)).text, "light");
    });
  });
}

for (const path of ["/pieces", "/pieces/writer", "/pieces/sync"]) {
  test(`A stream of ${path} arrives piece by piece, and the connection stays in step`, async () => {
    await shared.run(async (app) => {
      const client = await app.connect();
      client.send(get(`${path}?count=0`) + get(`${path}?count=1`) + get(`${path}?count=200`) + get("/light"));
      const [none, one, many, light] = await client.receive(4);
      assert.equal(none?.bodyLength, 0);
      assert.equal(many?.framing, "chunked");
      assert.ok(arePieces(one?.body ?? new Uint8Array(), 1));
      assert.ok(arePieces(many?.body ?? new Uint8Array(), 200));
      assert.equal(light?.text, "light");
    });
  });

  test(`A stream of ${path} waits for a slow client without filling the server's memory`, async () => {
    await withChild("app.ts", { options: { deadlineMs: 0 } }, async (app) => {
      const count = 2000;
      const warm = await app.connect();
      await warm.send(get(`${path}?count=${count}`)).response();
      warm.destroy();
      const before = app.residentMb();
      const client = await app.connect({ paused: true });
      client.send(get(`${path}?count=${count}`));
      // Nothing moves for this client while fifty others are answered; its response is 94 MiB.
      for (let i = 0; i < 50; i++) assert.equal((await app.exchange(get("/light"))).text, "light");
      const grown = app.residentMb() - before;
      assert.ok(grown < 48, `memory grew by ${grown} MiB`);
      client.resume();
      assert.ok(arePieces((await client.response()).body, count));
    });
  });
}

for (const as of ["string", "bytes"]) {
  test(`Slow readers of 100 MiB as ${as} cost the server no copies of it`, async () => {
    await withChild("app.ts", { options: { workers: 1, deadlineMs: 0 } }, async (app) => {
      // The thread holds the value already.
      for (let i = 0; i < 4; i++) {
        const client = await app.connect();
        assert.equal(
          (await client.send(get(`/large?mib=100&as=${as}`)).response()).bodyLength,
          100 * MEBIBYTE,
        );
        client.destroy();
      }
      const before = app.residentMb();
      const clients = await Promise.all([0, 1, 2, 3].map(() => app.connect({ paused: true })));
      for (const client of clients) client.send(get(`/large?mib=100&as=${as}`));
      for (let i = 0; i < 50; i++) assert.equal((await app.exchange(get("/light"))).text, "light");
      const grown = app.residentMb() - before;
      assert.ok(grown < 64, `memory grew by ${grown} MiB`);
      for (const client of clients) client.reset();
    });
  });
}

test("Long text of every kind of character arrives as it was, whatever the pieces are", async () => {
  await shared.run(async (app) => {
    for (const kind of ["ascii", "latin", "three", "four", "mixed", "lone"]) {
      const client = await app.connect();
      const response = await client.send(get(`/long-text?kind=${kind}&length=400003`) + get("/light"))
        .response();
      assert.equal(response.header("content-length"), String(response.bodyLength));
      assert.equal(response.header("x-sum"), createHash("sha256").update(response.body).digest("hex"), kind);
      assert.ok(response.bodyLength > 400_000);
      assert.equal((await client.response(1)).text, "light");
    }
  });
});

test("Twenty slow readers on two threads do not keep a light request waiting", async () => {
  await withApp("app.ts", { workers: 2, deadlineMs: 0 }, async (app) => {
    const readers = await Promise.all(Array.from({ length: 20 }, () => app.connect({ paused: true })));
    const paths = [
      "/large?mib=16&as=bytes",
      "/large?mib=16&as=string",
      "/pieces?count=300",
      "/pieces/writer?count=300",
    ];
    readers.forEach((client, index) => client.send(get(paths[index % paths.length] ?? "")));
    await app.until("all were taken", ({ requests, waiting }) => requests === 20 && waiting === 0);
    const light = await app.connect();
    const times: number[] = [];
    for (let i = 0; i < 200; i++) {
      const since = performance.now();
      assert.equal((await light.send(get("/light")).response(i)).text, "light");
      times.push(performance.now() - since);
    }
    const median = times.sort((a, b) => a - b)[100] ?? Infinity;
    assert.ok(median < 100, `the median light request took ${median} ms`);
    assert.equal(readers.filter((client) => client.responses.length > 0).length, 0);
    for (const reader of readers) reader.resume();
    for (const [index, reader] of readers.entries()) {
      const { body } = await reader.response();
      assert.equal(body.length, index % 4 < 2 ? 16 * MEBIBYTE : 300 * PIECE);
      if (index % 4 === 0) assert.ok(isLarge(body));
      if (index % 4 > 1) assert.ok(arePieces(body, 300));
    }
  });
});

test("The slowness of a client does not count against its handler's deadline", async () => {
  await withApp("app.ts", { deadlineMs: 1000, workers: 1 }, async (app) => {
    for (const path of ["/large?mib=24&as=bytes", "/pieces?count=512"]) {
      // Making the value for the first time may take longer than that.
      const isMade = (): Promise<boolean> =>
        app.exchange(get(path)).then(({ status }) => status === 200, () => false);
      await until(`${path} is made in time`, isMade);
      const before = app.stats.deadlines;
      const client = await app.connect({ paused: true });
      client.send(get(path));
      // A request that does run into the deadline is the clock: two of them one behind the other.
      for (let i = 0; i < 2; i++) assert.equal((await app.exchange(get("/never"))).status, 503);
      client.resume();
      const response = await client.response();
      assert.ok(response.bodyLength >= 24 * MEBIBYTE, path);
      assert.equal(app.stats.deadlines - before, 2);
      client.destroy();
    }
  });
});

test("A thread that blocks on a client that takes nothing is free again at the deadline", async () => {
  await withApp("app.ts", { deadlineMs: 300, workers: 1 }, async (app) => {
    await withGates(async (gates) => {
      const client = await app.connect({ paused: true });
      client.send(get(`/endless/sync?${gates.query("a")}`));
      await gates.arrived("a");
      assert.equal(gates.note("a"), "ERR_DEADLINE true");
      assert.equal((await app.exchange(get("/light"))).text, "light");
      client.resume();
      assert.notEqual(await client.ending(), "clean");
      assert.equal(app.stats.workersDied, 0);
    });
  });
});

test("A client that never reads is cut off after writeTimeoutMs", async () => {
  await withApp("app.ts", { writeTimeoutMs: 400, deadlineMs: 0 }, async (app) => {
    for (const path of ["/large?mib=32&as=bytes", "/pieces?count=1000", "/pieces/sync?count=1000"]) {
      const client = await app.connect({ paused: true });
      const since = performance.now();
      client.send(get(path));
      await app.until("the request is known", ({ connections }) => connections === 1);
      await app.until("the connection is cut", ({ connections }) => connections === 0);
      assert.ok(performance.now() - since >= 380, `${path}: too early`);
      assert.equal((await app.exchange(get("/light"))).text, "light");
      await app.until("it is gone", ({ connections }) => connections === 0);
    }
    assert.equal(app.stats.workersDied, 0);
  });
});

test("A client that reads slowly but does read is not cut off by writeTimeoutMs", async () => {
  await withApp("app.ts", { writeTimeoutMs: 400, deadlineMs: 0 }, async (app) => {
    const client = await app.connect({ paused: true });
    client.send(get("/large?mib=24&as=bytes"));
    const since = performance.now();
    // About 3 MiB every 100 ms.
    while (client.responses.length === 0) {
      const before = client.received;
      client.resume();
      await client.until(
        "some octets come",
        () => client.received - before > 3 * MEBIBYTE || client.responses.length > 0,
      );
      client.pause();
      await app.exchange(get("/number?n=1&ms=100"));
    }
    assert.ok(performance.now() - since > 600, "the client was not slow enough to prove anything");
    assert.ok(isLarge((await client.response()).body));
  });
});

// ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────

for (
  const path of [
    "/fails-midway",
    "/fails-midway?length=1",
    "/fails-midway/writer",
    "/fails-midway/sync",
    "/fails-midway/nonsense",
    "/mismatch?length=100&content=50",
    "/mismatch?length=100&content=150",
  ]
) {
  test(`A response of ${path} that cannot be completed ends in a connection that is cut, and a log record`, async () => {
    await shared.run(async (app) => {
      const client = await app.connect();
      client.send(get("/light") + get(path) + get("/light"));
      assert.notEqual(await client.ending(), "clean", "the client takes the response for complete");
      assert.deepEqual(client.responses.map((response) => response.text), ["light"]);
      await app.until("it is logged", () => app.logs.length > 0);
      assert.equal(app.logs[0]?.level, "error");
      assert.equal((await app.exchange(get("/light"))).text, "light");
      assert.equal(app.stats.workersDied, 0);
    });
  });
}

test("A response that matches its Content-Length is sent with it", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    client.send(
      get("/mismatch?length=100&content=100") + get("/mismatch?length=0&content=0") + get("/light"),
    );
    const [hundred, none, light] = await client.receive(3);
    assert.equal(hundred?.header("content-length"), "100");
    assert.equal(hundred?.bodyLength, 100);
    assert.equal(none?.bodyLength, 0);
    assert.equal(light?.text, "light");
  });
});

test("A writer whose content does not match is told with ERR_RESULT", async () => {
  await shared.run(async (app) => {
    for (const content of [50, 150]) {
      await withGates(async (gates) => {
        const client = await app.connect();
        client.send(get(`/mismatch?length=100&content=${content}&${gates.query("a")}`));
        await gates.arrived("a");
        assert.equal(gates.note("a"), "ERR_RESULT");
        assert.notEqual(await client.ending(), "clean");
      });
    }
  });
});

for (const path of ["/endless", "/endless/sync"]) {
  test(`A handler that streams at ${path} is told when its client leaves`, async () => {
    await shared.run(async (app) => {
      await withGates(async (gates) => {
        const client = await app.connect();
        client.send(get(`${path}?${gates.query("a")}`));
        await client.until("a part arrives", () => client.received > 300_000);
        client.reset();
        await gates.arrived("a");
        assert.equal(gates.note("a"), "ERR_CLIENT_GONE true");
        await app.until("the connection is gone", ({ connections }) => connections === 0);
      });
    });
  });
}

test("The source of a response is cancelled when its client leaves, even if it gives nothing", async () => {
  await shared.run(async (app) => {
    await withGates(async (gates) => {
      const client = await app.connect();
      client.send(get(`/pieces/silent?${gates.query("a")}`));
      await client.until("the first piece arrives", () => client.reader.partial?.text === "first");
      client.reset();
      await gates.arrived("a");
      assert.equal(gates.note("a"), "ERR_CLIENT_GONE");
    });
  });
});

test("The source of a response to HEAD is cancelled at once", async () => {
  await shared.run(async (app) => {
    await withGates(async (gates) => {
      const client = await app.connect({ isHead: (index) => index === 0 });
      client.send(get(`/pieces/silent?${gates.query("a")}`).replace("GET", "HEAD") + get("/light"));
      const [head, light] = await client.receive(2);
      assert.equal(head?.bodyLength, 0);
      assert.equal(light?.text, "light");
      await gates.arrived("a");
    });
  });
});

test("Clients that reset while their answers are pending leave nothing behind", async () => {
  await shared.run(async (app) => {
    const before = app.stats.requests;
    for (let round = 0; round < 10; round++) {
      const clients = await Promise.all(Array.from({ length: 10 }, () => app.connect()));
      for (const client of clients) {
        client.send(get("/number?n=1&ms=5") + get("/large?mib=1&as=bytes") + get("/light"));
      }
      await app.until("some are known", ({ requests }) => requests >= before + round * 30 + 10);
      for (const client of clients) client.reset();
      await app.until("all are gone", ({ connections }) => connections === 0);
    }
    assert.equal((await app.exchange(get("/light"))).text, "light");
    await app.until("nothing waits", ({ waiting }) => waiting === 0);
    assert.equal(app.stats.workersDied, 0);
  });
});

test("The server that these tests share stops", () => shared.stop());
