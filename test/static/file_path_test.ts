import assert from "node:assert/strict";
import { test } from "node:test";
import { pathSegments } from "../../src/static/file_path.ts";

/** Path as sent, names or status. */
const CASES: [string, string[] | 400 | 404][] = [
  ["/", []],
  ["", []],
  ["/a.txt", ["a.txt"]],
  ["/a/b/c", ["a", "b", "c"]],
  ["/a/", ["a"]],
  ["/a%20b/%C3%A4.txt", ["a b", "ä.txt"]],
  ["/a+b", ["a+b"]],
  ["/%25", ["%"]],
  ["/%2525", ["%25"]],
  ["/a%3Fb%23c", ["a?b#c"]],
  ["/...", 404],
  ["/a...", ["a..."]],
  ["/a..b", ["a..b"]],
  // Climbing, in every encoding.
  ["/..", 404],
  ["/../x", 404],
  ["/a/../../x", 404],
  ["/a/..", 404],
  ["/./a", 404],
  ["/a/.", 404],
  ["/%2e%2e/x", 404],
  ["/%2E%2e/x", 404],
  ["/.%2e/x", 404],
  ["/%2e/x", 404],
  ["/..%2fx", 404],
  ["/..%5cx", 404],
  ["/%2e%2e%2fx", 404],
  ["/%2e%2e%5cx", 404],
  // Decoded once only.
  ["/%252e%252e/x", ["%2e%2e", "x"]],
  ["/%25%32%65", ["%2e"]],
  // Separators inside a name.
  ["/a%2fb", 404],
  ["/a%2Fb", 404],
  ["/%2fetc/passwd", 404],
  ["/a%5cb", 404],
  ["/a\\b", 404],
  ["/..\\x", 404],
  // Empty names.
  ["//", 404],
  ["//etc/passwd", 404],
  ["/a//b", 404],
  ["/a//", 404],
  // Not a path.
  ["*", 404],
  ["a", 404],
  ["..", 404],
  // What cannot be decoded, or is no text.
  ["/%00", 400],
  ["/a.txt%00.png", 400],
  ["/a\0b", 400],
  ["/%", 400],
  ["/%2", 400],
  ["/%zz", 400],
  ["/%ff", 400],
  ["/%c0%ae%c0%ae/x", 400],
  ["/%e0%80%ae", 400],
  ["/%ed%a0%80", 400],
  ["/%u002e%u002e", 400],
  // Names that begin with a dot.
  ["/.env", 404],
  ["/.git/config", 404],
  ["/a/.b", 404],
  ["/%2eenv", 404],
  ["/.cartouche/x.tmp", 404],
  ["/.well-known/acme-challenge/x", [".well-known", "acme-challenge", "x"]],
  ["/a/.well-known/x", 404],
];

for (const [path, expected] of CASES) {
  test(`File path ${JSON.stringify(path)} is read as ${JSON.stringify(expected)}`, () => {
    const read = pathSegments(path, false, false);
    assert.deepEqual(typeof read === "number" ? read : read.names, expected);
  });
}

test("File path ends in a slash when it means a folder", () => {
  for (
    const [path, folder] of [["/", true], ["", false], ["/a", false], ["/a/", true], ["/a/b/", true]] as const
  ) {
    const read = pathSegments(path, false);
    assert.ok(typeof read !== "number");
    assert.equal(read.folder, folder, path);
  }
});

test("File path with dotfiles allowed has names with a dot, but still no way up", () => {
  const names = (path: string): unknown => {
    const read = pathSegments(path, true, false);
    return typeof read === "number" ? read : read.names;
  };
  assert.deepEqual(names("/.env"), [".env"]);
  assert.deepEqual(names("/..."), ["..."]);
  assert.deepEqual(names("/.."), 404);
  assert.deepEqual(names("/%2e%2e/x"), 404);
  assert.deepEqual(names("/."), 404);
});

for (
  const name of ["C:", "a:b", "a.txt::$DATA", "a.", "a ", "CON", "nul.txt", "a*b", "a?b", "COM1"] as const
) {
  test(`File path with ${JSON.stringify(name)} in it does not exist on Windows`, () => {
    assert.equal(pathSegments(`/${encodeURIComponent(name)}`, false, true), 404);
    assert.notEqual(pathSegments(`/${encodeURIComponent(name)}`, false, false), 404);
  });
}
