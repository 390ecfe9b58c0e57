/**
 * A double of `Atomics` that notes the order of operations, and what memory looked like at each of them.
 * Runs on: any; runtime API: none
 *
 * The rings call `Atomics` through the global at each use, so it can be exchanged for a moment.
 */
import {
  ARMED,
  CHANNEL_BYTE_HEAD,
  CHANNEL_HEAD,
  CHANNEL_TAIL,
  type ChannelBuffers,
  dirtyWord,
  DOORBELL,
  HEAD,
  seatCell,
  type SharedRing,
  sleepersWord,
  SLOT_WORDS,
} from "../../src/ring/layout.ts";

const OPERATIONS = [
  "load",
  "store",
  "add",
  "and",
  "or",
  "exchange",
  "compareExchange",
  "notify",
  "wait",
  "waitAsync",
] as const;

/** Names of words, by buffer and index. */
export type Names = Map<ArrayBufferLike, (index: number) => string>;

/** Names for the words of a shared ring. */
export function ringNames(ring: SharedRing): Names {
  const control = new Map([
    [HEAD, "head"],
    [DOORBELL, "doorbell"],
    [ARMED, "armed"],
    [sleepersWord(0), "sleepers"],
    [dirtyWord(0), "dirty"],
  ]);
  const fields = ["futex", "stop", "current", "pending", "starved", "backlog", "left"];
  return new Map<ArrayBufferLike, (index: number) => string>([
    [ring.control, (index) => control.get(index) ?? `control ${index}`],
    [ring.seats, (index) => fields[index % seatCell(1)] ?? `seat word ${index}`],
    [ring.slots, (index) => index % SLOT_WORDS === 0 ? "state" : `slot word ${index}`],
  ]);
}

/** Names for the words of a channel. */
export function channelNames(channel: ChannelBuffers): Names {
  const words = new Map([[CHANNEL_TAIL, "tail"], [CHANNEL_HEAD, "head"], [CHANNEL_BYTE_HEAD, "byte head"]]);
  return new Map([[channel.words, (index: number) => words.get(index) ?? `word ${index}`]]);
}

/**
 * Runs something and returns its operations in order, `store futex`.
 *
 * @param before called before each of them
 */
export function record(names: Names, run: () => unknown, before?: (operation: string) => void): string[] {
  const real = globalThis.Atomics;
  const log: string[] = [];
  const double: Record<string, unknown> = {};
  for (const name of OPERATIONS) {
    double[name] = (array: Int32Array, index: number, ...rest: unknown[]): unknown => {
      const operation = `${name} ${names.get(array.buffer)?.(index) ?? "?"}`;
      before?.(operation);
      log.push(operation);
      return (real[name] as (...args: unknown[]) => unknown)(array, index, ...rest);
    };
  }
  globalThis.Atomics = double as unknown as Atomics;
  try {
    run();
  } finally {
    globalThis.Atomics = real;
  }
  return log;
}
