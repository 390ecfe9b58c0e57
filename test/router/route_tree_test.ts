/**
 * Tests of the tree: order of addition across its branches, and the bound on its work.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePattern } from "../../src/router/path_pattern.ts";
import { hashText, PathSegments } from "../../src/router/path_segments.ts";
import { NO_ROUTE, RouteTree } from "../../src/router/route_tree.ts";

function treeOf(patterns: readonly string[]): RouteTree {
  const tree = new RouteTree();
  patterns.forEach((pattern, order) => tree.add(parsePattern(pattern), order));
  return tree;
}

function find(tree: RouteTree, path: string, limit: number = NO_ROUTE): number {
  const segments = new PathSegments();
  assert.ok(segments.split(path));
  return tree.find(segments, limit);
}

test("RouteTree finds the first pattern in every order of addition", () => {
  const matching = ["/a/b", "/a/*", "/*/b", "/:x/b", "/**", "/**/b", "/a*/b", "/*a/*b", "/a/**"];
  for (let shift = 0; shift < matching.length; shift++) {
    const patterns = [...matching.slice(shift), ...matching.slice(0, shift)];
    assert.equal(find(treeOf(patterns), "/a/b"), 0, patterns.join(" "));
    assert.equal(find(treeOf(patterns.toReversed()), "/a/b"), 0);
    assert.equal(find(treeOf(["/z", ...patterns, "/a/c"]), "/a/b"), 1);
  }
});

test("RouteTree finds nothing at or behind the limit", () => {
  const tree = treeOf(["/x", "/a", "/*"]);
  assert.equal(find(tree, "/a"), 1);
  assert.equal(find(tree, "/a", 2), 1);
  assert.equal(find(tree, "/a", 1), 1);
  assert.equal(find(tree, "/a", 0), 0);
  assert.equal(find(tree, "/y/y", 5), 5);
});

test("RouteTree knows a pattern by its shape", () => {
  const tree = treeOf(["/a/:x", "/a/*", "/**/b", "/*.js", "/js*", "/*js*"]);
  assert.equal(tree.orderOf(parsePattern("/a/@y")), 0);
  assert.equal(tree.orderOf(parsePattern("/%61/*")), 1);
  assert.equal(tree.orderOf(parsePattern("/**/b")), 2);
  assert.equal(tree.orderOf(parsePattern("/*.j%73")), 3);
  assert.equal(tree.orderOf(parsePattern("/js*")), 4);
  assert.equal(tree.orderOf(parsePattern("/*js*")), 5);
  for (const other of ["/a", "/**", "/a/b", "/*.j", "/*/b", "/.js*", "/js"]) {
    assert.equal(tree.orderOf(parsePattern(other)), NO_ROUTE, other);
  }
});

test("RouteTree keeps texts with the same hash apart", () => {
  const byHash = new Map<number, string>();
  const pair: string[] = [];
  for (let number = 0; pair.length === 0 && number < 1_000_000; number++) {
    const text = number.toString(36);
    const other = byHash.get(hashText(text));
    if (other !== undefined) pair.push(other, text);
    byHash.set(hashText(text), text);
  }
  assert.equal(pair.length, 2, "no two of a million texts have the same hash");
  const [first, second] = pair;
  const tree = treeOf([`/${first}/1`, `/${second}/2`]);
  assert.equal(find(tree, `/${first}/1`), 0);
  assert.equal(find(tree, `/${second}/2`), 1);
  assert.equal(find(tree, `/${first}/2`), NO_ROUTE);
  assert.equal(find(tree, `/${second}/1`), NO_ROUTE);
});

test("RouteTree takes back a ** that took too few segments", () => {
  assert.equal(find(treeOf(["/**/a/b"]), "/x/a/a/b"), 0);
  assert.equal(find(treeOf(["/**/a/b"]), "/a/b/a/b"), 0);
  assert.equal(find(treeOf(["/**/a/**/b/**"]), "/a/a/a/b/b/b"), 0);
  assert.equal(find(treeOf(["/**/a/**/b/**"]), "/a/b/a/b/a/b"), NO_ROUTE);
  assert.equal(find(treeOf(["/**/a/**/b/**"]), "/a/b/a/b/a/b/a"), 0);
  assert.equal(find(treeOf(["/**/a/**/b/**"]), "/b/a/b/a/b"), NO_ROUTE);
  assert.equal(find(treeOf(["/**/a/**/b/**"]), "/b/a/b/a/b/a"), 0);
});

/** Runs `search` and fails if it takes a time that only exponential or high polynomial work can take. */
function assertQuick(name: string, search: () => void): void {
  const start = performance.now();
  search();
  const took = performance.now() - start;
  assert.ok(took < 2000, `${name} took ${took.toFixed(0)} ms`);
}

test("RouteTree does not go through all ways to spread a path over several **", () => {
  const path = "/a".repeat(4000);
  const hopeless = treeOf([`${"/**/a".repeat(30)}/b`]);
  assertQuick("30 **, one text", () => assert.equal(find(hopeless, path), NO_ROUTE));
  assertQuick("30 **, one text, found at the end", () => assert.equal(find(hopeless, `${path}/b`), 0));
  const partials = treeOf([`${"/**/*a*/a*/*a".repeat(10)}/b`]);
  assertQuick("10 ** with partials", () => assert.equal(find(partials, path), NO_ROUTE));
});

test("RouteTree does not go through all ways to mix wildcards in many patterns", () => {
  const patterns: string[] = [];
  for (let mix = 0; mix < 3 ** 6; mix++) {
    let pattern = "";
    for (let place = 0; place < 6; place++) {
      pattern += ["/**/a", "/a", "/a*"][Math.floor(mix / 3 ** place) % 3];
    }
    patterns.push(`${pattern}/b`);
  }
  const tree = treeOf(patterns);
  assertQuick("729 patterns of **, text and partial", () => {
    assert.equal(find(tree, "/a".repeat(1000)), NO_ROUTE);
  });
});

test("RouteTree does not search a long segment again for each **", () => {
  const tree = treeOf(["/**/*needle*/x"]);
  assertQuick("8,000 short segments", () => assert.equal(find(tree, "/haystack".repeat(8000)), NO_ROUTE));
});

test("RouteTree works the same after a search that found nothing", () => {
  const tree = treeOf(["/**/a/**/b"]);
  for (let round = 0; round < 3; round++) {
    assert.equal(find(tree, "/x/a/x/c"), NO_ROUTE);
    assert.equal(find(tree, "/x/a/x/b"), 0);
  }
});
