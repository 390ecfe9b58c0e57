/**
 * One connection over `node:net`.
 * Runs on: I/O thread; runtime API: none
 *
 * `node:net` keeps a reference to what the kernel did not take, so bytes are copied into a private buffer first.
 * While the kernel takes all at once, that buffer is used again for the next write. Of what it does not take, one
 * write at a time is given to the socket and the rest waits here, so that `bufferedBytes` falls as the peer reads.
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { setTimeout } from "node:timers";
import type { Transport, TransportEvents } from "./adapter.ts";
import { BLOCK_BYTES, WaitingBytes } from "./waiting_bytes.ts";

/** Up to here a write goes through the small buffer: what a blocked connection keeps is then 4 KiB, not 64. */
const SMALL_WRITE_BYTES = 4_096;

/** How long a connection rests after `readBurstBytes`: one tick of the runtime's timers. */
const REST_MS = 1;

const EMPTY = Buffer.alloc(0);

/** Private copies for writes that the kernel takes at once. Replaced when the socket had to keep one. */
const scratch = {
  small: Buffer.allocUnsafeSlow(SMALL_WRITE_BYTES),
  large: Buffer.allocUnsafeSlow(BLOCK_BYTES),
};

/** What the connections of one listener have in common. */
export interface NetSettings {
  readonly events: TransportEvents;
  readonly isUnix: boolean;
  /** Octets that one connection may bring before it rests; Infinity where the runtime is fair by itself. */
  readonly readBurstBytes: number;
}

/** How far a connection is on its way to the close. */
const PHASE = {
  /** Writes are accepted. */
  OPEN: 0,
  /** `endWrite` was called; FIN follows what waits. */
  ENDING: 1,
  /** The socket was told to send FIN. */
  ENDED: 2,
  /** `close` or `abort` was called; only `onClose` is still to come. */
  CLOSING: 3,
  /** `onClose` was called. */
  CLOSED: 4,
} as const;

type Phase = (typeof PHASE)[keyof typeof PHASE];

/** A connection. Made for a socket that does not read yet. */
export class NetTransport implements Transport {
  context: unknown = undefined;
  readonly #socket: Socket;
  readonly #settings: NetSettings;
  #phase: Phase = PHASE.OPEN;
  #isPaused = false;
  /** Octets that may still be read before the connection rests. */
  #readAllowance: number;
  /** Octets given to the socket of which the kernel has not taken all. Only ever one write is under way. */
  #inFlight = 0;
  /** What waits behind `#inFlight`. */
  #waiting: WaitingBytes | null = null;
  /** Told by the socket when `#inFlight` is with the kernel. Made when a peer is slow for the first time. */
  #written: ((error?: Error | null) => void) | null = null;
  #remoteAddress: string | null = null;
  #remotePort = 0;

  constructor(socket: Socket, settings: NetSettings) {
    this.#socket = socket;
    this.#settings = settings;
    this.#readAllowance = settings.readBurstBytes;
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
    return this.#inFlight + (this.#waiting === null ? 0 : this.#waiting.length);
  }

  write(bytes: Uint8Array, start: number, end: number): number {
    if (this.#phase !== PHASE.OPEN) return 0;
    const socket = this.#socket;
    if (socket.destroyed) return 0;
    let from = start;
    while (from < end && this.#inFlight === 0) {
      const count = Math.min(end - from, BLOCK_BYTES);
      const isSmall = count <= SMALL_WRITE_BYTES;
      const copy = isSmall ? scratch.small : scratch.large;
      copy.set(from === 0 && count === bytes.length ? bytes : bytes.subarray(from, from + count));
      socket.write(copy.subarray(0, count));
      from += count;
      // The socket calls the kernel inside write() and counts down there: 0 means that the kernel has it.
      if (socket.writableLength === 0) continue;
      if (socket.destroyed) return 0;
      if (isSmall) scratch.small = Buffer.allocUnsafeSlow(SMALL_WRITE_BYTES);
      else scratch.large = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#inFlight = count;
      // An empty write is the way to hear of the end of this one without a callback on every write.
      socket.write(EMPTY, this.#written ??= (error) => this.#onWritten(error));
    }
    if (from < end) (this.#waiting ??= new WaitingBytes()).append(bytes, from, end);
    return this.bufferedBytes;
  }

  pause(): void {
    this.#isPaused = true;
    if (this.#phase < PHASE.CLOSING) this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#phase < PHASE.CLOSING) this.#socket.resume();
  }

  endWrite(): void {
    if (this.#phase !== PHASE.OPEN) return;
    this.#phase = PHASE.ENDING;
    if (this.#inFlight === 0) this.#sendFin();
  }

  close(): void {
    if (this.#phase >= PHASE.CLOSING) return;
    if (this.bufferedBytes > 0) {
      this.abort();
      return;
    }
    this.#phase = PHASE.CLOSING;
    this.#socket.destroy();
  }

  abort(): void {
    if (this.#phase >= PHASE.CLOSING) return;
    // libuv refuses a reset while a shutdown is under way, and Node then never closes the handle.
    const isShuttingDown = this.#phase === PHASE.ENDED && !this.#socket.writableFinished;
    this.#phase = PHASE.CLOSING;
    this.#forgetWaiting();
    if (this.#settings.isUnix || isShuttingDown) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  /** Begins to read, unless the owner paused already. */
  start(): void {
    if (!this.#isPaused) this.resume();
  }

  /** Event of the socket. */
  received(bytes: Uint8Array, length: number): void {
    if (this.#phase >= PHASE.CLOSING) return;
    this.#settings.events.onData(this, bytes, length);
    this.#readAllowance -= length;
    if (this.#readAllowance <= 0) this.#rest();
  }

  /** Event of the socket. */
  ended(): void {
    if (this.#phase < PHASE.CLOSING) this.#settings.events.onEnd(this);
  }

  /** Event of the socket. */
  closed(): void {
    if (this.#phase === PHASE.CLOSED) return;
    this.#phase = PHASE.CLOSED;
    this.#forgetWaiting();
    this.#settings.events.onClose(this);
  }

  /** Stops reading for a moment, so that other connections are served. */
  #rest(): void {
    this.#readAllowance = this.#settings.readBurstBytes;
    if (this.#isPaused || this.#phase >= PHASE.CLOSING) return;
    this.#socket.pause();
    setTimeout(() => this.start(), REST_MS);
  }

  #sendFin(): void {
    this.#phase = PHASE.ENDED;
    this.#socket.end();
  }

  #forgetWaiting(): void {
    this.#inFlight = 0;
    this.#waiting = null;
  }

  /** The write under way is with the kernel, or failed; in the latter case the close follows. */
  #onWritten(error: Error | null | undefined): void {
    if (error || this.#phase >= PHASE.CLOSING || this.#socket.destroyed) return;
    const waiting = this.#waiting;
    if (waiting !== null) {
      const front = waiting.front();
      if (front.length > 0) {
        waiting.drop(front.length);
        this.#inFlight = front.length;
        this.#socket.write(front, this.#written ?? undefined);
        return;
      }
      this.#waiting = null;
    }
    this.#inFlight = 0;
    this.#settings.events.onDrain(this);
    if (this.#phase === PHASE.ENDING && this.#inFlight === 0) this.#sendFin();
  }

  #readRemote(): void {
    const address = this.#socket.remoteAddress;
    if (address === undefined) return;
    this.#remoteAddress = address.startsWith("::ffff:") ? address.slice(7) : address;
    this.#remotePort = this.#socket.remotePort ?? 0;
  }
}
