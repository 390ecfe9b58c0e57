/**
 * Loads the test file that is named in the arguments, for `deno test`.
 *
 * When a module has registered a `node:test` test and then throws while it is evaluated, Deno 2.9 forgets the error,
 * runs what was registered and reports success. Here the error becomes a failed test.
 */
import { test } from "node:test";
import { pathToFileURL } from "node:url";

try {
  await import(pathToFileURL(Deno.args[0] ?? "").href);
} catch (error) {
  test("The test file loads", () => {
    throw error;
  });
}
