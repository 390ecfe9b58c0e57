/**
 * A batch of events of one WebSocket in the hands of this worker.
 * Runs on: worker; runtime API: none
 *
 * The events run one after another; each is awaited before the next begins. The I/O thread is told each time before one
 * begins, with the connection's data if the last one changed it, so that after a death it is known which one was under
 * way (`connection/socket_dispatch.ts`).
 */
import { CartoucheError } from "../errors.ts";
import { OutboxKind } from "../messages/kind.ts";
import {
  encodeBatchResult,
  readBatch,
  type SocketBatch,
  SocketEvent,
  type SocketEventRecord,
} from "../messages/socket_message.ts";
import { CLOSE_CODE, closeForFault } from "../websocket/close_code.ts";
import { EMPTY_WINDOW, inflateMessage, slideWindow } from "../websocket/permessage_deflate.ts";
import { advanceUtf8, UTF8_COMPLETE } from "../websocket/utf8.ts";
import { BodyReader, type BodySource } from "./body_reader.ts";
import type { Job } from "./job.ts";
import { type Outbox, StoppedError } from "./outbox.ts";
import type { WorkerSocketPort } from "./socket_port.ts";
import { ServerWebSocket, SocketState, type WebSocketHandlers } from "./web_socket.ts";

const NOTHING = new Uint8Array(0);
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What a job takes from its thread. */
export interface SocketJobHost {
  readonly outbox: Outbox;
  readonly port: WorkerSocketPort;
  /** This thread was declared dead: it must begin with nothing more. */
  readonly isDead: boolean;
  handlersOf(key: string): WebSocketHandlers | undefined;
  socketHandlerFailed(message: string, error: unknown): void;
  waitForInbox(): void;
  jobDone(job: Job): void;
  pull(ticket: number): void;
}

/** A batch. */
export class SocketJob implements Job, BodySource {
  readonly ticket: number;
  done = false;
  isTaken = false;
  readonly body: BodyReader | null;
  readonly #host: SocketJobHost;
  readonly #batch: SocketBatch;
  readonly #state: SocketState;
  readonly #socket: ServerWebSocket;
  readonly #handlers: WebSocketHandlers;
  #inflateWindow: Uint8Array;
  #hasNewWindow = false;
  /** A message broke the protocol: those behind it are not told. */
  #isFaulted = false;

