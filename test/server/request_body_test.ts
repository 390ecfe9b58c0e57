/**
 * Tests of request bodies: every way to read them, every framing, limits, slow handlers, clients that leave.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { chunked, concat, pattern } from "../support/chunked.ts";
import { withGates } from "../support/gate.ts";
import { get, post } from "../support/raw_client.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { SharedApp, withApp, withChild } from "../support/start_app.ts";
import { until } from "../support/until.ts";

const shared = new SharedApp("app.ts");
const MEBIBYTE = 1024 * 1024;
const encoder = new TextEncoder();

/** The head of a POST with chunked content. */
const chunkedHead = (path: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n`;
const sum = (bytes: Uint8Array): string =>
  `${bytes.length} ${createHash("sha256").update(bytes).digest("hex")}`;

/** Around a record (64 KiB), the pull window (128 KiB) and the limit of collecting (256 KiB). */
const SIZES = [
  0,
  1,
  2,
  1000,
  65_535,
  65_536,
  65_537,
  131_072,
  131_073,
  262_143,
  262_144,
  262_145,
  300_001,
  1_048_579,
];
const CONTENT = pattern(8 * MEBIBYTE);

for (const how of ["bytesSync", "chunksSync", "readSync", "bytes", "arrayBuffer", "stream", "native"]) {
  test(`A body read with ${how} is what was sent, at every awkward size and framing`, async () => {
    await shared.run(async (app) => {
      const random = new SeededRandom();
      const client = await app.connect();
      let count = 0;
      for (const size of SIZES) {
        const content = CONTENT.subarray(0, size);
        const expected = `${sum(content)} ${how}`;
        const path = `/sum?how=${how}`;
        await client.sendAll(concat([encoder.encode(post(path, size)), content]));
        assert.equal((await client.response(count++)).text, expected, `${size} octets by length`);
        await client.sendAll(concat([encoder.encode(chunkedHead(path)), chunked(content, random)]));
        assert.equal((await client.response(count++)).text, expected, `${size} octets in chunks`);
      }
    });
  });

  test(`A body of 8 MiB read with ${how} is what was sent, also pipelined and in pieces`, async () => {
    await shared.run(async (app) => {
      const random = new SeededRandom();
      const path = `/sum?how=${how}`;
      const client = await app.connect();
      const all = concat([
        encoder.encode(post(path, CONTENT.length)),
        CONTENT,
        encoder.encode(get("/light") + chunkedHead(path)),
        chunked(CONTENT, random),
        encoder.encode(get("/light")),
      ]);
      for (let at = 0; at < all.length;) {
        const next = Math.min(all.length, at + 1 + random.below(2 * MEBIBYTE));
        await client.sendAll(all.subarray(at, next));
        at = next;
      }
      const texts = (await client.receive(4)).map((response) => response.text);
      assert.deepEqual(texts, [`${sum(CONTENT)} ${how}`, "light", `${sum(CONTENT)} ${how}`, "light"]);
    });
  });
}

test("A body that arrives octet by octet is what was sent, whatever lies at the cuts", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    const content = CONTENT.subarray(0, 40);
    const wire = concat([
      encoder.encode(post("/sum?how=bytesSync", 40)),
      content,
      encoder.encode(chunkedHead("/sum?how=bytes")),
      chunked(content, new SeededRandom()),
      encoder.encode(get("/light")),
    ]);
    for (const octet of wire) await client.sendAll(Uint8Array.of(octet));
    const texts = (await client.receive(3)).map((response) => response.text);
    assert.deepEqual(texts, [`${sum(content)} bytesSync`, `${sum(content)} bytes`, "light"]);
  });
});

test("Bodies are streamed at once when nothing may be collected", async () => {
  await withApp("app.ts", { spoolBodyBytes: 0 }, async (app) => {
    const random = new SeededRandom();
    for (const how of ["bytesSync", "readSync", "bytes", "stream"]) {
      const client = await app.connect();
      let count = 0;
      for (const size of [1, 1000, 70_000, 300_000]) {
        const content = CONTENT.subarray(0, size);
        client.send(post(`/sum?how=${how}`, size)).send(content);
        client.send(chunkedHead(`/sum?how=${how}`)).send(chunked(content, random));
        for (let i = 0; i < 2; i++) {
          assert.equal((await client.response(count++)).text, `${sum(content)} ${how}`);
        }
      }
    }
  });
});

test("Bodies beyond spoolTotalBytes are streamed and all arrive", async () => {
  await withApp("app.ts", { spoolTotalBytes: 100_000, workers: 4 }, async (app) => {
    const clients = await Promise.all(Array.from({ length: 6 }, () => app.connect()));
    for (const client of clients) {
      await client.send(post("/sum?how=bytesSync", 90_000)).sendAll(CONTENT.subarray(0, 60_000));
    }
    assert.equal((await clients[5]?.sendAll(CONTENT.subarray(60_000, 90_000)), 0), 0);
    for (const client of clients.slice(0, 5)) await client.sendAll(CONTENT.subarray(60_000, 90_000));
    for (const client of clients) {
      assert.equal((await client.response()).text, `${sum(CONTENT.subarray(0, 90_000))} bytesSync`);
    }
  });
});

test("Text and JSON are read blocking and awaiting, and a body is read once", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    const text = "grüße, 世界 \u{1f600}";
    const length = encoder.encode(text).length;
    client.send(post("/text-sync", length) + text);
    client.send(post("/json-sync", 13) + '{"a":[1,"b"]}' + post("/json", 13) + '{"a":[1,"b"]}');
    client.send(post("/read-twice", 5) + "hello" + post("/read-twice", 0));
    client.send(post("/json", 5) + "{bad}" + get("/light"));
    const responses = await client.receive(7);
    const texts = responses.map((response) => response.text);
    assert.deepEqual(texts.slice(0, 5), [
      text,
      '{"a":[1,"b"]}',
      '{"a":[1,"b"]}',
      "hello true ERR_BODY_USED",
      "read twice",
    ]);
    assert.equal(responses[5]?.status, 500);
    assert.equal(texts[6], "light");
  });
});

for (const path of ["/trailers", "/trailers-sync"]) {
  test(`Trailer fields reach a handler at ${path} and are no fields of the request`, async () => {
    for (const spoolBodyBytes of [262_144, 0]) {
      await withApp("app.ts", { spoolBodyBytes }, async (app) => {
        const client = await app.connect();
        const body = "5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Other: two words\r\n\r\n";
        const response = await client.send(chunkedHead(path) + body + get("/light")).response();
        const said = JSON.parse(response.text) as { text: string; trailers: string[][]; before?: number };
        assert.equal(said.text, "hello");
        assert.deepEqual(said.trailers, [["x-other", "two words"], ["x-sum", "1"]]);
        if (path === "/trailers") assert.equal(said.before, 0);
        assert.equal((await client.response(1)).text, "light");
      });
    }
  });
}

// ── unread bodies ────────────────────────────────────────────────────────────────────────────────────────────────

for (const size of [1, 65_536, 262_144, 262_145, 400_000, 3 * MEBIBYTE]) {
  for (const framing of ["length", "chunks"]) {
    test(`A body of ${size} octets in ${framing} that nobody reads does not bring the connection out of step`, async () => {
      await shared.run(async (app) => {
        const content = CONTENT.subarray(0, size);
        const client = await app.connect();
        const wire = framing === "length"
          ? [encoder.encode(post("/ignore/wide", size)), content]
          : [encoder.encode(chunkedHead("/ignore/wide")), chunked(content, new SeededRandom())];
        await client.sendAll(concat([...wire, encoder.encode(get("/light"))]));
        assert.equal((await client.response()).text, "ignored");
        await client.until(
          "the next response or the end",
          () => client.responses.length === 2 || client.ended,
        );
        if (client.ended) {
          // Only a body that is too long to be read for nothing may cost the connection.
          assert.ok(size > 262_144);
          assert.equal(client.responses.length, 1);
          assert.equal(await client.ending(), "clean");
        } else {
          assert.equal(client.responses[1]?.text, "light");
        }
      });
    });
  }
}

test("A handler may answer before it reads, and the connection waits for the body", async () => {
  await withApp("app.ts", { spoolBodyBytes: 0 }, async (app) => {
    await withGates(async (gates) => {
      const client = await app.connect();
      client.send(post(`/respond-then-read?${gates.query("a")}`, 100_000)).send(CONTENT.subarray(0, 40_000));
      assert.equal((await client.response()).text, "early");
      assert.equal(gates.hasArrived("a"), false);
      client.send(CONTENT.subarray(40_000, 100_000)).send(get("/light"));
      assert.equal((await client.response(1)).text, "light");
      await gates.arrived("a");
      assert.equal(gates.note("a"), "100000");
    });
  });
});

/** Too long to be read for nothing. */
const LONG = 600_000;

for (
  const [what, head, isKept] of [
    ["HTTP/1.1", (path: string) => post(path, LONG), true],
    ["chunks", (path: string) => chunkedHead(path), true],
    ["Connection: close", (path: string) => post(path, LONG, "Connection: close\r\n"), false],
    ["HTTP/1.0", (path: string) => `POST ${path} HTTP/1.0\r\nContent-Length: ${LONG}\r\n\r\n`, false],
  ] as const
) {
  test(`A handler that answers early still gets a long body (${what})`, async () => {
    await shared.run(async (app) => {
      await withGates(async (gates) => {
        const client = await app.connect();
        const content = CONTENT.subarray(0, LONG);
        const wire = what === "chunks" ? chunked(content, new SeededRandom()) : content;
        client.send(head(`/respond-then-read/async?${gates.query("a")}`)).send(wire.subarray(0, 300_000));
        const response = await client.response();
        assert.equal(response.text, "early");
        assert.equal(response.header("connection"), isKept ? null : "close");
        assert.equal(client.ended, false);
        gates.open("a");
        await client.sendAll(wire.subarray(300_000));
        await gates.arrived("a-read");
        assert.equal(gates.note("a-read"), String(LONG));
        if (isKept) {
          assert.equal((await client.send(get("/light")).response(1)).text, "light");
        } else {
          assert.equal(await client.ending(), "clean");
          assert.equal(client.responses.length, 1);
        }
      });
    });
  });
}

test("A handler that answers early and is done costs the connection if the body is long", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    client.send(post("/ignore/early", LONG)).send(CONTENT.subarray(0, 1000));
    assert.equal((await client.response()).text, "early");
    assert.equal(await client.ending(), "clean");
    // What is still sent is not lost to a reset, and no request.
    await client.sendAll(CONTENT.subarray(1000, LONG));
    await client.send(get("/light")).end().until("the connection is gone", () => client.closed);
    assert.deepEqual([client.errorCode, client.responses.length], ["", 1]);
    assert.deepEqual(app.logs, []);
  });
});

test("A handler that answers early is told when its client leaves inside a long body", async () => {
  await shared.run(async (app) => {
    for (const how of ["reset", "end"] as const) {
      await withGates(async (gates) => {
        const client = await app.connect();
        client.send(post(`/respond-then-read/async?${gates.query("a")}`, LONG)).send(
          CONTENT.subarray(0, 1000),
        );
        assert.equal((await client.response()).text, "early");
        client[how]();
        gates.open("a");
        await gates.arrived("a-read");
        assert.equal(gates.note("a-read"), "ERR_CLIENT_GONE");
        if (how === "end") assert.equal(await client.ending(), "clean");
      });
    }
  });
});

test("A body behind an early answer is received while the server drains", async () => {
  await withApp("app.ts", { drainTimeoutMs: 20_000 }, async (app) => {
    await withGates(async (gates) => {
      const client = await app.connect();
      client.send(post(`/respond-then-read/async?${gates.query("a")}`, LONG)).send(CONTENT.subarray(0, 1000));
      assert.equal((await client.response()).text, "early");
      const stopping = app.server.stop();
      await until("the listener is closed", () => app.exchange(get("/light")).then(() => false, () => true));
      assert.equal(client.ended, false);
      gates.open("a");
      client.send(CONTENT.subarray(1000, LONG)).send(get("/light"));
      await gates.arrived("a-read");
      assert.equal(gates.note("a-read"), String(LONG));
      assert.equal(await client.ending(), "clean");
      assert.equal(client.responses.length, 1);
      client.end();
      await stopping;
    });
  });
});

test("A long body that goes back as it comes keeps the connection", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    for (let round = 0; round < 2; round++) {
      const content = CONTENT.subarray(round, LONG + round);
      client.send(post("/mirror", LONG)).send(content);
      const response = await client.response(round);
      assert.equal(sum(response.body), sum(content));
      assert.equal(response.header("connection"), null);
    }
  });
});

// ── limits in the middle ─────────────────────────────────────────────────────────────────────────────────────────

for (
  const [what, path, wire] of [
    ["a terabyte", "/sum?how=bytes", "10000000000\r\n"],
    ["one octet too many", "/small", `3e8\r\n${"a".repeat(1000)}\r\n1\r\n`],
    ["one octet too many behind a part of it", "/small", "3e9;a=b\r\naa"],
  ] as const
) {
  test(`A chunk that announces ${what} is refused before it comes`, async () => {
    await shared.run(async (app) => {
      const client = await app.connect();
      const response = await client.send(chunkedHead(path) + wire).response();
      assert.equal(response.status, 413);
      assert.equal(response.header("connection"), "close");
      assert.equal(await client.ending(), "clean");
    });
  });
}

test("A handler that reads is told of a chunk that announces too much", async () => {
  await withApp("app.ts", { spoolBodyBytes: 0 }, async (app) => {
    await withGates(async (gates) => {
      const client = await app.connect();
      client.send(chunkedHead(`/fails/async?${gates.query("a")}`) + "5\r\nhello\r\n");
      await gates.arrived("a-begun");
      client.send("10000000000\r\n");
      assert.equal((await client.response()).status, 413);
      assert.equal(gates.note("a"), "ERR_BODY_TOO_LARGE");
      assert.equal(await client.ending(), "clean");
    });
  });
});

test("Chunked content beyond the limit is refused where it passes it", async () => {
  await shared.run(async (app) => {
    const random = new SeededRandom();
    const within = await app.connect();
    within.send(chunkedHead("/small")).send(chunked(CONTENT.subarray(0, 1000), random)).send(get("/light"));
    assert.deepEqual((await within.receive(2)).map((response) => response.text), ["1000", "light"]);
    const beyond = await app.connect();
    beyond.send(chunkedHead("/small")).send(chunked(CONTENT.subarray(0, 1001), random)).send(get("/light"));
    assert.equal((await beyond.response()).status, 413);
    assert.equal(await beyond.ending(), "clean");
    assert.equal(beyond.responses.length, 1);
    // The size alone is enough.
    const announced = await app.connect();
    announced.send(chunkedHead("/small") + "3e9\r\n").send(CONTENT.subarray(0, 1001));
    assert.equal((await announced.response()).status, 413);
  });
});

for (const path of ["/fails", "/fails/async"]) {
  test(`A handler that reads at ${path} is told of a body that grows past its limit`, async () => {
    await shared.run(async (app) => {
      await withGates(async (gates) => {
        const client = await app.connect();
        await client.send(chunkedHead(`${path}?${gates.query("a")}`)).sendAll("800000\r\n");
        for (let i = 0; i < 8; i++) await client.sendAll(CONTENT.subarray(0, MEBIBYTE));
        await client.sendAll("\r\n1\r\na");
        assert.equal((await client.response()).status, 413);
        assert.equal(gates.note("a"), "ERR_BODY_TOO_LARGE");
        assert.equal(await client.ending(), "clean");
        assert.equal(app.hasLogged("a handler failed"), false);
      });
    });
  });

  test(`A handler that reads at ${path} is told of a malformed chunk`, async () => {
    await withApp("app.ts", { spoolBodyBytes: 0 }, async (app) => {
      await withGates(async (gates) => {
        const client = await app.connect();
        client.send(chunkedHead(`${path}?${gates.query("a")}`) + "5\r\nhello\r\nxyz\r\n" + get("/light"));
        assert.equal((await client.response()).status, 400);
        assert.equal(gates.note("a"), "ERR_BODY_SYNTAX");
        assert.equal(await client.ending(), "clean");
        assert.equal(client.responses.length, 1);
      });
    });
  });

  for (const leave of ["reset", "end"] as const) {
    test(`A handler that reads at ${path} is told when its client leaves by ${leave}`, async () => {
      await withApp("app.ts", { spoolBodyBytes: 0 }, async (app) => {
        await withGates(async (gates) => {
          const client = await app.connect();
          client.send(post(`${path}?${gates.query("a")}`, 1000) + "hello");
          await gates.arrived("a-begun");
          client[leave]();
          await gates.arrived("a");
          assert.equal(gates.note("a"), "ERR_CLIENT_GONE");
          if (leave === "end") {
            assert.equal((await client.response()).status, 400);
            assert.equal(await client.ending(), "clean");
          }
          await app.until("the connection is gone", ({ connections }) => connections === 0);
          assert.equal((await app.exchange(get("/light"))).text, "light");
          assert.equal(app.stats.workersDied, 0);
        });
      });
    });
  }
}

test("A malformed chunk is refused while the body is collected", async () => {
  await shared.run(async (app) => {
    const client = await app.connect();
    client.send(get("/light") + chunkedHead("/sum?how=bytes") + "5\r\nhello\r\nxyz\r\n" + get("/light"));
    assert.deepEqual((await client.receive(2)).map(({ status }) => status), [200, 400]);
    assert.equal(await client.ending(), "clean");
    assert.equal(client.responses.length, 2);
  });
});

test("A client that leaves while its body is collected leaves nothing behind", async () => {
  await shared.run(async (app) => {
    const before = app.stats;
    for (let i = 0; i < 20; i++) {
      const client = await app.connect();
      client.send(post("/sum?how=bytes", 200_000)).send(CONTENT.subarray(0, 100_000));
      await app.until("the request is known", ({ requests }) => requests === before.requests + i + 1);
      client.reset();
    }
    await app.until("all are gone", ({ connections }) => connections === 0);
    assert.equal((await app.exchange(get("/light"))).text, "light");
  });
});

// ── slow handlers ────────────────────────────────────────────────────────────────────────────────────────────────

for (const path of ["/slow", "/slow/async"]) {
  test(`A handler that does not read on at ${path} stalls its client, not the server's memory`, async () => {
    await withChild("app.ts", { options: { deadlineMs: 0 } }, async (app) => {
      await withGates(async (gates) => {
        const total = 96 * MEBIBYTE;
        const client = await app.connect();
        let sent = 0;
        const upload = async (gate: string): Promise<void> => {
          client.send(post(`${path}?${gates.query(gate)}`, total));
          for (sent = 0; sent < total; sent += MEBIBYTE) await client.sendAll(CONTENT.subarray(0, MEBIBYTE));
        };
        // Twice without a stop: what passing so many octets costs is part of the measure.
        for (let i = 0; i < 2; i++) {
          gates.open(`warm${i}`);
          await upload(`warm${i}`);
          assert.equal((await client.response(i)).text, String(total));
        }
        const sending = upload("a");
        await gates.arrived("a");
        const before = app.residentMb();
        // What the kernel's buffers and ours take is soon in them; then nothing moves while light requests do.
        for (let seen = -1, still = 0; still < 50; still = seen === sent ? still + 1 : 0) {
          seen = sent;
          assert.equal((await app.exchange(get("/light"))).text, "light");
        }
        assert.ok(sent < 32 * MEBIBYTE, `${sent} octets were taken from the client`);
        const grown = app.residentMb() - before;
        assert.ok(grown < 48, `memory grew by ${grown} MiB`);
        gates.open("a");
        await sending;
        assert.equal((await client.response(2)).text, String(total));
        const after = app.residentMb() - before;
        assert.ok(after < 80, `memory grew by ${after} MiB while ${total} octets passed`);
      });
    });
  });
}

test("Chunks of one octet cost a connection no more memory than their content", async () => {
  await withChild("app.ts", {}, async (app) => {
    const length = 100_000;
    const tiny = encoder.encode("1\r\nx\r\n".repeat(length));
    const expected = `${sum(encoder.encode("x".repeat(length)))} bytes`;
    const warm = await app.connect();
    await warm.send(chunkedHead("/sum?how=bytes")).send(tiny).sendAll("0\r\n\r\n");
    assert.equal((await warm.response()).text, expected);
    const before = app.residentMb();
    const clients = await Promise.all(Array.from({ length: 16 }, () => app.connect()));
    for (const client of clients) await client.send(chunkedHead("/sum?how=bytes")).sendAll(tiny);
    let peak = app.residentMb();
    for (const client of clients) client.send("0\r\n\r\n");
    for (const client of clients) assert.equal((await client.response()).text, expected);
    peak = Math.max(peak, app.residentMb());
    assert.ok(peak - before < 70, `memory grew by ${peak - before} MiB for ${16 * length} octets`);
  });
});

test("The server that these tests share stops", () => shared.stop());
