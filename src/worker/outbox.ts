/**
 * What this worker says to the I/O thread: records into its outbox, the doorbell, and the wait for room.
 * Runs on: worker; runtime API: none
 *
 * The I/O thread never waits for a worker, so a full outbox empties as soon as that thread turns: the worker blocks
 * for it. The bell is rung for a batch of fast handlers, at once for slow ones, and always before this thread waits.
 */
import type { PreparedHead } from "../http/prepared_head.ts";
import { HOLD_US, MAX_RECORD_BYTES, OutboxKind, ResponseFlag, SendFlag } from "../messages/kind.ts";
import { ChannelProducer } from "../ring/channel.ts";
import {
  type ChannelBuffers,
  SEAT_STARVED,
  SEAT_STOP,
  seatCell,
  SERVICE,
  type SharedRing,
} from "../ring/layout.ts";
import { Doorbell } from "../ring/parking.ts";

/** Answers of fast handlers that may gather before the bell is rung. */
const BATCH = 32;

/** Up to here a loop beats the encoder, which wants a view. */
const SHORT_TEXT = 48;

const encoder = new TextEncoder();

/** A worker's outbox. */
export class Outbox {
  readonly #producer: ChannelProducer;
  readonly #doorbell: Doorbell;
  readonly #control: Int32Array;
  readonly #seats: Int32Array;
  readonly #cell: number;
  #unrung = 0;

  constructor(ring: SharedRing, seat: number, buffers: ChannelBuffers) {
    this.#producer = new ChannelProducer(buffers);
    this.#doorbell = new Doorbell(ring, seat);
    this.#control = new Int32Array(ring.control);
    this.#seats = new Int32Array(ring.seats);
    this.#cell = seatCell(seat);
  }

  /** Octets of a response; larger ones are split, the flags go with the last piece. */
  response(ticket: number, bytes: Uint8Array, flags: number): void {
    let at = 0;
    while (bytes.length - at > MAX_RECORD_BYTES) {
      this.#record(
        OutboxKind.Response,
        ticket,
        bytes,
        at,
        at + MAX_RECORD_BYTES,
        flags & ResponseFlag.Interim,
      );
      at += MAX_RECORD_BYTES;
    }
    this.#record(OutboxKind.Response, ticket, bytes, at, bytes.length, flags);
  }

  /**
   * A whole response, written in place.
   *
   * @param body octets, or text that is ASCII
   * @returns false: the text is not ASCII, or all is too long for one record; nothing was sent
   */
  wholeResponse(ticket: number, head: PreparedHead, body: string | Uint8Array, flags: number): boolean {
    const { before, behind } = head;
    const size = body.length;
    const digits = decimalDigits(size);
    const length = before.length + digits + behind.length + size;
    if (length > MAX_RECORD_BYTES) return false;
    const at = this.#reserve(length);
    const producer = this.#producer;
    const { bytes } = producer;
    bytes.set(before, at);
    let next = at + before.length + digits;
    for (let i = next - 1, rest = size; i >= next - digits; i--) {
      bytes[i] = 0x30 + rest % 10;
      rest = rest / 10 | 0;
    }
    for (let i = 0; i < behind.length; i++) bytes[next++] = behind[i] ?? 0;
    if (typeof body !== "string") bytes.set(body, next);
    else if (!writeAscii(body, bytes, next)) return false;
    producer.commit(OutboxKind.Response, ticket, 0, length, flags, 0);
    this.#published();
    return true;
  }

  /** The request stays here while others run. */
  taken(ticket: number): void {
    this.#record(OutboxKind.Taken, ticket, NOTHING, 0, 0, 0);
  }

  /** Asks for octets of a request body. */
  pull(ticket: number, bytes: number): void {
    this.#record(OutboxKind.Pull, ticket, NOTHING, 0, 0, bytes);
  }

  /** Says something about a socket; what is longer than a record goes in several. */
  about(kind: number, ticket: number, index: number, generation: number, bytes: Uint8Array, a: number): void {
    let at = 0;
    while (bytes.length - at > MAX_RECORD_BYTES) {
      this.#record(kind, ticket, bytes, at, at + MAX_RECORD_BYTES, SendFlag.More, index, generation);
      at += MAX_RECORD_BYTES;
    }
    this.#record(kind, ticket, bytes, at, bytes.length, a, index, generation);
  }

  /** A log record. */
  log(bytes: Uint8Array): void {
    this.#record(OutboxKind.Log, 0, bytes, 0, Math.min(bytes.length, MAX_RECORD_BYTES), 0);
  }

  /** The last record of this worker. */
  bye(): void {
    this.#record(OutboxKind.Bye, 0, NOTHING, 0, 0, 0);
    this.ring();
  }

  /** Wakes the I/O thread if something was not announced yet. */
  ring(): void {
    if (this.#unrung === 0) return;
    this.#unrung = 0;
    this.#doorbell.ring();
  }

  /** Wakes the I/O thread, whatever was announced: this thread is about to wait for what it does. */
  ringNow(): void {
    this.#unrung = 1;
    this.ring();
  }

  #record(
    kind: number,
    ticket: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    a: number,
    connection = 0,
    b = 0,
  ): void {
    const length = end - start;
    const at = this.#reserve(length);
    const producer = this.#producer;
    if (length > 0) {
      producer.bytes.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), at);
    }
    producer.commit(kind, ticket, connection, length, a, b);
    this.#published();
  }

  #published(): void {
    this.#doorbell.mark();
    if (++this.#unrung >= BATCH || this.#unrung * (this.#control[SERVICE] ?? 0) > HOLD_US) this.ring();
  }

  /** Room for a record; blocks until there is some. */
  #reserve(length: number): number {
    for (;;) {
      const at = this.#producer.reserve(length);
      if (at >= 0) return at;
      this.#unrung = 1;
      this.ring();
      // Announce, look again, then sleep: the I/O thread looks at the word after it has made room.
      Atomics.store(this.#seats, this.#cell + SEAT_STARVED, 1);
      const again = this.#producer.reserve(length);
      if (again >= 0) {
        Atomics.store(this.#seats, this.#cell + SEAT_STARVED, 0);
        return again;
      }
      // A thread that was declared dead is never read again: it must not hang here, it must leave.
      if (Atomics.load(this.#seats, this.#cell + SEAT_STOP) !== 0) throw new StoppedError();
      Atomics.wait(this.#seats, this.#cell + SEAT_STARVED, 1, 1_000);
    }
  }
}

/** Unwinds a thread that was declared dead while it spoke. */
export class StoppedError extends Error {
  constructor() {
    super("this worker was given up");
    this.name = "StoppedError";
  }
}

const NOTHING = new Uint8Array(0);

function decimalDigits(value: number): number {
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  return digits;
}

/** Writes text that is ASCII; false: it is not. */
function writeAscii(text: string, bytes: Uint8Array, at: number): boolean {
  const { length } = text;
  if (length > SHORT_TEXT) {
    // UTF-8 has one octet per character exactly for ASCII; anything else does not fit or is not read to its end.
    const { read, written } = encoder.encodeInto(text, bytes.subarray(at, at + length));
    return read === length && written === length;
  }
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return false;
    bytes[at + i] = unit;
  }
  return true;
}
