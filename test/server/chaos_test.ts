/**
 * Threads killed at random under load: every request gets exactly one answer, right, or 500 or 503; nothing leaks.
 * Runs on: any; runtime API: none
 *
 * FUZZ_SEED chooses another run, CHAOS_SECONDS a longer one; every failure names its seed.
 */
// test-runs: alone
// test-limit: 240 s
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { env } from "node:process";
import { test } from "node:test";
import { detectAdapter } from "../../src/adapters/detect.ts";
import { pattern } from "../support/chunked.ts";
import type { WireResponse } from "../support/http_response.ts";
import { get, post, type RawClient } from "../support/raw_client.ts";
import { FUZZ_SEED, SeededRandom } from "../support/seeded_random.ts";
import { type ChildApp, withChild } from "../support/start_app.ts";
import { until } from "../support/until.ts";

const SECONDS = Number(env["CHAOS_SECONDS"] ?? 7);
const WORKERS = 4;
const CONTENT = pattern(400_000);
const DEADLINE_MS = 150;

/** One request, and what counts as its right answer. */
interface Shot {
  readonly head: string;
  readonly content?: Uint8Array;
  /** The text of a 200; null: there must be none. */
  readonly right: string | null;
  /** Its response may break off: a client sees that. */
  readonly mayBreakOff?: boolean;
}

let number = 0;

function harmless(random: SeededRandom): Shot {
  const id = `${++number}`;
  const ms = random.below(8);
  switch (random.below(9)) {
    case 0:
      return { head: get(`/block?id=${id}&ms=${ms}`), right: `block ${id}` };
    case 1:
      return { head: get(`/burn?id=${id}&ms=${ms}`), right: `burn ${id}` };
    case 2:
    case 3:
      return { head: get(`/await?id=${id}&ms=${ms * 3}`), right: `await ${id}` };
    case 4:
      return { head: get(`/text?id=${id}`), right: `text ${id} `.padEnd(50_000, ".") };
    default:
      return { head: get(`/light?id=${id}`), right: `light ${id}` };
  }
}

function withContent(random: SeededRandom): Shot {
  const id = `${++number}`;
  const content = CONTENT.subarray(0, random.pick([0, 100, 70_000, 270_000, 400_000]));
  const sync = random.below(2) === 0 ? "&sync" : "";
  const hash = createHash("sha256").update(content).digest("hex");
  return { head: post(`/sum?id=${id}${sync}`, content.length), content, right: `sum ${id} ${hash}` };
}

function streamed(): Shot {
  const id = `${++number}`;
  const right = `stream ${id} `.padEnd(20_000, ".").repeat(20);
  return { head: get(`/stream?id=${id}`), right, mayBreakOff: true };
}

function killer(random: SeededRandom): Shot {
  const id = `${++number}`;
  const beyond = DEADLINE_MS + 100 + random.below(200);
  switch (random.below(8)) {
    case 0:
      return { head: get("/kill/throw"), right: null };
    case 1:
      return { head: get("/kill/reject"), right: null };
    case 2:
    case 3:
      return { head: get(`/kill/later?id=${id}&ms=${random.below(30)}`), right: `later ${id}` };
    // On a busy machine the I/O thread may notice so late that the handler has answered after all.
    case 4:
      return { head: get(`/kill/block?id=${id}&ms=${beyond}`), right: `overran ${id}` };
    case 5:
      return { head: get(`/kill/burn?id=${id}&ms=${beyond}`), right: `overran ${id}` };
    case 6:
      return { head: get(`/kill/late-block?id=${id}&ms=${beyond}`), right: `overran ${id}` };
    default:
      return { head: get("/kill/exit"), right: null };
  }
}

/** How many answers of each kind came. */
class Tally {
  right = 0;
  failed = 0;
  brokenOff = 0;

