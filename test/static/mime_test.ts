import assert from "node:assert/strict";
import { test } from "node:test";
import { mimes } from "mrmime";
import { contentTypeOf } from "../../src/static/mime.ts";

for (
  const [name, type] of [
    ["index.html", "text/html; charset=utf-8"],
    ["a/b/style.css", "text/css; charset=utf-8"],
    ["app.js", "text/javascript; charset=utf-8"],
    ["app.mjs", "text/javascript; charset=utf-8"],
    ["README.TXT", "text/plain; charset=utf-8"],
    ["data.json", "application/json"],
    ["logo.svg", "image/svg+xml"],
    ["photo.JPEG", "image/jpeg"],
    ["movie.mp4", "video/mp4"],
    ["font.woff2", "font/woff2"],
    ["module.wasm", "application/wasm"],
    ["paper.pdf", "application/pdf"],
    ["x.tar.gz", "application/gzip"],
    ["LICENSE", "application/octet-stream"],
    ["html", "application/octet-stream"],
    ["x.unheardof", "application/octet-stream"],
    ["x.", "application/octet-stream"],
    ["x.__proto__", "application/octet-stream"],
    ["x.constructor", "application/octet-stream"],
    ["", "application/octet-stream"],
  ] as const
) {
  test(`Media type of "${name}" is ${type}`, () => {
    assert.equal(contentTypeOf(name), type);
  });
}

test("Media type takes an option's word first, and another charset or none", () => {
  assert.equal(contentTypeOf("x.TS", { ts: "text/typescript" }), "text/typescript");
  assert.equal(contentTypeOf("x.html", {}, "iso-8859-1"), "text/html; charset=iso-8859-1");
  assert.equal(contentTypeOf("x.html", {}, ""), "text/html");
});

test("Media types are those of mrmime", () => {
  assert.ok(Object.keys(mimes).length > 400);
  for (const [ending, type] of Object.entries(mimes)) {
    assert.equal(contentTypeOf(`x.${ending}`, {}, ""), type, ending);
  }
});
