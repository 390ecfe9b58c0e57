/**
 * What the model explores by default, and how far. `MODEL_BOUND=1` in the environment adds one pre-emption to each.
 */
import type { Scenario } from "./scenario.ts";

/** A scenario with its name and its bound. */
export interface NamedScenario {
  readonly name: string;
  readonly scenario: Scenario;
  readonly preemptions: number;
  /** All the ways in which the requests, in order, can end. */
  readonly outcomes: readonly string[];
}

const BASE = { workers: 2, slots: 1, requests: 2 } as const;

export const SCENARIOS: readonly NamedScenario[] = [
  { name: "the ring wraps", scenario: BASE, preemptions: 2, outcomes: ["answered answered"] },
  {
    name: "threads are just starting",
    scenario: { ...BASE, startsAwake: true },
    preemptions: 1,
    outcomes: ["answered answered"],
  },
  {
    name: "three requests in two slots",
    scenario: { ...BASE, slots: 2, requests: 3 },
    preemptions: 1,
    outcomes: ["answered answered answered"],
  },
  {
    name: "handlers are slow",
    scenario: { ...BASE, slow: true },
    preemptions: 2,
    outcomes: ["answered answered"],
  },
  {
    name: "an outbox of one record is full",
    scenario: { ...BASE, workers: 1, slots: 2, outboxRecords: 1 },
    preemptions: 3,
    outcomes: ["answered answered"],
  },
  {
    name: "an inbox of one record is full",
    scenario: { ...BASE, workers: 1, requests: 1, messages: 2, inboxRecords: 1 },
    preemptions: 1,
    outcomes: ["answered"],
  },
  {
    name: "a handler blocks for a message",
    scenario: { ...BASE, workers: 1, requests: 1, messages: 1, blocksForMessage: true },
    preemptions: 3,
    outcomes: ["answered"],
  },
  {
    name: "the I/O thread sheds a request",
    scenario: { ...BASE, sheds: true, timers: true },
    preemptions: 1,
    outcomes: ["shed answered", "answered answered", "answered shed"],
  },
  {
    name: "a handler awaits",
    scenario: { ...BASE, slots: 2, asyncFrom: 2, parks: true },
    preemptions: 1,
    outcomes: ["answered answered"],
  },
  {
    name: "handlers await and leave others to idle threads",
    scenario: { ...BASE, slots: 2, asyncFrom: 1, parks: true, waitForOthers: 1, timers: true },
    preemptions: 1,
    outcomes: ["answered answered"],
  },
  {
    name: "a thread leaves",
    scenario: { ...BASE, requests: 1, leavesAfter: 0 },
    preemptions: 1,
    outcomes: ["answered"],
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
    outcomes: ["answered answered"],
  },
  {
    name: "a thread dies",
    scenario: { ...BASE, requests: 1, dies: true },
    preemptions: 2,
    outcomes: ["answered", "lost"],
  },
  {
    name: "a thread dies before the ring wraps",
    scenario: { ...BASE, dies: true, timers: true },
    preemptions: 1,
    outcomes: ["answered answered", "answered lost", "lost answered"],
  },
  {
    name: "a thread dies and another goes on",
    scenario: { ...BASE, slots: 2, dies: true },
    preemptions: 1,
    outcomes: ["answered answered", "answered lost", "lost answered"],
  },
  {
    name: "a thread dies that waits for room",
    scenario: { ...BASE, slots: 2, outboxRecords: 1, dies: true, timers: true },
    preemptions: 1,
    outcomes: ["answered answered", "answered lost", "lost answered"],
  },
  {
    name: "a thread that cannot be stopped is given up",
    scenario: { ...BASE, requests: 1, givenUp: "anywhere" },
    preemptions: 1,
    outcomes: ["answered", "lost"],
  },
  {
    name: "a thread is given up and stopped somewhat later",
    scenario: { ...BASE, requests: 1, givenUp: "anywhere", stopsBusyThreads: true },
    preemptions: 1,
    outcomes: ["answered", "lost"],
  },
  {
    name: "a thread is given up with a claim, and its slot is used again",
    scenario: { ...BASE, givenUp: "claiming", timers: true },
    preemptions: 1,
    outcomes: ["answered answered", "answered lost", "lost answered"],
  },
  {
    name: "a thread is given up while its handler awaits",
    scenario: { ...BASE, workers: 1, requests: 1, asyncFrom: 1, parks: true, givenUp: "running" },
    preemptions: 2,
    outcomes: ["answered", "lost"],
  },
];
