/**
 * WebSockets and event streams by index and generation, and the words about them that every thread can read.
 * Runs on: I/O thread; runtime API: none
 *
 * An id is `generation * MAX_SOCKETS + index`, one number that fits a double exactly. A generation is never used twice,
 * so an id says for ever whether its socket is there. The generation word is cleared when the socket begins to close:
 * from then on every thread's `send` says "closed".
 */
import {
  MAX_SOCKETS,
  type SharedRing,
  SOCKET_BUFFERED,
  SOCKET_GENERATION,
  SOCKET_KIND,
  SOCKET_LIMIT,
  SOCKET_UNDERWAY,
  SOCKET_WAITS,
  SOCKET_WORDS,
} from "../ring/layout.ts";
import { isPressed } from "../messages/socket_port.ts";
import type { WorkerLink } from "./tickets.ts";

/** A socket as workers address it. */
export interface Socket {
  readonly socketIndex: number;
  readonly generation: number;
  /** An `UpgradeKind`. */
  readonly kind: number;
  /** The worker its events stay on, or null. */
  readonly pinnedTo: WorkerLink | null;
  /** Octets that may wait for the client. */
  readonly bufferLimit: number;
  /** Senders block while more than that waits; else it is closed. */
  readonly waitsForSlow: boolean;
  /** Something is still to be said to the client, or to be told to a handler. */
  readonly isBusy: boolean;
  /** Octets from a worker: whole frames or events. */
  send(bytes: Uint8Array, start: number, end: number, flags: number): void;
  /** A sender was told to rest: it waits for a drain event. */
  wantDrain(): void;
  close(code: number, reason: string): void;
  /** A worker found a fault of the client in a message. */
  fail(code: number, reason: string): void;
  terminate(): void;
  subscribe(topics: readonly string[], lastId: string | null): void;
  unsubscribe(topic: string): void;
  /** The worker it is pinned to has died. */
  pinnedWorkerDied(): void;
}

/** Indices that rest at least before one is used again: a sender that is late misses whoever has it then. */
const RESTING_INDICES = 1_024;

/** The sockets of a server. */
export class SocketTable {
  readonly #words: Int32Array;
  readonly #sockets: (Socket | null)[] = [];
  /** Free indices, first in first out, from `#freeHead` on. */
  readonly #free: number[] = [];
  #freeHead = 0;
  #generation = 0;
  #count = 0;
  /** Sockets of each `UpgradeKind`. */
  readonly #counts: number[] = [0, 0, 0];

  constructor(ring: SharedRing) {
    this.#words = new Int32Array(ring.sockets);
  }

  /** Sockets that have an index. */
  get count(): number {
    return this.#count;
  }

  /** Sockets of an `UpgradeKind`: open, closing, or gone with events that are still to be told. */
  countOf(kind: number): number {
    return this.#counts[kind] ?? 0;
  }

  /** Gives an index and a generation; null: there are MAX_SOCKETS already. */
  reserve(): { readonly index: number; readonly generation: number } | null {
    const index = this.#takeIndex();
    if (index === null) return null;
    this.#generation = (this.#generation % 0x7fffffff) + 1;
    this.#sockets[index] = null;
    this.#count++;
    return { index, generation: this.#generation };
  }

  #takeIndex(): number | null {
    const resting = this.#free.length - this.#freeHead;
    const next = this.#sockets.length;
    if (resting <= RESTING_INDICES && next < MAX_SOCKETS) return next;
    const index = this.#free[this.#freeHead];
    if (index === undefined) return null;
    this.#freeHead++;
    if (this.#freeHead * 2 > this.#free.length) {
      this.#free.splice(0, this.#freeHead);
      this.#freeHead = 0;
    }
    return index;
  }

  /** Lets workers find the socket. */
  open(socket: Socket): void {
    this.#sockets[socket.socketIndex] = socket;
    this.#counts[socket.kind] = this.countOf(socket.kind) + 1;
    const at = socket.socketIndex * SOCKET_WORDS;
    Atomics.store(this.#words, at + SOCKET_UNDERWAY, 0);
    Atomics.store(this.#words, at + SOCKET_BUFFERED, 0);
    Atomics.store(this.#words, at + SOCKET_KIND, socket.kind);
    Atomics.store(this.#words, at + SOCKET_LIMIT, socket.bufferLimit);
    Atomics.store(this.#words, at + SOCKET_WAITS, socket.waitsForSlow ? 1 : 0);
    Atomics.store(this.#words, at + SOCKET_GENERATION, socket.generation);
  }

  /** From now on every thread sees it closed. */
  closing(socket: Socket): void {
    const at = socket.socketIndex * SOCKET_WORDS;
    Atomics.store(this.#words, at + SOCKET_GENERATION, 0);
    // Whoever waits for room must wait no longer.
    Atomics.store(this.#words, at + SOCKET_BUFFERED, 0);
    Atomics.notify(this.#words, at + SOCKET_BUFFERED);
  }

  /** Gives the index back. */
  release(socket: Socket): void {
    if (this.#sockets[socket.socketIndex] !== socket) return;
    this.closing(socket);
    this.#sockets[socket.socketIndex] = null;
    this.#free.push(socket.socketIndex);
    this.#count--;
    this.#counts[socket.kind] = this.countOf(socket.kind) - 1;
  }

  /** The socket of an index and generation, if it is there. */
  find(index: number, generation: number): Socket | null {
    const socket = this.#sockets[index] ?? null;
    return socket !== null && socket.generation === generation ? socket : null;
  }

  /** The `UpgradeKind` of an open socket; 0: it is not open. */
  kindOf(index: number, generation: number): number {
    const at = index * SOCKET_WORDS;
    const isOpen = generation !== 0 && this.#words[at + SOCKET_GENERATION] === generation;
    return isOpen ? this.#words[at + SOCKET_KIND] ?? 0 : 0;
  }

  /** Octets that wait for its client. */
  buffered(index: number, generation: number): number {
    return this.kindOf(index, generation) === 0
      ? 0
      : this.#words[index * SOCKET_WORDS + SOCKET_BUFFERED] ?? 0;
  }

  /** Octets that a worker had counted as under way have arrived. */
  arrived(index: number, generation: number, bytes: number): void {
    // Those for a socket that is gone must not count for the next one of its index.
    if (this.#sockets[index]?.generation !== generation) return;
    Atomics.sub(this.#words, index * SOCKET_WORDS + SOCKET_UNDERWAY, bytes);
  }

  /** Octets that are kept here until the socket's turn comes, or with a minus are kept no longer. */
  hold(index: number, bytes: number): void {
    Atomics.add(this.#words, index * SOCKET_WORDS + SOCKET_UNDERWAY, bytes);
  }

  /** Whether a sender to this socket should rest. */
  isPressed(index: number): boolean {
    return isPressed(this.#words, index);
  }

  /** Octets that wait for the client now. */
  setBuffered(index: number, bytes: number): void {
    const at = index * SOCKET_WORDS + SOCKET_BUFFERED;
    const before = this.#words[at] ?? 0;
    if (before === bytes) return;
    Atomics.store(this.#words, at, bytes);
    if (bytes < before) Atomics.notify(this.#words, at);
  }

  /** Whether a socket satisfies a condition. */
  some(condition: (socket: Socket) => boolean): boolean {
    return this.#sockets.some((socket) => socket !== null && socket !== undefined && condition(socket));
  }

  /** Calls back for every socket. */
  forEach(callback: (socket: Socket) => void): void {
    for (const socket of this.#sockets) if (socket !== null && socket !== undefined) callback(socket);
  }
}
