/**
 * The production code that the model runs: which files, which members, and what stands around them.
 *
 * The rings, the outbox and the worker's handle are taken as whole files. Of the worker's loop, the I/O thread and the
 * pool only the members that take part in the protocol are taken, by name, into small classes that stand in for the
 * rest (HTTP, sockets, threads). When a member is renamed, the import fails and says so.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { applyPatch, memberOf, type Patch, steppedNames, toCoroutines } from "./coroutines.ts";
import type {
  ChannelProducerSide,
  ConsumerSide,
  HandleSide,
  IoSide,
  ParkingSide,
  PoolSide,
  ProducerSide,
  RecordSide,
  WakerSide,
  WorkerSide,
} from "./sides.ts";

const ROOT = new URL("../../../", import.meta.url);
const MACHINE = new URL("./machine.ts", import.meta.url).href;

/** Taken as they are. */
const UNSTEPPED = ["src/ring/layout.ts", "src/messages/kind.ts"];
/** Taken as coroutines. */
const STEPPED = [
  "src/ring/request_producer.ts",
  "src/ring/request_consumer.ts",
  "src/ring/channel.ts",
  "src/ring/parking.ts",
  "src/worker/outbox.ts",
  "src/pool/worker_handle.ts",
];
const THREAD = "src/worker/thread.ts";
const IO_THREAD = "src/connection/io_thread.ts";
const POOL = "src/pool/pool.ts";

/** Constants that are smaller in the model, because memory is made anew for every execution. */
const SHRUNK = [["SLAB_BYTES", 64], ["MAX_SOCKETS", 1], ["SETTLE_TURNS", 1]] as const;

/** The members that are taken, by file, together with what they use and the stand-in does not have. */
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  [THREAD]: ["run", "jobDone", "waitForInbox"],
  [IO_THREAD]: [
    "repairSeat",
    "drainLast",
    "#onTurnEnd",
    "#look",
    "#awaitDoorbell",
    "#onDoorbell",
    "#arm",
    "#tick",
    "#shedOld",
  ],
  [POOL]: ["#bury", "#freeSeatIfGone"],
};

const WORKER_SIDE = `
const performance = { now: () => 0 };
const turnEventLoop = () => Model.turn;

/** Stands in for WorkerThread. */
export class WorkerSide extends Model.Inert {
  outbox;
  #consumer; #inbox; #parking; #doorbell; #waker; #control; #seats; #seat; #cell; #synchronous; #host;

  constructor(ring, seat, inbox, outbox, synchronous, host) {
    super();
    this.#synchronous = synchronous;
    this.#host = host;
    this.outbox = new Outbox(ring, seat, outbox);
    this.#consumer = new RequestConsumer(ring, seat);
    this.#inbox = new ChannelConsumer(inbox);
    this.#parking = new Parking(ring, seat);
    this.#doorbell = new Doorbell(ring, seat);
    this.#waker = new Waker(ring);
    this.#control = new Int32Array(ring.control);
    this.#seats = new Int32Array(ring.seats);
    this.#seat = seat;
    this.#cell = seatCell(seat);
  }

  #startRequest() {
    const consumer = this.#consumer;
    const call = this.#host.onRun(consumer.ticket, consumer.bytes, consumer.start, consumer.length);
    if (!call.isAsync) {
      if (call.waitsForInbox) this.blockForMessage();
      this.outbox.response(call.ticket, call.answer, 3);
      return null;
    }
    this.#open.set(call.ticket, call);
    this.#host.onAwait(call, this.completeLater.bind(this, call));
    return call;
  }

  blockForMessage() {
    this.#host.onBlock();
    this.waitForInbox();
  }

  completeLater(call) {
    if (call.waitsForInbox) this.blockForMessage();
    this.outbox.response(call.ticket, call.answer, 3);
    call.done = true;
    this.jobDone(call);
  }

  #callOf() {
    const host = this.#host;
    return { credit: (amount) => host.onCredit(amount) };
  }

//MEMBERS
}
`;

