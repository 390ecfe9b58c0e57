/**
 * Measures a row: rounds in which every contestant has its turn, each time with a process of its own, so that what
 * changes on the machine meanwhile meets all of them. A measurement beside too much foreign CPU is repeated.
 */
import type { RuntimeName } from "../../../test/support/runtimes.ts";
import type { RowResult } from "./results.ts";
import type { Row, Sample, Settings } from "./row.ts";
import { type Contestant, RunningServer } from "./servers.ts";

/** What servers get from calibration. */
export type SpinLoops = Readonly<Record<RuntimeName, string>>;

/** Called with a line for whoever watches. */
export type Note = (line: string) => void;

export async function measureRow(
  row: Row,
  settings: Settings,
  spinLoops: SpinLoops,
  note: Note,
): Promise<RowResult> {
  const contestants = row.contestants(settings);
  const repeats = row.repeats?.(settings) ?? settings.repeats;
  const samples = contestants.map((): (Sample | null)[] => []);
  const failures = contestants.map((): string[] => []);
  for (let round = 0; round < repeats; round++) {
    for (const [at, contestant] of contestants.entries()) {
      const where = `${row.id} ${round + 1}/${repeats} ${contestant.id}`;
      try {
        const sample = await quietest(
          row,
          contestant,
          settings,
          spinLoops,
          (line) => note(`${where}: ${line}`),
        );
        samples[at]?.push(sample);
        note(`${where}: ${figures(row, sample)}`);
      } catch (error) {
        samples[at]?.push(null);
        failures[at]?.push(`${error instanceof Error ? error.message : error}`);
        note(`${where}: FAILED: ${error instanceof Error ? error.message : error}`);
      }
    }
  }
  return {
    id: row.id,
    title: row.title,
    method: row.method,
    date: new Date().toISOString().slice(0, 10),
    seconds: row.duration?.(settings) ?? null,
    repeats,
    metrics: row.metrics,
    goals: row.goals,
    contestants: contestants.map(({ id, server, runtime, workers, kind }, at) => ({
      ...{ id, server, runtime, kind, workers },
      samples: samples[at] ?? [],
      failures: failures[at] ?? [],
    })),
  };
}

/** Measures until the machine was quiet enough; of several that were not, the one with the least foreign CPU. */
async function quietest(
  row: Row,
  contestant: Contestant,
  settings: Settings,
  spinLoops: SpinLoops,
  note: Note,
): Promise<Sample> {
  let best: Sample | undefined;
  for (let attempt = 0; attempt <= settings.reruns; attempt++) {
    const sample = await once(row, contestant, settings, spinLoops);
    if (best === undefined || sample.usage.foreignCpu < best.usage.foreignCpu) best = sample;
    if (best.usage.foreignCpu <= settings.foreignLimit) break;
    if (attempt < settings.reruns) note(`foreign CPU ${sample.usage.foreignCpu.toFixed(0)} %, again`);
  }
  return best as Sample;
}

async function once(
  row: Row,
  contestant: Contestant,
  settings: Settings,
  spinLoops: SpinLoops,
): Promise<Sample> {
  const server = await RunningServer.start(contestant, { SPIN_LOOPS_PER_US: spinLoops[contestant.runtime] });
  try {
    return await row.measure(server, settings);
  } catch (error) {
    const said = server.stderr.slice(-1000);
    if (said === "" || !(error instanceof Error)) throw error;
    throw new Error(`${error.message}; the server said: ${said}`, { cause: error });
  } finally {
    await server.stop();
  }
}

function figures({ metrics }: Row, { values, usage }: Sample): string {
  const all = metrics.map(({ key, title, digits }) => `${(values[key] ?? NaN).toFixed(digits)} ${title}`);
  return `${all.join(", ")}; CPU ${usage.serverCpu.toFixed(0)} % + ${usage.loadCpu.toFixed(0)} %, ` +
    `foreign ${usage.foreignCpu.toFixed(0)} %, ${usage.residentMb.toFixed(0)} MB`;
}
