/**
 * The responses of one connection in the order of its requests, and the octets on their way out.
 * Runs on: I/O thread; runtime API: none
 *
 * RFC 9112 section 9.3.2. Only the first exchange of the list may write; what others answer early is parked with
 * them. Responses that become due in one batch leave in one write: a write costs microseconds, a response does not.
 */
import type { Transport } from "../adapters/adapter.ts";
import { AbortReason, InboxKind } from "../messages/kind.ts";
import type { Exchange, ProtocolChange } from "./exchange.ts";
import { CONTINUE } from "./local_response.ts";

/** Whose queue it is. */
export interface QueueOwner {
  /** An exchange has left the list: its response is complete. */
  onUnlinked(exchange: Exchange): void;
  /** A response is out and the connection goes on. */
  onAdvanced(): void;
  /** The connection ends behind what was written. */
  onLastResponse(): void;
  /** Nothing of HTTP is left to be said before `change`. */
  onChange(change: ProtocolChange): void;
  /** Octets begin to wait for the client. */
  onWaiting(): void;
}

/** Responses of pipelined requests are collected up to this many octets for one write. */
const OUTPUT_BYTES = 64 * 1024;
/** Output buffers that are kept for the next who needs one. */
const MAX_SPARE_OUTPUTS = 64;
const NOTHING: Uint8Array<ArrayBufferLike> = new Uint8Array(0);

/** Output buffers that no connection uses. */
const outputs: Uint8Array[] = [];
const unflushed: ResponseQueue[] = [];

/** The responses of a connection. */
export class ResponseQueue {
  /** When octets began to wait, or the client last took some, ms on the server's clock. */
  wroteAt = 0;
  readonly #clock: { readonly now: number };
  readonly #transport: Transport;
  readonly #owner: QueueOwner;
  #first: Exchange | null = null;
  #last: Exchange | null = null;
  #depth = 0;
  #output: Uint8Array = NOTHING;
  #outputLength = 0;
  #isClosed = false;
  /** Octets that waited for the client at the last look. */
  #waitingSeen = 0;

  constructor(clock: { readonly now: number }, transport: Transport, owner: QueueOwner) {
    this.#clock = clock;
    this.#transport = transport;
    this.#owner = owner;
  }

  /** The exchange whose octets go out now. */
  get first(): Exchange | null {
    return this.#first;
  }

  /** Exchanges under way. */
  get depth(): number {
    return this.#depth;
  }

