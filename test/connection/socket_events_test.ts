/**
 * Tests of the queue of a connection's events without threads: batches, their order, and what comes of lost ones.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Holdable } from "../../src/connection/protocol.ts";
import type { SocketDispatch } from "../../src/connection/socket_dispatch.ts";
import { type EventsHost, type EventsOwner, SocketEvents } from "../../src/connection/socket_events.ts";
import { TicketTable } from "../../src/connection/tickets.ts";
import { eventBit, readBatch, SocketEvent, type SocketSettings } from "../../src/messages/socket_message.ts";

const { Text, Binary, Ping, Error: Failure, Close, Passed } = SocketEvent;
const NO_RESULT = { data: null, inflateWindow: null, deflateWindow: null };

/** A queue with an I/O thread and an owner that only take note. */
class Stage implements EventsHost, EventsOwner {
  readonly tickets = new TicketTable(16);
  readonly maxInlineBytes = 64 * 1024;
  readonly socketIndex = 3;
  readonly generation = 4;
  readonly remoteAddress = "127.0.0.1";
  readonly pinnedTo = null;
  isSlow = false;
  isRoom = true;
  broke = 0;
  held: Holdable[] = [];
  /** Batches that went out, as a worker reads them. */
  readonly batches: { readonly dispatch: SocketDispatch; readonly read: ReturnType<typeof readBatch> }[] = [];
  readonly events: SocketEvents;

  constructor(takeover = false, events = 0xff) {
    const settings = {
      key: "",
      events,
      deflate: takeover ? { clientNoContextTakeover: false } : null,
    } as unknown as SocketSettings;
    this.events = new SocketEvents(this, this, settings, Uint8Array.of(1));
  }
  hasRoom(): boolean {
    return this.isRoom;
  }
  dispatchBatch(
    dispatch: SocketDispatch,
    length: number,
    write: (target: Uint8Array, at: number) => void,
  ): boolean {
    const target = new Uint8Array(length);
    write(target, 0);
    this.tickets.issue(dispatch);
    this.batches.push({ dispatch, read: readBatch(target, 0) });
    return true;
  }
  hold(holdable: Holdable): void {
    this.held.push(holdable);
  }
  eventsMoved(): void {}
  eventsBroke(): void {
    this.broke++;
  }
  /** Queues texts, numbered. */
  say(from: number, to: number, isCompressed = false): void {
    for (let i = from; i < to; i++) {
      this.events.push(Text, isCompressed ? 1 : 0, new TextEncoder().encode(String(i)));
    }
    this.events.kick();
  }
  get last() {
    const last = this.batches.at(-1);
    if (last === undefined) throw new Error("no batch went out");
    return last;
  }
  /** The last batch as kinds and texts. */
  get shown(): string[] {
    return this.last.read.events.map(({ kind, bytes }) =>
      kind === Failure ? "error" : `${kind === Passed ? "passed " : ""}${new TextDecoder().decode(bytes)}`
    );
  }
}

test("One batch is out at a time, of 64 events at most, in order", () => {
  const stage = new Stage();
  stage.say(0, 1);
  stage.say(1, 150);
  assert.deepEqual(stage.shown, ["0"]);
  const seen = [...stage.shown];
  while (seen.length < 150) {
    const { dispatch } = stage.last;
    stage.events.batchDone(dispatch, NO_RESULT);
    assert.ok(stage.shown.length <= 64);
    seen.push(...stage.shown);
  }
  assert.deepEqual(seen, Array.from({ length: 150 }, (_, i) => String(i)));
  stage.events.batchDone(stage.last.dispatch, NO_RESULT);
  assert.deepEqual([stage.events.isBusy, stage.tickets.used], [false, 0]);
});

test("A large event goes alone, its octets by the inbox; a batch ends in front of it", () => {
  const stage = new Stage();
  const large = new Uint8Array(40_000);
  for (const bytes of [Uint8Array.of(1), Uint8Array.of(2), large, Uint8Array.of(3)]) {
    stage.events.push(Binary, 0, bytes);
  }
  stage.events.kick();
  assert.deepEqual([stage.last.read.events.length, stage.last.read.isStreamed], [2, false]);
  stage.events.batchDone(stage.last.dispatch, NO_RESULT);
  assert.deepEqual([stage.last.read.events.length, stage.last.read.isStreamed], [1, true]);
  assert.equal(stage.last.dispatch.body?.queuedBytes, large.length);
  stage.events.batchDone(stage.last.dispatch, NO_RESULT);
  assert.equal(stage.last.read.events[0]?.bytes[0], 3);
});

test("Data and windows go along with the next batch", () => {
  const stage = new Stage();
  stage.say(0, 1);
  assert.deepEqual(stage.last.read.data, Uint8Array.of(1));
  const result = { data: Uint8Array.of(2), inflateWindow: Uint8Array.of(3), deflateWindow: Uint8Array.of(4) };
  stage.events.batchDone(stage.last.dispatch, result);
  stage.say(1, 2);
  const { data, inflateWindow, deflateWindow } = stage.last.read;
  assert.deepEqual({ data, inflateWindow, deflateWindow }, result);
});

