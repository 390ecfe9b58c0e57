/**
 * The types that an app and its handlers are made of.
 * Runs on: any; runtime API: none
 */
import type { RouteOptions } from "./router/route_options.ts";
import type { ServerRequest } from "./worker/request.ts";

/** What a handler may return: a web or fast `Response`, text (200, text/plain), bytes, or nothing after `respond()`. */
export type HandlerResult = Response | string | Uint8Array | ArrayBuffer | undefined | void;

/** Answers one request. It may block its thread, and it may be async. */
export type Handler<Params extends object = Record<string, string>> = (
  request: ServerRequest<Params>,
) => HandlerResult | Promise<HandlerResult>;

/** Runs around handlers: look at the request, call `next` (or not), look at its result. */
export type Middleware = (
  request: ServerRequest,
  next: () => HandlerResult | Promise<HandlerResult>,
) => HandlerResult | Promise<HandlerResult>;

/** What a module that is served exports by default: the shape that Bun, Deno, Hono and h3 share. */
export interface FetchApp {
  fetch(request: ServerRequest & Request, ...rest: never[]): unknown;
  /** The limits that the app needs in place of the server's, when it is mounted or served as it is. */
  readonly routeOptions?: RouteOptions;
}
