/**
 * Who holds a lease, and whether that one is gone for sure.
 * Runs on: any; runtime API: none
 *
 * A dead process can be known; a dead thread cannot, and is given up for want of a heartbeat. Both answers
 * may be wrong in one direction only: "not known to be gone". So the number of a process counts only where it was
 * given: on this host, in this boot of it, in this namespace of process numbers (containers may share a host name).
 */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import process from "node:process";
import { threadId } from "node:worker_threads";
import type { LeaseOwner } from "./lease_record.ts";
import { hasCode } from "./store_fs.ts";

/** This thread. */
export function thisOwner(): LeaseOwner {
  const { pid } = process;
  return { pid, started: processStart(pid), host: hostname(), space: processSpace(), thread: threadId };
}

/** Whether the owner's process is known to be gone; then nothing of it can be under way. */
export function isGone(owner: LeaseOwner | null, here: LeaseOwner): boolean {
  if (owner === null || owner.host !== here.host || owner.space !== here.space) return false;
  if (owner.pid !== here.pid) {
    try {
      process.kill(owner.pid, 0);
    } catch (error) {
      return hasCode(error, "ESRCH");
    }
  }
  // The number may be in use again: by another program, or by this one after a restart in a container.
  const started = processStart(owner.pid);
  return started !== "" && owner.started !== "" && started !== owner.started;
}

/** The boot and the namespace of process numbers (Linux); "" elsewhere. */
function processSpace(): string {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return "";
  }
}

/** When a process began, in clock ticks since boot (Linux); "" elsewhere or when there is no such process. */
function processStart(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the command in parentheses, which may hold blanks and parentheses. Start time is
    // the 22nd.
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}
