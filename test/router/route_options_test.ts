/**
 * Tests of route options and of the table that the I/O thread asks.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkRouteOptions, type RouteOptions, RouteOptionsTable } from "../../src/router/route_options.ts";
import { Router } from "../../src/router/router.ts";

const handler = (): string => "";

test("checkRouteOptions takes whole numbers from 0 on", () => {
  const big = { maxBodyBytes: Number.MAX_SAFE_INTEGER, deadlineMs: 0 };
  assert.deepEqual(checkRouteOptions(big), big);
  assert.deepEqual(checkRouteOptions({ maxBodyBytes: 0 }), { maxBodyBytes: 0 });
  assert.deepEqual(checkRouteOptions({ spoolBodyBytes: 0 }), { spoolBodyBytes: 0 });
  assert.deepEqual(checkRouteOptions({}), {});
});

test("checkRouteOptions refuses what is no limit", () => {
  const bad: unknown[] = [
    { maxBodyBytes: -1 },
    { maxBodyBytes: 1.5 },
    { maxBodyBytes: NaN },
    { maxBodyBytes: Infinity },
    { maxBodyBytes: "1" },
    { maxBodyBytes: undefined },
    { maxBodyBytes: 2 ** 53 },
    { deadlineMs: -1 },
    { deadlineMs: null },
    { spoolBodyBytes: -1 },
    { deadlineMS: 5 },
  ];
  for (const options of bad) {
    assert.throws(
      () => checkRouteOptions(options as RouteOptions),
      { code: "ERR_OPTION" },
      JSON.stringify(options),
    );
  }
});

test("RouteOptionsTable answers from routes that were sent to another thread", () => {
  const router = new Router()
    .get("/report/:year", handler, { deadlineMs: 0 })
    .head("/report/2020", handler, { deadlineMs: 1 })
    .post("/files/**", handler, { maxBodyBytes: 1000 })
    .put("/files/small", handler, { maxBodyBytes: 1 })
    .all("/files/small", handler, { maxBodyBytes: 2 })
    .all("/**", handler);
  const table = new RouteOptionsTable(structuredClone(router.routes()));
  const rows: [string, string, RouteOptions][] = [
    ["GET", "/report/2020", { deadlineMs: 0 }],
    ["GET", "/report/%32020", { deadlineMs: 0 }],
    ["HEAD", "/report/2019", { deadlineMs: 0 }],
    ["HEAD", "/report/2020", { deadlineMs: 1 }],
    ["POST", "/report/2020", {}],
    ["POST", "/files/small", { maxBodyBytes: 1000 }],
    ["POST", "/files/a/b", { maxBodyBytes: 1000 }],
    ["PUT", "/files/small", { maxBodyBytes: 1 }],
    ["PATCH", "/files/small", { maxBodyBytes: 2 }],
    ["PATCH", "/files/other", {}],
    ["GET", "/%zz", {}],
    ["OPTIONS", "*", {}],
  ];
  for (const [method, path, options] of rows) {
    assert.deepEqual({ ...table.lookup(method, path) }, options, `${method} ${path}`);
  }
  assert.equal(table.hasOptions, true);
});

test("RouteOptionsTable says when nobody needs to ask", () => {
  assert.equal(new RouteOptionsTable([]).hasOptions, false);
  assert.equal(new RouteOptionsTable(new Router().get("/", handler).routes()).hasOptions, false);
  assert.equal(new RouteOptionsTable(new Router().get("/", handler, {}).routes()).hasOptions, false);
  assert.deepEqual(new RouteOptionsTable([]).lookup("GET", "/"), {});
});

test("RouteOptionsTable follows mounted routers and does not look behind them", () => {
  const inner = new Router()
    .post("/", handler, { maxBodyBytes: 10 })
    .post("/*", handler, { maxBodyBytes: 20 })
    .post("/a/b", handler, { maxBodyBytes: 30 });
  const middle = new Router().mount("/v1", inner).post("/v1/x", handler, { maxBodyBytes: 40 });
  const outer = new Router()
    .mount("/api", middle)
    .mount("/foreign", { fetch: () => "" })
    .post("/**", handler, { maxBodyBytes: 99 });
  const table = new RouteOptionsTable(outer.routes());
  const rows: [path: string, maxBodyBytes: number | undefined][] = [
    ["/api/v1", 10],
    ["/api/v1/", 10],
    ["/api/v1/x", 20],
    ["/api/v1/a/b", 30],
    ["/api/v1/a/c", undefined],
    ["/api", undefined],
    ["/api/v2", undefined],
    ["/foreign", undefined],
    ["/foreign/x", undefined],
    ["/apis", 99],
    ["/", 99],
  ];
  for (const [path, maxBodyBytes] of rows) {
    assert.equal(table.lookup("POST", path).maxBodyBytes, maxBodyBytes, path);
  }
});
