/**
 * Faults between every two steps of the store: power cuts that lose what was not synced, and calls that fail.
 * Runs on: any; runtime API: none
 *
 * The file system is `memory_fs.ts`, so that all steps times all losses take seconds.
 * `file_store_kill_test.ts` kills real processes on a real disk.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FileStore } from "../../src/upload/file_store.ts";
import { tus, type TusApp } from "../../src/upload/tus.ts";
import { ThreadLocks } from "../../src/upload/upload_lock.ts";
import { type Fault, type Loss, MemoryFs } from "../support/memory_fs.ts";
import { requestOf } from "../support/upload_bench.ts";
import { checkPromises, tellUploadStory, type UploadPromise } from "../support/upload_story.ts";

/** A thousand stories each take seconds, on a busy machine many. */
const LONG = { timeout: 300_000 };
const FOLDER = "/uploads";
const EXPIRE_MS = 60_000;
let clockMs = 1_700_000_000_000;
const now = () => clockMs;

function serve(fs: MemoryFs, onComplete?: (id: string) => void): TusApp {
  const store = new FileStore(FOLDER, { fs, locks: new ThreadLocks(), now });
  return tus({
    store,
    now,
    expireMs: EXPIRE_MS,
    sweepIntervalMs: 0,
    onError: () => {},
    ...(onComplete === undefined ? {} : { onComplete: (upload) => onComplete(upload.id) }),
  });
}

/** Tells the story until the fault ends it. */
async function tell(fs: MemoryFs, onComplete?: (id: string) => void): Promise<UploadPromise[]> {
  const promises: UploadPromise[] = [];
  try {
    await tellUploadStory(serve(fs, onComplete).fetch, (promise) => promises.push(promise));
  } catch {
    // The story breaks off where the fault is.
  }
  return promises;
}

/** All faults of a kind: at each step, and amid each write. */
async function faultsOfStory(code?: string): Promise<Fault[]> {
  const fs = new MemoryFs(now);
  const promises = await tell(fs, () => {});
  assert.equal(promises.at(-1)?.key, "atOnce", "the story was told to its end");
  assert.ok(fs.steps.length > 300, `${fs.steps.length} steps`);
  return fs.steps.flatMap((name, index) => {
    const fault = { step: index + 1, ...(code === undefined ? {} : { code }) };
    return name === "write" ? [fault, { ...fault, halfway: true }] : [fault];
  });
}

/** After expiry and a sweep, only finished uploads remain, each with its bytes and its JSON. */
async function checkNothingLeft(fs: MemoryFs, where: string): Promise<void> {
  const app = serve(fs, () => {});
  // Leftovers stay a quarter of an hour.
  clockMs += 1_000_000;
  await app.sweep();
  const data = fs.paths().filter((path) => /^\/uploads\/[0-9a-f]{32}$/.test(path));
  const expected = data.flatMap((
    path,
  ) => [path, path.replace("/uploads/", "/uploads/.cartouche/") + ".json"]);
  const names = fs.paths().filter((path) => !path.endsWith("/sweep"));
  assert.deepEqual(names, expected.sort(), where);
}

const LOSSES: readonly (readonly [string, Loss, eager?: boolean])[] = [
  ["loses all that was not synced", "all"],
  ["loses what was cut off, though what was written is there", "all", true],
  ["loses nothing, as a kill", "none"],
  ["loses some of it (seed 1)", { seed: 1 }],
];

for (const [name, loss, eager] of LOSSES) {
  test(`FileStore keeps its promises when the power cut at any step ${name}`, LONG, async () => {
    for (const fault of await faultsOfStory()) {
      const fs = new MemoryFs(now, eager);
      fs.plan(fault);
      const promises = await tell(fs, () => {});
      const after = fs.afterPowerCut(loss);
      await checkAll(after, promises, `step ${fault.step} (${fs.steps.at(-1)})`);
    }
  });
}

test(
  "FileStore tells of each finished upload at least once, whatever step the power went at",
  LONG,
  async () => {
    for (const fault of await faultsOfStory()) {
      const fs = new MemoryFs(now);
      fs.plan(fault);
      const told = new Set<string>();
      await tell(fs, (id) => told.add(id));
      const after = fs.afterPowerCut("none");
      await serve(after, (id) => told.add(id)).sweep();
      for (const path of after.paths().filter((path) => path.endsWith(".json"))) {
        const { finished, concat } = JSON.parse(new TextDecoder().decode(after.content(path)));
        const id = path.slice(-37, -5);
        if (finished && concat !== "partial" && after.content(`${FOLDER}/${id}`) !== undefined) {
          assert.ok(told.has(id), `step ${fault.step} (${fs.steps.at(-1)})`);
        }
      }
    }
  },
);

