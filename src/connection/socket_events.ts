/**
 * The events of one WebSocket on their way to the workers, and what travels with them.
 * Runs on: I/O thread; runtime API: none
 *
 * Events queue up here; one batch at a time is with a worker, so they are serial and in order whatever thread runs
 * them. The connection's data, and the windows of permessage-deflate with context takeover (RFC 7692 section 7.1.1),
 * lie here between batches and go along with each, so that any worker can run the next one and none takes them to its
 * grave.
 */
import { AbortReason, InboxKind } from "../messages/kind.ts";
import {
  batchLength,
  type BatchResult,
  eventBit,
  settingsBytes,
  SocketEvent,
  type SocketEventRecord,
  type SocketSettings,
  writeBatch,
} from "../messages/socket_message.ts";
import type { Holdable } from "./protocol.ts";
import { type BatchOwner, SocketDispatch } from "./socket_dispatch.ts";
import type { TicketTable, WorkerLink } from "./tickets.ts";

/** Events that may queue up before the socket is not read any more. */
const MAX_QUEUED_EVENTS = 1024;
/** Octets of events that may queue up before the socket is not read any more. */
const MAX_QUEUED_BYTES = 1024 * 1024;
/** Events of a batch at most: others wait for a thread, too. */
const MAX_BATCH_EVENTS = 64;

const NOTHING: Uint8Array = new Uint8Array(0);
const encoder = new TextEncoder();

/** What the queue needs from the I/O thread around it. */
export interface EventsHost {
  readonly tickets: TicketTable;
  readonly maxInlineBytes: number;
  hasRoom(): boolean;
  /** Puts a batch into the ring; false: full. */
  dispatchBatch(
    batch: SocketDispatch,
    length: number,
    write: (target: Uint8Array, at: number) => void,
  ): boolean;
  hold(holdable: Holdable): void;
}

/** The connection. */
export interface EventsOwner {
  readonly socketIndex: number;
  readonly generation: number;
  readonly remoteAddress: string;
  /** The worker its events stay on, or null. */
  readonly pinnedTo: WorkerLink | null;
  /** Too much waits for the client: its messages wait, too, because their answers would make it more. */
  readonly isSlow: boolean;
  /** A batch has left or come back. */
  eventsMoved(): void;
  /** A dead thread took compressed messages along that those behind them refer to. */
  eventsBroke(): void;
}

/** The queue. */
export class SocketEvents implements BatchOwner, Holdable {
  heldSince = 0;
  readonly #host: EventsHost;
  readonly #owner: EventsOwner;
  readonly #settings: SocketSettings;
  #data: Uint8Array;
  #inflateWindow: Uint8Array = NOTHING;
  #deflateWindow: Uint8Array = NOTHING;
  #queue: SocketEventRecord[] = [];
  #queuedBytes = 0;
  #batch: SocketDispatch | null = null;
  #isHeld = false;
  /** The close event was queued (or is not wanted): nothing follows. */
  #isClosed = false;

  constructor(host: EventsHost, owner: EventsOwner, settings: SocketSettings, data: Uint8Array) {
    this.#host = host;
    this.#owner = owner;
    this.#settings = settings;
    this.#data = data;
  }

  /** The close event was queued. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Events are queued or with a worker. */
  get isBusy(): boolean {
    return this.#batch !== null || this.#queue.length > 0;
  }

  /** A message of the client is queued, or with a worker. */
  get hasMessages(): boolean {
    return this.#queue.some(isMessage) || (this.#batch !== null && this.#batch.events.some(isMessage));
  }

  /** So much is queued that the socket should rest. */
  get isFull(): boolean {
    return this.#queuedBytes > MAX_QUEUED_BYTES || this.#queue.length > MAX_QUEUED_EVENTS;
  }

  /** Whether an event of this kind is told to anybody. */
  wants(kind: number): boolean {
    return !this.#isClosed && this.#isHandled(kind);
  }

