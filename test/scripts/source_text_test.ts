import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOnly, importsOf } from "../../scripts/source_text.ts";

const CASES: readonly (readonly [name: string, source: string, code: string])[] = [
  ["a line comment", "a; // Deno\nb;", "a;        \nb;"],
  ["a block comment", "a /* Deno\nBun */ b", "a        \n       b"],
  ["a string with an escaped quote", String.raw`a("x\"//y") + b`, `a("      ") + b`],
  ["a regular expression with quotes", `a = /["'\`]/g; b`, `a =        g; b`],
  ["a regular expression with a slash in a class", 'f(/[/"]/, b)', "f(      , b)"],
  ["a division", "a / b; c / d", "a / b; c / d"],
  [
    "a template",
    "`Deno ${x.map((y) => { return `n${y}`; })} Bun` + b",
    "`     ${x.map((y) => { return ` ${y}`; })}    ` + b",
  ],
  ["an unfinished comment", "a /* b", "a     "],
  ["an unfinished template", "a `b", "a ` "],
];

for (const [name, source, code] of CASES) {
  test(`Code keeps its positions when the text of ${name} is blanked`, () => {
    assert.equal(codeOnly(source), code);
  });
}

test("Imports are found in every form, and not in comments and strings", () => {
  const source = `import a from "./a.ts";
import type { B } from "./b.ts";
import { type C, d } from './c.ts';
import "./e.ts";
import {
  f,
} from "./f.ts";
export { g } from "./g.ts";
export type { H } from "./h.ts";
export * from "./i.ts";
export const text = "no import";
// import j from "./j.ts";
const k = \`
import k from "./k.ts";
\`;
const l = await import("./l.ts");
import type from "./m.ts";
`;
  const found = importsOf(source).map(({ specifier, typeOnly, exportsAll, line }) =>
    [specifier, line, typeOnly ? "type" : exportsAll ? "all" : ""].join(" ").trim()
  );
  assert.deepEqual(found, [
    "./a.ts 1",
    "./b.ts 2 type",
    "./c.ts 3",
    "./e.ts 4",
    "./f.ts 5",
    "./g.ts 8",
    "./h.ts 9 type",
    "./i.ts 10 all",
    "./l.ts 16",
    "./m.ts 17",
  ]);
});
