/**
 * Where everything lies in shared memory; no other file knows a number.
 * Runs on: any; runtime API: none
 *
 * Four kinds of SharedArrayBuffer, sizes fixed at start:
 *
 * CONTROL, one for all threads, Int32 words, each in a 128-byte cell of its own: two cache lines, because the
 * adjacent-line prefetcher of x86 fetches pairs and would make neighbours share.
 *
 * | cell    | field    | written by        | read by       | unit; start; wrap                                   |
 * |--------:|----------|-------------------|---------------|-----------------------------------------------------|
 * |       0 | head     | consumers (CAS)   | all           | requests claimed since start; 0; modulo 2^32        |
 * |       1 | doorbell | workers (add)     | I/O thread    | rings since start; 0; modulo 2^32                   |
 * |       2 | armed    | I/O, workers      | workers       | 1 while the I/O thread wants the doorbell; 0        |
 * |       3 | service  | workers (plain)   | all           | smoothed time of a handler, µs; racy by design; 0   |
 * |       4 | clock    | I/O thread        | workers       | Unix time, s (for the Date field)                   |
 * |   5..36 | sleepers | workers, wakers   | all           | bit per seat: its thread sleeps or is about to; 0   |
 * |  37..68 | dirty    | workers, I/O      | I/O thread    | bit per seat: its outbox has news; 0                |
 *
 * SEATS, one for all threads: a 128-byte cell per worker ("seat"):
 *
 * | word | field   | written by     | read by     | unit; start                                               |
 * |-----:|---------|----------------|-------------|-----------------------------------------------------------|
 * |    0 | futex   | worker, wakers | worker      | 1 while the worker sleeps or is about to; 0               |
 * |    1 | stop    | I/O thread     | worker      | 1 once the seat is declared dead; 0                       |
 * |    2 | current | worker         | I/O thread  | ticket of what runs synchronously now; 0 = nothing        |
 * |    3 | pending | worker         | all         | async handlers under way; 0                               |
 * |    4 | starved | worker         | I/O thread  | 1 while the worker waits for room in its outbox; 0        |
 * |    5 | backlog | I/O thread     | worker      | 1 while the I/O thread waits for room in the inbox; 0     |
 * |    6 | left    | worker         | I/O thread  | 1 once the worker's loop is over for good; 0              |
 * |    7 | life    | I/O thread     | workers     | which thread of this seat it is; 1 for the first          |
 *
 * SLOTS + DATA, the request ring: see `request_producer.ts`. A slot is 8 words:
 *
 * | word | field      | meaning                                                                               |
 * |-----:|------------|---------------------------------------------------------------------------------------|
 * |    0 | state      | position << 10 | code; the one commit word                                            |
 * |    1 | kind       | kind of record (`messages/kind.ts`)                                                   |
 * |    2 | ticket     | who it is                                                                             |
 * |    3 | offset     | first byte in DATA                                                                    |
 * |    4 | length     | bytes in DATA                                                                         |
 *
 * SOCKETS, one for all threads: 8 words per WebSocket or event stream (its "index"):
 *
 * | word | field      | written by | read by | unit; start                                             |
 * |-----:|------------|------------|---------|---------------------------------------------------------|
 * |    0 | generation | I/O thread | all     | whose index it is; 0 = nobody's, or closing             |
 * |    1 | underway   | all        | all     | octets said and not yet written; 0; may be < 0          |
 * |    2 | buffered   | I/O thread | all     | octets that wait for the client; 0                      |
 * |    3 | kind       | I/O thread | all     | `UpgradeKind` of the socket                             |
 * |    4 | limit      | I/O thread | all     | octets that may wait for the client                     |
 * |    5 | waits      | I/O thread | all     | 1: senders block while more than that waits             |
 *
 * CHANNEL, two per worker (inbox, outbox), one producer and one consumer: a control cell pair, then descriptors of
 * 8 words, then bytes in a buffer of their own: see `channel.ts`.
 */

/** Int32 words in a 128-byte cell. */
const CELL = 32;

/** Most seats there can ever be: a claim has 10 bits for code + seat. */
export const MAX_SEATS = 1020;
const BITMAP_CELLS = 32;

/** Word indices in CONTROL. */
export const HEAD = 0 * CELL;
export const DOORBELL = 1 * CELL;
export const ARMED = 2 * CELL;
export const SERVICE = 3 * CELL;
export const CLOCK = 4 * CELL;
const SLEEPERS = 5 * CELL;
const DIRTY = (5 + BITMAP_CELLS) * CELL;
const CONTROL_WORDS = (5 + 2 * BITMAP_CELLS) * CELL;

/** The word of the sleepers' bitmap that holds the bit of a seat. */
export function sleepersWord(seat: number): number {
  return SLEEPERS + (seat >>> 5) * CELL;
}

/** The word of the dirty bitmap that holds the bit of a seat. */
export function dirtyWord(seat: number): number {
  return DIRTY + (seat >>> 5) * CELL;
}

/** The bit of a seat in its bitmap word. */
export function seatBit(seat: number): number {
  return 1 << (seat & 31);
}

