/**
 * The request ring, seen by one of its many consumers: claim, copy, release.
 * Runs on: any; runtime API: none
 *
 * Every worker holds one, and the I/O thread holds one to shed requests that waited too long.
 *
 * Helping. `head` is moved by whoever claims, after the claim; a thread may die in between. So a consumer that finds
 * the slot at `head` claimed moves `head` for it, but only if the claim's position is `head` itself. Any other rule
 * loses a request: in a full ring the slot at `head` can still be claimed one lap behind; moving `head` then would
 * pass over the request that is about to be put there.
 *
 * The order that makes a thread harmless which was declared dead and goes on (Deno cannot stop a thread that runs):
 * claim by CAS → publish `current` → read `stop` → release by CAS. If `stop` is set, or the release finds its claim
 * taken away, the thread leaves without running anything: the I/O thread answers that request. If `stop` was not set,
 * the I/O thread sets it later and reads `current` after that, so it sees what this thread runs.
 */
import {
  claimedState,
  freeState,
  HEAD,
  isAtPosition,
  isClaimed,
  isReady,
  readyState,
  SEAT_CURRENT,
  SEAT_STOP,
  seatCell,
  type SharedRing,
  SLOT_KIND,
  SLOT_LENGTH,
  SLOT_OFFSET,
  SLOT_STATE,
  SLOT_TICKET,
  SLOT_WORDS,
} from "./layout.ts";

/** What `claim` found. */
export const Claim = { Empty: 0, Taken: 1, Dead: 2 } as const;
export type Claim = typeof Claim[keyof typeof Claim];

/** Private memory is taken in slabs of this size; a request larger than half a slab gets its own. */
const SLAB_BYTES = 64 * 1024;
/** Up to here a loop over words beats a copy, which wants a view. */
const SHORT_RECORD_BYTES = 192;

/** Takes requests from the ring. One per thread. */
export class RequestConsumer {
  /** After `Taken`: the record. `bytes[start .. start + length)` is a private copy that stays valid. */
  kind = 0;
  ticket = 0;
  bytes: Uint8Array;
  start = 0;
  length = 0;
  readonly #control: Int32Array;
  readonly #slots: Int32Array;
  readonly #seats: Int32Array;
  readonly #data: Uint8Array;
  readonly #dataWords: Int32Array;
  #words: Int32Array;
  readonly #mask: number;
  readonly #capacity: number;
  readonly #seat: number;
  readonly #cell: number;
  #used = 0;

  /**
   * @param seat the seat of this thread
   * @param supervised false for the I/O thread, which has no cell and cannot be declared dead
   */
  constructor(ring: SharedRing, seat: number, supervised = true) {
    this.#control = new Int32Array(ring.control);
    this.#slots = new Int32Array(ring.slots);
    this.#seats = new Int32Array(ring.seats);
    this.#data = new Uint8Array(ring.data);
    this.#capacity = this.#slots.length / SLOT_WORDS;
    this.#mask = this.#capacity - 1;
    this.#seat = seat;
    this.#cell = supervised ? seatCell(seat) : -1;
    this.#dataWords = new Int32Array(ring.data);
    this.bytes = new Uint8Array(SLAB_BYTES);
    this.#words = new Int32Array(this.bytes.buffer);
  }

  /** Whether a request waits. Racy by nature; exact when nobody else moves. */
  hasWork(): boolean {
    const head = Atomics.load(this.#control, HEAD);
    const state = Atomics.load(this.#slots, (head & this.#mask) * SLOT_WORDS + SLOT_STATE);
    // Claimed by another at this position counts as work: head may need help, and then there may be more.
    return isAtPosition(state, head) && (isReady(state) || isClaimed(state));
  }

  /** The ticket of the oldest request that nobody has claimed; 0: none. Racy: it may be claimed meanwhile. */
  peekTicket(): number {
    const head = Atomics.load(this.#control, HEAD);
    const slot = (head & this.#mask) * SLOT_WORDS;
    return Atomics.load(this.#slots, slot + SLOT_STATE) === readyState(head)
      ? this.#slots[slot + SLOT_TICKET] ?? 0
      : 0;
  }

  /** Claims the oldest request. After `Dead` the thread must take nothing more and leave. */
  claim(): Claim {
    const control = this.#control;
    const slots = this.#slots;
    for (;;) {
      const head = Atomics.load(control, HEAD);
      const slot = (head & this.#mask) * SLOT_WORDS;
      const state = Atomics.load(slots, slot + SLOT_STATE);
      if (state === readyState(head)) {
        const mine = claimedState(head, this.#seat);
        if (Atomics.compareExchange(slots, slot + SLOT_STATE, state, mine) !== state) continue;
        Atomics.compareExchange(control, HEAD, head, (head + 1) | 0);
        return this.#take(slot, head, mine);
      }
      if (isClaimed(state) && isAtPosition(state, head)) {
        Atomics.compareExchange(control, HEAD, head, (head + 1) | 0);
      } else if (Atomics.load(control, HEAD) === head) {
        return Claim.Empty;
      }
    }
  }

  #take(slot: number, head: number, mine: number): Claim {
    const slots = this.#slots;
    this.kind = slots[slot + SLOT_KIND] ?? 0;
    this.ticket = slots[slot + SLOT_TICKET] ?? 0;
    this.#copy(slots[slot + SLOT_OFFSET] ?? 0, slots[slot + SLOT_LENGTH] ?? 0);
    if (this.#cell >= 0) {
      Atomics.store(this.#seats, this.#cell + SEAT_CURRENT, this.ticket);
      if (Atomics.load(this.#seats, this.#cell + SEAT_STOP) !== 0) return Claim.Dead;
    }
    const free = freeState((head + this.#capacity) | 0);
    const won = Atomics.compareExchange(slots, slot + SLOT_STATE, mine, free) === mine;
    return won ? Claim.Taken : Claim.Dead;
  }

  /** Copies out of shared memory; this thread owns the bytes between its claim and its release. */
  #copy(offset: number, length: number): void {
    if (this.#used + length > this.bytes.length) {
      // The old slab lives on as long as a request refers to it.
      this.bytes = new Uint8Array(Math.max(SLAB_BYTES, (length + 7) & ~7));
      this.#words = new Int32Array(this.bytes.buffer);
      this.#used = 0;
    }
    if (length <= SHORT_RECORD_BYTES && (offset & 3) === 0) {
      const from = offset >>> 2;
      const to = this.#used >>> 2;
      const words = this.#words;
      for (let i = (length + 3) >>> 2; --i >= 0;) words[to + i] = this.#dataWords[from + i] ?? 0;
    } else this.bytes.set(this.#data.subarray(offset, offset + length), this.#used);
    this.start = this.#used;
    this.length = length;
    // Offset tables are read as 32-bit words: keep every record aligned.
    this.#used = (this.#used + length + 7) & ~7;
  }
}
