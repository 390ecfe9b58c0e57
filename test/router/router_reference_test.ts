/**
 * Compares the router with the plainest form of its rules over random routes and paths.
 * Runs on: any; runtime API: none
 *
 * The texts are few and alike, so that most paths match several routes, by wildcards that overlap in every
 * way.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RouteOptionsTable } from "../../src/router/route_options.ts";
import { Router } from "../../src/router/router.ts";
import { fakeRequest } from "./fake_request.ts";
import { randomFrom, referenceAnswer, type ReferenceRoute, shapeOf } from "./reference_router.ts";

const METHODS = ["GET", "GET", "GET", "POST", "HEAD", "OPTIONS", "PURGE", "*"];
const TEXTS = ["a", "b", "ab", "a.b", "", "%61", "a%2Fb", "%2A", "a*b", "%25"];
const PARTIALS = ["a*", "*b", "*a*", "b*", "*.b", "*%2Fb", "**a", "***"];
const PATH_TEXTS = ["a", "b", "ab", "a.b", "", "%61", "%62", "a%2Fb", "*", "a*b", "%25", "bab", "a%2fa"];

type Random = (limit: number) => number;

function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[random(items.length)] as Item;
}

function randomPattern(random: Random): string {
  const wildness = random(4);
  let pattern = "";
  let afterMany = false;
  let names = 0;
  for (let length = 1 + random(5); length > 0; length--) {
    let segment = pick(random, TEXTS);
    if (random(4) < wildness) {
      const kind = random(afterMany ? 1 : 4);
      if (kind === 0) segment = pick(random, PARTIALS);
      if (kind === 1) segment = "*";
      if (kind === 2) {
        segment = `${pick(random, [":", "@"])}${pick(random, ["x", "y", "__proto__"])}${names++}`;
      }
      if (kind === 3) segment = "**";
    }
    afterMany = segment === "**";
    pattern += `/${segment}`;
  }
  return pattern;
}

function randomPath(random: Random): string {
  let path = "";
  for (let length = 1 + random(7); length > 0; length--) path += `/${pick(random, PATH_TEXTS)}`;
  return random(50) === 0 ? `${path}%zz` : path;
}

/** A path that fits a pattern, so that long patterns are met, too. */
function pathFor(random: Random, pattern: string): string {
  return pattern.split("/").slice(1).flatMap((segment) => {
    if (segment === "**") return Array.from({ length: 1 + random(3) }, () => pick(random, PATH_TEXTS));
    if (segment === "*" || /^[:@]/.test(segment)) return [pick(random, PATH_TEXTS)];
    return [
      segment.replace(/^\*/, () => pick(random, ["", "a"])).replace(/\*$/, () => pick(random, ["", "b"])),
    ];
  }).map((segment) => `/${segment}`).join("");
}

/** Compares one random set of routes on random paths; returns how many requests found a route. */
function compareSet(seed: number): number {
  const random = randomFrom(seed);
  const router = new Router();
  const routes: ReferenceRoute[] = [];
  for (let count = 1 + random(20); count > 0; count--) {
    const method = pick(random, METHODS);
    const pattern = randomPattern(random);
    const isTaken = routes.some((route) =>
      (route.method === method || route.method === "*") && shapeOf(route.pattern) === shapeOf(pattern)
    );
    const label = String(routes.length);
    const add = (): unknown => router.add(method, pattern, () => label, { maxBodyBytes: Number(label) });
    if (isTaken) {
      assert.throws(add, { code: "ERR_PATTERN" }, `seed ${seed}: ${method} ${pattern}`);
    } else {
      add();
      routes.push({ method, pattern });
    }
  }
  const table = new RouteOptionsTable(router.routes());

  let found = 0;
  for (let count = 0; count < 20; count++) {
    const method = pick(random, ["GET", "GET", "POST", "HEAD", "OPTIONS", "PURGE", "BREW"]);
    const path = random(2) === 0 ? randomPath(random) : pathFor(random, pick(random, routes).pattern);
    const about = `seed ${seed}: ${method} ${path} to ${
      routes.map((route) => `${route.method} ${route.pattern}`)
    }`;
    const expected = referenceAnswer(routes, method, path);
    const request = fakeRequest(method, path);
    const result = router.fetch(request);
    if ("route" in expected) {
      found++;
      assert.equal(result, String(expected.route), about);
      assert.deepEqual(Object.entries(request.params), Object.entries(expected.params), about);
      assert.equal(table.lookup(method, path).maxBodyBytes, expected.route, about);
    } else {
      assert.ok(result instanceof Response, `${about} gave ${String(result)}`);
      assert.equal(result.status, expected.status, about);
      const allow = result.headers.get("allow")?.split(", ").sort().join(", ");
      assert.equal(allow, "allow" in expected ? expected.allow : undefined, about);
      assert.deepEqual(Object.keys(request.params), [], about);
      assert.deepEqual(table.lookup(method, path), {}, about);
    }
  }
  return found;
}

const SETS = 4000;

test("Router answers as the reference does, for random routes and paths", () => {
  let found = 0;
  for (let seed = 1; seed <= SETS; seed++) found += compareSet(seed);
  // If nearly all requests found nothing (or a route each), the comparison would not say much.
  assert.ok(found > SETS * 20 * 0.2 && found < SETS * 20 * 0.9, `${found} of ${SETS * 20} found a route`);
});
