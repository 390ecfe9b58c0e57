/**
 * What the model explores by default, and how far. `MODEL_BOUND=1` in the environment adds one pre-emption to each.
 */
import type { Scenario } from "./scenario.ts";

/** A scenario with its name and its bound. */
export interface NamedScenario {
  readonly name: string;
  readonly scenario: Scenario;
  readonly preemptions: number;
}

const BASE = { workers: 2, slots: 1, requests: 2 } as const;

export const SCENARIOS: readonly NamedScenario[] = [
  { name: "the ring wraps", scenario: BASE, preemptions: 2 },
  { name: "threads are just starting", scenario: { ...BASE, startsAwake: true }, preemptions: 1 },
  { name: "three requests in two slots", scenario: { ...BASE, slots: 2, requests: 3 }, preemptions: 1 },
  { name: "handlers are slow", scenario: { ...BASE, slow: true }, preemptions: 2 },
  {
    name: "an outbox of one record is full",
    scenario: { ...BASE, workers: 1, slots: 2, outboxRecords: 1 },
    preemptions: 3,
  },
  {
    name: "an inbox of one record is full",
    scenario: { ...BASE, workers: 1, requests: 1, messages: 2, inboxRecords: 1 },
    preemptions: 1,
  },
  {
    name: "the I/O thread sheds a request",
    scenario: { ...BASE, sheds: true, timers: true },
    preemptions: 1,
  },
  {
    name: "a handler awaits",
    scenario: { ...BASE, slots: 2, asyncFrom: 2, parks: true },
    preemptions: 1,
  },
  {
    name: "handlers await and leave others to idle threads",
    scenario: { ...BASE, slots: 2, asyncFrom: 1, parks: true, waitForOthers: 1, timers: true },
    preemptions: 1,
  },
  {
    name: "a thread leaves",
    scenario: { ...BASE, requests: 1, leavesAfter: 0 },
    preemptions: 2,
  },
  {
    name: "a thread with awaiting handlers leaves",
    scenario: {
      ...BASE,
      slots: 2,
      asyncFrom: 1,
      parks: true,
      oneByOne: true,
      waitForOthers: 1,
      leavesAfter: 1,
      timers: true,
    },
    preemptions: 0,
  },
  { name: "a thread dies", scenario: { ...BASE, requests: 1, dies: true }, preemptions: 1 },
  {
    name: "a thread dies before the ring wraps",
    scenario: { ...BASE, dies: true, timers: true },
    preemptions: 0,
  },
  {
    name: "a thread dies and another goes on",
    scenario: { ...BASE, slots: 2, dies: true },
    preemptions: 0,
  },
  {
    name: "a thread dies that waits for room",
    scenario: { ...BASE, slots: 2, outboxRecords: 1, dies: true, timers: true },
    preemptions: 0,
  },
  {
    name: "a thread that cannot be stopped is given up",
    scenario: { ...BASE, requests: 1, givenUp: "anywhere" },
    preemptions: 1,
  },
  {
    name: "a thread is given up and stopped somewhat later",
    scenario: { ...BASE, requests: 1, givenUp: "anywhere", stopsBusyThreads: true },
    preemptions: 0,
  },
  {
    name: "a thread is given up with a claim, and its slot is used again",
    scenario: { ...BASE, givenUp: "claiming", timers: true },
    preemptions: 1,
  },
  {
    name: "a thread is given up while its handler awaits",
    scenario: { ...BASE, workers: 1, requests: 1, asyncFrom: 1, parks: true, givenUp: "running" },
    preemptions: 2,
  },
];
