/**
 * Who a temporary file belongs to, written into its name: what the dead leave is told from what is in use at once.
 * Runs on: any; runtime API: none
 *
 *     <pid>-<start>-<space>-<thread>       4711-8156234-91af03d2c4e7-1f0c22aa_5_2
 *
 * Process, start and space are those of `lease_owner.ts` (the space, with the host, as a hash); thread is a worker
 * of a server (`worker/thread_life.ts`), or "0" for any other thread. No dots: the tag is one part of a file name.
 */
import { createHash } from "node:crypto";
import { workerContext } from "../worker/context.ts";
import { isGone, thisOwner } from "./lease_owner.ts";

const TAG = /^(\d+)-(\d*)-([0-9a-f]{12})-([0-9a-f_]+)$/;
const OTHER_THREAD = "0";

/** What is known of an owner. */
export type OwnerState = "alive" | "gone" | "unknown";

const here = thisOwner();
const space = createHash("sha256").update(`${here.host} ${here.space}`).digest("hex").slice(0, 12);

/** The tag of this thread. */
export function ownerTag(): string {
  return `${here.pid}-${here.started}-${space}-${workerContext()?.life.name ?? OTHER_THREAD}`;
}

/** What is known of the owner that a tag names; a text that is no tag names nobody that is known. */
export function ownerState(tag: string): OwnerState {
  const match = TAG.exec(tag);
  if (match === null) return "unknown";
  const [, pid = "", started = "", itsSpace, thread = ""] = match;
  // A number from elsewhere means nothing here.
  if (itsSpace !== space) return "unknown";
  const owner = { ...here, pid: Number(pid), started };
  if (isGone(owner, here)) return "gone";
  if (owner.pid !== here.pid) return "unknown";
  const isAlive = workerContext()?.life.isAlive(thread);
  return isAlive === undefined ? "unknown" : isAlive ? "alive" : "gone";
}
