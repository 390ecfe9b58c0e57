/** The rows that wrk drives: short requests, CPU burners, and handlers that block. */
import type { RuntimeName } from "../../../test/support/runtimes.ts";
import {
  type Goal,
  P50,
  P99,
  RATE,
  type Row,
  type Settings,
  sleep,
  twoThirds,
  Watch,
} from "../harness/row.ts";
import {
  adapterAlone,
  cartouche,
  type Contestant,
  ownServer,
  piscina,
  synchronousCartouche,
} from "../harness/servers.ts";
import { measure, plainRequest, probe, warmUp, type WrkLoad } from "../harness/wrk.ts";
import { ALPHABET, HELLO, SPUN } from "../shared.ts";

const RUNTIMES: readonly RuntimeName[] = ["node", "bun", "deno"];
/** After this long engines have compiled what one busy thread needs. */
const WARM_UP_S = 2;
/**
 * A hundred threads have so many times fewer requests each. On Deno it must also be longer than 30 s: at that age of a
 * thread V8 15 collects its garbage, and a hundred that started together do it together.
 */
const WARM_UP_100_S = 45;

/** What the rows of this file differ in. */
interface WrkRow
  extends Pick<Row, "id" | "title" | "method" | "goals" | "contestants" | "repeats" | "isExtra"> {
  load(contestant: Contestant): WrkLoad;
  /** Times the length of a measurement. */
  readonly stretch?: number;
  /** Of servers with workers: each thread compiles for itself. The others get `WARM_UP_S`. */
  readonly warmUpSeconds?: number;
  /** Time to start the servers, seconds. */
  readonly startSeconds?: number;
  readonly isPipelined?: boolean;
}

function wrkRow(row: WrkRow): Row {
  const { stretch = 1, warmUpSeconds = WARM_UP_S, startSeconds = 0.3 } = row;
  const secondsOf = ({ seconds }: Settings): number => Math.max(1, Math.round(seconds * stretch));
  return {
    ...row,
    needsWrk: true,
    // wrk's percentiles of pipelined answers say nothing: one time stands for sixteen.
    metrics: row.isPipelined ? [RATE] : [RATE, P50, P99],
    duration: secondsOf,
    estimate: (settings) => startSeconds + warmUpSeconds + secondsOf(settings) + 0.3,
    async measure(server, settings) {
      const load = row.load(server.contestant);
      if (row.isPipelined) await checkOrder(server.port);
      await warmUp(server.port, load, server.contestant.workers === undefined ? WARM_UP_S : warmUpSeconds);
      // Lets the last requests of the warm-up come to their end.
      await sleep(200);
      const watch = new Watch(server);
      const { cpuMs, ...values } = await measure(server.port, load, secondsOf(settings));
      return { values, usage: watch.end(cpuMs) };
    },
  };
}

const SHORT = { threads: 1, connections: 64, depth: 1 };

const hello = wrkRow({
  id: "hello",
  title: "Hello, keep-alive",
  method:
    "wrk -t1 -c64, a request of 35 octets, 13 octets of text back. `adapter alone` answers without parsing or " +
    "threads: the ceiling.",
  load: () => ({ ...SHORT, request: plainRequest("/"), body: HELLO }),
  contestants: ({ runtimes, isQuick }) =>
    runtimes.flatMap((runtime) => [
      cartouche(runtime, 1),
      ...(isQuick ? [] : [cartouche(runtime, 2)]),
      ownServer(runtime),
      ...(isQuick ? [] : [adapterAlone(runtime)]),
    ]),
  goals: [timesOwn("node", 1, 1.6), timesOwn("bun", 1, 1), timesOwn("deno", 1, 0.75)],
});

/** What Chromium sends with a navigation, 15 field lines. */
const BROWSER_REQUEST = [
  "GET /?from=home&page=2 HTTP/1.1",
  "Host: localhost:8080",
  "Connection: keep-alive",
  "Cache-Control: max-age=0",
  'sec-ch-ua: "Chromium";v="124", "Google Chrome";v="124", "Not-A.Brand";v="99"',
  "sec-ch-ua-mobile: ?0",
  'sec-ch-ua-platform: "Linux"',
  "Upgrade-Insecure-Requests: 1",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
  "Sec-Fetch-Site: none",
  "Sec-Fetch-Mode: navigate",
  "Sec-Fetch-Dest: document",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
  "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; region=eu-west-1",
].join("\r\n") + "\r\n\r\n";

const browser = wrkRow({
  id: "browser",
  title: "Hello, a browser's request",
  method: `The same with the ${BROWSER_REQUEST.length} octets and 15 field lines of a browser's navigation.`,
  load: () => ({ ...SHORT, request: BROWSER_REQUEST, body: HELLO }),
  contestants: ({ runtimes }) => runtimes.flatMap((runtime) => [cartouche(runtime, 1), ownServer(runtime)]),
  goals: [],
});

const PIPELINED = 16;

const pipelined = wrkRow({
  id: "pipelined",
  title: "Hello, pipelined",
  method:
    `wrk -t1 -c64, ${PIPELINED} requests in one write, then their answers are awaited. Before it 256 numbered ` +
    "requests on one connection must be answered in order.",
  load: () => ({ ...SHORT, request: plainRequest("/"), depth: PIPELINED, body: HELLO }),
  contestants: ({ runtimes, isQuick }) =>
    runtimes.flatMap((runtime) => [
      cartouche(runtime, 1),
      ...(isQuick ? [] : [cartouche(runtime, 2)]),
      ownServer(runtime),
    ]),
  goals: RUNTIMES.map((runtime) => timesOwn(runtime, 1, 3)),
  isPipelined: true,
});

