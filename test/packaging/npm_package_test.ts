/**
 * The npm package: built, packed, installed without a network into an empty folder, and served from there.
 *
 * test-runs: alone
 * test-runs-on: node — starts every runtime itself, Node 20 and 22 too
 * test-limit: 300 s
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type BinaryName, runtimeBinary, runtimeCommand } from "../support/runtimes.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const RUNTIMES: readonly BinaryName[] = ["node20", "node22", "node", "bun", "deno"];

const folder = mkdtempSync(join(tmpdir(), "cartouche-package-"));
const app = join(folder, "app");

const HELLO = `
import { serve } from "@cartouche/cartouche";
export default { fetch: (request) => new Response("Hello, " + new URL(request.url).searchParams.get("name")) };
await serve(import.meta.url, { port: 0, workers: 2 });
`;

before(() => {
  run(runtimeBinary("deno"), ["run", "-A", "scripts/build_npm.ts", `--out=${join(folder, "package")}`], ROOT);
  run("npm", ["pack", "--offline", "--pack-destination", folder], join(folder, "package"));
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  assert.ok(tarball !== undefined);
  mkdirSync(app);
  writeFileSync(join(app, "package.json"), JSON.stringify({ private: true, type: "module" }));
  run("npm", ["install", "--offline", "--no-audit", "--no-fund", join(folder, tarball)], app);
  writeFileSync(join(app, "hello.js"), HELLO);
});

after(() => rmSync(folder, { recursive: true, force: true }));

for (const runtime of RUNTIMES) {
  test(`The package serves from node_modules on ${runtime}`, async () => {
    assert.equal(await serveAndFetch(runtime, join(app, "hello.js")), "Hello, package");
  });
}

test("The sources serve on Node 22, the oldest that runs them", async () => {
  assert.equal(await serveAndFetch("node22", join(ROOT, "examples/hello.ts")), "Hello, World!");
});

test("An app bundled into one file with the package serves on every runtime", async () => {
  const bundled = join(folder, "bundled.mjs");
  esbuild(["--bundle", "--platform=node", "--format=esm", `--outfile=${bundled}`, join(app, "hello.js")]);
  for (const runtime of RUNTIMES) {
    assert.equal(await serveAndFetch(runtime, bundled), "Hello, package", runtime);
  }
});

test("An app bundled with the worker as second entry serves on every runtime", async () => {
  const out = join(folder, "split");
  const worker = join(app, "node_modules/@cartouche/cartouche/dist/cartouche_worker.js");
  const entries = [`app=${join(app, "hello.js")}`, `cartouche_worker=${worker}`];
  esbuild(["--bundle", "--splitting", "--platform=node", "--format=esm", `--outdir=${out}`, ...entries]);
  writeFileSync(join(out, "package.json"), '{ "type": "module" }');
  for (const runtime of RUNTIMES) {
    assert.equal(await serveAndFetch(runtime, join(out, "app.js")), "Hello, package", runtime);
  }
});

test("The declarations of the package check without errors in a strict program", () => {
  writeFileSync(
    join(app, "typed.ts"),
    `import { serve } from "@cartouche/cartouche";
export default { fetch: (): Response => new Response("typed") };
await serve(import.meta.url, { port: 0 });
// @ts-expect-error an option of the wrong type is refused
await serve(import.meta.url, { port: "8080" });
`,
  );
  const options = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--module", "nodenext"];
  const environment = ["--target", "es2024", "--lib", "es2024,dom,dom.iterable,dom.asynciterable"];
  const types = ["--types", "node", "--typeRoots", join(ROOT, "node_modules/@types")];
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  run(runtimeBinary("node"), [tsc, "typed.ts", ...options, ...environment, ...types], app);
});

test("The package holds its code, declarations and pages, and depends on nothing", () => {
  const installed = join(app, "node_modules/@cartouche/cartouche");
  const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
  assert.equal(manifest.version, JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8")).version);
  assert.equal(manifest.dependencies, undefined);
  assert.equal(manifest.scripts, undefined);
  const names = readdirSync(installed).sort();
  assert.deepEqual(names, ["CHANGELOG.md", "LICENSE", "README.md", "dist", "package.json", "types"]);
});

function run(command: string, args: readonly string[], cwd: string): void {
  try {
    execFileSync(command, args, {
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 120_000,
      encoding: "utf8",
    });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${args.join(" ")} failed\n${stdout ?? ""}${stderr ?? ""}`, { cause: error });
  }
}

function esbuild(args: readonly string[]): void {
  run(
    runtimeBinary("node"),
    [join(ROOT, "node_modules/esbuild/bin/esbuild"), "--log-level=warning", ...args],
    app,
  );
}

/**
 * Starts a script that serves, fetches one page, stops it with SIGTERM; returns the page. Its whole output on stdout is
 * the one line that says where it listens: Bun, left alone, serves a default export with `fetch` a second time.
 */
async function serveAndFetch(runtime: BinaryName, script: string): Promise<string> {
  const { command, args } = runtimeCommand(runtime, script);
  const env = { ...process.env, PORT: "0", WORKERS: "2" };
  const child = spawn(command, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"], env });
  let stdout = "";
  let stderr = "";
  const exited = new Promise<number | null>((resolve) => child.on("close", resolve));
  const limit = setTimeout(() => child.kill("SIGKILL"), 30_000);
  try {
    const address = await new Promise<string>((resolve, reject) => {
      child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
        stdout += chunk;
        const listening = /^Listening on (http:\S+)\n/m.exec(stdout)?.[1];
        if (listening !== undefined) resolve(listening);
      });
      child.stderr.setEncoding("utf8").on("data", (chunk: string) => void (stderr += chunk));
      exited.then((code) =>
        reject(new Error(`${runtime} ended with ${code}, not listening:\n${stdout}${stderr}`))
      );
    });
    const response = await fetch(`${address}/?name=package`, { headers: { connection: "close" } });
    assert.equal(response.status, 200);
    const text = await response.text();
    child.kill("SIGTERM");
    assert.equal(await exited, 0, `exit code on ${runtime}:\n${stdout}${stderr}`);
    assert.equal(stdout, `Listening on ${address}\n`);
    return text;
  } finally {
    clearTimeout(limit);
    child.kill("SIGKILL");
    await exited;
  }
}
