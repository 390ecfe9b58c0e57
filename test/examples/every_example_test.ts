/**
 * What holds for every example: it starts with nothing but its path, says so in one line, stops on a signal, is short,
 * and says at its head how to run it. New examples are found by themselves.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { exampleUrl, listening, spawnExample } from "../support/start_example.ts";
import { currentRuntime } from "../support/runtimes.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";

const MAX_LINES = 40;
const MAX_WIDTH = 120;

/** Deno asks whether `deno serve` was meant when an app has `fetch` as a property of its own, as Hono's has. */
const ASKED_BY_DENO = ["hono"];

const EXAMPLES = readdirSync(new URL("../../examples/", import.meta.url))
  .filter((name) => name.endsWith(".ts"))
  .map((name) => name.slice(0, -3))
  .sort();

test("There are as many examples as there were", () => {
  assert.ok(EXAMPLES.length >= 13, EXAMPLES.join(" "));
});

test("README.md names every example", () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  for (const name of EXAMPLES) assert.ok(readme.includes(`(examples/${name}.ts)`), name);
});

for (const name of EXAMPLES) {
  test(`examples/${name}.ts is short, and says what it is and how to run it`, () => {
    const source = readFileSync(exampleUrl(name), "utf8");
    const head = /^\/\*\*\n(?: \*(?: .*)?\n)+ \*\/\n/.exec(source)?.[0];
    assert.ok(head !== undefined, "it begins with a comment");
    assert.match(head, new RegExp(`^ \\*     .*(?:node|bun|deno run -A) examples/${name}\\.ts$`, "m"));
    const lines = source.slice(head.length).trimEnd().split("\n");
    assert.ok(lines.length <= MAX_LINES, `${lines.length} lines below the head`);
    for (const line of lines) assert.ok(line.length <= MAX_WIDTH, line);
  });

  test(`examples/${name}.ts prints one line, and ends with code 0 on SIGINT`, async () => {
    await withTemporaryFolder(async (folder) => {
      const app = spawnExample(name, { LOG_FILE: `${folder}/server.log`, UPLOAD_DIR: `${folder}/uploads` });
      try {
        await listening(app);
        app.signal("SIGINT");
        assert.deepEqual(await app.exited(), { code: 0, signal: null });
        assert.match(app.stdout, /^Listening on http:\/\/127\.0\.0\.1:[1-9][0-9]*\n$/);
        const isAsked = currentRuntime() === "deno" && ASKED_BY_DENO.includes(name);
        assert.match(app.stderr, isAsked ? /^warning: .*deno serve.*\n$/ : /^$/);
      } finally {
        await app.kill();
      }
    });
  });
}
