import assert from "node:assert/strict";
import { test } from "node:test";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { encodeComment, encodeEvent, type ServerSentEvent } from "../../src/sse/event_encoder.ts";
import { FUZZ_TEST, fuzzPlan, SeededRandom } from "../websocket/split_frames.ts";

/** What a client makes of a stream. */
interface Received {
  readonly events: EventSourceMessage[];
  readonly retries: number[];
  readonly comments: string[];
}

function receive(...stream: readonly string[]): Received {
  const received: Received = { events: [], retries: [], comments: [] };
  const parser = createParser({
    onEvent: (event) => received.events.push(event),
    onRetry: (retry) => received.retries.push(retry),
    onComment: (comment) => received.comments.push(comment),
    onError: (error) => assert.fail(error),
  });
  for (const part of stream) parser.feed(part);
  return received;
}

/** The event, its text on the wire, and what a client dispatches (undefined: nothing). */
const TABLE: readonly (readonly [ServerSentEvent, string, Partial<EventSourceMessage> | undefined])[] = [
  [{ data: "Hello" }, "data: Hello\n\n", { data: "Hello" }],
  [{ data: "" }, "data: \n\n", { data: "" }],
  [{ data: " two spaces  " }, "data:  two spaces  \n\n", { data: " two spaces  " }],
  [{ data: "a\nb" }, "data: a\ndata: b\n\n", { data: "a\nb" }],
  [{ data: "a\rb" }, "data: a\ndata: b\n\n", { data: "a\nb" }],
  [{ data: "a\r\nb" }, "data: a\ndata: b\n\n", { data: "a\nb" }],
  [{ data: "a\n\rb" }, "data: a\ndata: \ndata: b\n\n", { data: "a\n\nb" }],
  [{ data: "a\r\r\nb" }, "data: a\ndata: \ndata: b\n\n", { data: "a\n\nb" }],
  [{ data: "\n" }, "data: \ndata: \n\n", { data: "\n" }],
  [{ data: "a\n" }, "data: a\ndata: \n\n", { data: "a\n" }],
  [{ data: "\n\n\nevent: evil\ndata: x" }, "data: \ndata: \ndata: \ndata: event: evil\ndata: data: x\n\n", {
    data: "\n\n\nevent: evil\ndata: x",
  }],
  [{ data: ": no comment" }, "data: : no comment\n\n", { data: ": no comment" }],
  [{ data: "nul \0 and mark \ufeff" }, "data: nul \0 and mark \ufeff\n\n", {
    data: "nul \0 and mark \ufeff",
  }],
  [{ data: "\u2028\u0085\v\f" }, "data: \u2028\u0085\v\f\n\n", { data: "\u2028\u0085\v\f" }],
  [{ event: "tick", data: "1" }, "event: tick\ndata: 1\n\n", { event: "tick", data: "1" }],
  [{ event: " tick: 2 ", data: "1" }, "event:  tick: 2 \ndata: 1\n\n", { event: " tick: 2 ", data: "1" }],
  [{ event: "", data: "1" }, "data: 1\n\n", { data: "1" }],
  [{ event: "" }, "data: \n\n", { data: "" }],
  [{ event: "tick" }, "event: tick\ndata: \n\n", { event: "tick", data: "" }],
  [{ id: "7", data: "x" }, "id: 7\ndata: x\n\n", { id: "7", data: "x" }],
  [{ id: "", data: "x" }, "id: \ndata: x\n\n", { id: "", data: "x" }],
  [{ id: "7" }, "id: 7\n\n", undefined],
  [{ retry: 0, data: "x" }, "retry: 0\ndata: x\n\n", { data: "x" }],
  [{ retry: -0, data: "x" }, "retry: 0\ndata: x\n\n", { data: "x" }],
  [{ retry: 2 ** 53 - 1 }, "retry: 9007199254740991\n\n", undefined],
  [
    { event: "e", id: "i", retry: 10, data: "d\nd" },
    "event: e\nid: i\nretry: 10\ndata: d\ndata: d\n\n",
    { event: "e", id: "i", data: "d\nd" },
  ],
  [{ data: "x", event: undefined, id: undefined, retry: undefined }, "data: x\n\n", { data: "x" }],
];

