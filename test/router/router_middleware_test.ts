/**
 * Tests of what stands around the router's handlers: middleware, and the handler of errors.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Middleware } from "../../src/handler.ts";
import { Router } from "../../src/router/router.ts";
import { fakeRequest, fetchResponse, outcomeOf } from "./fake_request.ts";

const handler = (): string => "";

/** A middleware that writes down when it is entered and left. */
function logging(log: string[], name: string): Middleware {
  return (_request, next) => {
    log.push(`${name}>`);
    const result = next();
    log.push(`<${name}`);
    return result;
  };
}

test("Router runs middleware in the order of addition around handlers added before and after", () => {
  const log: string[] = [];
  const router = new Router()
    .get("/before", () => {
      log.push("before");
      return "b";
    })
    .use(logging(log, "1"))
    .use(logging(log, "2"))
    .get("/after", () => {
      log.push("after");
      return "a";
    });
  assert.equal(router.fetch(fakeRequest("GET", "/before")), "b");
  assert.equal(router.fetch(fakeRequest("GET", "/after")), "a");
  assert.equal(log.join(" "), "1> 2> before <2 <1 1> 2> after <2 <1");
});

test("Router runs middleware around its own answers", () => {
  const log: string[] = [];
  const router = new Router().use(logging(log, "m")).get("/a", handler);
  for (
    const [method, path] of [["GET", "/x"], ["PUT", "/a"], ["OPTIONS", "/a"], ["GET", "/%"], ["OPTIONS", "*"]]
  ) {
    log.push(outcomeOf(router.fetch(fakeRequest(method as string, path as string))));
  }
  assert.deepEqual(log.filter((entry) => !entry.includes("m")), [
    "404",
    "405 GET, HEAD, OPTIONS",
    "204 GET, HEAD, OPTIONS",
    "400",
    "204 GET, HEAD, OPTIONS",
  ]);
  assert.equal(log.length, 15);
});

test("Router runs middleware with a pattern for the paths that fit", () => {
  const log: string[] = [];
  const router = new Router()
    .use("/api/**", logging(log, "api"))
    .use(logging(log, "all"))
    .use("/**/*.json", logging(log, "json"))
    .use("/", logging(log, "root"))
    .all("/**", handler);
  const ran = (path: string): string => {
    log.length = 0;
    router.fetch(fakeRequest("GET", path));
    return log.filter((entry) => entry.endsWith(">")).join("");
  };
  assert.equal(ran("/"), "all>root>");
  assert.equal(ran("/api"), "all>");
  assert.equal(ran("/api/"), "api>all>");
  assert.equal(ran("/api/x"), "api>all>");
  assert.equal(ran("/api/x.json"), "api>all>json>");
  assert.equal(ran("/%61pi/x%2Ejson"), "api>all>json>");
  assert.equal(ran("/x/y.json"), "all>json>");
  assert.equal(ran("*"), "all>");
  assert.equal(ran("/api/%zz"), "all>");
});

test("Router lets a middleware see the params, answer by itself and change the result", () => {
  const router = new Router()
    .use((request, next) => request.params["id"] === "0" ? "stopped" : next())
    .use((_request, next) => `[${String(next())}]`)
    .get("/:id", (request) => request.params.id);
  assert.equal(router.fetch(fakeRequest("GET", "/0")), "stopped");
  assert.equal(router.fetch(fakeRequest("GET", "/7")), "[7]");
});

test("Router stays synchronous through middleware and becomes asynchronous only with a promise", async () => {
  const log: string[] = [];
  const router = new Router()
    .use(logging(log, "m"))
    .get("/sync", () => "sync")
    .get("/async", async () => {
      await null;
      log.push("async");
      return "async";
    });
  assert.equal(router.fetch(fakeRequest("GET", "/sync")), "sync");
  const result = router.fetch(fakeRequest("GET", "/async"));
  assert.ok(result instanceof Promise);
  assert.equal(await result, "async");
  assert.equal(log.join(" "), "m> <m m> <m async");
});

test("Router lets an asynchronous middleware wait for what is within", async () => {
  const log: string[] = [];
  const router = new Router()
    .use(async (_request, next) => {
      log.push("in");
      const result = await next();
      log.push("out");
      return `${String(result)}!`;
    })
    .get("/", async () => {
      await null;
      log.push("handler");
      return "done";
    });
  assert.equal(await router.fetch(fakeRequest("GET", "/")), "done!");
  assert.deepEqual(log, ["in", "handler", "out"]);
});

