/**
 * What handing something from one thread to another costs: the request ring, and a channel (inbox or outbox).
 * Runs on: any; runtime API: none
 *
 *     deno run -A bench/ring/ring_bench.ts      bun bench/ring/ring_bench.ts      node bench/ring/ring_bench.ts
 *
 * Needs two idle cores, about 10 s. First both ends on one thread, which is what the code alone costs; then a second
 * thread at the other end, which adds the way of the cache lines, and the wake-ups where it sleeps. Records have 128
 * octets, a small request with its table. Every sample checks that the consumer saw each record once, by the sums of
 * tickets and of first octets. Figures are ns per record: the median over samples.
 */
import assert from "node:assert/strict";
import { cpus } from "node:os";
import process from "node:process";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Bench } from "tinybench";
import { ChannelConsumer, ChannelProducer } from "../../src/ring/channel.ts";
import {
  type ChannelBuffers,
  createChannelBuffers,
  createSharedRing,
  type SharedRing,
} from "../../src/ring/layout.ts";
import { Parking, Waker } from "../../src/ring/parking.ts";
import { Claim, RequestConsumer } from "../../src/ring/request_consumer.ts";
import { RequestProducer } from "../../src/ring/request_producer.ts";

const RECORD_BYTES = 128;
/** Records of a sample on one thread, and on two. */
const ALONE = 4096;
const ACROSS = 200_000;
const BATCH = 32;
const SLOTS = 1024;
const BYTES = 1 << 20;
const KIND = 1;

/** How the other thread takes what is handed over. */
const MODES = ["ring", "ring, asleep", "channel"] as const;
type Mode = typeof MODES[number];

interface Shared {
  readonly ring: SharedRing;
  readonly channel: ChannelBuffers;
}

/** What a consumer saw. */
interface Sums {
  tickets: number;
  octets: number;
}

const RECORD = new Uint8Array(RECORD_BYTES).fill(7);

function check({ tickets, octets }: Sums, count: number): void {
  assert.equal(tickets, count * (count + 1) / 2);
  assert.equal(octets, count * 7);
}

function pushRequest(producer: RequestProducer, ticket: number): boolean {
  const at = producer.reserve(RECORD_BYTES);
  if (at < 0) return false;
  producer.data.set(RECORD, at);
  producer.commit(KIND, ticket, RECORD_BYTES);
  return true;
}

function pushRecord(producer: ChannelProducer, ticket: number): boolean {
  const at = producer.reserve(RECORD_BYTES);
  if (at < 0) return false;
  producer.bytes.set(RECORD, at);
  producer.commit(KIND, ticket, 0, RECORD_BYTES, 0, 0);
  return true;
}

// ── one thread ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Requests through a ring, `batch` at a time. */
function requestsAlone(batch: number): () => void {
  const ring = createSharedRing(SLOTS, BYTES, 1);
  const producer = new RequestProducer(ring);
  const consumer = new RequestConsumer(ring, 0);
  return () => {
    const sums: Sums = { tickets: 0, octets: 0 };
    for (let ticket = 1; ticket <= ALONE;) {
      for (let i = 0; i < batch; i++) {
        if (!pushRequest(producer, ticket++)) throw new Error("The ring is full.");
      }
      while (consumer.claim() === Claim.Taken) {
        sums.tickets += consumer.ticket;
        sums.octets += consumer.bytes[consumer.start] ?? 0;
      }
    }
    check(sums, ALONE);
  };
}

/** Records through a channel; room is given back after each `batch`. */
function recordsAlone(batch: number): () => void {
  const buffers = createChannelBuffers(SLOTS, BYTES);
  const producer = new ChannelProducer(buffers);
  const consumer = new ChannelConsumer(buffers);
  return () => {
    const sums: Sums = { tickets: 0, octets: 0 };
    for (let ticket = 1; ticket <= ALONE;) {
      for (let i = 0; i < batch; i++) {
        if (!pushRecord(producer, ticket++)) throw new Error("The channel is full.");
      }
      takeRecords(consumer, sums);
    }
    check(sums, ALONE);
  };
}

