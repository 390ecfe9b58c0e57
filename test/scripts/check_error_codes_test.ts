import assert from "node:assert/strict";
import { test } from "node:test";
import { checkErrorCodes } from "../../scripts/check_error_codes.ts";

const TABLE = ["ERR_A", "ERR_B"];
const SOURCES = new Map([["src/x.ts", `throw new CartoucheError("ERR_A", ""); const code = "ERR_B";`]]);
const DOC = "| code | meaning |\n|---|---|\n| `ERR_A` | a |\n| ERR_B | b |\n";

test("Error codes that are used and documented have no faults", () => {
  assert.deepEqual(checkErrorCodes(TABLE, SOURCES, DOC), []);
});

const FAULTS: readonly (readonly [name: string, args: Parameters<typeof checkErrorCodes>, fault: RegExp])[] =
  [
    [
      "a code is not used",
      [[...TABLE, "ERR_C"], SOURCES, DOC + "| ERR_C | c |"],
      /nothing in src uses ERR_C/,
    ],
    ["a code is not documented", [TABLE, SOURCES, DOC.replace("| ERR_B", "ERR_B")], /no row for ERR_B/],
    ["a code is not in the table", [["ERR_A"], SOURCES, DOC], /src\/x\.ts: ERR_B is not in src\/errors\.ts/],
    ["a documented code is gone", [TABLE, SOURCES, DOC + "| ERR_C | c |"], /errors\.md: ERR_C is not in/],
    ["a code is documented twice", [TABLE, SOURCES, DOC + "| ERR_B | c |"], /ERR_B has two rows/],
    ["there is no page", [TABLE, SOURCES, undefined], /errors\.md is missing/],
  ];

for (const [name, args, fault] of FAULTS) {
  test(`The error code check complains when ${name}`, () => {
    const faults = checkErrorCodes(...args);
    assert.ok(faults.some((line) => fault.test(line)), `not among the faults:\n${faults.join("\n")}`);
  });
}
