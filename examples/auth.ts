/**
 * Handlers with one more parameter: a wrapper looks up who asks and hands that on. Middleware guards whole paths.
 *
 *     node examples/auth.ts
 *     curl -H 'Authorization: Bearer ankh' http://127.0.0.1:8080/me
 */
import { type Handler, type HandlerResult, Router, serve, type ServerRequest } from "../mod.ts";
import { options } from "./support/options.ts";

interface User {
  readonly name: string;
  readonly isAdmin: boolean;
}

const USERS = new Map<string, User>([
  ["ankh", { name: "Hatshepsut", isAdmin: true }],
  ["djed", { name: "Senenmut", isAdmin: false }],
]);

const userOf = (request: ServerRequest): User | undefined =>
  USERS.get(/^Bearer (\S+)$/.exec(request.header("authorization") ?? "")?.[1] ?? "");

/** Turns a handler that wants a user into one for the router. */
function withUser(handler: (request: ServerRequest, user: User) => HandlerResult): Handler {
  return (request) => {
    const user = userOf(request);
    if (user !== undefined) return handler(request, user);
    return new Response("Who are you?\n", { status: 401, headers: { "www-authenticate": "Bearer" } });
  };
}

const router = new Router();
router.get("/me", withUser((_request, user) => `You are ${user.name}.\n`));
router.use("/admin/**", (request, next) => {
  return userOf(request)?.isAdmin ? next() : new Response("Admins only.\n", { status: 403 });
});
router.get("/admin/users", () => Response.json([...USERS.values()]));

export default router;
await serve(import.meta.url, options);
