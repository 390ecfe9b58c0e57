import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_LIMIT_SECONDS, parseDirectives, RUNTIMES } from "../../scripts/test_directives.ts";

test("A test file without directives runs beside others on every runtime", () => {
  const directives = parseDirectives('import { test } from "node:test";\n');
  assert.deepEqual(directives, { alone: false, runtimes: RUNTIMES, limitSeconds: DEFAULT_LIMIT_SECONDS });
});

test("Directives are read from line comments and from the doc comment", () => {
  const lines = [
    "/**",
    " * test-runs: alone",
    " */",
    "// test-runs-on: node, bun — no such call",
    "// test-limit: 300 s",
  ];
  const directives = parseDirectives(lines.join("\n"));
  assert.deepEqual(directives, { alone: true, runtimes: ["bun", "node"], limitSeconds: 300 });
});

for (
  const line of [
    "// test-runs: aloan",
    "// test-run: alone",
    "// test-runs-on: node",
    "// test-runs-on: nodejs — misspelled",
    "// test-limit: 5 min",
    "// test-limit: 0 s",
  ]
) {
  test(`The directive "${line}" is refused`, () => {
    assert.throws(() => parseDirectives(line), Error);
  });
}
