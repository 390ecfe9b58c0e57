import assert from "node:assert/strict";
import { test } from "node:test";
import { formatHttpDate, hasHttpDate, parseHttpDate } from "../../src/http/http_date.ts";

const NOW = Date.UTC(2026, 10, 23, 12);
const EXAMPLE = Date.UTC(1994, 10, 6, 8, 49, 37);

/** RFC 9110 section 5.6.7: text, time. */
const READABLE: [string, number][] = [
  ["Sun, 06 Nov 1994 08:49:37 GMT", EXAMPLE],
  ["Sunday, 06-Nov-94 08:49:37 GMT", EXAMPLE],
  ["Sun Nov  6 08:49:37 1994", EXAMPLE],
  ["Wed Nov 16 08:49:37 1994", Date.UTC(1994, 10, 16, 8, 49, 37)],
  ["Thu, 29 Feb 2024 00:00:00 GMT", Date.UTC(2024, 1, 29)],
  ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
  ["Fri, 31 Dec 9999 23:59:59 GMT", Date.UTC(9999, 11, 31, 23, 59, 59)],
  ["Mon, 01 Jan 0050 00:00:00 GMT", new Date(0).setUTCFullYear(50, 0, 1)],
  // A leap second.
  ["Sat, 31 Dec 2016 23:59:60 GMT", Date.UTC(2017, 0, 1)],
  // The day's name is not compared with the date.
  ["Mon, 06 Nov 1994 08:49:37 GMT", EXAMPLE],
  // Two digits: not more than 50 years in the future, seen from 2026-11-23T12:00.
  ["Monday, 23-Nov-76 12:00:00 GMT", Date.UTC(2076, 10, 23, 12)],
  ["Monday, 23-Nov-76 12:00:01 GMT", Date.UTC(1976, 10, 23, 12, 0, 1)],
  ["Wednesday, 01-Jan-77 00:00:00 GMT", Date.UTC(1977, 0, 1)],
  ["Wednesday, 01-Jan-27 00:00:00 GMT", Date.UTC(2027, 0, 1)],
  ["Saturday, 01-Jan-00 00:00:00 GMT", Date.UTC(2000, 0, 1)],
  ["Tuesday, 29-Feb-00 00:00:00 GMT", Date.UTC(2000, 1, 29)],
];

const NONSENSE: string[] = [
  "",
  "0",
  "yesterday",
  "1994-11-06T08:49:37Z",
  "784111777",
  "Sun, 06 Nov 1994 08:49:37",
  "Sun, 06 Nov 1994 08:49:37 UTC",
  "Sun, 06 Nov 1994 08:49:37 +0000",
  "sun, 06 nov 1994 08:49:37 gmt",
  "Sun, 6 Nov 1994 08:49:37 GMT",
  "Sun, 06 Nov 94 08:49:37 GMT",
  "Sun,  06 Nov 1994 08:49:37 GMT",
  " Sun, 06 Nov 1994 08:49:37 GMT",
  "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
  "Sun, 06 Foo 1994 08:49:37 GMT",
  "Xyz, 06 Nov 1994 08:49:37 GMT",
  "Sun, 00 Nov 1994 08:49:37 GMT",
  "Sun, 31 Nov 1994 08:49:37 GMT",
  "Wed, 29 Feb 2023 00:00:00 GMT",
  "Sun, 06 Nov 1994 24:00:00 GMT",
  "Sun, 06 Nov 1994 08:60:37 GMT",
  "Sun, 06 Nov 1994 08:49:61 GMT",
  "Sun, 06-Nov-94 08:49:37 GMT",
  "Sunday, 06-Nov-1994 08:49:37 GMT",
  "Monday, 30-Feb-26 00:00:00 GMT",
  "Sun Nov 6 08:49:37 1994",
  "Sun Nov  6 08:49:37 1994 GMT",
];

for (const [text, time] of READABLE) {
  test(`HTTP date "${text}" is read as UTC`, () => {
    assert.equal(parseHttpDate(text, NOW), time);
  });
}

for (const text of NONSENSE) {
  test(`HTTP date "${text}" is no date`, () => {
    assert.equal(parseHttpDate(text, NOW), undefined);
  });
}

test("HTTP date of two digits is read from the turn of a century on both sides", () => {
  const at1999 = Date.UTC(1999, 5, 1);
  assert.equal(parseHttpDate("Friday, 01-Jan-49 00:00:00 GMT", at1999), Date.UTC(2049, 0, 1));
  assert.equal(parseHttpDate("Friday, 01-Jan-50 00:00:00 GMT", at1999), Date.UTC(1950, 0, 1));
});

test("HTTP date is written as IMF-fixdate and cuts off milliseconds", () => {
  assert.equal(formatHttpDate(EXAMPLE + 999), "Sun, 06 Nov 1994 08:49:37 GMT");
  assert.equal(formatHttpDate(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
});

test("HTTP date that is written is read back, second by second over the calendar", () => {
  for (let time = Date.UTC(1900, 0, 1); time < Date.UTC(2100, 0, 1); time += 86_400_000 * 13 + 3_661_000) {
    assert.equal(parseHttpDate(formatHttpDate(time), NOW), time);
  }
});

test("HTTP date exists for the years 0000 to 9999 only", () => {
  assert.equal(hasHttpDate(Date.UTC(9999, 11, 31, 23, 59, 59)), true);
  assert.equal(hasHttpDate(Date.UTC(10000, 0, 1)), false);
  assert.equal(hasHttpDate(new Date(0).setUTCFullYear(0, 0, 1)), true);
  assert.equal(hasHttpDate(new Date(0).setUTCFullYear(0, 0, 1) - 1), false);
  assert.equal(hasHttpDate(NaN), false);
});
