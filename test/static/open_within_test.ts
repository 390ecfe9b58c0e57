import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  mkdirSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process, { platform } from "node:process";
import { test } from "node:test";
import { type Opened, openNamed, openWithin, type SymlinkPolicy } from "../../src/static/open_within.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";

/** In one word: what was opened, "folder", or a status. The file is closed again. */
function outcome(opened: Opened): string | number {
  if (opened.kind === "folder") return "folder";
  if (opened.kind === "refused") return opened.status;
  closeSync(opened.fd);
  return `file of ${opened.size}`;
}

function makeTree(folder: string): string {
  const root = join(folder, "www");
  mkdirSync(join(root, "sub"), { recursive: true });
  mkdirSync(join(folder, "www-private"));
  writeFileSync(join(root, "a.txt"), "1");
  writeFileSync(join(root, "sub", "b.txt"), "22");
  writeFileSync(join(root, "empty"), "");
  writeFileSync(join(folder, "www-private", "secret"), "4444");
  writeFileSync(join(folder, "secret"), "55555");
  const link = (name: string, target: string): void => symlinkSync(target, join(root, name));
  link("in", "sub/b.txt");
  link("in-absolute", join(root, "a.txt"));
  link("in-folder", "sub");
  link("in-by-detour", "../www/a.txt");
  link("out", "../secret");
  link("out-absolute", join(folder, "secret"));
  link("out-folder", "..");
  link("out-beside", "../www-private");
  link("out-chain", "sub/hop");
  symlinkSync("../../secret", join(root, "sub", "hop"));
  link("etc", "/etc");
  link("dangling", "nowhere");
  link("loop", "loop");
  link("self", ".");
  return root;
}

/** Names, and what each policy makes of them. */
const CASES: [string[], Record<SymlinkPolicy, string | number>][] = [
  [["a.txt"], { within: "file of 1", follow: "file of 1", never: "file of 1" }],
  [["sub", "b.txt"], { within: "file of 2", follow: "file of 2", never: "file of 2" }],
  [["empty"], { within: "file of 0", follow: "file of 0", never: "file of 0" }],
  [[], { within: "folder", follow: "folder", never: "folder" }],
  [["sub"], { within: "folder", follow: "folder", never: "folder" }],
  [["nothing"], { within: 404, follow: 404, never: 404 }],
  [["nothing", "x"], { within: 404, follow: 404, never: 404 }],
  [["a.txt", "x"], { within: 404, follow: 404, never: 404 }],
  [["x".repeat(300)], { within: 404, follow: 404, never: 404 }],
  [Array.from({ length: 3_000 }, () => "x"), { within: 404, follow: 404, never: 404 }],
  [["in"], { within: "file of 2", follow: "file of 2", never: 404 }],
  [["in-absolute"], { within: "file of 1", follow: "file of 1", never: 404 }],
  [["in-folder"], { within: "folder", follow: "folder", never: 404 }],
  [["in-folder", "b.txt"], { within: "file of 2", follow: "file of 2", never: 404 }],
  [["in-by-detour"], { within: "file of 1", follow: "file of 1", never: 404 }],
  [["self", "self", "a.txt"], { within: "file of 1", follow: "file of 1", never: 404 }],
  [["out"], { within: 404, follow: "file of 5", never: 404 }],
  [["out-absolute"], { within: 404, follow: "file of 5", never: 404 }],
  [["out-folder"], { within: 404, follow: "folder", never: 404 }],
  [["out-folder", "secret"], { within: 404, follow: "file of 5", never: 404 }],
  [["out-folder", "www", "a.txt"], { within: "file of 1", follow: "file of 1", never: 404 }],
  [["out-beside", "secret"], { within: 404, follow: "file of 4", never: 404 }],
  [["out-chain"], { within: 404, follow: "file of 5", never: 404 }],
  [["sub", "hop"], { within: 404, follow: "file of 5", never: 404 }],
  [["etc"], { within: 404, follow: "folder", never: 404 }],
  [["dangling"], { within: 404, follow: 404, never: 404 }],
  [["loop"], { within: 404, follow: 404, never: 404 }],
];

