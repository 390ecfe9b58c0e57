/**
 * Checks that the table of error codes, the sources and docs/errors.md agree: every code is used and documented, and
 * no other is.
 *
 * In docs/errors.md a code is documented by a table row that starts with it: `| ERR_OPTION | … |`, with or without
 * backticks.
 */
import { ERROR_CODES } from "../src/errors.ts";
import { filesIn, finishCheck } from "./files.ts";

const TABLE = "src/errors.ts";
const DOC = "docs/errors.md";

/** A code as a string of its own in code. Codes of Node's own errors are not ours, see {@link NOT_OURS}. */
const CODE_IN_SOURCE = /["'`](ERR_[A-Z0-9_]+)["'`]/g;
const CODE_IN_DOC = /^\|\s*`?(ERR_[A-Z0-9_]+)`?\s*\|/gm;

/** Codes that the runtimes throw and the library looks at. */
const NOT_OURS = new Set(["ERR_MODULE_NOT_FOUND", "ERR_BUFFER_TOO_LARGE"]);

/**
 * Compares the three places; returns a line for each fault.
 *
 * @param table the codes of src/errors.ts
 * @param sources the other files of src, by path
 * @param doc the text of docs/errors.md, undefined when there is none
 */
export function checkErrorCodes(
  table: readonly string[],
  sources: ReadonlyMap<string, string>,
  doc: string | undefined,
): string[] {
  const faults: string[] = [];
  const used = new Set<string>();
  for (const [path, source] of sources) {
    for (const [, code = ""] of source.matchAll(CODE_IN_SOURCE)) {
      used.add(code);
      if (!table.includes(code) && !NOT_OURS.has(code)) faults.push(`${path}: ${code} is not in ${TABLE}`);
    }
  }
  for (const code of table) {
    if (!used.has(code)) faults.push(`${TABLE}: nothing in src uses ${code}`);
  }
  if (doc === undefined) return [...faults, `${DOC} is missing: it documents the ${table.length} codes`];
  const documented = Array.from(doc.matchAll(CODE_IN_DOC), ([, code = ""]) => code);
  for (const code of table) {
    if (!documented.includes(code)) faults.push(`${DOC}: no row for ${code}`);
  }
  documented.forEach((code, index) => {
    if (!table.includes(code)) faults.push(`${DOC}: ${code} is not in ${TABLE}`);
    if (documented.indexOf(code) < index) faults.push(`${DOC}: ${code} has two rows`);
  });
  return faults;
}

if (import.meta.main) {
  const paths = [...filesIn("src", ".ts"), ...filesIn("workers", ".ts")].filter((path) => path !== TABLE);
  const sources = new Map(paths.map((path) => [path, Deno.readTextFileSync(path)]));
  const doc = filesIn("docs", ".md").includes(DOC) ? Deno.readTextFileSync(DOC) : undefined;
  const table = Object.keys(ERROR_CODES);
  finishCheck(checkErrorCodes(table, sources, doc), `${table.length} error codes are used and documented`);
}
