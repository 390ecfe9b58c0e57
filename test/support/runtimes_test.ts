import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { BINARIES, type BinaryName, currentRuntime, runtimeCommand } from "./runtimes.ts";

const REPORT = new URL("../fixtures/report_runtime.mjs", import.meta.url);

const EXPECTED: Readonly<Record<BinaryName, RegExp>> = {
  deno: /^deno 2\./,
  bun: /^bun 1\./,
  node: /^node 2[24]\./,
  node20: /^node 20\./,
  node22: /^node 22\./,
};

for (const name of BINARIES) {
  test(`A script is run by ${name}, whoever starts it`, () => {
    for (const script of [REPORT, REPORT.href, fileURLToPath(REPORT)]) {
      const { command, args } = runtimeCommand(name, script, ["an argument"]);
      const { stdout, stderr } = spawnSync(command, args, { encoding: "utf8", timeout: 30_000 });
      assert.match(stdout, EXPECTED[name], stderr);
      assert.match(stdout, / an argument\n$/);
    }
  });
}

test("The current runtime is one of the three", () => {
  assert.match(currentRuntime(), /^(deno|bun|node)$/);
});
