/**
 * Checks that the documentation says what the code does: each option has its row in docs/options.md with the default
 * that stands in src/options.ts, the doc comments there name the same default, relative links in Markdown files lead
 * to files and headings that exist, and so do files that comments of the code name.
 *
 * A row is `| name | default | … |`, with or without backticks; numbers may have "," or "_" between digits. The code
 * blocks are checked by `deno check --doc-only` (scripts/check.ts).
 */
import { DEFAULTS } from "../src/options.ts";
import { filesIn, finishCheck } from "./files.ts";

const OPTIONS = "src/options.ts";
const OPTIONS_DOC = "docs/options.md";

/** Reads a file of the tree; undefined when there is none. */
export type ReadText = (path: string) => string | undefined;

/**
 * Compares the options with their documentation; returns a line for each fault.
 *
 * @param defaults the object DEFAULTS of src/options.ts
 * @param source the text of src/options.ts
 * @param doc the text of docs/options.md, undefined when there is none
 */
export function checkOptions(
  defaults: Readonly<Record<string, unknown>>,
  source: string,
  doc: string | undefined,
): string[] {
  const faults: string[] = [];
  const options = optionsIn(source);
  for (const [name, comment] of options) {
    const said = /\bDefault ("[^"]*"|-?[0-9][0-9,_]*|true|false)/.exec(comment)?.[1];
    if (!(name in defaults)) {
      if (said !== undefined) faults.push(`${OPTIONS}: ${name} says "Default ${said}", DEFAULTS has none`);
    } else if (said === undefined || !isLiteral(said, defaults[name])) {
      faults.push(`${OPTIONS}: the comment of ${name} does not say "Default ${literal(defaults[name])}"`);
    }
  }
  for (const name of Object.keys(defaults)) {
    if (!options.has(name)) faults.push(`${OPTIONS}: DEFAULTS has ${name}, which is no option`);
  }
  if (doc === undefined) {
    return [...faults, `${OPTIONS_DOC} is missing: it documents ${options.size} options`];
  }

  const rows = tableRows(doc);
  for (const name of options.keys()) {
    const row = rows.get(name);
    if (row === undefined) faults.push(`${OPTIONS_DOC}: no row for ${name}`);
    else if (name in defaults && !isLiteral(row, defaults[name])) {
      faults.push(`${OPTIONS_DOC}: the default of ${name} is ${literal(defaults[name])}, not ${row}`);
    }
  }
  return faults;
}

/** Checks the relative links of one Markdown file; returns a line for each that leads nowhere. */
export function checkLinks(
  path: string,
  text: string,
  read: ReadText,
  isFolder: (path: string) => boolean,
): string[] {
  const faults: string[] = [];
  for (const { target, line } of linksOf(text)) {
    if (/^[a-z][a-z+.-]*:/i.test(target)) continue;
    const [file = "", anchor] = target.split("#");
    const goal = file === "" ? path : new URL(file, `file:///${path}`).pathname.slice(1).replace(/\/$/, "");
    const content = file === "" ? text : read(goal);
    if (content === undefined) {
      if (!isFolder(goal)) faults.push(`${path}:${line}: ${goal} does not exist`);
    } else if (anchor !== undefined && goal.endsWith(".md") && !headingAnchors(content).has(anchor)) {
      faults.push(`${path}:${line}: ${goal} has no heading #${anchor}`);
    }
  }
  return faults;
}

/**
 * Checks the files that a comment names in backticks, with their folder: `docs/ring.md`. The beginning may be left out.
 * Returns a line for each that is nowhere.
 *
 * @param files all files of the tree
 */
export function checkPaths(path: string, text: string, files: readonly string[]): string[] {
  const faults: string[] = [];
  text.split("\n").forEach((line, index) => {
    const comment = /^\s*(?:\/?\*|\/\/)(.*)/.exec(line)?.[1] ?? "";
    for (const [, name = ""] of comment.matchAll(/`([\w.-]+(?:\/[\w.-]+)+\.(?:ts|mjs|md|html|lua))`/g)) {
      if (!files.some((file) => file === name || file.endsWith(`/${name}`))) {
        faults.push(`${path}:${index + 1}: ${name} does not exist`);
      }
    }
  });
  return faults;
}

/** The optional properties of the interfaces in src/options.ts, with their doc comments. */
function optionsIn(source: string): Map<string, string> {
  const options = new Map<string, string>();
  for (
    const [, comment = "", name = ""] of source.matchAll(
      /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*readonly (\w+)\?:/g,
    )
  ) {
    options.set(name, comment.replace(/\n\s*\*/g, ""));
  }
  return options;
}

/** First cell → second cell of every table row, without backticks. */
function tableRows(doc: string): Map<string, string> {
  const rows = new Map<string, string>();
  for (const [, name = "", value = ""] of doc.matchAll(/^\|\s*`?([\w.]+)`?\s*\|\s*([^|]*?)\s*\|/gm)) {
    rows.set(name, value.replaceAll("`", ""));
  }
  return rows;
}

function isLiteral(text: string, value: unknown): boolean {
  const word = /^("[^"]*"|[^\s;,.]+(?:[,.][0-9]+)*)/.exec(text)?.[1] ?? "";
  if (typeof value === "number") return word.replace(/[,_]/g, "") === String(value);
  return word === literal(value) || word === value;
}

function literal(value: unknown): string {
  return typeof value === "number" ? value.toLocaleString("en-US") : JSON.stringify(value);
}

function linksOf(text: string): { target: string; line: number }[] {
  const links: { target: string; line: number }[] = [];
  let fence: string | undefined;
  text.split("\n").forEach((lineText, index) => {
    const mark = /^\s*(`{3,}|~{3,})/.exec(lineText)?.[1];
    if (mark !== undefined) {
      if (fence === undefined) fence = mark;
      else if (mark.startsWith(fence)) fence = undefined;
      return;
    }
    if (fence !== undefined) return;
    const prose = lineText.replace(/`[^`]*`/g, (code) => " ".repeat(code.length));
    for (const [, inline, reference] of prose.matchAll(/\]\(<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)/g)) {
      links.push({ target: inline ?? reference ?? "", line: index + 1 });
    }
  });
  return links;
}

/** Anchors as GitHub makes them: lower case, no punctuation, "-" for a space, "-1" for the second of a name. */
function headingAnchors(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of text.matchAll(/^#{1,6}\s+(.*?)\s*#*$/gm)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const anchor = plain.replace(/[^\p{L}\p{N}_\- ]/gu, "").replaceAll(" ", "-");
    let unique = anchor;
    for (let n = 1; anchors.has(unique); n++) unique = `${anchor}-${n}`;
    anchors.add(unique);
  }
  return anchors;
}

if (import.meta.main) {
  const read: ReadText = (path) => {
    try {
      return Deno.readTextFileSync(path);
    } catch {
      return undefined;
    }
  };
  const isFolder = (path: string): boolean => {
    try {
      return Deno.statSync(path).isDirectory;
    } catch {
      return false;
    }
  };
  const pages = filesIn(".", ".md");
  const faults = checkOptions(DEFAULTS, read(OPTIONS) ?? "", read(OPTIONS_DOC));
  if (!pages.includes("README.md")) faults.push("README.md is missing");
  for (const page of pages) faults.push(...checkLinks(page, read(page) ?? "", read, isFolder));
  const files = filesIn(".", "");
  const code = files.filter((file) => file.endsWith(".ts"));
  for (const file of code) faults.push(...checkPaths(file, read(file) ?? "", files));
  finishCheck(
    faults,
    `${Object.keys(DEFAULTS).length} defaults and the links of ${pages.length} pages are right`,
  );
}
