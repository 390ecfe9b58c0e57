/**
 * Table of cases: cross-origin access to uploads, and the paths that they live under.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { ORIGIN, type UploadBench } from "../support/upload_bench.ts";
import { testUploadCases, type UploadCase } from "../support/upload_case.ts";

async function status(response: Promise<Response>, expected: number): Promise<Headers> {
  const { status, headers } = await response;
  assert.equal(status, expected);
  return headers;
}

/** An upload of ten bytes with "hello" in it. */
async function half(bench: UploadBench): Promise<string> {
  const url = await bench.create(10);
  await status(bench.patch(url, 0, "hello"), 204);
  return url;
}

const preflight = {
  origin: "https://app.example",
  "access-control-request-method": "PATCH",
  "access-control-request-headers": "tus-resumable,upload-offset",
};

const cors: UploadCase[] = [
  ["CORS", "a preflight is allowed every method and field of tus", async (bench) => {
    const headers = await status(bench.send("OPTIONS", "/files/", preflight), 204);
    assert.equal(headers.get("access-control-allow-origin"), "*");
    for (const method of ["POST", "HEAD", "PATCH", "DELETE"]) {
      assert.ok(headers.get("access-control-allow-methods")?.includes(method));
    }
    const allowed = (headers.get("access-control-allow-headers") ?? "").toLowerCase().split(", ");
    for (
      const field of [
        "authorization",
        "content-type",
        "tus-resumable",
        "upload-checksum",
        "upload-concat",
        "upload-defer-length",
        "upload-length",
        "upload-metadata",
        "upload-offset",
        "x-http-method-override",
        "x-request-id",
      ]
    ) assert.ok(allowed.includes(field), field);
  }],
  ["CORS", "answers and refusals can be read by a page", async (bench) => {
    const url = await half(bench);
    for (
      const [response, code] of [[bench.patch(url, 0, "x"), 409], [bench.tus("HEAD", url), 200]] as const
    ) {
      const headers = await status(response, code);
      assert.equal(headers.get("access-control-allow-origin"), "*");
      const exposed = (headers.get("access-control-expose-headers") ?? "").toLowerCase().split(", ");
      for (const field of ["location", "upload-offset", "upload-length", "upload-expires", "tus-resumable"]) {
        assert.ok(exposed.includes(field), field);
      }
    }
  }],
  ["CORS", "a listed origin is named, and caches are told", async (bench) => {
    const headers = await status(bench.send("OPTIONS", "/files/", preflight), 204);
    assert.equal(headers.get("access-control-allow-origin"), "https://app.example");
    assert.equal(headers.get("vary"), "Origin");
    assert.equal(headers.get("access-control-allow-credentials"), "true");
  }, { cors: ["https://app.example"], corsCredentials: true }],
  ["CORS", "another origin gets nothing", async (bench) => {
    const headers = await status(bench.send("OPTIONS", "/files/", preflight), 204);
    assert.equal(headers.has("access-control-allow-origin"), false);
    assert.equal(headers.has("access-control-allow-methods"), false);
    assert.equal(headers.get("vary"), "Origin");
  }, { cors: ["https://other.example"] }],
  ["CORS", "it can be switched off", async (bench) => {
    const headers = await status(bench.send("OPTIONS", "/files/", preflight), 204);
    assert.deepEqual([...headers.keys()].filter((name) => name.startsWith("access-control")), []);
  }, { cors: false }],
];

const paths: UploadCase[] = [
  ["Upload URL", "another path works in the same way", async (bench) => {
    const response = await bench.tus("POST", "/api/v1/media/", { "upload-length": "5" });
    const url = response.headers.get("location") ?? "";
    assert.match(url, /^\/api\/v1\/media\/[0-9a-f]{32}$/);
    await status(bench.patch(url, 0, "hello"), 204);
    await status(bench.tus("POST", "/files/", { "upload-length": "5" }), 404);
  }, { path: "/api/v1/media/" }],
  ["Upload URL", "an absolute URL of the request and a query are fine", async (bench) => {
    const url = await half(bench);
    await status(bench.tus("HEAD", `${ORIGIN}${url}?token=1`), 200);
  }],
];

testUploadCases([...cors, ...paths]);
