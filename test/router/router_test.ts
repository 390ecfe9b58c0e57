/**
 * Tests of the router: which route answers what, automatic answers, mounting, refusals.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CartoucheError } from "../../src/errors.ts";
import type { Handler, Middleware } from "../../src/handler.ts";
import { Router } from "../../src/router/router.ts";
import { fakeRequest, fetchResponse, outcomeOf } from "./fake_request.ts";
import { VECTORS } from "./route_vectors.ts";

const handler = (): string => "";

let rows = 0;
for (const vector of VECTORS) {
  rows += vector.rows.length;
  test(`Router answers by the table: ${vector.about}`, () => {
    const router = new Router();
    for (const route of vector.routes) {
      const [method = "", pattern = ""] = route.split(" ");
      router.add(method, pattern, () => route);
    }
    for (const [method, path, answer, params] of vector.rows) {
      const request = fakeRequest(method, path);
      assert.equal(outcomeOf(router.fetch(request)), answer, `${method} ${path}`);
      assert.deepEqual(Object.entries(request.params), Object.entries(params ?? {}), `${method} ${path}`);
    }
  });
}

test("The table has what it promises", () => {
  assert.ok(rows >= 150, `${rows} rows`);
});

test("Router answers by itself with a short page", async () => {
  const router = new Router().get("/a", handler);
  for (
    const [method, path, status, page] of [
      ["GET", "/b", 404, "<h1>Not Found</h1>"],
      ["HEAD", "/b", 404, "<h1>Not Found</h1>"],
      ["POST", "/a", 405, "<h1>Method Not Allowed</h1>"],
      ["GET", "/%zz", 400, "<h1>Bad Request</h1>"],
    ] as const
  ) {
    const response = fetchResponse(router, method, path);
    assert.equal(response.status, status);
    assert.equal(response.headers.get("content-type"), "text/html; charset=utf-8");
    assert.equal(await response.text(), page);
  }
  const options = fetchResponse(router, "OPTIONS", "/a");
  assert.equal(options.status, 204);
  assert.equal(await options.text(), "");
});

test("Router gives a new answer to each request", async () => {
  const router = new Router();
  const first = fetchResponse(router, "GET", "/");
  const second = fetchResponse(router, "GET", "/");
  assert.equal(await first.text(), await second.text());
});

test("Router calls its own handlers in place of the pages", () => {
  const router = new Router()
    .get("/a", handler)
    .put("/a", handler)
    .notFound((request) => `none ${request.path}`)
    .methodNotAllowed((request, allow) => `not ${request.method} but ${allow}`)
    .badRequest((request) => `bad ${request.path}`);
  assert.equal(router.fetch(fakeRequest("GET", "/x")), "none /x");
  assert.equal(router.fetch(fakeRequest("POST", "/a")), "not POST but GET, HEAD, PUT, OPTIONS");
  assert.equal(router.fetch(fakeRequest("GET", "/%")), "bad /%");
  assert.equal(fetchResponse(router, "OPTIONS", "/a").status, 204);
});

test("Router hands on what the handler returns, as it is", async () => {
  const promise = Promise.resolve("later");
  const bytes = new Uint8Array(1);
  const router = new Router()
    .get("/sync", () => bytes)
    .get("/nothing", () => {})
    .get("/later", () => promise);
  assert.equal(router.fetch(fakeRequest("GET", "/sync")), bytes);
  assert.equal(router.fetch(fakeRequest("GET", "/nothing")), undefined);
  assert.equal(router.fetch(fakeRequest("GET", "/later")), promise);
  assert.equal(await promise, "later");
});

test("Router.fetch works without the router", () => {
  const router = new Router().get("/", () => "root");
  const { fetch } = router;
  assert.equal(fetch(fakeRequest("GET", "/")), "root");
  assert.equal(router.fetch, fetch);
});

test("Router.fetch is no property of the router's own, which Deno would warn of", () => {
  assert.equal(Object.hasOwn(new Router(), "fetch"), false);
  assert.equal("fetch" in new Router(), true);
});

test("Router lets the HEAD request reach the handler of GET as HEAD", () => {
  const router = new Router().get("/:x", (request) => request.method);
  assert.equal(router.fetch(fakeRequest("HEAD", "/a")), "HEAD");
});

test("Router takes routes while it serves", () => {
  const router = new Router().get("/*", () => "star");
  assert.equal(router.fetch(fakeRequest("GET", "/late")), "star");
  router.get("/late", () => "late").post("/late", () => "post").get("/more/late", () => "more");
  assert.equal(router.fetch(fakeRequest("GET", "/late")), "star");
  assert.equal(router.fetch(fakeRequest("POST", "/late")), "post");
  assert.equal(router.fetch(fakeRequest("GET", "/more/late")), "more");
});

test("Router gives each request params of its own that inherit nothing", () => {
  const router = new Router().get("/:id", handler).get("/", handler);
  const first = fakeRequest("GET", "/1");
  const second = fakeRequest("GET", "/2");
  router.fetch(first);
  router.fetch(second);
  assert.equal(first.params["id"], "1");
  assert.equal(second.params["id"], "2");
  const root = fakeRequest("GET", "/");
  router.fetch(root);
  for (const params of [first.params, root.params]) {
    for (const name of ["toString", "constructor", "__proto__", "hasOwnProperty"]) {
      assert.equal(params[name], undefined);
      assert.equal(name in params, false);
    }
  }
  assert.throws(() => {
    root.params["id"] = "3";
  }, TypeError);
});

test("Router keeps a param named __proto__ a plain text", () => {
  const router = new Router().get("/:__proto__", handler);
  const request = fakeRequest("GET", "/evil");
  router.fetch(request);
  assert.deepEqual(Object.keys(request.params), ["__proto__"]);
  assert.equal(request.params["__proto__"], "evil");
  assert.equal(({} as Record<string, unknown>)["evil"], undefined);
  assert.equal(JSON.stringify(request.params), '{"__proto__":"evil"}');
});

test("Router replaces params that were there before", () => {
  const request = fakeRequest("GET", "/nowhere");
  request.params = { old: "1" };
  new Router().fetch(request);
  assert.deepEqual(Object.keys(request.params), []);
});

test("Router refuses a route that an earlier one leaves nothing to", () => {
  const add: [earlier: string, later: string][] = [
    ["GET /a", "GET /a"],
    ["GET /a", "GET /%61"],
    ["GET /:id", "GET /@name"],
    ["GET /x/:a/**", "GET /x/:b/**"],
    ["GET /*.js", "GET /*%2Ejs"],
    ["PURGE /", "PURGE /"],
    ["* /a", "* /a"],
    ["* /a", "GET /a"],
    ["* /:id", "HEAD /:name"],
  ];
  for (const [earlier, later] of add) {
    const router = new Router();
    const [earlierMethod = "", earlierPattern = ""] = earlier.split(" ");
    const [laterMethod = "", laterPattern = ""] = later.split(" ");
    router.add(earlierMethod, earlierPattern, () => "earlier");
    assert.throws(() => router.add(laterMethod, laterPattern, handler), (error: unknown) => {
      assert.ok(error instanceof CartoucheError);
      assert.equal(error.code, "ERR_PATTERN");
      assert.ok(error.message.includes(`${laterMethod} "${laterPattern}"`), error.message);
      assert.ok(error.message.includes(`${earlierMethod} "${earlierPattern}"`), error.message);
      return true;
    });
    assert.equal(router.routes().length, 1);
  }
});

test("Router takes routes that only look alike", () => {
  const router = new Router();
  for (
    const route of [
      "GET /a",
      "HEAD /a",
      "* /a",
      "GET /a/",
      "GET /A",
      "GET /:a",
      "GET /*",
      "GET /**",
      "GET /a*",
      "GET /*a",
    ]
  ) {
    const [method = "", pattern = ""] = route.split(" ");
    router.add(method, pattern, handler);
  }
  assert.equal(router.routes().length, 10);
});

test("Router is as it was after a refusal", () => {
  const router = new Router();
  assert.throws(() => router.post("/**/*", handler), { code: "ERR_PATTERN" });
  assert.throws(() => router.put("/a", handler, { deadlineMs: -1 }), { code: "ERR_OPTION" });
  router.get("/a", handler);
  assert.equal(outcomeOf(router.fetch(fakeRequest("POST", "/a"))), "405 GET, HEAD, OPTIONS");
});

