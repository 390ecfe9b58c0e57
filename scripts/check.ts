/**
 * The checks that are not tests: `deno task check` runs them, and `deno task test` counts each as one test.
 *
 * To add one, add a row to {@link CHECKS}.
 */
import { filesIn } from "./files.ts";
import { installPackages } from "./install.ts";

/** One check: its name, and the arguments for `deno`. */
export interface Check {
  readonly name: string;
  readonly args: readonly string[];
}

/** All of them, the quick ones first. */
export const CHECKS: readonly Check[] = [
  { name: "format", args: ["fmt", "--check"] },
  { name: "lint", args: ["lint", "--quiet"] },
  { name: "imports", args: ["run", "-A", "scripts/check_imports.ts"] },
  { name: "error codes", args: ["run", "-A", "scripts/check_error_codes.ts"] },
  { name: "docs", args: ["run", "-A", "scripts/check_docs.ts"] },
  { name: "types", args: ["check", "--quiet"] },
  // Folders are searched for sources only, so the pages are named one by one.
  {
    name: "code in docs",
    args: ["check", "--quiet", "--doc-only", "mod.ts", "src", "README.md", ...filesIn("docs", ".md")],
  },
  { name: "publish", args: ["publish", "--dry-run", "--allow-dirty"] },
];

/** How a check ended. */
export interface CheckResult {
  readonly passed: boolean;
  readonly seconds: number;
  readonly output: string;
}

/** Runs one check. */
export async function runCheck(check: Check, env: Record<string, string> = {}): Promise<CheckResult> {
  const started = performance.now();
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...check.args],
    env,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return {
    passed: success,
    seconds: (performance.now() - started) / 1000,
    output: decoder.decode(stdout) + decoder.decode(stderr),
  };
}

/** The line that stands for one check or one test file in the output. */
export function reportLine(passed: boolean, where: string, what: string, seconds: number): string {
  return `${passed ? "ok  " : "FAIL"}  ${where.padEnd(5)}  ${what}  ${seconds.toFixed(1)} s`;
}

/** Runs all checks, prints a line for each and the output of those that fail; returns how many failed. */
export async function runChecks(env: Record<string, string> = {}): Promise<number> {
  let failed = 0;
  for (const check of CHECKS) {
    const result = await runCheck(check, env);
    if (!result.passed) failed++;
    console.log(reportLine(result.passed, "check", check.name, result.seconds));
    if (!result.passed) console.log(result.output);
  }
  return failed;
}

if (import.meta.main) {
  await installPackages();
  const failed = await runChecks();
  console.log(`${CHECKS.length - failed} passed, ${failed} failed`);
  Deno.exit(failed === 0 ? 0 : 1);
}
