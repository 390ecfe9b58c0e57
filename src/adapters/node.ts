/**
 * The adapter of Node: `node:net`.
 * Runs on: I/O thread; runtime API: adapters only
 *
 * Node 20, 22 and 24. Several listeners on one port (`reusePort`) need Node 22.12 or 23.1; before, the second one
 * fails with `ERR_LISTEN`. When descriptors are used up, Node closes the connections it cannot keep and says
 * nothing.
 */
import type { Adapter } from "./adapter.ts";
import { netAdapter } from "./node_net.ts";

/** Byte streams on Node. */
export const adapter: Adapter = netAdapter({ runtime: "node", stopsBusyThreads: true });