async function checkOrder(port: number): Promise<void> {
  const count = 256;
  const requests = Array.from({ length: count }, (_, n) => plainRequest(`/number?n=${n}`)).join("");
  const answers = await probe(port, requests, count);
  const first = answers.findIndex(({ status, body }, n) => status !== 200 || body !== String(n));
  if (first >= 0) throw new Error(`answer ${first} of a pipeline is ${JSON.stringify(answers[first])}`);
}

function burn(id: string, us: number, connections: number, stretch: number): Row {
  return wrkRow({
    id,
    title: `Handler burns ${us >= 1000 ? `${us / 1000} ms` : `${us} µs`} of CPU`,
    method: `wrk -t1 -c${connections}; a fixed number of loops, calibrated for each runtime on a quiet core.`,
    load: () => ({ ...SHORT, connections, request: plainRequest(`/spin?us=${us}`), body: SPUN }),
    contestants: burners,
    goals: RUNTIMES.flatMap((runtime) => [
      { of: cartouche(runtime, 2).id, metric: RATE.key, times: { factor: 1.75, than: RUNTIMES.map(ownId) } },
      { of: cartouche(runtime, 2).id, metric: RATE.key, times: { factor: 1.1, than: [piscina(2).id] } },
    ]),
    stretch,
    ...(us > 1_000 ? { repeats: twoThirds } : {}),
  });
}

/** Two workers beside what has one thread, and beside piscina with two. */
export function burners({ runtimes }: Settings): Contestant[] {
  return [
    ...runtimes.flatMap((runtime) => [cartouche(runtime, 2), ownServer(runtime)]),
    ...(runtimes.includes("node") ? [piscina(2)] : []),
  ];
}

const BLOCK_MS = 10;
const BLOCKED_CONNECTIONS = 100;

/** What the rows of blocking handlers have in common. */
function blocking(
  workers: number,
  warmUpSeconds: number,
  row: Omit<WrkRow, "method" | "load">,
): Row {
  const limit = (Math.min(workers, BLOCKED_CONNECTIONS) * 1000 / BLOCK_MS).toLocaleString("en");
  return wrkRow({
    ...row,
    method:
      `wrk -t2 -c${BLOCKED_CONNECTIONS} after all workers were up and ${warmUpSeconds} s of warm-up (each thread ` +
      `compiles for itself); no server that blocks can do more than ${limit} req/s. Servers of one thread wait by a ` +
      "timer, which not every library can.",
    load: ({ workers }) => ({
      threads: 2,
      connections: BLOCKED_CONNECTIONS,
      depth: 1,
      request: plainRequest(`/${workers === undefined ? "wait" : "block"}?ms=${BLOCK_MS}`),
      body: ALPHABET,
    }),
    warmUpSeconds,
    startSeconds: workers / 50,
  });
}

const blocking100 = blocking(100, WARM_UP_100_S, {
  id: "blocking-100",
  title: "Handler blocks 10 ms, 100 workers",
  contestants: ({ runtimes }) => [
    ...runtimes.flatMap((runtime) => [cartouche(runtime, 100), ownServer(runtime)]),
    ...(runtimes.includes("node") ? [piscina(100)] : []),
  ],
  goals: [
    { of: cartouche("bun", 100).id, metric: RATE.key, bound: 9_400 },
    { of: cartouche("node", 100).id, metric: RATE.key, bound: 8_800 },
    { of: cartouche("deno", 100).id, metric: RATE.key, bound: 8_800 },
  ],
  repeats: twoThirds,
});

const blocking20 = blocking(20, 4, {
  id: "blocking-20",
  title: "Handler blocks 10 ms, 20 workers",
  contestants: ({ runtimes }) => [
    ...runtimes.map((runtime) => cartouche(runtime, 20)),
    ...(runtimes.includes("node") ? [piscina(20)] : []),
  ],
  goals: [],
  repeats: twoThirds,
});

const blockingSynchronous = blocking(100, WARM_UP_100_S, {
  id: "blocking-synchronous",
  title: "Handler blocks 10 ms, 100 workers, the option `synchronous`",
  contestants: ({ runtimes }) =>
    runtimes.flatMap((runtime) => [cartouche(runtime, 100), synchronousCartouche(runtime, 100)]),
  goals: [],
  isExtra: true,
});

function ownId(runtime: RuntimeName): string {
  return ownServer(runtime).id;
}

function timesOwn(runtime: RuntimeName, workers: number, factor: number): Goal {
  return { of: cartouche(runtime, workers).id, metric: RATE.key, times: { factor, than: [ownId(runtime)] } };
}

export const WRK_ROWS: readonly Row[] = [
  hello,
  browser,
  pipelined,
  burn("burn-50us", 50, 64, 1),
  burn("burn-1ms", 1_000, 64, 1),
  // Slow handlers need more time and fewer connections, or what is left of the warm-up is counted.
  burn("burn-5ms", 5_000, 16, 1.5),
  blocking100,
  blocking20,
  blockingSynchronous,
];
