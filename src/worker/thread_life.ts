/**
 * Which thread of a server this is, in a word that others can ask about later: is that one still alive?
 * Runs on: worker; runtime API: none
 *
 * A seat is used by one thread after another; its number and the count of its threads name one of them for good. A
 * thread counts as dead once the server has declared it so, though it may go on for a while (a zombie): what it holds
 * is nobody's any more.
 */
import { SEAT_LIFE, SEAT_STOP, seatCell, type SharedRing } from "../ring/layout.ts";

/** The threads of one server. */
export class ThreadLife {
  /** This thread: digits, letters of hexadecimal numbers, and two underscores. */
  readonly name: string;
  readonly #ring: string;
  readonly #seats: Int32Array;

  constructor(ring: SharedRing, seat: number) {
    this.#ring = ring.id.toString(16);
    this.#seats = new Int32Array(ring.seats);
    this.name = `${this.#ring}_${seat}_${this.#lifeOf(seat)}`;
  }

  /** Whether a thread of this process lives; undefined if it belongs to another server. */
  isAlive(name: string): boolean | undefined {
    const [ring, seat = "", life = ""] = name.split("_");
    if (ring !== this.#ring) return undefined;
    return this.#lifeOf(Number(seat)) === Number(life) &&
      Atomics.load(this.#seats, seatCell(Number(seat)) + SEAT_STOP) === 0;
  }

  #lifeOf(seat: number): number {
    return Atomics.load(this.#seats, seatCell(seat) + SEAT_LIFE);
  }
}
