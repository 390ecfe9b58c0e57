import assert from "node:assert/strict";
import { test } from "node:test";
import { checkBoundary, multipartBoundary } from "../../src/http/multipart_boundary.ts";

const FORM = "multipart/form-data";

/** Content-Type, boundary. */
const GOOD: [string, string][] = [
  [`${FORM}; boundary=X`, "X"],
  [`${FORM};boundary=X`, "X"],
  ["Multipart/Form-Data ; BOUNDARY=aB", "aB"],
  [`${FORM}; boundary="a b"`, "a b"],
  [
    `${FORM}; charset=utf-8; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW0`,
    "----WebKitFormBoundary7MA4YWxkTrZu0gW0",
  ],
  [`${FORM}; boundary=X; charset=utf-8`, "X"],
  [`${FORM}; x="a; boundary=no"; boundary=yes`, "yes"],
  [`${FORM}; boundary="'()+_,-./:=?"`, "'()+_,-./:=?"],
  // Not a token, and sent without quotes all the same.
  [`${FORM}; boundary=a/b:c=d?`, "a/b:c=d?"],
  [`${FORM}; boundary=${"x".repeat(70)}`, "x".repeat(70)],
];

/** Content-Type, fault, status. */
const BAD: [string | null, "boundary" | "contentType", number][] = [
  [null, "contentType", 415],
  ["", "contentType", 415],
  ["application/x-www-form-urlencoded", "contentType", 415],
  ["multipart/mixed; boundary=X", "contentType", 415],
  ["multipart/form-data-x; boundary=X", "contentType", 415],
  [FORM, "boundary", 400],
  [`${FORM};`, "boundary", 400],
  [`${FORM}; boundary`, "boundary", 400],
  [`${FORM}; boundary=`, "boundary", 400],
  [`${FORM}; boundary=""`, "boundary", 400],
  [`${FORM}; boundary="a`, "boundary", 400],
  [`${FORM}; boundary="a "`, "boundary", 400],
  [`${FORM}; boundary="a\tb"`, "boundary", 400],
  [`${FORM}; boundary=${"x".repeat(71)}`, "boundary", 400],
  [`${FORM}; boundary=a; boundary=b`, "boundary", 400],
  [`${FORM}; boundary=a b`, "boundary", 400],
  [`${FORM}; boundary=a, ${FORM}; boundary=b`, "boundary", 400],
  [`${FORM}; boundary="a\\"b"`, "boundary", 400],
  [`${FORM}; boundary=a*b`, "boundary", 400],
  [`${FORM}; boundary=\u00e4`, "boundary", 400],
];

for (const [value, boundary] of GOOD) {
  test(`Boundary of "${value}" is found`, () => {
    assert.equal(multipartBoundary(value), boundary);
  });
}

for (const [value, fault, status] of BAD) {
  test(`Boundary of "${value}" is refused with ${status}`, () => {
    assert.throws(() => multipartBoundary(value), { name: "CartoucheError", fault, status });
  });
}

test("Boundary with a line end is refused, for the search relies on it", () => {
  for (const boundary of ["a\r\nb", "a\rb", "a\n", "\n", "a\r"]) {
    assert.throws(() => checkBoundary(boundary), { fault: "boundary" });
  }
});
