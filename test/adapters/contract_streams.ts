/**
 * The adapter contract, part 1: bytes, half-closed connections, and back-pressure in both directions.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { assertSameBytes, Child, echoStage, pattern, type Suite } from "./stage.ts";

const MIB = 1_048_576;

/** Registers this part. */
export function streamContract({ adapter, can, it, stageOf }: Suite): void {
  // ---- the ordinary way ----

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

  // ---- half-closed ----

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

  // ---- back-pressure, outwards ----

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

  // ---- back-pressure, inwards ----

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
}
