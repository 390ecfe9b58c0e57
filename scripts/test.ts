/**
 * `deno task test`: the checks, then every `test/**\/*_test.ts` on Deno, Bun and Node, one process per file and
 * runtime, two at a time.
 *
 *     deno task test                          everything
 *     deno task test ring/ http/range         only files whose path contains one of these; no checks
 *     deno task test --runtime=bun,node       only on these runtimes
 *     deno task test --jobs=1                 one at a time
 *
 * Nothing is retried. A file asks to be run alone, on some runtimes only, or for more time with the comments that
 * test_directives.ts describes. The last line is `N passed, N failed`, over all runtimes and checks; the exit code is
 * 1 when anything failed, when a file has no tests, and when a process died, hung or left others behind.
 */
import { BINARIES, findBinary } from "../test/support/runtimes.ts";
import { CHECKS, reportLine, runChecks } from "./check.ts";
import { installChromium, installPackages } from "./install.ts";
import { killAllTests, runTestFile, type TestJob, type TestResult } from "./run_test_file.ts";
import { parseDirectives, type RuntimeName, RUNTIMES } from "./test_directives.ts";

/** After this long no further file is started; what was not run counts as failed. */
const TOTAL_LIMIT_SECONDS = 45 * 60;

interface Options {
  readonly filters: readonly string[];
  readonly runtimes: readonly RuntimeName[];
  readonly jobs: number;
}

interface Plan {
  readonly together: readonly TestJob[];
  readonly alone: readonly TestJob[];
  /** Files that could not be planned, with the reason. */
  readonly faults: readonly string[];
}

class Totals {
  passed = 0;
  failed = 0;
  skipped = 0;
  readonly failures: string[] = [];

  fail(what: string): void {
    this.failed++;
    this.failures.push(what);
    console.log(`FAIL  ${what}`);
  }
}

