/** What the kernel says about the sockets of a server on this runtime: TCP_NODELAY and the backlog. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { promisify } from "node:util";
import { currentRuntime, runtimeCommand } from "../support/runtimes.ts";

const skip = process.platform !== "linux" && "only Linux tells";
const PATIENCE_MS = 30_000;
/** What design and documentation promise at least. */
const BACKLOG = 511;

test("An accepted connection has TCP_NODELAY; the backlog is at least 511", { skip }, async () => {
  const server = runtimeCommand(currentRuntime(), new URL("../../examples/hello.ts", import.meta.url));
  const probe = runtimeCommand("deno", new URL("../support/socket_probe.ts", import.meta.url), [
    server.command,
    ...server.args,
  ]);
  const { stdout } = await promisify(execFile)(probe.command, probe.args, { timeout: PATIENCE_MS });
  const { backlog, noDelay } = JSON.parse(stdout) as { backlog: number[]; noDelay: number[] };
  assert.deepEqual(noDelay, [1]);
  assert.equal(backlog.length, 1);
  const most = Number(readFileSync("/proc/sys/net/core/somaxconn", "utf8"));
  assert.ok(backlog[0] !== undefined && backlog[0] >= Math.min(BACKLOG, most), `backlog ${backlog[0]}`);
});
