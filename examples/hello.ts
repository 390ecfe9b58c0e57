/**
 * The smallest server.
 *
 *     deno run -A examples/hello.ts
 *     bun examples/hello.ts
 *     node examples/hello.ts
 */
import { Router, serve } from "../mod.ts";
import { options } from "./support/options.ts";

const router = new Router();
router.get("/", () => new Response("Hello, World!"));

export default router;
await serve(import.meta.url, options);