const IO_SIDE = `
/** Stands in for IoThread. */
export class IoSide extends Model.Inert {
  waker;
  tickets;
  settings = { maxWaitMs: 0 };
  now = 2;
  #producer; #shedder; #control; #owner; #host;
  #workers = [];
  #adapter = { deferTurns: 0, atEndOfTurn() {} };
  #held = 0;
  // Called back by the ring, which takes them for plain functions.
  #answerLost = (ticket) => this.tickets.find(ticket)?.lost();
  #isDead = (seat) => this.#owner.isDead(seat);

  constructor(ring, tickets, owner, host) {
    super();
    this.tickets = tickets;
    this.#owner = owner;
    this.#host = host;
    this.#control = new Int32Array(ring.control);
    this.#producer = new RequestProducer(ring);
    this.#shedder = new RequestConsumer(ring, IO_SEAT, false);
    this.waker = new Waker(ring);
  }

  attach(worker) {
    this.#workers[worker.seat] = worker;
  }

  detach(worker) {
    this.#workers[worker.seat] = null;
  }

  begin() {
    this.#awaitDoorbell();
    this.#arm();
  }

  /** A turn that brings requests. */
  turn(count) {
    this.#turnScheduled = true;
    for (; count > 0; count--) this.#dispatch();
    this.#onTurnEnd();
  }

  #dispatch() {
    const at = this.#held > 0 ? -1 : this.#producer.reserve(this.#host.requestBytes);
    if (at < 0) {
      this.#held++;
      return;
    }
    this.#put(at);
  }

  #put(at) {
    const ticket = this.#host.onPush(this.#producer.data, at);
    this.#producer.commit(1, ticket, this.#host.requestBytes);
    this.#pushed++;
  }

  #retryHeld() {
    while (this.#held > 0) {
      const at = this.#producer.reserve(this.#host.requestBytes);
      if (at < 0) return;
      this.#held--;
      this.#put(at);
    }
  }

  bell() {
    this.#onDoorbell();
  }

  look() {
    this.#look();
  }

  tick() {
    this.#tick();
  }

  shed() {
    this.settings.maxWaitMs = 1;
    this.#shedOld(this.now);
    this.settings.maxWaitMs = 0;
  }

  get isWatching() {
    return this.#isWatching;
  }

  get held() {
    return this.#held;
  }

  #setClock() {}
  #shedHeld() {}
  #checkDeadlines() {}

  deliver(io, worker, outbox) {
    let count = 0;
    while (outbox.next()) {
      count++;
      if (this.#host.onRecord(worker, outbox) === "bye") this.#owner.goodbye(worker);
    }
    outbox.release();
    return count;
  }

//MEMBERS
}

/** Timers are the scenario's: it lets them come due. */
function setTimeout() {}
function queueMicrotask() {
  Model.bells.push({ resolved: true });
}
`;

const POOL_SIDE = `
/** Stands in for Pool. */
export class PoolSide extends Model.Inert {
  #io; #adapter;

  constructor(stopsBusyThreads) {
    super();
    this.#adapter = { stopsBusyThreads };
  }

  connect(io) {
    this.#io = io;
  }

  employ(worker) {
    this.#workers.add(worker);
  }

  /** Its exit event. */
  exited(worker) {
    worker.hasExited = true;
    if (worker.state !== WorkerState.Dead) this.#bury(worker, false);
    this.#freeSeatIfGone(worker);
    this.#reuse();
  }

  /** It overran its deadline. */
  giveUp(worker) {
    this.#bury(worker, true);
    this.#reuse();
  }

  /** It said goodbye. */
  goodbye(worker) {
    this.#bury(worker);
    this.#reuse();
  }

  onTick() {
    for (const worker of this.#buried) this.#freeSeatIfGone(worker);
    this.#reuse();
  }

  /** A new thread takes every free seat at once. */
  #reuse() {
    for (const seat of this.#freeSeats.splice(0)) this.#deadSeats.delete(seat);
  }

  get deadSeats() {
    return this.#deadSeats;
  }

//MEMBERS
}
`;

/** The classes of the model, made from the sources as they are now. */
export interface ModelCode {
  readonly layout: typeof import("../../../src/ring/layout.ts");
  readonly RequestProducer: new (...args: unknown[]) => ProducerSide;
  readonly RequestConsumer: new (...args: unknown[]) => ConsumerSide;
  readonly ChannelProducer: new (...args: unknown[]) => ChannelProducerSide;
  readonly ChannelConsumer: new (...args: unknown[]) => RecordSide;
  readonly Parking: new (...args: unknown[]) => ParkingSide;
  readonly Waker: new (...args: unknown[]) => WakerSide;
  readonly WorkerHandle: new (...args: unknown[]) => HandleSide;
  readonly WorkerSide: new (...args: unknown[]) => WorkerSide;
  readonly IoSide: new (...args: unknown[]) => IoSide;
  readonly PoolSide: new (...args: unknown[]) => PoolSide;
}

