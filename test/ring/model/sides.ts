/**
 * The types of what `sources.ts` makes out of production code: every method is a coroutine there.
 * Runs on: any; runtime API: none
 */
import type { Steps } from "./machine.ts";

/** `WorkerHandle` as coroutines. */
export interface HandleSide {
  readonly seat: number;
  state: number;
  hasExited: boolean;
  isZombie: boolean;
  send(kind: number, ticket: number, a: number, bytes: Uint8Array | null): Steps;
}

/** The protocol's part of `WorkerThread`. */
export interface WorkerSide {
  run(): Steps<string>;
}

/** The protocol's part of `IoThread`. */
export interface IoSide {
  readonly waker: unknown;
  readonly held: number;
  readonly isWatching: boolean;
  attach(worker: HandleSide): Steps;
  begin(): Steps;
  turn(count: number): Steps;
  bell(): Steps;
  look(): Steps;
  tick(): Steps;
  shed(): Steps;
}

/** The protocol's part of `Pool`. */
export interface PoolSide {
  connect(io: IoSide): Steps;
  employ(worker: HandleSide): Steps;
  exited(worker: HandleSide): Steps;
  giveUp(worker: HandleSide): Steps;
  goodbye(worker: HandleSide): Steps;
  onTick(): Steps;
  readonly deadSeats: ReadonlySet<number>;
}

/** `RequestProducer` as coroutines. */
export interface ProducerSide {
  readonly data: Uint8Array;
  reserve(length: number): Steps<number>;
  commit(kind: number, ticket: number, length: number): Steps<void>;
  repair(seat: number, onTicket: (ticket: number) => void): Steps<void>;
}

/** `RequestConsumer` as coroutines. */
export interface ConsumerSide {
  readonly ticket: number;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
  hasWork(): Steps<boolean>;
  claim(): Steps<number>;
}

/** `ChannelProducer` as coroutines. */
export interface ChannelProducerSide {
  readonly bytes: Uint8Array;
  reserve(length: number): Steps<number>;
  commit(
    kind: number,
    ticket: number,
    connection: number,
    length: number,
    a: number,
    b: number,
  ): Steps<void>;
}

/** `Parking` as coroutines. */
export interface ParkingSide {
  announce(): Steps<void>;
  cancel(): Steps<void>;
  block(timeoutMs: number): Steps<void>;
}

/** `Waker` as coroutines. */
export interface WakerSide {
  wake(count: number): Steps<number>;
}

/** `ChannelConsumer` as coroutines. */
export interface RecordSide {
  next(): Steps<boolean>;
  readonly kind: number;
  readonly ticket: number;
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly length: number;
}