function parseOptions(args: readonly string[]): Options {
  const filters: string[] = [];
  let runtimes: readonly RuntimeName[] = RUNTIMES;
  let jobs = Math.min(2, navigator.hardwareConcurrency);
  for (const arg of args) {
    const [, name, value = ""] = /^--([a-z]+)=(.*)$/.exec(arg) ?? [];
    if (name === "runtime") {
      const names = value.split(",");
      runtimes = RUNTIMES.filter((runtime) => names.includes(runtime));
      if (runtimes.length !== names.length) {
        throw new Error(`${arg}: the runtimes are ${RUNTIMES.join(", ")}`);
      }
    } else if (name === "jobs" && /^[1-9][0-9]*$/.test(value)) {
      jobs = Number(value);
    } else if (arg.startsWith("-")) {
      throw new Error(`unknown option ${arg}`);
    } else {
      filters.push(arg.replace(/^\.\//, ""));
    }
  }
  return { filters, runtimes, jobs };
}

function findTestFiles(folder: string): string[] {
  const files: string[] = [];
  for (const entry of Deno.readDirSync(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) files.push(...findTestFiles(path));
    else if (entry.name.endsWith("_test.ts")) files.push(path);
  }
  return files.sort();
}

function makePlan(files: readonly string[], runtimes: readonly RuntimeName[]): Plan {
  const together: TestJob[] = [];
  const alone: TestJob[] = [];
  const faults: string[] = [];
  for (const file of files) {
    try {
      const directives = parseDirectives(Deno.readTextFileSync(file));
      for (const runtime of runtimes) {
        if (!directives.runtimes.includes(runtime)) continue;
        const job = { file, runtime, limitSeconds: directives.limitSeconds };
        (directives.alone ? alone : together).push(job);
      }
    } catch (error) {
      faults.push(`${file}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return { together, alone, faults };
}

/** What tests find in their environment, beside what is there. */
function testEnvironment(): Record<string, string> {
  const env: Record<string, string> = {};
  if (!Deno.stdout.isTerminal()) env["NO_COLOR"] = "1";
  for (const name of BINARIES) {
    const path = name === "node20" ? findNode20() : findBinary(name);
    if (path !== undefined) env[`CARTOUCHE_${name.toUpperCase()}`] = path;
  }
  return env;
}

/** The machine's own Node when it is a 20, else the pinned one. */
function findNode20(): string | undefined {
  try {
    const args = ["-p", "process.version + ' ' + process.execPath"];
    const { stdout } = new Deno.Command("node", { args, stdin: "null", stderr: "null" }).outputSync();
    const [version = "", path] = new TextDecoder().decode(stdout).trim().split(" ");
    if (version.startsWith("v20.")) return path;
  } catch {
    // There is no node on the PATH.
  }
  return findBinary("node20");
}

function report(job: TestJob, result: TestResult, totals: Totals): void {
  totals.passed += result.passed;
  totals.failed += result.failed;
  totals.skipped += result.skipped;
  const counts = [`${result.passed} passed`];
  if (result.failed > 0) counts.push(`${result.failed} failed`);
  if (result.skipped > 0) counts.push(`${result.skipped} skipped`);
  const passed = result.failed === 0;
  console.log(reportLine(passed, job.runtime, `${job.file}  ${counts.join(", ")}`, result.seconds));
  if (passed) return;
  totals.failures.push(`${job.runtime}  ${job.file}`);
  console.log(`----- output of ${job.file} on ${job.runtime}`);
  console.log(result.output.trimEnd());
  for (const fault of result.faults) console.log(`FAULT: ${job.file} on ${job.runtime} ${fault}`);
  console.log("-----");
}

async function runJobs(
  jobs: readonly TestJob[],
  parallel: number,
  runOne: (job: TestJob) => Promise<void>,
): Promise<void> {
  const waiting = [...jobs];
  const runner = async (): Promise<void> => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) await runOne(job);
  };
  await Promise.all(Array.from({ length: parallel }, runner));
}

async function main(): Promise<number> {
  const started = performance.now();
  const options = parseOptions(Deno.args);
  const everything = options.filters.length === 0;
  const totals = new Totals();
  await installPackages();

  const files = findTestFiles("test").filter((file) =>
    everything || options.filters.some((filter) => file.includes(filter))
  );
  if (files.length === 0) throw new Error(`no test file matches ${options.filters.join(" ")}`);
  const env = testEnvironment();
  if (files.some((file) => /browser[^/]*$/.test(file))) {
    try {
      env["CARTOUCHE_CHROMIUM"] = await installChromium();
    } catch (error) {
      totals.fail(error instanceof Error ? error.message : String(error));
    }
  }
  if (everything) {
    const failed = await runChecks(env);
    totals.passed += CHECKS.length - failed;
    totals.failed += failed;
    if (failed > 0) totals.failures.push(`${failed} checks`);
  }

  const plan = makePlan(files, options.runtimes);
  for (const fault of plan.faults) totals.fail(fault);
  const reports = await Deno.makeTempDir({ prefix: "cartouche-test-" });
  let number = 0;
  const runOne = async (job: TestJob): Promise<void> => {
    if (env[`CARTOUCHE_${job.runtime.toUpperCase()}`] === undefined) {
      totals.fail(
        `${job.file}: no ${job.runtime} binary for this platform; set CARTOUCHE_${job.runtime.toUpperCase()}`,
      );
    } else if ((performance.now() - started) / 1000 > TOTAL_LIMIT_SECONDS) {
      totals.fail(`${job.file} on ${job.runtime}: not run, ${TOTAL_LIMIT_SECONDS} s are over`);
    } else {
      report(job, await runTestFile(job, env, `${reports}/${number++}.xml`), totals);
    }
  };
  const stop = (): void => {
    killAllTests();
    Deno.exit(130);
  };
  Deno.addSignalListener("SIGINT", stop);
  Deno.addSignalListener("SIGTERM", stop);
  try {
    await runJobs(plan.together, options.jobs, runOne);
    await runJobs(plan.alone, 1, runOne);
  } finally {
    await Deno.remove(reports, { recursive: true });
  }

  for (const failure of totals.failures) console.log(`failed: ${failure}`);
  console.log(`${((performance.now() - started) / 1000).toFixed(0)} s`);
  const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : "";
  console.log(`${totals.passed} passed, ${totals.failed} failed${skipped}`);
  return totals.failed === 0 && totals.passed > 0 ? 0 : 1;
}

if (import.meta.main) {
  try {
    Deno.exit(await main());
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