test("Router refuses arguments of the wrong type", () => {
  const router = new Router();
  for (const method of ["", "GE T", "GET\r\n", "GÉT", "get", "Post", undefined]) {
    assert.throws(() => router.add(method as string, "/", handler), { code: "ERR_OPTION" }, String(method));
  }
  const wrong = undefined as unknown as Handler;
  assert.throws(() => router.get("/", wrong), { code: "ERR_OPTION" });
  assert.throws(() => router.use(wrong as unknown as Middleware), { code: "ERR_OPTION" });
  assert.throws(() => router.use("/", wrong as unknown as Middleware), { code: "ERR_OPTION" });
  assert.throws(() => router.use("x", (_request, next) => next()), { code: "ERR_PATTERN" });
  assert.throws(() => router.notFound(wrong), { code: "ERR_OPTION" });
  assert.throws(() => router.badRequest(wrong), { code: "ERR_OPTION" });
  assert.throws(() => router.methodNotAllowed(wrong), { code: "ERR_OPTION" });
  assert.throws(() => router.onError(wrong as unknown as () => string), { code: "ERR_OPTION" });
  assert.deepEqual(router.routes(), []);
  assert.equal(router.add("M-SEARCH", "/", handler).routes().length, 1);
});

test("Router has a method for each common method", () => {
  const router = new Router()
    .get("/", handler)
    .head("/", handler)
    .post("/", handler, { maxBodyBytes: 5 })
    .put("/", handler)
    .delete("/", handler)
    .patch("/", handler)
    .options("/", handler)
    .all("/", handler, { deadlineMs: 0 });
  assert.deepEqual(router.routes().map((route) => ({ ...route, options: { ...route.options } })), [
    { method: "GET", pattern: "/", options: {} },
    { method: "HEAD", pattern: "/", options: {} },
    { method: "POST", pattern: "/", options: { maxBodyBytes: 5 } },
    { method: "PUT", pattern: "/", options: {} },
    { method: "DELETE", pattern: "/", options: {} },
    { method: "PATCH", pattern: "/", options: {} },
    { method: "OPTIONS", pattern: "/", options: {} },
    { method: "*", pattern: "/", options: { deadlineMs: 0 } },
  ]);
});

