import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import process, { platform } from "node:process";
import { test } from "node:test";
import type { MultipartLimits } from "../../src/http/multipart_error.ts";
import {
  type SpooledForm,
  spoolForm,
  spoolFormSync,
  type SpoolOptions,
} from "../../src/upload/form_spool.ts";
import { localDisk, type Operation, type SpoolDisk } from "../../src/upload/spool_disk.ts";
import { SPOOL_FOLDER } from "../../src/upload/spool_file.ts";
import { latin1 } from "../support/parsed_form.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";

const TYPE = "multipart/form-data; boundary=X";
const MIB = 1024 * 1024;

type Way = "awaiting" | "web stream" | "blocking";
const WAYS: Way[] = ["awaiting", "web stream", "blocking"];

/** Cuts octets into pieces that are overwritten once the reader asks for the next, as a reused buffer is. */
function* pieces(body: Uint8Array, size: number): Generator<Uint8Array> {
  const buffer = new Uint8Array(size);
  for (let from = 0; from < body.length; from += size) {
    const length = Math.min(size, body.length - from);
    buffer.set(body.subarray(from, from + length));
    yield buffer.subarray(0, length);
    buffer.fill(0x2a);
  }
}

/** Spools a body in one of the three ways. */
async function spool(
  way: Way,
  source: Iterable<Uint8Array>,
  options: SpoolOptions,
  disk?: SpoolDisk,
): Promise<SpooledForm> {
  const iterator = source[Symbol.iterator]();
  if (way === "awaiting") {
    return await spoolForm(
      {
        [Symbol.asyncIterator]: () => ({
          next: () => Promise.resolve().then(() => iterator.next() as IteratorResult<Uint8Array>),
        }),
      },
      TYPE,
      options,
      disk,
    );
  }
  if (way === "web stream") {
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        const next = iterator.next();
        if (next.done === true) controller.close();
        else controller.enqueue(next.value.slice());
      },
    }, { highWaterMark: 0 });
    return await spoolForm(stream, TYPE, options, disk);
  }
  let rest = new Uint8Array(0);
  return spoolFormSync(
    {
      readSync(buffer) {
        if (rest.length === 0) {
          const next = iterator.next();
          if (next.done === true) return 0;
          rest = next.value.slice();
        }
        const length = Math.min(buffer.length, rest.length);
        buffer.set(rest.subarray(0, length));
        rest = rest.subarray(length);
        return length;
      },
    },
    TYPE,
    options,
    disk,
  );
}

/** Runs with a folder that is not there yet. */
function withFolder(run: (directory: string) => Promise<void>): Promise<void> {
  return withTemporaryFolder((parent) => run(join(parent, "uploads")));
}

/** Every file under a folder, as paths within it. */
function filesIn(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? filesIn(path) : [path];
  });
}

