/**
 * One request and its response, as the I/O thread sees them.
 * Runs on: I/O thread; runtime API: none
 *
 * Exchanges of a connection form a list in the order of their requests. Only the first may write; what the others
 * answer early is parked here. An exchange leaves the list when its response is complete, and the ticket table when
 * its worker is through with it: a handler may answer early and work on, or be given up and end later.
 */
import { AbortReason, InboxKind } from "../messages/kind.ts";
import { BodyFeed } from "./body_feed.ts";
import type { ConnectionHost, HttpConnection } from "./http_connection.ts";
import { encodeLocalResponse, type LocalResponse } from "./local_response.ts";
import { NO_THREAD_FREE, OVERDUE, THREAD_DIED } from "./refusals.ts";
import { Ticketed, type WorkerLink } from "./tickets.ts";

/** What a connection becomes. */
export interface ProtocolChange {
  /** Nothing of HTTP is left to be said: takes the transport over. */
  begin(http: HttpConnection): void;
  /** The client is gone before it came to that. */
  cancel(): void;
}

/** A request and its response. */
export class Exchange extends Ticketed {
  /** null once the response is complete, or the client is gone. */
  connection: HttpConnection | null;
  /** The next one of the same connection. */
  next: Exchange | null = null;
  /** HEAD: a local response has no content. */
  readonly isHead: boolean;
  /** Whether the connection can go on after it, as far as the request says. */
  readonly keepAlive: boolean;
  /** The connection that the body comes from, as long as it is read. */
  source: HttpConnection | null = null;
  /** The client waits for 100 Continue. */
  expects100 = false;
  /** Octets of the response have gone out, or wait here. */
  started = false;
  /** The response is complete (perhaps still parked). */
  final = false;
  /** The connection ends behind it. */
  close = false;
  /** The response broke off. */
  cut = false;
  /** Nothing of the worker counts any more: the I/O thread has answered. */
  sealed = false;
  parked: Uint8Array[] = [];
  /** The worker wants the connection to go on as something else. */
  upgrade: ProtocolChange | null = null;
  /** Streamed octets that the worker has not had credit for again. */
  owed = 0;
  readonly #host: ConnectionHost;

  constructor(host: ConnectionHost, connection: HttpConnection, isHead: boolean, keepAlive: boolean) {
    super();
    this.#host = host;
    this.connection = connection;
    this.isHead = isHead;
    this.keepAlive = keepAlive;
  }

  /** The response was the last of its connection: nothing but the body may follow. */
  get wasLast(): boolean {
    return this.connection === null && (this.close || !this.keepAlive || this.#host.stopping);
  }

  /** A body follows the head. @param source the connection that it comes from */
  expectBody(source: HttpConnection): BodyFeed {
    this.source = source;
    return this.body = new BodyFeed();
  }

  override get isGuarded(): boolean {
    return !this.final && !this.sealed && this.upgrade === null;
  }

  override get waitsForClient(): boolean {
    return this.connection !== null && this.owed > 0;
  }

  override get waitsForContent(): boolean {
    return this.connection !== null && (this.body?.isStarved ?? false);
  }

  /** Answers without a worker and ignores what a worker says from now on. A response that has begun is cut. */
  answerLocally(response: LocalResponse): void {
    // The head of an upgrade is its response, even while it waits for its turn.
    if (this.final || this.sealed || this.upgrade !== null) return;
    this.sealed = true;
    const connection = this.connection;
    if (connection === null) return;
    if (this.started) {
      this.cut = true;
      this.final = true;
      connection.queue.settle(this);
      return;
    }
    const close = response.close || !this.keepAlive;
    const bytes = encodeLocalResponse({ ...response, close }, this.isHead);
    connection.queue.accept(this, bytes, 0, bytes.length, true, close, false);
  }

  override lost(): void {
    this.worker = null;
    this.answerLocally(THREAD_DIED);
    this.done();
  }

  override overdue(): void {
    if (this.connection !== null) this.#host.stats.deadlines++;
    this.isOverdue = true;
    this.answerLocally(OVERDUE);
    this.giveUp(AbortReason.Deadline);
  }

  override shed(): void {
    this.#host.stats.shed++;
    this.answerLocally(NO_THREAD_FREE);
    this.done();
  }

  /** No worker has anything to do with it any more. */
  done(): void {
    this.#host.tickets.retire(this);
    this.worker = null;
    const source = this.source;
    if (source === null) return;
    this.source = null;
    this.body?.discard();
    source.handlerDone(this);
  }

  /** Tells the worker that nobody waits for this request any more; it answers with Done. */
  giveUp(reason: typeof AbortReason[keyof typeof AbortReason]): void {
    // A worker that has not listened since its client left is told again at the deadline.
    if (this.abortReason !== 0 && (reason !== AbortReason.Deadline || this.abortReason === reason)) return;
    this.abortReason = reason;
    this.worker?.send(InboxKind.Abort, this.ticket, reason, null);
  }

  /** Set when it was given up before its worker was known. */
  abortReason = 0;

  /** The worker is known now. */
  override takenBy(worker: WorkerLink, now: number): void {
    this.movedAt = now;
    if (this.worker === worker) return;
    this.worker = worker;
    if (this.abortReason !== 0) worker.send(InboxKind.Abort, this.ticket, this.abortReason, null);
  }
}