/**
 * Loads the production code as coroutines.
 *
 * @param patches faults to seed, each in one place
 */
export async function loadModelCode(patches: readonly Patch[] = []): Promise<ModelCode> {
  const unused = new Set(patches);
  const read = (file: string): string => {
    let source = readFileSync(fileURLToPath(new URL(file, ROOT)), "utf8");
    for (const patch of patches) {
      if (patch.file !== file) continue;
      source = applyPatch(source, patch);
      unused.delete(patch);
    }
    for (const [name, value] of SHRUNK) {
      source = source.replace(new RegExp(`^((?:export )?const ${name} = ).*;$`, "m"), `$1${value};`);
    }
    return source;
  };
  const whole = new Map(STEPPED.map((file) => [nameOf(file), read(file)]));
  const side = (template: string, file: string): string => sideOf(template, file, read(file));
  whole.set("worker_side.ts", side(WORKER_SIDE, THREAD));
  whole.set(
    "io_side.ts",
    side(IO_SIDE, IO_THREAD).replace(/(?<![\w.])deliver\(this,/g, "this.deliver(this,"),
  );
  whole.set("pool_side.ts", side(POOL_SIDE, POOL));

  const folder = mkdtempSync(join(tmpdir(), "cartouche-model-"));
  try {
    const prelude =
      `import { Model, SteppingAtomics as Atomics, SteppingBuffer as SharedArrayBuffer } from "${MACHINE}";\n`;
    const names = steppedNames(whole.values());
    for (const file of UNSTEPPED) writeFileSync(join(folder, nameOf(file)), prelude + flat(read(file)));
    for (const [name, source] of whole) {
      writeFileSync(join(folder, name), prelude + flat(toCoroutines(source, names)));
    }
    for (const patch of unused) throw new Error(`${patch.file} is not part of the model`);
    const modules = await Promise.all(
      [...whole.keys()].map((name): Promise<object> => import(pathToFileURL(join(folder, name)).href)),
    );
    const layout = await import(pathToFileURL(join(folder, "layout.ts")).href);
    return Object.assign({ layout }, ...modules) as ModelCode;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** All modules of the model lie in one folder. */
function flat(source: string): string {
  return source.replace(/from "\.[./\w]*\/(\w+\.ts)"/g, 'from "./$1"');
}

/** The sources that are made into coroutines as whole files. */
export const WHOLE_FILES: readonly string[] = STEPPED;

/** A stand-in with the members of the real class, the constants and fields that they use, and the real imports. */
function sideOf(template: string, file: string, source: string): string {
  const head: string[] = [];
  for (const [, names = "", path = ""] of source.matchAll(/^import \{([^}]*)\} from "(.*)";$/gm)) {
    for (const name of names.split(",").map((text) => text.trim())) {
      if (name === "" || name.startsWith("type ")) continue;
      const isModelled = [...UNSTEPPED, ...STEPPED].some((known) => nameOf(known) === nameOf(path));
      head.push(isModelled ? `import { ${name} } from "./${nameOf(path)}";` : `const ${name} = Model.inert;`);
    }
  }
  for (const [line] of source.matchAll(/^const [A-Z_]+ = .*;$/gm)) head.push(line);

  const members = (MEMBERS[file] ?? []).map((name) => memberOf(file, source, name));
  const isThere = new Set(MEMBERS[file]);
  for (const [line] of template.matchAll(/^ {2}(?:get )?#?\w+(?:; #\w+)*/gm)) {
    for (const name of line.match(/#?\w+/g) ?? []) isThere.add(name);
  }
  const fields: string[] = [];
  for (;;) {
    const uses = (template + members.join("")).matchAll(/\bthis\.(#\w+|\w+(?=\())/g);
    const [, name] = [...uses].find(([, used = ""]) => !isThere.has(used)) ?? [];
    if (name === undefined) break;
    isThere.add(name);
    const isMethod = new RegExp(`^  (?:async |readonly )?${name}(?:\\(| = \\(.*=>)`, "m").test(source);
    const field = new RegExp(`^  (?:readonly )?${name}\\b.* = .*;$`, "m").exec(source)?.[0];
    if (isMethod) members.push(memberOf(file, source, name));
    else if (name.startsWith("#")) fields.push(field ?? `  ${name} = Model.inert;`);
  }
  return head.join("\n") +
    template.replace("//MEMBERS", () => `${fields.join("\n")}\n\n${members.join("\n\n")}`);
}