/** A router below "/api", whose own routes do not mention that. */
function mountedRouters(): Router {
  const users = new Router()
    .get("/", () => "users")
    .get("/:id", (request) => `user ${request.params.id}`)
    .post("/:id/*", () => "post");
  const api = new Router()
    .mount("/users", users)
    .get("/ping", () => "pong")
    .notFound(() => "api has no such thing");
  return new Router()
    .get("/api/first", () => "first")
    .mount("/api", api)
    .get("/api/ping", () => "never")
    .get("/*", () => "outer");
}

test("Router hands what is below a prefix to a mounted router", () => {
  const router = mountedRouters();
  const rows: [method: string, path: string, answer: string][] = [
    ["GET", "/api/first", "first"],
    ["HEAD", "/api/first", "first"],
    ["POST", "/api/first", "api has no such thing"],
    ["GET", "/api/ping", "pong"],
    ["GET", "/%61pi/ping", "pong"],
    ["GET", "/api/users", "users"],
    ["GET", "/api/users/", "users"],
    ["GET", "/api/users/7", "user 7"],
    ["GET", "/api/users/a%2Fb", "user a/b"],
    ["GET", "/api//7", "api has no such thing"],
    ["GET", "/api/users//", "404"],
    ["GET", "/api/users/7/x", "405 POST, OPTIONS"],
    ["OPTIONS", "/api/users/7", "204 GET, HEAD, OPTIONS"],
    ["GET", "/api", "api has no such thing"],
    ["GET", "/api/nothing", "api has no such thing"],
    ["GET", "/apix", "outer"],
    ["GET", "/api/%zz", "400"],
    ["OPTIONS", "*", "204 GET, HEAD, POST, OPTIONS"],
  ];
  for (const [method, path, answer] of rows) {
    assert.equal(outcomeOf(router.fetch(fakeRequest(method, path))), answer, `${method} ${path}`);
  }
});

test("Router leaves the errors of a mounted router to its own error handler first", () => {
  const fail = (): never => {
    throw new Error("x");
  };
  const router = new Router()
    .mount("/own", new Router().get("/", fail).onError(() => "inner"))
    .mount("/none", new Router().get("/", fail))
    .onError(() => "outer");
  assert.equal(router.fetch(fakeRequest("GET", "/own")), "inner");
  assert.equal(router.fetch(fakeRequest("GET", "/none")), "outer");
});

test("Router sees routes that were added to a mounted router later", () => {
  const inner = new Router();
  const router = new Router().mount("/api", inner);
  inner.get("/late", () => "late");
  assert.equal(router.fetch(fakeRequest("GET", "/api/late")), "late");
  assert.ok(router.routes().some(({ pattern }) => pattern === "/api/late"));
});

test("Router hands requests to any other app as they are", () => {
  const app = {
    name: "app",
    fetch(request: { path: string }): string {
      return `${this.name} ${request.path}`;
    },
  };
  const router = new Router().mount("/x", app);
  assert.equal(router.fetch(fakeRequest("PUT", "/x")), "app /x");
  assert.equal(router.fetch(fakeRequest("PUT", "/x/y/")), "app /x/y/");
  assert.equal(outcomeOf(router.fetch(fakeRequest("PUT", "/xy"))), "404");
});

test("Router mounts below a route of every method for the bare prefix", () => {
  const router = new Router()
    .all("/x", () => "bare")
    .mount("/x", new Router().get("/**", () => "mounted"));
  assert.equal(router.fetch(fakeRequest("GET", "/x")), "bare");
  assert.equal(router.fetch(fakeRequest("GET", "/x/")), "mounted");
});

test("Router refuses what cannot be mounted", () => {
  const app = new Router();
  const router = new Router();
  for (const prefix of ["", "api", "/", "/api/", "/:id", "/api/*", "/**", "/a*", "/a?b"]) {
    assert.throws(() => router.mount(prefix, app), { code: "ERR_PATTERN" }, prefix);
  }
  assert.throws(() => router.mount("/x", router), { code: "ERR_OPTION" });
  assert.throws(() => app.mount("/x", new Router().mount("/y", app)), { code: "ERR_OPTION" });
  assert.throws(() => router.mount("/x", {} as Router), { code: "ERR_OPTION" });
  router.mount("/api", app);
  assert.throws(() => router.mount("/api", new Router()), { code: "ERR_PATTERN" });
});
