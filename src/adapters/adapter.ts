/**
 * What the rest of the I/O thread knows about a runtime: byte streams that open, bring bytes, drain and close.
 * Runs on: I/O thread; runtime API: none
 *
 * One implementation per runtime (`deno.ts`, `bun.ts`, `node.ts`), one contract suite for all of them
 * (`test/adapters/contract.ts`). An adapter knows nothing of HTTP, rings or workers.
 */

/** Where to listen: a TCP address, or the path of a unix socket. */
export interface ListenOptions {
  /** Host name or IP address (IPv4 or IPv6). Default "127.0.0.1". Ignored with `path`. */
  readonly hostname: string;
  /** TCP port; 0 takes any free port. Ignored with `path`. */
  readonly port: number;
  /** Path of a unix socket; a stale socket file there is replaced. */
  readonly path?: string;
  /** Length of the kernel's accept queue; at least 511. Bun fixes it at 512. */
  readonly backlog: number;
  /** Several listeners may share the port (SO_REUSEPORT). */
  readonly reusePort?: boolean;
}

/** The address that was bound. */
export type BoundAddress =
  | { readonly transport: "tcp"; readonly hostname: string; readonly port: number }
  | { readonly transport: "unix"; readonly path: string };

/** A connection's byte stream. Every method is safe after the close, where it does nothing. */
export interface Transport {
  /** Free for the owner of the connection; the adapter never looks at it. */
  context: unknown;
  /** The peer's IP address as text ("" for a unix socket). Known after the close only if asked for before. */
  readonly remoteAddress: string;
  /** The peer's port (0 for a unix socket). */
  readonly remotePort: number;
  /**
   * Sends `bytes[start..end)`. The range may lie in shared memory and may change after the call returns:
   * the adapter copies what the kernel did not take. Order is kept.
   * @returns octets that now wait in this process because the peer is slow (0: all is with the kernel)
   */
  write(bytes: Uint8Array, start: number, end: number): number;
  /** Octets that wait in this process. */
  readonly bufferedBytes: number;
  /**
   * Stops delivering data; the kernel's window then closes for the peer. At most one read may still arrive. Node and
   * Deno do not notice a reset while paused, unless something is written.
   */
  pause(): void;
  /** Delivers data again. */
  resume(): void;
  /** Sends what waits, then FIN. Reading goes on (half-close). */
  endWrite(): void;
  /**
   * Closes both ways without a reset: what is with the kernel is still delivered, and FIN behind it. Octets of the peer
   * that were not read, or come later, make the kernel reset the connection all the same. While octets wait in this
   * process it is `abort`. `onClose` follows, but not within.
   */
  close(): void;
  /** Closes at once, with a reset where the runtime can, and drops what waits. `onClose` follows, but not within. */
  abort(): void;
}

/** Receives the events of all connections of a listener. */
export interface TransportEvents {
  /** A connection was accepted (TCP_NODELAY is set). */
  onOpen(transport: Transport): void;
  /**
   * `bytes[0..length)` arrived; the memory belongs to the adapter and is reused after the call. Where it is not, it
   * may be a Buffer, whose `slice` is a view.
   */
  onData(transport: Transport, bytes: Uint8Array, length: number): void;
  /** All that waited in `bufferedBytes` is with the kernel; after `endWrite`, too, then before the FIN. */
  onDrain(transport: Transport): void;
  /** The peer sent FIN: no data follows. The other direction stays open until `endWrite` or `abort`. */
  onEnd(transport: Transport): void;
  /** The connection is gone, both ways, for whatever reason. Called exactly once, last. */
  onClose(transport: Transport): void;
  /** Accepting failed (descriptors used up and the like); the listener goes on. */
  onAcceptError(error: unknown): void;
}

/** A bound socket. */
export interface Listener {
  readonly address: BoundAddress;
  /** Stops accepting; open connections go on. Resolves when the port is free again. Never throws. */
  close(): Promise<void>;
}

/** One runtime. */
export interface Adapter {
  readonly runtime: "deno" | "bun" | "node";
  /**
   * Binds and listens.
   * @throws CartoucheError `ERR_LISTEN` when the address cannot be bound
   */
  listen(options: ListenOptions, events: TransportEvents): Promise<Listener>;
  /** Whether terminating a thread that runs JavaScript stops it. Deno: no, it runs on, unheard. */
  readonly stopsBusyThreads: boolean;
  /** How many turns the I/O thread may put off waking workers while ever more requests arrive (Bun brings few a turn). */
  readonly deferTurns: number;
  /** Runs `callback` once, at the end of the current turn of the event loop, after the reads that are due. */
  atEndOfTurn(callback: () => void): void;
}
