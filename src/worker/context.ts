/**
 * What code in a worker can reach without having been handed it: the thread's log, its seat, its life.
 * Runs on: any; runtime API: none
 */
import type { ThreadLog } from "../logging/logger.ts";
import type { SocketPort } from "../messages/socket_port.ts";
import type { ThreadLife } from "./thread_life.ts";

/** Facts about the thread that this code runs on. */
export interface WorkerContext {
  readonly log: ThreadLog;
  readonly seat: number;
  readonly life: ThreadLife;
  /** null until the app is loaded. */
  readonly port: SocketPort | null;
}

let context: WorkerContext | null = null;

/** Set once, when the thread starts. */
export function setWorkerContext(value: WorkerContext): void {
  context = value;
}

/** null on a thread that is no worker of a server. */
export function workerContext(): WorkerContext | null {
  return context;
}
