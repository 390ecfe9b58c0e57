/**
 * The tables of request heads and chunked bodies, row by row on the wire: each on a connection of its own to a server.
 * Runs on: any; runtime API: none
 *
 * A row says the section it comes from, the octets, and what must come of them: a status and the end of the
 * connection, or a request that is answered, or octets that are not a whole request yet.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChunkedDecoder } from "../../src/http/chunked_decoder.ts";
import { HeadMachine } from "../../src/http/head_machine.ts";
import { CHUNKED_BODIES } from "../support/chunked_cases.ts";
import { CHUNK_LIMITS, chunkedOutcome } from "../support/chunked_outcome.ts";
import { CONNECTIONS, FIELD_LINES, HOSTS, LENGTHS, REQUEST_LINES, TARGETS } from "../support/head_cases.ts";
import { type HeadCase, headOutcome, TABLE_LIMITS } from "../support/head_outcome.ts";
import { RawClient } from "../support/raw_client.ts";
import { wireBytes } from "../support/split_bytes.ts";
import { type LocalApp, withApp } from "../support/start_app.ts";

const OPTIONS = { ...TABLE_LIMITS, maxBodyBytes: 4096, workers: 2 };
/** Rows that are on the wire at the same time. */
const AT_ONCE = 16;

async function eachRow<Row>(rows: readonly Row[], check: (row: Row) => Promise<void>): Promise<void> {
  let next = 0;
  const walk = async (): Promise<void> => {
    for (let row = rows[next++]; row !== undefined; row = rows[next++]) await check(row);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, walk));
}

async function withClient(
  app: LocalApp,
  isHead: boolean,
  body: (client: RawClient) => Promise<void>,
): Promise<void> {
  const client = await RawClient.open(app.port, { isHead: () => isHead });
  try {
    await body(client);
  } finally {
    client.destroy();
  }
}

async function checkHead(app: LocalApp, [section, wire, expected]: HeadCase): Promise<void> {
  const what = `${section} ${JSON.stringify(wire)}`;
  const bytes = wireBytes(wire);
  const isHead = wire.replace(/^(\r\n)+/, "").startsWith("HEAD ");
  await withClient(app, isHead, async (client) => {
    if (expected === "more") {
      // Cut by FIN: a refusal, or nothing at all if there were only empty lines.
      client.send(bytes).end();
      const ending = await client.ending();
      const statuses = client.responses.map(({ status }) => status);
      assert.deepEqual([ending, statuses], ["clean", /^[\r\n]*$/.test(wire) ? [] : [400]], what);
      return;
    }
    if (typeof expected === "string") {
      const response = await client.send(bytes).response();
      assert.equal(`${response.status} ${await client.ending()}`, `${expected.slice(0, 3)} clean`, what);
      return;
    }
    const facts = headOutcome(new HeadMachine(TABLE_LIMITS), bytes, [bytes.length]);
    assert.ok(typeof facts === "object", what);
    client.send(bytes.subarray(0, facts.length));
    const tooLong = facts.contentLength > OPTIONS.maxBodyBytes;
    if (facts.chunked) client.send("1\r\na\r\n0\r\n\r\n");
    else if (facts.contentLength > 0 && !tooLong) client.send("a".repeat(facts.contentLength));
    const response = await client.response();
    const status = facts.isConnect ? 501 : tooLong ? 413 : 200;
    assert.equal(response.status, status, what);
    if (status === 200 && !isHead) {
      const length = facts.chunked ? 1 : Math.max(facts.contentLength, 0);
      assert.equal(response.text, `${facts.method} ${length}`, what);
    }
    if (status !== 200 || !facts.keepAlive) {
      assert.equal(await client.ending(), "clean", what);
    } else {
      // The connection is in step: the next request is answered, too.
      const next = await client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").response(1);
      assert.equal(next.status, 200, what);
    }
  });
}

for (
  const [name, table] of [
    ["request lines", REQUEST_LINES],
    ["targets", TARGETS],
    ["field lines", FIELD_LINES],
    ["Host fields", HOSTS],
    ["lengths", LENGTHS],
    ["connection options", CONNECTIONS],
  ] as const
) {
  test(`Server answers every row of the table of ${name}`, async () => {
    await withApp("answer_app.ts", OPTIONS, (app) => eachRow(table, (row) => checkHead(app, row)));
  });
}

/** What a body that is at fault, or not whole when its client ends, is answered with. */
function statusOf(ending: string, bytes: Uint8Array): number {
  if (ending !== "more") return Number(ending.slice(0, 3));
  const decoder = new ChunkedDecoder(CHUNK_LIMITS);
  chunkedOutcome(decoder, bytes, [bytes.length]);
  return decoder.chunkLeft > OPTIONS.maxBodyBytes ? 413 : 400;
}

test("Server answers every row of the table of chunked bodies", async () => {
  const chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  await withApp("answer_app.ts", { maxBodyBytes: 4096, workers: 2 }, async (app) => {
    // Limits of the decoder are other ones in the server: those rows are about nothing else.
    const rows = CHUNKED_BODIES.filter(([, , ending]) => !ending.endsWith("TooLarge"));
    await eachRow(rows, async ([section, wire, ending, outcome]) => {
      const what = `${section} ${JSON.stringify(wire)}`;
      const bytes = wireBytes(wire);
      await withClient(app, false, async (client) => {
        client.send(chunked);
        if (ending === "end") {
          client.send(outcome?.taken === undefined ? bytes : bytes.subarray(0, outcome.taken));
          assert.equal((await client.response()).status, 200, what);
        } else {
          client.send(bytes);
          if (ending === "more") client.end();
          assert.equal((await client.response()).status, statusOf(ending, bytes), what);
          assert.equal(await client.ending(), "clean", what);
        }
      });
    });
  });
});
