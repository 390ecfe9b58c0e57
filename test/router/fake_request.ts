/**
 * A request as far as the router looks at it, for tests that run without a server.
 * Runs on: any; runtime API: none
 *
 * It is no `ServerRequest`, only enough of one: a method, a path and a place for the params.
 */
import type { ServerRequest } from "../../src/worker/request.ts";

/** Makes a request. `path` is as sent: percent-encoded, without the query. */
export function fakeRequest(method: string, path: string): ServerRequest {
  const request = { method, path, url: `http://localhost${path}`, params: {} };
  return request as unknown as ServerRequest;
}
