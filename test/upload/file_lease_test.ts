/**
 * File leases: who gets one, who loses one, and every interleaving of a holder that wakes with a taker.
 * Runs on: any; runtime API: none
 *
 * Long because its interleaving checks share their helpers.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { FileLeases } from "../../src/upload/file_lease.ts";
import { thisOwner } from "../../src/upload/lease_owner.ts";
import {
  LEASE_WORD,
  type LeaseFs,
  type LeaseOwner,
  markOperation,
  markReleased,
  markTaken,
  readLease,
  readWord,
  writeNewLease,
} from "../../src/upload/lease_record.ts";
import { ThreadLocks, type UploadLocks } from "../../src/upload/upload_lock.ts";

const ID = "a".repeat(32);
const NOW = { waitMs: 0, takeOver: false };
/** Somebody who cannot be told from a living thread of this process but by the heartbeat. */
const OTHER_THREAD: LeaseOwner = { ...thisOwner(), thread: 999_999 };
/** No process has this number: it is above the kernel's limit. */
const DEAD_PROCESS: LeaseOwner = { ...thisOwner(), pid: 0x7ffffff0 };

async function inFolder(run: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = fs.mkdtempSync(join(tmpdir(), "cartouche-leases-"));
  try {
    await run(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** A lease file as another thread or process has left it. */
function plant(folder: string, number: number, owner: LeaseOwner, beatMs: number, inFlight: boolean): number {
  fs.mkdirSync(join(folder, `${ID}.lock`), { recursive: true });
  const fd = fs.openSync(join(folder, `${ID}.lock`, String(number)), "wx+", 0o600);
  writeNewLease(fs, fd, owner, beatMs);
  markOperation(fs, fd, inFlight, beatMs);
  return fd;
}

/** Contract of every implementation of UploadLocks. */
for (
  const [name, make] of [
    ["ThreadLocks", () => new ThreadLocks()],
    ["FileLeases", (folder) => new FileLeases(folder)],
  ] satisfies [string, (folder: string) => UploadLocks][]
) {
  test(`${name} gives an id to one at a time, and other ids to others`, () =>
    inFolder(async (folder) => {
      const locks = make(folder);
      const one = await locks.acquire(ID, NOW);
      assert.notEqual(one, null);
      assert.equal(await locks.acquire(ID, NOW), null);
      const other = await locks.acquire("b".repeat(32), NOW);
      assert.notEqual(other, null);
      one?.release();
      const again = await locks.acquire(ID, NOW);
      assert.notEqual(again, null);
      assert.deepEqual(again?.unclear, []);
      assert.notEqual(again?.token, one?.token);
      other?.release();
      again?.release();
    }));

  test(`${name} asks a holder to stop only when told to, and waits for it`, () =>
    inFolder(async (folder) => {
      const locks = make(folder);
      const one = await locks.acquire(ID, NOW);
      await locks.acquire(ID, NOW);
      assert.equal(one?.stop.aborted, false);
      one?.stop.addEventListener("abort", () => one.release());
      const two = await locks.acquire(ID, { waitMs: 5000, takeOver: true });
      assert.notEqual(two, null);
      assert.equal(one?.stop.aborted, true);
      two?.release();
    }));

  test(`${name} gives up after the wait`, () =>
    inFolder(async (folder) => {
      const locks = make(folder);
      const one = await locks.acquire(ID, NOW);
      assert.equal(await locks.acquire(ID, { waitMs: 60, takeOver: true }), null);
      assert.equal(
        await locks.acquire(ID, { waitMs: 60_000, takeOver: true, signal: AbortSignal.abort() }),
        null,
      );
      one?.release();
    }));

  test(`${name} may be released twice and retired`, () =>
    inFolder(async (folder) => {
      const locks = make(folder);
      const one = await locks.acquire(ID, NOW);
      one?.release();
      const two = await locks.acquire(ID, NOW);
      one?.release();
      assert.equal(await locks.acquire(ID, NOW), null);
      two?.retire();
      const three = await locks.acquire(ID, NOW);
      assert.notEqual(three, null);
      three?.retire();
      assert.deepEqual(fs.readdirSync(folder), []);
    }));
}

test("FileLeases refuses a lease with a fresh heartbeat", () =>
  inFolder(async (folder) => {
    const fd = plant(folder, 1, OTHER_THREAD, Date.now(), false);
    assert.equal(await new FileLeases(folder).acquire(ID, NOW), null);
    assert.equal(readWord(fs, fd), LEASE_WORD.none);
    assert.equal(await new FileLeases(folder).acquire(ID, { waitMs: 0, takeOver: true }), null);
    assert.equal(readWord(fs, fd), LEASE_WORD.stop);
    fs.closeSync(fd);
  }));

test("FileLeases takes a lease from a dead process at once, however it died", () =>
  inFolder(async (folder) => {
    fs.closeSync(plant(folder, 1, DEAD_PROCESS, Date.now(), true));
    const lease = await new FileLeases(folder).acquire(ID, NOW);
    assert.deepEqual(lease?.unclear, []);
    lease?.release();
  }));

test("FileLeases takes a lease from an earlier process with the same number", {
  skip: process.platform !== "linux" && "only Linux tells when a process began",
}, () =>
  inFolder(async (folder) => {
    fs.closeSync(plant(folder, 1, { ...thisOwner(), started: "1" }, Date.now(), true));
    const lease = await new FileLeases(folder).acquire(ID, NOW);
    assert.deepEqual(lease?.unclear, []);
    lease?.release();
  }));

test("FileLeases does not believe that a process on another host is dead", () =>
  inFolder(async (folder) => {
    fs.closeSync(plant(folder, 1, { ...DEAD_PROCESS, host: "elsewhere" }, Date.now(), false));
    assert.equal(await new FileLeases(folder).acquire(ID, NOW), null);
  }));

test("FileLeases does not believe that a process of another boot or another container is dead", () =>
  inFolder(async (folder) => {
    // The same host name, and a number that nobody has here.
    fs.closeSync(plant(folder, 1, { ...DEAD_PROCESS, space: "another" }, Date.now(), false));
    assert.equal(await new FileLeases(folder).acquire(ID, NOW), null);
  }));

test("FileLeases does not believe that another container's process is an earlier one of this", {
  skip: process.platform !== "linux" && "only Linux tells when a process began",
}, () =>
  inFolder(async (folder) => {
    fs.closeSync(plant(folder, 1, { ...thisOwner(), started: "1", space: "another" }, Date.now(), false));
    assert.equal(await new FileLeases(folder).acquire(ID, NOW), null);
  }));

test("The space of a process is that of its boot and its process numbers", {
  skip: process.platform !== "linux" && "only Linux tells",
}, () => {
  assert.match(thisOwner().space, /^[0-9a-f-]{36} pid:\[\d+\]$/);
});

test("FileLeases takes a silent thread's lease within two seconds", () =>
  inFolder(async (folder) => {
    fs.closeSync(plant(folder, 1, OTHER_THREAD, Date.now(), false));
    const start = performance.now();
    const lease = await new FileLeases(folder).acquire(ID, { waitMs: 5000, takeOver: true });
    assert.notEqual(lease, null);
    assert.ok(performance.now() - start < 3000, `${performance.now() - start} ms`);
    lease?.release();
  }));

test("FileLeases says whose operation may still be under way", () =>
  inFolder(async (folder) => {
    const fd = plant(folder, 7, OTHER_THREAD, Date.now() - 2000, true);
    const lease = await new FileLeases(folder).acquire(ID, NOW);
    assert.deepEqual(lease?.unclear, ["n7"]);
    assert.equal(readWord(fs, fd), LEASE_WORD.taken);
    fs.closeSync(fd);
    lease?.release();
  }));

test("FileLeases does not fear an operation that is long over", () =>
  inFolder(async (folder) => {
    fs.closeSync(plant(folder, 7, OTHER_THREAD, Date.now() - 11_000, true));
    const lease = await new FileLeases(folder).acquire(ID, NOW);
    assert.deepEqual(lease?.unclear, []);
    lease?.release();
  }));

test("FileLeases shuts out all lower leases when their taker died before it could", () =>
  inFolder(async (folder) => {
    const old = plant(folder, 3, OTHER_THREAD, Date.now() - 2000, true);
    fs.closeSync(plant(folder, 4, DEAD_PROCESS, Date.now(), true));
    const lease = await new FileLeases(folder).acquire(ID, NOW);
    assert.deepEqual(lease?.unclear, ["n3"]);
    assert.equal(readWord(fs, old), LEASE_WORD.taken);
    assert.deepEqual(fs.readdirSync(join(folder, `${ID}.lock`)), ["5"]);
    fs.closeSync(old);
    lease?.release();
  }));

test("FileLeases hands the fear on when a taker dies before it has fenced", () =>
  inFolder(async (folder) => {
    fs.closeSync(plant(folder, 1, OTHER_THREAD, Date.now() - 2000, true));
    const first = await new FileLeases(folder).acquire(ID, NOW);
    assert.equal(first?.unclear.length, 1);
    const fd = fs.openSync(join(folder, `${ID}.lock`, "2"), "r");
    assert.equal(readLease(fs, fd).inFlight, true);
    first?.begin();
    first?.end();
    assert.equal(readLease(fs, fd).inFlight, false);
    fs.closeSync(fd);
    first?.release();
  }));

test("FileLeases waits for a lease file that is empty, and takes it when it stays so", () =>
  inFolder(async (folder) => {
    const path = join(folder, `${ID}.lock`, "1");
    fs.mkdirSync(join(folder, `${ID}.lock`));
    fs.writeFileSync(path, "");
    assert.equal(await new FileLeases(folder).acquire(ID, NOW), null);
    fs.utimesSync(path, Date.now() / 1000 - 2, Date.now() / 1000 - 2);
    const lease = await new FileLeases(folder).acquire(ID, NOW);
    assert.deepEqual(lease?.unclear, ["n1"]);
    lease?.release();
  }));

test("A lease that was taken away stops its holder before its next operation, for ever", () =>
  inFolder(async (folder) => {
    const lease = await new FileLeases(folder).acquire(ID, NOW);
    lease?.begin();
    lease?.end();
    const fd = fs.openSync(join(folder, `${ID}.lock`, "1"), "r+");
    fs.writeSync(fd, Uint8Array.of(0x31), 0, 1, 16);
    const lost = { code: "ERR_UPLOAD_LOST" };
    assert.throws(() => lease?.begin(), lost);
    assert.throws(() => lease?.begin(), lost);
    assert.equal(readLease(fs, fd).inFlight, true);
    assert.equal(lease?.stop.aborted, true);
    lease?.release();
    assert.equal(readLease(fs, fd).released, false);
    fs.closeSync(fd);
  }));

test("A lease that was taken away stops its holder also within an operation that is under way", () =>
  inFolder(async (folder) => {
    const lease = await new FileLeases(folder).acquire(ID, NOW);
    lease?.begin();
    const fd = fs.openSync(join(folder, `${ID}.lock`, "1"), "r+");
    markTaken(fs, fd);
    assert.throws(() => lease?.begin(), { code: "ERR_UPLOAD_LOST" });
    assert.equal(lease?.stop.aborted, true);
    lease?.end();
    assert.throws(() => lease?.begin(), { code: "ERR_UPLOAD_LOST" });
    lease?.release();
    fs.closeSync(fd);
  }));

test("Operations of a lease may lie within each other, and the mark stays until the outermost ends", () =>
  inFolder(async (folder) => {
    const lease = await new FileLeases(folder).acquire(ID, NOW);
    const fd = fs.openSync(join(folder, `${ID}.lock`, "1"), "r");
    const marks: boolean[] = [];
    for (const step of ["begin", "begin", "end", "end"] as const) {
      lease?.[step]();
      marks.push(readLease(fs, fd).inFlight);
    }
    assert.deepEqual(marks, [true, true, true, false]);
    fs.closeSync(fd);
    lease?.release();
  }));

test("A held lease beats, and its holder hears a contender without doing anything", () =>
  inFolder(async (folder) => {
    const lease = await new FileLeases(folder).acquire(ID, NOW);
    const fd = fs.openSync(join(folder, `${ID}.lock`, "1"), "r+");
    const first = readLease(fs, fd).heartbeatMs;
    const keepAlive = setInterval(() => {}, 1000);
    fs.writeSync(fd, Uint8Array.of(0x31), 0, 1, 15);
    await new Promise<void>((resolve) => {
      if (lease?.stop.aborted === true) resolve();
      lease?.stop.addEventListener("abort", () => resolve());
    });
    while (readLease(fs, fd).heartbeatMs === first) await new Promise((resolve) => setImmediate(resolve));
    clearInterval(keepAlive);
    fs.closeSync(fd);
    lease?.release();
  }));

test("A full disk does not keep an upload from being removed", () =>
  inFolder(async (folder) => {
    const full: LeaseFs = {
      ...fs,
      writeSync: () => {
        throw Object.assign(new Error("full"), { code: "ENOSPC" });
      },
    };
    const leases = new FileLeases(folder, { fs: full });
    await assert.rejects(leases.acquire(ID, NOW), { code: "ENOSPC" });
    const lease = await leases.acquire(ID, { ...NOW, removal: true });
    lease?.begin();
    lease?.end();
    lease?.release();
    fs.closeSync(plant(folder, 1, OTHER_THREAD, Date.now(), false));
    assert.equal(await leases.acquire(ID, { ...NOW, removal: true }), null);
  }));

test("An upload that was removed from a full disk leaves no folder, with earlier leases or without", () =>
  inFolder(async (folder) => {
    const full: LeaseFs = {
      ...fs,
      writeSync: () => {
        throw Object.assign(new Error("full"), { code: "ENOSPC" });
      },
    };
    for (const hasEarlier of [false, true]) {
      if (hasEarlier) {
        const fd = plant(folder, 3, OTHER_THREAD, Date.now(), false);
        markReleased(fs, fd);
        fs.closeSync(fd);
      }
      const lease = await new FileLeases(folder, { fs: full }).acquire(ID, { ...NOW, removal: true });
      assert.notEqual(lease, null);
      lease?.retire();
      assert.deepEqual(fs.readdirSync(folder), []);
    }
  }));

/** A LeaseFs that runs something before its nth call. */
function interrupted(step: number, run: () => void): { readonly fs: LeaseFs; readonly calls: () => number } {
  let calls = 0;
  let running = false;
  const hooked = Object.fromEntries(
    ([
      "openSync",
      "closeSync",
      "writeSync",
      "readSync",
      "readdirSync",
      "mkdirSync",
      "unlinkSync",
      "rmdirSync",
    ] as const)
      .map((name) => [name, (...values: unknown[]) => {
        if (!running && ++calls === step) {
          running = true;
          run();
          running = false;
        }
        return (fs[name] as (...values: unknown[]) => unknown)(...values);
      }]),
  );
  return { fs: { ...fs, ...hooked } as unknown as LeaseFs, calls: () => calls };
}

/** Runs two steps of a waking holder at all pairs of places in a take-over. */
async function wakeAtAllPlaces(
  first: (fd: number) => void,
  second: (fd: number) => boolean,
): Promise<string[]> {
  const outcomes: string[] = [];
  let most = 20;
  for (let one = 1; one <= most + 1; one++) {
    for (let two = one; two <= most + 1; two++) {
      await inFolder(async (folder) => {
        const fd = plant(folder, 1, OTHER_THREAD, Date.now() - 2000, false);
        let goesOn: boolean | null = null;
        const inner = interrupted(two, () => goesOn = second(fd));
        let calls = 0;
        const outer: LeaseFs = new Proxy(inner.fs, {
          get: (target, name: keyof LeaseFs) => (...values: unknown[]) => {
            if (name !== "fstatSync" && ++calls === one) first(fd);
            return (target[name] as (...values: unknown[]) => unknown)(...values);
          },
        });
        const lease = await new FileLeases(folder, { fs: outer }).acquire(ID, NOW);
        assert.notEqual(lease, null);
        most = inner.calls();
        if (one > most) first(fd);
        goesOn ??= second(fd);
        outcomes.push(
          `holder ${goesOn ? "writes" : "stops"}, contender ${lease?.unclear.length ? "fences" : "trusts"}`,
        );
        lease?.release();
        fs.closeSync(fd);
      });
    }
  }
  assert.ok(outcomes.length > 60, `${outcomes.length} interleavings`);
  return [...new Set(outcomes)].sort();
}

test("A holder that wakes amid a take-over never writes while the contender trusts", async () => {
  const outcomes = await wakeAtAllPlaces(
    (fd) => markOperation(fs, fd, true, Date.now() - 2000),
    (fd) => readWord(fs, fd) !== LEASE_WORD.taken,
  );
  assert.deepEqual(outcomes, [
    "holder stops, contender fences",
    "holder stops, contender trusts",
    "holder writes, contender fences",
  ]);
});

test("The check above finds a holder that looks first and marks afterwards", async () => {
  let saw = false;
  const outcomes = await wakeAtAllPlaces(
    (fd) => saw = readWord(fs, fd) !== LEASE_WORD.taken,
    (fd) => {
      markOperation(fs, fd, true, Date.now() - 2000);
      return saw;
    },
  );
  assert.ok(outcomes.includes("holder writes, contender trusts"), outcomes.join("; "));
});

for (
  const [name, before] of [
    ["is free", () => {}],
    ["was released", (folder) => {
      const fd = plant(folder, 5, OTHER_THREAD, Date.now(), false);
      markReleased(fs, fd);
      fs.closeSync(fd);
    }],
    ["has a dead holder", (folder) => fs.closeSync(plant(folder, 5, DEAD_PROCESS, Date.now(), true))],
    [
      "has a silent holder",
      (folder) => fs.closeSync(plant(folder, 5, OTHER_THREAD, Date.now() - 2000, true)),
    ],
  ] satisfies [string, (folder: string) => void][]
) {
  test(`Of two who take a lease that ${name} one gets it, whatever the interleaving`, async () => {
    let most = 0;
    let outerWins = 0;
    // More places than an attempt has calls: at the last ones the second never comes.
    for (let step = 1; step <= 20; step++) {
      await inFolder(async (folder) => {
        before(folder);
        let inner: Promise<unknown> = Promise.resolve(null);
        const outer = interrupted(step, () => inner = new FileLeases(folder).acquire(ID, NOW));
        const one = await new FileLeases(folder, { fs: outer.fs }).acquire(ID, NOW);
        const two = await inner as typeof one;
        most = Math.max(most, outer.calls());
        assert.ok(one === null || two === null, `both have it at step ${step}`);
        assert.ok(one !== null || two !== null, `nobody has it at step ${step}`);
        if (one !== null && step <= outer.calls()) outerWins++;
        one?.begin();
        two?.begin();
        one?.end();
        two?.end();
        one?.release();
        two?.release();
      });
    }
    assert.ok(most >= 5 && most < 20 && outerWins > 0 && outerWins < most, `${outerWins} of ${most}`);
  });
}

test("A sleeper who creates a number of long ago withdraws", () =>
  inFolder(async (folder) => {
    fs.closeSync(plant(folder, 1, DEAD_PROCESS, Date.now(), false));
    // Right before it creates number 2: others have come and gone, and hold number 4 now.
    const sleeper: LeaseFs = {
      ...fs,
      openSync: (path, flags, mode) => {
        if (flags === "wx+") {
          fs.unlinkSync(join(folder, `${ID}.lock`, "1"));
          fs.closeSync(plant(folder, 4, OTHER_THREAD, Date.now(), false));
        }
        return fs.openSync(path, flags, mode);
      },
    };
    assert.equal(await new FileLeases(folder, { fs: sleeper }).acquire(ID, NOW), null);
    assert.deepEqual(fs.readdirSync(join(folder, `${ID}.lock`)), ["4"]);
  }));
