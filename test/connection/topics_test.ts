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
  const topics = new Topics(0);
  const listeners = [new Listener(), new Listener()];
  for (const listener of listeners) topics.subscribe(listener, "t", null);
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
  const topics = new Topics(0);
  const listener = new Listener();
  for (let i = 0; i < 100; i++) topics.subscribe(listener, `t${i}`, null);
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
  const topics = new Topics(3);
  for (let i = 0; i < 10; i++) publish(topics, "t", String(i));
  const all = new Listener();
  topics.subscribe(all, "t", "unknown");
  assert.deepEqual(all.texts, ["7", "8", "9"]);
  const ids = all.heard.map(({ id }) => id);
  assert.equal(new Set(ids).size, 3);
  const next = new Listener();
  topics.subscribe(next, "t", ids[1] ?? "");
  assert.deepEqual(next.texts, ["9"]);
});

test("Kept topics nobody subscribes to are bounded: the longest idle goes, subscribed ones stay", () => {
  const topics = new Topics(1);
  const listener = new Listener();
  publish(topics, "kept", "kept");
  topics.subscribe(listener, "kept", null);
  publish(topics, "oldest", "x");
  for (let i = 0; i < 10_000; i++) publish(topics, `t${i}`, "x");
  assert.equal(topics.count, 10_001);
  const late = new Listener();
  topics.subscribe(late, "oldest", "all");
  assert.deepEqual(late.texts, []);
  topics.subscribe(late, "kept", "all");
  assert.deepEqual(late.texts, ["kept"]);
});

test("A subscriber that leaves during its replay or a publish is in no topic afterwards", () => {
  const topics = new Topics(5);
  for (let i = 0; i < 5; i++) publish(topics, "t", String(i));
  const leaver: Subscriber = {
    receive: () => topics.unsubscribe(leaver, "t"),
  };
  topics.subscribe(leaver, "t", "all");
  assert.equal(publish(topics, "t", "x"), 0);
  topics.subscribe(leaver, "t", null);
  const stays = new Listener();
  topics.subscribe(stays, "t", null);
  assert.equal(publish(topics, "t", "y"), 2);
  assert.equal(publish(topics, "t", "z"), 1);
  assert.deepEqual(stays.texts, ["y", "z"]);
});

test("The publisher that is left out is left out", () => {
  const topics = new Topics(0);
  const [one, two] = [new Listener(), new Listener()];
  topics.subscribe(one, "t", null);
  topics.subscribe(two, "t", null);
  const message = { topic: "t", isText: false, event: "", id: null, payload: Uint8Array.of(1) };
  assert.equal(topics.publish(message, one), 1);
  assert.deepEqual([one.heard.length, two.heard.length], [0, 1]);
});
