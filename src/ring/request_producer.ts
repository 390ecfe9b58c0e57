/**
 * The request ring, seen by its one producer: descriptors in slots, heads and small bodies in a byte ring beside.
 * Runs on: I/O thread; runtime API: none
 *
 * A slot's life, all in its state word (position p, capacity N):
 *
 *     FREE(p) ──commit──► READY(p) ──claim, CAS──► CLAIMED(p, seat) ──release, CAS──► FREE(p + N)
 *                                                        └── repair by the producer, CAS ──┘
 *
 * The consumer copies the bytes between claim and release, so that a released slot's bytes are nobody's:
 * the producer takes them back in order when it needs room (`#reclaim`). A thread that dies between claim and
 * release leaves CLAIMED(p, seat) behind; `repair` takes that word away from it. Both sides change it by
 * compare-and-swap only, so exactly one of "ran" and "repaired" comes true.
 */
import {
  claimSeat,
  freeState,
  HEAD,
  isAtPosition,
  isClaimed,
  isReady,
  readyState,
  type SharedRing,
  SLOT_KIND,
  SLOT_LENGTH,
  SLOT_OFFSET,
  SLOT_STATE,
  SLOT_TICKET,
  SLOT_WORDS,
} from "./layout.ts";

/** Puts requests into the ring. Exactly one thread may hold one. */
export class RequestProducer {
  /** The byte ring; write what was reserved at the offset that `reserve` gave. */
  readonly data: Uint8Array;
  readonly capacity: number;
  readonly dataCapacity: number;
  readonly #control: Int32Array;
  readonly #slots: Int32Array;
  readonly #slotMask: number;
  readonly #dataMask: number;
  /** Per slot: where its bytes end, as a running total (never wraps below 2^53). */
  readonly #dataEnds: Float64Array;
  #tail = 0;
  #headSeen = 0;
  #reclaimed = 0;
  #dataTail = 0;
  #dataHead = 0;
  #reservedAt = 0;

  constructor(ring: SharedRing) {
    this.#control = new Int32Array(ring.control);
    this.#slots = new Int32Array(ring.slots);
    this.data = new Uint8Array(ring.data);
    this.capacity = this.#slots.length / SLOT_WORDS;
    this.dataCapacity = this.data.length;
    this.#slotMask = this.capacity - 1;
    this.#dataMask = this.data.length - 1;
    this.#dataEnds = new Float64Array(this.capacity);
    // Nobody else is here yet. A ring may begin at any position; tests begin shortly before a wrap.
    this.#tail = this.#headSeen = this.#reclaimed = this.#control[HEAD] ?? 0;
  }

  /** Requests pushed since start, modulo 2^32. */
  get tail(): number {
    return this.#tail;
  }

