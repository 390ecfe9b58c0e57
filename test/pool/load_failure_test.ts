/**
 * What `serve` rejects with when the workers cannot load the app.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CartoucheError } from "../../src/errors.ts";
import { serve } from "../../src/server.ts";
import { fixture } from "../support/start_app.ts";

const OPTIONS = { port: 0, workers: 2, handleSignals: false, onListen: () => assert.fail("it listens") };

test("serve rejects with ERR_APP for a module without an app", async () => {
  await assert.rejects(serve(fixture("no_app.ts"), OPTIONS), (error: unknown) => {
    assert.ok(error instanceof CartoucheError);
    assert.equal(error.code, "ERR_APP");
    assert.match(error.message, /no_app\.ts has no default export/);
    return true;
  });
});

test("serve rejects with the error of a module that throws: name, message, code and stack", async () => {
  await assert.rejects(serve(fixture("failing_app.ts"), OPTIONS), (error: unknown) => {
    assert.ok(error instanceof Error && !(error instanceof CartoucheError));
    const { name, message, code, stack } = error as Error & { code?: string };
    assert.deepEqual([name, message, code], ["RangeError", "no such database", "E_DATABASE"]);
    assert.match(stack ?? "", /failing_app\.ts/);
    return true;
  });
});