  /** A request was received. */
  enqueue(exchange: Exchange): void {
    if (this.#last === null) this.#first = exchange;
    else this.#last.next = exchange;
    this.#last = exchange;
    this.#depth++;
  }

  /** The connection ends behind the last of the present exchanges. */
  closeBehindLast(): void {
    if (this.#last !== null) this.#last.close = true;
  }

  // ── octets of responses ────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Takes octets of a response.
   *
   * @param final the response is complete with them
   * @param close the connection ends behind it
   * @param interim a 1xx response
   */
  accept(
    exchange: Exchange,
    bytes: Uint8Array,
    start: number,
    end: number,
    final: boolean,
    close: boolean,
    interim: boolean,
  ): void {
    if (!interim && end > start) exchange.started = true;
    if (final) exchange.final = true;
    if (close) exchange.close = true;
    if (this.#first === exchange) {
      this.#write(bytes, start, end);
      if (final) this.#finish(exchange);
    } else if (end > start) exchange.parked.push(bytes.slice(start, end));
  }

  /**
   * Whether a complete response of this exchange may be written together with the octets before it. If so the
   * exchange is out of the list; the caller writes later and calls `endRun`.
   */
  joinRun(exchange: Exchange): boolean {
    if (this.#first !== exchange || !exchange.keepAlive || exchange.source !== null) return false;
    if (exchange.started || exchange.sealed) return false;
    exchange.final = true;
    this.#unlinkFirst(exchange);
    return true;
  }

  /** Writes a run of complete responses, then goes on behind it. */
  endRun(bytes: Uint8Array, start: number, end: number): void {
    this.#write(bytes, start, end);
    this.#advance();
  }

  /** The exchange's state changed without octets (cut, or final after all octets were accepted). */
  settle(exchange: Exchange): void {
    if (this.#first !== exchange) return;
    if (exchange.cut) this.#cut();
    else if (exchange.final) this.#finish(exchange);
  }

  /** The connection becomes something else with the response of this exchange: now, or when it is its turn. */
  upgrade(exchange: Exchange, change: ProtocolChange): void {
    exchange.upgrade = change;
    if (this.#first === exchange) this.#change(exchange, change);
  }

  /** 100 Continue, if it is this request's turn and the client waits for it (RFC 9110 section 10.1.1). */
  continueIfExpected(exchange: Exchange): void {
    if (!exchange.expects100 || this.#first !== exchange || exchange.started) return;
    exchange.expects100 = false;
    this.#write(CONTINUE, 0, CONTINUE.length);
  }

  /** Octets of a streamed response that are with the kernel now are paid back to the worker. */
  payBack(exchange: Exchange): void {
    if (exchange.owed === 0 || this.#first !== exchange || this.#transport.bufferedBytes > 0) return;
    this.flush();
    if (this.#transport.bufferedBytes > 0) return;
    const amount = exchange.owed;
    exchange.owed = 0;
    exchange.movedAt = this.#clock.now;
    exchange.worker?.send(InboxKind.Credit, exchange.ticket, amount, null);
  }

  /** All that waited for the peer is with the kernel. */
  onDrain(): void {
    this.wroteAt = this.#clock.now;
    if (this.#first !== null) this.payBack(this.#first);
  }

  /** Notes whether the client has taken octets since the last look. */
  observe(now: number): void {
    const waiting = this.#transport.bufferedBytes;
    if (waiting < this.#waitingSeen) this.wroteAt = now;
    this.#waitingSeen = waiting;
  }

  /** Gives all exchanges up: there is nobody to answer any more. */
  dropAll(): void {
    let exchange = this.#first;
    this.#first = this.#last = null;
    this.#depth = 0;
    while (exchange !== null) {
      const next: Exchange | null = exchange.next;
      exchange.connection = null;
      exchange.next = null;
      exchange.parked = [];
      exchange.upgrade?.cancel();
      exchange.giveUp(AbortReason.Gone);
      exchange = next;
    }
  }

  /** Writes nothing any more, not even what was collected. */
  close(): void {
    this.#isClosed = true;
  }

  // ── order ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #unlinkFirst(exchange: Exchange): void {
    this.#first = exchange.next;
    if (this.#first === null) this.#last = null;
    this.#depth--;
    exchange.connection = null;
    exchange.next = null;
    this.#owner.onUnlinked(exchange);
  }

  /** The first exchange's response is complete: go on with the next, or end. */
  #finish(exchange: Exchange): void {
    this.#unlinkFirst(exchange);
    if (exchange.close || !exchange.keepAlive) this.#owner.onLastResponse();
    else this.#advance();
  }

  /** Writes what parked while it was not its turn. */
  #advance(): void {
    for (let next = this.#first; next !== null; next = this.#first) {
      for (const piece of next.parked) this.#write(piece, 0, piece.length);
      next.parked = [];
      if (next.cut) return this.#cut();
      if (next.upgrade !== null) return this.#change(next, next.upgrade);
      this.continueIfExpected(next);
      if (!next.final) {
        this.payBack(next);
        break;
      }
      this.#unlinkFirst(next);
      if (next.close || !next.keepAlive) return this.#owner.onLastResponse();
    }
    this.#owner.onAdvanced();
  }

  #cut(): void {
    this.flush();
    this.#transport.abort();
  }

  #change(exchange: Exchange, change: ProtocolChange): void {
    this.#unlinkFirst(exchange);
    this.flush();
    exchange.final = true;
    this.#owner.onChange(change);
  }

  // ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Writes `bytes[start..end)`, which may lie in shared memory. */
  #write(bytes: Uint8Array, start: number, end: number): void {
    if (end === start || this.#isClosed) return;
    if (this.#outputLength > 0 || (this.#depth > 1 && end - start < OUTPUT_BYTES)) {
      this.#append(bytes, start, end);
    } else this.#send(bytes, start, end);
  }

  #send(bytes: Uint8Array, start: number, end: number): void {
    if (this.#transport.bufferedBytes === 0) this.wroteAt = this.#clock.now;
    this.#waitingSeen = this.#transport.write(bytes, start, end);
    if (this.#waitingSeen > 0) this.#owner.onWaiting();
  }

  /** Collects octets of several responses for one write. */
  #append(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (this.#outputLength + length > OUTPUT_BYTES) this.flush();
    if (length > OUTPUT_BYTES) return this.#send(bytes, start, end);
    if (this.#outputLength === 0) {
      if (this.#output.length === 0) this.#output = outputs.pop() ?? new Uint8Array(OUTPUT_BYTES);
      unflushed.push(this);
    }
    this.#output.set(bytes.subarray(start, end), this.#outputLength);
    this.#outputLength += length;
  }

  /** Writes what was collected. */
  flush(): void {
    const length = this.#outputLength;
    if (length === 0) return;
    this.#outputLength = 0;
    const output = this.#output;
    this.#output = NOTHING;
    if (!this.#isClosed) this.#send(output, 0, length);
    if (outputs.length < MAX_SPARE_OUTPUTS) outputs.push(output);
  }
}

/** Writes what all connections have collected; call after every batch of responses. */
export function flushResponses(): void {
  if (unflushed.length === 0) return;
  for (const queue of unflushed) queue.flush();
  unflushed.length = 0;
}
