/**
 * Tests of how long a connection that was ended is kept.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { lingerMs } from "../../src/connection/linger.ts";

test("A connection that was ended is kept for writeTimeoutMs, and never for more than 30 s", () => {
  assert.equal(lingerMs(300), 300);
  assert.equal(lingerMs(30_000), 30_000);
  assert.equal(lingerMs(86_400_000), 30_000);
  assert.equal(lingerMs(0), 30_000);
});
