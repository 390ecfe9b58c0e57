/**
 * An unmodified Hono app (`npm install hono`): anything with a `fetch` runs in the workers.
 *
 *     node examples/hono.ts
 *     curl http://127.0.0.1:8080/users/7
 */
import { Hono } from "hono";
import { serve } from "../mod.ts";
import { options } from "./support/options.ts";

const app = new Hono();
app.get("/", (c) => c.text("Hello from Hono!"));
app.get("/json", (c) => c.json({ message: "Hello from Hono!" }));
app.post("/echo", async (c) => {
  const type = c.req.header("content-type") ?? "application/octet-stream";
  return c.body(await c.req.arrayBuffer(), 200, { "content-type": type });
});
app.get("/users/:id", (c) => c.json({ id: c.req.param("id") }));

export default app;
await serve(import.meta.url, options);