  count(shot: Shot, response: WireResponse): void {
    const where = `seed ${FUZZ_SEED}: ${shot.head.split("\r\n")[0]} got ${response.status}`;
    if (response.status === 200) {
      assert.notEqual(shot.right, null, where);
      assert.ok(response.text === shot.right, `${where} and ${response.text.slice(0, 80)}`);
      this.right++;
    } else {
      assert.ok(response.status === 500 || response.status === 503, where);
      this.failed++;
    }
  }
}

/** Sends a batch on a connection and takes its answers. @returns false when the connection is over */
async function fire(
  client: RawClient,
  shots: readonly Shot[],
  answered: number,
  tally: Tally,
): Promise<boolean> {
  for (const shot of shots) {
    client.send(shot.head);
    if (shot.content !== undefined) client.send(shot.content);
  }
  const isOver = (): boolean => client.ended || client.closed;
  await client.until(
    "the batch is answered",
    () => client.responses.length >= answered + shots.length || isOver(),
  );
  const responses = client.responses.slice(answered);
  for (const [index, response] of responses.entries()) tally.count(shots[index] as Shot, response);
  if (responses.length === shots.length) return !isOver();
  // Only a response that had begun may break off, and an unread body may end the connection behind its answer.
  const last = shots[responses.length] as Shot;
  const ending = await client.ending();
  const behindContent = responses.length > 0 && shots[responses.length - 1]?.content !== undefined;
  assert.ok(
    ending === "clean" ? behindContent : last.mayBreakOff === true || behindContent,
    `seed ${FUZZ_SEED}: ${last.head.split("\r\n")[0]} was lost, the connection ended ${ending}`,
  );
  tally.brokenOff += shots.length - responses.length;
  return false;
}

/** One connection's part of the load, until the time is over. */
async function load(
  app: ChildApp,
  random: SeededRandom,
  end: number,
  mix: (random: SeededRandom) => Shot,
  tally: Tally,
) {
  while (performance.now() < end) {
    const client = await app.connect();
    let isOpen = true;
    while (isOpen && performance.now() < end) {
      const shots = Array.from({ length: 1 + random.below(6) }, () => mix(random));
      isOpen = await fire(client, shots, client.responses.length, tally);
    }
    // Nothing comes behind the last answer.
    if (isOpen) {
      const before = client.responses.length;
      const light = await client.send(get("/light?id=last")).response(before);
      if (light.status === 200) assert.equal(light.text, "light last");
      assert.equal(client.responses.length, before + 1);
    }
    client.reset();
  }
}

/** The server is as it was before: all threads, nothing waiting, no descriptors and threads left over. */
async function settles(app: ChildApp, before: { descriptors: number; threads: number }): Promise<void> {
  let stats = await app.stats();
  const isWhole = async (): Promise<boolean> => {
    stats = await app.stats();
    const { workers, waiting, connections, zombies } = stats;
    return workers === WORKERS && waiting === 0 && connections === 0 && zombies === 0;
  };
  await until("the server is whole again", isWhole, 30_000).catch(() => {
    assert.fail(`the server is not whole again: ${JSON.stringify(stats)} ${app.stderr.slice(-2000)}`);
  });
  assert.equal((await app.stats()).healthy, true);
  await until(
    `descriptors (${before.descriptors}) and threads (${before.threads}) come back`,
    () => app.descriptors() <= before.descriptors + 8 && app.threads() <= before.threads + 12,
  );
  const client = await app.connect();
  for (let i = 0; i < 100; i++) {
    assert.equal((await client.send(get(`/light?id=${i}`)).response(i)).text, `light ${i}`);
  }
  client.reset();
}

const options = {
  workers: WORKERS,
  deadlineMs: DEADLINE_MS,
  maxZombies: 128,
  maxWaitMs: 20_000,
  logLevel: "error" as const,
};

