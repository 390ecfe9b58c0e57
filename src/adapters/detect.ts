/**
 * Picks the adapter of the runtime that this is. Nothing else in the library asks.
 * Runs on: I/O thread; runtime API: adapters only
 *
 * Imported on demand, so that a runtime never loads the adapter of another.
 */
import { CartoucheError } from "../errors.ts";
import type { Adapter } from "./adapter.ts";

/**
 * The adapter of this runtime.
 * @throws CartoucheError `ERR_RUNTIME` on a runtime that is none of Deno, Bun and Node
 */
export async function detectAdapter(): Promise<Adapter> {
  // Deno and Bun both have `process.versions.node`, so Node is asked for last.
  if ("Deno" in globalThis) return (await import("./deno.ts")).adapter;
  if ("Bun" in globalThis) return (await import("./bun.ts")).adapter;
  const { process } = globalThis as { process?: { versions?: { node?: string } } };
  if (process?.versions?.node !== undefined) return (await import("./node.ts")).adapter;
  throw new CartoucheError("ERR_RUNTIME", "Cartouche needs Deno, Bun or Node");
}