  /** Queues an event that somebody wants; `kick` sends it. */
  push(kind: number, a: number, bytes: Uint8Array): void {
    if (!this.wants(kind)) return;
    this.#queue.push({ kind, a, bytes });
    this.#queuedBytes += bytes.length;
  }

  /** Queues a drain event, unless the last one that is queued is one. */
  drained(): void {
    if (this.#queue.at(-1)?.kind !== SocketEvent.Drain) this.push(SocketEvent.Drain, 0, NOTHING);
    this.kick();
  }

  /** Queues an error event. */
  error(reason: string): void {
    this.push(SocketEvent.Error, 0, encoder.encode(reason));
  }

  /** Queues the last event. */
  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.push(SocketEvent.Close, code, encoder.encode(reason));
    this.#isClosed = true;
    this.kick();
  }

  /** Nobody will be told anything any more. */
  cancel(): void {
    this.#isClosed = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#batch = null;
  }

  /** Takes out what the client said and no handler has begun with. */
  dropMessages(): void {
    this.#queue = this.#queue.filter(({ kind }) =>
      kind === SocketEvent.Open || kind === SocketEvent.Error || kind === SocketEvent.Close
    );
    this.#countBytes();
  }

  #countBytes(): void {
    this.#queuedBytes = 0;
    for (const { bytes } of this.#queue) this.#queuedBytes += bytes.length;
  }

  #isHandled(kind: number): boolean {
    return (this.#settings.events & eventBit(kind)) !== 0;
  }

  /** Sends the next batch, if none is under way. */
  kick(): void {
    const first = this.#queue[0];
    if (this.#batch !== null || this.#isHeld || first === undefined) return;
    if (this.#owner.isSlow && !this.#isClosed && isMessage(first)) return;
    const pinned = this.#owner.pinnedTo;
    if (pinned === null ? !this.#host.hasRoom() : this.#host.tickets.free === 0) {
      this.#holdOn();
      return;
    }
    const max = this.#host.maxInlineBytes / 2;
    const isStreamed = first.bytes.length > max;
    let count = 1;
    let size = first.bytes.length;
    while (!isStreamed && count < this.#queue.length && count < MAX_BATCH_EVENTS) {
      const next = this.#queue[count] as SocketEventRecord;
      if (size + next.bytes.length > max) break;
      size += next.bytes.length;
      count++;
    }
    const events = this.#queue.slice(0, count);
    const batch = new SocketDispatch(this, events, isStreamed ? first.bytes : null);
    if (!this.#send(batch, isStreamed ? [{ ...first, bytes: NOTHING }] : events, pinned)) {
      this.#holdOn();
      return;
    }
    this.#queue.splice(0, count);
    this.#queuedBytes -= size;
    this.#batch = batch;
    this.#owner.eventsMoved();
  }

  #holdOn(): void {
    this.#isHeld = true;
    this.#host.hold(this);
  }

  #send(batch: SocketDispatch, events: readonly SocketEventRecord[], pinned: WorkerLink | null): boolean {
    const { socketIndex, generation, remoteAddress } = this.#owner;
    const remote = encoder.encode(remoteAddress);
    const settings = settingsBytes(this.#settings);
    const fixed = [settings, remote, this.#data, this.#inflateWindow, this.#deflateWindow];
    const length = batchLength(fixed, events);
    const write = (target: Uint8Array, at: number): void =>
      writeBatch(target, at, socketIndex, generation, batch.body !== null, fixed, events);
    if (pinned === null) return this.#host.dispatchBatch(batch, length, write);
    const bytes = new Uint8Array(length);
    write(bytes, 0);
    this.#host.tickets.issue(batch);
    batch.worker = pinned;
    pinned.send(InboxKind.SocketEvents, batch.ticket, 0, bytes);
    return true;
  }

  /** A worker is through with a batch. */
  batchDone(batch: SocketDispatch, result: BatchResult): void {
    if (!this.#takeBack(batch)) return;
    if (batch.data !== null) this.#data = batch.data;
    if (result.data !== null) this.#data = result.data;
    if (result.inflateWindow !== null) this.#inflateWindow = result.inflateWindow;
    if (result.deflateWindow !== null) this.#deflateWindow = result.deflateWindow;
    this.kick();
    this.#owner.eventsMoved();
  }

  /**
   * Its thread died. The event that was under way counts as handled, and the error event tells of it; those before it
   * are handled, those behind it were not begun.
   */
  batchLost(batch: SocketDispatch): void {
    if (this.#takeBack(batch) && this.#owner.pinnedTo === null) this.#goOnBehind(batch, true);
  }

  /** When the event that is under way began to await, ms on the server's clock; null: none does. */
  get awaitsSince(): number | null {
    const batch = this.#batch;
    return batch !== null && batch.isTaken && !batch.isGivenUp ? batch.movedAt : null;
  }

  /** Asks the worker to give up the event that is under way; it answers how far it was. */
  giveUp(): void {
    const batch = this.#batch;
    if (batch === null) return;
    batch.isGivenUp = true;
    batch.worker?.send(InboxKind.Abort, batch.ticket, AbortReason.Gone, null);
  }

  /** The worker has: the event that was under way counts as handled, and those behind it are told. */
  batchGivenUp(batch: SocketDispatch): void {
    if (this.#takeBack(batch)) this.#goOnBehind(batch, false);
  }

  /** What follows a batch that did not come to its end. @param isTold with an error event */
  #goOnBehind(batch: SocketDispatch, isTold: boolean): void {
    if (batch.data !== null) this.#data = batch.data;
    const { deflate } = this.#settings;
    // The client may have got compressed messages of which the window here knows nothing; it may be left unused.
    this.#deflateWindow = NOTHING;
    const begun = batch.events.slice(0, batch.finished + 1);
    const lost = begun.at(-1);
    let again = batch.events.slice(begun.length);
    // An error handler that kills its thread is not asked again.
    if (isTold && lost !== undefined && lost.kind < SocketEvent.Error && this.#isHandled(SocketEvent.Error)) {
      const reason = encoder.encode("the thread that handled an event of this connection died");
      again.unshift({ kind: SocketEvent.Error, a: 1, bytes: reason });
    }
    if (deflate !== null && !deflate.clientNoContextTakeover) {
      // Those behind refer to what those had: they are inflated again, and told to nobody.
      const passed = begun.filter((event) => isMessage(event) && event.a === 1);
      again.unshift(...passed.map(({ bytes }) => ({ kind: SocketEvent.Passed, a: 1, bytes })));
    }
    const isBroken = lost?.kind === SocketEvent.Passed;
    if (isBroken) {
      again = again.filter((event) => !isMessage(event));
      this.#queue = this.#queue.filter((event) => !isMessage(event));
    }
    this.#requeue(again);
    if (isBroken) this.#owner.eventsBroke();
  }

  /** No thread took it in time: it goes to the end of the ring. */
  batchReturned(batch: SocketDispatch): void {
    if (this.#takeBack(batch)) this.#requeue(batch.events);
  }

  /** @returns whether it was the batch that is under way */
  #takeBack(batch: SocketDispatch): boolean {
    this.#host.tickets.retire(batch);
    if (this.#batch !== batch) return false;
    this.#batch = null;
    return true;
  }

  #requeue(events: readonly SocketEventRecord[]): void {
    this.#queue.unshift(...events);
    this.#countBytes();
    this.kick();
    this.#owner.eventsMoved();
  }

  retry(): void {
    this.#isHeld = false;
    this.kick();
  }

  shedHeld(): boolean {
    // Messages are not refused; they wait, and the client is slowed by TCP.
    return false;
  }
}

/** A message of the client, to be told or only to be inflated. */
function isMessage({ kind }: SocketEventRecord): boolean {
  return kind === SocketEvent.Text || kind === SocketEvent.Binary || kind === SocketEvent.Passed;
}
