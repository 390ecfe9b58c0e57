/** What a row of the benchmark is, and what measuring it gives. */
import type { RuntimeName } from "../../../test/support/runtimes.ts";
import { machineBusyMs, processCpuMs } from "./proc.ts";
import type { Contestant, RunningServer } from "./servers.ts";

/** How much is measured. */
export interface Settings {
  readonly runtimes: readonly RuntimeName[];
  /** Length of one measurement; rows with slow handlers take more. */
  readonly seconds: number;
  /** Rounds; in each round every contestant of a row has its turn. */
  readonly repeats: number;
  /** CPU of others, in per cent of one core, beyond which a measurement is repeated. */
  readonly foreignLimit: number;
  /** How often at most. */
  readonly reruns: number;
  readonly isQuick: boolean;
}

/** One figure of a row. */
export interface Metric {
  readonly key: string;
  /** Head of its column, with the unit. */
  readonly title: string;
  readonly digits: number;
  readonly better: "more" | "less";
}

/** What must be reached: design section 7. */
export interface Goal {
  /** Id of the contestant. */
  readonly of: string;
  readonly metric: string;
  /** Ids of peers: the contestant must be so many times better than each of them. */
  readonly times?: { readonly factor: number; readonly than: readonly string[] };
  /** The bound that the figure itself must keep: a minimum where more is better, else a maximum. */
  readonly bound?: number;
}

/** CPU in per cent of one core, and memory. */
export interface Usage {
  readonly serverCpu: number;
  readonly loadCpu: number;
  /** Of everything else on the machine. */
  readonly foreignCpu: number;
  readonly residentMb: number;
}

/** What one measurement of one contestant gives. */
export interface Sample {
  readonly values: Readonly<Record<string, number>>;
  readonly usage: Usage;
}

/** A row: one kind of work, and who does it. */
export interface Row {
  readonly id: string;
  readonly title: string;
  /** What is measured and how, in a sentence or two. */
  readonly method: string;
  readonly needsWrk: boolean;
  /** Measured only when it is named. */
  readonly isExtra?: boolean;
  /** The first is what ratios and the chart show. */
  readonly metrics: readonly Metric[];
  readonly goals: readonly Goal[];
  contestants(settings: Settings): Contestant[];
  /** Rounds, when it is not the settings' number. */
  repeats?(settings: Settings): number;
  /** Length of one measurement, where it is not the work that decides. */
  duration?(settings: Settings): number;
  /** Seconds that one measurement with all before it takes, roughly. */
  estimate(settings: Settings): number;
  /** Checks the answers, warms up, measures. @throws Error when an answer is wrong */
  measure(server: RunningServer, settings: Settings): Promise<Sample>;
}

export const RATE: Metric = { key: "rate", title: "req/s", digits: 0, better: "more" };
export const P50: Metric = { key: "p50Ms", title: "p50 ms", digits: 2, better: "less" };
export const P99: Metric = { key: "p99Ms", title: "p99 ms", digits: 2, better: "less" };

/** Looks at the clocks while load runs; made when it begins. */
export class Watch {
  readonly #server: RunningServer;
  readonly #startMs = performance.now();
  readonly #busyMs = machineBusyMs();
  readonly #serverMs: number;
  readonly #ownMs = processCpuMs(Deno.pid);

  constructor(server: RunningServer) {
    this.#server = server;
    this.#serverMs = server.cpuMs();
  }

  /** @param loadMs CPU time of the load generator meanwhile */
  end(loadMs: number): Usage {
    const wallMs = performance.now() - this.#startMs;
    const serverMs = this.#server.cpuMs() - this.#serverMs;
    const ownMs = processCpuMs(Deno.pid) - this.#ownMs;
    const foreignMs = machineBusyMs() - this.#busyMs - serverMs - ownMs - loadMs;
    const percent = (ms: number): number => Math.max(0, ms) / wallMs * 100;
    return {
      serverCpu: percent(serverMs),
      loadCpu: percent(loadMs),
      foreignCpu: percent(foreignMs),
      residentMb: this.#server.residentMb(),
    };
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Rounds of rows that vary little or take long. */
export function twoThirds({ repeats }: Settings): number {
  return Math.ceil(repeats * 2 / 3);
}
