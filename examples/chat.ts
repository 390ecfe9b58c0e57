/**
 * A chat: the page at /, a WebSocket at /chat; what one says, all hear.
 *
 *     deno run -A examples/chat.ts
 */
import { fileURLToPath } from "node:url";
import { fileResponse, Router, serve } from "../mod.ts";
import { options } from "./support/options.ts";

const page = fileURLToPath(new URL("pages/chat.html", import.meta.url));

const router = new Router();
router.get("/", (request) => fileResponse(request, page));
router.websocket("/chat", {
  open: (socket) => socket.subscribe("chat"),
  message: (_socket, message) => server.publish("chat", message),
});

export default router;
const server = await serve(import.meta.url, options);
