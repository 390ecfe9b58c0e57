/**
 * Tests of the model checker itself: that it misses no interleaving of programs whose outcomes are known, and that the
 * code it runs is the production code with nothing changed but who is asked to wait when.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { applyPatch, memberOf, steppedNames, toCoroutines } from "./model/coroutines.ts";
import { outcomesOf, type Registers } from "./model/litmus.ts";
import { Model, SteppingAtomics, SteppingBuffer, type Steps } from "./model/machine.ts";
import { WHOLE_FILES } from "./model/sources.ts";

const { load, store, add, notify, wait } = SteppingAtomics;

function words(count: number): Int32Array {
  return new Int32Array(new SteppingBuffer(count * 4) as unknown as SharedArrayBuffer);
}

test("Two threads that write one word and read the other cannot both miss it", () => {
  const outcomes = outcomesOf((seen: Registers) => {
    const memory = words(2);
    const side = function* (mine: number, name: string): Steps<void> {
      yield store(memory, mine, 1);
      seen[name] = (yield load(memory, 1 - mine)) as number;
    };
    return [side(0, "a"), side(1, "b")];
  });
  assert.deepEqual(outcomes, ["a=0 b=1", "a=1 b=0", "a=1 b=1"]);
});

test("An addition in two operations loses updates, one in one does not", () => {
  const ends = (body: (memory: Int32Array) => Steps<void>): string[] =>
    outcomesOf((seen) => {
      const memory = words(1);
      const side = function* (): Steps<void> {
        yield* body(memory);
        seen["sum"] = (yield load(memory, 0)) as number;
      };
      return [side(), side(), side()];
    });
  assert.deepEqual(
    ends(function* (memory) {
      const before = (yield load(memory, 0)) as number;
      yield store(memory, 0, before + 1);
    }),
    ["sum=1", "sum=2", "sum=3"],
  );
  assert.deepEqual(
    ends(function* (memory) {
      yield add(memory, 0, 1);
    }),
    ["sum=3"],
  );
});

test("A sleeper that does not look again may sleep for ever, one whose word was changed does not", () => {
  const ends = (isCareful: boolean): string[] =>
    outcomesOf((seen) => {
      const memory = words(2);
      const sleeper = function* (): Steps<void> {
        if ((yield load(memory, 0)) === 1) {
          seen["end"] = "worked";
          return;
        }
        yield store(memory, 1, 1);
        if (isCareful && (yield load(memory, 0)) === 1) {
          seen["end"] = "worked";
          return;
        }
        yield wait(memory, 1, 1);
        seen["end"] = "woken";
      };
      const publisher = function* (): Steps<void> {
        yield store(memory, 0, 1);
        if ((yield load(memory, 1)) === 0) return;
        yield store(memory, 1, 0);
        yield notify(memory, 1);
      };
      return [sleeper(), publisher()];
    });
  assert.deepEqual(ends(true), ["end=woken", "end=worked"]);
  assert.deepEqual(ends(false), ["end=woken", "end=worked", "p0=sleeps"]);
});

test("A plain write behind the publication is seen missing", () => {
  const ends = (isEarly: boolean): string[] =>
    outcomesOf((seen) => {
      const memory = words(1);
      let message = 0;
      const publisher = function* (): Steps<void> {
        if (isEarly) yield store(memory, 0, 1);
        yield Model.plain();
        message = 7;
        if (!isEarly) yield store(memory, 0, 1);
      };
      const reader = function* (): Steps<void> {
        if ((yield load(memory, 0)) === 0) {
          seen["message"] = "none";
          return;
        }
        yield Model.plain();
        seen["message"] = message;
      };
      return [publisher(), reader()];
    });
  assert.deepEqual(ends(false), ["message=7", "message=none"]);
  assert.deepEqual(ends(true), ["message=0", "message=7", "message=none"]);
});

test("With more pre-emptions there are more outcomes, up to all of them", () => {
  const program = (seen: Registers): Steps[] => {
    const memory = words(1);
    const side = function* (name: string): Steps<void> {
      let text = "";
      for (let i = 0; i < 3; i++) text += (yield add(memory, 0, 1)) as number;
      seen[name] = text;
    };
    return [side("a"), side("b")];
  };
  // Of n ways to order 3 + 3 operations: C(6, 3) = 20; without interruptions 2.
  const counts = [0, 1, 2, 3, 4, 5].map((preemptions) => outcomesOf(program, preemptions).length);
  assert.equal(counts[0], 2);
  assert.equal(counts.at(-1), 20);
  counts.forEach((count, index) => assert.ok(count >= (counts[index - 1] ?? 0)));
});

test("Coroutines differ from the production code in nothing but control", () => {
  const sources = WHOLE_FILES.map((file) => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8"));
  const names = steppedNames(sources);
  const bare = (source: string): string =>
    source
      .replace(/^\s*yield Model\.plain\(\);$/gm, "")
      .replace(/\byield\b|Model\.(?:run|awaited)|\b(?:async|await|get)\b|[*()\s]/g, "");
  for (const [index, source] of sources.entries()) {
    const coroutines = toCoroutines(source, names);
    assert.equal(bare(coroutines), bare(source), WHOLE_FILES[index]);
    const body = coroutines.slice(coroutines.indexOf("\nexport class"));
    const atomics = [...body.matchAll(/(.{0,7})Atomics\.\w+\(/g)];
    assert.ok(atomics.length > 0, `${WHOLE_FILES[index]} has atomics`);
    for (const [use, before] of atomics) {
      assert.ok(before?.endsWith("(yield "), `${WHOLE_FILES[index]}: ${use} is a step`);
    }
  }
});

test("A member is found whether it is a method, a getter, or an arrow function in a field", () => {
  const source = `class A {
  get size(): number {
    return 1;
  }

  async #go(a: number): Promise<void> {
    await a;
  }

  readonly #on = (a: number): void => {
    this.#go(a);
  };

  readonly #is = (a: number): boolean => a > 1;
}`;
  assert.match(memberOf("a.ts", source, "size"), /^ {2}get size[\s\S]*1;\n {2}}$/);
  assert.match(memberOf("a.ts", source, "#go"), /^ {2}async #go[\s\S]*await a;\n {2}}$/);
  assert.equal(memberOf("a.ts", source, "#on"), "  #on(a: number): void {\n    this.#go(a);\n  }");
  assert.equal(memberOf("a.ts", source, "#is"), "  #is(a: number): boolean {\n    return a > 1;\n  }");
  assert.throws(() => memberOf("a.ts", source, "#gone"), /a\.ts has no member #gone/);
});

test("A patch that does not fit exactly once is an error", () => {
  assert.equal(applyPatch("a b c", { file: "x", from: "b", to: "d" }), "a d c");
  assert.throws(() => applyPatch("a c", { file: "x", from: "b", to: "d" }), /x has changed/);
  assert.throws(() => applyPatch("b b", { file: "x", from: "b", to: "d" }), /2 times/);
});
