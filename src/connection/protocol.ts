/**
 * What the I/O thread asks of a connection, whatever it speaks: HTTP, WebSocket, event stream.
 * Runs on: I/O thread; runtime API: none
 */
import type { Transport } from "../adapters/adapter.ts";

/** A connection that speaks some protocol. */
export interface Protocol {
  readonly transport: Transport;
  /** Position in the server's list of connections. */
  index: number;
  /** Octets arrived; the memory is the adapter's. */
  onData(bytes: Uint8Array, length: number): void;
  /** The peer will send nothing more. */
  onEnd(): void;
  /** Gone both ways. */
  onClose(): void;
  /** All that waited for the peer is with the kernel. */
  onDrain(): void;
  /** Something is still to be said to the peer. */
  readonly isBusy: boolean;
  /** The server stops: end behind what is under way. */
  stop(): void;
  /** End at once. */
  kill(): void;
}

/** Something that waits for room in the ring. */
export interface Holdable {
  /** Since when it waits, ms on the server's clock; 0: it does not. The I/O thread's own. */
  heldSince: number;
  /** There may be room again. */
  retry(): void;
  /** Held for too long while nothing moves. @returns whether it need not be held any longer */
  shedHeld(): boolean;
}
