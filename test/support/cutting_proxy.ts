/**
 * A TCP proxy in front of a server: counts what clients send, and cuts or holds their connections.
 * Runs on: any; runtime API: none
 *
 * What a network does to an upload, without the server or the client knowing of a test.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Takes connections on 127.0.0.1 and hands them on. */
export class CuttingProxy {
  readonly port: number;
  /** Octets that clients have sent, over all connections. */
  sent = 0;
  /** Called with `sent` as it grows. */
  onSent: (total: number) => void = () => {};
  /** Where new connections go; may be set anew, as for a server that was started again. */
  target: number;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [client: Socket, server: Socket]>();
  #isHolding = false;

  constructor(server: Server, target: number) {
    this.#server = server;
    this.target = target;
    this.port = (server.address() as AddressInfo).port;
    server.on("connection", (client) => this.#join(client));
  }

  static async to(target: number): Promise<CuttingProxy> {
    const server = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new CuttingProxy(server, target);
  }

  /** `http://127.0.0.1:PORT`, without a slash at its end. */
  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Cuts all connections, on both sides. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  /** Takes nothing more from clients until `release`. */
  hold(): void {
    this.#isHolding = true;
    for (const [client] of this.#pairs) client.pause();
  }

  release(): void {
    this.#isHolding = false;
    for (const [client] of this.#pairs) client.resume();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  #join(client: Socket): void {
    const server = connect({ port: this.target, host: "127.0.0.1", allowHalfOpen: true });
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    for (const [from, to] of [pair, [server, client] as const]) {
      from.on("error", () => {});
      from.on("end", () => to.end());
      from.on("close", (hadError) => {
        // What it sent before a clean end is still on its way.
        if (hadError) to.destroy();
        else to.end();
        this.#pairs.delete(pair);
      });
    }
    server.on("data", (bytes: Uint8Array) => {
      if (!client.write(bytes)) server.pause();
    });
    client.on("drain", () => server.resume());
    client.on("data", (bytes: Uint8Array) => {
      this.sent += bytes.length;
      if (!server.write(bytes)) client.pause();
      this.onSent(this.sent);
    });
    server.on("drain", () => {
      if (!this.#isHolding) client.resume();
    });
    if (this.#isHolding) client.pause();
  }
}

/** Runs `body` with a proxy, and closes it whatever happens. */
export async function withProxy(target: number, body: (proxy: CuttingProxy) => Promise<void>): Promise<void> {
  const proxy = await CuttingProxy.to(target);
  try {
    await body(proxy);
  } finally {
    await proxy.close();
  }
}
