/**
 * Server-sent events: the page at /, an endless stream at /events, an event every 100 ms.
 *
 *     node examples/sse.ts
 *     curl -N http://127.0.0.1:8080/events
 */
import { fileURLToPath } from "node:url";
import { fileResponse, Router, serve } from "../mod.ts";
import { options } from "./support/options.ts";

const page = fileURLToPath(new URL("pages/sse.html", import.meta.url));

const router = new Router();
router.get("/", (request) => fileResponse(request, page));
router.get("/events", (request) => {
  const stream = request.eventStream();
  if (stream === null) return;
  // A client that comes back goes on counting where it was.
  let count = Number(stream.lastEventId) || 0;
  const tick = () => {
    count++;
    const time = new Date().toISOString();
    const data = count % 10 === 0 ? `event ${count}\n${time}\nand a third line` : `event ${count} at ${time}`;
    stream.send({ id: String(count), event: "tick", data, ...(isFirst ? { retry: 2000 } : {}) });
    isFirst = false;
  };
  let isFirst = true;
  tick();
  const timer = setInterval(tick, 100);
  stream.onclose = () => clearInterval(timer);
});

export default router;
await serve(import.meta.url, options);
