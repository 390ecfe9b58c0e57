/**
 * Redirects: to a new place for good, to a page after a form, and by `Response.redirect`.
 *
 *     node examples/redirect.ts
 *     curl -iL http://127.0.0.1:8080/old
 */
import { Router, serve } from "../mod.ts";
import { options } from "./support/options.ts";

const router = new Router();
router.get("/new", () => "Here it is.");
router.get("/old", () => new Response(null, { status: 308, headers: { location: "/new" } }));
router.post("/form", () => new Response(null, { status: 303, headers: { location: "/thanks" } }));
router.get("/thanks", () => "Thank you.");
router.get("/absolute", (request) => Response.redirect(new URL("/new", request.url), 302));

export default router;
await serve(import.meta.url, options);
