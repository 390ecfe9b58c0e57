/**
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyPieces } from "../../src/upload/body_pieces.ts";

function source(
  type: "bytes" | undefined,
  pieces: readonly string[],
  failure?: Error,
): ReadableStream<Uint8Array> {
  let next = 0;
  const pull = (
    controller: { enqueue(bytes: Uint8Array): void; close(): void; error(reason: unknown): void },
  ) => {
    const piece = pieces[next++];
    if (piece !== undefined) controller.enqueue(new TextEncoder().encode(piece));
    else if (failure !== undefined) controller.error(failure);
    else controller.close();
  };
  if (type === undefined) return new ReadableStream<Uint8Array>({ pull }, { highWaterMark: 0 });
  return new ReadableStream({
    type,
    pull: (controller) => {
      pull(controller);
      if (next > pieces.length && failure === undefined) controller.byobRequest?.respond(0);
    },
  }, { highWaterMark: 0 });
}

for (const type of ["bytes", undefined] as const) {
  const name = type === "bytes" ? "a stream of bytes" : "any stream";

  test(`bodyPieces reads ${name} to its end`, async () => {
    const body = bodyPieces(source(type, ["one", "two", "three"]));
    let text = "";
    for (let piece = await body.read(); piece !== null; piece = await body.read()) {
      text += new TextDecoder().decode(piece);
    }
    assert.equal(text, "onetwothree");
  });

  test(`bodyPieces rejects as ${name} does`, async () => {
    const body = bodyPieces(source(type, ["one"], new Error("gone")));
    assert.equal((await body.read())?.length, 3);
    await assert.rejects(body.read(), /gone/);
  });

  test(`bodyPieces of ${name} ends a read that waits when it is cancelled`, async () => {
    const pull = (): Promise<void> => new Promise(() => {});
    const stream = type === undefined
      ? new ReadableStream<Uint8Array>({ pull }, { highWaterMark: 0 })
      : new ReadableStream({ type, pull }, { highWaterMark: 0 });
    const body = bodyPieces(stream);
    const waiting = body.read();
    await body.cancel();
    assert.equal(await waiting, null);
  });
}

test("bodyPieces reads a stream of bytes into the same memory", async () => {
  let pulls = 0;
  const stream = new ReadableStream({
    type: "bytes",
    pull: (controller) => {
      assert.ok(controller.byobRequest !== null, "the reader brings its memory");
      pulls++;
      controller.byobRequest?.respond(1000);
    },
  }, { highWaterMark: 0 });
  const body = bodyPieces(stream);
  for (let round = 0; round < 3; round++) assert.equal((await body.read())?.buffer.byteLength, 128 * 1024);
  assert.equal(pulls, 3);
  await body.cancel();
});
