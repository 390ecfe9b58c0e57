/**
 * Names and wildcards in routes. `request.params` has the type that the pattern says.
 *
 *     node examples/params.ts
 *     curl http://127.0.0.1:8080/users/7/posts/a%20b
 */
import { Router, serve } from "../mod.ts";
import { options } from "./support/options.ts";

const router = new Router();
router.get("/users/:id", ({ params }) => `User ${params.id}`);
router.get("/users/:id/posts/:post", ({ params }) => `Post ${params.post} of user ${params.id}`);
// Mummy's way to write a name means the same.
router.get("/teams/@team", ({ params }) => `Team ${params.team}`);
router.get("/pages/*.html", (request) => `The page ${request.path}`);
router.get("/files/**", (request) => `Something below /files: ${request.path}`);

export default router;
await serve(import.meta.url, options);
