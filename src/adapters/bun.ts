/**
 * The adapter of Bun: `Bun.listen`.
 * Runs on: I/O thread; runtime API: adapters only
 *
 * Chosen over Bun's `node:net`: 1.3 instead of 2.9 KB an idle connection, a quarter faster to write, and `write`
 * says how much the kernel took and keeps nothing, so shared memory is written without a copy (docs/adapters.md).
 * The accept queue is fixed at 512. When descriptors are used up Bun 1.4.5 reports nothing and spins until one is
 * free: limit the connections.
 */
import { CartoucheError } from "../errors.ts";
import type {
  Adapter,
  BoundAddress,
  Listener,
  ListenOptions,
  Transport,
  TransportEvents,
} from "./adapter.ts";
import { removeStaleSocket } from "./unix_path.ts";
import { WaitingBytes } from "./waiting_bytes.ts";

/** Bun brings about three sockets a turn, so waking workers each turn would wake them for three requests. */
const DEFER_TURNS = 4;

/** The part of Bun's sockets that is used here. */
interface BunSocket {
  data: BunTransport;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  /** Returns how many octets the kernel took, or a negative number when the socket is closed. */
  write(bytes: Uint8Array, start: number, length: number): number;
  pause(): void;
  resume(): void;
  /** shutdown(2) with SHUT_WR. (With `true` it would be SHUT_RD.) */
  shutdown(): void;
  /** close(2). */
  end(): void;
  /** Reset. */
  terminate(): void;
}

interface BunListener {
  getsockname(into: { address?: string; port?: number }): void;
  stop(closeConnections: boolean): void;
}

interface BunHandlers {
  open(socket: BunSocket): void;
  data(socket: BunSocket, bytes: Uint8Array): void;
  drain(socket: BunSocket): void;
  end(socket: BunSocket): void;
  close(socket: BunSocket, error?: unknown): void;
  error(socket: BunSocket, error: unknown): void;
}

interface BunListenOptions {
  readonly hostname?: string;
  readonly port?: number;
  readonly unix?: string;
  readonly reusePort?: boolean;
  readonly allowHalfOpen: boolean;
  readonly socket: BunHandlers;
}

interface BunGlobal {
  listen(options: BunListenOptions): BunListener;
}

/** How far a connection is on its way to the close. */
const PHASE = {
  /** Writes are accepted. */
  OPEN: 0,
  /** `endWrite` was called; FIN follows what waits. */
  ENDING: 1,
  /** FIN is sent. */
  ENDED: 2,
  /** `close` or `abort` was called, or the socket is gone; only `onClose` is still to come. */
  CLOSING: 3,
} as const;

type Phase = (typeof PHASE)[keyof typeof PHASE];

class BunTransport implements Transport {
  context: unknown = undefined;
  readonly #socket: BunSocket;
  readonly #events: TransportEvents;
  #phase: Phase = PHASE.OPEN;
  #peerEnded = false;
  #waiting: WaitingBytes | null = null;
  #remoteAddress: string | null = null;
  #remotePort = 0;

  constructor(socket: BunSocket, events: TransportEvents) {
    this.#socket = socket;
    this.#events = events;
  }

