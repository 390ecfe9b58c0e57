import assert from "node:assert/strict";
import { test } from "node:test";
import { detectAdapter } from "../../src/adapters/detect.ts";
import { currentRuntime } from "../support/runtimes.ts";

test("detectAdapter gives the adapter of the runtime that runs, and always the same", async () => {
  const adapter = await detectAdapter();
  assert.equal(adapter.runtime, currentRuntime());
  assert.equal(await detectAdapter(), adapter);
});
