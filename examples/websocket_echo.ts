/**
 * Sends every WebSocket message back, at any path: up to 64 MiB, compressed if the client offers it.
 *
 *     bun examples/websocket_echo.ts
 */
import { Router, serve } from "../mod.ts";
import { options } from "./support/options.ts";

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

const router = new Router();
for (const path of ["/", "/**"] as const) {
  router.websocket(path, {
    message: (socket, message) => void socket.send(message),
  }, { maxMessageBytes: MAX_MESSAGE_BYTES, maxBufferedBytes: 2 * MAX_MESSAGE_BYTES });
}

export default router;
await serve(import.meta.url, options);
