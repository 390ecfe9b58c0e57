/** The results as Markdown. */
import {
  type ContestantResult,
  type GoalResult,
  judge,
  type Results,
  type RowResult,
  RUNTIME_TITLES,
  timesBetter,
  valuesOf,
} from "./results.ts";
import type { Metric, Usage } from "./row.ts";
import { median } from "./statistics.ts";

/** All of it, with headings of the third level. */
export function reportOf(results: Results): string {
  const goals = results.rows.flatMap(judge);
  const parts = [
    conditions(results),
    ...(goals.length === 0 ? [] : ["### Goals", goalTable(goals)]),
    ...results.rows.flatMap((row) => [`### ${row.title}`, methodOf(row), rowTable(row), ...failuresOf(row)]),
  ];
  return parts.join("\n\n") + "\n";
}

function conditions({ machine, versions, foreignLimit, reruns, rows }: Results): string {
  const { cpu, cores, memoryGb, kernel, system } = machine;
  const dates = [...new Set(rows.map(({ date }) => date))].sort().join(", ");
  return [
    `- Machine: ${cores} cores (${cpu}), ${memoryGb} GiB, ${system}, Linux ${kernel}; load generator on the same cores`,
    `- Versions: ${Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ")}`,
    `- Measured: ${dates}; turns beside more than ${foreignLimit} % of a core of foreign CPU were repeated, ` +
    `${reruns} times at most`,
  ].join("\n");
}

function methodOf({ method, seconds, repeats, date }: RowResult): string {
  const rounds = `${repeats} round${repeats === 1 ? "" : "s"}`;
  return `${method.trim()} (${rounds}${seconds === null ? "" : ` of ${seconds} s`}, ${date})`;
}

function goalTable(goals: readonly GoalResult[]): string {
  return table(
    ["work", "goal", "measured", ""],
    goals.map(({ row, text, measured, digits, isReached }) => {
      return [row, text, format(measured, digits), isReached ? "reached" : "**short**"];
    }),
  );
}

function rowTable(row: RowResult): string {
  const [main, ...others] = row.metrics;
  if (main === undefined) return "";
  const isRate = main.key === "rate";
  const hasOwn = row.contestants.some((each) => ownPeer(row, each) !== undefined);
  const head = [
    "server",
    "runtime",
    "workers",
    `${main.title} (least–most)`,
    ...(hasOwn ? ["× the runtime's own"] : []),
    ...others.map(({ title }) => title),
    ...(isRate ? ["server µs CPU each"] : []),
    "server CPU %",
    "load CPU %",
    "server MB",
    "foreign CPU %",
  ];
  const rows = row.contestants.map((each) => {
    const values = valuesOf(each, main.key);
    const peer = ownPeer(row, each);
    const ratio = peer === undefined ? undefined : timesBetter(each, peer, main);
    return [
      each.server,
      RUNTIME_TITLES[each.runtime],
      each.workers === undefined ? "–" : String(each.workers),
      spread(values, main),
      ...(hasOwn ? [ratio === undefined ? "" : format(ratio, 2)] : []),
      ...others.map(({ key, digits }) => format(median(valuesOf(each, key)), digits)),
      ...(isRate ? [format(microsecondsEach(each), 1)] : []),
      format(usage(each, "serverCpu"), 0),
      format(usage(each, "loadCpu"), 0),
      format(usage(each, "residentMb"), 0),
      format(usage(each, "foreignCpu"), 0),
    ];
  });
  return table(head, rows);
}

/** The peer of one thread on the runtime of a contestant of ours. */
function ownPeer(row: RowResult, { runtime, kind }: ContestantResult): ContestantResult | undefined {
  if (kind !== "cartouche") return undefined;
  return row.contestants.find((other) => {
    return other.kind === "peer" && other.runtime === runtime && other.workers === undefined;
  });
}

/** CPU time of the server for one request, µs. */
function microsecondsEach({ samples }: ContestantResult): number {
  return median(samples.flatMap((sample) => {
    const rate = sample?.values["rate"];
    return rate === undefined || sample === null ? [] : sample.usage.serverCpu / 100 / rate * 1e6;
  }));
}

function usage({ samples }: ContestantResult, key: keyof Usage): number {
  return median(samples.flatMap((sample) => sample?.usage[key] ?? []));
}

function spread(values: readonly number[], { digits }: Metric): string {
  if (values.length === 0) return "failed";
  const middle = format(median(values), digits);
  if (values.length === 1) return middle;
  return `${middle} (${format(Math.min(...values), digits)}–${format(Math.max(...values), digits)})`;
}

function failuresOf({ contestants }: RowResult): string[] {
  const lines = contestants.flatMap(({ id, failures, samples }) => {
    if (failures.length === 0) return [];
    return [
      `- ${id} failed in ${failures.length} of ${samples.length} rounds: ${firstLine(failures[0] ?? "")}`,
    ];
  });
  return lines.length === 0 ? [] : [lines.join("\n")];
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0]?.slice(0, 300) ?? "";
}

function format(value: number, digits: number): string {
  if (!Number.isFinite(value)) return "–";
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
