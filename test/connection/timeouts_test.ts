/**
 * Tests of the timer wheel: never early, a tick late at most, cheap to move, nothing kept of what is over.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Filing, TICK_MS, type Timed, Timeouts } from "../../src/connection/timeouts.ts";
import { SeededRandom } from "../support/seeded_random.ts";

class Entry implements Timed {
  filedAt = -1;
  filing: Filing | null = null;
  dueAt: number;
  readonly fired: number[] = [];
  readonly #onDue: (entry: Entry, now: number) => void;

  constructor(dueAt: number, onDue: (entry: Entry, now: number) => void = () => undefined) {
    this.dueAt = dueAt;
    this.#onDue = onDue;
  }

  onDue(now: number): void {
    this.fired.push(now);
    this.#onDue(this, now);
  }
}

/** Lets the clock run from `from` to `to` in steps of a tick. */
function run(wheel: Timeouts, from: number, to: number, step = TICK_MS): void {
  for (let now = from; now <= to; now += step) wheel.advance(now);
}

for (
  const dueAt of [
    0,
    1,
    19,
    20,
    21,
    1000,
    1001,
    4095 * TICK_MS,
    4096 * TICK_MS,
    5000 * TICK_MS,
    20_000 * TICK_MS,
  ]
) {
  test(`An entry due at ${dueAt} ms fires once, not early, and a tick late at most`, () => {
    const wheel = new Timeouts(0);
    const entry = new Entry(dueAt);
    wheel.schedule(entry);
    assert.equal(wheel.size, 1);
    run(wheel, 0, dueAt + 10 * TICK_MS);
    assert.equal(entry.fired.length, 1);
    const [at = 0] = entry.fired;
    // The first tick that can fire is the one after the present.
    assert.ok(at >= dueAt && at <= Math.max(dueAt, 1) + TICK_MS, `fired at ${at}`);
    assert.equal(wheel.size, 0);
    assert.equal(entry.filing, null);
  });
}

test("What became due since the last tick has time until the next one to be put off", () => {
  const wheel = new Timeouts(0);
  const [postponed, silent] = [new Entry(100), new Entry(100)];
  for (const entry of [postponed, silent]) wheel.schedule(entry);
  wheel.advance(500, 80);
  assert.deepEqual([postponed.fired, silent.fired], [[], []]);
  postponed.dueAt = 900;
  wheel.advance(520, 500);
  assert.deepEqual([postponed.fired, silent.fired], [[], [520]]);
  run(wheel, 540, 1000);
  assert.deepEqual(postponed.fired, [900]);
});

test("An entry that is never due is not filed", () => {
  const wheel = new Timeouts(0);
  const entry = new Entry(Infinity);
  wheel.schedule(entry);
  assert.equal(wheel.size, 0);
  assert.equal(entry.filedAt, -1);
});

test("A due time that was moved later by assignment is met at the later time", () => {
  const wheel = new Timeouts(0);
  const entry = new Entry(100);
  wheel.schedule(entry);
  run(wheel, 0, 80);
  entry.dueAt = 500;
  run(wheel, 100, 480);
  assert.deepEqual(entry.fired, []);
  run(wheel, 500, 600);
  assert.equal(entry.fired.length, 1);
});

test("A due time that was moved to never by assignment is forgotten", () => {
  const wheel = new Timeouts(0);
  const entry = new Entry(100);
  wheel.schedule(entry);
  entry.dueAt = Infinity;
  run(wheel, 0, 1000);
  assert.deepEqual(entry.fired, []);
  assert.equal(wheel.size, 0);
  entry.dueAt = 1100;
  wheel.schedule(entry);
  run(wheel, 1000, 1200);
  assert.equal(entry.fired.length, 1);
});

test("A due time that was moved earlier is met at the earlier time, once", () => {
  const wheel = new Timeouts(0);
  const entry = new Entry(1000);
  wheel.schedule(entry);
  entry.dueAt = 100;
  wheel.schedule(entry);
  run(wheel, 0, 2000);
  assert.equal(entry.fired.length, 1);
  assert.ok((entry.fired[0] ?? 0) <= 120);
});

test("An entry may schedule itself again when it is due", () => {
  const wheel = new Timeouts(0);
  const entry = new Entry(100, (self, now) => {
    if (self.fired.length === 5) return;
    self.dueAt = now + 100;
    wheel.schedule(self);
  });
  wheel.schedule(entry);
  run(wheel, 0, 2000);
  assert.deepEqual(entry.fired, [100, 200, 300, 400, 500]);
});

test("A cancelled entry does not fire and is referred to no more", () => {
  const wheel = new Timeouts(0);
  const entry = new Entry(100);
  wheel.schedule(entry);
  const { filing } = entry;
  wheel.cancel(entry);
  assert.equal(filing?.entry, null);
  assert.deepEqual([entry.dueAt, entry.filedAt, entry.filing], [Infinity, -1, null]);
  wheel.cancel(entry);
  run(wheel, 0, 1000);
  assert.deepEqual(entry.fired, []);
  assert.equal(wheel.size, 0);
});

test("An entry that another one cancels in the same tick does not fire", () => {
  const wheel = new Timeouts(0);
  const victim = new Entry(100);
  const killer = new Entry(100, () => wheel.cancel(victim));
  wheel.schedule(killer);
  wheel.schedule(victim);
  run(wheel, 0, 1000);
  assert.equal(killer.fired.length, 1);
  assert.deepEqual(victim.fired, []);
});

test("A clock that jumps fires everything that it jumped over", () => {
  const wheel = new Timeouts(0);
  const entries = [30, 100, 101, 5000, 90_000, 200_000].map((dueAt) => new Entry(dueAt));
  for (const entry of entries) wheel.schedule(entry);
  wheel.advance(100_000);
  assert.deepEqual(entries.map((entry) => entry.fired.length), [1, 1, 1, 1, 1, 0]);
  wheel.advance(300_000);
  assert.deepEqual(entries.map((entry) => entry.fired.length), [1, 1, 1, 1, 1, 1]);
  assert.equal(wheel.size, 0);
});

test("Among thousands of moves and cancellations every entry fires when it is due and nothing stays behind", () => {
  const random = new SeededRandom();
  const wheel = new Timeouts(0);
  const entries = Array.from({ length: 300 }, () => new Entry(Infinity));
  let now = 0;
  for (let round = 0; round < 4000; round++) {
    const entry = random.pick(entries);
    const fate = random.below(10);
    if (fate === 0) wheel.cancel(entry);
    else {
      const dueAt = now + random.below(fate < 3 ? 200_000 : 3_000);
      const isEarlier = dueAt < entry.dueAt || entry.filedAt === -1;
      entry.dueAt = dueAt;
      if (isEarlier) wheel.schedule(entry);
    }
    now += random.below(40);
    const firedBefore = entries.map(({ fired }) => fired.length);
    const dueBefore = entries.map((each) => each.dueAt);
    wheel.advance(now);
    for (const [index, each] of entries.entries()) {
      const due = dueBefore[index] ?? Infinity;
      if (each.fired.length > (firedBefore[index] ?? 0)) {
        assert.ok(due <= now, `early: due ${due}, now ${now}`);
        each.dueAt = Infinity;
      } else assert.ok(due > now - 2 * TICK_MS, `late: due ${due}, now ${now}`);
    }
  }
  for (const entry of entries) wheel.cancel(entry);
  wheel.advance(now + 400_000);
  assert.equal(wheel.size, 0);
});
