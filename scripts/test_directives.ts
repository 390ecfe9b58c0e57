/**
 * What a test file asks of the runner, read from comments in its first lines.
 *
 *     // test-runs: alone             no other test file runs beside it
 *     // test-runs-on: node, bun      only on these; the reason follows after a dash
 *     // test-limit: 300 s            instead of the default time limit
 *
 * A misspelled directive is an error, not a comment: a file that believes it runs alone must.
 */

/** The runtimes that tests run on, in the order of the report. */
export const RUNTIMES = ["deno", "bun", "node"] as const;

/** One of {@link RUNTIMES}. */
export type RuntimeName = typeof RUNTIMES[number];

/** What a test file asked for. */
export interface TestDirectives {
  readonly alone: boolean;
  readonly runtimes: readonly RuntimeName[];
  /** Seconds after which the file's process group is killed. */
  readonly limitSeconds: number;
}

/** A file without `test-limit` has this long, per runtime. */
export const DEFAULT_LIMIT_SECONDS = 180;

const FIRST_LINES = 30;

/**
 * Reads the directives of a test file.
 *
 * @param source the text of the file
 * @throws Error that says which directive is wrong
 */
export function parseDirectives(source: string): TestDirectives {
  let alone = false;
  let runtimes: readonly RuntimeName[] = RUNTIMES;
  let limitSeconds = DEFAULT_LIMIT_SECONDS;
  for (const line of source.split("\n").slice(0, FIRST_LINES)) {
    const match = /^\s*(?:\/\/|\*)\s*(test-[a-z-]+):\s*(.*?)\s*$/.exec(line);
    if (match === null) continue;
    const [, name = "", value = ""] = match;
    if (name === "test-runs" && value === "alone") {
      alone = true;
    } else if (name === "test-runs-on") {
      runtimes = parseRuntimes(value);
    } else if (name === "test-limit" && /^[1-9][0-9]* s$/.test(value)) {
      limitSeconds = Number.parseInt(value, 10);
    } else {
      throw new Error(`unknown directive "${name}: ${value}"`);
    }
  }
  return { alone, runtimes, limitSeconds };
}

function parseRuntimes(value: string): readonly RuntimeName[] {
  const match = /^([a-z, ]+?)\s+[-–—]\s+(\S.*)$/.exec(value);
  if (match === null) throw new Error(`"test-runs-on: ${value}" gives no reason after a dash`);
  const names = (match[1] ?? "").split(",").map((name) => name.trim());
  for (const name of names) {
    if (!RUNTIMES.some((runtime) => runtime === name)) throw new Error(`unknown runtime "${name}"`);
  }
  return RUNTIMES.filter((runtime) => names.includes(runtime));
}
