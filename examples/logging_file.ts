/**
 * Logs every request to a file, from whatever thread it runs on, and reopens the file on SIGHUP for rotation.
 *
 *     LOG_FILE=server.log node examples/logging_file.ts
 *     curl http://127.0.0.1:8080/broken; cat server.log
 */
import process from "node:process";
import { fileLogger, isMainThread, log, Router, serve, type ServeOptions } from "../mod.ts";
import { options } from "./support/options.ts";

const router = new Router();
router.use(async (request, next) => {
  const start = performance.now();
  try {
    return await next();
  } finally {
    const ms = Math.round(performance.now() - start);
    log.info("Request", { method: request.method, path: request.path, client: request.remoteAddress, ms });
  }
});
router.get("/", () => "This was logged.");
router.get("/broken", () => {
  throw new Error("broken on purpose");
});

/** The logger belongs to the thread that serves; workers send their records to it. */
function withLogger(): ServeOptions {
  if (!isMainThread) return options;
  const logger = fileLogger(process.env["LOG_FILE"] ?? "server.log");
  process.on("SIGHUP", () => logger.reopen());
  return { ...options, logger };
}

export default router;
await serve(import.meta.url, withLogger());
