/**
 * Tests of topics without a server: what is kept, for how long, and for whom.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Publication, type Subscriber, Topics } from "../../src/connection/topics.ts";

const publish = (topics: Topics, topic: string, text: string, id: string | null = null): number =>
  topics.publish({ topic, isText: true, event: "", id, payload: new TextEncoder().encode(text) }, null);

class Listener implements Subscriber {
  readonly heard: Publication[] = [];
  receive(publication: Publication): void {
    this.heard.push(publication);
  }
  get texts(): string[] {
    return this.heard.map(({ message }) => new TextDecoder().decode(message.payload));
  }
}

test("A publish is encoded once for all its subscribers", () => {
  const topics = new Topics(0, 1_000_000);
  const listeners = [new Listener(), new Listener()];
  for (const listener of listeners) topics.subscribe(listener, ["t"], null);
  assert.equal(publish(topics, "t", "a\nb", "7"), 2);
  const [one, two] = listeners.map(({ heard }) => heard[0]);
  assert.equal(one, two);
  assert.equal(one?.frame, two?.frame);
  assert.equal(
    new TextDecoder().decode(one?.chunk),
    "1a\r\nid: 7\ndata: a\ndata: b\n\n\r\n".replace("1a", "17"),
  );
  assert.equal(new TextDecoder().decode(one?.event), "id: 7\ndata: a\ndata: b\n\n");
});

test("Topics without subscribers and history are forgotten", () => {
  const topics = new Topics(0, 1_000_000);
  const listener = new Listener();
  for (let i = 0; i < 100; i++) topics.subscribe(listener, [`t${i}`], null);
  assert.equal(topics.count, 100);
  for (let i = 0; i < 100; i++) {
    publish(topics, `t${i}`, "x");
    topics.unsubscribe(listener, `t${i}`);
  }
  assert.equal(topics.count, 0);
  assert.equal(publish(topics, "nobody", "x"), 0);
  assert.equal(topics.count, 0);
});

test("A history keeps the last ones, with ids that differ and name the server's life", () => {
  const topics = new Topics(3, 1_000_000);
  for (let i = 0; i < 10; i++) publish(topics, "t", String(i));
  const all = new Listener();
  topics.subscribe(all, ["t"], "unknown");
  assert.deepEqual(all.texts, ["7", "8", "9"]);
  const ids = all.heard.map(({ id }) => id);
  assert.equal(new Set(ids).size, 3);
  const next = new Listener();
  topics.subscribe(next, ["t"], ids[1] ?? "");
  assert.deepEqual(next.texts, ["9"]);
});

test("Kept topics nobody subscribes to are bounded: the longest idle goes, subscribed ones stay", () => {
  const topics = new Topics(1, 10_000_000);
  const listener = new Listener();
  publish(topics, "kept", "kept");
  topics.subscribe(listener, ["kept"], null);
  publish(topics, "oldest", "x");
  for (let i = 0; i < 10_000; i++) publish(topics, `t${i}`, "x");
  assert.equal(topics.count, 10_001);
  const late = new Listener();
  topics.subscribe(late, ["oldest"], "all");
  assert.deepEqual(late.texts, []);
  topics.subscribe(late, ["kept"], "all");
  assert.deepEqual(late.texts, ["kept"]);
});

test("A subscriber that leaves during its replay or a publish is in no topic afterwards", () => {
  const topics = new Topics(5, 1_000_000);
  for (let i = 0; i < 5; i++) publish(topics, "t", String(i));
  const leaver: Subscriber = {
    receive: () => topics.unsubscribe(leaver, "t"),
  };
  topics.subscribe(leaver, ["t"], "all");
  assert.equal(publish(topics, "t", "x"), 0);
  topics.subscribe(leaver, ["t"], null);
  const stays = new Listener();
  topics.subscribe(stays, ["t"], null);
  assert.equal(publish(topics, "t", "y"), 2);
  assert.equal(publish(topics, "t", "z"), 1);
  assert.deepEqual(stays.texts, ["y", "z"]);
});

test("The publisher that is left out is left out", () => {
  const topics = new Topics(0, 1_000_000);
  const [one, two] = [new Listener(), new Listener()];
  topics.subscribe(one, ["t"], null);
  topics.subscribe(two, ["t"], null);
  const message = { topic: "t", isText: false, event: "", id: null, payload: Uint8Array.of(1) };
  assert.equal(topics.publish(message, one), 1);
  assert.deepEqual([one.heard.length, two.heard.length], [0, 1]);
});

// ── ids and several topics ───────────────────────────────────────────────────────────────────────────────────────

test("An id of the server's says what was seen of every topic", () => {
  const topics = new Topics(50, 1_000_000);
  const stream = new Listener();
  topics.subscribe(stream, ["a"], null);
  topics.subscribe(stream, ["b"], null);
  for (const [topic, text] of [["a", "1"], ["a", "2"], ["b", "3"]] as const) publish(topics, topic, text);
  const last = stream.heard.at(-1)?.id ?? "";
  topics.unsubscribe(stream, "a");
  topics.unsubscribe(stream, "b");
  publish(topics, "a", "4");
  const again = new Listener();
  topics.subscribe(again, ["a"], last);
  topics.subscribe(again, ["b"], last);
  assert.deepEqual(again.texts, ["4"]);
  // One that was seen of another topic, and is kept by neither.
  const quiet = new Listener();
  topics.subscribe(quiet, ["b"], again.heard[0]?.id ?? "");
  assert.deepEqual(quiet.texts, []);
});

test("Of several topics that are subscribed at once the replay is in the order of publication", () => {
  const topics = new Topics(50, 1_000_000);
  for (let i = 1; i <= 9; i++) {
    publish(topics, "abc"[i % 3] as string, String(i), i % 2 === 0 ? `own ${i}` : null);
  }
  const all = new Listener();
  topics.subscribe(all, ["a", "b", "c", "a"], "");
  assert.deepEqual(all.texts, ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  // Wherever the connection is lost, the last id that has come is the place to go on.
  for (const [seen, { id }] of all.heard.entries()) {
    if (id.startsWith("own ")) continue;
    const next = new Listener();
    topics.subscribe(next, ["c", "b", "a"], id);
    assert.deepEqual(next.texts, all.texts.slice(seen + 1));
  }
});

test("Ids that this server has not given ask for everything, however they look", () => {
  const topics = new Topics(50, 1_000_000);
  const first = new Listener();
  topics.subscribe(first, ["t"], null);
  for (let i = 0; i < 40; i++) publish(topics, "t", String(i));
  const last = first.heard.at(-1)?.id ?? "";
  const [epoch = ""] = last.split(".");
  const strange = [
    "",
    "x",
    `${epoch}x.1`,
    `${epoch}.`,
    `${epoch}.0`,
    `${epoch}.zz`,
    `${epoch}.-1`,
    `${epoch}.1 `,
  ];
  for (const id of [...strange, `${epoch}.1.1`, `${epoch}.01`, `${epoch}.1E`, "1"]) {
    const listener = new Listener();
    topics.subscribe(listener, ["t"], id);
    assert.equal(listener.heard.length, 40, id);
  }
  const other = new Listener();
  new Topics(50, 1_000_000).subscribe(other, ["t"], last);
  assert.deepEqual(other.heard, []);
});

test("A byte order mark is part of an event's data", () => {
  const topics = new Topics(0, 0);
  const listener = new Listener();
  topics.subscribe(listener, ["t"], null);
  topics.publish(
    { topic: "t", isText: false, event: "", id: null, payload: Uint8Array.of(0xef, 0xbb, 0xbf, 0x61) },
    null,
  );
  assert.deepEqual([...listener.heard[0]?.event ?? []], [...new TextEncoder().encode("data: \ufeffa\n\n")]);
});

// ── octets ───────────────────────────────────────────────────────────────────────────────────────────────────────

test("What all topics keep is bounded in octets: the oldest goes, whatever its topic", () => {
  const topics = new Topics(1000, 100_000);
  const listener = new Listener();
  topics.subscribe(listener, ["subscribed"], null);
  publish(topics, "subscribed", "x".repeat(9_000));
  for (let i = 0; i < 9; i++) publish(topics, `idle ${i}`, "x".repeat(9_000));
  assert.ok(topics.keptBytes > 90_000 && topics.keptBytes <= 100_000, `${topics.keptBytes}`);
  assert.equal(topics.count, 10);
  const kept = (name: string): number => {
    const late = new Listener();
    topics.subscribe(late, [name], "");
    topics.unsubscribe(late, name);
    return late.heard.length;
  };
  for (let i = 0; i < 2; i++) publish(topics, "new", "x".repeat(9_000));
  // The subscribed topic is still there, and keeps nothing; a topic that nobody subscribes to is gone with its last.
  assert.deepEqual([kept("subscribed"), kept("idle 0"), kept("idle 1"), kept("new")], [0, 0, 1, 2]);
  assert.equal(topics.count, 10);
  assert.equal(publish(topics, "subscribed", "still there"), 1);
  // One that is larger than everything empties everything, and is sent all the same.
  assert.equal(publish(topics, "subscribed", "x".repeat(200_000)), 1);
  assert.deepEqual([topics.keptBytes, topics.count], [0, 1]);
  assert.deepEqual([listener.heard.length, kept("new")], [3, 0]);
  publish(topics, "subscribed", "x");
  assert.equal(kept("subscribed"), 1);
});

test("Octets are given back by whatever forgets: the number per topic, and the number of idle topics", () => {
  const topics = new Topics(2, 100_000_000);
  for (let i = 0; i < 30_000; i++) publish(topics, `t${i % 15_000}`, "x".repeat(100));
  assert.equal(topics.count, 10_000);
  for (let i = 0; i < 10_000; i++) publish(topics, `u${i}`, "");
  const perTopic = topics.keptBytes / topics.count;
  assert.ok(perTopic > 256 && perTopic < 300, `${perTopic}`);
  const empty = new Topics(2, 0);
  publish(empty, "t", "");
  assert.deepEqual([empty.keptBytes, empty.count], [0, 0]);
});

test("Encoded forms live no longer than the publish that made them", () => {
  const topics = new Topics(5, 1_000_000);
  const frames: Uint8Array[] = [];
  const listener: Subscriber = { receive: (publication) => void frames.push(publication.frame) };
  topics.subscribe(listener, ["t"], null);
  publish(topics, "t", "x");
  topics.unsubscribe(listener, "t");
  topics.subscribe(listener, ["t"], "");
  assert.deepEqual(frames[0], frames[1]);
  assert.notEqual(frames[0], frames[1]);
});
