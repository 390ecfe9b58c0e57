/**
 * What the short examples about routing answer: params, query, redirect, custom_404, client_headers, auth.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { get } from "../support/raw_client.ts";
import { withExample } from "../support/start_example.ts";

/** Example, request line, further fields, status, what the content looks like. */
const ROWS: readonly [example: string, line: string, fields: string, status: number, content: RegExp][] = [
  ["params", "GET /users/7", "", 200, /^User 7$/],
  ["params", "GET /users/7/posts/a%20b", "", 200, /^Post a b of user 7$/],
  ["params", "GET /teams/gold", "", 200, /^Team gold$/],
  ["params", "GET /pages/index.html", "", 200, /index\.html$/],
  ["params", "GET /pages/index.txt", "", 404, /Not Found/],
  ["params", "GET /files/a/b/c", "", 200, /\/files\/a\/b\/c$/],
  ["query", "GET /search?q=a%20b&tag=x&tag=y&page=2", "", 200, /^{"q":"a b","tags":\["x","y"\],"page":2}$/],
  ["query", "GET /search", "", 400, /q=/],
  ["redirect", "GET /old", "", 308, /^$/],
  ["redirect", "POST /form", "", 303, /^$/],
  ["redirect", "GET /absolute", "", 302, /^$/],
  ["redirect", "GET /new", "", 200, /./],
  ["custom_404", "GET /", "", 200, /./],
  ["custom_404", "GET /nowhere", "", 404, /There is no such page/],
  ["custom_404", "POST /", "", 405, /GET, HEAD, OPTIONS/],
  ["custom_404", "GET /broken", "", 500, /That went wrong/],
  ["client_headers", "BREW /a?b=c", "X-Scarab: blue\r\n", 200, /^{"method":"BREW".*"x-scarab":"blue"/],
  ["auth", "GET /me", "", 401, /Who are you/],
  ["auth", "GET /me", "Authorization: Bearer nonsense\r\n", 401, /Who are you/],
  ["auth", "GET /me", "Authorization: Bearer ankh\r\n", 200, /Hatshepsut/],
  ["auth", "GET /admin/users", "Authorization: Bearer djed\r\n", 403, /Admins only/],
  ["auth", "GET /admin/users", "Authorization: Bearer ankh\r\n", 200, /Senenmut/],
];

for (const example of new Set(ROWS.map(([name]) => name))) {
  test(`${example}.ts answers by the table`, async () => {
    await withExample(example, {}, async (app) => {
      for (const [name, line, fields, status, content] of ROWS) {
        if (name !== example) continue;
        const response = await app.exchange(`${line} HTTP/1.1\r\nHost: test\r\n${fields}\r\n`);
        assert.equal(response.status, status, line);
        assert.match(response.text, content, line);
      }
    });
  });
}

test("redirect.ts says where to go", async () => {
  await withExample("redirect", {}, async (app) => {
    assert.equal((await app.exchange(get("/old"))).header("location"), "/new");
    assert.equal((await app.exchange(get("/absolute"))).header("location"), "http://test/new");
  });
});

test("custom_404.ts logs the error that it answers for", async () => {
  await withExample("custom_404", {}, async (app) => {
    await app.exchange(get("/broken"));
    app.signal("SIGTERM");
    await app.exited();
    assert.match(app.stderr, /ERROR \[worker \d+\] The handler failed path=\/broken .*broken on purpose/);
  });
});

test("auth.ts says how to authenticate", async () => {
  await withExample("auth", {}, async (app) => {
    assert.equal((await app.exchange(get("/me"))).header("www-authenticate"), "Bearer");
  });
});