  get remoteAddress(): string {
    if (this.#remoteAddress === null) this.#readRemote();
    return this.#remoteAddress ?? "";
  }

  get remotePort(): number {
    if (this.#remoteAddress === null) this.#readRemote();
    return this.#remotePort;
  }

  get bufferedBytes(): number {
    return this.#waiting === null ? 0 : this.#waiting.length;
  }

  write(bytes: Uint8Array, start: number, end: number): number {
    if (this.#phase !== PHASE.OPEN) return 0;
    if (this.#waiting === null) {
      const taken = this.#socket.write(bytes, start, end - start);
      // Negative: the socket is closed and Bun is about to say so.
      if (taken < 0 || taken === end - start) return 0;
      this.#waiting = new WaitingBytes();
      this.#waiting.append(bytes, start + taken, end);
    } else {
      this.#waiting.append(bytes, start, end);
    }
    return this.#waiting.length;
  }

  pause(): void {
    if (this.#phase < PHASE.CLOSING) this.#socket.pause();
  }

  resume(): void {
    if (this.#phase < PHASE.CLOSING) this.#socket.resume();
  }

  endWrite(): void {
    if (this.#phase !== PHASE.OPEN) return;
    this.#phase = PHASE.ENDING;
    if (this.#waiting === null) this.#sendFin();
  }

  close(): void {
    if (this.#phase >= PHASE.CLOSING) return;
    if (this.#waiting !== null) {
      this.abort();
      return;
    }
    this.#phase = PHASE.CLOSING;
    this.#socket.end();
  }

  abort(): void {
    if (this.#phase >= PHASE.CLOSING) return;
    this.#phase = PHASE.CLOSING;
    this.#waiting = null;
    this.#socket.terminate();
  }

  /** Event of the socket. */
  received(bytes: Uint8Array): void {
    if (this.#phase < PHASE.CLOSING) this.#events.onData(this, bytes, bytes.length);
  }

  /** Event of the socket: there is room again. Comes once after the opening, too. */
  drained(): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    while (waiting.length > 0) {
      const front = waiting.front();
      const taken = this.#socket.write(front, 0, front.length);
      if (taken < 0) return;
      waiting.drop(taken);
      if (taken < front.length) return;
    }
    this.#waiting = null;
    this.#events.onDrain(this);
    if (this.#phase === PHASE.ENDING && this.#waiting === null) this.#sendFin();
  }

  /** Event of the socket. */
  ended(): void {
    if (this.#peerEnded || this.#phase >= PHASE.CLOSING) return;
    this.#peerEnded = true;
    this.#events.onEnd(this);
  }

  /** Event of the socket, also from within `end` and `terminate`: the owner is told when its own call is over. */
  closed(isClean: boolean): void {
    queueMicrotask(() => {
      // After our FIN Bun reports the peer's as a close without an error.
      if (isClean && this.#phase === PHASE.ENDED) this.ended();
      this.#phase = PHASE.CLOSING;
      this.#waiting = null;
      this.#events.onClose(this);
    });
  }

  #sendFin(): void {
    this.#phase = PHASE.ENDED;
    this.#socket.shutdown();
  }

  #readRemote(): void {
    const address = this.#socket.remoteAddress;
    if (address === undefined) return;
    this.#remoteAddress = address.startsWith("::ffff:") ? address.slice(7) : address;
    this.#remotePort = this.#socket.remotePort ?? 0;
  }
}

/** One set of handlers per listener; the transport is found through `socket.data`. Bun sets TCP_NODELAY itself. */
function handlers(events: TransportEvents): BunHandlers {
  return {
    open(socket) {
      const transport = new BunTransport(socket, events);
      socket.data = transport;
      events.onOpen(transport);
    },
    data: (socket, bytes) => socket.data.received(bytes),
    drain: (socket) => socket.data.drained(),
    end: (socket) => socket.data.ended(),
    close: (socket, error) => socket.data.closed(error === undefined || error === null),
    error() {},
  };
}

class BunBoundListener implements Listener {
  readonly address: BoundAddress;
  readonly #listener: BunListener;

  constructor(listener: BunListener, address: BoundAddress) {
    this.#listener = listener;
    this.address = address;
  }

  close(): Promise<void> {
    this.#listener.stop(false);
    return new Promise((resolve) => setImmediate(resolve));
  }
}

async function bind(options: ListenOptions, events: TransportEvents): Promise<Listener> {
  const { path, hostname, port, reusePort } = options;
  const bun = (globalThis as unknown as { Bun: BunGlobal }).Bun;
  const socket = handlers(events);
  if (path !== undefined) {
    await removeStaleSocket(path);
    const listener = bun.listen({ unix: path, allowHalfOpen: true, socket });
    return new BunBoundListener(listener, { transport: "unix", path });
  }
  const listener = bun.listen({ hostname, port, reusePort: reusePort === true, allowHalfOpen: true, socket });
  const bound: { address?: string; port?: number } = {};
  listener.getsockname(bound);
  return new BunBoundListener(listener, {
    transport: "tcp",
    hostname: bound.address ?? hostname,
    port: bound.port ?? port,
  });
}

/** Byte streams on Bun. */
export const adapter: Adapter = {
  runtime: "bun",
  async listen(options: ListenOptions, events: TransportEvents): Promise<Listener> {
    try {
      return await bind(options, events);
    } catch (error) {
      const where = options.path ?? `${options.hostname}:${options.port}`;
      throw new CartoucheError("ERR_LISTEN", `Could not listen on ${where}`, error);
    }
  },
  deferTurns: DEFER_TURNS,
  stopsBusyThreads: true,
  atEndOfTurn(callback: () => void): void {
    setImmediate(callback);
  },
};
