/** One per cent of the requests burn 100 ms: how long do the light ones take? */
import { startClient } from "../harness/load_client.ts";
import { type Metric, P50, P99, type Row, twoThirds, Watch } from "../harness/row.ts";
import { cartouche, ownServer } from "../harness/servers.ts";
import { plainRequest, warmUp } from "../harness/wrk.ts";
import type { OpenLoop, OpenLoopResult } from "../load/open_loop.ts";
import { LIGHT, SPUN } from "../shared.ts";
import { burners } from "./wrk_rows.ts";

const RATE_PER_S = 400;
const HEAVY_EVERY = 100;
const HEAVY_MS = 100;
const CONNECTIONS = 128;
const WARM_UP_S = 1;
/** Time to get ready, and to wait for late answers. */
const PATIENCE_MS = 30_000;

const P90: Metric = { key: "p90Ms", title: "p90 ms", digits: 2, better: "less" };
const MAX: Metric = { key: "maxMs", title: "max ms", digits: 1, better: "less" };
const HEAVY: Metric = { key: "heavyP50Ms", title: "heavy p50 ms", digits: 0, better: "less" };

const RUNTIMES = ["node", "bun", "deno"] as const;

export const MIXED_ROW: Row = {
  id: "mixed",
  title: "Light requests beside heavy ones",
  method:
    `An open loop of ${RATE_PER_S} requests a second on ${CONNECTIONS} connections; every ${HEAVY_EVERY}th burns ` +
    `${HEAVY_MS} ms of CPU. Times of the light ones, from the moment they were due; the client's timer adds up to 1 ms. ` +
    "Evenly spaced, so that two heavy ones seldom meet: with as many heavy ones at a time as workers, light ones wait " +
    "on any server.",
  needsWrk: true,
  metrics: [P99, P50, P90, MAX, HEAVY],
  goals: RUNTIMES.map((runtime) => ({
    of: cartouche(runtime, 2).id,
    metric: P99.key,
    times: { factor: 20, than: RUNTIMES.map((peer) => ownServer(peer).id) },
  })),
  contestants: burners,
  repeats: twoThirds,
  duration: ({ seconds }) => secondsOf(seconds),
  estimate: (settings) => secondsOf(settings.seconds) + WARM_UP_S + 1,
  async measure(server, settings) {
    const { port } = server;
    // Compiles the loop on every thread.
    const short = { threads: 1, connections: 16, depth: 1 };
    await warmUp(port, { ...short, request: plainRequest("/spin?us=1000"), body: SPUN }, WARM_UP_S);
    const load: OpenLoop = {
      port,
      connections: CONNECTIONS,
      rate: RATE_PER_S,
      seconds: secondsOf(settings.seconds),
      light: { target: "/light", body: LIGHT },
      heavy: { target: `/spin?us=${HEAVY_MS * 1000}`, body: SPUN },
      heavyEvery: HEAVY_EVERY,
    };
    const client = startClient("open_loop.ts", load);
    try {
      await client.line(/^READY$/, PATIENCE_MS);
      const watch = new Watch(server);
      await client.write("go");
      const result = await client.result<OpenLoopResult>(load.seconds * 1000 + PATIENCE_MS);
      const { lightAnswers, wrong, cpuMs } = result;
      if (wrong > 0) throw new Error(`wrong answers: ${JSON.stringify(result)}`);
      const { p50Ms, p90Ms, p99Ms, maxMs, heavyP50Ms } = result;
      return { values: { lightAnswers, p50Ms, p90Ms, p99Ms, maxMs, heavyP50Ms }, usage: watch.end(cpuMs) };
    } finally {
      await client.stop();
    }
  },
};

/** At 400 a second a percentile needs some time. */
function secondsOf(seconds: number): number {
  return Math.max(2, seconds * 2);
}