test("encodeEvent writes every event of the table, and a client reads what was meant", () => {
  for (const [event, text, dispatched] of TABLE) {
    const label = JSON.stringify(event);
    assert.equal(encodeEvent(event), text, label);
    const { events, retries } = receive(text);
    const expected = dispatched === undefined ? [] : [{ event: undefined, id: undefined, ...dispatched }];
    assert.deepEqual(events.map(({ event, id, data }) => ({ event, id, data })), expected, label);
    assert.deepEqual(retries, event.retry === undefined ? [] : [event.retry === 0 ? 0 : event.retry], label);
  }
});

test("encodeEvent refuses what would inject fields or what no client would understand", () => {
  const bad = (event: unknown): void => {
    assert.throws(() => encodeEvent(event as ServerSentEvent), { code: "ERR_EVENT" }, JSON.stringify(event));
  };
  for (const end of ["\n", "\r", "\r\n", "\0"]) {
    for (const value of [end, `a${end}`, `${end}a`, `a${end}data: evil`]) {
      bad({ event: value, data: "x" });
      bad({ id: value, data: "x" });
    }
  }
  for (const retry of [-1, 0.5, NaN, Infinity, 2 ** 53, "10", "10\ndata: evil", null, 10n.toString()]) {
    bad({ retry });
  }
  for (const value of [1, null, {}, new Uint8Array(1), ["x"]]) {
    bad({ data: value });
    bad({ event: value, data: "x" });
    bad({ id: value, data: "x" });
  }
  bad({});
  bad({ event: undefined });
});

test("encodeComment writes lines that a client ignores", () => {
  assert.equal(encodeComment(), ":\n\n");
  assert.equal(encodeComment("hi"), ": hi\n\n");
  assert.equal(encodeComment("a\r\ndata: evil\rid: 1\n"), ": a\n: data: evil\n: id: 1\n: \n\n");
  const { events, comments } = receive(encodeComment("a\n\ndata: evil\n\n"), encodeEvent({ data: "x" }));
  assert.deepEqual(events.map((event) => event.data), ["x"]);
  assert.deepEqual(comments, ["a", "", "data: evil", "", ""]);
});

test("encodeEvent is read as it was meant in a stream of random events cut anywhere", FUZZ_TEST, () => {
  const { count, seed } = fuzzPlan();
  const parts = [
    "a",
    "data: ",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    ":",
    " ",
    "id: 1",
    "é😀",
    "\0",
    "retry:5",
    "\ufeff",
    "event",
  ];
  for (let round = 0; round < count; round++) {
    const random = new SeededRandom(seed * 524_287 + round);
    const text = (longest: number): string =>
      Array.from({ length: random.below(longest + 1) }, () => random.pick(parts)).join("");
    const line = (): string => text(4).replaceAll(/[\r\n\0]/g, "");
    const expected: unknown[] = [];
    let stream = "";
    for (let i = 0; i < 10; i++) {
      if (random.below(4) === 0) stream += encodeComment(text(4));
      const event: Record<string, string | number> = { data: text(8) };
      if (random.below(2) === 0) event["event"] = line() || "e";
      if (random.below(2) === 0) event["id"] = line();
      if (random.below(4) === 0) event["retry"] = random.below(10_000);
      stream += encodeEvent(event);
      expected.push({
        event: event["event"],
        id: event["id"],
        data: String(event["data"]).replaceAll(/\r\n|\r/g, "\n"),
      });
    }
    const pieces: string[] = [];
    for (let at = 0; at < stream.length;) {
      const end = at + 1 + random.below(20);
      pieces.push(stream.slice(at, end));
      at = end;
    }
    const { events } = receive(...pieces);
    const actual = events.map(({ event, id, data }) => ({ event, id, data }));
    assert.deepEqual(actual, expected, `seed ${seed}, round ${round}`);
  }
});
