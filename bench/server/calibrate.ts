/**
 * Prints how many loops of `burnLoops` a microsecond is, on this machine and runtime: the best of many short batches,
 * so that other work on the machine does not count.
 */
import { burnLoops } from "./shared.ts";

const LOOPS = 200_000;
const BATCHES = 400;

let best = Infinity;
for (let batch = 0; batch < BATCHES; batch++) {
  const start = performance.now();
  burnLoops(LOOPS);
  best = Math.min(best, performance.now() - start);
}
console.log((LOOPS / (best * 1000)).toFixed(2));
