/**
 * What any thread can say about a socket that it knows by id, and how an id is made.
 * Runs on: any; runtime API: none
 *
 * Workers say it through their outbox (`worker/socket_port.ts`), the I/O thread does it at once
 * (`connection/local_socket_port.ts`).
 */
import { MAX_SOCKETS, SOCKET_BUFFERED, SOCKET_LIMIT, SOCKET_UNDERWAY, SOCKET_WORDS } from "../ring/layout.ts";
import type { PublishMessage } from "./socket_message.ts";

/**
 * What became of a message: "queued", it is on its way; "backpressure", it is on its way, and the sender should rest
 * until the `drain` event that follows; "closed", there is nobody to send it to.
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
  subscribe(index: number, generation: number, topics: readonly string[], lastId: string | null): void;
  unsubscribe(index: number, generation: number, topic: string): void;
  /** @param exceptIndex with a generation other than 0: a socket that does not get it */
  publish(message: PublishMessage, exceptIndex: number, exceptGeneration: number): void;
}

/** One topic or several as a list. */
export function topicNames(topics: string | readonly string[]): readonly string[] {
  return typeof topics === "string" ? [topics] : topics;
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

/**
 * Whether a sender to a socket should rest: octets wait for the client, or half of what may wait is on its way to it.
 * The other half is for the message that is sent next, and for those who send at the same time.
 *
 * The I/O thread makes octets wait before it takes them off what is under way: looked at in the other order, they are
 * seen in one place or the other, but for parts of a message that is not put together yet.
 *
 * @param sent octets of the message that was sent just now; it counts whole, wherever it is
 */
export function isPressed(words: Int32Array, index: number, sent = 0): boolean {
  const at = index * SOCKET_WORDS;
  const half = Atomics.load(words, at + SOCKET_LIMIT) / 2;
  return sent > half || Atomics.load(words, at + SOCKET_UNDERWAY) > half ||
    Atomics.load(words, at + SOCKET_BUFFERED) > 0;
}
