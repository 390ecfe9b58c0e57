/**
 * The app of these tests with its clients: WebSockets on bare connections, and observers of what happened.
 * Runs on: any; runtime API: none
 */
import type { ServeOptions } from "../../../src/options.ts";
import { type Gates, withGates } from "../../support/gate.ts";
import { type LocalApp, SharedApp, withApp } from "../../support/start_app.ts";
import { SocketClient, type SocketOptions } from "./socket_client.ts";

/** What a handler of the fixture told. */
export interface SocketReport {
  readonly event: string;
  readonly id: number;
  readonly thread: number;
  readonly [member: string]: unknown;
}

/** A WebSocket that hears what is published under a topic. */
export class Observer {
  readonly client: SocketClient;

  constructor(client: SocketClient) {
    this.client = client;
  }

  /** The next report. */
  async next(): Promise<SocketReport> {
    return JSON.parse(await this.client.nextText()) as SocketReport;
  }

  /** The reports up to the first with this event. */
  async until(event: string): Promise<SocketReport[]> {
    const reports: SocketReport[] = [];
    do reports.push(await this.next()); while (reports.at(-1)?.event !== event);
    return reports;
  }

  /** The first report with this event; those before it are passed over. */
  async find(event: string): Promise<SocketReport> {
    return (await this.until(event)).at(-1) as SocketReport;
  }
}

let topics = 0;

/** A server with its clients. */
export class RealtimeApp {
  readonly local: LocalApp;
  readonly gates: Gates;
  readonly #clients: SocketClient[] = [];

  constructor(local: LocalApp, gates: Gates) {
    this.local = local;
    this.gates = gates;
  }

  get port(): number {
    return this.local.port;
  }

  /** An open WebSocket. */
  async open(path = "/do", options: SocketOptions = {}): Promise<SocketClient> {
    const client = await SocketClient.open(this.port, path, options);
    this.#clients.push(client);
    return client;
  }

  /** A bare connection. */
  async connect(options: SocketOptions = {}): Promise<SocketClient> {
    const client = await SocketClient.connect(this.port, options);
    this.#clients.push(client);
    return client;
  }

  /** A topic that nobody has used. */
  topic(): string {
    return `topic-${++topics}`;
  }

  /** An observer of a topic, who is there when this resolves. */
  async observe(topic: string): Promise<Observer> {
    const client = await this.open(`/observe?topic=${topic}`);
    if (await client.nextText() !== "observing") throw new Error("the observer does not observe");
    // Subscribed on the I/O thread before the greeting left.
    return new Observer(client);
  }

  /** A WebSocket at /do and an observer of its events. */
  async watched(
    query = "",
    options: SocketOptions = {},
  ): Promise<{ client: SocketClient; observer: Observer }> {
    const topic = this.topic();
    const observer = await this.observe(topic);
    const client = await this.open(`/do?log=${topic}&${query}`, options);
    return { client, observer };
  }

  /** The path of a gate, for commands. */
  gate(name: string): string {
    return decodeURIComponent(this.gates.query(name).slice("gate=".length));
  }

  /** The body of a GET. */
  async get(path: string): Promise<string> {
    const response = await this.local.exchange(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`);
    if (response.status !== 200) {
      throw new Error(`${path} is answered with ${response.status} ${response.text}`);
    }
    return response.text;
  }

  /** Resets what is still open. */
  reset(): void {
    for (const client of this.#clients.splice(0)) client.reset();
  }
}

/** Runs `body` with the app on a server of its own. */
export function withRealtime(
  options: ServeOptions,
  body: (app: RealtimeApp) => Promise<void>,
): Promise<void> {
  return withGates((gates) =>
    withApp("realtime_app.ts", options, async (local) => {
      const app = new RealtimeApp(local, gates);
      try {
        await body(app);
      } finally {
        app.reset();
      }
    })
  );
}

/** One server for the tests of a file; the last of them calls `stop`. */
export class SharedRealtime {
  readonly #shared: SharedApp;

  constructor(options: ServeOptions = {}) {
    this.#shared = new SharedApp("realtime_app.ts", options);
  }

  run(body: (app: RealtimeApp) => Promise<void>): Promise<void> {
    return withGates((gates) =>
      this.#shared.run(async (local) => {
        const app = new RealtimeApp(local, gates);
        try {
          await body(app);
        } finally {
          // What is shared waits until the server has forgotten all of it.
          app.reset();
        }
      })
    );
  }

  stop(): Promise<void> {
    return this.#shared.stop();
  }
}
