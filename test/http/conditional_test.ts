import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluateConditions, type Validators, type Verdict } from "../../src/http/conditional.ts";
import { formatHttpDate } from "../../src/http/http_date.ts";

const MODIFIED = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const SAME = formatHttpDate(MODIFIED);
const EARLIER = formatHttpDate(MODIFIED - 1_000);
const LATER = formatHttpDate(MODIFIED + 1_000);
const CURRENT: Validators = { exists: true, etag: '"v1"', lastModifiedMs: MODIFIED };
const ABSENT: Validators = { exists: false };

type Outcome = "whole" | "range" | 304 | 412;

/** Section, method, fields, outcome; the representation is CURRENT unless a fifth says otherwise. */
const CASES: [string, string, Record<string, string>, Outcome, Validators?][] = [
  // If-Match
  ["13.1.1", "GET", { "if-match": '"v1"' }, "whole"],
  ["13.1.1", "GET", { "if-match": '"v0", "v1"' }, "whole"],
  ["13.1.1", "GET", { "if-match": "*" }, "whole"],
  ["13.1.1", "GET", { "if-match": '"v0"' }, 412],
  ["13.1.1 strong", "GET", { "if-match": 'W/"v1"' }, 412],
  ["13.1.1 strong", "GET", { "if-match": '"v1"' }, 412, { exists: true, etag: 'W/"v1"' }],
  ["13.1.1", "PUT", { "if-match": '"v1"' }, "whole"],
  ["13.1.1", "PUT", { "if-match": '"v0"' }, 412],
  ["13.1.1", "PUT", { "if-match": "*" }, 412, ABSENT],
  ["13.1.1", "PUT", { "if-match": '"v1"' }, 412, ABSENT],
  ["13.1.1", "DELETE", { "if-match": '"v0"' }, 412],
  ["13.1.1 malformed", "PUT", { "if-match": "v1" }, 412],
  ["13.1.1 no tag known", "GET", { "if-match": '"v1"' }, 412, { exists: true }],
  ["13.1.1 no tag known", "GET", { "if-match": "*" }, "whole", { exists: true }],
  // If-Unmodified-Since
  ["13.1.4", "GET", { "if-unmodified-since": SAME }, "whole"],
  ["13.1.4", "GET", { "if-unmodified-since": LATER }, "whole"],
  ["13.1.4", "GET", { "if-unmodified-since": EARLIER }, 412],
  ["13.1.4", "PUT", { "if-unmodified-since": EARLIER }, 412],
  ["13.1.4 nonsense", "GET", { "if-unmodified-since": "last week" }, "whole"],
  ["13.1.4 two lines", "GET", { "if-unmodified-since": `${EARLIER}, ${EARLIER}` }, "whole"],
  ["13.1.4 no date", "GET", { "if-unmodified-since": EARLIER }, "whole", { exists: true, etag: '"v1"' }],
  ["13.1.4 RFC 850", "GET", { "if-unmodified-since": "Thursday, 01-Jan-26 00:00:00 GMT" }, 412],
  ["13.1.4 asctime", "GET", { "if-unmodified-since": "Thu Jan  1 00:00:00 2026" }, 412],
  ["13.2.2 step 2 ignored", "GET", { "if-match": '"v1"', "if-unmodified-since": EARLIER }, "whole"],
  ["13.2.2 step 2 ignored", "GET", { "if-match": '"v0"', "if-unmodified-since": LATER }, 412],
  // If-None-Match
  ["13.1.2", "GET", { "if-none-match": '"v1"' }, 304],
  ["13.1.2", "HEAD", { "if-none-match": '"v1"' }, 304],
  ["13.1.2 weak", "GET", { "if-none-match": 'W/"v1"' }, 304],
  ["13.1.2 weak", "GET", { "if-none-match": '"v1"' }, 304, { exists: true, etag: 'W/"v1"' }],
  ["13.1.2", "GET", { "if-none-match": '"v0", W/"v1"' }, 304],
  ["13.1.2", "GET", { "if-none-match": '"v0"' }, "whole"],
  ["13.1.2", "GET", { "if-none-match": "*" }, 304],
  ["13.1.2", "PUT", { "if-none-match": "*" }, 412],
  ["13.1.2", "PUT", { "if-none-match": "*" }, "whole", ABSENT],
  ["13.1.2", "PUT", { "if-none-match": '"v1"' }, 412],
  ["13.1.2", "POST", { "if-none-match": '"v0"' }, "whole"],
  ["13.1.2 malformed", "GET", { "if-none-match": "v1" }, "whole"],
  // If-Modified-Since
  ["13.1.3", "GET", { "if-modified-since": SAME }, 304],
  ["13.1.3", "GET", { "if-modified-since": LATER }, 304],
  ["13.1.3", "GET", { "if-modified-since": EARLIER }, "whole"],
  ["13.1.3", "HEAD", { "if-modified-since": SAME }, 304],
  ["13.1.3 other methods", "PUT", { "if-modified-since": SAME }, "whole"],
  ["13.1.3 other methods", "POST", { "if-modified-since": LATER }, "whole"],
  ["13.1.3 nonsense", "GET", { "if-modified-since": "0" }, "whole"],
  ["13.1.3 two lines", "GET", { "if-modified-since": `${LATER}, ${LATER}` }, "whole"],
  ["13.1.3 no date", "GET", { "if-modified-since": LATER }, "whole", { exists: true }],
  ["13.1.3 asctime", "GET", { "if-modified-since": "Fri Jan  2 03:04:05 2026" }, 304],
  ["13.1.3 RFC 850", "GET", { "if-modified-since": "Friday, 02-Jan-26 03:04:05 GMT" }, 304],
  ["13.2.2 step 4 ignored", "GET", { "if-none-match": '"v0"', "if-modified-since": LATER }, "whole"],
  ["13.2.2 step 4 ignored", "GET", { "if-none-match": '"v1"', "if-modified-since": EARLIER }, 304],
  ["13.2.2 step 4 ignored, malformed", "GET", { "if-none-match": "v1", "if-modified-since": LATER }, "whole"],
  // The order
  ["13.2.2 steps 1, 3", "GET", { "if-match": '"v0"', "if-none-match": '"v1"' }, 412],
  ["13.2.2 steps 1, 3", "GET", { "if-match": '"v1"', "if-none-match": '"v1"' }, 304],
  ["13.2.2 steps 2, 3", "GET", { "if-unmodified-since": EARLIER, "if-none-match": '"v1"' }, 412],
  ["13.2.2 steps 2, 4", "GET", { "if-unmodified-since": SAME, "if-modified-since": SAME }, 304],
  ["13.2.2 steps 3, 5", "GET", { "if-none-match": '"v1"', range: "bytes=0-0", "if-range": '"v1"' }, 304],
  ["13.2.2 steps 1, 5", "GET", { "if-match": '"v0"', range: "bytes=0-0" }, 412],
  // Range, If-Range
  ["14.2", "GET", { range: "bytes=0-0" }, "range"],
  ["14.2 GET only", "HEAD", { range: "bytes=0-0" }, "whole"],
  ["14.2 GET only", "POST", { range: "bytes=0-0" }, "whole"],
  ["13.1.5", "GET", { range: "bytes=0-0", "if-range": '"v1"' }, "range"],
  ["13.1.5", "GET", { range: "bytes=0-0", "if-range": '"v0"' }, "whole"],
  ["13.1.5 strong", "GET", { range: "bytes=0-0", "if-range": 'W/"v1"' }, "whole"],
  ["13.1.5 strong", "GET", { range: "bytes=0-0", "if-range": 'W/"v1"' }, "whole", {
    exists: true,
    etag: 'W/"v1"',
  }],
  ["13.1.5 strong", "GET", { range: "bytes=0-0", "if-range": '"v1"' }, "whole", {
    exists: true,
    etag: 'W/"v1"',
  }],
  ["13.1.5 date", "GET", { range: "bytes=0-0", "if-range": SAME }, "range"],
  ["13.1.5 date", "GET", { range: "bytes=0-0", "if-range": LATER }, "whole"],
  ["13.1.5 date", "GET", { range: "bytes=0-0", "if-range": EARLIER }, "whole"],
  ["13.1.5 date", "GET", { range: "bytes=0-0", "if-range": "Fri Jan  2 03:04:05 2026" }, "range"],
  ["13.1.5 no date", "GET", { range: "bytes=0-0", "if-range": SAME }, "whole", {
    exists: true,
    etag: '"v1"',
  }],
  ["13.1.5 nonsense", "GET", { range: "bytes=0-0", "if-range": "v1" }, "whole"],
  ["13.1.5 no list", "GET", { range: "bytes=0-0", "if-range": '"v0", "v1"' }, "whole"],
  ["13.1.5 no star", "GET", { range: "bytes=0-0", "if-range": "*" }, "whole"],
  ["13.1.5 without Range", "GET", { "if-range": '"v0"' }, "whole"],
  // None of it
  ["13.2.1", "OPTIONS", { "if-match": '"v0"', "if-none-match": "*" }, "whole"],
  ["13.2.1", "TRACE", { "if-match": '"v0"' }, "whole"],
  ["13.2.1", "CONNECT", { "if-match": '"v0"' }, "whole"],
  ["13.2.2", "GET", {}, "whole"],
  ["13.2.2", "PUT", {}, "whole", ABSENT],
];

