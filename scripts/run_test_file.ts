/**
 * Runs one test file on one runtime, in a process group of its own, and counts what its report says.
 *
 * The group is what bounds a test: at the time limit all of it is killed, and whatever is left of it after the
 * runner has exited counts as a failure, because the next file would meet it.
 */
import { runtimeBinary } from "../test/support/runtimes.ts";
import { countTests, type TestCounts } from "./junit_report.ts";
import type { RuntimeName } from "./test_directives.ts";

/** One file on one runtime. */
export interface TestJob {
  /** Relative to the root of the tree, which is the working directory. */
  readonly file: string;
  readonly runtime: RuntimeName;
  readonly limitSeconds: number;
}

/** How a job ended. */
export interface TestResult extends TestCounts {
  readonly seconds: number;
  /** Everything that the process printed, both streams as they came. */
  readonly output: string;
  /** What is wrong beyond failed tests; each is one of `failed`. */
  readonly faults: readonly string[];
}

const MAX_OUTPUT_BYTES = 8 * 1024 * 1024;
/** How long processes that a test has told to stop may still take, once its runner is gone. */
const LEFTOVER_GRACE_MS = 3000;
const ENTRY = new URL("./deno_test_entry.ts", import.meta.url).pathname;

const running = new Set<number>();

/** Kills every process group that is still running; for the runner's own signals. */
export function killAllTests(): void {
  for (const group of running) killGroup(group);
}

/** Runs the job; never throws for what the test does. */
export async function runTestFile(
  job: TestJob,
  env: Record<string, string>,
  reportFile: string,
): Promise<TestResult> {
  const started = performance.now();
  const { command, args } = testCommand(job, reportFile);
  const child = new Deno.Command(command, {
    args,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  running.add(child.pid);
  const output: Uint8Array[] = [];
  const reading = Promise.all([collect(child.stdout, output), collect(child.stderr, output)]);
  const faults: string[] = [];

  const timer = setTimeout(() => {
    faults.push(`ran into the limit of ${job.limitSeconds} s and was killed`);
    killGroup(child.pid);
  }, job.limitSeconds * 1000);
  const status = await child.status;
  clearTimeout(timer);
  const timedOut = faults.length > 0;

  const leftovers = await groupMembersAfterGrace(child.pid);
  if (leftovers.length > 0) {
    killGroup(child.pid);
    if (!timedOut) faults.push(`left processes behind: ${leftovers.join("; ")}`);
  }
  running.delete(child.pid);
  // A process that left the group may hold the pipes open; its output is not waited for.
  await Promise.race([reading, delay(500)]);

  let counts: TestCounts = { passed: 0, failed: 0, skipped: 0 };
  try {
    counts = countTests(await Deno.readTextFile(reportFile));
  } catch (error) {
    if (!timedOut) faults.push(noReport(error, status));
  }
  if (faults.length === 0) {
    if (counts.passed + counts.failed + counts.skipped === 0) faults.push("has no tests");
    else if (!status.success && counts.failed === 0) faults.push(`all tests passed, but ${describe(status)}`);
  }
  return {
    passed: counts.passed,
    failed: counts.failed + faults.length,
    skipped: counts.skipped,
    seconds: (performance.now() - started) / 1000,
    output: await new Blob(output as Uint8Array<ArrayBuffer>[]).text(),
    faults,
  };
}

function testCommand(job: TestJob, reportFile: string): { command: string; args: string[] } {
  const command = runtimeBinary(job.runtime);
  switch (job.runtime) {
    case "deno":
      return {
        command,
        args: [
          "test",
          "-A",
          "--no-check",
          `--junit-path=${reportFile}`,
          ENTRY,
          "--",
          Deno.realPathSync(job.file),
        ],
      };
    case "bun": {
      // Bun ends a test after 5 s by default; the other two have no limit of their own.
      const limits = [`--timeout=${job.limitSeconds * 1000}`];
      const report = ["--reporter=junit", `--reporter-outfile=${reportFile}`];
      return { command, args: ["test", ...limits, ...report, `./${job.file}`] };
    }
    case "node": {
      // Without --test: that would count a file without tests as a passed one.
      const screen = ["--test-reporter=spec", "--test-reporter-destination=stdout"];
      const report = ["--test-reporter=junit", `--test-reporter-destination=${reportFile}`];
      return { command, args: [...screen, ...report, job.file] };
    }
  }
}

function describe(status: Deno.CommandStatus): string {
  return status.signal === null ? `exit code ${status.code}` : `ended by ${status.signal}`;
}

function noReport(error: unknown, status: Deno.CommandStatus): string {
  if (!(error instanceof Deno.errors.NotFound)) return `${error} (${describe(status)})`;
  if (!status.success) return `died without a report (${describe(status)})`;
  return "wrote no report: it has no tests, or one of them called process.exit";
}

async function collect(stream: ReadableStream<Uint8Array>, into: Uint8Array[]): Promise<void> {
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes <= MAX_OUTPUT_BYTES) into.push(chunk);
  }
}

function killGroup(group: number): void {
  try {
    Deno.kill(-group, "SIGKILL");
  } catch {
    // The group is gone.
  }
}

async function groupMembersAfterGrace(group: number): Promise<string[]> {
  const end = performance.now() + LEFTOVER_GRACE_MS;
  for (;;) {
    const members = groupMembers(group);
    if (members.length === 0 || performance.now() > end) return members;
    await delay(50);
  }
}

/** The living processes of a group, by /proc; nothing where there is no /proc. */
function groupMembers(group: number): string[] {
  const members: string[] = [];
  if (Deno.build.os !== "linux") return members;
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^[0-9]+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      // "pid (name) state ppid pgrp …"; the name may hold spaces and parentheses.
      const [state, , pgrp] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(pgrp) !== group || state === "Z" || state === "X") continue;
      const words = Deno.readTextFileSync(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim();
      members.push(`${name} ${words.slice(0, 120)}`);
    } catch {
      // It ended between two reads.
    }
  }
  return members;
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
