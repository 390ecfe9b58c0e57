/**
 * Tests of cutting and decoding a path.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hashText, PathSegments } from "../../src/router/path_segments.ts";

function segmentsOf(segments: PathSegments): string[] {
  return Array.from({ length: segments.count }, (_, index) => segments.text(index));
}

const SPLIT: [path: string, segments: string[]][] = [
  ["/", [""]],
  ["//", ["", ""]],
  ["/a", ["a"]],
  ["/a/", ["a", ""]],
  ["/a//b", ["a", "", "b"]],
  ["/abc/de/f", ["abc", "de", "f"]],
  ["/a%2Fb/c", ["a/b", "c"]],
  ["/a%2fb", ["a/b"]],
  ["/%61/b", ["a", "b"]],
  ["/a/%62", ["a", "b"]],
  ["/a+b", ["a+b"]],
  ["/%2525", ["%25"]],
  ["/caf%C3%A9/x", ["café", "x"]],
  ["/%F0%9F%98%80", ["😀"]],
  ["/%00", ["\0"]],
  ["/../.", ["..", "."]],
];

test("PathSegments cuts at each slash and decodes after the cut", () => {
  const segments = new PathSegments();
  for (const [path, expected] of SPLIT) {
    assert.equal(segments.split(path), true, path);
    assert.deepEqual(segmentsOf(segments), expected, path);
    expected.forEach((text, index) => {
      assert.equal(segments.hash(index), hashText(text), path);
      assert.equal(segments.isEmpty(index), text === "", path);
    });
  }
});

test("PathSegments refuses malformed percent-encoding anywhere, and is good for the next path", () => {
  const segments = new PathSegments();
  for (
    const path of ["/%", "/%4", "/%zz/a", "/a/%zz", "/a/b%/c", "/%ff", "/%C3/%A9", "/%C0%AF", "/%ED%A0%80"]
  ) {
    assert.equal(segments.split(path), false, path);
    assert.equal(segments.count, 0, path);
    assert.equal(segments.split("/ok"), true);
    assert.deepEqual(segmentsOf(segments), ["ok"]);
  }
});

const MATCHES: [
  segment: string,
  kind: "literal" | "starts" | "ends" | "contains",
  text: string,
  fits: boolean,
][] = [
  ["abc", "literal", "abc", true],
  ["abc", "literal", "ab", false],
  ["abc", "literal", "abcd", false],
  ["abc", "literal", "Abc", false],
  ["", "literal", "", true],
  ["abc", "starts", "ab", true],
  ["abc", "starts", "abc", true],
  ["abc", "starts", "abcd", false],
  ["abc", "starts", "b", false],
  ["abc", "ends", "bc", true],
  ["abc", "ends", "abc", true],
  ["abc", "ends", "xabc", false],
  ["abc", "ends", "ab", false],
  ["abc", "contains", "b", true],
  ["abc", "contains", "abc", true],
  ["abc", "contains", "ac", false],
  ["abc", "contains", "abcd", false],
];

test("PathSegments compares within the segment only", () => {
  // The neighbours would complete every text above if a comparison ran over the end of the segment.
  const segments = new PathSegments();
  for (const [segment, kind, text, fits] of MATCHES) {
    for (const encoded of [segment, segment.replace(/b/g, "%62")]) {
      assert.ok(segments.split(`/xabcd/${encoded}/abcd`));
      assert.equal(segments.matches(1, { kind, text }), fits, `${encoded} ${kind} ${text}`);
    }
  }
  assert.ok(segments.split("/ab/cd"));
  assert.equal(segments.matches(0, { kind: "starts", text: "ab/" }), false);
  assert.equal(segments.matches(1, { kind: "ends", text: "b/cd" }), false);
  assert.equal(segments.matches(0, { kind: "contains", text: "b/c" }), false);
});

test("PathSegments lets a star match an empty segment, but not a name", () => {
  const segments = new PathSegments();
  segments.split("/");
  assert.equal(segments.matches(0, { kind: "any" }), true);
  assert.equal(segments.matches(0, { kind: "named", name: "id" }), false);
  segments.split("/a");
  assert.equal(segments.matches(0, { kind: "named", name: "id" }), true);
});
