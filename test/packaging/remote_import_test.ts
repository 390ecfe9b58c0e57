/**
 * The library imported from a URL, as Deno imports it from JSR: its threads must come up from there, too.
 * Runs on: any; runtime API: none
 */
// test-runs-on: deno — only Deno imports modules over HTTP
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { runtimeCommand } from "../support/runtimes.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

test("An app that imports the library over HTTP serves, with its workers", async () => {
  const registry = createServer((request, response) => {
    const path = join(ROOT, new URL(request.url ?? "/", "http://a").pathname);
    response.writeHead(200, { "content-type": "application/typescript" });
    response.end(readFileSync(path));
  });
  registry.listen(0, "127.0.0.1");
  await once(registry, "listening");
  const address = registry.address();
  assert.ok(typeof address === "object" && address !== null);
  const folder = mkdtempSync(join(tmpdir(), "cartouche-remote-"));
  const app = join(folder, "app.ts");
  writeFileSync(
    app,
    `import { serve } from "http://127.0.0.1:${address.port}/mod.ts";
export default { fetch: () => new Response("from afar") };
await serve(import.meta.url, { port: 0, workers: 2 });
`,
  );
  const { command, args } = runtimeCommand("deno", app, []);
  const child = spawn(command, args, {
    cwd: folder,
    env: { ...process.env, DENO_DIR: join(folder, "cache") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  try {
    const url = await new Promise<string>((resolve, reject) => {
      let said = "";
      child.stdout.on("data", (bytes: Uint8Array) => {
        said += new TextDecoder().decode(bytes);
        const match = /Listening on (http:\S+)/.exec(said);
        if (match?.[1] !== undefined) resolve(match[1]);
      });
      let errors = "";
      child.stderr.on("data", (bytes: Uint8Array) => errors += new TextDecoder().decode(bytes));
      child.on("exit", (code) => reject(new Error(`the app ended with ${code}: ${errors}`)));
    });
    assert.equal(await (await fetch(url)).text(), "from afar");
    const ended = once(child, "exit");
    process.kill(child.pid as number, "SIGTERM");
    await ended;
    assert.equal(child.exitCode, 0);
  } finally {
    child.kill("SIGKILL");
    registry.closeAllConnections();
    registry.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
