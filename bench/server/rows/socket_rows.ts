/** The rows of connections that stay: idle ones, and WebSockets that echo. */
import { startClient } from "../harness/load_client.ts";
import { descriptorLimit } from "../harness/proc.ts";
import { median } from "../harness/statistics.ts";
import { type Metric, type Row, type Settings, sleep, twoThirds, Watch } from "../harness/row.ts";
import { cartouche, type Contestant, nodeWs, ownServer } from "../harness/servers.ts";
import type { EchoClients, EchoResult } from "../load/echo_clients.ts";
import type { BroadcastResult, ConnectedResult, IdleClients } from "../load/idle_clients.ts";

const RUNTIMES = ["node", "bun", "deno"] as const;
const IDLE_CONNECTIONS = 10_000;
const IDLE_WEBSOCKETS = 19_700;
const QUICK_CONNECTIONS = 2_000;
/** Descriptors that a server or client needs for itself. */
const OTHER_DESCRIPTORS = 300;
const BROADCASTS = 5;
const WARM_UPS = 3;
const WARM_UP_CONNECTIONS = 300;
/** Time for garbage to be collected and for late events, before memory is read. */
const SETTLE_MS = 1_500;
const CONNECT_PATIENCE_MS = 90_000;
const BROADCAST_PATIENCE_MS = 25_000;

const KB: Metric = { key: "kbEach", title: "kB each", digits: 1, better: "less" };
const CONNECTS: Metric = { key: "connectsPerS", title: "connects/s", digits: 0, better: "more" };
const BROADCAST: Metric = { key: "broadcastMs", title: "broadcast ms", digits: 0, better: "less" };
const COUNT: Metric = { key: "count", title: "connections", digits: 0, better: "more" };
const MESSAGES: Metric = { key: "rate", title: "messages/s", digits: 0, better: "more" };

function connectionsOf(wanted: number, { isQuick }: Settings): number {
  return Math.min(isQuick ? QUICK_CONNECTIONS : wanted, descriptorLimit() - OTHER_DESCRIPTORS);
}

/** Cartouche beside what each runtime has for WebSockets. */
function webSocketServers({ runtimes }: Settings): Contestant[] {
  return runtimes.flatMap((runtime) => [
    cartouche(runtime, 2),
    runtime === "node" ? nodeWs() : ownServer(runtime),
  ]);
}

/** Connects and leaves: what a server allocates once is not counted as a connection's. */
async function warmUp(load: IdleClients): Promise<void> {
  const client = startClient("idle_clients.ts", load);
  try {
    await client.result<ConnectedResult>(CONNECT_PATIENCE_MS);
  } finally {
    await client.stop();
  }
}

interface IdleRow extends Pick<Row, "id" | "title" | "method" | "goals" | "contestants"> {
  readonly kind: IdleClients["kind"];
  readonly wanted: number;
}

function idleRow(row: IdleRow): Row {
  const isWebSocket = row.kind === "websocket";
  return {
    ...row,
    needsWrk: false,
    metrics: isWebSocket ? [KB, BROADCAST, CONNECTS, COUNT] : [KB, CONNECTS, COUNT],
    // Memory hardly varies, and a round has several broadcasts.
    repeats: ({ repeats }) => Math.ceil(repeats / 3),
    estimate: (settings) => {
      const rest = (settings.isQuick ? 3.5 : 4.5) + (isWebSocket ? 1 : 0);
      return rest + connectionsOf(row.wanted, settings) / 5_000;
    },
    async measure(server, settings) {
      const count = connectionsOf(row.wanted, settings);
      const load: IdleClients = { port: server.port, count, kind: row.kind };
      for (let n = 0; n < WARM_UPS && !settings.isQuick; n++) {
        await warmUp({ ...load, count: WARM_UP_CONNECTIONS });
      }
      await sleep(SETTLE_MS);
      const before = server.residentMb();
      const watch = new Watch(server);
      const client = startClient("idle_clients.ts", load);
      try {
        const connected = await client.result<ConnectedResult>(CONNECT_PATIENCE_MS);
        if (connected.connected !== count) {
          throw new Error(`only ${connected.connected} of ${count} are connected`);
        }
        await sleep(SETTLE_MS);
        const kbEach = (server.residentMb() - before) * 1000 / count;
        const values: Record<string, number> = { kbEach, count, connectsPerS: count / (connected.ms / 1000) };
        let { cpuMs } = connected;
        const times: number[] = [];
        for (let n = 0; isWebSocket && n < BROADCASTS; n++) {
          await client.write("broadcast");
          const result = await client.result<BroadcastResult>(BROADCAST_PATIENCE_MS);
          if (result.received !== count) {
            throw new Error(`only ${result.received} of ${count} have the broadcast`);
          }
          times.push(result.ms);
          cpuMs += result.cpuMs;
        }
        if (isWebSocket) values["broadcastMs"] = median(times);
        return { values, usage: watch.end(cpuMs) };
      } finally {
        await client.stop();
      }
    },
  };
}

