/**
 * Node's servers as Node's users run them: JavaScript. Node can run the sources, but each worker then strips the types
 * of every module again, which costs it a quarter of a second and 17 MB; the npm package is JavaScript.
 */
const ROOT = new URL("../../../", import.meta.url);
/** Two folders deep, where no `../../workers/` is: the bundle is then its own worker entry. */
const FOLDER = ".cache/bench/node/";
const ENTRIES = [
  "app",
  "peers/node_http",
  "peers/node_http_piscina",
  "peers/piscina_task",
  "peers/node_ws",
  "peers/node_tus",
]
  .concat("peers/adapter_alone");

/** Builds all servers that run on Node. */
export async function buildForNode(): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "node_modules/esbuild/bin/esbuild"]
      .concat(ENTRIES.map((entry) => `bench/server/${entry}.ts`))
      .concat("--bundle", "--format=esm", "--platform=node", "--target=node22", "--packages=external")
      .concat("--log-level=warning", "--outbase=bench/server", `--outdir=${FOLDER}`),
    cwd: ROOT,
    stdin: "null",
  }).output();
  if (!success) throw new Error(`esbuild failed: ${new TextDecoder().decode(stderr)}`);
}

/** The built form of a script below bench/server/. */
export function builtScript(script: string): URL {
  return new URL(FOLDER + script.replace(/\.ts$/, ".js"), ROOT);
}
