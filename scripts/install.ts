/**
 * Installs what tests and checks need, when it is missing: npm packages, and Chromium for browser tests.
 *
 * npm packages are compared with package-lock.json by name and version, so a stale node_modules is noticed after a
 * pull. Debian packages are installed only as root; anybody else is told the command.
 */
import { arch, platform } from "node:process";

/**
 * No package needs an install script: the Bun and Node binaries lie in platform packages (see package.json). Two of
 * those bring a command called `node`, which must not come before the machine's own on the PATH of tasks. Both are
 * flags and not lines in .npmrc, because `npx deno` reads that file too and needs both.
 */
const NPM_FLAGS = ["--ignore-scripts", "--no-bin-links", "--no-audit", "--no-fund", "--loglevel=error"];

/** Runs `npm ci` unless node_modules holds what package-lock.json says. */
export async function installPackages(): Promise<void> {
  const reason = await whyStale();
  if (reason === undefined) return;
  console.log(`npm ci (${reason})`);
  const started = performance.now();
  await run("npm", ["ci", ...NPM_FLAGS]);
  console.log(`npm ci took ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

/**
 * The path of a Chromium, installed from Debian when there is none and this is root's machine.
 *
 * @throws Error that says what to install
 */
export async function installChromium(): Promise<string> {
  const found = await findChromium();
  if (found !== undefined) return found;
  if (Deno.build.os !== "linux" || Deno.uid() !== 0 || await which("apt-get") === undefined) {
    throw new Error("browser tests need Chromium: install it, or set CARTOUCHE_CHROMIUM to its path");
  }
  console.log("apt-get install chromium (browser tests need it)");
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await run("apt-get", ["update", "-q"], env);
  await run("apt-get", ["install", "-y", "-q", "--no-install-recommends", "chromium"], env);
  const installed = await findChromium();
  if (installed === undefined) throw new Error("the Debian package chromium brought no chromium command");
  return installed;
}

interface LockedPackage {
  readonly version?: string;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}

interface Lockfile {
  readonly packages: Record<string, LockedPackage | undefined>;
}

async function whyStale(): Promise<string | undefined> {
  const wanted = await readLockfile("package-lock.json");
  if (wanted === undefined) {
    throw new Error("package-lock.json is missing; run this from the root of the tree");
  }
  const present = await readLockfile("node_modules/.package-lock.json");
  if (present === undefined) return "node_modules is missing";
  for (const [path, entry] of Object.entries(wanted.packages)) {
    if (path === "" || entry === undefined) continue;
    const installed = present.packages[path];
    if (installed === undefined && entry.optional === true && !isForHere(entry)) continue;
    if (installed?.version !== entry.version) {
      return `${path} is ${installed?.version ?? "missing"}, the lock says ${entry.version}`;
    }
  }
  return undefined;
}

/** Whether npm installs this optional package here; false where only npm can tell (the C library). */
function isForHere({ os, cpu, libc }: LockedPackage): boolean {
  return (os?.includes(platform) ?? true) && (cpu?.includes(arch) ?? true) && libc === undefined;
}

async function readLockfile(path: string): Promise<Lockfile | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function findChromium(): Promise<string | undefined> {
  const given = Deno.env.get("CARTOUCHE_CHROMIUM");
  if (given) return given;
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    const path = await which(name);
    if (path !== undefined) return path;
  }
  return undefined;
}

async function which(command: string): Promise<string | undefined> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = `${folder}/${command}`;
    try {
      if ((await Deno.stat(path)).isFile) return path;
    } catch {
      // Not there.
    }
  }
  return undefined;
}

async function run(command: string, args: string[], env: Record<string, string> = {}): Promise<void> {
  const status = await new Deno.Command(command, { args, env, stdin: "null" }).spawn().status;
  if (!status.success) throw new Error(`${command} ${args.join(" ")} failed with exit code ${status.code}`);
}
