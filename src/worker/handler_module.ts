/**
 * Loads the user's module and finds the app in it.
 * Runs on: worker; runtime API: none
 *
 * The default export is an object with `fetch` (a Router, a Hono app, …), or a function that is the handler itself.
 */
import { CartoucheError } from "../errors.ts";
import type { FetchApp, HandlerResult } from "../handler.ts";
import { checkRouteOptions, type RouteRecord } from "../router/route_options.ts";
import type { ServerRequest } from "./request.ts";
import { setAppSocketHandlers } from "./socket_registry.ts";
import type { WebSocketHandlers } from "./web_socket.ts";

/** What the worker calls. */
export type FetchFunction = (request: ServerRequest) => HandlerResult | Promise<HandlerResult>;

/** A loaded app. */
export interface LoadedApp {
  readonly fetch: FetchFunction;
  /** What the app says about limits. */
  readonly routes: readonly RouteRecord[];
}

/**
 * Imports a module and takes its app.
 *
 * @throws whatever the module throws; CartoucheError `ERR_APP` when it exports no app
 */
export async function loadApp(url: string): Promise<LoadedApp> {
  const module = await import(url) as { default?: unknown };
  const app = module.default;
  if (typeof app === "function") return { fetch: app as FetchFunction, routes: [] };
  if (typeof app === "object" && app !== null && "fetch" in app && typeof app.fetch === "function") {
    const fetch = app.fetch as FetchFunction;
    if ("websocket" in app && typeof app.websocket === "object" && app.websocket !== null) {
      setAppSocketHandlers(app.websocket as WebSocketHandlers);
    }
    const bound: FetchFunction = (request) => fetch.call(app, request);
    return { fetch: bound, routes: routesOf(app as FetchApp) };
  }
  throw new CartoucheError("ERR_APP", `${url} has no default export with a fetch function`);
}

/** What an app says about limits: a router by its routes, any other for all requests. */
function routesOf(app: FetchApp): readonly RouteRecord[] {
  if ("routes" in app && typeof app.routes === "function") return app.routes() as readonly RouteRecord[];
  const { routeOptions } = app;
  if (routeOptions === undefined) return [];
  return [{ method: "*", pattern: "/**", options: checkRouteOptions(routeOptions) }];
}
