/**
 * Explores the interleavings of a scenario, depth first, up to a number of pre-emptions.
 * Runs on: any; runtime API: none
 *
 * A pre-emption is a switch away from a process that could go on; switches away from one that sleeps, waits for an
 * event or is gone are free. Most faults need one or two. An execution is repeated from its start for each new way to
 * go on, because a generator cannot be copied; states that were met before with as many pre-emptions left are not
 * entered again. A state is what every process has seen so far and what memory holds, so two interleavings that no
 * process can tell apart are one.
 */
import { type Machine, type Process, Sharing } from "./machine.ts";

/** One execution to be: made anew each time, always the same way. */
export interface World {
  readonly machine: Machine;
  /** A process that may die at any moment, at most once; -1: none. */
  readonly mortal: number;
  /** Called when a death was chosen. */
  onDeath(process: Process): void;
  /** Whether there are timers that come due when nothing else moves. */
  readonly hasTimers: boolean;
  /** Lets them come due; a process can move then. */
  fireTimers(): void;
  /** What is wrong so far. */
  readonly fault: string | null;
  /** What is wrong at the end, when nothing can move; null: nothing. */
  finish(): string | null;
}

/** How far to go. */
export interface Bounds {
  readonly preemptions: number;
  /** Gives up after so many executions: the result then says that it is not complete. */
  readonly executions: number;
}

/** What was found. */
export interface Exploration {
  readonly executions: number;
  readonly steps: number;
  readonly states: number;
  readonly complete: boolean;
  /** The first fault, null when there is none. */
  readonly fault: string | null;
  /** The execution that led to it, one line a step. */
  readonly trace: readonly string[];
  /** How often each outcome was seen at the end of an execution. */
  readonly outcomes: ReadonlyMap<string, number>;
}

const MAX_STEPS = 5_000;
/** Codes of choices: process × this + option; deaths lie above. */
const OPTIONS = 64;
const DEATH = 1 << 20;

interface Fork {
  /** How many choices of the execution lie before it. */
  readonly depth: number;
  readonly choices: readonly number[];
  readonly costs: readonly number[];
  readonly left: number;
  next: number;
}

/**
 * Explores a scenario.
 *
 * @param makeWorld makes the start of the execution on a machine with this sharing
 * @param outcome names the end of an execution, for tables of outcomes
 */
export function explore<W extends World>(
  makeWorld: (sharing: Sharing) => W,
  bounds: Bounds,
  outcome?: (world: W) => string,
): Exploration {
  const sharing = new Sharing();
  let executions = 0;
  let steps = 0;
  // With few pre-emptions first: faults then have short traces, and what words are shared is learned cheaply.
  for (let preemptions = 0;;) {
    sharing.changed = false;
    const search = new Search(makeWorld, { ...bounds, preemptions }, sharing, outcome);
    const fault = search.run();
    executions += search.executions;
    steps += search.steps;
    if (fault === null && search.complete) {
      if (sharing.changed) continue;
      if (preemptions++ < bounds.preemptions) continue;
    }
    return {
      executions,
      steps,
      states: search.visited.size,
      complete: search.complete,
      fault,
      trace: fault === null ? [] : search.trace(),
      outcomes: search.outcomes,
    };
  }
}

class Search<W extends World> {
  executions = 0;
  steps = 0;
  complete = true;
  readonly visited = new Map<number, number>();
  readonly outcomes = new Map<string, number>();
  readonly #makeWorld: (sharing: Sharing) => W;
  readonly #bounds: Bounds;
  readonly #sharing: Sharing;
  readonly #outcome: ((world: W) => string) | undefined;
  readonly #forks: Fork[] = [];
  /** The choices of the current execution. */
  #path: number[] = [];

  constructor(
    makeWorld: (sharing: Sharing) => W,
    bounds: Bounds,
    sharing: Sharing,
    outcome: ((world: W) => string) | undefined,
  ) {
    this.#makeWorld = makeWorld;
    this.#bounds = bounds;
    this.#sharing = sharing;
    this.#outcome = outcome;
  }

