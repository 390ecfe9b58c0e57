/**
 * The machine that the model runs on: processes that stop before each operation on shared memory, and that memory.
 * Runs on: any; runtime API: none
 *
 * A process is a generator made by `coroutines.ts`. It yields where an operation is due; the operation is done when
 * the explorer lets the process go on, so that everything between two yields is one step. JS atomics are sequentially
 * consistent, so interleaving steps is what real threads can do. `wait` blocks its process until a `notify` on the same
 * word, never until a timeout: no protocol here may need one.
 *
 * An operation on a word that only one process uses cannot be seen by others and is no step of its own. Which words
 * those are is learned: when another process touches such a word after all, the exploration begins again.
 */

/** What a process is about to do. */
export const Op = {
  Load: 0,
  Store: 1,
  Add: 2,
  And: 3,
  Or: 4,
  Exchange: 5,
  CompareExchange: 6,
  Notify: 7,
  Wait: 8,
  WaitAsync: 9,
  /** Plain accesses to shared memory follow. */
  Plain: 10,
  /** Its event loop turns: it goes on when the promise is resolved, or runs a task of its own before. */
  Await: 11,
  /** It waits for one of several events, which the explorer picks. */
  Event: 12,
} as const;
export type Op = typeof Op[keyof typeof Op];

const OP_NAMES = Object.keys(Op);

/** Code of a process: yields nothing, is resumed with the result of the operation it named. */
export type Steps<T = unknown> = Generator<unknown, T, unknown>;

/** A promise of `waitAsync`. */
export class Token {
  readonly word: number;
  resolved = false;

  constructor(word: number) {
    this.word = word;
  }

  then(): void {
    Model.bells.push(this);
  }
}

/** A buffer of the model with the number of its first word. */
interface ModelBuffer extends ArrayBuffer {
  base: number;
}

/** One thread. */
export class Process {
  readonly id: number;
  readonly name: string;
  readonly steps: Steps;
  op: Op = Op.Plain;
  array: Int32Array = NO_WORDS;
  index = 0;
  a = 0;
  b = 0;
  token: Token | null = null;
  /** What its event loop may run while it awaits something. */
  readonly tasks: (() => Steps)[] = [];
  /** Events that it may be given next. */
  events: () => number = () => 0;
  isDone = false;
  isDead = false;
  /** The word it sleeps on, -1: awake. */
  sleepsOn = -1;
  /** It was interrupted, and nobody has since touched what it is about to touch. */
  isInterruptedInVain = false;
  /** Its last operation may have changed something for others. */
  hasActed = true;
  /** What it has seen so far, in two halves. */
  seen1: number;
  seen2: number;

  constructor(id: number, name: string, steps: Steps) {
    this.id = id;
    this.name = name;
    this.steps = steps;
    this.seen1 = Math.imul(id + 1, 0x9e3779b1);
    this.seen2 = Math.imul(id + 1, 0x85ebca77);
  }

  /** How many ways there are to go on: 0 when it sleeps or is gone. */
  get options(): number {
    if (this.isDone || this.isDead || this.sleepsOn >= 0) return 0;
    if (this.op === Op.Event) return this.events();
    if (this.op === Op.Await) {
      const isResolved = this.token === null || this.token.resolved;
      return (isResolved ? 1 : 0) + this.tasks.length;
    }
    return 1;
  }

  /** Whether it may be left without being interrupted. */
  get isIdle(): boolean {
    return this.op === Op.Event || this.op === Op.Await;
  }
}

const NO_WORDS = new Int32Array(0);
const buffers = new Map<number, Uint8Array>();

/** What processes have touched a word, as bit sets; kept over all executions of an exploration. */
export class Sharing {
  readonly readers = new Map<number, number>();
  readonly writers = new Map<number, number>();
  /** A word that was taken for private is not: what was explored so far missed interleavings. */
  changed = false;

