/**
 * The server benchmark: Cartouche beside the runtimes' own servers and others, each row checked, interleaved, with
 * medians, CPU and memory. Method and the last results: bench/README.md. Needs Linux, two cores, and wrk (Debian).
 *
 *     deno task bench                      all rows, about half an hour on a quiet machine
 *     deno task bench --quick              a look, two minutes
 *     deno task bench --rows=hello --runtimes=bun,node --seconds=5 --repeats=5
 */
import { runtimeBinary, runtimeCommand } from "../../test/support/runtimes.ts";
import { installPackages } from "../../scripts/install.ts";
import { Child, killAll } from "./harness/child.ts";
import { chartOf } from "./harness/chart.ts";
import { measureRow, type SpinLoops } from "./harness/measure_row.ts";
import { type Options, readOptions, USAGE } from "./harness/options.ts";
import { buildForNode } from "./harness/node_build.ts";
import { describeMachine } from "./harness/proc.ts";
import { reportOf } from "./harness/report.ts";
import {
  merge,
  readResults,
  type Results,
  type RowResult,
  RUNTIME_TITLES,
  writeResults,
} from "./harness/results.ts";
import type { Row, Settings } from "./harness/row.ts";
import { wrkVersion } from "./harness/wrk.ts";
import { MIXED_ROW } from "./rows/mixed_row.ts";
import { SOCKET_ROWS } from "./rows/socket_rows.ts";
import { TRANSFER_ROWS } from "./rows/transfer_rows.ts";
import { WRK_ROWS } from "./rows/wrk_rows.ts";

/** All rows, in the order of the tables. A new kind of work is a new file in rows/. */
const ROWS: readonly Row[] = [...WRK_ROWS, MIXED_ROW, ...SOCKET_ROWS, ...TRANSFER_ROWS];

const RESULTS = new URL("../results/latest.json", import.meta.url);
const CHART = new URL("../results/latest.svg", import.meta.url);
const README = new URL("../README.md", import.meta.url);
/** What stands between these two lines of the README is made by this program. */
const BEGIN = "<!-- results: begin -->";
const END = "<!-- results: end -->";
const CALIBRATION_PATIENCE_MS = 30_000;

const RUNTIMES = ["deno", "bun", "node"] as const;

/** Finds how many loops a microsecond is on each runtime. */
async function calibrate(): Promise<SpinLoops> {
  const loops: Record<string, string> = {};
  for (const runtime of RUNTIMES) {
    const child = new Child(runtimeCommand(runtime, new URL("./calibrate.ts", import.meta.url)));
    try {
      const [text] = await child.line(/^\d+\.\d+$/, CALIBRATION_PATIENCE_MS);
      loops[runtime] = text;
    } finally {
      await child.stop();
    }
  }
  return loops as SpinLoops;
}

async function versions(wrk: string | undefined): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const runtime of RUNTIMES) {
    const { stdout } = await new Deno.Command(runtimeBinary(runtime), { args: ["--version"] }).output();
    found[RUNTIME_TITLES[runtime]] = /\d+\.\d+\.\d+/.exec(new TextDecoder().decode(stdout))?.[0] ?? "?";
  }
  if (wrk !== undefined) found["wrk"] = wrk;
  for (const name of ["piscina", "ws", "@tus/server"]) {
    const path = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
    found[name] = (JSON.parse(Deno.readTextFileSync(path)) as { version: string }).version;
  }
  return found;
}

/** Measures the rows and returns them; those that cannot be are told and left out. */
async function measureRows(
  rows: readonly Row[],
  settings: Settings,
  wrk: string | undefined,
): Promise<RowResult[]> {
  const possible = rows.filter((row) => wrk !== undefined || !row.needsWrk);
  if (possible.length < rows.length) {
    const skipped = rows.filter((row) => !possible.includes(row)).map(({ id }) => id).join(", ");
    console.error(`wrk is missing (Debian: apt-get install wrk), so these rows are left out: ${skipped}`);
  }
  if (possible.length === 0) return [];
  if (settings.runtimes.includes("node")) await buildForNode();
  const spinLoops = await calibrate();
  console.error(`loops in a microsecond: ${JSON.stringify(spinLoops)}`);
  console.error(`${possible.length} rows, about ${(estimate(possible, settings) / 60).toFixed(1)} minutes`);
  const results: RowResult[] = [];
  for (const row of possible) {
    results.push(await measureRow(row, settings, spinLoops, (line) => console.error(line)));
  }
  return results;
}

/** Seconds that the rows take when nothing has to be repeated. */
function estimate(rows: readonly Row[], settings: Settings): number {
  return rows.reduce((sum, row) => {
    const turns = row.contestants(settings).length * (row.repeats?.(settings) ?? settings.repeats);
    return sum + turns * row.estimate(settings);
  }, 0);
}

function writeReadme(results: Results): void {
  const readme = Deno.readTextFileSync(README);
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`bench/README.md has no section between ${BEGIN} and ${END}`);
  const section = `${BEGIN}\n\n![Chart of the results](results/latest.svg)\n\n${reportOf(results)}\n`;
  Deno.writeTextFileSync(README, readme.slice(0, begin) + section + readme.slice(end));
}

async function main({ rows, settings, writes, writesReadme }: Options): Promise<boolean> {
  if (Deno.build.os !== "linux") throw new Error("the benchmark reads /proc: it needs Linux");
  await installPackages();
  const wrk = await wrkVersion();
  const fresh: Results = {
    machine: describeMachine(),
    versions: await versions(wrk),
    foreignLimit: settings.foreignLimit,
    reruns: settings.reruns,
    rows: await measureRows(rows, settings, wrk),
  };
  const order = ROWS.map(({ id }) => id);
  const old = readResults(RESULTS);
  // Without a new row the old ones are reported as they are, wherever they were measured.
  const results = fresh.rows.length === 0 && old !== undefined ? old : merge(old, fresh, order);
  console.log(reportOf(fresh.rows.length === 0 ? results : fresh));
  if (writes && fresh.rows.length > 0) {
    Deno.mkdirSync(new URL("./", RESULTS), { recursive: true });
    writeResults(RESULTS, results);
    Deno.writeTextFileSync(CHART, chartOf(results));
  }
  if (writesReadme) writeReadme(results);
  return fresh.rows.every(({ contestants }) => contestants.every(({ failures }) => failures.length === 0));
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {
    killAll();
    Deno.exit(1);
  });
}
function optionsOrExit(): Options {
  try {
    return readOptions(Deno.args, ROWS);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    Deno.exit(2);
  }
}

function list(): string {
  return ROWS.map(({ id, title, isExtra }) => `${id.padEnd(22)}${title}${isExtra ? " (if named)" : ""}`).join(
    "\n",
  );
}

const options = optionsOrExit();
if (options.action === "help") console.log(USAGE);
else if (options.action === "list") console.log(list());
else Deno.exit(await main(options) ? 0 : 1);
