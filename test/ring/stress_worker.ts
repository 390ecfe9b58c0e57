/**
 * A worker of the stress test: the ring's loop without HTTP, on an `Atomics` that stops at random or never comes back.
 * Runs on: worker; runtime API: none
 *
 * Where threads cannot be killed from outside (Deno), this is how they die at any operation: the double throws, and
 * nothing of this thread runs afterwards. Where it pauses, the test may declare the thread dead: it goes on as a zombie.
 */
import process from "node:process";
import { workerData } from "node:worker_threads";
import {
  type ChannelBuffers,
  SEAT_CURRENT,
  SEAT_LEFT,
  SEAT_STOP,
  seatCell,
  type SharedRing,
} from "../../src/ring/layout.ts";
import { Parking } from "../../src/ring/parking.ts";
import { Claim, RequestConsumer } from "../../src/ring/request_consumer.ts";
import { Outbox, StoppedError } from "../../src/worker/outbox.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { octetOf } from "./rings.ts";

/** What the test hands over. */
export interface StressSetup {
  readonly ring: SharedRing;
  readonly seat: number;
  readonly outbox: ChannelBuffers;
  readonly seed: number;
  /** One of so many operations pauses, or is the last; 0: none. */
  readonly pauseOneIn: number;
  readonly dieOneIn: number;
}

class Death extends Error {}

function unreliableAtomics(random: SeededRandom, pauseOneIn: number, dieOneIn: number): void {
  const real = globalThis.Atomics;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const double: Record<string, unknown> = {};
  for (const name of Object.getOwnPropertyNames(real)) {
    const operation = (real as unknown as Record<string, unknown>)[name];
    if (typeof operation !== "function") continue;
    double[name] = (...args: unknown[]): unknown => {
      if (pauseOneIn > 0 && random.below(pauseOneIn) === 0) real.wait(cell, 0, 0, 1 + random.below(4));
      if (dieOneIn > 0 && random.below(dieOneIn) === 0) throw new Death();
      return (operation as (...args: unknown[]) => unknown)(...args);
    };
  }
  globalThis.Atomics = double as unknown as Atomics;
}

function loop({ ring, seat, outbox: buffers }: StressSetup): void {
  const seats = new Int32Array(ring.seats);
  const cell = seatCell(seat);
  const consumer = new RequestConsumer(ring, seat);
  const parking = new Parking(ring, seat);
  const outbox = new Outbox(ring, seat, buffers);
  const isDead = (): boolean => Atomics.load(seats, cell + SEAT_STOP) !== 0;
  for (;;) {
    if (isDead()) return;
    const claim = consumer.claim();
    if (claim === Claim.Dead) return;
    if (claim === Claim.Taken) {
      const { bytes, start, length, ticket } = consumer;
      const isIntact = bytes.subarray(start, start + length).every((octet) => octet === octetOf(ticket));
      // The answer says whether the request came whole; its length differs from record to record.
      outbox.response(
        ticket,
        new Uint8Array(1 + ticket % 60).fill(isIntact ? octetOf(ticket) : octetOf(ticket + 1)),
        3,
      );
      continue;
    }
    Atomics.store(seats, cell + SEAT_CURRENT, 0);
    outbox.ring();
    parking.announce();
    if (!consumer.hasWork() && !isDead()) parking.block(Infinity);
    parking.cancel();
  }
}

const setup = workerData as StressSetup;
const random = new SeededRandom(setup.seed);
const seats = new Int32Array(setup.ring.seats);
try {
  unreliableAtomics(random, setup.pauseOneIn, setup.dieOneIn);
  loop(setup);
} catch (error) {
  if (!(error instanceof Death || error instanceof StoppedError)) throw error;
}
// Only the test's own bookkeeping: it counts how many threads ended by themselves.
seats[seatCell(setup.seat) + SEAT_LEFT] = 1;
process.exit(0);
