/** What a run has found: as it is kept in bench/results/latest.json, and as it is read again. */
import type { Machine } from "./proc.ts";
import type { Goal, Metric, Sample } from "./row.ts";
import type { Contestant } from "./servers.ts";
import { median } from "./statistics.ts";

/** One contestant of a row. Samples stand in the order of the rounds; null: that round failed. */
export interface ContestantResult extends Pick<Contestant, "id" | "server" | "runtime" | "workers" | "kind"> {
  readonly samples: readonly (Sample | null)[];
  readonly failures: readonly string[];
}

export interface RowResult {
  readonly id: string;
  readonly title: string;
  readonly method: string;
  readonly date: string;
  /** Length of one measurement; null: as long as the work takes. */
  readonly seconds: number | null;
  readonly repeats: number;
  readonly metrics: readonly Metric[];
  readonly goals: readonly Goal[];
  readonly contestants: readonly ContestantResult[];
}

export interface Results {
  readonly machine: Machine;
  /** Of runtimes, load generator and libraries. */
  readonly versions: Readonly<Record<string, string>>;
  /** Foreign CPU beyond which measurements were repeated, per cent of a core. */
  readonly foreignLimit: number;
  /** How often at most. */
  readonly reruns: number;
  readonly rows: readonly RowResult[];
}

/** The values of a figure in all rounds that did not fail. */
export function valuesOf({ samples }: ContestantResult, key: string): number[] {
  return samples.flatMap((sample) => sample?.values[key] ?? []);
}

/**
 * How many times better `one` is than `other`: the median over the rounds of the two figures of the same round.
 * undefined when there is no round in which both were measured.
 */
export function timesBetter(
  one: ContestantResult,
  other: ContestantResult,
  metric: Metric,
): number | undefined {
  const ratios = one.samples.flatMap((sample, round) => {
    const own = sample?.values[metric.key];
    const others = other.samples[round]?.values[metric.key];
    if (own === undefined || others === undefined) return [];
    return metric.better === "more" ? own / others : others / own;
  });
  return ratios.length === 0 ? undefined : median(ratios);
}

/** A goal and what came of it. */
export interface GoalResult {
  readonly row: string;
  readonly text: string;
  readonly measured: number;
  readonly digits: number;
  readonly isReached: boolean;
}

/** The goals of a row whose contestants were all measured. */
export function judge(row: RowResult): GoalResult[] {
  const find = (id: string): ContestantResult | undefined => row.contestants.find((each) => each.id === id);
  return row.goals.flatMap((goal): GoalResult[] => {
    const own = find(goal.of);
    const metric = row.metrics.find(({ key }) => key === goal.metric);
    if (own === undefined || metric === undefined) return [];
    const name = nameOf(own);
    if (goal.times !== undefined) {
      const { factor, than } = goal.times;
      const peers = than.flatMap((id) => find(id) ?? []);
      const ratios = peers.flatMap((peer) => timesBetter(own, peer, metric) ?? []);
      if (ratios.length < than.length) return [];
      const measured = Math.min(...ratios);
      const whom = than.length > 1
        ? "the best single-threaded server"
        : peers.map(({ server }) => server).join();
      const text = `${name}: ${metric.title} at least ${factor} × ${whom}`;
      return [{ row: row.title, text, measured, digits: 2, isReached: measured >= factor }];
    }
    const values = valuesOf(own, metric.key);
    if (goal.bound === undefined || values.length === 0) return [];
    const measured = median(values);
    const isMore = metric.better === "more";
    const bound = goal.bound.toLocaleString("en");
    const text = `${name}: ${metric.title} at ${isMore ? "least" : "most"} ${bound}`;
    const isReached = isMore ? measured >= goal.bound : measured <= goal.bound;
    return [{ row: row.title, text, measured, digits: metric.digits, isReached }];
  });
}

/** How a contestant is called in texts. */
export function nameOf({ server, runtime, workers, kind }: ContestantResult): string {
  const threads = workers === undefined ? "" : `, ${workers} worker${workers === 1 ? "" : "s"}`;
  return kind === "peer" && workers === undefined
    ? server
    : `${server}, ${RUNTIME_TITLES[runtime]}${threads}`;
}

export const RUNTIME_TITLES = { node: "Node", bun: "Bun", deno: "Deno" } as const;

/**
 * Puts new rows in the place of the old ones with the same id. Old rows stay only if they were measured on the same
 * machine with the same versions; they keep their date.
 */
export function merge(old: Results | undefined, fresh: Results, order: readonly string[]): Results {
  const isSame = old !== undefined &&
    JSON.stringify([old.machine, old.versions]) === JSON.stringify([fresh.machine, fresh.versions]);
  const ids = new Set(fresh.rows.map(({ id }) => id));
  const kept = isSame ? old.rows.filter(({ id }) => !ids.has(id) && order.includes(id)) : [];
  const rows = [...kept, ...fresh.rows].sort((a, b) => order.indexOf(a.id) - order.indexOf(b.id));
  return { ...fresh, rows };
}

export function readResults(path: URL): Results | undefined {
  try {
    return JSON.parse(Deno.readTextFileSync(path)) as Results;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** One line for each sample, three figures behind the point: small, and readable in a diff. */
export function writeResults(path: URL, results: Results): void {
  const text = JSON.stringify(results, (_key, value: unknown) => {
    return typeof value === "number" ? Math.round(value * 1000) / 1000 : value;
  }, 1);
  const folded = text.replaceAll(/\{\s+"values": \{[^}]*\},\s+"usage": \{[^}]*\}\s+\}/g, (sample) => {
    return sample.replaceAll(/\s+/g, " ");
  });
  Deno.writeTextFileSync(path, folded + "\n");
}
