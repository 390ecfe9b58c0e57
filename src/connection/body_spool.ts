/**
 * How much of a body is collected before a worker is asked, and when that ends.
 * Runs on: I/O thread; runtime API: none
 *
 * The octets lie in the exchange's `BodyFeed`; here they are counted, for this body (`spoolBodyBytes`) and for all
 * connections together (`spoolTotalBytes`). A body that outgrows either is streamed: its request goes ahead of it.
 */
import type { ConnectionHost } from "./http_connection.ts";

/** The count of one connection: one body at a time. */
export class BodySpool {
  /** A body is being collected. */
  isOpen = false;
  readonly #host: ConnectionHost;
  #limit = 0;
  #bytes = 0;

  constructor(host: ConnectionHost) {
    this.#host = host;
  }

  /** Begins with a body. @param limit octets of it that may be collected; 0: the request goes ahead of it */
  begin(limit: number): void {
    this.isOpen = true;
    this.#limit = limit;
  }

  /** So many octets came. */
  add(length: number): void {
    this.#bytes += length;
    this.#host.spooledBytes += length;
  }

  /** Whether the body has to be streamed instead. @param left octets of it that are known to come */
  isFull(left: number): boolean {
    // How long a chunked body will be is not known: one that must not be collected goes ahead of its first octet.
    return this.#limit === 0 || left + this.#bytes > this.#limit ||
      this.#host.spooledBytes > this.#host.settings.spoolTotalBytes;
  }

  /** Nothing more is collected. What was counts until `release`. */
  end(): void {
    this.isOpen = false;
  }

  /** The octets are with a worker, or dropped. */
  release(): void {
    this.#host.spooledBytes -= this.#bytes;
    this.#bytes = 0;
  }
}
