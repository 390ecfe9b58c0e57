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
  nudge(): Steps;
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

/** A record that the I/O side reads from an outbox. */
export interface RecordSide {
  readonly kind: number;
  readonly ticket: number;
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly length: number;
}
