/**
 * Where the code of a worker thread lies; written once, because a build may have to change it.
 * Runs on: I/O thread; runtime API: none
 *
 * Normally that is a module of this library. When an app was bundled into one file, that module is not there, and the
 * bundle itself is the entry: it calls `serve`, and `serve` in a worker starts the worker.
 */
import { existsSync } from "node:fs";

/** The URL of the worker's entry module. @param moduleUrl the user's module */
export function workerEntry(moduleUrl: string): URL {
  const entry = new URL("../../workers/handler_worker.ts", import.meta.url);
  if (entry.protocol === "file:") return existsSync(entry) ? entry : new URL(moduleUrl);
  // Deno, imported from a registry: threads take no other scheme than file and data.
  return new URL(`data:text/javascript,import ${encodeURIComponent(JSON.stringify(entry.href))};`);
}
