/**
 * Who runs the handlers: a fixed pool, or one that grows while requests wait and shrinks when it is idle.
 *
 *     WORKERS=4 node examples/execution.ts
 *     ELASTIC=1 node examples/execution.ts
 *     for i in 1 2 3 4 5 6 7 8; do curl -s http://127.0.0.1:8080/ & done
 */
import process from "node:process";
import { threadId } from "node:worker_threads";
import { Router, serve, type ServeOptions } from "../mod.ts";
import { options } from "./support/options.ts";

const router = new Router();
router.get("/", () => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  return `Blocked thread ${threadId} for 200 ms.\n`;
});

const fixed: ServeOptions = options;
const elastic: ServeOptions = { ...options, workers: { min: 1, max: 8, idleTimeoutMs: 2000 } };

export default router;
await serve(import.meta.url, process.env["ELASTIC"] === "1" ? elastic : fixed);
