/**
 * The request ring and outboxes between real threads that die and are given up at random: nothing is lost, doubled or
 * torn. FUZZ_SEED repeats a seed (not the schedule); STRESS_COUNT is how many requests each treatment takes at least,
 * with a death for every hundred.
 */
// test-limit: 600 s
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { WorkerHandle, WorkerState } from "../../src/pool/worker_handle.ts";
import {
  ARMED,
  createChannelBuffers,
  createSharedRing,
  dirtyWord,
  DOORBELL,
  freeState,
  resetSeat,
  SERVICE,
  type SharedRing,
} from "../../src/ring/layout.ts";
import { Waker } from "../../src/ring/parking.ts";
import { RequestProducer } from "../../src/ring/request_producer.ts";
import { FUZZ_SEED, SeededRandom } from "../support/seeded_random.ts";
import { headOf, octetOf, push, slotState } from "./rings.ts";
import type { StressSetup } from "./stress_worker.ts";

const COUNT = Number(process.env["STRESS_COUNT"] ?? 1000);
const REQUESTS_PER_DEATH = 100;
/** Nothing may take longer than this: the next answer, the next death, the end of threads that were given up. */
const PATIENCE_MS = 30_000;
const WORKERS = 3;
const SEATS = 32;
const SLOTS = 16;
const TICK_MS = 5;

/** How threads are treated. */
interface Treatment {
  /** Every so many ticks a thread is terminated, or only declared dead; 0: never. */
  readonly terminateOneIn: number;
  readonly giveUpOneIn: number;
  readonly dieOneIn: number;
  readonly pauseOneIn: number;
  readonly outboxRecords: number;
  readonly slow: boolean;
}

/** The I/O thread's side, as `connection/io_thread.ts` and `pool/pool.ts` have it, without sockets. */
class Stress {
  readonly faults: string[] = [];
  answered = 0;
  deaths = 0;
  repaired = 0;
  readonly #treatment: Treatment;
  readonly #random: SeededRandom;
  readonly #ring: SharedRing = createSharedRing(SLOTS, 2048, SEATS);
  readonly #control = new Int32Array(this.#ring.control);
  readonly #producer = new RequestProducer(this.#ring);
  readonly #waker = new Waker(this.#ring);
  readonly #seats: number[] = Array.from({ length: SEATS }, (_, seat) => seat);
  readonly #workers = new Map<number, { handle: WorkerHandle; thread: Worker }>();
  readonly #buried = new Map<WorkerHandle, Worker>();
  readonly #dead = new Set<number>();
  readonly #heardOf = new WeakSet<WorkerHandle>();
  readonly #open = new Set<number>();
  #ticket = 0;
  /** No new requests from now on. */
  #isEnding = false;
  /** No new threads either. */
  #isOver = false;
  #isClosed = false;

  constructor(treatment: Treatment, seed: number) {
    this.#treatment = treatment;
    this.#random = new SeededRandom(seed);
    if (treatment.slow) this.#control[SERVICE] = 1000;
  }

