/**
 * Counts the tests in a JUnit XML report, as `deno test`, `bun test` and Node's test runner write it.
 *
 * Only `<testcase>` elements and their direct verdicts (`<failure>`, `<error>`, `<skipped>`) are looked at: the
 * totals in the attributes of the suites mean different things on the three runtimes. Text, CDATA and comments are
 * passed over, so a failure message that quotes XML changes no count.
 */

/** How many tests ended how. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

// In this order at every "<": CDATA, comment, declaration, then a tag whose quoted attributes may contain ">".
const MARKUP =
  /<!\[CDATA\[[\s\S]*?\]\]>|<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<(\/?)([A-Za-z]+)((?:"[^"]*"|'[^']*'|[^>"'])*)>/g;

/**
 * Counts the tests of a report.
 *
 * @throws Error when the report breaks off (the runner died while it wrote it)
 */
export function countTests(xml: string): TestCounts {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  let verdict: "passed" | "failed" | "skipped" | undefined;
  const open: string[] = [];
  const settle = (): void => {
    if (verdict === "passed") passed++;
    else if (verdict === "failed") failed++;
    else if (verdict === "skipped") skipped++;
    verdict = undefined;
  };
  for (const [, slash, name = "", attributes = ""] of xml.matchAll(MARKUP)) {
    if (name === "") continue;
    if (slash === "/") {
      if (open.pop() !== name) throw new Error(`the report closes <${name}>, which is not open`);
      if (name === "testcase") settle();
      continue;
    }
    if (name === "testcase") verdict = "passed";
    else if (name === "failure" || name === "error") verdict = verdict && "failed";
    else if (name === "skipped") verdict = verdict === "passed" ? "skipped" : verdict;
    if (!attributes.endsWith("/")) open.push(name);
    else if (name === "testcase") settle();
  }
  if (open.length > 0) throw new Error(`the report breaks off inside <${open.at(-1)}>`);
  return { passed, failed, skipped };
}
