/**
 * Keeps Bun from serving the app a second time.
 * Runs on: any; runtime API: adapters only
 *
 * When the module that Bun was started with has evaluated, Bun 1.4 looks at its default export and, if that has a
 * `fetch` function and no `stop`, calls `Bun.serve` with it: a second server, on the same port. The shape is the one
 * that apps of this library have, so that one call is answered with nothing. Other calls of `Bun.serve` go through.
 */

interface BunGlobal {
  serve(options: unknown): unknown;
}

let isDone = false;

/** Call it synchronously from `serve`; does nothing on other runtimes. */
export function keepBunFromServing(): void {
  const bun = (globalThis as { Bun?: BunGlobal }).Bun;
  if (bun === undefined || isDone) return;
  isDone = true;
  const real = bun.serve;
  bun.serve = (options: unknown): unknown => {
    // Bun's own module makes the call; user code and `node:http` are elsewhere on the stack.
    const callers = new Error().stack?.split("\n").slice(2, 4) ?? [];
    if (!callers.some((line) => line.includes("bun:main"))) return real.call(bun, options);
    bun.serve = real;
    // What it says next, "Started … server", is not true.
    const debug = console.debug;
    console.debug = () => {
      console.debug = debug;
    };
    return { reload: () => undefined };
  };
}