  /** Runs until so many requests were answered and so many threads have died. */
  async run(answers: number, deaths: number): Promise<void> {
    this.#awaitDoorbell();
    this.#arm();
    let progress = -1;
    let progressAt = 0;
    while ((this.answered < answers || this.deaths < deaths) && this.faults.length === 0) {
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      this.#tick();
      this.#mistreat();
      if (this.answered + this.deaths !== progress) {
        progress = this.answered + this.deaths;
        progressAt = performance.now();
      } else if (performance.now() - progressAt > PATIENCE_MS) this.faults.push("nothing moves");
    }
    this.#isEnding = true;
    await this.#until("requests were not answered", () => this.#open.size === 0);
    this.#isOver = true;
    for (const { handle } of [...this.#workers.values()]) this.#bury(handle);
    await this.#until("threads did not leave", () => this.#buried.size === 0);
    for (let position = this.#ticketsPushed; position < this.#ticketsPushed + SLOTS; position++) {
      const isFree = slotState(this.#ring, position & (SLOTS - 1)) === freeState(position);
      if (!isFree) this.faults.push(`slot ${position & (SLOTS - 1)} is lost`);
    }
    if (headOf(this.#ring) !== this.#ticketsPushed) this.faults.push("head is not where it should be");
    this.#isClosed = true;
    Atomics.add(this.#control, DOORBELL, 1);
    Atomics.notify(this.#control, DOORBELL);
  }

  get #ticketsPushed(): number {
    return this.#producer.tail;
  }

  async #until(what: string, condition: () => boolean): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!condition() && this.faults.length === 0) {
      if (performance.now() > end) {
        this.faults.push(
          `${what}: ${[...this.#open].slice(0, 5)} are open, ${this.#buried.size} threads are left`,
        );
        for (const thread of this.#buried.values()) void thread.terminate();
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      this.#tick();
    }
  }

  // ── threads ────────────────────────────────────────────────────────────────────────────────────────────────────

  #spawn(): void {
    const seat = this.#seats.shift();
    if (seat === undefined) return;
    resetSeat(this.#ring, seat);
    this.#dead.delete(seat);
    const inbox = createChannelBuffers(1, 8);
    const outbox = createChannelBuffers(this.#treatment.outboxRecords, 256);
    const handle = new WorkerHandle(this.#ring, seat, inbox, outbox, this.#waker, { now: 0 });
    const { dieOneIn, pauseOneIn } = this.#treatment;
    const seed = this.#random.below(2 ** 30);
    const setup: StressSetup = { ring: this.#ring, seat, outbox, seed, dieOneIn, pauseOneIn };
    const thread = new Worker(new URL("./stress_worker.ts", import.meta.url), { workerData: setup });
    this.#workers.set(seat, { handle, thread });
    thread.on("error", (error) => this.faults.push(`a worker failed: ${error}`));
    thread.on("exit", () => {
      handle.hasExited = true;
      if (handle.state !== WorkerState.Dead) this.#declareDead(handle);
      if (!this.#buried.delete(handle)) return;
      this.#repairSeat(seat);
      this.#seats.push(seat);
    });
  }

  #mistreat(): void {
    const { terminateOneIn, giveUpOneIn } = this.#treatment;
    // Threads that have answered something: a loaded machine may take long to start one.
    const workers = [...this.#workers.values()].filter(({ handle }) => this.#heardOf.has(handle));
    if (workers.length === 0) return;
    const { handle, thread } = this.#random.pick(workers);
    if (terminateOneIn > 0 && this.#random.below(terminateOneIn) === 0) {
      // The exit event will say it, or it is declared dead before.
      void thread.terminate();
      if (this.#random.below(2) === 0) this.#declareDead(handle);
    } else if (giveUpOneIn > 0 && this.#random.below(giveUpOneIn) === 0) this.#declareDead(handle);
  }

  #declareDead(handle: WorkerHandle): void {
    this.deaths++;
    this.#bury(handle);
  }

  #bury(handle: WorkerHandle): void {
    const worker = this.#workers.get(handle.seat);
    if (worker?.handle !== handle) return;
    handle.state = WorkerState.Dead;
    this.#workers.delete(handle.seat);
    handle.forbid();
    this.#dead.add(handle.seat);
    this.#repairSeat(handle.seat);
    const { current } = handle;
    this.#deliver(handle);
    if (this.#open.has(current)) this.#lose(current);
    this.#buried.set(handle, worker.thread);
  }

  #repairSeat(seat: number): void {
    this.#waker.forgetSeat(seat);
    this.#producer.repair(seat, (ticket) => this.#lose(ticket));
    this.#waker.wake(1);
    Atomics.add(this.#control, DOORBELL, 1);
    Atomics.notify(this.#control, DOORBELL);
  }

  #lose(ticket: number): void {
    if (!this.#open.delete(ticket)) this.faults.push(`request ${ticket} is lost, but was answered before`);
    this.repaired++;
  }

  // ── requests ───────────────────────────────────────────────────────────────────────────────────────────────────

  #turn(): void {
    let pushed = 0;
    while (
      !this.#isEnding && this.#open.size < SLOTS * 2 && push(this.#producer, this.#ticket + 1, this.#length())
    ) {
      this.#open.add(++this.#ticket);
      pushed++;
    }
    if (pushed > 0) this.#waker.wake(this.#treatment.slow ? pushed : 1);
  }

  #length(): number {
    return 8 + this.#random.below(200);
  }

  #tick(): void {
    while (this.#workers.size < WORKERS && !this.#isOver && this.#seats.length > 0) this.#spawn();
    this.#drain();
    this.#producer.repairOldest((seat) => this.#dead.has(seat), (ticket) => this.#lose(ticket));
    const { waiting } = this.#producer;
    if (waiting > 0) this.#waker.wake(waiting);
    this.#turn();
  }

  #drain(): number {
    const word = dirtyWord(0);
    if (Atomics.load(this.#control, word) === 0) return 0;
    let count = 0;
    for (let bits = Atomics.exchange(this.#control, word, 0); bits !== 0; bits &= bits - 1) {
      const worker = this.#workers.get(31 - Math.clz32(bits & -bits));
      if (worker === undefined) continue;
      count += this.#deliver(worker.handle);
      worker.handle.afterDrain();
    }
    return count;
  }

  #deliver(handle: WorkerHandle): number {
    const { outbox } = handle;
    let count = 0;
    while (outbox.next()) {
      count++;
      const { ticket, offset, length, bytes } = outbox;
      const octets = bytes.subarray(offset, offset + length);
      if (length !== 1 + ticket % 60 || !octets.every((octet) => octet === octetOf(ticket))) {
        this.faults.push(`request ${ticket} or its answer came torn`);
      }
      if (!this.#open.delete(ticket)) this.faults.push(`request ${ticket} was answered twice`);
      this.answered++;
    }
    outbox.release();
    if (count > 0) this.#heardOf.add(handle);
    return count;
  }

  #awaitDoorbell(): void {
    if (this.#isClosed) return;
    const wait = Atomics.waitAsync(this.#control, DOORBELL, Atomics.load(this.#control, DOORBELL));
    const heard = (): void => {
      if (this.#isClosed) return;
      this.#afterBell();
      this.#awaitDoorbell();
      this.#arm();
    };
    if (wait.async) wait.value.then(heard);
    else queueMicrotask(heard);
  }

  #arm(): void {
    Atomics.store(this.#control, ARMED, 1);
    this.#afterBell();
  }

  #afterBell(): void {
    if (this.#drain() > 0) this.#turn();
  }
}

const isDeno = process.versions["deno"] !== undefined;

const TREATMENTS: readonly { name: string; treatment: Treatment }[] = [
  {
    name: "nobody dies",
    treatment: {
      terminateOneIn: 0,
      giveUpOneIn: 0,
      dieOneIn: 0,
      pauseOneIn: 0,
      outboxRecords: 64,
      slow: false,
    },
  },
  {
    name: "threads die at any operation",
    treatment: {
      terminateOneIn: 0,
      giveUpOneIn: 0,
      dieOneIn: 3000,
      pauseOneIn: 0,
      outboxRecords: 4,
      slow: true,
    },
  },
  {
    name: "threads are given up and go on",
    treatment: {
      terminateOneIn: 0,
      giveUpOneIn: 4,
      dieOneIn: 0,
      pauseOneIn: 400,
      outboxRecords: 4,
      slow: true,
    },
  },
  {
    // Deno does not stop a thread that runs.
    name: "threads are terminated, given up, and die",
    treatment: {
      terminateOneIn: isDeno ? 0 : 6,
      giveUpOneIn: 12,
      dieOneIn: 10_000,
      pauseOneIn: 2000,
      outboxRecords: 16,
      slow: false,
    },
  },
];

for (const { name, treatment } of TREATMENTS) {
  test(`Real threads lose, double and tear nothing when ${name}`, async () => {
    const stress = new Stress(treatment, FUZZ_SEED);
    const wanted = name === "nobody dies" ? 0 : Math.ceil(COUNT / REQUESTS_PER_DEATH);
    await stress.run(COUNT, wanted);
    const { answered, repaired, deaths, faults } = stress;
    const figures = `${answered} answered, ${repaired} repaired, ${deaths} deaths, seed ${FUZZ_SEED}`;
    console.log(`${name}: ${figures}`);
    assert.deepEqual(faults.slice(0, 5), [], figures);
  });
}