test("Router keeps requests apart that are in the same middleware at once", async () => {
  const waiting: (() => void)[] = [];
  const router = new Router()
    .use("/:x", async (_request, next) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return await next();
    })
    .use((request, next) => `${request.params["x"]}:${String(next())}`)
    .get("/:x", (request) => request.params.x);
  const results = ["/1", "/2", "/3"].map((path) => router.fetch(fakeRequest("GET", path)));
  router.use(() => "added while they wait");
  for (const resume of waiting.toReversed()) resume();
  assert.deepEqual(await Promise.all(results), ["1:1", "2:2", "3:3"]);
});

test("Router refuses a second next()", async () => {
  const router = new Router()
    .use("/sync", (_request, next) => {
      next();
      return next();
    })
    .use("/async", async (_request, next) => {
      await next();
      return await next();
    })
    .all("/*", handler);
  assert.throws(() => router.fetch(fakeRequest("GET", "/sync")), { code: "ERR_NEXT" });
  await assert.rejects(async () => await router.fetch(fakeRequest("GET", "/async")), { code: "ERR_NEXT" });
});

/** A router whose handlers and middleware fail in every way. */
function failingRouter(): Router {
  return new Router()
    .get("/throw", () => {
      throw new Error("thrown");
    })
    .get("/reject", () => Promise.reject(new Error("rejected")))
    .get("/later", async () => {
      await null;
      throw new Error("later");
    })
    .use("/middleware", () => {
      throw new Error("middleware");
    })
    .notFound(() => {
      throw new Error("not found");
    });
}

const FAILURES = [
  ["/throw", "thrown"],
  ["/reject", "rejected"],
  ["/later", "later"],
  ["/middleware", "middleware"],
  ["/nowhere", "not found"],
] as const;

test("Router lets errors go on if nobody asks for them", async () => {
  const router = failingRouter();
  assert.throws(() => router.fetch(fakeRequest("GET", "/throw")), { message: "thrown" });
  for (const [path, message] of FAILURES) {
    await assert.rejects(async () => await router.fetch(fakeRequest("GET", path)), { message });
  }
});

test("Router gives errors to the error handler with the request", async () => {
  const router = failingRouter().onError((error, request) => `${request.path} ${(error as Error).message}`);
  assert.equal(router.fetch(fakeRequest("GET", "/throw")), "/throw thrown");
  assert.equal(router.fetch(fakeRequest("GET", "/middleware")), "/middleware middleware");
  for (const [path, message] of FAILURES) {
    assert.equal(await router.fetch(fakeRequest("GET", path)), `${path} ${message}`);
  }
});

test("Router does not call the error handler without an error", async () => {
  const router = new Router()
    .get("/a", () => Promise.resolve("fine"))
    .onError(() => assert.fail("called"));
  assert.equal(await router.fetch(fakeRequest("GET", "/a")), "fine");
  assert.equal(fetchResponse(router, "GET", "/%").status, 400);
  assert.equal(fetchResponse(router, "GET", "/b").status, 404);
});

test("Router lets the error of an error handler go on", async () => {
  const router = failingRouter().onError((error) => {
    throw new Error(`again ${(error as Error).message}`);
  });
  assert.throws(() => router.fetch(fakeRequest("GET", "/throw")), { message: "again thrown" });
  await assert.rejects(async () => await router.fetch(fakeRequest("GET", "/later")), {
    message: "again later",
  });
});

test("Router lets a middleware catch what is thrown within", () => {
  const router = new Router()
    .use((_request, next) => {
      try {
        return next();
      } catch (error) {
        return `caught ${(error as Error).message}`;
      }
    })
    .onError(() => assert.fail("called"))
    .get("/", () => {
      throw new Error("it");
    });
  assert.equal(router.fetch(fakeRequest("GET", "/")), "caught it");
});

test("Router answers for a thenable that is no Promise", async () => {
  const thenable = {
    then(_resolve: unknown, reject: (error: unknown) => unknown): unknown {
      return reject(new Error("from afar"));
    },
  };
  const router = new Router()
    .get("/", () => thenable as unknown as Promise<string>)
    .onError((error) => (error as Error).message);
  assert.equal(await router.fetch(fakeRequest("GET", "/")), "from afar");
});

test("Router runs the middleware of both around a mounted handler", () => {
  const log: string[] = [];
  const inner = new Router().use("/a/**", logging(log, "inner")).get("/a/*", () => "a").get("/b", () => "b");
  const router = new Router().use("/api/**", logging(log, "outer")).mount("/api", inner);
  assert.equal(router.fetch(fakeRequest("GET", "/api/a/1")), "a");
  assert.equal(router.fetch(fakeRequest("GET", "/api/b")), "b");
  assert.equal(log.join(" "), "outer> inner> <inner <outer outer> <outer");
});
