/**
 * Starts an example as its head says, on the runtime that runs the test, and stops it with a signal.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { currentRuntime, runtimeCommand } from "./runtimes.ts";
import { ChildApp, type ChildExit } from "./start_app.ts";
import { until } from "./until.ts";

/** The URL of an example. */
export function exampleUrl(name: string): URL {
  return new URL(`../../examples/${name}.ts`, import.meta.url);
}

/** Starts an example on any free port, with two workers; does not wait for it to listen. */
export function spawnExample(name: string, env: Readonly<Record<string, string>> = {}): ChildApp {
  return spawnModule(exampleUrl(name), { PORT: "0", WORKERS: "2", ...env });
}

/** Starts a module that serves. */
export function spawnModule(url: URL, env: Readonly<Record<string, string>> = {}): ChildApp {
  const { command, args } = runtimeCommand(currentRuntime(), url);
  return new ChildApp(spawn(command, args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", ...env },
  }));
}

/** Resolves once the example accepts connections. */
export async function listening(app: ChildApp): Promise<void> {
  await until("the example listens", () => {
    if (app.exit !== null) throw new Error(`the example ended: ${app.stdout}${app.stderr}`);
    return app.isListening;
  });
}

/** Runs `body` with an example that listens, then stops it with SIGTERM and checks that it ends with code 0. */
export async function withExample(
  name: string,
  env: Readonly<Record<string, string>>,
  body: (app: ChildApp) => Promise<void>,
): Promise<ChildExit> {
  const app = spawnExample(name, env);
  try {
    await listening(app);
    await body(app);
    app.signal("SIGTERM");
    const exit = await app.exited();
    assert.deepEqual(exit, { code: 0, signal: null }, app.stderr);
    return exit;
  } finally {
    await app.kill();
  }
}
