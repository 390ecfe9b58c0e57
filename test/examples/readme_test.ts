/**
 * The server at the top of README.md: as short as it claims to be, and it works.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { get, post } from "../support/raw_client.ts";
import { listening, spawnModule } from "../support/start_example.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";

const README = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const SERVER = /```ts[^\n]*\n([\s\S]*?)```/.exec(README)?.[1] ?? "";

test("README.md begins with a server of thirteen lines", () => {
  assert.equal(SERVER.trimEnd().split("\n").length, 13);
  assert.ok(README.indexOf("```") < README.indexOf("\n## "), "it stands above the first heading");
});

test("The server of README.md greets and hashes", async () => {
  await withTemporaryFolder(async (folder) => {
    const file = `${folder}/server.mts`;
    const module = new URL("../../mod.ts", import.meta.url).href;
    const source = SERVER.replace("@cartouche/cartouche", module).replace("8080", "0");
    assert.notEqual(source, SERVER);
    writeFileSync(file, source);
    const app = spawnModule(pathToFileURL(file));
    try {
      await listening(app);
      assert.equal((await app.exchange(get("/"))).text, "Hello, World!");
      const hash = await app.exchange(post("/hash", 6) + "secret");
      assert.equal(hash.status, 200);
      assert.match(hash.text, /^[0-9a-f]{128}$/);
      assert.notEqual((await app.exchange(post("/hash", 6) + "secreT")).text, hash.text);
      app.signal("SIGTERM");
      assert.deepEqual(await app.exited(), { code: 0, signal: null });
    } finally {
      await app.kill();
    }
  });
});

for (const page of ["README.md", "docs/architecture.md"]) {
  test(`The way of a request in ${page} leads through files that exist`, () => {
    const text = readFileSync(new URL(`../../${page}`, import.meta.url), "utf8");
    const way = /## How a request travels\n[^`]*```\n([\s\S]*?)```/.exec(text)?.[1] ?? "";
    let folder = "";
    const files: string[] = [];
    for (const [, path = ""] of way.matchAll(/([a-z_]+(?:\/[a-z_]+)*\.ts)/g)) {
      // "http/request_parser.ts, chunked_decoder.ts" are two of one folder.
      if (path.includes("/")) folder = path.slice(0, path.lastIndexOf("/") + 1);
      files.push(path.includes("/") ? path : folder + path);
    }
    assert.ok(files.length >= 15, `${files.length} files`);
    for (const file of files) {
      assert.ok(existsSync(new URL(`../../src/${file}`, import.meta.url)), `src/${file}`);
    }
  });
}
