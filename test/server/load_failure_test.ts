/**
 * Tests of servers that cannot start: modules that do not load, addresses that are taken, options out of range.
 * Runs on: any; runtime API: none
 *
 * The modules are written here, because a file with a syntax error has no place among the sources.
 */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { get } from "../support/raw_client.ts";
import { type ChildApp, fixture, spawnApp, withApp } from "../support/start_app.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";
import { until } from "../support/until.ts";
import { serve } from "../../src/server.ts";

const MODULE = new URL("../../mod.ts", import.meta.url).href;
const SERVE = `import { isMainThread, serve } from ${JSON.stringify(MODULE)};\n`;
const START = "await serve(import.meta.url, { port: 0, workers: 4 });\n";
const APP = 'export default { fetch: () => "served" };\n';

/** Runs a module in a process of its own. */
async function withModule(source: string, body: (child: ChildApp) => Promise<void>): Promise<void> {
  await withTemporaryFolder(async (folder) => {
    const path = join(folder, "app.mjs");
    writeFileSync(path, source);
    const child = spawnApp(pathToFileURL(path), { env: { FOLDER: folder } });
    try {
      await body(child);
    } finally {
      await child.kill();
    }
  });
}

interface Failure {
  readonly what: string;
  readonly source: string;
  /** What the output says, exactly once. */
  readonly says: string;
}

const FAILURES: readonly Failure[] = [
  {
    what: "throws on every thread",
    source: `${SERVE}${APP}throw new Error("broken on purpose");\n${START}`,
    says: "broken on purpose",
  },
  {
    what: "throws in the workers only",
    source: `${SERVE}${APP}if (!isMainThread) throw new TypeError("broken in the worker");\n${START}`,
    says: "broken in the worker",
  },
  {
    what: "throws in the workers behind serve()",
    source: `${SERVE}${APP}${START}if (!isMainThread) throw new Error("broken behind serve");\n`,
    says: "broken behind serve",
  },
  {
    what: "throws no Error in the workers",
    source: `${SERVE}${APP}if (!isMainThread) throw "only a text";\n${START}`,
    says: "only a text",
  },
  {
    what: "imports in the workers what does not exist",
    source: `${SERVE}${APP}if (!isMainThread) await import("./does_not_exist.mjs");\n${START}`,
    says: "",
  },
  {
    what: "has no default export",
    source: `${SERVE}${START}`,
    says: "app.mjs has no default export with a fetch function",
  },
  {
    what: "exports something without fetch",
    source: `${SERVE}export default { get: () => "served" };\n${START}`,
    says: "app.mjs has no default export with a fetch function",
  },
  {
    what: "ends its threads while they load",
    source: `${SERVE}${APP}if (!isMainThread) process.exit(5);\n${START}`,
    says: "",
  },
  { what: "has a syntax error", source: `${SERVE}${APP}${START}let = = 1;\n`, says: "" },
];

for (const { what, source, says } of FAILURES) {
  test(`A module that ${what} ends the process with code 1 and its own error, once`, async () => {
    await withModule(source, async (child) => {
      assert.deepEqual(await child.exited(), { code: 1, signal: null }, child.stderr);
      assert.doesNotMatch(child.stdout, /Listening/);
      const output = child.stdout + child.stderr;
      assert.notEqual(output.trim(), "");
      if (says !== "") {
        // Some runtimes show the line of the source too: that is in quotes there.
        const told = output.split(says).length - 1 - (output.split(`"${says}"`).length - 1);
        assert.equal(told, 1, output);
      }
    });
  });
}

test("A thread that cannot load the app later is tried again, ever more slowly, until it can", async () => {
  const source = `${SERVE}import { existsSync } from "node:fs";
import process from "node:process";
if (!isMainThread && existsSync(process.env.FOLDER + "/broken")) throw new Error("broken for now");
export default {
  fetch: (request) => new URL(request.url).pathname === "/exit" ? process.exit(1) : "served",
};
await serve(import.meta.url, { port: 0, workers: 1, maxWaitMs: 200 });
`;
  await withTemporaryFolder(async (folder) => {
    writeFileSync(join(folder, "app.mjs"), source);
    const child = spawnApp(pathToFileURL(join(folder, "app.mjs")), { env: { FOLDER: folder } });
    try {
      await until("it listens", () => child.isListening);
      assert.equal((await child.exchange(get("/"))).text, "served");
      writeFileSync(join(folder, "broken"), "");
      assert.equal((await child.exchange(get("/exit"))).status, 500);
      const tries = (): number => child.stderr.split("broken for now").length - 1;
      await until("it was tried twice", () => tries() >= 2);
      // Alive, without a thread: it says so.
      const waiting = await child.exchange(get("/"));
      assert.equal(waiting.status, 503);
      assert.notEqual(waiting.header("retry-after"), null);
      rmSync(join(folder, "broken"));
      await until("a thread is there again", async () => (await child.exchange(get("/"))).status === 200);
      child.signal("SIGTERM");
      assert.deepEqual(await child.exited(), { code: 0, signal: null });
    } finally {
      await child.kill();
    }
  });
});

test("An address that is taken gives ERR_LISTEN, and nothing keeps the process alive", async () => {
  await withApp("app.ts", {}, async (app) => {
    const options = {
      port: app.port,
      workers: 1,
      handleSignals: false,
      onListen: () => assert.fail("it listens"),
    };
    await assert.rejects(
      serve(fixture("app.ts"), options),
      (error: Error & { code?: string }) => error.code === "ERR_LISTEN" && error.cause instanceof Error,
    );
    const source = `${SERVE}${APP}await serve(import.meta.url, { port: ${app.port}, workers: 2 });\n`;
    await withModule(source, async (child) => {
      assert.deepEqual(await child.exited(), { code: 1, signal: null });
      assert.match(child.stderr, /Could not listen on 127\.0\.0\.1:\d+/);
      assert.equal(child.stdout, "");
    });
    const caught = `${SERVE}${APP}
if (isMainThread) {
  await serve(import.meta.url, { port: ${app.port}, workers: 2 }).catch((error) => console.log("caught " + error.code));
} else await serve(import.meta.url);
`;
    await withModule(caught, async (child) => {
      assert.deepEqual(await child.exited(), { code: 0, signal: null });
      assert.equal(child.stdout, "caught ERR_LISTEN\n");
    });
    assert.equal((await app.exchange(get("/light"))).text, "light");
  });
});

test("An option out of its range gives ERR_OPTION before anything is started", async () => {
  await assert.rejects(
    serve(fixture("app.ts"), { port: 70_000 }),
    (error: Error & { code?: string }) => error.code === "ERR_OPTION" && /port is 70000/.test(error.message),
  );
});
