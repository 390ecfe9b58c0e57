/**
 * SIGKILL between the file calls of a real process on a real disk; then a restart that resumes.
 * Runs on: any; runtime API: none
 *
 * By default a spread of the calls is tried; CARTOUCHE_KILLS=all tries each of them (some minutes).
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { currentRuntime, runtimeCommand } from "../support/runtimes.ts";
import { UploadBench } from "../support/upload_bench.ts";
import { checkPromises, type UploadPromise } from "../support/upload_story.ts";

const VICTIM = new URL("../support/upload_victim.ts", import.meta.url);
/** How many kills are tried by default. */
const KILLS = 24;

interface Outcome {
  readonly promises: UploadPromise[];
  /** The calls of the whole story; null when it was killed. */
  readonly calls: number | null;
}

function runVictim(folder: string, step: number): Outcome {
  const { command, args } = runtimeCommand(currentRuntime(), VICTIM, [folder, String(step)]);
  const { stdout, stderr, signal, status } = spawnSync(command, args, { encoding: "utf8", timeout: 30_000 });
  const lines = stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  const end = lines.at(-1)?.calls as number | undefined;
  assert.ok(
    signal === "SIGKILL" || (status === 0 && end !== undefined),
    `ended by ${signal ?? status}: ${stderr}`,
  );
  return { promises: lines.filter((line) => "url" in line), calls: end ?? null };
}

async function inFolder(run: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "cartouche-kill-"));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function killAt(step: number): Promise<void> {
  await inFolder(async (folder) => {
    const { promises, calls } = runVictim(folder, step);
    // How chunks are gathered into writes depends on the disk, so the last calls of one run may be missing in
    // another.
    assert.ok(calls === null || calls < step, `call ${step} of ${calls} did not kill`);
    const again = new UploadBench({ onComplete: () => {} }, {}, folder);
    const read = (id: string) => existsSync(join(folder, id)) ? readFileSync(join(folder, id)) : undefined;
    try {
      await checkPromises(again.app.fetch, promises, read);
      const later = { now: () => Date.now() + 10 * 86_400_000 };
      const sweeper = again.restarted(later, later);
      // A lease file that its maker had no time to write counts as young for a second and a half.
      const leftUntilMs = Date.now() + 3000;
      for (;;) {
        await sweeper.app.sweep();
        const expected = again.names().filter((name) => name.length === 32).flatMap((
          id,
        ) => [id, `${id}.json`]);
        if (Date.now() < leftUntilMs && again.names().length !== expected.length) continue;
        assert.deepEqual(again.names(), expected.sort());
        break;
      }
      sweeper.app.close();
      assert.deepEqual([...again.errors, ...sweeper.errors], []);
    } catch (error) {
      throw new Error(`killed at call ${step}`, { cause: error });
    } finally {
      again.app.close();
    }
  });
}

/** Each kill starts a process. */
const LONG = { timeout: 1_800_000 };

test("FileStore keeps its promises when its process is killed between two file calls", LONG, async () => {
  let calls = 0;
  await inFolder((folder) => {
    const whole = runVictim(folder, 0);
    assert.equal(whole.promises.at(-1)?.key, "atOnce");
    calls = whole.calls ?? 0;
  });
  assert.ok(calls > 500, `${calls} calls`);
  const stride = process.env["CARTOUCHE_KILLS"] === "all" ? 1 : calls / KILLS;
  // Half a stride in: the first call makes a folder, which is the dullest place to die.
  for (let step = stride / 2; step < calls; step += stride) await killAt(Math.ceil(step));
});
