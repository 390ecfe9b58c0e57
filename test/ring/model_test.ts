/**
 * The protocol between the I/O thread and the workers, over all interleavings up to a bound: the production code of
 * the rings, the worker's loop, the I/O thread's wake-ups and the pool's order of burying, with deaths at any step and
 * threads that go on after they were given up. `docs/ring.md` says what is checked; `MODEL_BOUND=1` looks deeper.
 */
// test-limit: 600 s
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { explore } from "./model/explorer.ts";
import { ScenarioWorld } from "./model/scenario.ts";
import { SCENARIOS } from "./model/scenarios.ts";
import { loadModelCode } from "./model/sources.ts";

const DEEPER = Number(process.env["MODEL_BOUND"] ?? 0);
const code = await loadModelCode();

for (const { name, scenario, preemptions, outcomes } of SCENARIOS) {
  test(`The protocol answers every request once and loses no wake-up when ${name}`, () => {
    const found = explore(
      (sharing) => new ScenarioWorld(code, scenario, sharing),
      { preemptions: preemptions + DEEPER, executions: DEEPER > 0 ? Infinity : 200_000 },
      (world) => world.outcome,
    );
    assert.equal(found.fault, null, `${found.fault}\n${found.trace.join("\n")}`);
    assert.ok(found.complete, "all interleavings up to the bound were explored");
    // An outcome that does not occur any more means that the scenario does not do what it is for.
    assert.deepEqual([...found.outcomes.keys()].sort(), [...outcomes].sort());
    if (DEEPER > 0) console.log(`${name}: ${found.executions} executions, ${found.states} states`);
  });
}
