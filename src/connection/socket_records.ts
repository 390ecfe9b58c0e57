/**
 * What workers say about WebSockets, event streams and topics.
 * Runs on: I/O thread; runtime API: none
 *
 * Sends and publishes that are longer than a record come in several; they are put together here, per worker, and
 * leave as a whole, so that frames of different threads never mix.
 */
import { InboxKind, OutboxKind, SendFlag } from "../messages/kind.ts";
import {
  decodeBatchResult,
  decodePublish,
  decodeSubscribe,
  decodeUpgrade,
  UpgradeKind,
} from "../messages/socket_message.ts";
import type { ChannelConsumer } from "../ring/channel.ts";
import type { SpeakingWorker } from "./delivery.ts";
import { EventStreamConnection } from "./event_stream_connection.ts";
import { Exchange } from "./exchange.ts";
import type { HttpConnection } from "./http_connection.ts";
import type { Protocol } from "./protocol.ts";
import { STOPPING, TOO_MANY_SOCKETS } from "./refusals.ts";
import { SocketDispatch } from "./socket_dispatch.ts";
import type { Subscriber } from "./topics.ts";
import { type SocketHost, WebSocketConnection } from "./websocket_connection.ts";

/** What is needed to change a connection's protocol. */
export interface ChangingHost extends SocketHost {
  adopt(connection: Protocol): void;
}

/** Handles one record. */
export function socketRecord(host: ChangingHost, worker: SpeakingWorker, outbox: ChannelConsumer): void {
  switch (outbox.kind) {
    case OutboxKind.Upgrade:
      upgrade(host, worker, outbox);
      return;
    case OutboxKind.SocketSend: {
      const bytes = assemble(worker, outbox);
      const socket = bytes === null ? null : host.sockets.find(outbox.connection, outbox.b);
      if (bytes === outbox.bytes) socket?.send(bytes, outbox.offset, outbox.offset + outbox.length, outbox.a);
      else if (bytes !== null) socket?.send(bytes, 0, bytes.length, outbox.a);
      // Not before: a sender must see octets that are to wait for the client under way or waiting.
      host.sockets.arrived(outbox.connection, outbox.b, outbox.length);
      return;
    }
    case OutboxKind.SocketClose: {
      const reason = decoder.decode(copyOf(outbox));
      host.sockets.find(outbox.connection, outbox.b)?.close(outbox.a, reason);
      return;
    }
    case OutboxKind.SocketFail: {
      const reason = decoder.decode(copyOf(outbox));
      host.sockets.find(outbox.connection, outbox.b)?.fail(outbox.a, reason);
      return;
    }
    case OutboxKind.SocketDrain:
      host.sockets.find(outbox.connection, outbox.b)?.wantDrain();
      return;
    case OutboxKind.SocketTerminate:
      host.sockets.find(outbox.connection, outbox.b)?.terminate();
      return;
    case OutboxKind.Subscribe: {
      const bytes = assemble(worker, outbox);
      if (bytes === null) return;
      const { topics, lastId } = decodeSubscribe(bytes === outbox.bytes ? copyOf(outbox) : bytes);
      host.sockets.find(outbox.connection, outbox.b)?.subscribe(topics, lastId);
      return;
    }
    case OutboxKind.Unsubscribe: {
      const bytes = assemble(worker, outbox);
      if (bytes === null) return;
      const topic = decoder.decode(bytes === outbox.bytes ? copyOf(outbox) : bytes);
      host.sockets.find(outbox.connection, outbox.b)?.unsubscribe(topic);
      return;
    }
    case OutboxKind.Publish: {
      const bytes = assemble(worker, outbox);
      if (bytes === null) return;
      const message = decodePublish(bytes === outbox.bytes ? copyOf(outbox) : bytes);
      const except = outbox.b === 0 ? null : host.sockets.find(outbox.connection, outbox.b);
      host.topics.publish(message, except as (Subscriber & typeof except) | null);
      return;
    }
    case OutboxKind.SocketProgress: {
      const batch = host.tickets.find(outbox.ticket);
      if (!(batch instanceof SocketDispatch)) return;
      batch.finished = outbox.a;
      batch.movedAt = host.now;
      if (outbox.b === 1) batch.data = copyOf(outbox);
      return;
    }
    case OutboxKind.SocketDone: {
      const bytes = assemble(worker, outbox);
      if (bytes === null) return;
      const batch = host.tickets.find(outbox.ticket);
      if (!(batch instanceof SocketDispatch)) return;
      if (outbox.b === 1) batch.owner.batchGivenUp(batch);
      else {
        const result = decodeBatchResult(bytes === outbox.bytes ? copyOf(outbox) : bytes);
        batch.owner.batchDone(batch, result);
      }
      return;
    }
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function copyOf(outbox: ChannelConsumer): Uint8Array {
  return outbox.bytes.slice(outbox.offset, outbox.offset + outbox.length);
}

/**
 * Puts a message of several records together.
 *
 * @returns null: more is to come; the outbox's own bytes: the message is this one record; else the whole
 */
function assemble(worker: SpeakingWorker, outbox: ChannelConsumer): Uint8Array | null {
  const parts = worker.assembly;
  if ((outbox.a & SendFlag.More) !== 0) {
    parts.push(copyOf(outbox));
    return null;
  }
  if (parts.length === 0) return outbox.bytes;
  parts.push(copyOf(outbox));
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  parts.length = 0;
  return whole;
}

function upgrade(host: ChangingHost, worker: SpeakingWorker, outbox: ChannelConsumer): void {
  const bytes = assemble(worker, outbox);
  if (bytes === null) return;
  const { ticket } = outbox;
  const exchange = host.tickets.find(ticket);
  const isOpen = exchange instanceof Exchange && exchange.connection !== null && !exchange.sealed;
  const place = isOpen && !host.stopping ? host.sockets.reserve() : null;
  if (!isOpen || place === null) {
    if (isOpen) exchange.answerLocally(host.stopping ? STOPPING : TOO_MANY_SOCKETS);
    worker.send(InboxKind.SocketOpened, ticket, 0, null);
    return;
  }
  const message = decodeUpgrade(bytes === outbox.bytes ? copyOf(outbox) : bytes);
  const http = exchange.connection as HttpConnection;
  const { index, generation } = place;
  if (message.kind === UpgradeKind.WebSocket) {
    const pinned = message.socket.isPinned ? worker : null;
    const socket = new WebSocketConnection(
      host,
      http.transport,
      index,
      generation,
      message.socket,
      message.head,
      message.data,
      pinned,
    );
    host.sockets.open(socket);
    worker.send(InboxKind.SocketOpened, ticket, generation, null, index);
    http.queue.upgrade(exchange, {
      begin(connection) {
        const { hasEnded } = connection;
        // Frames may have come in the packet of the handshake.
        const rest = connection.release();
        host.adopt(socket);
        socket.begin(rest, hasEnded);
      },
      cancel: () => socket.cancel(),
    });
  } else {
    const { socket: settings, head } = message;
    const socket = new EventStreamConnection(host, http.transport, index, generation, settings, head, worker);
    host.sockets.open(socket);
    worker.send(InboxKind.SocketOpened, ticket, generation, null, index);
    http.queue.upgrade(exchange, {
      begin(connection) {
        const { hasEnded } = connection;
        connection.release();
        host.adopt(socket);
        socket.begin();
        if (hasEnded) socket.onEnd();
      },
      cancel: () => socket.cancel(),
    });
  }
}
