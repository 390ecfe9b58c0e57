/**
 * Tests of a batch of events in the hands of a worker that is declared dead, or is told to give it up.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { OutboxKind } from "../../src/messages/kind.ts";
import {
  batchLength,
  settingsBytes,
  SocketEvent,
  type SocketEventRecord,
  writeBatch,
} from "../../src/messages/socket_message.ts";
import { type Outbox, StoppedError } from "../../src/worker/outbox.ts";
import { SocketJob, type SocketJobHost } from "../../src/worker/socket_job.ts";
import type { WorkerSocketPort } from "../../src/worker/socket_port.ts";
import type { WebSocketHandlers } from "../../src/worker/web_socket.ts";
import { SETTINGS } from "../connection/socket_stage.ts";

const EMPTY = new Uint8Array(0);

/** A thread that takes note. */
class Host {
  isDead = false;
  /** What it says throws: it was declared dead while its outbox was full. */
  isStopped = false;
  readonly said: (readonly [kind: number, generation: number])[] = [];
  readonly failures: unknown[] = [];
  done = 0;
  readonly handlers: WebSocketHandlers;

  constructor(handlers: WebSocketHandlers) {
    this.handlers = handlers;
  }

  /** A batch of texts. */
  job(...texts: string[]): SocketJob {
    const events: SocketEventRecord[] = texts.map((text) => ({
      kind: SocketEvent.Text,
      a: 0,
      bytes: new TextEncoder().encode(text),
    }));
    const fixed = [settingsBytes(SETTINGS), EMPTY, EMPTY, EMPTY, EMPTY];
    const bytes = new Uint8Array(batchLength(fixed, events));
    writeBatch(bytes, 0, 1, 1, false, fixed, events);
    const about = (kind: number, _ticket: number, _index: number, generation: number): void => {
      if (this.isStopped) throw new StoppedError();
      this.said.push([kind, generation]);
    };
    const host = {
      outbox: { about } as unknown as Outbox,
      port: { kindOf: () => 0 } as unknown as WorkerSocketPort,
      handlersOf: () => this.handlers,
      socketHandlerFailed: (_message: string, error: unknown) => void this.failures.push(error),
      waitForInbox: () => undefined,
      jobDone: () => void this.done++,
      pull: () => undefined,
    };
    const job = this as Host;
    return new SocketJob(
      Object.defineProperty(host, "isDead", { get: () => job.isDead }) as unknown as SocketJobHost,
      7,
      bytes,
      0,
    );
  }
}

/** Runs `body`, and gives what was rejected and nobody caught. */
async function unhandledIn(body: () => Promise<void>): Promise<unknown[]> {
  const unhandled: unknown[] = [];
  const take = (error: unknown): void => void unhandled.push(error);
  process.on("unhandledRejection", take);
  try {
    await body();
    // They are told when the microtasks are through.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve));
  } finally {
    process.off("unhandledRejection", take);
  }
  return unhandled;
}

test("A thread that is declared dead while a handler awaits unwinds without an unhandled rejection", async () => {
  for (const at of ["between two events", "at the end", "in the handler"] as const) {
    const unhandled = await unhandledIn(async () => {
      let goOn = (): void => undefined;
      const host = new Host({
        message: async () => {
          await new Promise<void>((resolve) => goOn = resolve);
          if (at === "in the handler") throw new StoppedError();
        },
      });
      const job = at === "at the end" ? host.job("one") : host.job("one", "two");
      const running = job.run();
      host.isStopped = true;
      goOn();
      await running;
      assert.deepEqual([job.done && at !== "at the end", host.said, host.failures], [false, [], []]);
    });
    assert.deepEqual(unhandled, [], at);
  }
});

test("A batch that is given up says so at once, and its thread begins with no other event of it", async () => {
  const handled: unknown[] = [];
  let goOn = (): void => undefined;
  const host = new Host({
    message: async (_socket, message) => {
      handled.push(message);
      if (message === "two") await new Promise<void>((resolve) => goOn = resolve);
    },
  });
  const job = host.job("one", "two", "three");
  const running = job.run();
  for (let turn = 0; turn < 10; turn++) await undefined;
  assert.deepEqual(host.said, [[OutboxKind.SocketProgress, 0]]);
  job.abort();
  job.abort();
  assert.deepEqual(host.said.slice(1), [[OutboxKind.SocketDone, 1]]);
  assert.deepEqual([job.done, host.done], [true, 1]);
  goOn();
  await running;
  assert.deepEqual([handled, host.said.length, host.done], [["one", "two"], 2, 1]);
});
