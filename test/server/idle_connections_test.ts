/**
 * Tests of ten thousand idle connections: they cost little, hinder nobody, and give everything back.
 * Runs on: any; runtime API: none
 *
 * The server runs in a process of its own, so that its descriptors and memory are its own. With a hard limit on open
 * files below 10,200 there are as many connections as it allows; the name of the test says how many were open.
 */
// test-runs: alone
// test-limit: 240 s
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { get, RawClient } from "../support/raw_client.ts";
import { withChild } from "../support/start_app.ts";
import { until } from "../support/until.ts";

const WANTED = 10_000;
/** Descriptors that a runtime needs for itself. */
const RESERVED = 200;

/** Files that this process may open, and its children: each of the runtimes raises the soft limit to the hard one. */
function openFileLimit(): number {
  const limits = readFileSync("/proc/self/limits", "utf8");
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 1024);
}

const COUNT = Math.min(WANTED, openFileLimit() - RESERVED);

test(`${COUNT} idle connections cost little, hinder nobody, and give descriptors and memory back`, async () => {
  await withChild("app.ts", { options: { keepAliveTimeoutMs: 120_000 } }, async (app) => {
    for (let i = 0; i < 100; i++) await app.exchange(get("/light"));
    await until("only the test itself is connected", async () => (await app.stats()).connections === 0);
    const descriptors = app.descriptors();
    const memory = app.residentMb();
    const peaks: number[] = [];
    for (let cycle = 0; cycle < 3; cycle++) {
      const clients: RawClient[] = [];
      while (clients.length < COUNT) {
        const batch = Math.min(250, COUNT - clients.length);
        const opened = await Promise.all(Array.from({ length: batch }, () => RawClient.open(app.port)));
        // Every other one has been used once; the rest have never said a word.
        for (const client of opened.filter((_, index) => index % 2 === 0)) client.send(get("/light"));
        clients.push(...opened);
      }
      for (let i = 0; i < COUNT; i += 2) assert.equal((await clients[i]?.response())?.text, "light");
      assert.equal((await app.stats()).connections, COUNT);
      assert.ok(app.descriptors() > COUNT);
      peaks.push(app.residentMb());
      const since = performance.now();
      for (let i = 0; i < 200; i++) assert.equal((await app.exchange(get("/light"))).text, "light");
      assert.ok(performance.now() - since < 5_000, `200 requests took ${performance.now() - since} ms`);
      // One after the other they are used once more, each where it was left.
      for (let i = 0; i < COUNT; i += 97) {
        assert.equal(
          (await clients[i]?.send(get("/number?n=7")).response(i % 2 === 0 ? 1 : 0))?.text,
          "number 7",
        );
      }
      for (const client of clients) client.destroy();
      await until("all are gone", async () => (await app.stats()).connections === 0);
      await until("their descriptors are back", () => app.descriptors() <= descriptors + 3);
    }
    const [first = 0, , third = 0] = peaks;
    const each = ((first - memory) * 1024) / COUNT;
    assert.ok(each < 20, `an idle connection costs ${each} KiB`);
    // Collectors take their time: 20,000 connections that were kept would be more than this.
    assert.ok(third - first < 110, `the third time it is ${third - first} MiB more than the first`);
  });
});
