/**
 * Which files this process has open, for tests that look for descriptors left behind.
 * Runs on: any; runtime API: none
 *
 * Linux only, from /proc; elsewhere the list is empty, and such a test finds nothing.
 */
import { readdirSync, readlinkSync } from "node:fs";
import { platform } from "node:process";

/** The paths of open files below a folder. */
export function openFilesIn(directory: string): string[] {
  if (platform !== "linux") return [];
  const targets: string[] = [];
  for (const name of readdirSync("/proc/self/fd")) {
    try {
      targets.push(readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // The descriptor by which the list was read.
    }
  }
  return targets.filter((target) => target.startsWith(directory));
}
