/**
 * One execution of the protocol: an I/O thread, its workers, requests, and what may befall them.
 *
 * The I/O thread is an event loop whose events the explorer orders: requests arrive, the doorbell rings, a thread's
 * exit is reported, a deadline passes. The properties: every request is run at most once and answered exactly once,
 * with the bytes that belong to it; nobody sleeps for ever while there is work; in the end no slot is lost and
 * everybody sleeps so that he can be woken.
 */
import { InboxKind, OutboxKind } from "../../../src/messages/kind.ts";
import { buildOn, Machine, Model, type Process, type Sharing, type Steps } from "./machine.ts";
import type { World } from "./explorer.ts";
import type { HandleSide, IoSide, PoolSide, RecordSide } from "./sides.ts";
import type { ModelCode } from "./sources.ts";

/** What happens in a scenario. */
export interface Scenario {
  readonly workers: number;
  readonly slots: number;
  readonly requests: number;
  /** Octets of a request, and of the ring for them. */
  readonly requestBytes?: number;
  readonly dataBytes?: number;
  /** Capacity of an outbox and of an inbox, in records. */
  readonly outboxRecords?: number;
  readonly inboxRecords?: number;
  /** Handlers count as slow: one wake-up for each request, one bell for each answer. */
  readonly slow?: boolean;
  /** Requests from this one on have handlers that await. */
  readonly asyncFrom?: number;
  /** The handlers of so many requests, the first ones, end only when all others are answered. */
  readonly waitForOthers?: number;
  /** What threads do when they start is explored, too. */
  readonly startsAwake?: boolean;
  /** Workers park in their event loop instead of blocking. */
  readonly parks?: boolean;
  /** Worker 0 dies at any step. */
  readonly dies?: boolean;
  /** Worker 0 is given up and goes on: from the first request on, while it has a claim, or once a handler has begun. */
  readonly givenUp?: "anywhere" | "claiming" | "running";
  /** The runtime can stop it then: it dies some steps later. */
  readonly stopsBusyThreads?: boolean;
  /** Worker 0 is told to leave when so many handlers have begun; other requests come after that. */
  readonly leavesAfter?: number;
  /** Requests arrive one at a time, each when all handlers before it have begun. */
  readonly oneByOne?: boolean;
  /** The I/O thread takes requests out of the ring as too old. */
  readonly sheds?: boolean;
  /** Messages to worker 0 through its inbox. */
  readonly messages?: number;
  /** The handler of request 1 blocks until a message comes; messages are sent when it does. */
  readonly blocksForMessage?: boolean;
  /** Timers come due when nothing else moves: the protocol needs them here. */
  readonly timers?: boolean;
}

const ANSWERED = { worker: "answered", lost: "lost", shed: "shed" } as const;
const MAX_STANDSTILLS = 3;
const SLOW_US = 100;

/** A request, seen from outside. */
class Request {
  readonly ticket: number;
  worker: HandleSide | null = null;
  dispatchedAt = 0;
  runs = 0;
  end: string | null = null;
  readonly #world: ScenarioWorld;

  constructor(world: ScenarioWorld, ticket: number) {
    this.#world = world;
    this.ticket = ticket;
  }

  finish(how: string): void {
    if (this.end !== null) {
      this.#world.blame(`request ${this.ticket} was answered twice: ${this.end}, ${how}`);
    }
    this.end = how;
    this.#world.onFinish();
  }

  lost(): void {
    this.finish(ANSWERED.lost);
  }

  shed(): void {
    this.finish(ANSWERED.shed);
  }
}

/** An execution of a scenario. */
export class ScenarioWorld implements World {
  readonly machine: Machine;
  fault: string | null = null;
  readonly requestBytes: number;
  readonly requests: Request[] = [];
  readonly #scenario: Scenario;
  readonly #io: IoSide;
  readonly #pool: PoolSide;
  readonly #handles: HandleSide[] = [];
  readonly #threads: Process[] = [];
  readonly #control: Int32Array;
  readonly #slots: Int32Array;
  readonly #code: ModelCode;
  readonly #heldTasks: (() => void)[] = [];
  #toPush: number;
  #begun = 0;
  #isBlocking = false;
  #toSend: number;
  #received = 0;
  #isGivenUp = false;
  #isTold = false;
  #hasShed = false;
  #exitsReported = 0;
  #standstills = 0;
  #dueLook = false;
  #dueTick = false;