  /** Whether nobody else can notice this operation; notes it. */
  isPrivate(op: Op, word: number, process: number): boolean {
    const bit = 1 << process;
    const readers = this.readers.get(word) ?? 0;
    const writers = this.writers.get(word) ?? 0;
    const isLoad = op === Op.Load;
    const others = (isLoad ? writers : readers | writers) & ~bit;
    if (isLoad ? (readers & bit) === 0 : (writers & bit) === 0) {
      // Whoever came before believed to be alone.
      if (others !== 0) this.changed = true;
      if (isLoad) this.readers.set(word, readers | bit);
      else this.writers.set(word, writers | bit);
    }
    return others === 0;
  }
}

/** Shared memory and its processes, for one execution. */
export class Machine {
  readonly processes: Process[] = [];
  readonly sharing: Sharing;
  /** What happened, when somebody wants to read it. */
  log: string[] | null = null;
  /** Names of words for the log. */
  describe: (word: number) => string = String;
  memory1 = 0;
  memory2 = 0;
  steps = 0;
  #words = 0;
  #tokens: Token[] = [];

  constructor(sharing: Sharing) {
    this.sharing = sharing;
  }

  /** A buffer whose words have numbers. */
  buffer(bytes: number): ModelBuffer {
    const base = this.#words;
    this.#words += bytes >>> 2;
    // The same buffers serve all executions: making one costs more than a short execution.
    let view = buffers.get(base * 0x100000 + bytes);
    if (view === undefined) {
      const buffer = new ArrayBuffer(bytes) as ModelBuffer;
      buffer.base = base;
      view = new Uint8Array(buffer);
      buffers.set(base * 0x100000 + bytes, view);
    } else view.fill(0);
    return view.buffer as ModelBuffer;
  }

  add(name: string, steps: Steps): Process {
    const process = new Process(this.processes.length, name, steps);
    this.processes.push(process);
    return process;
  }

  /** Runs a process to its first step. */
  begin(process: Process): void {
    this.#resume(process, undefined);
  }

  /** The death of a process, wherever it is. */
  kill(process: Process): void {
    process.isDead = true;
    this.log?.push(`${process.name}: dies`);
  }

  /** Does what the process is about to do and runs it to its next step. */
  step(process: Process, option: number): void {
    this.steps++;
    const result = this.#perform(process, option);
    if (process.sleepsOn < 0) this.#resume(process, result);
  }

