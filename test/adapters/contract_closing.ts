/**
 * The adapter contract, part 2: abort, reset, close.
 */
import assert from "node:assert/strict";
import type { Transport } from "../../src/adapters/adapter.ts";
import { assertSameBytes, echoStage, pattern, type Suite } from "./stage.ts";

const MIB = 1_048_576;

/** Registers this part. */
export function closingContract({ adapter, it, stageOf }: Suite): void {
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

  for (const how of ["before", "after"] as const) {
    it(`close ${how} endWrite goes on delivering what the kernel has, and resets nothing`, async () => {
      const stage = await stageOf();
      const { peer, story } = await stage.connect();
      const { transport } = story;
      // Deno lets the first write of a new socket wait for its first event.
      peer.send("x");
      await stage.watch.until("the connection is in use", () => story.received === 1);
      const bytes = pattern(1.5 * MIB);
      assert.equal(transport.write(bytes, 0, bytes.length), 0, "the kernel did not take it all");
      if (how === "after") transport.endWrite();
      transport.close();
      assert.deepEqual(story.events, ["open", "data"], "onClose does not come from within close");
      await stage.watch.until("the connection closes", () => story.events.includes("close"));
      await peer.read().until("the peer has it all", () => peer.ended || peer.closed);
      assert.equal(peer.errorCode, "");
      assertSameBytes(peer.bytes, bytes);
      await stage.over();
      assert.deepEqual(story.events, ["open", "data", "close"]);
    });
  }

  it("close behind a FIN that has arrived is seen by nobody", async () => {
    const stage = await stageOf();
    const { peer, story } = await stage.connect();
    const bytes = pattern(100);
    peer.send("x");
    await stage.watch.until("the connection is in use", () => story.received === 1);
    story.transport.write(bytes, 0, bytes.length);
    story.transport.endWrite();
    await peer.read().until("the FIN arrives", () => peer.ended);
    story.transport.close();
    await stage.watch.until("the connection closes", () => story.events.includes("close"));
    peer.socket.end();
    await peer.until("the peer is closed", () => peer.closed);
    assert.equal(peer.errorCode, "");
    assertSameBytes(peer.bytes, bytes);
    await stage.over();
    assert.deepEqual(story.events, ["open", "data", "close"]);
  });

  it("close while octets wait in this process is an abort", async () => {
    const stage = await stageOf();
    const { peer, story } = await stage.connect();
    assert.ok(story.transport.write(new Uint8Array(16 * MIB), 0, 16 * MIB) > 0);
    story.transport.close();
    assert.equal(story.transport.bufferedBytes, 0);
    await peer.read().until("the peer sees the reset", () => peer.closed);
    assert.equal(peer.errorCode, "ECONNRESET");
    await stage.watch.until("the connection closes", () => story.events.includes("close"));
    await stage.over();
    assert.deepEqual(story.events, ["open", "close"]);
  });

  for (const how of ["abort", "close"] as const) {
    for (const event of ["onOpen", "onData", "onDrain", "onEnd"] as const) {
      it(`${how} inside ${event} is followed by onClose alone`, async () => {
        const stage = await stageOf({ [event]: (story: { transport: Transport }) => story.transport[how]() });
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

    it(`Everything is a no-op after ${how} and when the connection is gone`, async () => {
      const stage = await stageOf();
      const { peer, story } = await stage.connect();
      const { transport } = story;
      const tryAll = (): void => {
        assert.equal(transport.write(new Uint8Array(100), 0, 100), 0);
        assert.equal(transport.bufferedBytes, 0);
        transport.pause();
        transport.resume();
        transport.endWrite();
        transport.close();
        transport.abort();
        assert.equal(transport.write(new Uint8Array(100), 0, 100), 0);
      };
      transport[how]();
      tryAll();
      await stage.watch.until("the connection closes", () => story.events.includes("close"));
      tryAll();
      await peer.read().until("the peer sees the close", () => peer.closed || peer.ended);
      assert.equal(peer.received, 0);
      assert.equal(peer.errorCode, how === "abort" ? "ECONNRESET" : "");
      await stage.over();
      assert.deepEqual(story.events, ["open", "close"]);
    });
  }

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
}