  constructor(code: ModelCode, scenario: Scenario, sharing: Sharing) {
    this.#code = code;
    this.#scenario = scenario;
    this.machine = new Machine(sharing);
    buildOn(this.machine);
    Model.bells.length = 0;
    this.requestBytes = scenario.requestBytes ?? 8;
    this.#toPush = scenario.requests;
    this.#toSend = scenario.messages ?? 0;
    const { layout } = code;
    const ring = layout.createSharedRing(scenario.slots, scenario.dataBytes ?? 64, scenario.workers);
    this.#control = new Int32Array(ring.control);
    this.#slots = new Int32Array(ring.slots);
    if (scenario.slow === true) this.#control[layout.SERVICE] = SLOW_US;

    this.#pool = new code.PoolSide(scenario.stopsBusyThreads ?? false);
    const owner = {
      isDead: (seat: number): boolean => this.#pool.deadSeats.has(seat),
      goodbye: (worker: HandleSide): Steps => this.#pool.goodbye(worker),
      onTick: (): Steps => this.#pool.onTick(),
    };
    const tickets = {
      find: (ticket: number): Request | null => this.#open(ticket),
      forEach: (callback: (request: Request) => void): void => {
        for (const request of this.requests) if (request.end === null) callback(request);
      },
    };
    this.#io = new code.IoSide(ring, tickets, owner, this);
    const io = this.machine.add("io", this.#runIo());
    io.events = () => this.#ready().length;
    for (let seat = 0; seat < scenario.workers; seat++) {
      const inbox = layout.createChannelBuffers(scenario.inboxRecords ?? 2, 32);
      const outbox = layout.createChannelBuffers(scenario.outboxRecords ?? 4, 64);
      const clock = { now: 0 };
      this.#handles.push(new code.WorkerHandle(ring, seat, inbox, outbox, this.#io.waker, clock));
      const isBlocking = scenario.parks !== true;
      const side = new code.WorkerSide(ring, seat, inbox, outbox, isBlocking, this);
      this.#threads.push(this.machine.add(`w${seat}`, this.#runWorker(side.run())));
    }
    this.machine.describe = (word) => describeWord(layout, ring, word);
    for (const process of this.machine.processes) {
      this.machine.begin(process);
      // Who has just started finds nothing and goes to sleep; what can meet there, meets again behind each request.
      while (scenario.startsAwake !== true && process.options > 0 && !process.isIdle) {
        this.machine.step(process, 0);
      }
    }
  }

  // ── the processes ──────────────────────────────────────────────────────────────────────────────────────────────

  *#runIo(): Steps {
    yield* this.#pool.connect(this.#io);
    for (const handle of this.#handles) {
      yield* this.#pool.employ(handle);
      yield* this.#io.attach(handle);
    }
    yield* this.#io.begin();
    for (;;) {
      Model.event();
      const index = (yield) as number;
      yield* this.#handle(this.#ready()[index] as string);
    }
  }