  /** Runs all executions; returns the first fault. */
  run(): string | null {
    for (;;) {
      if (this.executions >= this.#bounds.executions) {
        this.complete = false;
        return null;
      }
      this.executions++;
      const fault = this.#execute(null);
      // Learn all sharing of this execution before the next attempt.
      if (fault !== null || this.#sharing.changed) return fault;
      if (!this.#backtrack()) return null;
    }
  }

  /** The last execution again, with its log. */
  trace(): string[] {
    const log: string[] = [];
    const path = [...this.#path];
    this.#forks.length = 0;
    this.#path = path;
    this.#execute(log);
    return log;
  }

  #backtrack(): boolean {
    for (let fork = this.#forks.at(-1); fork !== undefined; fork = this.#forks.at(-1)) {
      fork.next++;
      const choice = fork.choices[fork.next];
      if (choice !== undefined) {
        this.#path.length = fork.depth;
        this.#path.push(choice);
        return true;
      }
      this.#forks.pop();
    }
    return false;
  }

  /** Repeats the path and goes on from there until nothing moves; extends the path and the forks. */
  #execute(log: string[] | null): string | null {
    const world = this.#makeWorld(this.#sharing);
    const { machine } = world;
    machine.log = log;
    const path = this.#path;
    let last = -1;
    try {
      for (const choice of path) last = this.#take(world, choice, last);
      if (last === IN_VAIN) return null;
      if (log !== null) return null;
      const fork = this.#forks.at(-1);
      let left = fork === undefined ? this.#bounds.preemptions : fork.left - (fork.costs[fork.next] ?? 0);
      while (world.fault === null && !this.#sharing.changed) {
        if (machine.steps > MAX_STEPS) return "goes on for ever";
        const choices: number[] = [];
        const costs: number[] = [];
        if (!collectChoices(world, last, left, choices, costs)) break;
        if (choices.length > 1) {
          const key = machine.key(last);
          if ((this.visited.get(key) ?? -1) >= left) return null;
          this.visited.set(key, left);
          this.#forks.push({ depth: path.length, choices, costs, left, next: 0 });
        }
        const choice = choices[0] as number;
        path.push(choice);
        last = this.#take(world, choice, last);
        if (last === IN_VAIN) return null;
        left -= costs[0] as number;
      }
      if (this.#sharing.changed) return null;
      const fault = world.fault ?? world.finish();
      if (this.#outcome !== undefined && fault === null) {
        const name = this.#outcome(world);
        this.outcomes.set(name, (this.outcomes.get(name) ?? 0) + 1);
      }
      return fault;
    } catch (error) {
      return error instanceof Error ? `${error.message}\n${error.stack}` : String(error);
    } finally {
      this.steps += machine.steps;
    }
  }

  /** Goes one step on; returns the process that made it, or IN_VAIN. */
  #take(world: W, choice: number, last: number): number {
    const { machine } = world;
    if (choice >= DEATH) {
      const process = machine.processes[choice - DEATH] as Process;
      machine.kill(process);
      world.onDeath(process);
      return choice - DEATH;
    }
    if (choice === STANDSTILL) {
      world.fireTimers();
      machine.log?.push("(nothing moves: the timers come due)");
      return -1;
    }
    const id = Math.floor(choice / OPTIONS);
    const process = machine.processes[id] as Process;
    const interrupted = machine.processes[last];
    if (
      interrupted !== undefined && interrupted !== process && !interrupted.isIdle && interrupted.options > 0
    ) {
      interrupted.isInterruptedInVain = true;
    }
    if (process.isInterruptedInVain) return IN_VAIN;
    machine.step(process, choice % OPTIONS);
    return id;
  }
}

const STANDSTILL = DEATH - 1;
/**
 * The process was interrupted, and what the others did since can be exchanged with its next operation: the same
 * happens when it is interrupted one operation later.
 */
const IN_VAIN = -2;

/** All ways to go on, the cheapest first; false: there is none. */
function collectChoices(
  world: World,
  last: number,
  left: number,
  choices: number[],
  costs: number[],
): boolean {
  const { processes } = world.machine;
  const running = processes[last];
  const isInterruption = running !== undefined && running.options > 0 && !running.isIdle;
  if (running !== undefined) addOptions(running, 0, choices, costs);
  if (!isInterruption || left > 0) {
    for (const process of processes) {
      if (process !== running) addOptions(process, isInterruption ? 1 : 0, choices, costs);
    }
  }
  // Death makes a difference only behind an operation that others can see.
  const mortal = processes[world.mortal];
  if (mortal !== undefined && mortal === running && mortal.hasActed && !mortal.isDead && !mortal.isDone) {
    choices.push(DEATH + mortal.id);
    costs.push(0);
  }
  if (choices.length === 0 || (choices.length === 1 && (choices[0] as number) >= DEATH)) {
    if (!world.hasTimers) return choices.length > 0;
    choices.unshift(STANDSTILL);
    costs.unshift(0);
  }
  return true;
}

function addOptions(process: Process, cost: number, choices: number[], costs: number[]): void {
  for (let option = 0; option < process.options; option++) {
    choices.push(process.id * OPTIONS + option);
    costs.push(cost);
  }
}
