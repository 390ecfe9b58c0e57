/**
 * Listening over `node:net`, for the runtimes whose adapter is built on it.
 * Runs on: I/O thread; runtime API: adapters only
 *
 * Node hands a server's socket a new 64 KiB buffer per read; only client sockets take a buffer of ours (`onread`).
 * So the handle of an accepted socket is put into a new socket with `onread` and one buffer for all connections,
 * which is worth 27 % of the requests per second on Node and 43 % on Deno (docs/adapters.md). `_handle` is internal
 * to the runtime; where the change fails, or the option is not honoured, plain 'data' events do the same.
 */
import {
  createServer,
  type ListenOptions as NetListenOptions,
  type Server,
  Socket,
  type SocketConstructorOpts,
} from "node:net";
import { clearInterval, setImmediate, setInterval } from "node:timers";
import { CartoucheError } from "../errors.ts";
import type { Adapter, BoundAddress, Listener, ListenOptions, TransportEvents } from "./adapter.ts";
import { type NetSettings, NetTransport } from "./net_transport.ts";
import { removeStaleSocket } from "./unix_path.ts";

/** Octets per read, for all connections together. What libuv takes by default. */
const READ_BUFFER_BYTES = 65_536;

/** How the runtimes on `node:net` differ. */
export interface NetAdapterOptions {
  readonly runtime: Adapter["runtime"];
  /** See {@link Adapter}. */
  readonly stopsBusyThreads: boolean;
  /** False forces plain 'data' events, which the tests do. */
  readonly sharesReadBuffer?: boolean;
  /** See {@link NetSettings}. Omitted: no limit. */
  readonly readBurstBytes?: number;
  /** Milliseconds between attempts to wake a listener that may have stopped accepting. Omitted: none needed. */
  readonly acceptRetryMs?: number;
}

/** Finds the transport from its socket: listeners are then one function for all connections instead of closures. */
const OWNER = Symbol("transport");

type OwnedSocket = Socket & { [OWNER]?: NetTransport };

function onSocketData(this: OwnedSocket, bytes: Uint8Array): void {
  this[OWNER]?.received(bytes, bytes.length);
}

function onSocketEnd(this: OwnedSocket): void {
  this[OWNER]?.ended();
}

function onSocketClose(this: OwnedSocket): void {
  this[OWNER]?.closed();
}

/** ECONNRESET, EPIPE and the like: 'close' follows, and that is all the owner needs. */
function onSocketError(): void {}

/**
 * Puts the handle of an accepted, paused socket into a new one that reads into `buffer`.
 * @returns undefined where the runtime does not allow it; the accepted socket is then as it was
 */
function withSharedBuffer(accepted: Socket, buffer: Uint8Array): OwnedSocket | undefined {
  const inside = accepted as unknown as { _handle?: object | null };
  const handle = inside._handle;
  if (typeof handle !== "object" || handle === null) return undefined;
  inside._handle = null;
  const options = {
    handle,
    allowHalfOpen: true,
    onread: {
      buffer,
      callback(length: number, bytes: Uint8Array): boolean {
        socket[OWNER]?.received(bytes, length);
        return true;
      },
    },
  };
  let socket: OwnedSocket;
  try {
    socket = new Socket(options as SocketConstructorOpts);
  } catch {
    inside._handle = handle;
    return undefined;
  }
  return socket;
}

function accept(accepted: Socket, buffer: Uint8Array | null, settings: NetSettings): void {
  const socket: OwnedSocket = (buffer === null ? undefined : withSharedBuffer(accepted, buffer)) ?? accepted;
  const transport = new NetTransport(socket, settings);
  socket[OWNER] = transport;
  // 'data' is listened to in both cases: with `onread` it never comes, and where the option is ignored it does.
  socket.on("data", onSocketData);
  socket.on("end", onSocketEnd);
  socket.on("close", onSocketClose);
  socket.on("error", onSocketError);
  settings.events.onOpen(transport);
  transport.start();
}

async function bind(server: Server, options: ListenOptions): Promise<BoundAddress> {
  const { path, hostname, port, backlog, reusePort } = options;
  if (path !== undefined) await removeStaleSocket(path);
  const where: NetListenOptions = path !== undefined
    ? { path, backlog }
    : { host: hostname, port, backlog, ...(reusePort === true ? { reusePort: true } : {}) };
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => {
      server.off("error", reject);
      resolve();
    });
  });
  if (path !== undefined) return { transport: "unix", path };
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("the listener has no address");
  return { transport: "tcp", hostname: bound.address, port: bound.port };
}

/** The listening side. */
class NetListener implements Listener {
  readonly address: BoundAddress;
  readonly #server: Server;
  readonly #retry: NodeJS.Timeout | undefined;

  constructor(server: Server, address: BoundAddress, retry: NodeJS.Timeout | undefined) {
    this.#server = server;
    this.address = address;
    this.#retry = retry;
  }

  close(): Promise<void> {
    clearInterval(this.#retry);
    // The callback of close() would wait for the connections; the descriptor itself is closed at once.
    if (this.#server.listening) this.#server.close();
    return new Promise((resolve) => setImmediate(resolve));
  }
}

/** Tells the listening handle again and again to listen, until it is closed. */
function retryAccepting(server: Server, backlog: number, everyMs: number): NodeJS.Timeout {
  const inside = server as unknown as { _handle?: { listen?: (backlog: number) => unknown } | null };
  return setInterval(() => inside._handle?.listen?.(backlog), everyMs);
}

/** Byte streams over `node:net`. */
export function netAdapter(how: NetAdapterOptions): Adapter {
  return {
    runtime: how.runtime,
    // All sockets that are ready come in one turn.
    deferTurns: 0,
    stopsBusyThreads: how.stopsBusyThreads,
    async listen(options: ListenOptions, events: TransportEvents): Promise<Listener> {
      const buffer = how.sharesReadBuffer === false ? null : new Uint8Array(READ_BUFFER_BYTES);
      const isUnix = options.path !== undefined;
      const settings: NetSettings = { events, isUnix, readBurstBytes: how.readBurstBytes ?? Infinity };
      const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true });
      server.on("connection", (accepted) => accept(accepted, buffer, settings));
      try {
        const address = await bind(server, options);
        server.on("error", (error) => events.onAcceptError(error));
        const { acceptRetryMs } = how;
        const retry = acceptRetryMs === undefined
          ? undefined
          : retryAccepting(server, options.backlog, acceptRetryMs);
        return new NetListener(server, address, retry);
      } catch (error) {
        const where = options.path ?? `${options.hostname}:${options.port}`;
        throw new CartoucheError("ERR_LISTEN", `Could not listen on ${where}`, error);
      }
    },
    atEndOfTurn(callback: () => void): void {
      setImmediate(callback);
    },
  };
}
