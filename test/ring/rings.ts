/**
 * Rings for tests: at any position, with requests whose bytes say which request they are.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import {
  CHANNEL_BYTE_HEAD,
  CHANNEL_HEAD,
  CHANNEL_TAIL,
  type ChannelBuffers,
  claimedState,
  createChannelBuffers,
  createSharedRing,
  freeState,
  HEAD,
  readyState,
  type SharedRing,
  SLOT_STATE,
  SLOT_WORDS,
} from "../../src/ring/layout.ts";
import type { RequestConsumer } from "../../src/ring/request_consumer.ts";
import type { RequestProducer } from "../../src/ring/request_producer.ts";

/** Positions shortly before something wraps: the state's 22 bits, the sign, the word. */
export const STARTS = [0, 2 ** 22 - 3, 2 ** 31 - 3, 2 ** 32 - 3];

/** A shared ring that begins at a position. */
export function ringAt(start: number, slots: number, dataBytes: number, seats = 4): SharedRing {
  const ring = createSharedRing(slots, dataBytes, seats);
  const control = new Int32Array(ring.control);
  const states = new Int32Array(ring.slots);
  control[HEAD] = start;
  for (let position = start; position < start + slots; position++) {
    states[(position & (slots - 1)) * SLOT_WORDS + SLOT_STATE] = freeState(position);
  }
  return ring;
}

/** A channel that begins at positions. */
export function channelAt(start: number, byteStart: number, records: number, bytes: number): ChannelBuffers {
  const buffers = createChannelBuffers(records, bytes);
  const words = new Int32Array(buffers.words);
  words[CHANNEL_HEAD] = words[CHANNEL_TAIL] = start;
  words[CHANNEL_BYTE_HEAD] = byteStart;
  return buffers;
}

/** The state word of a slot. */
export function slotState(ring: SharedRing, slot: number): number {
  return new Int32Array(ring.slots)[slot * SLOT_WORDS + SLOT_STATE] ?? 0;
}

/** The position of the next claim. */
export function headOf(ring: SharedRing): number {
  return new Int32Array(ring.control)[HEAD] ?? 0;
}

/** Claims a slot for a seat and goes no further, as a thread that dies there. */
export function claimAndDie(ring: SharedRing, position: number, seat: number, movesHead: boolean): void {
  const slots = ring.slots.byteLength / 4 / SLOT_WORDS;
  const words = new Int32Array(ring.slots);
  const at = (position & (slots - 1)) * SLOT_WORDS + SLOT_STATE;
  const ready = readyState(position);
  assert.equal(Atomics.compareExchange(words, at, ready, claimedState(position, seat)), ready);
  if (movesHead) new Int32Array(ring.control)[HEAD] = position + 1;
}

/** Puts a request into the ring, every octet of it made from its ticket; false: full. */
export function push(producer: RequestProducer, ticket: number, length = 8, kind = 1): boolean {
  const at = producer.reserve(length);
  if (at < 0) return false;
  producer.data.fill(octetOf(ticket), at, at + length);
  producer.commit(kind, ticket, length);
  return true;
}

/** Whether a consumer's copy is the request that its ticket names. */
export function isIntact(consumer: RequestConsumer, length: number): boolean {
  const { bytes, start, ticket } = consumer;
  if (consumer.length !== length) return false;
  return bytes.subarray(start, start + length).every((octet) => octet === octetOf(ticket));
}

/** The octet that a request consists of. */
export function octetOf(ticket: number): number {
  return (ticket * 31 + 7) & 0xff;
}
