/**
 * How long a connection that this side has ended is kept for its peer.
 * Runs on: I/O thread; runtime API: none
 *
 * RFC 9112 section 9.6. What the kernel has of a complete response is still the peer's to read, and nobody here learns
 * when it has. A reset makes both kernels throw that away, and the kernel resets by itself when octets come that nobody
 * reads. So behind our FIN whatever comes is read and thrown away until the peer ends its side; after a while the
 * connection is closed without a reset, and the kernel goes on delivering alone.
 */

/** The longest that a connection is kept, whatever the options say: so many of them cannot pile up, ms. */
const MAX_LINGER_MS = 30_000;

/** After a refusal a peer may go on sending for this long before it is reset, ms. */
export const REFUSED_LINGER_MS = 2_000;

/** How long behind our FIN the peer may take to end its side, ms. */
export function lingerMs(writeTimeoutMs: number): number {
  return writeTimeoutMs === 0 ? MAX_LINGER_MS : Math.min(writeTimeoutMs, MAX_LINGER_MS);
}
