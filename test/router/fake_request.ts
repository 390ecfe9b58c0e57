/**
 * A request as far as the router looks at it, and what came of it, for tests that run without a server.
 * Runs on: any; runtime API: none
 *
 * The request is no `ServerRequest`, only enough of one: a method, a path and a place for the params.
 */
import assert from "node:assert/strict";
import type { HandlerResult } from "../../src/handler.ts";
import type { Router } from "../../src/router/router.ts";
import type { ServerRequest } from "../../src/worker/request.ts";

/** Makes a request. `path` is as sent: percent-encoded, without the query. */
export function fakeRequest(method: string, path: string): ServerRequest {
  const request = { method, path, url: `http://localhost${path}`, params: {} };
  return request as unknown as ServerRequest;
}

/** Sends a request that must be answered at once by a `Response`. */
export function fetchResponse(router: Router, method: string, path: string): Response {
  const result = router.fetch(fakeRequest(method, path));
  assert.ok(result instanceof Response, `${method} ${path} gave ${String(result)}`);
  return result;
}

/** What happened in the form of the vectors: the result of a handler, or status and Allow. */
export function outcomeOf(result: HandlerResult | Promise<HandlerResult>): string {
  if (!(result instanceof Response)) return String(result);
  const allow = result.headers.get("allow");
  return allow === null ? String(result.status) : `${result.status} ${allow}`;
}