function takeRecords(consumer: ChannelConsumer, sums: Sums): void {
  while (consumer.next()) {
    sums.tickets += consumer.ticket;
    sums.octets += consumer.bytes[consumer.offset] ?? 0;
  }
  consumer.release();
}

// ── two threads ────────────────────────────────────────────────────────────────────────────────────────────────────

/** The other thread: takes so many records, and says what it saw. */
function consume({ ring, channel }: Shared): void {
  const requests = new RequestConsumer(ring, 0);
  const records = new ChannelConsumer(channel);
  const parking = new Parking(ring, 0);
  const last = ACROSS * (ACROSS + 1) / 2;
  parentPort?.on("message", (mode: Mode) => {
    const sums: Sums = { tickets: 0, octets: 0 };
    while (sums.tickets < last) {
      if (mode === "channel") {
        takeRecords(records, sums);
        continue;
      }
      while (requests.claim() === Claim.Taken) {
        sums.tickets += requests.ticket;
        sums.octets += requests.bytes[requests.start] ?? 0;
      }
      if (mode === "ring" || sums.tickets >= last) continue;
      parking.announce();
      if (!requests.hasWork()) parking.block(Infinity);
      parking.cancel();
    }
    parentPort?.postMessage(sums);
  });
}

/** Records to the other thread, as fast as it takes them. */
function across(worker: Worker, { ring, channel }: Shared, mode: Mode): () => Promise<void> {
  const requests = new RequestProducer(ring);
  const records = new ChannelProducer(channel);
  const waker = new Waker(ring);
  return async () => {
    const seen = new Promise<Sums>((resolve) => worker.once("message", resolve));
    worker.postMessage(mode);
    for (let ticket = 1; ticket <= ACROSS;) {
      if (mode === "channel" ? pushRecord(records, ticket) : pushRequest(requests, ticket)) ticket++;
      // As the I/O thread does: once for what came together, not for each.
      if (mode === "ring, asleep" && (ticket % BATCH === 0 || ticket > ACROSS)) waker.wake(1);
    }
    check(await seen, ACROSS);
  };
}

async function main(): Promise<void> {
  const alone = new Bench({ time: 500, warmupTime: 200 });
  alone.add("request ring, each claimed at once", requestsAlone(1));
  alone.add(`request ring, ${BATCH} at a time`, requestsAlone(BATCH));
  alone.add("channel, room given back for each", recordsAlone(1));
  alone.add(`channel, room given back for ${BATCH}`, recordsAlone(BATCH));
  await alone.run();

  const pair = new Bench({ time: 1000, iterations: 10, warmupTime: 300 });
  const threads: Worker[] = [];
  for (const mode of MODES) {
    const shared: Shared = {
      ring: createSharedRing(SLOTS, BYTES, 1),
      channel: createChannelBuffers(SLOTS, BYTES),
    };
    const worker = new Worker(new URL(import.meta.url), { workerData: shared });
    threads.push(worker);
    pair.add(`to another thread: ${mode}`, across(worker, shared, mode));
  }
  await pair.run();
  for (const worker of threads) void worker.terminate();

  const { versions } = process as { versions: Record<string, string | undefined> };
  const runtime = versions["deno"] !== undefined
    ? `Deno ${versions["deno"]}`
    : versions["bun"] !== undefined
    ? `Bun ${versions["bun"]}`
    : `Node ${process.version}`;
  console.log(`${runtime}; ${cpus().length} × ${cpus()[0]?.model ?? "unknown"}; ns per record, median`);
  for (const [{ tasks }, count] of [[alone, ALONE], [pair, ACROSS]] as const) {
    for (const { name, result } of tasks) {
      if (!("latency" in result)) throw new Error(`${name} did not run: ${result.state}`);
      console.log(`${name.padEnd(40)}${(result.latency.p50 * 1e6 / count).toFixed(1).padStart(8)}`);
    }
  }
}

if (isMainThread) {
  await main();
  process.exit(0);
} else consume(workerData as Shared);
