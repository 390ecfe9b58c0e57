/**
 * Sends back what it gets: any method, any path, bodies up to 16 MiB. An app may be a mere function.
 *
 *     node examples/echo.ts
 *     curl -d 'hello' http://127.0.0.1:8080/anything
 */
import { serve, type ServerRequest } from "../mod.ts";
import { options } from "./support/options.ts";

export default async function echo(request: ServerRequest): Promise<Response> {
  const type = request.header("content-type") ?? "application/octet-stream";
  return new Response(await request.bytes(), { headers: { "content-type": type } });
}

await serve(import.meta.url, { ...options, maxBodyBytes: 16 * 1024 * 1024, compress: false });
