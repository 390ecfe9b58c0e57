/**
 * The adapter of Deno: `node:net`, as on Node.
 * Runs on: I/O thread; runtime API: adapters only
 *
 * Chosen over `Deno.listen` by measuring (docs/adapters.md): with the shared read buffer it is as fast for small
 * requests, a saturated connection costs half the memory and an idle one a quarter less, and a write tells at once
 * whether the kernel took it, where `Deno.Conn.write` is a promise each.
 *
 * Two weaknesses of Deno 2.9.6 are met here. Its loop reads a saturated connection without looking at the others
 * (`Deno.listen` as well), so such a connection is made to rest. And it forgets a TCP listener whose accept failed
 * because descriptors were used up; telling the handle to listen once more wakes it, without a system call. A unix
 * socket has no such remedy.
 */
import type { Adapter } from "./adapter.ts";
import { netAdapter } from "./node_net.ts";

/** With rests of 1 ms this bounds one connection to about 500 MiB/s, and what others wait for to some ms. */
const READ_BURST_BYTES = 1_048_576;

/** How long a listener may stay deaf after a failed accept. */
const ACCEPT_RETRY_MS = 1_000;

/** Byte streams on Deno. */
export const adapter: Adapter = netAdapter({
  runtime: "deno",
  stopsBusyThreads: false,
  readBurstBytes: READ_BURST_BYTES,
  acceptRetryMs: ACCEPT_RETRY_MS,
});
