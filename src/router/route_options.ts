/**
 * What a route may ask of the server, and how the I/O thread learns it before any handler runs.
 * Runs on: any; runtime API: none
 *
 * The router of a worker lists its routes with {@link RouteRecord}, which can be sent between threads; the
 * I/O thread builds a {@link RouteOptionsTable} from the list. Both match with the same table.
 */
import { CartoucheError } from "../errors.ts";
import { parsePattern } from "./path_pattern.ts";
import { RouteTable } from "./route_table.ts";

/** What one route does with its requests. What is left out is as the server's options say. */
export interface RouteOptions {
  /**
   * The largest request body, in octets; the client gets 413 (Content Too Large) when it is exceeded. 0: no
   * limit. Default: the server's `maxBodyBytes`.
   */
  readonly maxBodyBytes?: number;
  /**
   * How long the handler may take, in milliseconds; then the client gets 503 (Service Unavailable) and the
   * handler is given up. 0: no limit. Default: the server's `deadlineMs`.
   */
  readonly deadlineMs?: number;
  /**
   * How much of a request body is collected before a thread is asked to run, in octets; a longer body is streamed to
   * the handler while it arrives. 0: the handler runs as soon as the header section is there, so that it has whatever
   * comes of a body that breaks off. Default: the server's `spoolBodyBytes`.
   */
  readonly spoolBodyBytes?: number;
}

/** The names of {@link RouteOptions}. */
const NAMES: ReadonlySet<string> = new Set<keyof RouteOptions>([
  "maxBodyBytes",
  "deadlineMs",
  "spoolBodyBytes",
]);

/** One route as `router.routes()` lists it: plain data that can be sent to another thread. */
export interface RouteRecord {
  /** The method, or "*" for every method. */
  readonly method: string;
  /** The pattern as it was written (below a mounted router, with the prefix). */
  readonly pattern: string;
  readonly options: RouteOptions;
}

/** The options of a route that has none. */
export const NO_OPTIONS: RouteOptions = Object.freeze({});

/**
 * Checks and copies the options of a route.
 *
 * @throws CartoucheError `ERR_OPTION` if one is not a whole number from 0 to 2^53 − 1, or unknown
 */
export function checkRouteOptions(options: RouteOptions): RouteOptions {
  for (const [name, value] of Object.entries(options)) {
    if (!NAMES.has(name)) {
      throw new CartoucheError("ERR_OPTION", `Cannot add the route: it has no option "${name}"`);
    }
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new CartoucheError(
        "ERR_OPTION",
        `Cannot add the route: ${name} must be a whole number from 0 to 2^53 - 1, got ${String(value)}`,
      );
    }
  }
  return Object.freeze({ ...options });
}

/** Answers for the I/O thread which options apply to a request. */
export class RouteOptionsTable {
  readonly #table = new RouteTable<RouteOptions>();
  /** False if no route has options, so that nobody needs to ask. */
  readonly hasOptions: boolean;

  /** @param records what `router.routes()` returned, in that order */
  constructor(records: readonly RouteRecord[]) {
    for (const { method, pattern, options } of records) {
      // A mounted router lists its routes with one that catches the rest; the table drops what cannot be
      // reached.
      this.#table.add(method, parsePattern(pattern), options);
    }
    this.hasOptions = records.some(({ options }) => Object.keys(options).length > 0);
  }

  /**
   * The options of the route that answers this request; an empty object if there is none.
   *
   * @param path as sent: percent-encoded, without the query
   */
  lookup(method: string, path: string): RouteOptions {
    const route = this.#table.find(method, path);
    return typeof route === "string" ? NO_OPTIONS : route.value;
  }
}
