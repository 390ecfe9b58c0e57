/**
 * Pages of your own for what no route answers, and for errors.
 *
 *     node examples/custom_404.ts
 *     curl -i http://127.0.0.1:8080/nowhere
 */
import { log, Router, serve } from "../mod.ts";
import { options } from "./support/options.ts";

const html = { "content-type": "text/html; charset=utf-8" };
const page = (text: string) => `<!doctype html><title>${text}</title><h1>${text}</h1>`;

const router = new Router();
router.get("/", () => "Try /nowhere, or POST to this.");
router.get("/broken", () => {
  throw new Error("broken on purpose");
});
router.notFound(() => new Response(page("There is no such page."), { status: 404, headers: html }));
router.methodNotAllowed((_request, allow) => {
  return new Response(page(`This takes only ${allow}.`), { status: 405, headers: { ...html, allow } });
});
router.onError((error, request) => {
  log.error("The handler failed", { path: request.path }, error);
  return new Response(page("That went wrong."), { status: 500, headers: html });
});

export default router;
await serve(import.meta.url, options);
