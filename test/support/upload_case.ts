/**
 * Runs a table of upload cases: each a flat test on an app of its own, named by its clause.
 * Runs on: any; runtime API: none
 */
import { test } from "node:test";
import type { TusOptions } from "../../src/upload/tus_options.ts";
import { UploadBench } from "./upload_bench.ts";

/** One case: the clause, what happens, and the run of it. */
export type UploadCase = readonly [
  clause: string,
  name: string,
  run: (bench: UploadBench) => Promise<void>,
  options?: Partial<TusOptions>,
];

/** Registers the cases as tests. */
export function testUploadCases(cases: readonly UploadCase[]): void {
  for (const [clause, name, run, options] of cases) {
    test(`${clause}: ${name}`, async () => {
      const bench = new UploadBench(options);
      try {
        await run(bench);
      } finally {
        bench.close();
      }
    });
  }
}
