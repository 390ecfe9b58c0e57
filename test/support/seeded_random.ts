/**
 * Random numbers that a seed repeats, for fuzzers: mulberry32, the same on every runtime.
 * Runs on: any; runtime API: none
 *
 * FUZZ_SEED and FUZZ_COUNT in the environment choose another run and a longer one; every failure names its seed.
 */
import { env } from "node:process";

/** The seed of this run. */
export const FUZZ_SEED = Number(env.FUZZ_SEED ?? 20_261_123);

/** How many rounds to go, `usual` unless the environment says otherwise. */
export function fuzzCount(usual: number): number {
  return Number(env.FUZZ_COUNT ?? usual);
}

/** A source of randomness. */
export class SeededRandom {
  #state: number;

  constructor(seed: number = FUZZ_SEED) {
    this.#state = seed >>> 0;
  }

  /** A number from 0 to 1, 1 not included. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    const state = this.#state;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** An integer from 0 to `limit`, `limit` not included. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** One of them. */
  pick<T>(choices: readonly T[]): T {
    const choice = choices[this.below(choices.length)];
    if (choice === undefined) throw new Error("Nothing to pick from.");
    return choice;
  }
}
