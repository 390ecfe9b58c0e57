import assert from "node:assert/strict";
import { test } from "node:test";
import { parseParameters } from "../../src/http/parameters.ts";

/** Text behind the media type, parameters. RFC 9110 section 5.6.6. */
const CASES: [string, Record<string, string> | undefined][] = [
  ["", {}],
  ["  ", {}],
  [";", {}],
  ["; a=b", { a: "b" }],
  [";a=b;c=d", { a: "b", c: "d" }],
  ["; A=B", { a: "B" }],
  ['; a="b;c=d"', { a: "b;c=d" }],
  ['; a=""', { a: "" }],
  ['; a="b\\"c\\\\d\\e"', { a: 'b"c\\d\\e' }],
  ['; a="b\\\\"', { a: "b\\" }],
  ['; a="b\\"', { a: "b\\" }],
  ['; a="b\\\\\\"', { a: "b\\\\" }],
  ["; a = b ; c\t=\td", { a: "b", c: "d" }],
  ["; __proto__=x; constructor=y", { ["__proto__"]: "x", constructor: "y" }],
  ["; a*=b", { "a*": "b" }],
  ["a=b", undefined],
  ["; a", undefined],
  ["; =b", undefined],
  ["; a=", undefined],
  ["; a=b c", undefined],
  ['; a=b"c"', undefined],
  ['; a="b"c', undefined],
  ['; a="b', undefined],
  ['; a="b\\"; c=d', undefined],
  ["; a=b; a=c", undefined],
  ["; a=b; A=c", undefined],
  ["; \u00e4=b", undefined],
];

for (const [text, expected] of CASES) {
  test(`Parameters "${text}" are read as ${JSON.stringify(expected)}`, () => {
    const parameters = parseParameters(text, 0);
    assert.deepEqual(
      parameters === undefined ? undefined : [...parameters],
      expected === undefined ? undefined : Object.entries(expected),
    );
  });
}

test("Parameters begin where the caller says", () => {
  assert.deepEqual([...parseParameters("text/plain; a=b", 10) ?? []], [["a", "b"]]);
});