  constructor(host: SocketJobHost, ticket: number, bytes: Uint8Array, at: number) {
    this.ticket = ticket;
    this.#host = host;
    const batch = readBatch(bytes, at);
    this.#batch = batch;
    this.#inflateWindow = batch.inflateWindow;
    this.#state = new SocketState(batch.settings, batch.data, batch.deflateWindow);
    this.#socket = new ServerWebSocket(
      host.port,
      batch.index,
      batch.generation,
      batch.remoteAddress,
      this.#state,
    );
    this.#handlers = host.handlersOf(batch.settings.key) ?? {};
    this.body = batch.isStreamed ? new BodyReader(null, this) : null;
  }

  pullBody(): void {
    if (!this.done) this.#host.pull(this.ticket);
  }

  waitForInbox(): void {
    this.#host.waitForInbox();
  }

  /** Its client has left, and the event that awaits has not ended for long: nothing more is begun, or said. */
  abort(): void {
    if (this.done) return;
    this.#state.isActive = false;
    this.done = true;
    this.#host.outbox.about(OutboxKind.SocketDone, this.ticket, 0, 1, NOTHING, 0);
    this.#host.jobDone(this);
  }

  credit(): void {
    // Nothing of an event is streamed out.
  }

  /** Runs the events; a promise if one of them waits. */
  run(): Promise<void> | undefined {
    return this.#from(0)?.catch((error: unknown) => {
      // It was declared dead meanwhile: it has nothing more to say, also not about that.
      if (!(error instanceof StoppedError)) throw error;
    });
  }

  #from(start: number): Promise<void> | undefined {
    const { events } = this.#batch;
    for (let i = start; i < events.length; i++) {
      const result = this.#guarded(events[i] as SocketEventRecord);
      if (result !== undefined) {
        return result.then(() => this.#mayGoOn(i + 1) ? this.#from(i + 1) : undefined);
      }
      if (!this.#mayGoOn(i + 1)) return undefined;
    }
    this.#end();
    return undefined;
  }

  /** Tells how many events are through. @returns whether the next may begin */
  #mayGoOn(finished: number): boolean {
    if (this.done) return false;
    if (finished === this.#batch.events.length) return true;
    const data = this.#changedData();
    const hasData = data === null ? 0 : 1;
    this.#host.outbox.about(OutboxKind.SocketProgress, this.ticket, 0, hasData, data ?? NOTHING, finished);
    // After it was told: the I/O thread, which looks in the other order, has heard of it or has set the word.
    return !this.#host.isDead;
  }

  #changedData(): Uint8Array | null {
    try {
      return this.#state.changedData();
    } catch (error) {
      this.#failed(error);
      return null;
    }
  }

  #guarded(event: SocketEventRecord): Promise<void> | undefined {
    try {
      const result = this.#handle(event);
      if (!isThenable(result)) return undefined;
      return Promise.resolve(result).then(() => undefined, (error: unknown) => this.#failed(error));
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  #failed(error: unknown): void {
    // Nobody hears this thread any more.
    if (error instanceof StoppedError) return;
    this.#host.socketHandlerFailed("a WebSocket handler failed", error);
    this.#socket.close(CLOSE_CODE.internalError, "A handler failed");
  }

  #handle(event: SocketEventRecord): unknown {
    const handlers = this.#handlers;
    const socket = this.#socket;
    switch (event.kind) {
      case SocketEvent.Open:
        return handlers.open?.(socket);
      case SocketEvent.Text:
      case SocketEvent.Binary:
      case SocketEvent.Passed:
        return this.body === null ? this.#message(event, event.bytes) : this.#largeMessage(event, this.body);
      case SocketEvent.Ping:
        return handlers.ping?.(socket, event.bytes.slice());
      case SocketEvent.Pong:
        return handlers.pong?.(socket, event.bytes.slice());
      case SocketEvent.Drain:
        return handlers.drain?.(socket);
      case SocketEvent.Error:
        return handlers.error?.(socket, errorOf(event));
      default:
        return handlers.close?.(socket, event.a, decoder.decode(event.bytes));
    }
  }

  async #largeMessage(event: SocketEventRecord, body: BodyReader): Promise<void> {
    await this.#message(event, await body.bytes());
  }

  #message(event: SocketEventRecord, payload: Uint8Array): unknown {
    if (this.#isFaulted) return undefined;
    let bytes = payload;
    if (event.a === 1) {
      const inflated = this.#inflate(payload, event.kind === SocketEvent.Text);
      if (inflated === null) return undefined;
      bytes = inflated;
    } else if (this.body === null) {
      // The payload lies in memory shared with other requests of this thread.
      bytes = event.kind === SocketEvent.Text ? payload : payload.slice();
    }
    if (event.kind === SocketEvent.Passed) return undefined;
    const message = event.kind === SocketEvent.Text ? decoder.decode(bytes) : bytes;
    return this.#handlers.message?.(this.#socket, message);
  }

  #inflate(payload: Uint8Array, isText: boolean): Uint8Array | null {
    const { settings } = this.#batch;
    const { deflate } = settings;
    const keeps = deflate !== null && !deflate.clientNoContextTakeover;
    const plain = inflateMessage(
      payload,
      keeps ? this.#inflateWindow : EMPTY_WINDOW,
      settings.maxMessageBytes,
    );
    const fault = typeof plain === "string"
      ? plain
      : isText && advanceUtf8(UTF8_COMPLETE, plain, 0, plain.length) !== UTF8_COMPLETE
      ? "text-not-utf8"
      : null;
    if (fault !== null || typeof plain === "string") {
      const { code, reason } = closeForFault(fault ?? "inflate-corrupt");
      this.#isFaulted = true;
      this.#host.port.fail(this.#batch.index, this.#batch.generation, code, reason);
      return null;
    }
    if (keeps) {
      this.#inflateWindow = slideWindow(this.#inflateWindow, plain, deflate.clientWindowBits);
      this.#hasNewWindow = true;
    }
    return plain;
  }

  #end(): void {
    this.#state.isActive = false;
    const result = encodeBatchResult({
      data: this.#changedData(),
      inflateWindow: this.#hasNewWindow ? this.#inflateWindow : null,
      deflateWindow: this.#state.hasNewWindow ? this.#state.deflateWindow : null,
    });
    this.done = true;
    this.#host.outbox.about(OutboxKind.SocketDone, this.ticket, 0, 0, result, 0);
    this.#host.jobDone(this);
  }
}

/** The error that a handler gets. */
function errorOf({ a, bytes }: SocketEventRecord): CartoucheError {
  return new CartoucheError(a === 1 ? "ERR_WORKER" : "ERR_SOCKET", decoder.decode(bytes));
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
