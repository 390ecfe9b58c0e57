/**
 * The model must find faults: each rule of the protocol is broken once in the production code, and the model has to
 * say so. A model that passes everything proves nothing.
 */
// test-limit: 600 s
import assert from "node:assert/strict";
import { test } from "node:test";
import { explore } from "./model/explorer.ts";
import { MUTANTS } from "./model/mutants.ts";
import { ScenarioWorld } from "./model/scenario.ts";
import { loadModelCode } from "./model/sources.ts";

for (const { name, patches, scenario, preemptions, found } of MUTANTS) {
  test(`The model notices when ${name}`, async () => {
    const code = await loadModelCode(patches);
    const { fault } = explore(
      (sharing) => new ScenarioWorld(code, scenario, sharing),
      { preemptions, executions: 200_000 },
    );
    assert.match(fault ?? "no fault", found);
  });
}
