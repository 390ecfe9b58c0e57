/**
 * Which route answers a method and a path. The one set of matching rules, for workers and the I/O thread.
 * Runs on: any; runtime API: none
 *
 * One tree per method, one for routes of every method, and over them a map for paths without wildcards, names
 * and percent-encoding. Routes are only ever added, each with a larger order than those before it; therefore
 * a route that is the first for a path stays the first, and the map can be filled when a route is added.
 */
import { PathCaptures } from "./path_captures.ts";
import type { PathPattern } from "./path_pattern.ts";
import { PathSegments } from "./path_segments.ts";
import { NO_ROUTE, RouteTree } from "./route_tree.ts";

/** In place of a method: the route answers every method. */
export const EVERY_METHOD = "*";

/** A route in a table. */
export interface TableRoute<Value> {
  readonly method: string;
  readonly pattern: PathPattern;
  readonly captures: PathCaptures;
  readonly value: Value;
}

/** Why there is no route: nothing fits, or the percent-encoding of the path is malformed. */
export type NoRoute = "unmatched" | "malformed";

/** The routes of one method. */
class MethodRoutes<Value> {
  readonly tree = new RouteTree();
  /** By path, as sent: the routes that are first for it. */
  readonly literals = new Map<string, TableRoute<Value>>();
}

/** Routes in their order of addition. */
export class RouteTable<Value> {
  readonly #routes: TableRoute<Value>[] = [];
  /** By method, those of every method apart. */
  readonly #byMethod = new Map<string, MethodRoutes<Value>>();
  readonly #forEvery = new MethodRoutes<Value>();
  readonly #path = new PathSegments();

  /** All routes, in the order of addition. */
  get routes(): readonly TableRoute<Value>[] {
    return this.#routes;
  }

  /**
   * Adds a route behind all others.
   *
   * @param method a method, or {@link EVERY_METHOD}
   * @returns the earlier route that matches the same paths and leaves nothing to the new one, which was not
   *   added; undefined if it was
   */
  add(method: string, pattern: PathPattern, value: Value): TableRoute<Value> | undefined {
    const order = this.#routes.length;
    let ofMethod = this.#forEvery;
    if (method !== EVERY_METHOD) {
      ofMethod = this.#byMethod.get(method) ?? new MethodRoutes<Value>();
    }
    const earlier = Math.min(ofMethod.tree.orderOf(pattern), this.#forEvery.tree.orderOf(pattern));
    if (earlier !== NO_ROUTE) return this.#routes[earlier];

    if (method !== EVERY_METHOD) this.#byMethod.set(method, ofMethod);
    const route = { method, pattern, captures: new PathCaptures(pattern), value };
    this.#routes.push(route);
    ofMethod.tree.add(pattern, order);
    if (pattern.isLiteral) {
      const path = pattern.segments.map((segment) => "text" in segment ? `/${segment.text}` : "").join("");
      if (this.#isFirst(method, path, order)) ofMethod.literals.set(path, route);
    }
    return undefined;
  }

  /**
   * True if `path` is answered by the route just added, whatever comes later: for `method`, or for every
   * method. Not so if an earlier route takes it, nor if the text of a segment has a "/" or "%", which must be
   * sent encoded.
   */
  #isFirst(method: string, path: string, order: number): boolean {
    if (!this.#path.split(path)) return false;
    if (method !== EVERY_METHOD) return this.#first(method, this.#byMethod.get(method)) === order;
    for (const ofMethod of this.#byMethod.values()) {
      if (ofMethod.tree.find(this.#path, order) !== order) return false;
    }
    return this.#forEvery.tree.find(this.#path, NO_ROUTE) === order;
  }

  /**
   * Finds the route for a request: the first in the order of addition that has its method, or every method,
   * and matches its path. HEAD is answered by a route of its own if there is one, otherwise as GET is.
   *
   * @param path as sent (percent-encoded, without the query)
   */
  find(method: string, path: string): TableRoute<Value> | NoRoute {
    const ofMethod = this.#byMethod.get(method);
    const literal = ofMethod?.literals.get(path) ?? this.#forEvery.literals.get(path);
    if (literal !== undefined) return literal;
    if (!path.startsWith("/")) return "unmatched";
    if (!this.#path.split(path)) return "malformed";
    const order = this.#first(method, ofMethod);
    return order === NO_ROUTE ? "unmatched" : this.#routes[order] as TableRoute<Value>;
  }

  /** The params of the route that the last `find` returned. */
  params(route: TableRoute<Value>): Record<string, string> {
    return route.captures.read(this.#path);
  }

  /**
   * The methods that have a route for a path, in the order in which they were first added; not those of every
   * method.
   */
  methodsFor(path: string): string[] {
    const methods: string[] = [];
    if (!path.startsWith("/") || !this.#path.split(path)) return methods;
    for (const [method, ofMethod] of this.#byMethod) {
      if (ofMethod.tree.find(this.#path, NO_ROUTE) !== NO_ROUTE) methods.push(method);
    }
    return methods;
  }

  /** The order of the route for the path that was split last. */
  #first(method: string, ofMethod: MethodRoutes<Value> | undefined): number {
    const order = this.#firstOf(ofMethod);
    if (method !== "HEAD" || (order !== NO_ROUTE && this.#routes[order]?.method === "HEAD")) return order;
    return this.#firstOf(this.#byMethod.get("GET"));
  }

  #firstOf(ofMethod: MethodRoutes<Value> | undefined): number {
    const order = ofMethod === undefined ? NO_ROUTE : ofMethod.tree.find(this.#path, NO_ROUTE);
    return this.#forEvery.tree.find(this.#path, order);
  }
}
