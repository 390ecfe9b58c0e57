/**
 * Faults that the model must find, each seeded in one place of the production code.
 *
 * A model that finds nothing proves nothing. Every rule of the protocol that the rings' comments argue for is broken
 * here once; the scenario is the smallest that shows why the rule is there.
 */
import type { Patch } from "./coroutines.ts";
import type { Scenario } from "./scenario.ts";

/** A seeded fault. */
export interface Mutant {
  readonly name: string;
  readonly patches: readonly Patch[];
  readonly scenario: Scenario;
  readonly preemptions: number;
  /** What the model says. */
  readonly found: RegExp;
}

const CONSUMER = "src/ring/request_consumer.ts";
const PRODUCER = "src/ring/request_producer.ts";
const CHANNEL = "src/ring/channel.ts";
const PARKING = "src/ring/parking.ts";
const OUTBOX = "src/worker/outbox.ts";
const THREAD = "src/worker/thread.ts";
const IO_THREAD = "src/connection/io_thread.ts";
const POOL = "src/pool/pool.ts";
const HANDLE = "src/pool/worker_handle.ts";

const SLEEPS = /everybody sleeps/;
const SLEEPS_UNANNOUNCED = /sleeps unannounced/;

export const MUTANTS: readonly Mutant[] = [
  {
    name: "head is helped past a claim of the lap before",
    patches: [{
      file: CONSUMER,
      from: "if (isClaimed(state) && isAtPosition(state, head)) {",
      to: "if (isClaimed(state)) {",
    }],
    scenario: { workers: 2, slots: 1, requests: 2, startsAwake: true },
    preemptions: 1,
    found: /goes on for ever|everybody sleeps/,
  },
  {
    name: "a request is published before it is written",
    patches: [
      {
        file: PRODUCER,
        from: "    slots[slot + SLOT_KIND] = kind;\n",
        to:
          "    Atomics.store(slots, slot + SLOT_STATE, readyState(tail));\n    slots[slot + SLOT_KIND] = kind;\n",
      },
    ],
    scenario: { workers: 2, slots: 2, requests: 2, startsAwake: true },
    preemptions: 1,
    found: /./,
  },
  {
    name: "a request is released before it is copied",
    patches: [
      {
        file: CONSUMER,
        from:
          "    this.#copy(slots[slot + SLOT_OFFSET] ?? 0, slots[slot + SLOT_LENGTH] ?? 0);\n    if (this.#cell",
        to:
          "    const offset = slots[slot + SLOT_OFFSET] ?? 0;\n    const length = slots[slot + SLOT_LENGTH] ?? 0;\n    if (this.#cell",
      },
      {
        file: CONSUMER,
        from: "    return won ? Claim.Taken : Claim.Dead;\n",
        to: "    this.#copy(offset, length);\n    return won ? Claim.Taken : Claim.Dead;\n",
      },
    ],
    scenario: { workers: 1, slots: 1, requests: 2, dataBytes: 8 },
    preemptions: 1,
    found: /has bytes of request/,
  },
  {
    name: "a claim is released by a plain store",
    patches: [
      {
        file: CONSUMER,
        from: "const won = Atomics.compareExchange(slots, slot + SLOT_STATE, mine, free) === mine;",
        to: "const won = Atomics.store(slots, slot + SLOT_STATE, free) === free;",
      },
    ],
    scenario: { workers: 2, slots: 1, requests: 2, givenUp: "claiming", timers: true },
    preemptions: 1,
    found: /./,
  },
  {
    name: "stop is not looked at between current and the release",
    patches: [
      {
        file: CONSUMER,
        from: "      if (Atomics.load(this.#seats, this.#cell + SEAT_STOP) !== 0) return Claim.Dead;\n",
        to: "",
      },
    ],
    scenario: { workers: 2, slots: 1, requests: 1, givenUp: "anywhere" },
    preemptions: 1,
    found: /./,
  },
  {
    name: "work is not looked for again after the announcement",
    patches: [
      {
        file: THREAD,
        from: "const hasWork = (!isPolite && !this.#stopping && this.#consumer.hasWork())",
        to: "const hasWork = false",
      },
    ],
    scenario: { workers: 1, slots: 1, requests: 2 },
    preemptions: 1,
    found: SLEEPS,
  },
  {
    name: "the inbox is not looked at again after the announcement",
    patches: [{
      file: THREAD,
      from: "this.#inbox.hasWork() || this.#isDead();",
      to: "this.#isDead();",
    }],
    scenario: { workers: 1, slots: 1, requests: 1, messages: 1 },
    preemptions: 1,
    found: /message was not read/,
  },
  {
    name: "stop is not looked at again after the announcement",
    patches: [{
      file: THREAD,
      from: "this.#inbox.hasWork() || this.#isDead();",
      to: "this.#inbox.hasWork();",
    }],
    scenario: { workers: 2, slots: 1, requests: 1, givenUp: "anywhere" },
    preemptions: 1,
    found: /was given up and sleeps on/,
  },
  {
    name: "the bit is set before the futex",
    patches: [
      {
        file: PARKING,
        from:
          "    Atomics.store(this.#seats, this.#futex, 1);\n    Atomics.or(this.#control, this.#word, this.#bit);\n",
        to:
          "    Atomics.or(this.#control, this.#word, this.#bit);\n    Atomics.store(this.#seats, this.#futex, 1);\n",
      },
    ],
    scenario: { workers: 1, slots: 2, requests: 2 },
    preemptions: 2,
    found: /./,
  },
  {
    name: "outboxes are not read again after arming",
    patches: [
      {
        file: IO_THREAD,
        from: "    Atomics.store(this.#control, ARMED, 1);\n    this.#afterBell();\n",
        to: "    Atomics.store(this.#control, ARMED, 1);\n",
      },
    ],
    scenario: { workers: 2, slots: 1, requests: 2 },
    preemptions: 1,
    found: SLEEPS,
  },
  {
    name: "the bell is awaited after arming",
    patches: [
      {
        file: IO_THREAD,
        from: "    this.#afterBell();\n    this.#awaitDoorbell();\n    this.#arm();\n",
        to: "    this.#afterBell();\n    this.#arm();\n    this.#awaitDoorbell();\n",
      },
    ],
    scenario: { workers: 2, slots: 1, requests: 2 },
    preemptions: 1,
    found: SLEEPS,
  },
  {
    name: "the outbox is marked after the bell",
    patches: [
      {
        file: OUTBOX,
        from: "    this.#doorbell.mark();\n    if (++this.#unrung",
        to: "    if (++this.#unrung",
      },
      {
        file: OUTBOX,
        from: "    this.#unrung = 0;\n    this.#doorbell.ring();\n",
        to: "    this.#unrung = 0;\n    this.#doorbell.ring();\n    this.#doorbell.mark();\n",
      },
    ],
    scenario: { workers: 1, slots: 1, requests: 1 },
    preemptions: 1,
    found: SLEEPS,
  },
  {
    name: "an answer is published before it is written",
    patches: [
      {
        file: CHANNEL,
        from: "    words[at] = kind;\n",
        to: "    Atomics.store(words, CHANNEL_TAIL, (this.#tail + 1) | 0);\n    words[at] = kind;\n",
      },
    ],
    scenario: { workers: 1, slots: 1, requests: 2 },
    preemptions: 2,
    found: /./,
  },
  {
    name: "room in the outbox is not looked for again",
    patches: [
      {
        file: OUTBOX,
        from: "      const again = this.#producer.reserve(length);\n",
        to: "      const again = -1;\n",
      },
    ],
    scenario: { workers: 1, slots: 2, requests: 2, outboxRecords: 1 },
    preemptions: 1,
    found: SLEEPS,
  },
  {
    name: "a full inbox is not tried again after the announcement",
    patches: [
      {
        file: HANDLE,
        from:
          "      // The worker may have made room before it could see the word.\n      this.#flushBacklog();\n",
        to: "",
      },
    ],
    scenario: { workers: 1, slots: 1, requests: 0, messages: 2, inboxRecords: 1 },
    preemptions: 1,
    found: /message was not read/,
  },
  {
    name: "a handler that blocks does not look into its inbox again",
    patches: [
      {
        file: THREAD,
        from: "if (!this.#inbox.hasWork()) this.#parking.block(STOP_CHECK_MS);",
        to: "this.#parking.block(STOP_CHECK_MS);",
      },
    ],
    scenario: { workers: 1, slots: 1, requests: 1, messages: 1, blocksForMessage: true },
    preemptions: 1,
    found: SLEEPS,
  },
  {
    name: "a loop that is parked beside a blocking handler is not woken again",
    patches: [{ file: THREAD, from: "if (isParked) this.#parking.wakeSelf();", to: "" }],
    scenario: {
      workers: 1,
      slots: 1,
      requests: 1,
      asyncFrom: 1,
      parks: true,
      messages: 1,
      blocksForMessage: true,
    },
    preemptions: 1,
    found: SLEEPS_UNANNOUNCED,
  },
  {
    name: "current is read after the last look into the outbox",
    patches: [
      {
        file: POOL,
        from: "    const current = worker.current;\n    this.#io.drainLast(worker);\n",
        to: "    this.#io.drainLast(worker);\n    const current = worker.current;\n",
      },
    ],
    scenario: { workers: 1, slots: 1, requests: 1, asyncFrom: 1, parks: true, givenUp: "running" },
    preemptions: 1,
    found: SLEEPS,
  },
  {
    name: "claims are taken away before stop is set",
    patches: [
      { file: POOL, from: "    worker.forbid();\n", to: "" },
      {
        file: POOL,
        from: "    const current = worker.current;\n    this.#io.drainLast",
        to: "    worker.forbid();\n    const current = worker.current;\n    this.#io.drainLast",
      },
    ],
    scenario: { workers: 2, slots: 1, requests: 1, givenUp: "anywhere", timers: true },
    preemptions: 2,
    found: /./,
  },
  {
    name: "a dead thread's claims are not taken away",
    patches: [{ file: IO_THREAD, from: "    this.#producer.repair(seat, this.#answerLost);\n", to: "" }],
    scenario: { workers: 2, slots: 1, requests: 1, dies: true },
    preemptions: 1,
    found: /./,
  },
  {
    name: "claims after a thread was given up are not taken away when it is gone",
    patches: [
      {
        file: POOL,
        from: "    this.#io.repairSeat(worker.seat);\n    this.#freeSeats",
        to: "    this.#freeSeats",
      },
    ],
    scenario: { workers: 2, slots: 1, requests: 1, givenUp: "anywhere", timers: true },
    preemptions: 1,
    found: SLEEPS,
  },
  {
    name: "nobody rings for a thread that died before it rang",
    patches: [
      {
        file: IO_THREAD,
        from:
          "have said.\n    Atomics.add(this.#control, DOORBELL, 1);\n    Atomics.notify(this.#control, DOORBELL);\n",
        to: "have said.\n",
      },
    ],
    scenario: { workers: 2, slots: 1, requests: 1, dies: true },
    preemptions: 1,
    found: /doorbell is not armed/,
  },
  {
    name: "nobody is woken in place of a dead thread",
    patches: [
      {
        file: IO_THREAD,
        from: "    this.#producer.repair(seat, this.#answerLost);\n    this.waker.wake(1);\n",
        to: "    this.#producer.repair(seat, this.#answerLost);\n",
      },
    ],
    scenario: { workers: 2, slots: 2, requests: 2, dies: true },
    preemptions: 1,
    found: SLEEPS,
  },
  {
    name: "a thread that leaves offers itself for requests",
    patches: [
      {
        file: THREAD,
        from:
          "    if (this.#stopping) this.#parking.announcePrivately();\n    else this.#parking.announce();\n",
        to: "    this.#parking.announce();\n",
      },
      {
        file: THREAD,
        from: "      if (this.#stopping && this.#consumer.hasWork()) this.#waker.wake(1);\n",
        to: "",
      },
    ],
    scenario: {
      workers: 2,
      slots: 4,
      requests: 3,
      asyncFrom: 1,
      parks: true,
      oneByOne: true,
      waitForOthers: 2,
      leavesAfter: 2,
      timers: true,
    },
    preemptions: 0,
    found: SLEEPS,
  },
  {
    name: "a taken request is announced after current has moved on",
    patches: [
      {
        file: THREAD,
        from: "    this.outbox.taken(call.ticket);\n    call.isTaken = true;\n",
        to: "    this.#current(0);\n    this.outbox.taken(call.ticket);\n    call.isTaken = true;\n",
      },
    ],
    scenario: { workers: 1, slots: 1, requests: 1, asyncFrom: 1, parks: true, givenUp: "running" },
    preemptions: 1,
    found: SLEEPS,
  },
];