if (platform !== "win32") {
  for (const [names, expected] of CASES) {
    test(`Opening ${names.join("/").slice(0, 40) || "the root"} gives what each symlink policy allows`, () =>
      withTemporaryFolder((folder) => {
        const root = makeTree(folder);
        for (const policy of ["within", "follow", "never"] as const) {
          assert.equal(outcome(openWithin(root, names, policy)), expected[policy], policy);
        }
      }));
  }

  test("Opening a named pipe, a socket or a device is refused and never waits", () =>
    withTemporaryFolder((folder) => {
      execFileSync("mkfifo", [join(folder, "pipe")]);
      symlinkSync("pipe", join(folder, "link-to-pipe"));
      symlinkSync("/dev/null", join(folder, "null"));
      symlinkSync("/dev/zero", join(folder, "zero"));
      for (const name of ["pipe", "link-to-pipe"]) {
        for (const policy of ["within", "follow", "never"] as const) {
          assert.equal(outcome(openWithin(folder, [name], policy)), 404, `${name}, ${policy}`);
        }
      }
      for (const name of ["null", "zero"]) assert.equal(outcome(openWithin(folder, [name], "follow")), 404);
      assert.equal(outcome(openNamed(join(folder, "pipe"))), 404);
      assert.equal(outcome(openNamed("/dev/zero")), 404);
    }));

  test("Opening a file that may not be read is refused with 403", () =>
    withTemporaryFolder((folder) => {
      writeFileSync(join(folder, "closed"), "1");
      chmodSync(join(folder, "closed"), 0);
      mkdirSync(join(folder, "locked"));
      writeFileSync(join(folder, "locked", "a"), "1");
      chmodSync(join(folder, "locked"), 0);
      try {
        // The superuser may read everything.
        const expected = process.getuid?.() === 0 ? "file of 1" : 403;
        assert.equal(outcome(openWithin(folder, ["closed"], "within")), expected);
        assert.equal(outcome(openWithin(folder, ["locked", "a"], "within")), expected);
        assert.equal(outcome(openWithin(folder, ["locked", "a"], "follow")), expected);
      } finally {
        chmodSync(join(folder, "locked"), 0o700);
      }
    }));

  test("Opening below a root that is a link follows where it leads at that time", () =>
    withTemporaryFolder((folder) => {
      for (const [release, text] of [["v1", "1"], ["v2", "22"]] as const) {
        mkdirSync(join(folder, release));
        writeFileSync(join(folder, release, "a"), text);
      }
      const current = join(folder, "current");
      symlinkSync("v1", current);
      assert.equal(outcome(openWithin(current, ["a"], "within")), "file of 1");
      assert.equal(outcome(openWithin(current, ["a"], "never")), "file of 1");
      symlinkSync("v2", `${current}.new`);
      renameSync(`${current}.new`, current);
      assert.equal(outcome(openWithin(current, ["a"], "within")), "file of 2");
      unlinkSync(current);
      assert.equal(outcome(openWithin(current, ["a"], "within")), 404);
    }));
}

test("Opening the root of all files as the root works", () => {
  assert.equal(outcome(openWithin("/", [], "within")), "folder");
});

test("Opening gives the size and date of the very file that is open", () =>
  withTemporaryFolder((folder) => {
    const path = join(folder, "a");
    writeFileSync(path, "12345");
    utimesSync(path, 1_000_000_000, 1_234_567_890.5);
    const opened = openNamed(path);
    assert.ok(opened.kind === "file");
    assert.equal(opened.size, 5);
    assert.equal(opened.modifiedMs, 1_234_567_890_500);
    closeSync(opened.fd);
  }));