const idleHttp = idleRow({
  id: "idle-http",
  title: "Idle keep-alive connections",
  method:
    `${inWords(IDLE_CONNECTIONS)} connections, each of which has had one answer; growth of resident memory ` +
    `of the server process after ${WARM_UPS} times ${WARM_UP_CONNECTIONS} connections that came and went; sockets in ` +
    "the kernel are not counted.",
  kind: "http",
  wanted: IDLE_CONNECTIONS,
  contestants: ({ runtimes }) => runtimes.flatMap((runtime) => [cartouche(runtime, 2), ownServer(runtime)]),
  goals: [],
});

const idleWebSocket = idleRow({
  id: "idle-websocket",
  title: "Idle WebSockets and a broadcast",
  method:
    `${inWords(IDLE_WEBSOCKETS)} WebSockets (fewer where the limit of descriptors is lower), no pings, no ` +
    "compression; growth of resident memory as above. Broadcast: from the request that asks for it until the client, " +
    `one process, has read and compared the last of the frames; median of ${BROADCASTS}.`,
  kind: "websocket",
  wanted: IDLE_WEBSOCKETS,
  contestants: webSocketServers,
  goals: RUNTIMES.flatMap((runtime) => [
    { of: cartouche(runtime, 2).id, metric: KB.key, bound: 6 },
    { of: cartouche(runtime, 2).id, metric: BROADCAST.key, bound: 250 },
  ]),
});

function inWords(count: number): string {
  return count.toLocaleString("en");
}

const ECHO_CONNECTIONS = 64;
const ECHO_WARM_UP_MS = 1_000;

function echo(depth: number): Row {
  return {
    id: `echo-${depth}`,
    title: `WebSocket echo, ${depth === 1 ? "one message" : `${depth} messages`} under way`,
    method:
      `${ECHO_CONNECTIONS} WebSockets, text messages of 64 octets, ${depth} of each connection under way; a client ` +
      "of our own on Node, which compares every octet and may be the limit (see its CPU).",
    needsWrk: false,
    metrics: [MESSAGES],
    goals: [],
    contestants: webSocketServers,
    repeats: twoThirds,
    duration: ({ seconds }) => seconds,
    estimate: ({ seconds }) => 0.8 + ECHO_WARM_UP_MS / 1000 + seconds,
    async measure(server, { seconds }) {
      const load: EchoClients = { port: server.port, connections: ECHO_CONNECTIONS, depth, seconds };
      const client = startClient("echo_clients.ts", load);
      try {
        await client.line(/^READY$/, CONNECT_PATIENCE_MS);
        await sleep(ECHO_WARM_UP_MS);
        const watch = new Watch(server);
        await client.write("go");
        const result = await client.result<EchoResult>(seconds * 1000 + CONNECT_PATIENCE_MS);
        const usage = watch.end(result.cpuMs);
        if (result.wrong > 0 || result.messages === 0) {
          throw new Error(`wrong echoes: ${JSON.stringify(result)}`);
        }
        return { values: { rate: result.messages / result.seconds }, usage };
      } finally {
        await client.stop();
      }
    },
  };
}

export const SOCKET_ROWS: readonly Row[] = [idleHttp, idleWebSocket, echo(1), echo(16)];
