/**
 * Measures finding one of 100 routes: the router's table, and as controls two linear scans of the routes.
 *
 *     deno run -A bench/router/router_bench.ts        (or: bun …, node …; one core)
 *
 * Every contestant must first find the same route and params for every request. Paths are decoded from bytes
 * for each lookup, as a server does, because a string that was looked up before knows its hash; the row
 * "making the string only" is what that costs. Figures are ns per lookup: the median over samples of all
 * requests of a kind.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import process from "node:process";
import { Bench } from "tinybench";
import { parsePattern } from "../../src/router/path_pattern.ts";
import { RouteTable } from "../../src/router/route_table.ts";

type Params = Record<string, string>;

/** Finds a route: its index and its params, or -1. */
interface Finder {
  readonly name: string;
  find(method: string, path: string): number;
  /** The params of the route that was found last. */
  params(): Params | undefined;
}

const RESOURCES = [
  ...[
    "users",
    "teams",
    "projects",
    "issues",
    "comments",
    "labels",
    "milestones",
    "releases",
    "branches",
    "tags",
  ],
  ...["commits", "files", "reviews", "hooks", "keys", "secrets", "runners", "jobs", "artifacts", "events"],
];

/** 20 resources with 5 routes each. */
const ROUTES: readonly { method: string; pattern: string }[] = RESOURCES.flatMap((name) => [
  { method: "GET", pattern: `/api/v1/${name}` },
  { method: "POST", pattern: `/api/v1/${name}` },
  { method: "GET", pattern: `/api/v1/${name}/:id` },
  { method: "GET", pattern: `/api/v1/${name}/:id/history/:version` },
  { method: "GET", pattern: `/assets/${name}/**` },
]);

/** Requests by kind: one for each resource. */
const KINDS: Readonly<Record<string, readonly { method: string; path: string }[]>> = {
  "text": RESOURCES.map((name) => ({ method: "GET", path: `/api/v1/${name}` })),
  "one name": RESOURCES.map((name, index) => ({ method: "GET", path: `/api/v1/${name}/${index * 7919}` })),
  "two names": RESOURCES.map((name, index) => ({
    method: "GET",
    path: `/api/v1/${name}/${index * 7919}/history/${index}`,
  })),
  "encoded name": RESOURCES.map((name) => ({ method: "GET", path: `/api/v1/${name}/caf%C3%A9` })),
  "two stars": RESOURCES.map((name) => ({ method: "GET", path: `/assets/${name}/css/2024/main.css` })),
  "no route": RESOURCES.map((name) => ({ method: "GET", path: `/api/v2/${name}/none` })),
};

/** What is measured. */
function tableFinder(): Finder {
  const table = new RouteTable<number>();
  ROUTES.forEach(({ method, pattern }, index) => table.add(method, parsePattern(pattern), index));
  let params: Params | undefined;
  return {
    name: "RouteTable",
    find(method, path): number {
      const route = table.find(method, path);
      if (typeof route === "string") return -1;
      params = table.params(route);
      return route.value;
    },
    params: () => params,
  };
}

/** Control: cut the path, then compare segment by segment with each route in turn, as Mummy does. */
function segmentScan(): Finder {
  const routes = ROUTES.map(({ method, pattern }) => ({ method, parts: pattern.slice(1).split("/") }));
  let params: Params | undefined;
  const matches = (parts: readonly string[], path: readonly string[]): boolean => {
    for (let index = 0; index < parts.length; index++) {
      const part = parts[index] as string;
      const segment = path[index];
      if (segment === undefined) return false;
      if (part === "**") return true;
      if (!part.startsWith(":") && part !== segment) return false;
    }
    return parts.length === path.length;
  };
  return {
    name: "scan by segments",
    find(method, path): number {
      const segments = path.slice(1).split("/");
      for (let index = 0; index < segments.length; index++) {
        const segment = segments[index] as string;
        if (segment.includes("%")) segments[index] = decodeURIComponent(segment);
      }
      for (let index = 0; index < routes.length; index++) {
        const route = routes[index] as { method: string; parts: string[] };
        if (route.method !== method || !matches(route.parts, segments)) continue;
        params = {};
        route.parts.forEach((part, place) => {
          if (part.startsWith(":")) (params as Params)[part.slice(1)] = segments[place] as string;
        });
        return index;
      }
      return -1;
    },
    params: () => params,
  };
}

/** Control: one regular expression a route, tried in turn. */
function regExpScan(): Finder {
  const routes = ROUTES.map(({ method, pattern }) => {
    const source = pattern.replace(/:(\w+)/g, "(?<$1>[^/]+)").replace("**", ".*");
    return { method, expression: new RegExp(`^${source}$`) };
  });
  let params: Params | undefined;
  return {
    name: "scan by RegExp",
    find(method, path): number {
      for (let index = 0; index < routes.length; index++) {
        const route = routes[index] as { method: string; expression: RegExp };
        if (route.method !== method) continue;
        const match = route.expression.exec(path);
        if (match === null) continue;
        params = {};
        for (const [name, value] of Object.entries(match.groups ?? {})) {
          params[name] = decodeURIComponent(value);
        }
        return index;
      }
      return -1;
    },
    params: () => params,
  };
}

const finders = [tableFinder(), segmentScan(), regExpScan()];
for (const [kind, requests] of Object.entries(KINDS)) {
  for (const { method, path } of requests) {
    const answers = finders.map((finder) => {
      const route = finder.find(method, path);
      return JSON.stringify([route, route === -1 ? {} : finder.params()]);
    });
    assert.equal(new Set(answers).size, 1, `${method} ${path}: ${answers.join(" ")}`);
    assert.equal(answers[0]?.startsWith("[-1"), kind === "no route", `${method} ${path}`);
  }
}

const ROUNDS = 50;
const rows: Record<string, Record<string, number>> = {};
for (const [kind, requests] of Object.entries(KINDS)) {
  const bytes = Buffer.from(requests.map(({ path }) => path).join(""), "latin1");
  let offset = 0;
  const ranges = requests.map(({ method, path }) => ({ method, start: offset, end: offset += path.length }));
  const expected = finders[0]?.find(requests[0]?.method as string, requests[0]?.path as string) as number;

  const bench = new Bench({ time: 300, warmupTime: 150 });
  const addTask = (name: string, find: (method: string, path: string) => number): void => {
    bench.add(name, () => {
      let found = 0;
      for (let round = 0; round < ROUNDS; round++) {
        for (const { method, start, end } of ranges) {
          found += find(method, bytes.toString("latin1", start, end));
        }
      }
      // The sum is used, so that nothing can be left out; its value was checked above.
      if (found === expected - 1) throw new Error("impossible");
    });
  };
  addTask("making the string only", (_method, path) => path.length);
  for (const finder of finders) addTask(finder.name, finder.find);
  await bench.run();

  const row: Record<string, number> = {};
  for (const task of bench.tasks) {
    const { result } = task;
    if (!("latency" in result)) throw new Error(`${task.name} did not run: ${result.state}`);
    row[task.name] = Math.round(result.latency.p50 * 1e6 / (ROUNDS * requests.length));
  }
  rows[kind] = row;
}
console.log(`${ROUTES.length} routes, ns per lookup; ${process.platform} ${process.arch}`, process.versions);
console.table(rows);
