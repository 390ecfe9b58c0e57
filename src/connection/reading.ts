/**
 * Where the reading side of an HTTP connection is.
 * Runs on: I/O thread; runtime API: none
 */

/** What the next octet belongs to. */
export const Reading = {
  Head: 0,
  /** A body whose length is known. */
  Length: 1,
  Chunked: 2,
  /** A whole request waits for room in the ring. */
  Held: 3,
  /** Nothing more is read as a request; octets are thrown away. */
  Closed: 4,
} as const;
export type Reading = typeof Reading[keyof typeof Reading];
