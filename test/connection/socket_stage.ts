/**
 * The I/O thread around a socket, without sockets and threads: a transport that takes as much as it is told, and a clock
 * that goes when it is told.
 * Runs on: any; runtime API: none
 */
import type { Transport } from "../../src/adapters/adapter.ts";
import type { Holdable, Protocol } from "../../src/connection/protocol.ts";
import type { SocketDispatch } from "../../src/connection/socket_dispatch.ts";
import { SocketTable } from "../../src/connection/socket_table.ts";
import { TicketTable } from "../../src/connection/tickets.ts";
import { TICK_MS, Timeouts } from "../../src/connection/timeouts.ts";
import { Topics } from "../../src/connection/topics.ts";
import type { SocketHost } from "../../src/connection/websocket_connection.ts";
import { readBatch, type SocketEventRecord, type SocketSettings } from "../../src/messages/socket_message.ts";
import { createSharedRing } from "../../src/ring/layout.ts";

/** Settings of a WebSocket that wants all events. */
export const SETTINGS: SocketSettings = {
  key: "",
  events: 0xff,
  isPinned: false,
  maxMessageBytes: 1_000_000,
  maxBufferedBytes: 1000,
  waitsForSlow: false,
  pingIntervalMs: 0,
  idleTimeoutMs: 0,
  deflates: false,
  protocol: "",
  deflate: null,
  isChunked: false,
  reportsClose: true,
};

/** A byte stream whose peer is the test. */
export class FakeTransport implements Transport {
  context: unknown = null;
  readonly remoteAddress = "127.0.0.1";
  readonly remotePort = 1;
  bufferedBytes = 0;
  /** Whether the kernel takes what is written. */
  isOpenWide = true;
  isPaused = false;
  hasEnded = false;
  isAborted = false;
  isClosed = false;
  written: number[] = [];
  writes = 0;

  write(bytes: Uint8Array, start: number, end: number): number {
    if (this.hasEnded || this.isAborted) return 0;
    this.writes++;
    this.written.push(...bytes.subarray(start, end));
    if (!this.isOpenWide) this.bufferedBytes += end - start;
    return this.bufferedBytes;
  }
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
  endWrite(): void {
    this.hasEnded = true;
  }
  close(): void {
    if (this.bufferedBytes > 0) this.isAborted = true;
    else this.isClosed = true;
  }
  abort(): void {
    this.isAborted = true;
  }
  get text(): string {
    return new TextDecoder().decode(Uint8Array.from(this.written));
  }
}

/** The host. Batches are handled at once unless `isBusy`. */
export class SocketStage implements SocketHost {
  readonly settings = { writeTimeoutMs: 10_000, goneEventTimeoutMs: 30_000, drainTimeoutMs: 10_000 };
  readonly tickets = new TicketTable(64);
  readonly timeouts = new Timeouts(0);
  readonly topics: Topics;
  readonly sockets: SocketTable;
  readonly maxInlineBytes = 64 * 1024;
  readonly transport = new FakeTransport();
  now = 0;
  stopping = false;
  isBusy = false;
  forgotten = 0;
  /** Events that handlers got. */
  readonly events: SocketEventRecord[] = [];
  /** Batches that are with the workers. */
  readonly batches: SocketDispatch[] = [];

  /** What is to be run in the next turn. */
  readonly nextTurns: (() => void)[] = [];
  /** Events that were given up. */
  givenUp = 0;

  constructor(topicHistory = 0) {
    this.topics = new Topics(topicHistory, 1024 * 1024);
    this.sockets = new SocketTable(createSharedRing(4, 1024, 2));
  }

  hasRoom(): boolean {
    return true;
  }
  dispatchBatch(
    batch: SocketDispatch,
    length: number,
    write: (target: Uint8Array, at: number) => void,
  ): boolean {
    const target = new Uint8Array(length);
    write(target, 0);
    this.tickets.issue(batch);
    this.events.push(...readBatch(target, 0).events);
    this.batches.push(batch);
    if (!this.isBusy) queueMicrotask(() => this.handle());
    return true;
  }
  /** The workers are through with what they have. */
  handle(): void {
    for (const batch of this.batches.splice(0)) {
      batch.owner.batchDone(batch, { data: null, inflateWindow: null, deflateWindow: null });
    }
  }
  nextTurn(callback: () => void): void {
    this.nextTurns.push(callback);
  }
  /** The next turn of the loop. @returns whether there was anything to do in it */
  turn(): boolean {
    const callbacks = this.nextTurns.splice(0);
    for (const callback of callbacks) callback();
    return callbacks.length > 0;
  }
  eventGivenUp(_remote: string): void {
    this.givenUp++;
  }
  hold(_holdable: Holdable): void {}
  forget(_connection: Protocol): void {
    this.forgotten++;
  }
  /** Lets time pass. */
  pass(ms: number): void {
    const end = this.now + ms;
    while (this.now < end) {
      this.now = Math.min(end, this.now + TICK_MS);
      this.timeouts.advance(this.now);
    }
  }
}

/** Lets the stage's workers handle what was dispatched. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await undefined;
}
