/**
 * The client of the `ws` package, whose own inflater and deflater live as long as the connection.
 * Runs on: any; runtime API: none
 *
 * Loaded by path: Bun has a `ws` of its own behind the name.
 */
import { createRequire } from "node:module";
import type { ClientOptions, WebSocket as WsSocket } from "ws";
import { PATIENCE_MS } from "../../support/until.ts";

const require = createRequire(import.meta.url);
const Ws = require("../../../node_modules/ws/index.js") as new (
  url: string,
  protocols: readonly string[],
  options: ClientOptions,
) => WsSocket;

/** A connection of the `ws` package. */
export class WsClient {
  readonly socket: WsSocket;
  /** Messages in the order they came. */
  readonly messages: (string | Uint8Array)[] = [];
  readonly pongs: string[] = [];
  close: { readonly code: number; readonly reason: string } | null = null;
  error: Error | null = null;
  #taken = 0;
  readonly #waiting = new Set<() => void>();

  constructor(socket: WsSocket) {
    this.socket = socket;
    socket.on("message", (data, isBinary) => {
      const bytes = data as Uint8Array;
      this.messages.push(isBinary ? Uint8Array.from(bytes) : new TextDecoder().decode(bytes));
      this.#stir();
    });
    socket.on("pong", (data) => {
      this.pongs.push(new TextDecoder().decode(data));
      this.#stir();
    });
    socket.on("error", (error) => {
      this.error = error;
      this.#stir();
    });
    socket.on("close", (code, reason) => {
      this.close = { code, reason: new TextDecoder().decode(reason) };
      this.#stir();
    });
  }

  static open(
    port: number,
    path: string,
    options: ClientOptions = {},
    protocols: string[] = [],
  ): Promise<WsClient> {
    return new Promise((resolve, reject) => {
      const socket = new Ws(`ws://127.0.0.1:${port}${path}`, protocols, options);
      const client = new WsClient(socket);
      socket.once("open", () => resolve(client));
      socket.once("error", reject);
    });
  }

  /** The next message that was not asked for yet. */
  async next(): Promise<string | Uint8Array> {
    const index = this.#taken++;
    await this.until("a message comes", () => this.messages.length > index || this.close !== null);
    const message = this.messages[index];
    if (message === undefined) {
      throw new Error(`closed with ${JSON.stringify(this.close)} ${this.error?.message ?? ""}`);
    }
    return message;
  }

  async closing(): Promise<{ readonly code: number; readonly reason: string }> {
    await this.until("it is closed", () => this.close !== null);
    return this.close as { code: number; reason: string };
  }

  until(what: string, holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!holds()) return;
        clearTimeout(guard);
        this.#waiting.delete(look);
        resolve();
      };
      const guard = setTimeout(() => {
        this.#waiting.delete(look);
        reject(
          new Error(`in ${PATIENCE_MS} ms it did not happen that ${what}: ${this.messages.length} messages`),
        );
      }, PATIENCE_MS);
      this.#waiting.add(look);
      look();
    });
  }

  #stir(): void {
    for (const look of [...this.#waiting]) look();
  }
}