/** Word offsets in a seat's cell. */
export const SEAT_FUTEX = 0;
export const SEAT_STOP = 1;
export const SEAT_CURRENT = 2;
export const SEAT_PENDING = 3;
export const SEAT_STARVED = 4;
export const SEAT_BACKLOG = 5;
export const SEAT_LEFT = 6;
/** The fields before this one belong to one thread and begin anew with the next. */
export const SEAT_LIFE = 7;

/** The first word of a seat's cell in SEATS. */
export function seatCell(seat: number): number {
  return seat * CELL;
}

/** Puts a seat's cell back to its start, for the next thread; only when no thread can touch it any more. */
export function resetSeat(ring: SharedRing, seat: number): void {
  const seats = new Int32Array(ring.seats);
  for (let field = 0; field < SEAT_LIFE; field++) Atomics.store(seats, seatCell(seat) + field, 0);
  Atomics.add(seats, seatCell(seat) + SEAT_LIFE, 1);
}

/** Words of a slot in SLOTS, and their offsets. */
export const SLOT_WORDS = 8;
export const SLOT_STATE = 0;
export const SLOT_KIND = 1;
export const SLOT_TICKET = 2;
export const SLOT_OFFSET = 3;
export const SLOT_LENGTH = 4;

/** Codes in the low 10 bits of a slot's state. */
const CODE_BITS = 10;
const CODE_MASK = (1 << CODE_BITS) - 1;
const CODE_READY = 1;
const CODE_CLAIMED = 2;
/** The seat under which the I/O thread itself claims (to shed what waited too long). */
export const IO_SEAT = MAX_SEATS;

/** State: free for the producer at this position. */
export function freeState(position: number): number {
  return position << CODE_BITS;
}
/** State: published at this position. */
export function readyState(position: number): number {
  return (position << CODE_BITS) | CODE_READY;
}
/** State: claimed at this position by a seat. */
export function claimedState(position: number, seat: number): number {
  return (position << CODE_BITS) | (CODE_CLAIMED + seat);
}
/** Whether a state belongs to this position (and not to another lap). */
export function isAtPosition(state: number, position: number): boolean {
  return (state & ~CODE_MASK) === position << CODE_BITS;
}
/** Whether a state is a claim. */
export function isClaimed(state: number): boolean {
  return (state & CODE_MASK) >= CODE_CLAIMED;
}
/** Whether a state is published and unclaimed. */
export function isReady(state: number): boolean {
  return (state & CODE_MASK) === CODE_READY;
}
/** The seat of a claim. */
export function claimSeat(state: number): number {
  return (state & CODE_MASK) - CODE_CLAIMED;
}

/** WebSockets and event streams at a time; memory is only used as far as it is written. */
export const MAX_SOCKETS = 1 << 18;
/** Words of a socket in SOCKETS, and their offsets. */
export const SOCKET_WORDS = 8;
export const SOCKET_GENERATION = 0;
export const SOCKET_UNDERWAY = 1;
export const SOCKET_BUFFERED = 2;
export const SOCKET_KIND = 3;
export const SOCKET_LIMIT = 4;
export const SOCKET_WAITS = 5;

/** Words of a channel's control part, and of a descriptor. */
export const CHANNEL_TAIL = 0;
export const CHANNEL_HEAD = CELL;
export const CHANNEL_BYTE_HEAD = CELL + 1;
export const CHANNEL_DESCRIPTORS = 2 * CELL;
export const DESCRIPTOR_WORDS = 8;

/** The buffers that all threads share. */
export interface SharedRing {
  /** A random number: no two servers have the same. */
  readonly id: number;
  readonly control: SharedArrayBuffer;
  readonly seats: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
  readonly data: SharedArrayBuffer;
  readonly sockets: SharedArrayBuffer;
}

/** The buffers of one channel. */
export interface ChannelBuffers {
  readonly words: SharedArrayBuffer;
  readonly bytes: SharedArrayBuffer;
}

/**
 * Makes the shared buffers of a server.
 *
 * @param slots capacity in requests; a power of two, at least 1, at most 2^20
 * @param dataBytes capacity for heads and small bodies; a power of two
 * @param seats how many workers there can be in the life of the server at the same time, zombies included
 */
export function createSharedRing(slots: number, dataBytes: number, seats: number): SharedRing {
  const ring: SharedRing = {
    id: Math.floor(Math.random() * 2 ** 32),
    control: new SharedArrayBuffer(CONTROL_WORDS * 4),
    seats: new SharedArrayBuffer(seats * CELL * 4),
    slots: new SharedArrayBuffer(slots * SLOT_WORDS * 4),
    data: new SharedArrayBuffer(dataBytes),
    sockets: new SharedArrayBuffer(MAX_SOCKETS * SOCKET_WORDS * 4),
  };
  const words = new Int32Array(ring.slots);
  for (let position = 0; position < slots; position++) {
    words[position * SLOT_WORDS + SLOT_STATE] = freeState(position);
  }
  return ring;
}

/**
 * Makes the buffers of a channel.
 *
 * @param records capacity in descriptors; a power of two
 * @param bytes capacity for their bytes; a power of two
 */
export function createChannelBuffers(records: number, bytes: number): ChannelBuffers {
  return {
    words: new SharedArrayBuffer((CHANNEL_DESCRIPTORS + records * DESCRIPTOR_WORDS) * 4),
    bytes: new SharedArrayBuffer(bytes),
  };
}