function verdictOf(outcome: Outcome): Verdict {
  if (typeof outcome === "number") return { outcome, rangeApplies: false };
  return { outcome: "proceed", rangeApplies: outcome === "range" };
}

CASES.forEach(([section, method, fields, outcome, validators = CURRENT], index) => {
  const shown = Object.entries(fields).map(([name, value]) => `${name}: ${value}`).join("; ");
  test(`Condition ${index} (${section}) ${method} ${shown} leads to ${outcome}`, () => {
    assert.deepEqual(
      evaluateConditions(method, (name) => fields[name] ?? null, validators),
      verdictOf(outcome),
    );
  });
});

test("Condition (8.8.2.2) If-Range with a date is false before the second of that date is over", () => {
  const fields: Record<string, string> = { range: "bytes=0-0", "if-range": SAME };
  for (
    const [sinceMs, outcome] of [[0, "whole"], [321, "whole"], [322, "range"], [1_000, "range"]] as const
  ) {
    assert.deepEqual(
      evaluateConditions("GET", (name) => fields[name] ?? null, CURRENT, MODIFIED + sinceMs),
      verdictOf(outcome),
      `${sinceMs} ms later`,
    );
  }
});

test("Conditions ask for fields by lower-case name only", () => {
  evaluateConditions("GET", (name) => {
    assert.equal(name, name.toLowerCase());
    return null;
  }, CURRENT);
});
