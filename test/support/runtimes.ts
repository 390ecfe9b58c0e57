/**
 * Where the runtimes' binaries are, and how each runs a script.
 *
 * `deno task test` passes the paths in CARTOUCHE_DENO, CARTOUCHE_BUN, CARTOUCHE_NODE, CARTOUCHE_NODE20 and
 * CARTOUCHE_NODE22. When a test file is run by hand they are looked for: the runtime that runs the test itself, the
 * pinned binaries in node_modules, then the PATH. Works on all three runtimes; scripts/ uses it too.
 */
import { accessSync, constants, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** A runtime that the sources run on. */
export type RuntimeName = "deno" | "bun" | "node";

/** A binary that tests start; `node20` runs no `.ts` files, only the npm package. */
export type BinaryName = RuntimeName | "node20" | "node22";

/** All of them. */
export const BINARIES: readonly BinaryName[] = ["deno", "bun", "node", "node20", "node22"];

/** What to pass to `child_process.spawn`. */
export interface RuntimeCommand {
  readonly command: string;
  readonly args: string[];
}

const NODE_MODULES = fileURLToPath(new URL("../../node_modules/", import.meta.url));

const OS = process.platform;
const CPU = process.arch;
const BUN_CPU = CPU === "arm64" ? "aarch64" : CPU;

/** The package in package.json's optionalDependencies that holds the binary, as a path under node_modules. */
const PINNED: Readonly<Record<BinaryName, string | undefined>> = {
  deno: undefined,
  bun: `@oven/bun-${OS}-${BUN_CPU}/bin/bun`,
  node: `node24-${OS}-${CPU}/bin/node`,
  node20: `node20-${OS}-${CPU}/bin/node`,
  node22: `node22-${OS}-${CPU}/bin/node`,
};

/** Names on the PATH, the first that exists is taken. */
const COMMANDS: Readonly<Record<BinaryName, readonly string[]>> = {
  deno: ["deno"],
  bun: ["bun"],
  node: ["node24", "node"],
  node20: ["node20"],
  node22: ["node22"],
};

/** The runtime that runs this very file. */
export function currentRuntime(): RuntimeName {
  if (process.versions.deno !== undefined) return "deno";
  return process.versions.bun === undefined ? "node" : "bun";
}

/**
 * The path of a runtime's binary, or undefined when there is none on this machine.
 */
export function findBinary(name: BinaryName): string | undefined {
  const given = process.env[`CARTOUCHE_${name.toUpperCase()}`];
  if (given) return given;
  if (name === currentRuntime()) return process.execPath;
  const pinned = PINNED[name];
  const inPackage = pinned === undefined ? [] : [join(NODE_MODULES, pinned)];
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  const onPath = COMMANDS[name].flatMap((command) => folders.map((folder) => join(folder, command)));
  return [...inPackage, ...onPath].find(isExecutable);
}

/**
 * The path of a runtime's binary.
 *
 * @throws Error when there is none; the message says how to get it
 */
export function runtimeBinary(name: BinaryName): string {
  const path = findBinary(name);
  if (path !== undefined) return path;
  const hint = name === "deno" ? "" : ", run `npm ci`";
  throw new Error(`no ${name} binary on ${OS}-${CPU}: set CARTOUCHE_${name.toUpperCase()}${hint}`);
}

/**
 * How a runtime runs a script.
 *
 * @param script a path or a file: URL
 * @param args arguments of the script
 */
export function runtimeCommand(
  name: BinaryName,
  script: string | URL,
  args: readonly string[] = [],
): RuntimeCommand {
  const path = script instanceof URL || script.startsWith("file:") ? fileURLToPath(script) : script;
  const before = name === "deno" ? ["run", "-A"] : [];
  return { command: runtimeBinary(name), args: [...before, path, ...args] };
}

/** The same with as many descriptors as the system lets a process have. */
export function withManyDescriptors({ command, args }: RuntimeCommand): RuntimeCommand {
  return { command: "sh", args: ["-c", 'ulimit -n "$(ulimit -Hn)"; exec "$@"', "sh", command, ...args] };
}

/** How many descriptors that is. */
export function mostDescriptors(): number {
  const line = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  return line?.[1] === "unlimited" ? Infinity : Number(line?.[1] ?? 1024);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
