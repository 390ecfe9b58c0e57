/**
 * What every adapter promises (src/adapters/adapter.ts), as one suite for all of them.
 *
 * The caller says what the runtime cannot do, with the reason beside it; nothing here asks which runtime it is.
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
import { test } from "node:test";
import type { Adapter, ListenOptions, Transport } from "../../src/adapters/adapter.ts";
import { assertSameBytes, Child, echoStage, pattern, Peer, type Script, Stage, Watch } from "./stage.ts";

const MIB = 1_048_576;

/** Differences that a runtime is allowed. */
export interface Capabilities {
  /** All reads arrive in one buffer. */
  readonly sharesReadBuffer: boolean;
  /** False: this is not the adapter that `detectAdapter` gives, so children cannot be told to use it. */
  readonly isDefault: boolean;
}

/** Registers the suite. `label` stands before every name. */
export function contract(label: string, adapter: Adapter, can: Capabilities): void {
  const it = (name: string, run: () => Promise<void>): void => {
    test(`${label}: ${name}`, { timeout: 60_000 }, run);
  };
  const stageOf = (script?: Script, options?: Partial<ListenOptions>): Promise<Stage> =>
    new Stage(adapter, script).listen(options);

  // ---- the ordinary way -------------------------------------------------------------------------------------------

  it("A connection opens, brings bytes, ends and closes in that order", async () => {
    const stage = await stageOf({
      keep: true,
      onData: (story, bytes, length) => story.transport.write(bytes, 0, length),
      onEnd: (story) => story.transport.endWrite(),
    });
    const { peer, story } = await stage.connect();
    peer.read().send("hello");
    await peer.until("the echo arrives", () => peer.received === 5);
    peer.socket.end();
    await stage.watch.until("the connection closes", () => story.events.includes("close"));
    assert.equal(peer.text, "hello");
    assert.deepEqual(story.events, ["open", "data", "end", "close"]);
    await stage.over();
    assert.deepEqual(story.events, ["open", "data", "end", "close"]);
  });

  it("A transport knows its peer's address and port", async () => {
    const stage = await stageOf();
    const { peer, story } = await stage.connect();
    assert.equal(story.transport.remoteAddress, "127.0.0.1");
    assert.equal(story.transport.remotePort, peer.socket.localPort);
    await stage.over();
    assert.equal(
      story.transport.remoteAddress,
      "127.0.0.1",
      "what was asked for once stays known after the close",
    );
  });

  it("A write sends exactly its range", async () => {
    const stage = await stageOf();
    const { peer, story } = await stage.connect();
    const bytes = new TextEncoder().encode("0123456789");
    // Deno learns that a new socket is writable with its first event, and would let the first write wait for that.
    peer.send("x");
    await stage.watch.until("the connection is in use", () => story.received === 1);
    const ranges = [[0, 0], [0, 1], [3, 7], [10, 10], [9, 10], [0, 10]] as const;
    for (const [start, end] of ranges) assert.equal(story.transport.write(bytes, start, end), 0);
    await peer.read().until("all ranges arrive", () => peer.received === 16);
    assert.equal(peer.text, "0345690123456789");
    assert.equal(story.transport.bufferedBytes, 0);
    assert.deepEqual(story.events, ["open", "data"], "a write that the kernel takes at once drains nothing");
    await stage.over();
  });

  it("Reads reuse one buffer where the runtime can", async () => {
    const buffers = new Set<ArrayBufferLike>();
    const stage = await stageOf({ onData: (_story, bytes) => void buffers.add(bytes.buffer) });
    for (let i = 0; i < 4; i++) {
      const { peer, story } = await stage.connect();
      peer.send("x".repeat(5_000));
      await stage.watch.until("the bytes arrive", () => story.received === 5_000);
    }
    assert.equal(buffers.size === 1, can.sharesReadBuffer);
    await stage.over();
  });

  // ---- half-closed ------------------------------------------------------------------------------------------------

  it("The peer's FIN leaves our direction open", async () => {
    const stage = await stageOf({ onEnd: (story) => story.transport.write(new Uint8Array(3), 0, 3) });
    const { peer, story } = await stage.connect();
    peer.read().socket.end("bye");
    await peer.until("bytes after the FIN arrive", () => peer.received === 3);
    assert.equal(peer.ended, false);
    story.transport.write(new Uint8Array(4), 0, 4);
    story.transport.endWrite();
    await peer.until("our FIN arrives", () => peer.ended);
    assert.equal(peer.received, 7);
    await stage.watch.until("the connection closes", () => story.events.includes("close"));
    assert.deepEqual(story.events, ["open", "data", "end", "close"]);
    await stage.over();
  });

  it("Our FIN leaves the peer's direction open", async () => {
    const stage = await stageOf();
    const { peer, story } = await stage.connect();
    story.transport.endWrite();
    await peer.read().until("our FIN arrives", () => peer.ended);
    peer.send("late");
    await stage.watch.until("late bytes arrive", () => story.received === 4);
    peer.socket.end();
    await stage.watch.until("the connection closes", () => story.events.includes("close"));
    assert.deepEqual(story.events, ["open", "data", "end", "close"]);
    await stage.over();
  });

  it("endWrite sends what waits before the FIN, and later writes send nothing", async () => {
    const stage = await stageOf();
    const { peer, story } = await stage.connect();
    const bytes = pattern(8 * MIB);
    assert.ok(story.transport.write(bytes, 0, bytes.length) > 0);
    story.transport.endWrite();
    const waiting = story.transport.bufferedBytes;
    assert.equal(story.transport.write(bytes, 0, 100), 0);
    assert.equal(story.transport.bufferedBytes, waiting);
    await peer.read().until("the FIN arrives", () => peer.ended);
    assertSameBytes(peer.bytes, bytes);
    assert.deepEqual(story.events, ["open", "drain"]);
    await stage.over();
  });

  // ---- back-pressure, outwards ------------------------------------------------------------------------------------

  it("A write of shared memory is safe when the bytes change at once and the peer is slow", async () => {
    const stage = await stageOf();
    const { peer, story } = await stage.connect();
    const expected = pattern(9 * MIB);
    const shared = new Uint8Array(new SharedArrayBuffer(expected.length + 100));
    shared.set(expected, 100);
    const waiting = story.transport.write(shared, 100, shared.length);
    shared.fill(255);
    assert.ok(waiting > 0 && waiting <= expected.length, `${waiting} octets wait`);
    assert.equal(story.transport.bufferedBytes, waiting);
    await peer.read().until("everything arrives", () => peer.received === expected.length);
    assertSameBytes(peer.bytes, expected);
    await stage.over();
  });

  it("Writes of all sizes keep their order while the peer is slow", async () => {
    const stage = await stageOf();
    const { peer, story } = await stage.connect();
    const sizes = [8 * MIB, 1, 100, 4_096, 4_097, 0, 65_536, 65_537, 300_000, 7, 1_000, 60_000];
    const total = sizes.reduce((sum, size) => sum + size, 0) * 2;
    const expected = pattern(total);
    const shared = new Uint8Array(new SharedArrayBuffer(8 * MIB));
    let at = 0;
    let before = 0;
    for (const size of [...sizes, ...sizes]) {
      shared.set(expected.subarray(at, at + size));
      const waiting = story.transport.write(shared, 0, size);
      shared.fill(255, 0, size);
      at += size;
      if (before > 0) assert.equal(waiting, before + size, "what is written behind waiting bytes waits, too");
      before = waiting;
    }
    await peer.read().until("everything arrives", () => peer.received === total);
    assertSameBytes(peer.bytes, expected);
    await stage.over();
  });

  for (const size of [1_000, 60_000]) {
    it(`Bytes that wait for one peer are not disturbed by writes of ${size} octets to another`, async () => {
      const stage = await stageOf();
      const slow = await stage.connect();
      const quick = await stage.connect();
      const expected = pattern(16 * MIB);
      let at = 0;
      while (slow.story.transport.bufferedBytes === 0) {
        assert.ok(at < expected.length, "the kernel never had enough");
        slow.story.transport.write(expected, at, at + size);
        at += size;
      }
      const other = new Uint8Array(size).fill(255);
      quick.peer.read();
      for (let i = 0; i < 4; i++) quick.story.transport.write(other, 0, size);
      await quick.peer.until("the other peer has its bytes", () => quick.peer.received === 4 * size);
      await slow.peer.read().until("the slow peer has its bytes", () => slow.peer.received === at);
      assertSameBytes(slow.peer.bytes, expected.subarray(0, at));
      await stage.over();
    });
  }

  it("Every small write arrives once and in order while the peer reads now and then", async () => {
    const stage = await stageOf();
    const { peer, story } = await stage.connect();
    const expected = pattern(12 * MIB);
    let at = 0;
    let mostWaiting = 0;
    while (at < expected.length) {
      const size = Math.min(1 + (at % 1_500), expected.length - at);
      mostWaiting = Math.max(mostWaiting, story.transport.write(expected, at, at + size));
      at += size;
    }
    assert.ok(mostWaiting > 0, "the peer was slow");
    await peer.read().until("everything arrives", () => peer.received === expected.length);
    assertSameBytes(peer.bytes, expected);
    await stage.over();
  });

  it("onDrain comes once per slow spell, with nothing waiting, and may write again", async () => {
    let rounds = 0;
    const atDrain: number[] = [];
    const bytes = pattern(8 * MIB);
    const stage = await stageOf({
      onDrain(story) {
        atDrain.push(story.transport.bufferedBytes);
        if (++rounds < 3) assert.ok(story.transport.write(bytes, 0, bytes.length) > 0);
      },
    });
    const { peer, story } = await stage.connect();
    const waiting = story.transport.write(bytes, 0, bytes.length);
    assert.ok(waiting > 0);
    assert.equal(story.transport.write(bytes, 0, 10), waiting + 10);
    // The last drain can come after the last octet: the kernel had room before the peer read on.
    await peer.read().until(
      "three rounds arrive",
      () => peer.received === 3 * bytes.length + 10 && rounds === 3,
    );
    assert.deepEqual(atDrain, [0, 0, 0]);
    assert.deepEqual(story.events, ["open", "drain", "drain", "drain"]);
    await stage.over();
  });

  it("bufferedBytes falls while the peer reads, not only at the end", async () => {
    const stage = await stageOf();
    const { peer, story } = await stage.connect();
    const bytes = new Uint8Array(32 * MIB);
    const seen = new Set([story.transport.write(bytes, 0, bytes.length)]);
    peer.socket.on("data", () => seen.add(story.transport.bufferedBytes));
    await peer.read().until("everything arrives", () => peer.received === bytes.length);
    assert.ok(seen.size >= 4, `only ${seen.size} different values`);
    await stage.over();
  });

  // ---- back-pressure, inwards -------------------------------------------------------------------------------------

  it("pause stops a peer of 64 MiB, keeps memory flat, and resume brings all of it", async () => {
    const { stage: clock, roundTrips } = await echoStage(adapter);
    const stage = await stageOf({
      onOpen: (story) => story.transport.pause(),
      onEnd: (story) => story.transport.endWrite(),
    });
    await roundTrips(200);
    const memoryBefore = process.memoryUsage().rss;
    const child = new Child("pusher.ts", [String(stage.port), "64"]);
    await stage.watch.until("the pusher connects", () => stage.stories.length === 1);
    const story = stage.stories[0];
    assert.ok(story);
    await child.prints("mebibytes 1;");
    // Until the pusher stands still for 300 round trips; it would need far fewer for the rest.
    let last = "";
    while (last !== child.output) {
      last = child.output;
      await roundTrips(300);
    }
    assert.ok(!child.output.includes("mebibytes 48;"), "the pusher was not held back");
    assert.ok(story.received <= 0.5 * MIB, `${story.received} octets came in spite of the pause`);
    const grown = (process.memoryUsage().rss - memoryBefore) / MIB;
    assert.ok(grown < 24, `memory grew by ${grown.toFixed(1)} MiB`);
    const sofar = story.received;
    story.transport.resume();
    await stage.watch.until("all 64 MiB arrive", () => story.received === 64 * MIB);
    await stage.watch.until("the end arrives", () => story.events.includes("end"));
    assert.ok(sofar < story.received);
    assert.equal(await child.ends(), 0);
    await stage.over();
    await clock.over();
  });

  it("pause inside onData lets at most one more read through", async () => {
    const { stage: clock, roundTrips } = await echoStage(adapter);
    let reads = 0;
    const stage = await stageOf({
      onData(story) {
        reads++;
        story.transport.pause();
      },
    });
    const { peer, story } = await stage.connect();
    peer.send(pattern(4 * MIB));
    await stage.watch.until("the first read comes", () => reads > 0);
    await roundTrips(200);
    assert.ok(reads <= 2, `${reads} reads`);
    let seen = reads;
    while (story.received < 4 * MIB) {
      story.transport.resume();
      await stage.watch.until("another read comes", () => reads > seen);
      assert.ok(reads <= seen + 2);
      seen = reads;
    }
    assert.equal(story.received, 4 * MIB);
    await stage.over();
    await clock.over();
  });

  it("pause and resume in one breath lose nothing", async () => {
    const stage = await stageOf({
      keep: true,
      onData(story) {
        story.transport.pause();
        story.transport.resume();
      },
    });
    const { peer, story } = await stage.connect();
    const bytes = pattern(3 * MIB);
    peer.send(bytes);
    await stage.watch.until("everything arrives", () => story.received === bytes.length);
    assertSameBytes(Uint8Array.from(story.chunks.flatMap((chunk) => [...chunk])), bytes);
    await stage.over();
  });

  it("A FIN that comes while paused is told after resume", async () => {
    const { stage: clock, roundTrips } = await echoStage(adapter);
    const stage = await stageOf({ onOpen: (story) => story.transport.pause() });
    const { peer, story } = await stage.connect();
    peer.socket.end("last");
    await roundTrips(50);
    assert.ok(!story.events.includes("end"));
    story.transport.resume();
    await stage.watch.until("the end is told", () => story.events.includes("end"));
    assert.equal(story.received, 4);
    await stage.over();
    await clock.over();
  });

  it("A saturated connection does not starve another", async () => {
    const { stage: clock, roundTrips } = await echoStage(adapter);
    const stage = await stageOf({ onEnd: (story) => story.transport.endWrite() });
    const child = new Child("pusher.ts", [String(stage.port), "256"]);
    await stage.watch.until("the pusher is at it", () => (stage.stories[0]?.received ?? 0) > MIB);
    const story = stage.stories[0];
    assert.ok(story);
    let trips = 0;
    let mostBetween = 0;
    while (!story.events.includes("end")) {
      const before = story.received;
      await roundTrips(1);
      trips++;
      mostBetween = Math.max(mostBetween, story.received - before);
    }
    assert.equal(story.received, 256 * MIB);
    assert.ok(trips >= 10, `only ${trips} round trips beside 256 MiB`);
    assert.ok(mostBetween <= 32 * MIB, `${mostBetween} octets between two round trips`);
    assert.equal(await child.ends(), 0);
    await stage.over();
    await clock.over();
  });

  // ---- abort, reset, close ----------------------------------------------------------------------------------------

  it("abort resets the connection and drops what waits", async () => {
    const stage = await stageOf();
    const { peer, story } = await stage.connect();
    assert.ok(story.transport.write(new Uint8Array(16 * MIB), 0, 16 * MIB) > 0);
    story.transport.abort();
    assert.deepEqual(story.events, ["open"], "onClose does not come from within abort");
    assert.equal(story.transport.bufferedBytes, 0);
    await peer.read().until("the peer sees the reset", () => peer.closed);
    assert.equal(peer.errorCode, "ECONNRESET");
    assert.ok(peer.received < 16 * MIB);
    await stage.watch.until("the connection closes", () => story.events.includes("close"));
    assert.deepEqual(story.events, ["open", "close"]);
    await stage.over();
  });

  it("abort closes a connection whose FIN still waits behind bytes", async () => {
    const stage = await stageOf();
    const { peer, story } = await stage.connect();
    story.transport.write(new Uint8Array(16 * MIB), 0, 16 * MIB);
    story.transport.endWrite();
    story.transport.abort();
    await peer.read().until("the peer sees the close", () => peer.closed || peer.ended);
    assert.ok(peer.received < 16 * MIB);
    await stage.watch.until("the connection closes", () => story.events.includes("close"));
    await stage.over();
    assert.deepEqual(story.events, ["open", "close"]);
  });

  it("abort closes a connection whose FIN is being sent", async () => {
    const stage = await stageOf();
    const { peer, story } = await stage.connect();
    story.transport.endWrite();
    story.transport.abort();
    await peer.read().until("the peer sees the close", () => peer.closed || peer.ended);
    await stage.watch.until("the connection closes", () => story.events.includes("close"));
    await stage.over();
    assert.deepEqual(story.events, ["open", "close"]);
  });

  for (const event of ["onOpen", "onData", "onDrain", "onEnd"] as const) {
    it(`abort inside ${event} is followed by onClose alone`, async () => {
      const stage = await stageOf({ [event]: (story: { transport: Transport }) => story.transport.abort() });
      const { peer, story } = await stage.connect();
      const bytes = new Uint8Array(8 * MIB);
      if (event === "onDrain") story.transport.write(bytes, 0, bytes.length);
      peer.read().send(pattern(100_000));
      peer.socket.end("more");
      await stage.watch.until("the connection closes", () => story.events.includes("close"));
      const last = event.slice(2).toLowerCase();
      assert.deepEqual(story.events.slice(-2), [last, "close"]);
      await stage.over();
      assert.deepEqual(story.events.slice(-2), [last, "close"]);
    });
  }

  it("Everything is a no-op after abort and after the close", async () => {
    const stage = await stageOf();
    const { peer, story } = await stage.connect();
    const { transport } = story;
    const tryAll = (): void => {
      assert.equal(transport.write(new Uint8Array(100), 0, 100), 0);
      assert.equal(transport.bufferedBytes, 0);
      transport.pause();
      transport.resume();
      transport.endWrite();
      transport.abort();
      assert.equal(transport.write(new Uint8Array(100), 0, 100), 0);
    };
    transport.abort();
    tryAll();
    await stage.watch.until("the connection closes", () => story.events.includes("close"));
    tryAll();
    await peer.read().until("the peer sees the close", () => peer.closed);
    assert.equal(peer.received, 0);
    await stage.over();
    assert.deepEqual(story.events, ["open", "close"]);
  });

  it("A reset by the peer closes once and throws nowhere", async () => {
    const stage = await stageOf();
    const { peer, story } = await stage.connect();
    peer.send("x");
    await stage.watch.until("the byte arrives", () => story.received === 1);
    peer.socket.resetAndDestroy();
    await stage.watch.until("the connection closes", () => story.events.includes("close"));
    await stage.over();
    assert.deepEqual(story.events, ["open", "data", "close"]);
  });

  it("Writes to a peer that has gone close the connection and throw nowhere", async () => {
    const { stage: clock, roundTrips } = await echoStage(adapter);
    const stage = await stageOf({ onOpen: (story) => story.transport.pause() });
    const { peer, story } = await stage.connect();
    peer.socket.destroy();
    await peer.until("the peer is gone", () => peer.closed);
    for (let i = 0; i < 50 && !story.events.includes("close"); i++) {
      story.transport.write(new Uint8Array(10_000), 0, 10_000);
      await roundTrips(1);
    }
    story.transport.resume();
    await stage.watch.until("the connection closes", () => story.events.includes("close"));
    await stage.over();
    assert.equal(story.events.filter((event) => event === "close").length, 1);
    await clock.over();
  });

  // ---- listening --------------------------------------------------------------------------------------------------

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
      else {
        story.transport.endWrite();
        await peer.until("the FIN arrives", () => peer.ended);
        peer.socket.end();
      }
      await stage.watch.until("both sides are closed", () => peer.closed && story.events.includes("close"));
    };
    const wave = async (): Promise<void> => {
      // One after the other within a lane, so that each finds its own story.
      for (let i = 0; i < 500; i++) await one(i % 4);
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

  // ---- unix sockets -----------------------------------------------------------------------------------------------

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

  // ---- the event loop ---------------------------------------------------------------------------------------------

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
