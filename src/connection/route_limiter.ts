/**
 * The limits that hold for one request: its route's, else the server's.
 * Runs on: I/O thread; runtime API: none
 *
 * Limits of routes are needed before a worker sees the request (a body that is too long is refused, not read), so the
 * workers tell their routes when they start. A path is made of octets only if some route has a limit of its own.
 */
import type { HeadParser } from "../http/request_parser.ts";
import type { Settings } from "../options.ts";
import type { BodyLimits } from "./http_connection.ts";

/** What one route says about limits; what it leaves out is the server's. */
export interface RouteLimit {
  readonly maxBodyBytes?: number;
  readonly deadlineMs?: number;
  readonly spoolBodyBytes?: number;
}

/** What routes say about limits. */
export interface RouteLimits {
  /** The options of the route that will answer this request. */
  lookup(method: string, path: string): RouteLimit;
  /** Whether any route has a deadline of its own: only then is every request looked up. */
  readonly hasDeadlines: boolean;
}

/** Finds limits. One per server. */
export class RouteLimiter {
  /** Null: no route has a limit of its own, or none is known yet. */
  routes: RouteLimits | null = null;
  readonly #settings: Settings;
  /** What `bodyLimits` gave last: one object for all requests. */
  readonly #bodyLimits = { maxBytes: 0, spoolBytes: 0 };

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** The limits of the body behind this head; valid until the next call. */
  bodyLimits(parser: HeadParser, head: Uint8Array, start: number): BodyLimits {
    const route = this.#routeOf(parser, head, start);
    const { maxBodyBytes, spoolBodyBytes } = this.#settings;
    // 0 means no limit, for a route and for the server.
    this.#bodyLimits.maxBytes = (route?.maxBodyBytes ?? maxBodyBytes) || Infinity;
    this.#bodyLimits.spoolBytes = route?.spoolBodyBytes ?? spoolBodyBytes;
    return this.#bodyLimits;
  }

  /** How long the handler of this request may take, ms; 0: for ever. */
  deadlineMs(parser: HeadParser, head: Uint8Array, start: number): number {
    if (this.routes === null || !this.routes.hasDeadlines) return this.#settings.deadlineMs;
    return this.#routeOf(parser, head, start)?.deadlineMs ?? this.#settings.deadlineMs;
  }

  #routeOf(parser: HeadParser, head: Uint8Array, start: number): RouteLimit | undefined {
    if (this.routes === null) return undefined;
    const text = (from: number, to: number): string =>
      String.fromCharCode(...head.subarray(start + from, start + to));
    let path = text(parser.targetStart, parser.targetEnd);
    const scheme = path.startsWith("/") ? -1 : path.indexOf("://");
    if (scheme >= 0) path = path.slice(scheme + 3).replace(/^[^/?]*/, "");
    const query = path.indexOf("?");
    if (query >= 0) path = path.slice(0, query);
    return this.routes.lookup(text(parser.headStart, parser.methodEnd), path === "" ? "/" : path);
  }
}
