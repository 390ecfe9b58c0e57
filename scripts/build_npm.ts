/**
 * Builds the npm package in npm/: JavaScript for Node 20, Bun and Deno in dist/, declarations in types/.
 *
 *     deno task build:npm                 writes npm/, ready for `npm publish`
 *     deno task build:npm --out=FOLDER    writes there
 *
 * `mod.js` and `cartouche_worker.js` are two entries of one esbuild run with code splitting: what both need lies in
 * shared chunks. Two separate bundles would give the handler's module and the worker's loop a copy each, with two
 * `ServerRequest` classes and two states.
 *
 * The sources start threads from `new URL("../../workers/handler_worker.ts", import.meta.url)`. All of dist/ lies
 * in one folder, so that becomes `./cartouche_worker.js` whichever chunk it ends in. The name is ours alone because an
 * app that was bundled into one file looks for it in its own folder, and must not find something else there.
 */
import { copyFileSync, existsSync } from "node:fs";

const WORKER_IN_SOURCES = '"../../workers/handler_worker.ts"';
const WORKER_IN_PACKAGE = '"./cartouche_worker.js"';

const PAGES = ["README.md", "LICENSE", "CHANGELOG.md"];

interface SourceConfig {
  readonly name: string;
  readonly version: string;
  readonly license: string;
}

/** Builds the package in a folder, which is emptied first. */
export async function buildPackage(out: string): Promise<void> {
  await removeIfThere(out);
  await Deno.mkdir(out, { recursive: true });
  await bundle(`${out}/dist`);
  await writeDeclarations(`${out}/types`);
  for (const page of PAGES) copyFileSync(page, `${out}/${page}`);
  const config: SourceConfig = JSON.parse(await Deno.readTextFile("deno.json"));
  await Deno.writeTextFile(`${out}/package.json`, JSON.stringify(packageJson(config), null, 2) + "\n");
}

/** The published package.json. */
function packageJson({ name, version, license }: SourceConfig): object {
  const code = "./dist/mod.js";
  return {
    name,
    version,
    description: "HTTP, WebSocket and event stream server whose handlers run on threads and may block",
    license,
    type: "module",
    exports: {
      ".": { types: "./types/mod.d.ts", deno: code, bun: code, node: code, import: code },
      // A second entry for bundlers that split: the worker then shares its chunks with the app.
      "./cartouche_worker.js": "./dist/cartouche_worker.js",
      "./package.json": "./package.json",
    },
    files: ["dist", "types", "CHANGELOG.md"],
    sideEffects: ["./dist/cartouche_worker.js"],
    engines: { node: ">=20" },
  };
}

async function bundle(folder: string): Promise<void> {
  await runTool("node_modules/esbuild/bin/esbuild", [
    "mod=mod.ts",
    "cartouche_worker=workers/handler_worker.ts",
    "--bundle",
    "--splitting",
    "--format=esm",
    "--platform=node",
    "--target=node20",
    "--chunk-names=chunk-[hash]",
    "--log-level=warning",
    `--outdir=${folder}`,
  ]);
  let rewritten = 0;
  for (const { name } of [...Deno.readDirSync(folder)]) {
    const path = `${folder}/${name}`;
    const parts = (await Deno.readTextFile(path)).split(WORKER_IN_SOURCES);
    if (parts.length === 1) continue;
    rewritten += parts.length - 1;
    await Deno.writeTextFile(path, parts.join(WORKER_IN_PACKAGE));
  }
  if (rewritten !== 1) {
    throw new Error(`the worker's URL ${WORKER_IN_SOURCES} stands ${rewritten} times in src, not once`);
  }
}

/**
 * Emits declarations, and keeps those that mod.d.ts reaches. Types are not checked here: `deno check` does that, with
 * the globals of all runtimes, which TypeScript does not know.
 */
async function writeDeclarations(folder: string): Promise<void> {
  const all = await Deno.makeTempDir({ prefix: "cartouche-types-" });
  try {
    await runTool("node_modules/typescript/bin/tsc", [
      "mod.ts",
      "--ignoreConfig",
      "--declaration",
      "--emitDeclarationOnly",
      "--noCheck",
      "--rewriteRelativeImportExtensions",
      "--verbatimModuleSyntax",
      ...["--module", "nodenext"],
      ...["--target", "es2024"],
      ...["--lib", "es2024,dom,dom.iterable,dom.asynciterable"],
      ...["--types", "node"],
      ...["--rootDir", "."],
      ...["--outDir", all],
    ]);
    const waiting = ["mod.d.ts"];
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      const target = `${folder}/${path}`;
      if (existsSync(target)) continue;
      await Deno.mkdir(target.slice(0, target.lastIndexOf("/")), { recursive: true });
      // TypeScript leaves ".ts" in the specifiers of declarations.
      const source = await Deno.readTextFile(`${all}/${path}`);
      const text = source.replace(/(from\s+|import\()"(\.[^"]*)\.ts"/g, '$1"$2.js"');
      await Deno.writeTextFile(target, text);
      for (const [, specifier = ""] of text.matchAll(/(?:from\s+|import\()"(\.[^"]*)"/g)) {
        waiting.push(new URL(specifier, `file:///${path}`).pathname.slice(1).replace(/\.js$/, ".d.ts"));
      }
    }
  } finally {
    await Deno.remove(all, { recursive: true });
  }
}

async function runTool(script: string, args: string[]): Promise<void> {
  const command = new Deno.Command(Deno.execPath(), { args: ["run", "-A", script, ...args], stdin: "null" });
  const { code } = await command.spawn().status;
  if (code !== 0) throw new Error(`${script} failed with exit code ${code}`);
}

async function removeIfThere(path: string): Promise<void> {
  if (existsSync(path)) await Deno.remove(path, { recursive: true });
}

if (import.meta.main) {
  const [, out = "npm"] = /^--out=(.+)$/.exec(Deno.args[0] ?? "--out=npm") ?? [];
  await buildPackage(out);
  console.log(`built ${out}`);
}
