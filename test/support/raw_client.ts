/**
 * A client on a bare TCP connection: sends the octets it is told, reads responses, sees how the connection ends.
 * Runs on: any; runtime API: none
 *
 * Everything that waits waits for octets or for the end of the connection, never for a time.
 */
import { connect, type Socket } from "node:net";
import { ResponseReader, type WireResponse } from "./http_response.ts";
import { PATIENCE_MS } from "./until.ts";

/** How a client behaves. */
export interface ClientOptions {
  /** Do not read before `resume()`. */
  readonly paused?: boolean;
  /** Whether the request of the n-th response was HEAD. */
  readonly isHead?: (index: number) => boolean;
}

/** One connection. */
export class RawClient {
  readonly socket: Socket;
  readonly reader: ResponseReader;
  /** The server has sent FIN. */
  ended = false;
  /** It did so inside a response. */
  cutShort = false;
  /** The connection is gone. */
  closed = false;
  /** Code of the error that ended it: "ECONNRESET" and the like, "" for a clean end. */
  errorCode = "";
  /** What was wrong with the octets that came; null: nothing. */
  fault: Error | null = null;
  received = 0;
  readonly #waiting = new Set<() => void>();

  constructor(socket: Socket, options: ClientOptions = {}) {
    this.socket = socket;
    this.reader = new ResponseReader(options.isHead);
    socket.on("data", (bytes: Uint8Array) => {
      this.received += bytes.length;
      try {
        this.reader.push(bytes);
      } catch (error) {
        this.fault ??= error as Error;
      }
      this.#stir();
    });
    socket.on("end", () => {
      this.ended = true;
      this.cutShort = !this.reader.end();
      this.#stir();
    });
    socket.on("error", (error: Error & { code?: string }) => {
      this.errorCode ||= error.code ?? error.message;
      this.#stir();
    });
    socket.on("close", () => {
      this.closed = true;
      this.#stir();
    });
    if (options.paused === true) socket.pause();
  }

  /** Connects to 127.0.0.1. */
  static open(port: number, options: ClientOptions = {}): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new RawClient(socket, options));
      });
    });
  }

  /** Complete responses so far. */
  get responses(): readonly WireResponse[] {
    return this.reader.responses;
  }

  send(data: string | Uint8Array): this {
    if (!this.socket.destroyed) this.socket.write(data);
    return this;
  }

  /** The same; resolves when the kernel has it all, or the connection is gone. */
  sendAll(data: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      // Not at once: a caller that sends in a loop would keep the event loop from turning.
      if (this.socket.destroyed) return void setTimeout(resolve);
      this.socket.once("close", resolve);
      this.socket.write(data, () => {
        this.socket.off("close", resolve);
        resolve();
      });
    });
  }

  /** FIN: nothing more is sent, reading goes on. */
  end(): this {
    this.socket.end();
    return this;
  }

  /** RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  pause(): this {
    this.socket.pause();
    return this;
  }

  resume(): this {
    this.socket.resume();
    return this;
  }

  /** Closes; for the end of a test. */
  destroy(): void {
    this.socket.destroy();
  }

  /** Resolves once `holds`; looked at after each event. Rejects on malformed octets and when the patience ends. */
  until(what: string, holds: () => boolean, patienceMs = PATIENCE_MS): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(guard);
        this.#waiting.delete(look);
      };
      const look = (): void => {
        if (this.fault !== null) {
          done();
          reject(this.fault);
        } else if (holds()) {
          done();
          resolve();
        }
      };
      const guard = setTimeout(() => {
        done();
        const seen = `${this.responses.length} responses, ended ${this.ended}, error "${this.errorCode}"`;
        reject(new Error(`in ${patienceMs} ms it did not happen that ${what}: ${seen}`));
      }, patienceMs);
      this.#waiting.add(look);
      look();
    });
  }

  /** The first `count` responses, once they are complete. Rejects when the connection ends before. */
  async receive(count: number, patienceMs = PATIENCE_MS): Promise<readonly WireResponse[]> {
    await this.until(
      `${count} responses are complete`,
      () => this.responses.length >= count || this.ended || this.closed,
      patienceMs,
    );
    if (this.responses.length < count) {
      throw new Error(
        `the connection ended after ${this.responses.length} of ${count} responses ${this.errorCode}`,
      );
    }
    return this.responses.slice(0, count);
  }

  /** The response number `index`. */
  async response(index = 0, patienceMs = PATIENCE_MS): Promise<WireResponse> {
    const all = await this.receive(index + 1, patienceMs);
    return all[index] as WireResponse;
  }

  /** Resolves when the server has ended its side. */
  async ending(patienceMs = PATIENCE_MS): Promise<"clean" | "cut" | "reset"> {
    await this.until("the server ends the connection", () => this.ended || this.closed, patienceMs);
    if (!this.ended) return "reset";
    return this.cutShort ? "cut" : "clean";
  }

  #stir(): void {
    for (const look of [...this.#waiting]) look();
  }
}

/** One request on a connection of its own; the connection is closed afterwards. */
export async function exchange(
  port: number,
  request: string | Uint8Array,
  options: ClientOptions = {},
): Promise<WireResponse> {
  const client = await RawClient.open(port, options);
  try {
    return await client.send(request).response();
  } finally {
    client.destroy();
  }
}

/** The head of a GET. */
export function get(path: string, fields = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: test\r\n${fields}\r\n`;
}

/** The head of a POST with this length. */
export function post(path: string, length: number, fields = ""): string {
  return `POST ${path} HTTP/1.1\r\nHost: test\r\nContent-Length: ${length}\r\n${fields}\r\n`;
}
