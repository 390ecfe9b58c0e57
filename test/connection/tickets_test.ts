/**
 * Tests of the ticket table: one number for one piece of work, and no late word to a stranger.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Ticketed, TicketTable, type WorkerLink } from "../../src/connection/tickets.ts";
import { SeededRandom } from "../support/seeded_random.ts";

class Work extends Ticketed {
  override get isGuarded(): boolean {
    return true;
  }
  override takenBy(worker: WorkerLink, now: number): void {
    this.worker = worker;
    this.movedAt = now;
  }
  override lost(): void {}
  override overdue(): void {}
  override shed(): void {}
}

test("A ticket finds its work until it is retired, and nothing afterwards", () => {
  const table = new TicketTable(4);
  const work = new Work();
  table.issue(work);
  assert.notEqual(work.ticket, 0);
  assert.equal(table.find(work.ticket), work);
  assert.deepEqual([table.used, table.free], [1, 3]);
  const { ticket } = work;
  table.retire(work);
  assert.equal(work.ticket, 0);
  assert.equal(table.find(ticket), null);
  assert.deepEqual([table.used, table.free], [0, 4]);
});

test("Nothing has the ticket 0", () => {
  const table = new TicketTable(2);
  assert.equal(table.find(0), null);
  table.issue(new Work());
  table.issue(new Work());
  assert.equal(table.find(0), null);
});

test("Retiring twice, or what has no ticket, changes nothing", () => {
  const table = new TicketTable(2);
  const [first, second] = [new Work(), new Work()];
  table.issue(first);
  table.retire(first);
  table.retire(first);
  table.retire(second);
  assert.deepEqual([table.used, table.free], [0, 2]);
  table.issue(second);
  table.retire(first);
  assert.equal(table.find(second.ticket), second);
});

test("A number rests as long as possible before its index is given out again", () => {
  const table = new TicketTable(8);
  const indices: number[] = [];
  for (let i = 0; i < 16; i++) {
    const work = new Work();
    table.issue(work);
    indices.push(work.ticket & 0xffff);
    table.retire(work);
  }
  assert.deepEqual(indices, [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]);
});

test("An old ticket does not find the new work of its index, through all generations", () => {
  const table = new TicketTable(1);
  const seen = new Set<number>();
  let last = 0;
  for (let generation = 1; generation <= 0xffff; generation++) {
    const work = new Work();
    table.issue(work);
    seen.add(work.ticket);
    // Tickets are read back from shared memory as 32-bit integers.
    assert.equal(work.ticket, new Int32Array([work.ticket])[0]);
    assert.equal(table.find(last), null);
    last = work.ticket;
    table.retire(work);
  }
  assert.equal(seen.size, 0xffff);
  assert.ok(!seen.has(0));
});

test("A full table of 65,536 gives every one a ticket of its own", () => {
  const table = new TicketTable(65_536);
  const works = Array.from({ length: 65_536 }, () => new Work());
  for (const work of works) table.issue(work);
  assert.equal(table.free, 0);
  assert.equal(new Set(works.map((work) => work.ticket)).size, 65_536);
  for (const work of works) assert.equal(table.find(work.ticket), work);
  for (const work of works) table.retire(work);
  assert.equal(table.free, 65_536);
});

test("forEach sees everything in use, also while it is being retired", () => {
  const table = new TicketTable(64);
  const works = Array.from({ length: 40 }, () => new Work());
  for (const work of works) table.issue(work);
  for (const work of works.slice(0, 10)) table.retire(work);
  const seen: Ticketed[] = [];
  table.forEach((work) => {
    seen.push(work);
    table.retire(work);
  });
  assert.deepEqual(new Set(seen), new Set(works.slice(10)));
  assert.equal(table.used, 0);
});

test("Any order of giving out and retiring keeps the count and the finding right", () => {
  const random = new SeededRandom();
  const table = new TicketTable(32);
  const held: Work[] = [];
  const gone: number[] = [];
  for (let round = 0; round < 20_000; round++) {
    if (held.length < 32 && random.below(2) === 0) {
      const work = new Work();
      table.issue(work);
      held.push(work);
    } else if (held.length > 0) {
      const [work] = held.splice(random.below(held.length), 1) as [Work];
      gone.push(work.ticket);
      table.retire(work);
    }
    assert.equal(table.used, held.length);
    if (gone.length > 50) gone.shift();
  }
  for (const work of held) assert.equal(table.find(work.ticket), work);
  for (const ticket of gone) assert.equal(table.find(ticket), null);
});