  *#runWorker(loop: Steps<string>): Steps<void> {
    try {
      yield* loop;
    } catch (error) {
      // It leaves: the thread ends.
      if (!(error instanceof Error) || error.name !== "StoppedError") throw error;
    }
  }

  /** The events that may come to the I/O thread now, always in the same order. */
  #ready(): string[] {
    const scenario = this.#scenario;
    const [first] = this.#threads;
    const events: string[] = [];
    if (Model.bells.some((bell) => bell.resolved)) events.push("bell");
    const isHeldBack = !this.#isTold && this.#begun >= (scenario.leavesAfter ?? Infinity);
    if (this.#io.held === 0 && !isHeldBack) {
      const most = scenario.oneByOne === true
        ? Math.min(1, this.#begun + 1 - this.requests.length)
        : Infinity;
      for (let count = Math.min(this.#toPush, most); count > 0; count--) events.push(`push ${count}`);
    }
    const isGone = first !== undefined && (first.isDead || first.isDone);
    if (isGone && this.#exitsReported === 0) events.push("exit");
    if (scenario.givenUp !== undefined && !this.#isGivenUp && !isGone && this.#canGiveUp()) {
      events.push("give up");
    }
    if (this.#begun >= (scenario.leavesAfter ?? Infinity) && !this.#isTold) events.push("tell");
    if (scenario.sheds === true && !this.#hasShed) events.push("shed");
    const isAwaited = scenario.blocksForMessage !== true || this.#isBlocking;
    if (this.#toSend > 0 && isAwaited) events.push("send");
    if (this.#dueLook) events.push("look");
    if (this.#dueTick) events.push("tick");
    return events;
  }

  #canGiveUp(): boolean {
    if (this.#scenario.givenUp === "anywhere") return this.requests.length > 0;
    if (this.#scenario.givenUp === "running") return this.#begun > 0;
    const { layout } = this.#code;
    for (let slot = 0; slot < this.#scenario.slots; slot++) {
      const state = this.#slots[slot * layout.SLOT_WORDS + layout.SLOT_STATE] ?? 0;
      if (layout.isClaimed(state) && layout.claimSeat(state) === 0) return true;
    }
    return false;
  }

  *#handle(event: string): Steps<void> {
    this.machine.log?.push(`io: event ${event}`);
    const handle = this.#handles[0] as HandleSide;
    if (event.startsWith("push")) {
      const count = Number(event.slice(5));
      this.#toPush -= count;
      yield* this.#io.turn(count);
    } else if (event === "bell") {
      Model.bells.splice(Model.bells.findIndex((bell) => bell.resolved), 1);
      yield* this.#io.bell();
    } else if (event === "exit") {
      this.#exitsReported = 1;
      yield* this.#pool.exited(handle);
    } else if (event === "give up") {
      this.#isGivenUp = true;
      yield* this.#pool.giveUp(handle);
    } else if (event === "tell") {
      this.#isTold = true;
      handle.state = 2;
      yield* handle.send(InboxKind.Stop, 0, 0, null);
    } else if (event === "shed") {
      this.#hasShed = true;
      yield* this.#io.shed();
    } else if (event === "send") {
      this.#toSend--;
      yield* handle.send(InboxKind.Credit, 0, 1, null);
    } else if (event === "look") {
      this.#dueLook = false;
      yield* this.#io.look();
    } else if (event === "tick") {
      this.#dueTick = false;
      yield* this.#io.tick();
    }
  }

  get mortal(): number {
    const { dies, stopsBusyThreads } = this.#scenario;
    return dies === true || (stopsBusyThreads === true && this.#isGivenUp) ? 1 : -1;
  }

  get hasTimers(): boolean {
    if (this.#scenario.timers !== true || this.#dueTick || this.#dueLook) return false;
    return this.#standstills < MAX_STANDSTILLS && !this.#isFinished();
  }

  fireTimers(): void {
    this.#standstills++;
    this.#dueTick = true;
    this.#dueLook = this.#io.isWatching;
  }

  // ── what the sides tell ────────────────────────────────────────────────────────────────────────────────────────

  /** The first fault counts. */
  blame(fault: string): void {
    this.fault ??= fault;
  }

  /** The I/O side writes a request. */
  onPush(data: Uint8Array, at: number): number {
    const request = new Request(this, this.requests.length + 1);
    this.requests.push(request);
    data.fill(request.ticket, at, at + this.requestBytes);
    return request.ticket;
  }

  /** A worker runs a request. */
  onRun(ticket: number, bytes: Uint8Array, start: number, length: number): unknown {
    const request = this.requests[ticket - 1];
    if (request === undefined) {
      this.blame(`a worker runs request ${ticket}, which there is not`);
      return { ticket, isAsync: false, answer: bytes.slice(0, 1), done: false, isTaken: false };
    }
    this.#begun++;
    if (++request.runs > 1) this.blame(`request ${ticket} runs twice`);
    if (length !== this.requestBytes) this.blame(`request ${ticket} has ${length} bytes`);
    for (let at = start; at < start + length; at++) {
      if (bytes[at] !== ticket) this.blame(`request ${ticket} has bytes of request ${bytes[at]}`);
    }
    const isAsync = ticket >= (this.#scenario.asyncFrom ?? Infinity);
    const waitsForInbox = this.#scenario.blocksForMessage === true && ticket === 1;
    const answer = Uint8Array.of(ticket, ticket);
    return { ticket, isAsync, waitsForInbox, answer, done: false, isTaken: false };
  }

  /** The I/O side reads a record of a worker. */
  onRecord(worker: HandleSide, record: RecordSide): "bye" | "read" {
    if (record.kind === OutboxKind.Bye) return "bye";
    const request = this.#open(record.ticket);
    if (request === null) return "read";
    if (record.kind === OutboxKind.Taken) {
      request.worker = worker;
    } else if (record.kind === OutboxKind.Response) {
      const { bytes, offset, length, ticket } = record;
      if (length !== 2 || bytes[offset] !== ticket || bytes[offset + 1] !== ticket) {
        this.blame(`the answer to request ${ticket} has other bytes`);
      }
      if (request.runs === 0) this.blame(`request ${ticket} was answered but not run`);
      request.finish(ANSWERED.worker);
    } else this.blame(`a record of kind ${record.kind}`);
    return "read";
  }

  /** A handler awaits; the rest of it runs when its event loop turns. */
  onAwait(call: { readonly ticket: number }, rest: () => Steps): void {
    const { process } = Model;
    if (call.ticket <= (this.#scenario.waitForOthers ?? 0)) {
      this.#heldTasks.push(() => void process.tasks.push(rest));
      this.onFinish();
    } else process.tasks.push(rest);
  }

  /** A request was answered. */
  onFinish(): void {
    const waiters = this.#scenario.waitForOthers ?? 0;
    const areLast = this.requests.every((request) => request.end !== null || request.ticket <= waiters);
    if (this.#toPush > 0 || !areLast) return;
    for (const release of this.#heldTasks.splice(0)) release();
  }

  /** A handler is about to block until a message comes. */
  onBlock(): void {
    this.#isBlocking = true;
  }

  /** A worker reads a message. */
  onCredit(amount: number): void {
    this.#received += amount;
  }

  #open(ticket: number): Request | null {
    const request = this.requests[ticket - 1];
    return request === undefined || request.end !== null ? null : request;
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────

  onDeath(): void {}

  #isFinished(): boolean {
    return this.#toPush === 0 && this.requests.every((request) => request.end !== null) &&
      this.requests.length === this.#scenario.requests && this.#hasCleanSlots();
  }

  #hasCleanSlots(): boolean {
    const { layout } = this.#code;
    const { slots } = this.#scenario;
    const tail = this.requests.length;
    if (this.#control[layout.HEAD] !== tail) return false;
    for (let position = tail; position < tail + slots; position++) {
      const state = this.#slots[(position % slots) * layout.SLOT_WORDS + layout.SLOT_STATE];
      if (state !== layout.freeState(position)) return false;
    }
    return true;
  }

  finish(): string | null {
    const waiting = this.requests.filter((request) => request.end === null).map((request) => request.ticket);
    if (waiting.length > 0) return `everybody sleeps; nobody answers request ${waiting.join(", ")}`;
    if (this.requests.length < this.#scenario.requests) return "everybody sleeps; requests are held back";
    if (!this.#hasCleanSlots()) return "a slot is lost";
    if (this.#control[this.#code.layout.ARMED] !== 1) return "the doorbell is not armed in the end";
    if (Model.bells.length !== 1) return "nobody listens to the doorbell in the end";
    if (this.#toSend > 0 || this.#isUnread()) return "a message was not read";
    for (const [seat, thread] of this.#threads.entries()) {
      const { layout } = this.#code;
      if (thread.isDead || thread.isDone) continue;
      if (this.#isTold && seat === 0) return "worker 0 was told to leave and did not";
      if (this.#pool.deadSeats.has(seat)) return `worker ${seat} was given up and sleeps on`;
      const sleepers = this.#control[layout.sleepersWord(seat)] ?? 0;
      if ((sleepers & layout.seatBit(seat)) === 0) return `worker ${seat} sleeps unannounced`;
    }
    return null;
  }

  #isUnread(): boolean {
    const [first] = this.#threads;
    const isGone = first === undefined || first.isDead || first.isDone || this.#isGivenUp;
    return !isGone && this.#received < (this.#scenario.messages ?? 0);
  }

  /** How the requests ended, in order. */
  get outcome(): string {
    return this.requests.map((request) => request.end).join(" ");
  }
}

function describeWord(
  layout: ModelCode["layout"],
  ring: { control: unknown; seats: unknown; slots: unknown },
  word: number,
): string {
  const from = (buffer: unknown): number => word - (buffer as { base: number }).base;
  const inControl = from(ring.control);
  const inSeats = from(ring.seats);
  const inSlots = from(ring.slots);
  const controlWords = (ring.control as ArrayBuffer).byteLength / 4;
  if (inControl < controlWords) {
    const names: [string, number][] = [
      ["head", layout.HEAD],
      ["doorbell", layout.DOORBELL],
      ["armed", layout.ARMED],
      ["sleepers", layout.sleepersWord(0)],
      ["dirty", layout.dirtyWord(0)],
    ];
    return names.find(([, at]) => at === inControl)?.[0] ?? `control[${inControl}]`;
  }
  if (inSeats < (ring.seats as ArrayBuffer).byteLength / 4) {
    const fields = ["futex", "stop", "current", "pending", "starved", "backlog", "left"];
    const cell = layout.seatCell(1);
    return `seat ${Math.floor(inSeats / cell)} ${fields[inSeats % cell]}`;
  }
  if (inSlots < (ring.slots as ArrayBuffer).byteLength / 4) {
    return `slot ${Math.floor(inSlots / layout.SLOT_WORDS)}`;
  }
  return `channel word ${word}`;
}
