/**
 * What any thread can say about a socket that it knows by id, and how an id is made.
 * Runs on: any; runtime API: none
 *
 * Workers say it through their outbox (`worker/socket_port.ts`), the I/O thread does it at once
 * (`connection/local_socket_port.ts`).
 */
import { MAX_SOCKETS } from "../ring/layout.ts";
import type { PublishMessage } from "./socket_message.ts";

/**
 * What became of a message: "queued", it is on its way; "backpressure", it is on its way and more waits for the client
 * than it takes (a `drain` event follows); "closed", there is nobody to send it to.
 */
export type SendStatus = "queued" | "backpressure" | "closed";

/** Speaks to sockets. */
export interface SocketPort {
  /** The `UpgradeKind` of an open socket; 0: it is not open. */
  kindOf(index: number, generation: number): number;
  /** Octets on their way to the client. */
  buffered(index: number, generation: number): number;
  /** Sends whole frames or events; may block while the client is slow, if its socket wants it so. */
  send(index: number, generation: number, bytes: Uint8Array): SendStatus;
  close(index: number, generation: number, code: number, reason: string): void;
  terminate(index: number, generation: number): void;
  subscribe(index: number, generation: number, topic: string, lastId: string | null): void;
  unsubscribe(index: number, generation: number, topic: string): void;
  /** @param exceptIndex with a generation other than 0: a socket that does not get it */
  publish(message: PublishMessage, exceptIndex: number, exceptGeneration: number): void;
}

/** The id of a socket; it is never used again. */
export function socketId(index: number, generation: number): number {
  return generation * MAX_SOCKETS + index;
}

/** The index of an id; of a number that is none, 0. */
export function socketIndex(id: number): number {
  return isId(id) ? id % MAX_SOCKETS : 0;
}

/** The generation of an id; of a number that is none, 0, which no socket has. */
export function socketGeneration(id: number): number {
  return isId(id) ? Math.floor(id / MAX_SOCKETS) : 0;
}

function isId(id: number): boolean {
  return Number.isSafeInteger(id) && id > 0;
}