test("FileStore keeps its promises when any one call fails", LONG, async () => {
  const syncs = new Set(["datasync", "syncFolder", "rename", "unlink", "truncate"]);
  for (const fault of await faultsOfStory("ENOSPC")) {
    const fs = new MemoryFs(now);
    fs.plan(fault);
    const promises = await tell(fs, () => {});
    fs.plan(null);
    const name = fs.steps[fault.step - 1] ?? "";
    // No restart: the same files, a new app, and the disk works again.
    await checkAll(fs, promises, `step ${fault.step} (${name}), full disk`);
    if (!syncs.has(name)) continue;
    const broken = new MemoryFs(now);
    broken.plan({ ...fault, code: "EIO" });
    const others = await tell(broken, () => {});
    broken.plan(null);
    await checkAll(broken, others, `step ${fault.step} (${name}), broken disk`);
  }
});

async function checkAll(fs: MemoryFs, promises: readonly UploadPromise[], where: string): Promise<void> {
  try {
    await checkPromises(serve(fs, () => {}).fetch, promises, (id) => fs.content(`${FOLDER}/${id}`));
  } catch (error) {
    throw new Error(where, { cause: error });
  }
  await checkNothingLeft(fs, where);
}

/** Creates an upload of eight bytes and sends them; returns the answers to PATCH and to a HEAD after it. */
async function sendEight(
  fs: MemoryFs,
  fault: (stepsBefore: number) => Fault | null,
): Promise<[Response, Response]> {
  const app = serve(fs);
  const fields = { "tus-resumable": "1.0.0" };
  const created = await app.fetch(requestOf("POST", "/files/", { ...fields, "upload-length": "8" }, {}));
  const url = created.headers.get("location") ?? "";
  const type = { "content-type": "application/offset+octet-stream", "upload-offset": "0" };
  fs.plan(fault(fs.steps.length));
  const content = { chunks: [new TextEncoder().encode("abcdefgh")] };
  const patched = await app.fetch(requestOf("PATCH", url, { ...fields, ...type }, content));
  fs.plan(null);
  return [patched, await app.fetch(requestOf("HEAD", url, fields, {}))];
}

test("A full disk is answered with 507, and the bytes that it took are kept", async () => {
  const dry = new MemoryFs(now);
  let created = 0;
  await sendEight(dry, (stepsBefore) => {
    created = stepsBefore;
    return null;
  });
  const step = dry.steps.indexOf("write", created) + 1;
  assert.ok(step > created);
  const [patched, head] = await sendEight(new MemoryFs(now), () => ({ step, code: "ENOSPC", halfway: true }));
  assert.equal(patched.status, 507);
  assert.equal(patched.headers.get("upload-offset"), "4");
  assert.equal(head.headers.get("upload-offset"), "4");
});

test("A disk that fails to sync is answered with 500, and what it may have lost does not count", async () => {
  const dry = new MemoryFs(now);
  let created = 0;
  await sendEight(dry, (stepsBefore) => {
    created = stepsBefore;
    return null;
  });
  // The first one is the load's; the bytes are synced behind their write.
  const step = dry.steps.indexOf("datasync", dry.steps.indexOf("write", created)) + 1;
  const [patched, head] = await sendEight(new MemoryFs(now), () => ({ step, code: "EIO" }));
  assert.equal(patched.status, 500);
  assert.equal(head.headers.get("upload-offset"), "0");
});

test("An offset that HEAD tells amid a PATCH survives a power cut", async () => {
  const fs = new MemoryFs(now);
  const app = serve(fs);
  const fields = { "tus-resumable": "1.0.0" };
  const created = await app.fetch(requestOf("POST", "/files/", { ...fields, "upload-length": "10" }, {}));
  const url = created.headers.get("location") ?? "";
  const asleep = Promise.withResolvers<void>();
  const type = { "content-type": "application/offset+octet-stream", "upload-offset": "0" };
  const content = {
    chunks: [new TextEncoder().encode("hello")],
    silent: true,
    announced: 10,
    onRead: asleep.resolve,
  };
  void app.fetch(requestOf("PATCH", url, { ...fields, ...type }, content));
  await asleep.promise;
  let told = 0;
  while (told < 5) {
    const head = await app.fetch(requestOf("HEAD", url, fields, {}));
    told = Number(head.headers.get("upload-offset"));
  }
  const after = serve(fs.afterPowerCut("all"));
  const head = await after.fetch(requestOf("HEAD", url, fields, {}));
  assert.equal(head.headers.get("upload-offset"), "5");
});
