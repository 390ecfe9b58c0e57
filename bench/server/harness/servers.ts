/** The servers that are compared, and how each is started. */
import { runtimeCommand, type RuntimeName } from "../../../test/support/runtimes.ts";
import { Child } from "./child.ts";
import { builtScript } from "./node_build.ts";
import { processCpuMs, residentMb } from "./proc.ts";

/** A server as one contestant of a row. */
export interface Contestant {
  /** Names it within its row. */
  readonly id: string;
  readonly server: string;
  readonly runtime: RuntimeName;
  /** Threads that run handlers; undefined: the one thread that has the sockets. */
  readonly workers: number | undefined;
  /** Of what it is: ours, a peer, or a control that is no server. */
  readonly kind: "cartouche" | "peer" | "control";
  /** The file below bench/server/. */
  readonly script: string;
  readonly env: Readonly<Record<string, string>>;
}

function contestant(
  server: string,
  kind: Contestant["kind"],
  runtime: RuntimeName,
  script: string,
  workers?: number,
  env: Record<string, string> = {},
): Contestant {
  const id = [server, runtime, ...(workers === undefined ? [] : [workers])].join("/");
  return { id, server, kind, runtime, workers, script, env };
}

export function cartouche(runtime: RuntimeName, workers: number): Contestant {
  return contestant("Cartouche", "cartouche", runtime, "app.ts", workers);
}

/** With the option `synchronous`. */
export function synchronousCartouche(runtime: RuntimeName, workers: number): Contestant {
  return contestant("Cartouche, synchronous", "cartouche", runtime, "app.ts", workers, { SYNCHRONOUS: "1" });
}

const OWN = { node: "node:http", bun: "Bun.serve", deno: "Deno.serve" } as const;
const OWN_SCRIPT = { node: "node_http.ts", bun: "bun_serve.ts", deno: "deno_serve.ts" } as const;

/** What a runtime brings itself. */
export function ownServer(runtime: RuntimeName): Contestant {
  return contestant(OWN[runtime], "peer", runtime, `peers/${OWN_SCRIPT[runtime]}`);
}

export function piscina(workers: number): Contestant {
  return contestant("node:http + piscina", "peer", "node", "peers/node_http_piscina.ts", workers);
}

/** `node:http` with the npm package ws: what Node has instead of WebSockets of its own. */
export function nodeWs(): Contestant {
  return contestant("node:http + ws", "peer", "node", "peers/node_ws.ts");
}

/** The reference implementation of tus for Node, with its file store. */
export function nodeTus(): Contestant {
  return contestant("@tus/server", "peer", "node", "peers/node_tus.ts");
}

export function adapterAlone(runtime: RuntimeName): Contestant {
  return contestant("adapter alone", "control", runtime, "peers/adapter_alone.ts");
}

/** A hundred threads take seconds to start, and more beside other work. */
const START_PATIENCE_MS = 60_000;

/** A contestant that listens. */
export class RunningServer {
  readonly contestant: Contestant;
  readonly port: number;
  readonly #child: Child;

  private constructor(contestant: Contestant, child: Child, port: number) {
    this.contestant = contestant;
    this.#child = child;
    this.port = port;
  }

  static async start(contestant: Contestant, env: Record<string, string>): Promise<RunningServer> {
    const { runtime, script: name } = contestant;
    const script = runtime === "node" ? builtScript(name) : new URL(`../${name}`, import.meta.url);
    const child = new Child(runtimeCommand(runtime, script), {
      ...env,
      ...contestant.env,
      PORT: "0",
      WORKERS: String(contestant.workers ?? 1),
    });
    try {
      const [, port] = await child.line(/^Listening on http:\/\/127\.0\.0\.1:(\d+)$/, START_PATIENCE_MS);
      return new RunningServer(contestant, child, Number(port));
    } catch (error) {
      await child.stop();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  cpuMs(): number {
    return processCpuMs(this.#child.pid);
  }

  residentMb(): number {
    return residentMb(this.#child.pid);
  }

  /** What it complained about. */
  get stderr(): string {
    return this.#child.stderr;
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }
}
