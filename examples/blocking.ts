/**
 * Handlers that block, burn, hang and crash, and one that does not: watch how little it minds.
 *
 *     DEADLINE_MS=2000 node examples/blocking.ts
 */
import process from "node:process";
import { Router, serve } from "../mod.ts";
import { options } from "./support/options.ts";

const never = new Int32Array(new SharedArrayBuffer(4));
const sleep = (ms: number) => Atomics.wait(never, 0, 0, ms);
const ms = (query: URLSearchParams) => Math.min(Number(query.get("ms")) || 0, 60_000);

const router = new Router();
router.get("/", () => {
  sleep(10);
  return "abcdefghijklmnopqrstuvwxyz";
});
router.get("/light", () => "light");
router.get("/sleep", (request) => {
  sleep(ms(request.query));
  return "slept";
});
router.get("/spin", (request) => {
  for (const end = performance.now() + ms(request.query); performance.now() < end;);
  return "spun";
});
router.get("/async", async (request) => {
  await new Promise((resolve) => setTimeout(resolve, ms(request.query)));
  return "awaited";
});
router.get("/loop", () => {
  for (;;);
});
router.get("/crash", () => {
  // Outside the handler: nothing catches it, the thread dies.
  setTimeout(() => {
    throw new Error("crashed on purpose");
  });
  return new Promise<string>(() => {});
});

export default router;
await serve(import.meta.url, { ...options, deadlineMs: Number(process.env["DEADLINE_MS"] ?? 30_000) });
