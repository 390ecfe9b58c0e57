/**
 * Tells a client what it sent: request line, address and fields.
 *
 *     node examples/client_headers.ts
 *     curl -H 'X-Scarab: blue' http://127.0.0.1:8080/
 */
import { Router, serve } from "../mod.ts";
import { options } from "./support/options.ts";

const router = new Router();
router.all("/**", (request) => {
  const { method, target, httpVersion, remoteAddress, remotePort } = request;
  const headers = Object.fromEntries(request.headers);
  return Response.json({ method, target, httpVersion, remoteAddress, remotePort, headers });
});

export default router;
await serve(import.meta.url, options);