  /** Requests nobody has claimed yet. Racy: consumers may claim while this is read. */
  get waiting(): number {
    return (this.#tail - Atomics.load(this.#control, HEAD)) | 0;
  }

  /**
   * Whether fewer than `limit` requests wait. Looks at the consumers' word, which they change all the time, only when
   * its last value leaves the answer open.
   */
  hasFewerThan(limit: number): boolean {
    if (((this.#tail - this.#headSeen) | 0) < limit) return true;
    this.#headSeen = Atomics.load(this.#control, HEAD);
    return ((this.#tail - this.#headSeen) | 0) < limit;
  }

  /**
   * Finds room for one request.
   *
   * @param length bytes it needs in `data`; at most a quarter of the byte ring
   * @returns the offset in `data`, or -1: full
   */
  reserve(length: number): number {
    const slot = (this.#tail & this.#slotMask) * SLOT_WORDS;
    if (Atomics.load(this.#slots, slot + SLOT_STATE) !== freeState(this.#tail)) return -1;
    // A slot's bytes are taken back before the slot is used again: afterwards nobody knows where they ended.
    if (((this.#tail - this.#reclaimed) | 0) >= this.capacity) this.#reclaim();
    let at = this.#dataTail;
    const offset = at & this.#dataMask;
    const toEnd = this.data.length - offset;
    if (length > toEnd) at += toEnd;
    if (at + length - this.#dataHead > this.data.length) {
      this.#reclaim();
      if (at + length - this.#dataHead > this.data.length) return -1;
    }
    this.#reservedAt = at;
    return at & this.#dataMask;
  }

  /**
   * Publishes the request whose bytes were written after `reserve` (pairs with the load in `RequestConsumer.claim`).
   *
   * @param length bytes written; at most what was reserved
   */
  commit(kind: number, ticket: number, length: number): void {
    const tail = this.#tail;
    const index = tail & this.#slotMask;
    const slot = index * SLOT_WORDS;
    const slots = this.#slots;
    slots[slot + SLOT_KIND] = kind;
    slots[slot + SLOT_TICKET] = ticket;
    slots[slot + SLOT_OFFSET] = this.#reservedAt & this.#dataMask;
    slots[slot + SLOT_LENGTH] = length;
    this.#dataTail = this.#reservedAt + length;
    this.#dataEnds[index] = this.#dataTail;
    Atomics.store(slots, slot + SLOT_STATE, readyState(tail));
    this.#tail = (tail + 1) | 0;
  }

  /**
   * Takes away every claim of a dead seat.
   *
   * @param onTicket called with the ticket of each request that the seat had claimed and not released
   */
  repair(seat: number, onTicket: (ticket: number) => void): void {
    for (let index = 0; index < this.capacity; index++) {
      const state = Atomics.load(this.#slots, index * SLOT_WORDS + SLOT_STATE);
      if (isClaimed(state) && claimSeat(state) === seat) this.#repairSlot(index, state, onTicket);
    }
  }

  /**
   * Repairs the oldest slots whose claimers are dead, met late: a thread may claim in the very instant it is declared
   * dead. Cheap; meant for a timer.
   */
  repairOldest(isDead: (seat: number) => boolean, onTicket: (ticket: number) => void): void {
    this.#reclaim();
    for (let position = this.#reclaimed; position !== this.#tail; position = (position + 1) | 0) {
      const index = position & this.#slotMask;
      const state = Atomics.load(this.#slots, index * SLOT_WORDS + SLOT_STATE);
      if (isReady(state) && isAtPosition(state, position)) break;
      if (isClaimed(state) && isAtPosition(state, position) && isDead(claimSeat(state))) {
        this.#repairSlot(index, state, onTicket);
      }
    }
    this.#reclaim();
  }

  #repairSlot(index: number, state: number, onTicket: (ticket: number) => void): void {
    const slot = index * SLOT_WORDS;
    // Read before the word is given back: afterwards the slot is free.
    const ticket = this.#slots[slot + SLOT_TICKET] ?? 0;
    const position = this.#positionOf(index);
    // The claimer may have died before it moved head past its slot.
    Atomics.compareExchange(this.#control, HEAD, position, (position + 1) | 0);
    const free = freeState((position + this.capacity) | 0);
    if (Atomics.compareExchange(this.#slots, slot + SLOT_STATE, state, free) === state) onTicket(ticket);
  }

  /** The position of the newest request that was put into a slot. */
  #positionOf(index: number): number {
    const back = ((this.#tail - 1 - index) & this.#slotMask) | 0;
    return (this.#tail - 1 - back) | 0;
  }

  #reclaim(): void {
    while (this.#reclaimed !== this.#tail) {
      const index = this.#reclaimed & this.#slotMask;
      const state = Atomics.load(this.#slots, index * SLOT_WORDS + SLOT_STATE);
      if (isAtPosition(state, this.#reclaimed)) return;
      this.#dataHead = this.#dataEnds[index] ?? this.#dataHead;
      this.#reclaimed = (this.#reclaimed + 1) | 0;
    }
  }
}