const field = (name: string, value: string): string =>
  `--X\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const file = (name: string, filename: string, content: string, type = "a/b"): string =>
  `--X\r\nContent-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: ${type}\r\n\r\n` +
  `${content}\r\n`;

for (const way of WAYS) {
  test(`Form spool (${way}) keeps fields and moves whole files, byte for byte`, () =>
    withFolder(async (directory) => {
      const large = Array.from({ length: 300_000 }, (_, i) => String.fromCharCode((i * 7 + (i >> 8)) & 255))
        .join("");
      const body = latin1(
        field("a", "1") + file("f", "../x/photo.jpg", large, "image/jpeg") + field("a", "\xc3\xa4") +
          file("f", "", "", "application/octet-stream") + file("e", "empty.txt", "") +
          field("__proto__", "p") +
          "--X--\r\n",
      );
      for (const size of [1, 1_000, 64 * 1024, body.length]) {
        if (size === 1 && way === "web stream") continue;
        const form = await spool(way, pieces(body, size), { directory });
        assert.deepEqual(Object.entries(form.fields), [["a", ["1", "ä"]], ["__proto__", ["p"]]]);
        assert.equal(Object.getPrototypeOf(form.fields), null);
        assert.deepEqual(
          form.files.map(({ field, name, type, size }) => ({ field, name, type, size })),
          [
            { field: "f", name: "photo.jpg", type: "image/jpeg", size: 300_000 },
            { field: "e", name: "empty.txt", type: "a/b", size: 0 },
          ],
        );
        assert.deepEqual(filesIn(directory).sort(), form.files.map(({ path }) => path).sort());
        const [first, second] = form.files;
        assert.ok(first !== undefined && second !== undefined);
        assert.match(basename(first.path), /^[0-9a-f]{32}-photo\.jpg$/);
        assert.deepEqual(new Uint8Array(readFileSync(first.path)), latin1(large));
        assert.equal(statSync(first.path).nlink, 1);
        if (platform !== "win32") assert.equal(statSync(first.path).mode & 0o777, 0o600);
        assert.equal(statSync(second.path).size, 0);
        rmSync(directory, { recursive: true });
      }
    }));

  test(`Form spool (${way}) leaves nothing of a body that is cut, wherever it is cut`, () =>
    withFolder(async (directory) => {
      const body = latin1(file("f", "1", "12345") + field("a", "b") + file("g", "2", "\r\n--") + "--X--");
      for (let length = 0; length < body.length; length++) {
        await assert.rejects(spool(way, [body.subarray(0, length)], { directory, durable: false }), {
          fault: "unfinished",
          status: 400,
          code: "ERR_BODY_SYNTAX",
        });
        assert.deepEqual(filesIn(directory), [], `first ${length} octets`);
      }
      await spool(way, [body], { directory, durable: false });
      assert.equal(filesIn(directory).length, 2);
    }));

  test(`Form spool (${way}) leaves nothing when its source fails, and passes the error on`, () =>
    withFolder(async (directory) => {
      const gone = new Error("the client has gone");
      const source = function* (): Generator<Uint8Array> {
        yield latin1(file("f", "1", "12345") + file("g", "2", "x".repeat(100_000)));
        throw gone;
      };
      await assert.rejects(spool(way, source(), { directory }), (error) => error === gone);
      assert.deepEqual(filesIn(directory), []);
    }));

  const limits: [string, Partial<MultipartLimits>][] = [
    ["partCount", { maxParts: 3 }],
    ["fileSize", { maxFileBytes: 99_999 }],
    ["fieldSize", { maxFieldBytes: 2 }],
    ["fieldsSize", { maxFieldsBytes: 100 }],
    ["totalSize", { maxTotalBytes: 1_000 }],
    ["partHeaderSize", { maxPartHeaderBytes: 50 }],
  ];
  for (const [fault, limit] of limits) {
    test(`Form spool (${way}) leaves nothing of a form beyond ${Object.keys(limit)[0]}`, () =>
      withFolder(async (directory) => {
        const body = latin1(
          file("f", "1", "12345") + file("g", "2", "x".repeat(100_000)) + field("a", "123") +
            field("b", "1") +
            "--X--",
        );
        for (const size of [100, body.length]) {
          await assert.rejects(spool(way, pieces(body, size), { directory, limits: limit }), {
            fault,
            status: 413,
            code: "ERR_BODY_TOO_LARGE",
          });
          assert.deepEqual(filesIn(directory), []);
        }
      }));
  }

  test(`Form spool (${way}) goes on with a write that took less than it was given`, () =>
    withFolder(async (directory) => {
      const disk: SpoolDisk = {
        ...localDisk,
        write: (fd, bytes, start, length, position) =>
          localDisk.write(fd, bytes, start, Math.min(length, 10_001), position),
      };
      const content = "0123456789abcdef".repeat(20_000);
      const body = latin1(file("f", "1", content) + "--X--");
      const form = await spool(way, pieces(body, 100_000), { directory }, disk);
      assert.equal(readFileSync(form.files[0]?.path ?? "", "latin1"), content);
    }));

  const faults: [keyof SpoolDisk, number, string, string][] = [
    ["makeFolder", 1, "EACCES", "ERR_STORAGE"],
    ["create", 2, "ENOSPC", "ERR_STORAGE_FULL"],
    ["create", 3, "EMFILE", "ERR_STORAGE"],
    ["write", 1, "ENOSPC", "ERR_STORAGE_FULL"],
    ["write", 2, "EDQUOT", "ERR_STORAGE_FULL"],
    ["write", 2, "EIO", "ERR_STORAGE"],
    ["sync", 1, "ENOSPC", "ERR_STORAGE_FULL"],
    ["sync", 2, "EIO", "ERR_STORAGE"],
    ["close", 1, "ENOSPC", "ERR_STORAGE_FULL"],
    ["link", 1, "ENOSPC", "ERR_STORAGE_FULL"],
    ["link", 2, "EIO", "ERR_STORAGE"],
    ["remove", 1, "EACCES", "ERR_STORAGE"],
    ["remove", 2, "EACCES", "ERR_STORAGE"],
    ["syncFolder", 1, "EIO", "EIO"],
  ];
  for (const [method, nth, errno, code] of faults) {
    test(`Form spool (${way}) leaves nothing when ${method} number ${nth} fails with ${errno}`, () =>
      withFolder(async (directory) => {
        const body = latin1(
          file("f", "1", "1".repeat(70_000)) + file("g", "2", "2".repeat(70_000)) + "--X--",
        );
        const { disk, failed } = failingDisk(method, nth, errno);
        await assert.rejects(spool(way, [body], { directory }, disk), { code });
        assert.equal(failed(), true);
        assert.deepEqual(filesIn(directory), []);
      }));
  }

  test(`Form spool (${way}) works on a file system without hard links, and takes no name twice there`, () =>
    withFolder(async (directory) => {
      const disk: SpoolDisk = { ...localDisk, link: () => failure("ENOTSUP") };
      const body = latin1(file("f", "1", "12345") + "--X--");
      const form = await spool(way, [body], { directory }, disk);
      assert.equal(readFileSync(form.files[0]?.path ?? "", "latin1"), "12345");
      assert.deepEqual(filesIn(directory), [form.files[0]?.path]);

      writeFileSync(join(directory, "taken"), "old");
      await assert.rejects(spool(way, [body], { directory, fileName: () => "taken" }, disk), {
        code: "ERR_STORAGE",
      });
      assert.equal(readFileSync(join(directory, "taken"), "latin1"), "old");
      assert.equal(filesIn(directory).length, 2);
    }));
}

test("Form spool takes file names from an option, subfolders too", () =>
  withFolder(async (directory) => {
    const seen: unknown[] = [];
    const body = latin1(file("f", "a/ä.txt".replace("ä", "\xc3\xa4"), "12345", "t/t") + "--X--");
    const form = await spool("awaiting", [body], {
      directory,
      fileName: ({ id, ...rest }) => {
        assert.match(id, /^[0-9a-f]{32}$/);
        seen.push(rest);
        return "by-name/deep/x.txt";
      },
    });
    assert.deepEqual(seen, [{ field: "f", name: "ä.txt", type: "t/t", size: 5 }]);
    assert.deepEqual(filesIn(directory), [join(directory, "by-name", "deep", "x.txt")]);
    assert.equal(form.files[0]?.path, join(directory, "by-name", "deep", "x.txt"));
  }));

for (const name of ["", ".", "..", "../x", "a/../../x", "/etc/x", "a\0b", "a/.."]) {
  test(`Form spool refuses the file name ${JSON.stringify(name)} of the option, or keeps it inside`, () =>
    withFolder(async (directory) => {
      const body = latin1(file("f", "1", "12345") + file("g", "2", "12345") + "--X--");
      const spooled = spool("awaiting", [body], {
        directory,
        fileName: ({ field }) => field === "f" ? "fine" : name,
      });
      if (name === "/etc/x") {
        // join() puts it below the folder.
        assert.equal((await spooled).files[1]?.path, join(directory, "etc", "x"));
        return;
      }
      await assert.rejects(spooled, { code: "ERR_OPTION" });
      assert.deepEqual(filesIn(directory), []);
    }));
}

test("Form spool never replaces a file that has the name already", () =>
  withFolder(async (directory) => {
    mkdirSync(directory);
    writeFileSync(join(directory, "taken"), "old");
    const body = latin1(file("f", "1", "new") + "--X--");
    await assert.rejects(spool("awaiting", [body], { directory, fileName: () => "taken" }), {
      code: "ERR_STORAGE",
    });
    assert.deepEqual(filesIn(directory), [join(directory, "taken")]);
    assert.equal(readFileSync(join(directory, "taken"), "latin1"), "old");
  }));

test("Form spool leaves nothing when the file name option throws", () =>
  withFolder(async (directory) => {
    const body = latin1(file("f", "1", "new") + "--X--");
    const fileName = (): string => {
      throw new RangeError("mine");
    };
    await assert.rejects(spool("awaiting", [body], { directory, fileName }), RangeError);
    assert.deepEqual(filesIn(directory), []);
  }));

test("Form spool shows no file in the folder before the last boundary was seen", () =>
  withFolder(async (directory) => {
    const source = function* (): Generator<Uint8Array> {
      yield latin1(file("f", "1", "12345") + file("g", "2", "12345"));
      assert.deepEqual(readdirSync(directory), [".cartouche"]);
      assert.equal(readdirSync(join(directory, SPOOL_FOLDER)).length, 1);
      yield latin1("--X-");
      assert.deepEqual(readdirSync(directory), [".cartouche"]);
      assert.equal(readdirSync(join(directory, SPOOL_FOLDER)).length, 1);
      yield latin1("-");
    };
    await spool("awaiting", source(), { directory });
    assert.equal(readdirSync(directory).length, 3);
    assert.deepEqual(readdirSync(join(directory, SPOOL_FOLDER)), []);
  }));

test("Form spool syncs each file before it has its name, and the folder after, unless told not to", () =>
  withFolder(async (directory) => {
    const body = latin1(file("f", "1", "12345") + file("g", "2", "") + "--X--");
    const calls: string[] = [];
    const disk = recordingDisk(calls);
    await spool("awaiting", [body], { directory }, disk);
    assert.deepEqual(calls.filter((call) => /sync|link|write/.test(call)), [
      "write",
      "sync",
      "sync",
      "link",
      "link",
      "syncFolder",
    ]);
    calls.length = 0;
    await spool("awaiting", [body], { directory, durable: false }, disk);
    assert.deepEqual(calls.filter((call) => /sync/.test(call)), []);
  }));

test("Form spool asks for the next piece only when the last one is written", () =>
  withFolder(async (directory) => {
    let writing = 0;
    const disk: SpoolDisk = {
      ...localDisk,
      write: (fd, bytes, start, length, position) => ({
        now: () => 0,
        later: async () => {
          writing++;
          const written = await localDisk.write(fd, bytes, start, length, position).later();
          writing--;
          return written;
        },
      }),
    };
    const source = async function* (): AsyncGenerator<Uint8Array> {
      yield latin1(file("f", "1", "").slice(0, -2));
      for (let i = 0; i < 20; i++) {
        assert.equal(writing, 0);
        yield new Uint8Array(MIB);
      }
      yield latin1("\r\n--X--");
    };
    const form = await spoolForm(source(), TYPE, { directory }, disk);
    assert.equal(form.files[0]?.size, 20 * MIB);
  }));

test("Form spool writes small pieces together", () =>
  withFolder(async (directory) => {
    const calls: string[] = [];
    const body = latin1(file("f", "1", "x".repeat(600_000)) + "--X--");
    await spool("blocking", pieces(body, 100), { directory }, recordingDisk(calls));
    assert.equal(calls.filter((call) => call === "write").length, 3);
  }));

test("Form spool tells its source to stop after an error, and only then", () =>
  withFolder(async (directory) => {
    let stopped = 0;
    const source = (bodies: Uint8Array[]): AsyncIterable<Uint8Array> => ({
      [Symbol.asyncIterator]: () => {
        const iterator = bodies[Symbol.iterator]();
        return {
          next: () => Promise.resolve(iterator.next() as IteratorResult<Uint8Array>),
          return: () => {
            stopped++;
            return Promise.reject(new Error("ignored"));
          },
        };
      },
    });
    await spoolForm(source([latin1("--X--")]), TYPE, { directory });
    assert.equal(stopped, 0);
    await assert.rejects(spoolForm(source([latin1("--X y"), latin1("--X--")]), TYPE, { directory }), {
      fault: "delimiterLine",
    });
    assert.equal(stopped, 1);
    await assert.rejects(spoolForm(source([latin1("--X--")]), "text/plain", { directory }), { status: 415 });
    assert.equal(stopped, 2);
  }));

for (const way of WAYS) {
  test(`Form spool (${way}) leaves nothing of a form that is given up, whatever it is doing`, () =>
    withFolder(async (directory) => {
      const body = latin1(file("f", "1", "12345") + file("g", "2", "12345") + "--X--");
      let wasWhole = false;
      for (let step = 1; !wasWhole; step++) {
        const reason = new Error("given up");
        const giver = new AbortController();
        let steps = 0;
        const disk = hookedDisk(() => {
          if (++steps === step) giver.abort(reason);
        });
        const form = spool(way, pieces(body, 40), { directory, signal: giver.signal }, disk);
        wasWhole = !await form.then(() => false, (error) => error === reason);
        assert.equal(wasWhole, !giver.signal.aborted, `step ${step}`);
        if (wasWhole) assert.ok(steps > 10, `${steps} steps`);
        else assert.deepEqual(filesIn(directory), [], `step ${step}`);
      }
      assert.equal(filesIn(directory).length, 2);
    }));
}

test("Form spool does not wait for a silent source when it is given up, and tells it to stop", () =>
  withFolder(async (directory) => {
    const reason = new Error("given up");
    const giver = new AbortController();
    let cancelled = false;
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(latin1(file("f", "1", "12345"))),
      pull: () => {
        giver.abort(reason);
        return new Promise<void>(() => {});
      },
      cancel: () => {
        cancelled = true;
      },
    }, { highWaterMark: 0 });
    const form = spoolForm(stream, TYPE, { directory, signal: giver.signal });
    await assert.rejects(form, (error) => error === reason);
    assert.equal(cancelled, true);
    assert.deepEqual(filesIn(directory), []);
  }));

test("Form spool begins nothing when it is given up before", () =>
  withFolder(async (directory) => {
    const body = latin1(file("f", "1", "12345") + "--X--");
    for (const way of WAYS) {
      await assert.rejects(spool(way, [body], { directory, signal: AbortSignal.abort() }), {
        name: "AbortError",
      });
    }
    assert.equal(existsSync(directory), false);
  }));

test("Form spool cancels a web stream after an error", () =>
  withFolder(async (directory) => {
    let cancelled = false;
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(latin1("--X y")),
      cancel: () => {
        cancelled = true;
      },
    });
    await assert.rejects(spoolForm(stream, TYPE, { directory }), { fault: "delimiterLine" });
    assert.equal(cancelled, true);
  }));

test("Form spool of no body at all is an unfinished form", () =>
  withFolder(async (directory) => {
    await assert.rejects(spoolForm(null, TYPE, { directory }), { fault: "unfinished" });
  }));

test("Form spool reads the epilogue to its end and ignores it", () =>
  withFolder(async (directory) => {
    let read = 0;
    const source = function* (): Generator<Uint8Array> {
      for (const text of [field("a", "1"), "--X--", "\r\nbye", file("f", "1", "x")]) {
        read++;
        yield latin1(text);
      }
    };
    const form = await spool("awaiting", source(), { directory });
    assert.equal(read, 4);
    assert.deepEqual({ ...form.fields }, { a: ["1"] });
    assert.deepEqual(filesIn(directory), []);
  }));

test("Form spool of 96 MiB needs memory for pieces only", () =>
  withFolder(async (directory) => {
    const piece = new Uint8Array(64 * 1024).fill(0x61);
    const body = function* (pieces: number): Generator<Uint8Array> {
      yield latin1(file("f", "1", "").slice(0, -2));
      for (let i = 0; i < pieces; i++) yield piece;
      yield latin1("\r\n--X--");
    };
    await spool("awaiting", body(160), { directory, durable: false });
    const before = process.memoryUsage().rss;
    let peak = before;
    const watched = function* (): Generator<Uint8Array> {
      for (const bytes of body(96 * 16)) {
        peak = Math.max(peak, process.memoryUsage.rss());
        yield bytes;
      }
    };
    const form = await spool("awaiting", watched(), { directory, durable: false });
    assert.equal(form.files[0]?.size, 96 * MIB);
    assert.ok(peak - before < 32 * MIB, `${(peak - before) / MIB} MiB`);
  }));

function failure(errno: string): Operation<never> {
  const error = Object.assign(new Error(`${errno}: injected`), { code: errno });
  return {
    now: () => {
      throw error;
    },
    later: () => Promise.reject(error),
  };
}

/** The local disk, but the nth call of one method fails. */
function failingDisk(
  method: keyof SpoolDisk,
  nth: number,
  errno: string,
): { disk: SpoolDisk; failed: () => boolean } {
  let calls = 0;
  const handler: ProxyHandler<SpoolDisk> = {
    get: (target, name) => (...parameters: never[]) => {
      if (name === method && ++calls === nth) {
        // A close that fails has closed all the same.
        if (name === "close") {
          (target.close as (...parameters: never[]) => Operation<unknown>)(...parameters).now();
        }
        return failure(errno);
      }
      return (target[name as keyof SpoolDisk] as (...parameters: never[]) => unknown)(...parameters);
    },
  };
  return { disk: new Proxy(localDisk, handler), failed: () => calls >= nth };
}

/** The real disk, which tells the name of each call before it is made. */
function hookedDisk(before: (name: string) => void): SpoolDisk {
  return new Proxy(localDisk, {
    get: (target, name) => (...parameters: never[]) => {
      const operation = (target[name as keyof SpoolDisk] as (...parameters: never[]) => Operation<unknown>)(
        ...parameters,
      );
      return {
        now: () => {
          before(String(name));
          return operation.now();
        },
        later: () => {
          before(String(name));
          return operation.later();
        },
      };
    },
  });
}

function recordingDisk(calls: string[]): SpoolDisk {
  return hookedDisk((name) => calls.push(name));
}