  #resume(process: Process, first: unknown): void {
    let result = first;
    current = process;
    for (;;) {
      const next = process.steps.next(result);
      if (next.done === true) {
        process.isDone = true;
        break;
      }
      const { op } = process;
      if (op > Op.CompareExchange) break;
      const word = wordOf(process.array, process.index);
      if (!this.sharing.isPrivate(op, word, process.id)) break;
      result = this.#perform(process, 0);
    }
    current = null;
  }

  #perform(process: Process, option: number): unknown {
    const { op, array, index, a, b } = process;
    let result: unknown = 0;
    let word = -1;
    if (op <= Op.WaitAsync) word = wordOf(array, index);
    this.#meet(process, op, word);
    process.hasActed = op > Op.CompareExchange;
    if (op <= Op.CompareExchange) {
      const before = array[index] ?? 0;
      const after = changed(op, before, a, b);
      result = op === Op.Store ? after : before;
      if (op !== Op.Load && after !== before) {
        array[index] = after;
        process.hasActed = true;
        this.memory1 ^= mix(word, before, 0x9e3779b1) ^ mix(word, after, 0x9e3779b1);
        this.memory2 ^= mix(word, before, 0xc2b2ae3d) ^ mix(word, after, 0xc2b2ae3d);
      }
    } else if (op === Op.Notify) {
      result = this.#notify(word);
    } else if (op === Op.Wait) {
      if (array[index] === a) {
        process.sleepsOn = word;
        result = "ok";
      } else result = "not-equal";
    } else if (op === Op.WaitAsync) {
      if (array[index] === a) {
        const value = new Token(word);
        this.#tokens.push(value);
        result = { async: true, value };
      } else result = { async: false, value: "not-equal" };
      process.seen1 ^= array[index] === a ? 0x5bd1e995 : 0;
    } else if (op === Op.Await || op === Op.Event) {
      result = option;
    }
    const seen = typeof result === "number" ? result : typeof result === "string" ? process.sleepsOn : -2;
    process.seen1 = mix(Math.imul(process.seen1, 31) + op, Math.imul(word, 17) ^ a, seen ^ b);
    process.seen2 = mix(Math.imul(process.seen2, 37) ^ op, Math.imul(word, 23) + a, Math.imul(seen, 7) + b);
    if (this.log !== null) this.log.push(this.#line(process, word, result));
    return result;
  }

  /** An interruption was of use if another process then does something that cannot be exchanged with it. */
  #meet(actor: Process, op: Op, word: number): void {
    for (const process of this.processes) {
      if (!process.isInterruptedInVain || process === actor) continue;
      const pending = process.op;
      if (pending === Op.Plain || op === Op.Plain) {
        if (pending === op) process.isInterruptedInVain = false;
      } else if (
        pending <= Op.WaitAsync && op <= Op.WaitAsync && wordOf(process.array, process.index) === word
      ) {
        if (pending !== Op.Load || op !== Op.Load) process.isInterruptedInVain = false;
      }
    }
  }

  #notify(word: number): number {
    let woken = 0;
    for (const process of this.processes) {
      if (process.sleepsOn !== word || process.isDead) continue;
      process.sleepsOn = -1;
      // It wakes from its `wait` and runs to its next step.
      const notifier = current;
      this.#resume(process, "ok");
      current = notifier;
      woken++;
    }
    for (const token of this.#tokens) {
      if (token.word !== word || token.resolved) continue;
      token.resolved = true;
      woken++;
    }
    return woken;
  }

  /** The state as one number, exact up to collisions of 53 bits. */
  key(last: number): number {
    let one = this.memory1 ^ Math.imul(last + 7, 0x27d4eb2f);
    let two = this.memory2 ^ Math.imul(last + 3, 0x165667b1);
    for (const process of this.processes) {
      const flags = (process.isDead ? 1 : 0) | (process.isDone ? 2 : 0) | (process.sleepsOn >= 0 ? 4 : 0) |
        (process.token?.resolved === true ? 8 : 0) | (process.isInterruptedInVain ? 16 : 0) |
        (process.hasActed ? 32 : 0);
      one = mix(one, process.seen1, flags);
      two = mix(two, process.seen2, flags + 11);
    }
    return (one >>> 0) * 0x200000 + (two >>> 11);
  }

  #line(process: Process, word: number, result: unknown): string {
    const { op, a, b } = process;
    const name = OP_NAMES[op] ?? "";
    if (op === Op.Plain) return `${process.name}: plain accesses`;
    if (op === Op.Event || op === Op.Await) return `${process.name}: ${name.toLowerCase()} ${result}`;
    const operands = op === Op.CompareExchange
      ? `${a} → ${b}`
      : op === Op.Load || op === Op.Notify
      ? ""
      : `${a}`;
    const shown = typeof result === "object" ? "armed" : String(result);
    return `${process.name}: ${name} ${this.describe(word)} ${operands} = ${shown}`;
  }
}

function wordOf(array: Int32Array, index: number): number {
  return (array.buffer as ModelBuffer).base + index;
}

function changed(op: Op, before: number, a: number, b: number): number {
  switch (op) {
    case Op.Store:
    case Op.Exchange:
      return a | 0;
    case Op.Add:
      return (before + a) | 0;
    case Op.And:
      return before & a;
    case Op.Or:
      return before | a;
    case Op.CompareExchange:
      return before === (a | 0) ? b | 0 : before;
    default:
      return before;
  }
}

function mix(a: number, b: number, c: number): number {
  let h = Math.imul(a ^ Math.imul(b, 0x85ebca6b), 0xc2b2ae35) ^ Math.imul(c, 0x27d4eb2f);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return h ^ (h >>> 13);
}

/** The process that runs now; the model is single-threaded. */
let current: Process | null = null;

function due(op: Op, array: Int32Array, index: number, a = 0, b = 0): void {
  if (current === null) throw new Error("an operation outside of a process");
  current.op = op;
  current.array = array;
  current.index = index;
  current.a = a;
  current.b = b;
}

