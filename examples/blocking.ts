/**
 * Handlers that block, burn, hang and crash, beside one that does not: watch how little it minds.
 *
 *     DEADLINE_MS=2000 node examples/blocking.ts
 *     curl http://127.0.0.1:8080/loop & curl http://127.0.0.1:8080/light
 */
import process from "node:process";
import { Router, serve, type ServerRequest } from "../mod.ts";
import { options } from "./support/options.ts";

const nobody = new Int32Array(new SharedArrayBuffer(4));
/** Stops this thread, like a database driver or a slow disk. */
const block = (ms: number) => Atomics.wait(nobody, 0, 0, ms);
const ms = (request: ServerRequest) => Number(request.query.get("ms")) || 0;

const router = new Router();
router.get("/", () => {
  block(10);
  return "abcdefghijklmnopqrstuvwxyz";
});
router.get("/sleep", (request) => `slept: ${block(ms(request))}`);
router.get("/spin", (request) => {
  for (const end = performance.now() + ms(request); performance.now() < end;);
  return "spun";
});
router.get("/async", async (request) => {
  await new Promise((resolve) => setTimeout(resolve, ms(request)));
  return "awaited";
});
router.get("/light", () => "light");
router.get("/loop", () => {
  for (;;);
});
router.get("/crash", () => {
  // Outside of the handler nothing catches it: the thread dies, and with it what it was running.
  setTimeout(() => {
    throw new Error("crashed on purpose");
  });
  return new Promise<string>(() => {});
});

export default router;
await serve(import.meta.url, { ...options, deadlineMs: Number(process.env["DEADLINE_MS"] ?? 30_000) });