test("Of a lost batch the event under way is told as an error, and those behind it go out again", () => {
  const stage = new Stage();
  stage.say(0, 1);
  stage.say(1, 6);
  stage.events.batchDone(stage.last.dispatch, NO_RESULT);
  const { dispatch } = stage.last;
  dispatch.finished = 2;
  dispatch.data = Uint8Array.of(9);
  stage.events.batchLost(dispatch);
  assert.deepEqual(stage.shown, ["error", "4", "5"]);
  assert.equal(stage.last.read.events[0]?.a, 1);
  assert.deepEqual(stage.last.read.data, Uint8Array.of(9));
  // What was lost with its error event is not told again.
  stage.events.batchLost(stage.last.dispatch);
  assert.deepEqual(stage.shown, ["4", "5"]);
});

test("Without an error handler nothing is told of a lost event, and a lost close event is the end", () => {
  const stage = new Stage(false, eventBit(Text) | eventBit(Close));
  stage.say(0, 1);
  stage.events.batchLost(stage.last.dispatch);
  assert.equal(stage.events.isBusy, false);
  stage.events.close(1000, "");
  stage.events.batchLost(stage.last.dispatch);
  assert.deepEqual([stage.events.isBusy, stage.events.isClosed, stage.tickets.used], [false, true, 0]);
});

test("With context takeover what was compressed is inflated again in front of the rest", () => {
  const stage = new Stage(true);
  stage.say(0, 1, true);
  stage.say(1, 3, true);
  stage.events.push(Ping, 0, new TextEncoder().encode("ping"));
  stage.say(3, 5, true);
  stage.events.batchDone(stage.last.dispatch, { ...NO_RESULT, deflateWindow: Uint8Array.of(7) });
  stage.last.dispatch.finished = 2;
  stage.events.batchLost(stage.last.dispatch);
  assert.deepEqual(stage.shown, ["passed 1", "passed 2", "error", "3", "4"]);
  // What the client got meanwhile is not known.
  assert.equal(stage.last.read.deflateWindow.length, 0);
  // Lost once more, later: everything that was compressed is gone through again.
  stage.last.dispatch.finished = 3;
  stage.events.batchLost(stage.last.dispatch);
  assert.deepEqual(stage.shown, ["passed 1", "passed 2", "passed 3", "error", "4"]);
  assert.equal(stage.broke, 0);
  // A message whose inflating ends threads ends the connection.
  stage.last.dispatch.finished = 1;
  stage.events.batchLost(stage.last.dispatch);
  assert.equal(stage.broke, 1);
  assert.deepEqual(stage.shown, ["error"]);
});

test("A batch that no thread took goes out again as it was", () => {
  const stage = new Stage();
  stage.say(0, 3);
  stage.say(3, 4);
  const { dispatch } = stage.last;
  stage.events.batchReturned(dispatch);
  assert.deepEqual([stage.batches.length, stage.shown], [2, ["0", "1", "2", "3"]]);
  // One that is late is not heard.
  stage.events.batchDone(dispatch, { ...NO_RESULT, data: Uint8Array.of(6) });
  assert.equal(stage.batches.length, 2);
  stage.events.batchDone(stage.last.dispatch, NO_RESULT);
  assert.deepEqual([stage.events.isBusy, stage.tickets.used], [false, 0]);
});

test("Without room it waits, and messages of a slow client wait for the client", () => {
  const stage = new Stage();
  stage.isRoom = false;
  stage.say(0, 2);
  stage.events.kick();
  assert.deepEqual([stage.batches.length, stage.held.length], [0, 1]);
  stage.isRoom = true;
  stage.isSlow = true;
  stage.held[0]?.retry();
  assert.equal(stage.batches.length, 0);
  stage.isSlow = false;
  stage.events.kick();
  assert.equal(stage.batches.length, 1);
  stage.say(2, 3);
  stage.isSlow = true;
  stage.events.batchDone(stage.last.dispatch, NO_RESULT);
  assert.equal(stage.batches.length, 1);
  // The end is told whatever waits.
  stage.events.close(1013, "slow");
  assert.deepEqual(stage.shown, ["2", "slow"]);
});

test("Messages are dropped behind a fault, and nothing is queued behind the close event", () => {
  const stage = new Stage();
  stage.say(0, 1);
  stage.say(1, 4);
  stage.events.dropMessages();
  stage.events.error("a fault");
  stage.events.close(1007, "a fault");
  stage.say(4, 6);
  stage.events.close(1006, "again");
  stage.events.batchDone(stage.last.dispatch, NO_RESULT);
  assert.deepEqual(stage.shown, ["error", "a fault"]);
  stage.events.batchDone(stage.last.dispatch, NO_RESULT);
  assert.equal(stage.events.isBusy, false);
});

test("A full queue says so, by octets and by number", () => {
  const stage = new Stage();
  stage.isRoom = false;
  stage.say(0, 1024);
  assert.equal(stage.events.isFull, false);
  stage.say(0, 1);
  assert.equal(stage.events.isFull, true);
  const other = new Stage();
  other.isRoom = false;
  other.events.push(Binary, 0, new Uint8Array(1024 * 1024));
  assert.equal(other.events.isFull, false);
  other.events.push(Binary, 0, Uint8Array.of(1));
  assert.equal(other.events.isFull, true);
});
