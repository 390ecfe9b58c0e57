import assert from "node:assert/strict";
import { test } from "node:test";
import { countTests } from "../../scripts/junit_report.ts";

const DENO = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="4" failures="1" errors="1" time="0.015">
    <testsuite name="./a_test.ts" tests="4" disabled="1" errors="1" failures="1">
        <testcase name="A &lt;b&gt;" classname="./a_test.ts" time="0.002" line="2" col="1">
        </testcase>
        <testcase name="skipped" classname="./a_test.ts">
            <skipped/>
        </testcase>
        <testcase name="fails" classname="./a_test.ts">
            <failure message="Uncaught &lt;testcase/>">at &lt;testcase></failure>
        </testcase>
        <testcase name="cancelled" classname="./a_test.ts">
            <error message="Cancelled"/>
        </testcase>
    </testsuite>
</testsuites>`;

const BUN = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="3" assertions="0" failures="1" skipped="1" time="0.06">
  <testsuite name="a_test.ts" file="a_test.ts" tests="3">
    <testcase name="one" classname="" time="0.001" file="a_test.ts" line="2" assertions="0" />
    <testcase name="two" classname="" time="0">
      <skipped message="TODO" />
    </testcase>
    <testcase name="three" classname="" time="0.001">
      <failure type="AssertionError" message="&apos;">AssertionError<![CDATA[<testcase/><failure>]]></failure>
    </testcase>
  </testsuite>
</testsuites>`;

const NODE = `<?xml version="1.0" encoding="utf-8"?>
<testsuites>
\t<testcase name="a > b's" time="0.0009" classname="test" file="a_test.ts"/>
\t<testcase name="two" time="0.0001" classname="test" file="a_test.ts">
\t\t<skipped type="skipped" message="reason"/>
\t</testcase>
\t<testcase name="three" time="0.001" failure="Expected > and '">
\t\t<failure type="testCodeFailure" message="Expected">[Error] { }</failure>
\t</testcase>
\t<!-- <testcase name="four"/> tests 3 -->
</testsuites>`;

test("A report is counted by its test cases when Deno wrote it", () => {
  assert.deepEqual(countTests(DENO), { passed: 1, failed: 2, skipped: 1 });
});

test("A report is counted by its test cases when Bun wrote it", () => {
  assert.deepEqual(countTests(BUN), { passed: 1, failed: 1, skipped: 1 });
});

test("A report is counted by its test cases when Node wrote it", () => {
  assert.deepEqual(countTests(NODE), { passed: 1, failed: 1, skipped: 1 });
});

test("A report without test cases counts nothing", () => {
  assert.deepEqual(countTests("<testsuites/>"), { passed: 0, failed: 0, skipped: 0 });
});

test("A report that breaks off is refused", () => {
  assert.throws(() => countTests(BUN.slice(0, BUN.indexOf("</testsuite>"))), /breaks off inside <testsuite>/);
});
