/**
 * Tests of the pattern language: what is read from a pattern, and what is refused with which reason.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CartoucheError } from "../../src/errors.ts";
import { parsePattern, type PathPattern } from "../../src/router/path_pattern.ts";

/** The segments in one line: kind, then text or name. */
function describe(pattern: PathPattern): string {
  return pattern.segments.map((segment) => {
    if ("text" in segment) return `${segment.kind} ${JSON.stringify(segment.text)}`;
    return "name" in segment ? `${segment.kind} ${segment.name}` : segment.kind;
  }).join(" / ");
}

const READ: [pattern: string, segments: string][] = [
  ["/", 'literal ""'],
  ["//", 'literal "" / literal ""'],
  ["/a", 'literal "a"'],
  ["/a/", 'literal "a" / literal ""'],
  ["/A.b-c_d~e", 'literal "A.b-c_d~e"'],
  ["/..", 'literal ".."'],
  ["/caf%C3%A9", 'literal "café"'],
  ["/café", 'literal "café"'],
  ["/a%2Fb", 'literal "a/b"'],
  ["/100%25", 'literal "100%"'],
  ["/why%3F", 'literal "why?"'],
  ["/*", "any"],
  ["/**", "many"],
  ["/%2A", 'literal "*"'],
  ["/%2A%2A", 'literal "**"'],
  ["/*.json", 'ends ".json"'],
  ["/*%2Ejson", 'ends ".json"'],
  ["/page_*", 'starts "page_"'],
  ["/*_x_*", 'contains "_x_"'],
  ["/***", 'contains "*"'],
  ["/**z", 'ends "*z"'],
  ["/z**", 'starts "z*"'],
  ["/*a*b*", 'contains "a*b"'],
  ["/%2A*", 'starts "*"'],
  ["/a*b", 'literal "a*b"'],
  ["/a**b", 'literal "a**b"'],
  ["/:id", "named id"],
  ["/@id", "named id"],
  ["/:_a$1", "named _a$1"],
  ["/:größe", "named größe"],
  ["/:__proto__", "named __proto__"],
  ["/:a/@b", "named a / named b"],
  ["/%3Aid", 'literal ":id"'],
  ["/%40id", 'literal "@id"'],
  ["/a:b", 'literal "a:b"'],
  ["/user@host", 'literal "user@host"'],
  ["/*:id", 'ends ":id"'],
  ["/**/a", 'many / literal "a"'],
  ["/**/", 'many / literal ""'],
  ["/**/*.js", 'many / ends ".js"'],
  ["/**/a/**", 'many / literal "a" / many'],
  ["/**/a/:id/*", 'many / literal "a" / named id / any'],
  ["/:id/**", "named id / many"],
  ["/*/**", "any / many"],
];

test("parsePattern reads each segment by itself", () => {
  for (const [pattern, segments] of READ) {
    const parsed = parsePattern(pattern);
    assert.equal(describe(parsed), segments, pattern);
    assert.equal(parsed.source, pattern);
    assert.equal(parsed.isLiteral, !/any|many|named|starts|ends|contains/.test(segments), pattern);
  }
});

test("parsePattern lists the names in order", () => {
  assert.deepEqual(parsePattern("/:b/x/@a/**").names, ["b", "a"]);
  assert.deepEqual(parsePattern("/x/*").names, []);
});

const REFUSED: [pattern: string, reason: RegExp][] = [
  ["", /it is empty/],
  ["a", /must begin with "\/"/],
  ["a/b", /must begin with "\/"/],
  ["*", /must begin with "\/"/],
  [":id", /must begin with "\/"/],
  ["http://host/a", /must begin with "\/"/],
  ["/a?b", /"\?" is never part of a path; write %3F/],
  ["/:id?", /"\?" is never part of a path/],
  ["/a#b", /"#" is never part of a path; write %23/],
  ["/**/*", /"\*\*" must be followed by text or a partial wildcard, not by "\*"/],
  ["/**/**", /must be followed by .* not by "\*\*"/],
  ["/**/:id", /must be followed by .* not by ":id"/],
  ["/**/@id", /must be followed by .* not by "@id"/],
  ["/a/**/b/**/**", /must be followed by/],
  ["/**/bad/**/*/x", /must be followed by/],
  ["/:", /":" needs a name/],
  ["/@", /"@" needs a name after it; write %40/],
  ["/a/:/b", /":" needs a name after it; write %3A/],
  ["/:1st", /"1st" is not a name/],
  ["/:user-id", /"user-id" is not a name/],
  ["/:id.json", /"id.json" is not a name/],
  ["/:a:b", /"a:b" is not a name/],
  ["/:id(\\d+)", /is not a name/],
  ["/:id*", /"id\*" is not a name/],
  ["/:%69d", /"%69d" is not a name/],
  ["/:a b", /"a b" is not a name/],
  ["/:a/:a", /the name "a" is used twice/],
  ["/:a/x/@a", /the name "a" is used twice/],
  ["/%", /percent-encoding in "%" is malformed/],
  ["/100%", /malformed; write %25/],
  ["/%zz", /malformed/],
  ["/%4", /malformed/],
  ["/%ff", /malformed/],
  ["/%C3", /malformed/],
  ["/%ED%A0%80", /malformed/],
  ["/*%zz", /malformed/],
  ["/%zz*", /malformed/],
];

test("parsePattern refuses a pattern that cannot work and says why", () => {
  for (const [pattern, reason] of REFUSED) {
    assert.throws(() => parsePattern(pattern), (error: unknown) => {
      assert.ok(error instanceof CartoucheError, pattern);
      assert.equal(error.code, "ERR_PATTERN");
      assert.match(error.message, reason);
      assert.ok(error.message.includes(`"${pattern}"`), error.message);
      return true;
    });
  }
});

test("parsePattern refuses what is no string", () => {
  for (const pattern of [undefined, null, 7, /x/]) {
    assert.throws(() => parsePattern(pattern as unknown as string), { code: "ERR_PATTERN" });
  }
});
