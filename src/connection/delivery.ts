/**
 * What workers say, brought to the right connection in the right order.
 * Runs on: I/O thread; runtime API: none
 *
 * Reads one outbox at a time until it is empty. Complete responses of one connection that lie adjacent in the outbox
 * leave in one write: for pipelined requests that is worth a factor of ten, because a write costs microseconds and
 * a response does not (bench/README.md, pipelined row).
 */
import { Exchange } from "./exchange.ts";
import type { StreamOpener } from "./event_stream_connection.ts";
import type { ResponseQueue } from "./response_queue.ts";
import { OutboxKind, ResponseFlag } from "../messages/kind.ts";
import type { ChannelConsumer } from "../ring/channel.ts";
import type { TicketTable, WorkerLink } from "./tickets.ts";

/** A worker as delivery hears it. */
export interface SpeakingWorker extends StreamOpener {
  /** A send or publish that comes in several records, so far. */
  readonly assembly: Uint8Array[];
}

/** What delivery needs from the I/O thread around it. */
export interface DeliveryHost {
  readonly tickets: TicketTable;
  readonly now: number;
  /** A log record of a worker. */
  onWorkerLog(bytes: Uint8Array): void;
  /** A record about WebSockets, event streams or topics. */
  onSocketRecord(worker: SpeakingWorker, outbox: ChannelConsumer): void;
  /** A worker leaves of its own accord: all its records were read. */
  onWorkerBye(worker: WorkerLink): void;
}

const COMPLETE = ResponseFlag.Final | ResponseFlag.Done;

/**
 * Reads an outbox until it is empty.
 *
 * @returns how many records there were
 */
export function deliver(host: DeliveryHost, worker: SpeakingWorker, outbox: ChannelConsumer): number {
  let count = 0;
  let run: ResponseQueue | null = null;
  let runStart = 0;
  let runEnd = 0;
  while (outbox.next()) {
    count++;
    const kind = outbox.kind;
    if (kind === OutboxKind.Response) {
      const exchange = host.tickets.find(outbox.ticket);
      if (exchange instanceof Exchange) {
        const start = outbox.offset;
        const end = start + outbox.length;
        const queue = exchange.connection?.queue ?? null;
        if (run !== null && (queue !== run || start !== runEnd)) {
          run.endRun(outbox.bytes, runStart, runEnd);
          run = null;
        }
        if (outbox.a === COMPLETE && queue !== null && queue.joinRun(exchange)) {
          if (run === null) runStart = start;
          run = queue;
          runEnd = end;
          host.tickets.retire(exchange);
          continue;
        }
        if (run !== null) {
          run.endRun(outbox.bytes, runStart, runEnd);
          run = null;
        }
        respond(host, worker, exchange, outbox);
      }
      continue;
    }
    if (run !== null) {
      run.endRun(outbox.bytes, runStart, runEnd);
      run = null;
    }
    if (kind === OutboxKind.Taken) {
      host.tickets.find(outbox.ticket)?.takenBy(worker, host.now);
    } else if (kind === OutboxKind.Pull) {
      pull(host, worker, outbox);
    } else if (kind === OutboxKind.Log) {
      host.onWorkerLog(outbox.bytes.slice(outbox.offset, outbox.offset + outbox.length));
    } else if (kind === OutboxKind.Bye) {
      host.onWorkerBye(worker);
    } else host.onSocketRecord(worker, outbox);
  }
  if (run !== null) run.endRun(outbox.bytes, runStart, runEnd);
  outbox.release();
  return count;
}

/** Any response record that is not a complete response in a run. */
function respond(host: DeliveryHost, worker: WorkerLink, exchange: Exchange, outbox: ChannelConsumer): void {
  const flags = outbox.a;
  const queue = exchange.connection?.queue ?? null;
  const isFinal = (flags & ResponseFlag.Final) !== 0;
  if (queue !== null && !exchange.sealed && !exchange.final) {
    exchange.movedAt = host.now;
    if (!isFinal && (flags & ResponseFlag.Done) === 0) exchange.takenBy(worker, host.now);
    if ((flags & ResponseFlag.Cut) !== 0) {
      exchange.cut = exchange.final = true;
      queue.settle(exchange);
    } else if (isFinal || outbox.length > 0) {
      const isInterim = (flags & ResponseFlag.Interim) !== 0;
      const close = (flags & ResponseFlag.Close) !== 0;
      const start = outbox.offset;
      queue.accept(exchange, outbox.bytes, start, start + outbox.length, isFinal, close, isInterim);
      if (!isFinal && !isInterim) {
        exchange.owed += outbox.length;
        queue.payBack(exchange);
      }
    }
  }
  if ((flags & ResponseFlag.Done) !== 0) exchange.done();
}

function pull(host: DeliveryHost, worker: WorkerLink, outbox: ChannelConsumer): void {
  const item = host.tickets.find(outbox.ticket);
  if (item === null) return;
  item.takenBy(worker, host.now);
  item.body?.pull(worker, item.ticket, outbox.a);
  if (item instanceof Exchange) item.source?.bodyMoved(item);
}
