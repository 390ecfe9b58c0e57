/**
 * Tests of the types of params. `deno check` is the test; what runs here only ties the types to the parser.
 * Runs on: any; runtime API: none
 *
 * A wrong name must be an error. That is asserted by types that become `true` or `false`, not by suppressed
 * errors: an assertion that no longer holds then fails by itself.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Handler } from "../../src/handler.ts";
import type { PathParams } from "../../src/router/path_params.ts";
import { parsePattern } from "../../src/router/path_pattern.ts";
import { Router } from "../../src/router/router.ts";
import type { ServerRequest } from "../../src/worker/request.ts";
import { fakeRequest } from "./fake_request.ts";

/** True if both types are the same, `any` and `never` included. */
type Equal<Left, Right> = (<T>() => T extends Left ? 1 : 2) extends (<T>() => T extends Right ? 1 : 2) ? true
  : false;

/** Fails to compile if the argument is not the type that was computed. */
function assertType<Computed extends boolean>(value: Computed): void {
  assert.equal(typeof value, "boolean");
}

test("PathParams has the names of the pattern and no other", () => {
  assertType<Equal<PathParams<"/users/:id">, { id: string }>>(true);
  assertType<Equal<PathParams<"/users/@id">, { id: string }>>(true);
  assertType<Equal<PathParams<"/:a/x/@b">, { a: string; b: string }>>(true);
  assertType<Equal<PathParams<"/:a/*/**/x/:b/*.js">, { a: string; b: string }>>(true);
  // deno-lint-ignore ban-types
  assertType<Equal<PathParams<"/a*b/c:d/e@f/">, {}>>(true);
  // deno-lint-ignore ban-types
  assertType<Equal<PathParams<"/">, {}>>(true);
  assertType<Equal<PathParams<string>, Record<string, string>>>(true);
  assertType<Equal<PathParams<"/a/:x" | "/b/:y">, { x: string } | { y: string }>>(true);

  assertType<Equal<PathParams<"/users/:id">, { name: string }>>(false);
  assertType<Equal<PathParams<"/users/:id">, { id: number }>>(false);
  // deno-lint-ignore no-explicit-any
  assertType<Equal<PathParams<"/users/:id">, any>>(false);
});

test("PathParams takes a pattern of many segments", () => {
  type Ten = "/x/x/x/x/x/x/x/x/x/x";
  type Long = `/:a${Ten}${Ten}${Ten}${Ten}${Ten}${Ten}${Ten}${Ten}/:z`;
  assertType<Equal<PathParams<Long>, { a: string; z: string }>>(true);
});

test("A handler's request has the params of its pattern", () => {
  const seen: string[] = [];
  const router = new Router()
    .get("/users/:id", (request) => {
      assertType<Equal<typeof request.params, { id: string }>>(true);
      assertType<"id" extends keyof typeof request.params ? true : false>(true);
      assertType<"name" extends keyof typeof request.params ? true : false>(false);
      const id: string = request.params.id;
      seen.push(id);
    })
    .add("PURGE", "/@a/:b", (request) => {
      assertType<Equal<keyof typeof request.params, "a" | "b">>(true);
      seen.push(request.params.a, request.params.b);
    })
    .all("/none", (request) => {
      assertType<Equal<keyof typeof request.params, never>>(true);
      seen.push(...Object.keys(request.params));
    });
  router.fetch(fakeRequest("GET", "/users/7"));
  router.fetch(fakeRequest("PURGE", "/x/y"));
  router.fetch(fakeRequest("GET", "/none"));
  assert.deepEqual(seen, ["7", "x", "y"]);
});

test("Router takes handlers with a type of their own, and computed patterns", () => {
  const general: Handler = (request) => request.params["id"] ?? "none";
  const typed = (request: ServerRequest<{ id: string }>): string => request.params.id;
  const prefix: string = "/prefix";
  const computed: string = "/computed/:id";
  const router = new Router()
    .get("/general/:id", general)
    .get("/typed/:id", typed)
    .get(`${prefix}/:id`, (request) => {
      assertType<Equal<typeof request.params, { id: string }>>(true);
      return request.params.id;
    })
    .get(computed, (request) => {
      assertType<Equal<typeof request.params, Record<string, string>>>(true);
      return request.params["id"] ?? "none";
    });
  // A handler that wants a name which the pattern does not have is refused.
  type Add = (pattern: "/other/:name", handler: Handler<PathParams<"/other/:name">>) => unknown;
  assertType<typeof typed extends Parameters<Add>[1] ? true : false>(false);
  for (const path of ["/general/1", "/typed/1", "/prefix/1", "/computed/1"]) {
    assert.equal(router.fetch(fakeRequest("GET", path)), "1", path);
  }
});

test("PathParams and parsePattern find the same names", () => {
  const params: {
    "/users/:id": PathParams<"/users/:id">;
    "/:a/x/@b/**": PathParams<"/:a/x/@b/**">;
    "/a*b/c:d/e@f/": PathParams<"/a*b/c:d/e@f/">;
  } = {
    "/users/:id": { id: "" },
    "/:a/x/@b/**": { a: "", b: "" },
    "/a*b/c:d/e@f/": {},
  };
  for (const [pattern, names] of Object.entries(params)) {
    assert.deepEqual(parsePattern(pattern).names, Object.keys(names), pattern);
  }
});