/** What `Atomics` is in the coroutines: names the operation that the following `yield` stands for. */
export const SteppingAtomics = {
  load: (array: Int32Array, index: number): void => due(Op.Load, array, index),
  store: (array: Int32Array, index: number, value: number): void => due(Op.Store, array, index, value),
  add: (array: Int32Array, index: number, value: number): void => due(Op.Add, array, index, value),
  and: (array: Int32Array, index: number, value: number): void => due(Op.And, array, index, value),
  or: (array: Int32Array, index: number, value: number): void => due(Op.Or, array, index, value),
  exchange: (array: Int32Array, index: number, value: number): void => due(Op.Exchange, array, index, value),
  compareExchange: (array: Int32Array, index: number, expected: number, value: number): void =>
    due(Op.CompareExchange, array, index, expected, value),
  notify: (array: Int32Array, index: number): void => due(Op.Notify, array, index),
  wait: (array: Int32Array, index: number, value: number): void => due(Op.Wait, array, index, value),
  waitAsync: (array: Int32Array, index: number, value: number): void =>
    due(Op.WaitAsync, array, index, value),
};

/** What the coroutines call besides. */
export const Model = {
  plain(): void {
    due(Op.Plain, NO_WORDS, 0);
  },

  /** A call that may be stepped or not. */
  run(value: unknown): unknown {
    const isGenerator = typeof value === "object" && value !== null && "throw" in value;
    return isGenerator ? value : new Finished(value);
  },

  /** `await value`: its process may run tasks of its own before it goes on. */
  *awaited(value: unknown): Steps {
    // What an async function returned has no promise here.
    if (value !== undefined && !(value instanceof Token) && value !== Model.turn) return value;
    const process = current as Process;
    for (;;) {
      due(Op.Await, NO_WORDS, 0);
      process.token = value instanceof Token ? value : null;
      const option = (yield) as number;
      const isResolved = process.token === null || process.token.resolved;
      process.token = null;
      if (isResolved && option === 0) return undefined;
      const [task] = process.tasks.splice(option - (isResolved ? 1 : 0), 1);
      if (task !== undefined) yield* task();
    }
  },

  /** Waits for an event; the result is its index among those that `events()` counts. */
  event(): void {
    due(Op.Event, NO_WORDS, 0);
  },

  /** What the I/O thread waits for in the background; the scenario calls it back. */
  bells: [] as { readonly resolved: boolean }[],

  /** Stands in for whatever takes no part in the protocol: may be called and asked for anything, and does nothing. */
  inert: makeInert(),

  /** A class whose instances have every property: inert, unless it is there. */
  Inert: makeInertClass(),

  /** What `turnEventLoop` returns. */
  turn: Symbol("turn"),

  /** The process that runs. */
  get process(): Process {
    return current as Process;
  },
};

function makeInert(): unknown {
  const inert: unknown = new Proxy(function () {}, {
    get: (_target, name) => typeof name === "symbol" || name === "throw" ? undefined : inert,
    apply: () => undefined,
    construct: () => inert as object,
  });
  return inert;
}

function makeInertClass(): new () => object {
  class Inert {}
  const isInternal = (name: string | symbol): boolean => typeof name === "symbol" || name === "throw";
  Object.setPrototypeOf(
    Inert.prototype,
    new Proxy({}, { get: (_target, name) => isInternal(name) ? undefined : Model.inert }),
  );
  return Inert;
}

/** An iterator that is at its end. */
class Finished implements Iterator<unknown> {
  readonly #value: unknown;

  constructor(value: unknown) {
    this.#value = value;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<unknown> {
    return { done: true, value: this.#value };
  }
}

/** The machine of the execution that is being set up: buffers are made on it. */
let target: Machine | null = null;

/** Makes buffers of `SteppingBuffer` belong to this machine. */
export function buildOn(machine: Machine): void {
  target = machine;
}

/** What `SharedArrayBuffer` is in the coroutines. */
export class SteppingBuffer {
  constructor(bytes: number) {
    if (target === null) throw new Error("no machine");
    return target.buffer(bytes);
  }
}
