/**
 * What every server of the benchmark answers, and the work behind it: the one description that `app.ts` and all
 * peers share.
 *
 *     GET /             "Hello, World!"
 *     GET /light        "light"
 *     GET /spin?us=N    burns N µs of CPU, then "spun"
 *     GET /block?ms=N   stops its thread for N ms without CPU, then the alphabet
 *     GET /wait?ms=N    the same by a timer, on servers that have one thread
 *     GET /number?n=N   "N": shows whether pipelined answers keep their order
 *     GET /publish      sends BROADCAST to all WebSockets of /idle, then "published"
 *     WebSocket /echo   sends every message back
 *     WebSocket /idle   says nothing, until /publish
 */
import process from "node:process";

export const HOST = "127.0.0.1";
export const PORT = Number(process.env["PORT"] ?? 0);
export const WORKERS = Number(process.env["WORKERS"] ?? 2);

export const HELLO = "Hello, World!";
export const LIGHT = "light";
export const SPUN = "spun";
export const ALPHABET = "abcdefghijklmnopqrstuvwxyz";
export const PUBLISHED = "published";
/** 64 octets. */
export const BROADCAST = "To all who listen: one text of sixty-four octets, for each of us";
export const TEXT_TYPE = "text/plain;charset=UTF-8";

/** Measured by `calibrate.ts` on this machine and runtime, once for all servers of a run. */
const LOOPS_PER_US = Number(process.env["SPIN_LOOPS_PER_US"] ?? 500);

/** Keeps compilers from seeing that nobody needs the result. */
let last = 1;

/**
 * Some 20 µs. V8 15 (Deno 2.9) leaves a function that is called seldom and loops long in the code of its middle
 * compiler, at 0.72 of the speed; many short calls reach the last one on every runtime.
 */
const LOOPS_IN_A_CALL = 10_000;

/** A fixed amount of arithmetic: unlike a loop that looks at the clock it takes longer when it has to share a core. */
export function burnLoops(loops: number): void {
  for (let left = loops; left > 0; left -= LOOPS_IN_A_CALL) burnSome(Math.min(left, LOOPS_IN_A_CALL));
}

function burnSome(loops: number): void {
  let x = last | 1;
  for (let i = 0; i < loops; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
  }
  last = x;
}

/** Burns so many microseconds of a core that has nothing else to do. */
export function spin(us: number): void {
  burnLoops(Math.round(us * LOOPS_PER_US));
}

const nobody = new Int32Array(new SharedArrayBuffer(4));

/** Stops this thread, like a database driver or a slow disk. */
export function block(ms: number): void {
  Atomics.wait(nobody, 0, 0, ms);
}

/** Path and query of an absolute URL, without the cost of parsing it. */
export function targetOf(url: string): string {
  return url.slice(url.indexOf("/", 8));
}

/** The number in a query of one parameter. */
export function numberIn(target: string): number {
  return Number(target.slice(target.indexOf("=") + 1));
}

/** The path of a target. */
export function pathOf(target: string): string {
  const mark = target.indexOf("?");
  return mark < 0 ? target : target.slice(0, mark);
}

/** Does the work of a target and returns the text that answers it; undefined: there is no such path. */
export function answer(target: string): string | undefined {
  switch (pathOf(target)) {
    case "/":
      return HELLO;
    case "/light":
      return LIGHT;
    case "/spin":
      spin(numberIn(target));
      return SPUN;
    case "/block":
      block(numberIn(target));
      return ALPHABET;
    case "/number":
      return String(numberIn(target));
    default:
      return undefined;
  }
}

/** Says that the server listens; the harness waits for this line. */
export function announce(port: number): void {
  console.log(`Listening on http://${HOST}:${port}`);
}

/** Ends this process when the harness is gone, whatever killed it: its end of stdin closes. */
export function endWithHarness(): void {
  process.stdin.on("end", () => process.exit(0));
  process.stdin.resume();
}
