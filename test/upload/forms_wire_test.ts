/**
 * Forms over the wire that do not come to be: refused, cut, on a full disk, or with their thread or process dead.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withGates } from "../support/gate.ts";
import { get, type RawClient } from "../support/raw_client.ts";
import { type ChildApp, type ChildSetup, spawnApp, withChild } from "../support/start_app.ts";
import { listening } from "../support/start_example.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";
import { until } from "../support/until.ts";
import {
  FORM_END,
  FORM_TYPE,
  formBegin,
  formContent,
  formFiles,
  headOf,
  joined,
} from "../support/upload_client.ts";

/** Nothing is left of a form for longer, ms. */
const CLEAN_MS = 3_000;

async function withForms(
  options: ChildSetup["options"],
  run: (app: ChildApp, folder: string) => Promise<void>,
): Promise<void> {
  await withTemporaryFolder((folder) =>
    withChild(
      "upload_app.ts",
      { options: { ...options }, env: { UPLOAD_DIR: folder } },
      (app) => run(app, folder),
    )
  );
}

/** A whole form. */
function formOf(target: string, content = "content", type = FORM_TYPE): Uint8Array {
  const body = formContent(content);
  return joined(headOf("POST", target, { "Content-Type": type, "Content-Length": body.length }), body);
}

/** Sends the beginning of a form, and waits until it is on the disk. */
async function stallForm(app: ChildApp, folder: string, target = "/upload"): Promise<RawClient> {
  const before = formFiles(folder).length;
  const client = await app.connect();
  client.send(headOf("POST", target, { "Content-Type": FORM_TYPE, "Content-Length": 2_000_000 }));
  client.send(joined(formBegin(), "x".repeat(400_000)));
  await until("a part of the form is on the disk", () => formFiles(folder).length === before + 1);
  return client;
}

function untilClean(folder: string, patienceMs = CLEAN_MS): Promise<void> {
  return until("nothing is left of the form", () => formFiles(folder).length === 0, patienceMs);
}

test("A form that was refused at the deadline of its handler does not come to be", () =>
  withForms({ deadlineMs: 200 }, async (app, folder) => {
    await withGates(async (gates) => {
      const client = await app.connect();
      client.send(formOf(`/upload?${gates.query("sync")}`));
      await gates.arrived("sync");
      assert.equal((await client.response()).status, 503);
      gates.open("sync");
      await gates.arrived("sync-over");
      assert.deepEqual(formFiles(folder), []);
    });
    assert.equal((await app.exchange(formOf("/upload"))).status, 200);
    assert.equal(formFiles(folder).length, 1);
  }));

for (const how of ["ends its side", "resets the connection"] as const) {
  test(`A form whose client ${how} leaves nothing`, () =>
    withForms({}, async (app, folder) => {
      for (const target of ["/upload", "/upload-sync"]) {
        const client = await stallForm(app, folder, target);
        if (how === "ends its side") assert.equal((await client.end().response()).status, 400);
        else client.reset();
        await untilClean(folder);
      }
    }));
}

for (const target of ["/upload", "/upload-sync"]) {
  test(`A form whose client falls silent (${target}) leaves nothing, and costs no thread`, () =>
    withForms({ deadlineMs: 200, bodyTimeoutMs: 600 }, async (app, folder) => {
      const client = await stallForm(app, folder, target);
      assert.equal((await client.response()).status, 408);
      await untilClean(folder);
      const { deadlines, workersDied } = await app.stats();
      assert.deepEqual([deadlines, workersDied], [0, 0]);
    }));
}

for (const workers of [1, 2]) {
  test(`A form whose thread dies leaves nothing, with ${workers} of them`, () =>
    withForms({ workers }, async (app, folder) => {
      const clients = [await stallForm(app, folder), await stallForm(app, folder)];
      while (clients.some(({ responses }) => responses.length === 0)) {
        assert.equal((await app.exchange(get("/crash"))).status, 500);
      }
      for (const client of clients) assert.equal((await client.response()).status, 500);
      await untilClean(folder);
      assert.equal((await app.exchange(formOf("/upload"))).status, 200);
    }));
}

test("A form whose process is killed leaves nothing once there is another", () =>
  withTemporaryFolder(async (folder) => {
    const setup = { env: { UPLOAD_DIR: folder } };
    const first = spawnApp("upload_app.ts", setup);
    try {
      await listening(first);
      await stallForm(first, folder);
    } finally {
      await first.kill();
    }
    assert.equal(formFiles(folder).length, 1);
    await withChild("upload_app.ts", setup, () => untilClean(folder));
  }));

test("A form whose process is killed is removed by another that serves the same folder", () =>
  withTemporaryFolder(async (folder) => {
    const setup = { env: { UPLOAD_DIR: folder } };
    await withChild("upload_app.ts", setup, async (survivor) => {
      const alive = await stallForm(survivor, folder);
      const victim = spawnApp("upload_app.ts", setup);
      try {
        await listening(victim);
        await stallForm(victim, folder);
      } finally {
        await victim.kill();
      }
      await until("one form is left", () => formFiles(folder).length === 1, CLEAN_MS);
      alive.send(joined("x".repeat(2_000_000 - formContent("").length - 400_000), FORM_END));
      assert.equal((await alive.response()).status, 200);
    });
  }));

test("A form that is under way when the server has stopped waiting leaves nothing", () =>
  withForms({ drainTimeoutMs: 200 }, async (app, folder) => {
    await stallForm(app, folder);
    app.signal("SIGTERM");
    assert.deepEqual(await app.exited(), { code: 0, signal: null });
    assert.deepEqual(formFiles(folder), []);
  }));

test("A form on a full disk gets 507, leaves nothing, and is logged", () =>
  withForms({}, async (app, folder) => {
    const response = await app.exchange(formOf("/upload?full"));
    assert.equal(response.status, 507);
    assert.deepEqual(formFiles(folder), []);
    await until("the log says why", () => /ERR_STORAGE_FULL|no room/.test(app.stderr));
  }));

for (const target of ["/upload", "/upload-sync", "/form-data"]) {
  test(`Content of another type to ${target} gets 415, and what is no form 400`, () =>
    withForms({}, async (app) => {
      for (const type of ["text/plain", "application/json; boundary=x", "multipart/mixed; boundary=x"]) {
        assert.equal((await app.exchange(formOf(target, "x", type))).status, 415, type);
      }
      for (const type of ["multipart/form-data", "multipart/form-data; boundary=other"]) {
        assert.equal((await app.exchange(formOf(target, "x", type))).status, 400, type);
      }
      assert.equal(app.stderr, "");
    }));
}
