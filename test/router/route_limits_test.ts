/**
 * What the limits of a route do to requests: the server asks the table before any handler runs.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { post } from "../support/raw_client.ts";
import { withApp } from "../support/start_app.ts";

/** Path, octets of content, status. The server's limit is 2,000. */
const ROWS: readonly [path: string, length: number, status: number][] = [
  ["/server", 2000, 200],
  ["/server", 2001, 413],
  ["/more", 3000, 200],
  ["/more", 3001, 413],
  ["/less", 1, 200],
  ["/less", 2, 413],
  ["/unlimited", 2001, 200],
  ["/unlimited", 3_000_000, 200],
  ["/no-such-route", 2001, 413],
];

test("maxBodyBytes of a route replaces the server's, and 0 lifts it", async () => {
  await withApp("route_limits_app.ts", { workers: 1, maxBodyBytes: 2000 }, async (app) => {
    for (const [path, length, status] of ROWS) {
      const request = post(path, length) + "x".repeat(length);
      const response = await app.exchange(request);
      assert.equal(response.status, status, `${path} with ${length} octets`);
      if (status === 200) assert.equal(response.text, String(length));
    }
  });
});
