/**
 * How any thread speaks to sockets it knows by id: sends, closes, subscriptions, publishes.
 * Runs on: worker; runtime API: none
 *
 * Whether a socket is there and how much waits for its client stands in shared memory, so the answer of `send` is
 * known at once; the octets go through this worker's outbox. Where the socket's owner wants it so, a sender blocks
 * while too much waits for the client.
 */
import { MAX_RECORD_BYTES, OutboxKind, SendFlag } from "../messages/kind.ts";
import { encodePublish, encodeSubscribe, type PublishMessage } from "../messages/socket_message.ts";
import { isPressed, type SendStatus, type SocketPort } from "../messages/socket_port.ts";
import {
  type SharedRing,
  SOCKET_BUFFERED,
  SOCKET_GENERATION,
  SOCKET_KIND,
  SOCKET_LIMIT,
  SOCKET_UNDERWAY,
  SOCKET_WAITS,
  SOCKET_WORDS,
} from "../ring/layout.ts";
import type { Outbox } from "./outbox.ts";

const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();
/** A blocked sender looks again at least this often, ms. */
const RECHECK_MS = 1_000;

/** The port of a worker. */
export class WorkerSocketPort implements SocketPort {
  readonly #outbox: Outbox;
  readonly #words: Int32Array;

  constructor(outbox: Outbox, ring: SharedRing) {
    this.#outbox = outbox;
    this.#words = new Int32Array(ring.sockets);
  }

  kindOf(index: number, generation: number): number {
    const at = index * SOCKET_WORDS;
    const isOpen = generation !== 0 && Atomics.load(this.#words, at + SOCKET_GENERATION) === generation;
    return isOpen ? Atomics.load(this.#words, at + SOCKET_KIND) : 0;
  }

  buffered(index: number, generation: number): number {
    if (this.kindOf(index, generation) === 0) return 0;
    const at = index * SOCKET_WORDS;
    return Math.max(0, Atomics.load(this.#words, at + SOCKET_UNDERWAY)) +
      Atomics.load(this.#words, at + SOCKET_BUFFERED);
  }

  send(index: number, generation: number, bytes: Uint8Array): SendStatus {
    if (this.kindOf(index, generation) === 0) return "closed";
    const at = index * SOCKET_WORDS;
    const waits = Atomics.load(this.#words, at + SOCKET_WAITS) === 1;
    if (waits) this.#waitForRoom(index, generation);
    const flags = waits ? SendFlag.Waited : 0;
    for (let start = 0; start < bytes.length; start += MAX_RECORD_BYTES) {
      const end = Math.min(bytes.length, start + MAX_RECORD_BYTES);
      const isLast = end === bytes.length;
      if (!this.#countUnderway(index, generation, end - start)) {
        // The I/O thread has the beginning of it, and drops it with the end.
        if (start > 0) this.#outbox.about(OutboxKind.SocketSend, 0, index, generation, NOTHING, flags);
        return "closed";
      }
      const piece = start === 0 && isLast ? bytes : bytes.subarray(start, end);
      this.#outbox.about(OutboxKind.SocketSend, 0, index, generation, piece, isLast ? flags : SendFlag.More);
    }
    if (this.kindOf(index, generation) === 0) return "closed";
    if (!isPressed(this.#words, index, bytes.length)) return "queued";
    // Behind the octets: when it is read they have been written, and perhaps all been taken.
    this.#outbox.about(OutboxKind.SocketDrain, 0, index, generation, NOTHING, 0);
    return "backpressure";
  }

  /**
   * Counts octets record by record: a thread that dies in the middle leaves little behind that is never taken off again.
   * What is counted while the index changes hands is taken back, so that it does not count for the next socket for
   * ever: the second look sees the change, or the change comes after and begins with 0.
   *
   * @returns whether the socket is still there
   */
  #countUnderway(index: number, generation: number, count: number): boolean {
    if (this.kindOf(index, generation) === 0) return false;
    const at = index * SOCKET_WORDS + SOCKET_UNDERWAY;
    Atomics.add(this.#words, at, count);
    if (this.kindOf(index, generation) !== 0) return true;
    Atomics.sub(this.#words, at, count);
    return false;
  }

  /** Blocks until no more octets wait for the client than may, or it is gone. */
  #waitForRoom(index: number, generation: number): void {
    const limit = Atomics.load(this.#words, index * SOCKET_WORDS + SOCKET_LIMIT);
    const at = index * SOCKET_WORDS + SOCKET_BUFFERED;
    // What is under way need not be counted: the outbox bounds it, and the count may be off after a thread's death.
    for (let waits = Atomics.load(this.#words, at); waits > limit; waits = Atomics.load(this.#words, at)) {
      if (this.kindOf(index, generation) === 0) return;
      this.#outbox.ringNow();
      Atomics.wait(this.#words, at, waits, RECHECK_MS);
    }
  }

  close(index: number, generation: number, code: number, reason: string): void {
    this.#outbox.about(OutboxKind.SocketClose, 0, index, generation, encoder.encode(reason), code);
  }

  fail(index: number, generation: number, code: number, reason: string): void {
    this.#outbox.about(OutboxKind.SocketFail, 0, index, generation, encoder.encode(reason), code);
  }

  terminate(index: number, generation: number): void {
    this.#outbox.about(OutboxKind.SocketTerminate, 0, index, generation, NOTHING, 0);
  }

  subscribe(index: number, generation: number, topics: readonly string[], lastId: string | null): void {
    this.#outbox.about(OutboxKind.Subscribe, 0, index, generation, encodeSubscribe(topics, lastId), 0);
  }

  unsubscribe(index: number, generation: number, topic: string): void {
    this.#outbox.about(OutboxKind.Unsubscribe, 0, index, generation, encoder.encode(topic), 0);
  }

  publish(message: PublishMessage, exceptIndex: number, exceptGeneration: number): void {
    this.#outbox.about(OutboxKind.Publish, 0, exceptIndex, exceptGeneration, encodePublish(message), 0);
  }
}
