/**
 * Tests of where a server listens: any free port, IPv6, a unix socket.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { connect, type NetConnectOpts } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { get, RawClient } from "../support/raw_client.ts";
import { type LocalApp, withApp, withChild } from "../support/start_app.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";

/** One request to an address of any kind. */
async function ask(where: NetConnectOpts, path: string): Promise<string> {
  const socket = connect({ ...where, allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => socket.once("connect", () => resolve()).once("error", reject));
  const client = new RawClient(socket);
  try {
    return (await client.send(get(path)).response()).text;
  } finally {
    client.destroy();
  }
}

test("A server on port 0 has a port of its own, and names it", async () => {
  await withApp("app.ts", {}, async (one) => {
    await withApp("app.ts", {}, async (other) => {
      assert.notEqual(one.port, other.port);
      assert.deepEqual(one.server.addr, { transport: "tcp", hostname: "127.0.0.1", port: one.port });
      assert.equal((await one.exchange(get("/remote"))).text, "127.0.0.1|true|test");
      assert.equal((await other.exchange(get("/remote"))).text, "127.0.0.1|true|test");
    });
  });
});

test("A server on ::1 speaks IPv6", async () => {
  await withApp("app.ts", { hostname: "::1" }, async (app: LocalApp) => {
    assert.equal(await ask({ host: "::1", port: app.port }, "/remote"), "::1|true|test");
  });
});

test("The line that a child prints names an IPv6 address in brackets", async () => {
  await withChild("app.ts", { options: { hostname: "::1" } }, async (child) => {
    const port = Number(/^Listening on http:\/\/\[::1\]:(\d+)\n$/.exec(child.stdout)?.[1]);
    assert.equal(await ask({ host: "::1", port }, "/light"), "light");
  });
});

test("A server on a unix socket has no remote address, replaces a stale file, and removes its own", async () => {
  await withTemporaryFolder(async (folder) => {
    const path = join(folder, "app.sock");
    for (let round = 0; round < 2; round++) {
      await withApp("app.ts", { path }, async (app) => {
        assert.deepEqual(app.server.addr, { transport: "unix", path });
        assert.equal(await ask({ path }, "/remote"), "|false|test");
      });
      assert.equal(existsSync(path), false);
    }
    // One that was killed leaves its file behind; the next takes the place.
    await withChild("app.ts", { options: { path } }, async (child) => {
      assert.equal(child.stdout, `Listening on unix:${path}\n`);
      assert.equal(await ask({ path }, "/light"), "light");
    });
    assert.equal(existsSync(path), true);
    await withApp("app.ts", { path }, async () => assert.equal(await ask({ path }, "/light"), "light"));
  });
});
