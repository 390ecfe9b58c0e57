/**
 * The benchmark's app on Cartouche, as a user would write it. Runs on all three runtimes.
 *
 *     PORT=8080 WORKERS=2 node bench/server/app.ts
 */
import process from "node:process";
import { fileResponse, FileStore, isMainThread, Router, serve, tus } from "../../mod.ts";
import {
  ALPHABET,
  announce,
  block,
  BROADCAST,
  endWithHarness,
  HELLO,
  HOST,
  LIGHT,
  PORT,
  PUBLISHED,
  spin,
  SPUN,
  WORKERS,
} from "./shared.ts";
import { LARGE_FILE, UPLOADS } from "./transfer.ts";

/** As on the peers: no compression, and nothing is sent to a socket that idles. */
const SOCKETS = { compress: false, pingIntervalMs: 0 };

const router = new Router();
router.get("/", () => new Response(HELLO));
router.get("/light", () => new Response(LIGHT));
router.get("/spin", (request) => {
  spin(Number(request.query.get("us")));
  return new Response(SPUN);
});
router.get("/block", (request) => {
  block(Number(request.query.get("ms")));
  return new Response(ALPHABET);
});
router.get("/number", (request) => new Response(request.query.get("n")));
router.get("/publish", () => {
  server.publish("all", BROADCAST);
  return new Response(PUBLISHED);
});
router.websocket("/echo", { message: (socket, message) => void socket.send(message) }, SOCKETS);
router.websocket("/idle", { open: (socket) => socket.subscribe("all") }, SOCKETS);

router.mount("/files", tus({ store: new FileStore(UPLOADS), sweepIntervalMs: 0 }));
router.get("/download", (request) => fileResponse(request, LARGE_FILE));

export default router;
const server = await serve(import.meta.url, {
  hostname: HOST,
  port: PORT,
  workers: WORKERS,
  synchronous: process.env["SYNCHRONOUS"] === "1",
  onListen: () => undefined,
});
if (isMainThread) {
  endWithHarness();
  // The server listens when its first threads are ready; what is measured is all of them.
  while ((server.stats()?.workers ?? 0) < WORKERS) await new Promise((resolve) => setTimeout(resolve, 10));
  if (server.addr?.transport === "tcp") announce(server.addr.port);
}
