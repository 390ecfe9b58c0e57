import assert from "node:assert/strict";
import { test } from "node:test";
import { matchesStrongly, matchesWeakly, parseEntityTag, parseEntityTagList } from "../../src/http/etag.ts";

const strong = (opaque: string) => ({ weak: false, opaque });
const weak = (opaque: string) => ({ weak: true, opaque });

/** RFC 9110 section 8.8.3. */
const TAGS: [string, ReturnType<typeof strong> | undefined][] = [
  ['"xyzzy"', strong("xyzzy")],
  ['W/"xyzzy"', weak("xyzzy")],
  ['""', strong("")],
  ['"a,b"', strong("a,b")],
  ['"a\\"', strong("a\\")],
  ['"\u00e4"', strong("\u00e4")],
  ['w/"xyzzy"', undefined],
  ['W/ "xyzzy"', undefined],
  ['"a b"', undefined],
  ['"a"b"', undefined],
  ["xyzzy", undefined],
  ['"xyzzy', undefined],
  ["*", undefined],
  ["", undefined],
];

/** RFC 9110 sections 5.6.1, 13.1.1, 13.1.2. */
const LISTS: [string, "*" | ReturnType<typeof strong>[] | undefined][] = [
  ["*", "*"],
  [" * ", "*"],
  ['"a"', [strong("a")]],
  ['"a", W/"b","c"', [strong("a"), weak("b"), strong("c")]],
  ['"a,b" , "c"', [strong("a,b"), strong("c")]],
  [',, "a" ,,', [strong("a")]],
  ["", undefined],
  [",", undefined],
  ["a", undefined],
  ['"a" "b"', undefined],
  ['"a", b', undefined],
  ['"a", *', undefined],
  ['"a', undefined],
];

for (const [text, expected] of TAGS) {
  test(`Entity tag ${text} is read as ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(parseEntityTag(text), expected);
  });
}

for (const [text, expected] of LISTS) {
  test(`Entity tag list ${text} is read as ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(parseEntityTagList(text), expected);
  });
}

// The table of RFC 9110 section 8.8.3.2.
for (
  const [a, b, strongly, weakly] of [
    ['W/"1"', 'W/"1"', false, true],
    ['W/"1"', 'W/"2"', false, false],
    ['W/"1"', '"1"', false, true],
    ['"1"', '"1"', true, true],
  ] as const
) {
  test(`Entity tags ${a} and ${b} match strongly: ${strongly}, weakly: ${weakly}`, () => {
    const [first, second] = [parseEntityTag(a), parseEntityTag(b)];
    assert.ok(first !== undefined && second !== undefined);
    assert.equal(matchesStrongly(first, second), strongly);
    assert.equal(matchesWeakly(first, second), weakly);
    assert.equal(matchesStrongly(second, first), strongly);
  });
}

test("Entity tag list of 16 KiB that never ends is refused at once", () => {
  const started = performance.now();
  assert.equal(parseEntityTagList('"a' + " ".repeat(16_000) + "x"), undefined);
  assert.equal(parseEntityTagList('"a"' + " ".repeat(16_000) + "x"), undefined);
  assert.equal(parseEntityTagList('"a",'.repeat(4_000) + "x"), undefined);
  assert.ok(performance.now() - started < 1_000);
});
