/**
 * One request in the hands of this worker: its ticket, what was said of it, and what still may be.
 * Runs on: worker; runtime API: none
 *
 * Invariant: exactly one record with Done leaves for every ticket this worker claimed, and nothing about the ticket
 * after it.
 */
import { CartoucheError } from "../errors.ts";
import type { PreparedHead } from "../http/prepared_head.ts";
import {
  AbortReason,
  BODY_WINDOW_BYTES,
  OutboxKind,
  RESPONSE_WINDOW_BYTES,
  ResponseFlag,
} from "../messages/kind.ts";
import { RequestFlag, type RequestView } from "../messages/request_message.ts";
import { BodyReader, type BodySource } from "./body_reader.ts";
import type { Job } from "./job.ts";
import type { Outbox } from "./outbox.ts";

/** Waits for records of the inbox; the thread's event loop does not turn meanwhile. */
export interface InboxWaiter {
  /** Blocks until at least one inbox record was handled. */
  waitForInbox(): void;
}

/** A request this worker has claimed. */
export class Call implements BodySource, Job {
  readonly ticket: number;
  readonly view: RequestView;
  /** The head of a final response, or all of it, is in the outbox. */
  responded = false;
  /** The response is complete. */
  complete = false;
  /** Done was said. */
  done = false;
  /** The handler's function has returned (and its promise settled). */
  returned = false;
  /** The I/O thread was told that it stays here. */
  isTaken = false;
  /** Given up by the I/O thread. */
  aborted = 0;
  /** It was, and its handler runs on. */
  isUnwinding = false;
  /** Content coding work and the like may be under way after the handler returned. */
  sending = false;
  /** All of the content is at hand and on its way, whatever becomes of the handler. */
  isUnderway = false;
  #controller: AbortController | null = null;
  #body: BodyReader | null = null;
  #credit = RESPONSE_WINDOW_BYTES;
  #creditWaiter: (() => void) | null = null;
  readonly #outbox: Outbox;
  readonly #waiter: InboxWaiter;
  readonly #onDone: (call: Call) => void;

  constructor(
    ticket: number,
    view: RequestView,
    outbox: Outbox,
    waiter: InboxWaiter,
    onDone: (call: Call) => void,
  ) {
    this.ticket = ticket;
    this.view = view;
    this.#outbox = outbox;
    this.#waiter = waiter;
    this.#onDone = onDone;
  }

  /** The body; made when somebody asks, because most requests have none. */
  get body(): BodyReader {
    if (this.#body === null) {
      this.#body = new BodyReader(this.view, this.isStreamed ? this : null);
      // Nothing of it will come any more.
      if (this.aborted !== 0) this.#body.fail(abortError(this.aborted));
    }
    return this.#body;
  }

  /** The body is not in the record. */
  get isStreamed(): boolean {
    return (this.view.flags & RequestFlag.Streamed) !== 0;
  }

  /** Octets of the body that have not come here; -1: unknown. */
  get unread(): number {
    return this.isStreamed ? this.body.unread : 0;
  }

  /** Asks for one more window of the body. */
  pullBody(): void {
    if (!this.done) this.#outbox.pull(this.ticket, BODY_WINDOW_BYTES);
  }

  /** Blocks until the inbox brought something. */
  waitForInbox(): void {
    this.#waiter.waitForInbox();
  }

  /** Sends octets of the response; `flags` are `ResponseFlag` bits. */
  send(bytes: Uint8Array, flags: number): void {
    if (this.done) return;
    const ends = this.#endsWith(flags);
    this.#outbox.response(this.ticket, bytes, ends ? flags | ResponseFlag.Done : flags);
    // Not before it is said: what fails until then can still be answered.
    if ((flags & ResponseFlag.Interim) === 0) this.responded = true;
    if ((flags & ResponseFlag.Final) !== 0) this.complete = true;
    if (ends) this.#finish();
  }

  /** Sends a whole response; false: the text is not ASCII, or all is too long, and nothing was sent. */
  sendWhole(head: PreparedHead, body: string | Uint8Array, flags: number): boolean {
    if (this.done) return true;
    const final = flags | ResponseFlag.Final;
    const ends = this.#endsWith(final);
    if (!this.#outbox.wholeResponse(this.ticket, head, body, ends ? final | ResponseFlag.Done : final)) {
      return false;
    }
    this.responded = this.complete = true;
    if (ends) this.#finish();
    return true;
  }

  #endsWith(flags: number): boolean {
    return this.returned && (flags & (ResponseFlag.Final | ResponseFlag.Cut)) !== 0;
  }

  /** The handler is through; what is not said by now is said by whoever is still sending. */
  end(): void {
    this.returned = true;
    if (this.done || !this.complete) return;
    this.#outbox.response(this.ticket, NOTHING, ResponseFlag.Done);
    this.#finish();
  }

  /** The I/O thread has given the request up: nothing more is said about it but Done. */
  abort(reason: number): void {
    if (this.done) return;
    this.aborted = reason;
    const error = abortError(reason);
    this.#body?.fail(error);
    this.#controller?.abort(error);
    this.#creditWaiter?.();
    this.complete = this.responded = true;
    this.#outbox.response(this.ticket, NOTHING, ResponseFlag.Done);
    this.#finish();
  }

  /** The connection becomes something else: no response follows, and the handler may go on. */
  becomeSocket(message: Uint8Array): void {
    this.responded = this.complete = true;
    this.#outbox.about(OutboxKind.Upgrade, this.ticket, 0, 0, message, 0);
    this.#outbox.ringNow();
  }

  #finish(): void {
    this.done = true;
    this.#onDone(this);
  }

  /** Aborted when the client leaves or the deadline passes. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.aborted !== 0) this.#controller.abort(abortError(this.aborted));
    }
    return this.#controller.signal;
  }

  // ── credit for streamed responses ──────────────────────────────────────────────────────────────────────────────

  /** The client took `bytes` more. */
  credit(bytes: number): void {
    this.#credit += bytes;
    this.#creditWaiter?.();
  }

  /** How many octets may go now. */
  get available(): number {
    return this.aborted !== 0 ? 0 : this.#credit;
  }

  /** Uses credit up. */
  spend(bytes: number): void {
    this.#credit -= bytes;
  }

  /** Resolves when there is credit, or the call was aborted. */
  creditAvailable(): Promise<void> {
    if (this.#credit > 0 || this.aborted !== 0) return Promise.resolve();
    return new Promise<void>((resolve) => {
      this.#creditWaiter = () => {
        this.#creditWaiter = null;
        resolve();
      };
    });
  }

  /** The same, blocking this thread. */
  waitForCredit(): void {
    while (this.#credit <= 0 && this.aborted === 0) this.#waiter.waitForInbox();
  }

  /** Throws if the call was aborted. */
  throwIfAborted(): void {
    if (this.aborted !== 0) throw abortError(this.aborted);
  }
}

const NOTHING = new Uint8Array(0);

/** The error that a handler sees when its request was given up. */
export function abortError(reason: number): CartoucheError {
  if (reason === AbortReason.Deadline) {
    return new CartoucheError("ERR_DEADLINE", "the handler overran its deadline");
  }
  return new CartoucheError("ERR_CLIENT_GONE", "the client is gone");
}