test(`Threads that die and overrun under load lose no request and double none (seed ${FUZZ_SEED})`, async () => {
  await withChild("chaos_app.ts", { options }, async (app) => {
    const random = new SeededRandom();
    const warm = await app.connect();
    for (let i = 0; i < 200; i++) await warm.send(get("/light")).response(i);
    warm.reset();
    const before = { descriptors: app.descriptors(), threads: app.threads() };
    const tally = new Tally();
    const end = performance.now() + SECONDS * 1000;
    const mix = (source: SeededRandom): Shot => source.below(60) === 0 ? killer(source) : harmless(source);
    await Promise.all(
      Array.from({ length: 24 }, () => load(app, new SeededRandom(random.below(2 ** 32)), end, mix, tally)),
    );
    await settles(app, before);
    const { workersDied, requests } = await app.stats();
    assert.ok(tally.right > 300 && workersDied > 5, `${tally.right} right, ${workersDied} threads died`);
    assert.ok(requests >= tally.right + tally.failed);
    assert.equal(tally.brokenOff, 0);
    assert.ok(tally.failed < tally.right, `${tally.failed} of ${requests} requests failed`);
  });
});

test(`Uploads and streams survive the death of threads as far as they can (seed ${FUZZ_SEED})`, async () => {
  await withChild("chaos_app.ts", { options: { ...options, maxBodyBytes: 1 << 20 } }, async (app) => {
    const random = new SeededRandom(FUZZ_SEED + 1);
    await app.exchange(get("/light"));
    const before = { descriptors: app.descriptors(), threads: app.threads() };
    const tally = new Tally();
    const end = performance.now() + SECONDS * 1000;
    const mix = (source: SeededRandom): Shot => {
      const what = source.below(60);
      return what === 0
        ? killer(source)
        : what < 20
        ? withContent(source)
        : what < 30
        ? streamed()
        : harmless(source);
    };
    await Promise.all(
      Array.from({ length: 16 }, () => load(app, new SeededRandom(random.below(2 ** 32)), end, mix, tally)),
    );
    await settles(app, before);
    const { workersDied } = await app.stats();
    assert.ok(tally.right > 100 && workersDied > 5, `${tally.right} right, ${workersDied} threads died`);
  });
});

test(`Threads that are terminated at any instruction lose no request and double none (seed ${FUZZ_SEED})`, async (context) => {
  const { stopsBusyThreads } = await detectAdapter();
  if (!stopsBusyThreads) {
    context.skip("a thread that runs cannot be terminated here");
    return;
  }
  await withChild("chaos_app.ts", { options, env: { KILL_SEED: String(FUZZ_SEED) } }, async (app) => {
    const random = new SeededRandom(FUZZ_SEED + 2);
    await app.exchange(get("/light"));
    const before = { descriptors: app.descriptors(), threads: app.threads() };
    const tally = new Tally();
    app.tell("kill");
    const end = performance.now() + SECONDS * 1000;
    await Promise.all(
      Array.from(
        { length: 16 },
        () => load(app, new SeededRandom(random.below(2 ** 32)), end, harmless, tally),
      ),
    );
    app.tell("peace");
    await settles(app, before);
    const { workersDied } = await app.stats();
    assert.ok(tally.right > 100 && workersDied > 5, `${tally.right} right, ${workersDied} threads died`);
    assert.equal(tally.brokenOff, 0);
  });
});

test("A storm of missed deadlines costs no request but its own", async () => {
  await withChild("chaos_app.ts", { options: { ...options, deadlineMs: 400 } }, async (app) => {
    await app.exchange(get("/light"));
    const before = { descriptors: app.descriptors(), threads: app.threads() };
    const clients = await Promise.all(Array.from({ length: 8 }, () => app.connect()));
    for (let round = 0; round < 4; round++) {
      for (const client of clients) client.send(get("/kill/block?ms=4000") + get(`/light?id=${round}`));
      for (const client of clients) {
        const [overrun, light] = (await client.receive(2 * round + 2)).slice(2 * round);
        assert.equal(overrun?.status, 503);
        assert.equal(light?.text, `light ${round}`);
      }
    }
    for (const client of clients) client.reset();
    await settles(app, before);
    const { workersDied, deadlines } = await app.stats();
    assert.deepEqual({ workersDied, deadlines }, { workersDied: 32, deadlines: 32 });
  });
});
