import assert from "node:assert/strict";
import { test } from "node:test";
import { checkImports } from "../../scripts/check_imports.ts";

function head(thread: string, api = "none"): string {
  return `/**\n * What it is.\n * Runs on: ${thread}; runtime API: ${api}\n */\n`;
}

const FINE: Readonly<Record<string, string>> = {
  "mod.ts": `export { serve } from "./src/server.ts";\n`,
  "src/server.ts": head("any") +
    `import { start } from "./pool/pool.ts";\nimport { run } from "./worker/loop.ts";\nexport const serve = 1;\n`,
  "src/errors.ts": head("any"),
  "src/ring/layout.ts": head("any"),
  "src/http/status.ts": head("any") +
    `import type { Transform } from "node:stream";\nimport { CartoucheError } from "../errors.ts";\n`,
  "src/pool/pool.ts": head("I/O thread") + `import { listen } from "../connection/connection.ts";\n`,
  "src/connection/connection.ts": head("I/O thread") +
    `import type { Adapter } from "../adapters/adapter.ts";\n`,
  "src/adapters/adapter.ts": head("I/O thread"),
  "src/adapters/deno.ts": head("I/O thread", "adapters only") + "Deno.listen({ port: 0 });\n",
  "src/worker/loop.ts": head("worker") + `import { TAIL } from "../ring/layout.ts";\n`,
  "workers/handler_worker.ts": head("worker") + `import { run } from "../src/worker/loop.ts";\n`,
};

function faultsWith(path: string, source: string): string[] {
  return checkImports(new Map(Object.entries({ ...FINE, [path]: source })));
}

test("A tree that keeps the rules has no faults", () => {
  assert.deepEqual(checkImports(new Map(Object.entries(FINE))), []);
});

const FAULTS: readonly (readonly [name: string, path: string, source: string, fault: RegExp])[] = [
  ["a file has no head", "src/http/a.ts", "export {};\n", /^src\/http\/a\.ts:3: the second line/],
  ["a head has other words", "src/http/a.ts", head("main thread"), /the second line of the head/],
  ["a folder is unknown", "src/util/a.ts", head("any"), /the folder util is not in the table/],
  ["a file is called index.ts", "src/http/index.ts", head("any"), /no index\.ts/],
  ["a barrel exports all", "mod.ts", `export * from "./src/errors.ts";\n`, /^mod\.ts:1: no `export \*`/],
  [
    "the ring imports an error class",
    "src/ring/layout.ts",
    head("any") + `import { CartoucheError } from "../errors.ts";\n`,
    /^src\/ring\/layout\.ts:5: ring may not import errors\.ts/,
  ],
  [
    "a grammar imports a ring",
    "src/http/status.ts",
    head("any") + `import { TAIL } from "../ring/layout.ts";\n`,
    /http may not import ring\/layout\.ts/,
  ],
  [
    "a connection imports a type of a worker",
    "src/connection/connection.ts",
    head("I/O thread") + `import type { Loop } from "../worker/loop.ts";\n`,
    /connection may not import a type of worker\/loop\.ts/,
  ],
  [
    "a worker imports the pool",
    "src/worker/loop.ts",
    head("worker") + `import { start } from "../pool/pool.ts";\n`,
    /worker may not import pool\/pool\.ts/,
  ],
  [
    "a file for any thread imports one for the I/O thread",
    "src/pool/link.ts",
    head("any") + `import { start } from "./pool.ts";\n`,
    /runs on: any, but imports src\/pool\/pool\.ts, which runs on: I\/O thread/,
  ],
  [
    "a worker file says I/O thread",
    "src/worker/loop.ts",
    head("I/O thread"),
    /nothing in worker runs on: I\/O thread/,
  ],
  [
    "a concrete adapter is imported from outside",
    "src/pool/pool.ts",
    head("I/O thread") + `import { adapter } from "../adapters/deno.ts";\n`,
    /pool may not import adapters\/deno\.ts/,
  ],
  [
    "Deno is named outside the adapters",
    "src/worker/loop.ts",
    head("worker") + "Deno.cwd();\n",
    /may name Deno/,
  ],
  ["Bun is looked for by name", "src/server.ts", head("any") + `"Bun" in globalThis;\n`, /may name "Bun"/],
  [
    "Bun is reached through a cast",
    "src/server.ts",
    head("any") + "(globalThis as { Bun?: X }).Bun;\n",
    /server\.ts:5: only adapters may name Bun/,
  ],
  [
    "a grammar imports a module that does I/O",
    "src/http/status.ts",
    head("any") + `import { open } from "node:fs";\n`,
    /http may not import node:fs/,
  ],
  [
    "a socket module is imported outside the adapters",
    "src/worker/loop.ts",
    head("worker") + `import { connect } from "node:net";\n`,
    /worker may not import node:net/,
  ],
  [
    "an adapter hides its runtime",
    "src/adapters/deno.ts",
    head("I/O thread") + "Deno.cwd();\n",
    /line 5 names Deno/,
  ],
  [
    "an adapter claims a runtime",
    "src/adapters/adapter.ts",
    head("I/O thread", "adapters only"),
    /names no runtime/,
  ],
  ["a package is imported", "src/http/status.ts", head("any") + `import ws from "ws";\n`, /no dependencies/],
  [
    "a file does not exist",
    "src/http/status.ts",
    head("any") + `import "./gone.ts";\n`,
    /gone\.ts does not exist/,
  ],
];

for (const [name, path, source, fault] of FAULTS) {
  test(`The import check complains when ${name}`, () => {
    const faults = faultsWith(path, source);
    assert.ok(faults.some((line) => fault.test(line)), `not among the faults:\n${faults.join("\n")}`);
  });
}

test("The import check passes over names in comments, prose and properties", () => {
  const source = head("worker") +
    `// Deno.cwd()\nconst text = "Deno and Bun"; type X = { Deno?: 1; Bun: 2 };\n`;
  assert.deepEqual(faultsWith("src/worker/loop.ts", source), []);
});
