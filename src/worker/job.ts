/**
 * What the worker's loop knows of the work it has begun: a request, or a batch of WebSocket events.
 * Runs on: worker; runtime API: none
 */
import type { BodyReader } from "./body_reader.ts";

/** A piece of work under a ticket. */
export interface Job {
  readonly ticket: number;
  /** Nothing more will be said about the ticket. */
  readonly done: boolean;
  /** The I/O thread was told that it stays with this worker. */
  isTaken: boolean;
  /** What the inbox brings for it. */
  readonly body: BodyReader | null;
  /** The I/O thread gives it up. */
  abort(reason: number): void;
  /** The client took so many octets. */
  credit(bytes: number): void;
}
