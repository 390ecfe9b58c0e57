/**
 * The adapter contract, part 3: addresses, unix sockets, the event loop, and descriptors.
 */
import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { ListenOptions } from "../../src/adapters/adapter.ts";
import { assertSameBytes, Child, pattern, Peer, type Suite, Watch } from "./stage.ts";

const MIB = 1_048_576;

/** Registers this part. */
export function listeningContract({ adapter, can, it, stageOf }: Suite): void {
  // ---- listening ----

  it("close stops accepting, frees the port, and leaves open connections alone", async () => {
    const stage = await stageOf({
      onData: (story, bytes, length) => story.transport.write(bytes, 0, length),
    });
    const { peer, story } = await stage.connect();
    const { port } = stage;
    await stage.listener.close();
    await stage.listener.close();
    const other = await stageOf({}, { port });
    assert.equal(other.port, port);
    peer.read().send("still here");
    await peer.until("the echo arrives", () => peer.received === 10);
    await other.over();
    await stage.over();
    assert.deepEqual(story.events, ["open", "data", "close"]);
    const refused = new Peer((await import("node:net")).connect(port, "127.0.0.1"), stage.watch);
    await refused.until("a new connection is refused", () => refused.closed);
    assert.equal(refused.errorCode, "ECONNREFUSED");
  });

  it("An address that cannot be bound is ERR_LISTEN with its cause", async () => {
    const stage = await stageOf();
    const cases: Partial<ListenOptions>[] = [
      { port: stage.port },
      { hostname: "192.0.2.1" },
      { port: 65_536 },
      { path: "/nonexistent/folder/x.sock" },
    ];
    for (const options of cases) {
      await assert.rejects(stageOf({}, options), (error: { code?: string; cause?: unknown }) => {
        assert.equal(error.code, "ERR_LISTEN");
        assert.ok(error.cause instanceof Error);
        return true;
      });
    }
    await stage.over();
  });

  const hasIpv6 = Object.values(networkInterfaces()).flat().some((one) => one?.address === "::1");

  it("IPv6 addresses are bound and shown, and IPv4 on an IPv6 socket is shown as IPv4", async () => {
    if (!hasIpv6) return;
    const loopback = await stageOf({}, { hostname: "::1" });
    const first = await loopback.connect("::1");
    assert.equal(first.story.transport.remoteAddress, "::1");
    assert.equal(loopback.listener.address.transport === "tcp" && loopback.listener.address.hostname, "::1");
    await loopback.over();
    const any = await stageOf({}, { hostname: "::" });
    const mapped = await any.connect("127.0.0.1");
    assert.equal(mapped.story.transport.remoteAddress, "127.0.0.1");
    const plain = await any.connect("::1");
    assert.equal(plain.story.transport.remoteAddress, "::1");
    await any.over();
  });

  it("A burst of 500 connections is accepted whole", async () => {
    const stage = await stageOf();
    await Promise.all(Array.from({ length: 500 }, () => stage.connect()));
    assert.equal(stage.stories.length, 500);
    await stage.over();
  });

  it("Opening and closing 2,000 connections leaves no descriptor behind", async () => {
    if (!existsSync("/proc/self/fd")) return;
    const stage = await stageOf({ onEnd: (story) => story.transport.endWrite() });
    const one = async (how: number): Promise<void> => {
      const { peer, story } = await stage.connect();
      peer.read();
      if (how === 0) peer.socket.end();
      else if (how === 1) story.transport.abort();
      else if (how === 2) peer.socket.resetAndDestroy();
      else if (how === 3) {
        story.transport.close();
        await peer.until("the FIN arrives", () => peer.ended);
        peer.socket.end();
      } else {
        story.transport.endWrite();
        await peer.until("the FIN arrives", () => peer.ended);
        peer.socket.end();
      }
      await stage.watch.until("both sides are closed", () => peer.closed && story.events.includes("close"));
    };
    const wave = async (): Promise<void> => {
      // One after the other within a lane, so that each finds its own story.
      for (let i = 0; i < 500; i++) await one(i % 5);
    };
    await one(0);
    const before = readdirSync("/proc/self/fd").length;
    for (let i = 0; i < 4; i++) await wave();
    const after = readdirSync("/proc/self/fd").length;
    assert.ok(after <= before + 4, `${before} descriptors before, ${after} after`);
    assert.equal(stage.stories.length, 2_001);
    assert.ok(stage.stories.every((story) => story.events.filter((event) => event === "close").length === 1));
    await stage.over();
  });

  // ---- unix sockets ----

  const inFolder = async (run: (folder: string) => Promise<void>): Promise<void> => {
    const folder = mkdtempSync(join(tmpdir(), "cartouche-"));
    try {
      await run(folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };

  it("A unix socket carries bytes, has no address, and its file goes at the close", () =>
    inFolder(async (folder) => {
      const path = join(folder, "a.sock");
      const stage = await stageOf({
        onData: (story, bytes, length) => story.transport.write(bytes, 0, length),
      }, { path });
      assert.deepEqual(stage.listener.address, { transport: "unix", path });
      const { peer, story } = await stage.connect();
      const bytes = pattern(2 * MIB);
      peer.read().send(bytes);
      await peer.until("the echo arrives", () => peer.received === bytes.length);
      assertSameBytes(peer.bytes, bytes);
      assert.equal(story.transport.remoteAddress, "");
      assert.equal(story.transport.remotePort, 0);
      story.transport.abort();
      await peer.until("the peer sees the abort", () => peer.closed || peer.ended);
      await stage.over();
      assert.deepEqual(story.events.filter((event) => event === "close"), ["close"]);
      assert.equal(existsSync(path), false);
    }));

  it("A stale socket file is replaced", () =>
    inFolder(async (folder) => {
      const path = join(folder, "b.sock");
      const gone = await stageOf({}, { path: join(folder, "first.sock") });
      renameSync(join(folder, "first.sock"), path);
      await gone.over();
      assert.equal(existsSync(path), true);
      const stage = await stageOf({}, { path });
      await stage.connect();
      await stage.over();
    }));

  it("A socket file that somebody listens on is ERR_LISTEN, and they go on undisturbed", () =>
    inFolder(async (folder) => {
      const path = join(folder, "c.sock");
      const stage = await stageOf({}, { path });
      await assert.rejects(stageOf({}, { path }), { code: "ERR_LISTEN" });
      await stage.connect();
      await stage.over();
    }));

  it("A file that is no socket is ERR_LISTEN and keeps its content", () =>
    inFolder(async (folder) => {
      const path = join(folder, "d.txt");
      writeFileSync(path, "precious");
      chmodSync(path, 0o600);
      await assert.rejects(stageOf({}, { path }), { code: "ERR_LISTEN" });
      assert.equal(readFileSync(path, "utf8"), "precious");
    }));

  // ---- the event loop ----

  it("atEndOfTurn runs each callback once, later, in order", async () => {
    const order: number[] = [];
    const done = new Promise<void>((resolve) => {
      adapter.atEndOfTurn(() => order.push(1));
      adapter.atEndOfTurn(() => {
        order.push(2);
        adapter.atEndOfTurn(() => {
          order.push(3);
          resolve();
        });
      });
    });
    assert.deepEqual(order, []);
    await done;
    assert.deepEqual(order, [1, 2, 3]);
  });

  it("atEndOfTurn from within onData runs after it and before the answer can", async () => {
    const order: string[] = [];
    const stage = await stageOf({
      onData(story, bytes, length) {
        order.push("read");
        adapter.atEndOfTurn(() => {
          order.push("turn");
          story.transport.write(bytes, 0, length);
        });
      },
    });
    const { peer } = await stage.connect();
    peer.read();
    for (let i = 1; i <= 20; i++) {
      peer.send("x");
      await peer.until("the answer arrives", () => peer.received === i);
    }
    assert.deepEqual(order, Array.from({ length: 20 }, () => ["read", "turn"]).flat());
    await stage.over();
  });

  if (!can.isDefault) return;

  it("A process stays while it listens and ends when listener and connections are closed", async () => {
    const child = new Child("echo_server.ts", ["one"]);
    try {
      await child.prints("\n");
      const watch = new Watch();
      const peer = new Peer((await import("node:net")).connect(child.number("port"), "127.0.0.1"), watch)
        .read();
      peer.send("x");
      await peer.until("the echo arrives", () => peer.received === 1);
      peer.socket.end();
      assert.equal(await child.ends(), 0);
    } finally {
      child.kill();
    }
  });

  it("A process that ran out of descriptors accepts again when some are free", async () => {
    if (process.platform === "win32") return;
    const child = new Child("echo_server.ts", [], 64);
    try {
      await child.prints("\n");
      const { connect } = await import("node:net");
      const watch = new Watch();
      const port = child.number("port");
      const dial = (): Peer => new Peer(connect(port, "127.0.0.1"), watch).read();
      const first = dial();
      first.send("x");
      await first.until("the child serves", () => first.received === 1);
      const crowd = Array.from({ length: 120 }, dial);
      for (const peer of crowd) peer.send("x");
      // The established ones are answered in spite of the crowd.
      for (let i = 2; i <= 50; i++) {
        first.send("x");
        await first.until("the first connection is still served", () => first.received === i);
      }
      const served = crowd.filter((peer) => peer.received > 0).length;
      assert.ok(
        served > 0 && served < crowd.length,
        `${served} of ${crowd.length} were served within the limit`,
      );
      for (const peer of crowd) peer.socket.destroy();
      await first.until("the crowd is gone", () => crowd.every((peer) => peer.closed));
      // A runtime that sheds load may still do so to the first of these.
      let late = dial();
      do {
        late.socket.destroy();
        late = dial();
        late.send("x");
        await late.until("a new connection is served or closed", () => late.received === 1 || late.closed);
      } while (late.closed);
      late.socket.destroy();
      first.socket.destroy();
    } finally {
      child.kill();
    }
  });
}
