/**
 * The answers that a router gives by itself: error pages and OPTIONS.
 * Runs on: worker; runtime API: none
 *
 * RFC 9110 sections 10.2.1 (Allow), 9.3.7 (OPTIONS), 15.5.6 (405 must carry Allow).
 */

/** The value of `Allow`: the methods of the routes, and those that the router answers by itself. */
export function allowValue(methods: readonly string[]): string {
  const allowed = new Set(methods.flatMap((method) => method === "GET" ? ["GET", "HEAD"] : [method]));
  allowed.delete("OPTIONS");
  return [...allowed, "OPTIONS"].join(", ");
}

/** 204 (No Content) with `Allow`. */
export function optionsAnswer(methods: readonly string[]): Response {
  return new Response(null, { status: 204, headers: { allow: allowValue(methods) } });
}

/** A short page that says no more than the status. */
export function errorPage(status: number, text: string): Response {
  return new Response(`<h1>${text}</h1>`, {
    status,
    headers: { "content-type": "text/html; charset=utf-8" },
  });
}

/** The page for 405. */
export function methodNotAllowedPage(allow: string): Response {
  const page = errorPage(405, "Method Not Allowed");
  page.headers.set("allow", allow);
  return page;
}
