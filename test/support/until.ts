/**
 * Waits for a condition that no event announces: figures of a server, files of a gate, /proc.
 * Runs on: any; runtime API: none
 *
 * The condition orders the test, not the time between two looks at it. A condition that never holds fails the test
 * with its name.
 */

/** A test that waits longer has failed, ms. */
export const PATIENCE_MS = 20_000;

/** Time between two looks, ms. */
const LOOK_MS = 4;

/** Resolves once `holds`; rejects with `what` when the patience ends. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  patienceMs: number = PATIENCE_MS,
): Promise<void> {
  const end = performance.now() + patienceMs;
  while (!await holds()) {
    if (performance.now() > end) throw new Error(`in ${patienceMs} ms it did not happen that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
