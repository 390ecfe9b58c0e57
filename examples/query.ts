/**
 * The query is a standard `URLSearchParams`.
 *
 *     node examples/query.ts
 *     curl 'http://127.0.0.1:8080/search?q=scarab&tag=gold&tag=blue&page=2'
 */
import { Router, serve } from "../mod.ts";
import { options } from "./support/options.ts";

const router = new Router();
router.get("/search", ({ query }) => {
  const q = query.get("q");
  if (q === null) return new Response("Say what to look for: /search?q=…", { status: 400 });
  return Response.json({ q, tags: query.getAll("tag"), page: Number(query.get("page") ?? 1) });
});

export default router;
await serve(import.meta.url, options);
