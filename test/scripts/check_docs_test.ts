import assert from "node:assert/strict";
import { test } from "node:test";
import { checkLinks, checkOptions, checkPaths } from "../../scripts/check_docs.ts";

const DEFAULTS = { port: 8080, hostname: "127.0.0.1", deadlineMs: 30_000, compress: true, logLevel: "info" };
const SOURCE = `export interface ServeOptions {
  /** TCP port; 0: any free port. Default 8080. */
  readonly port?: number;
  /** Host. Default "127.0.0.1". */
  readonly hostname?: string;
  /**
   * Time, ms.
   * Default 30,000; 0: none.
   */
  readonly deadlineMs?: number;
  /** Whether. Default true. */
  readonly compress?: boolean;
  /** Threads. Default: one per core. */
  readonly workers?: number;
  /** Level. Default "info". */
  readonly logLevel?: LogLevel;
}`;
const DOC = `| option | default | meaning |
|---|---|---|
| \`port\` | \`8080\` | port |
| hostname | \`"127.0.0.1"\` | host |
| \`deadlineMs\` | 30,000 | time |
| \`compress\` | \`true\` | |
| \`workers\` | one per core | |
| \`logLevel\` | info | |
`;

test("Options whose documentation is right have no faults", () => {
  assert.deepEqual(checkOptions(DEFAULTS, SOURCE, DOC), []);
});

const FAULTS: readonly (readonly [name: string, source: string, doc: string | undefined, fault: RegExp])[] = [
  ["the page has another number", SOURCE, DOC.replace("30,000", "3,000"), /deadlineMs is 30,000, not 3,000/],
  [
    "the page has another text",
    SOURCE,
    DOC.replace("127.0.0.1", "0.0.0.0"),
    /hostname is "127\.0\.0\.1", not/,
  ],
  ["the page has no row", SOURCE, DOC.replace("`workers`", "_"), /no row for workers/],
  [
    "the comment has another number",
    SOURCE.replace("8080", "80"),
    DOC,
    /comment of port does not say "Default 8,080"/,
  ],
  ["the comment has no default", SOURCE.replace("Default true", "Yes"), DOC, /comment of compress/],
  ["the comment has a default too many", SOURCE.replace("Default:", "Default 4:"), DOC, /DEFAULTS has none/],
  [
    "a default has no option",
    SOURCE.replace("compress", "gzip"),
    DOC,
    /DEFAULTS has compress, which is no option/,
  ],
  ["there is no page", SOURCE, undefined, /options\.md is missing/],
];

for (const [name, source, doc, fault] of FAULTS) {
  test(`The option check complains when ${name}`, () => {
    const faults = checkOptions(DEFAULTS, source, doc);
    assert.ok(faults.some((line) => fault.test(line)), `not among the faults:\n${faults.join("\n")}`);
  });
}

const PAGES: Readonly<Record<string, string>> = {
  "docs/other.md": "# Other page\n\n## Limits & `options`\n\n## Limits & options\n",
  "src/server.ts": "",
};

function faultsOfLinks(text: string): string[] {
  return checkLinks("docs/page.md", text, (path) => PAGES[path], (path) => path === "examples");
}

test("Links to files, folders, headings and the web have no faults", () => {
  const text =
    "# Page\n[a](other.md) [b](./other.md#limits--options-1) [c](../src/server.ts) [d](../examples/)\n" +
    "[e](https://example.org/x) [f](#page) `[g](gone.md)`\n```md\n[h](gone.md)\n```\n[i]: other.md#other-page\n";
  assert.deepEqual(faultsOfLinks(text), []);
});

for (
  const link of ["[a](gone.md)", "[a](other.md#gone)", "[a](#gone)", "[a]: ../gone.ts", "![a](gone.png)"]
) {
  test(`The link check complains about ${link}`, () => {
    assert.equal(faultsOfLinks(`# Page\n${link}\n`).length, 1);
  });
}

test("Files that comments name exist, from the root or from anywhere", () => {
  const files = ["docs/ring.md", "test/fixtures/app.ts"];
  const text = '/** `docs/ring.md` */\n// `fixtures/app.ts`, `app.js`\nconst path = "`docs/gone.md`";\n';
  assert.deepEqual(checkPaths("a.ts", text, files), []);
  assert.deepEqual(checkPaths("a.ts", `${text} * See \`docs/gone.md\`.\n`, files), [
    "a.ts:4: docs/gone.md does not exist",
  ]);
});
