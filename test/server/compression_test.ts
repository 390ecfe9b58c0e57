/**
 * Tests of the content coding that the server applies by itself: when, which, and what it says about it.
 * Runs on: any; runtime API: none
 *
 * RFC 9110 sections 8.4, 12.5.3, 12.5.5. Whether a coding is available depends on the runtime (zstd); what is
 * negotiated is tested in `http/content_coding_test.ts`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliDecompressSync, gunzipSync, inflateSync } from "node:zlib";
import { get } from "../support/raw_client.ts";
import { SharedApp, withApp } from "../support/start_app.ts";
import type { WireResponse } from "../support/http_response.ts";

const shared = new SharedApp("app.ts");
const TEXT = "compressible ".repeat(1000);

const DECODERS: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
  gzip: gunzipSync,
  br: brotliDecompressSync,
  deflate: inflateSync,
};

/** The content, decoded as the response says. */
function decoded(response: WireResponse): string {
  const coding = response.header("content-encoding");
  if (coding === null) return response.text;
  const decode = DECODERS[coding];
  if (decode === undefined) throw new Error(`unexpected Content-Encoding ${coding}`);
  return new TextDecoder().decode(decode(response.body));
}

for (const how of ["string", "response", "bytes", "respond", "respond-bytes", "json", "stream"]) {
  test(`A compressible answer given as ${how} is compressed for a client that accepts it, and says so`, async () => {
    await shared.run(async (app) => {
      const expected = how === "json" ? JSON.stringify({ text: TEXT }) : TEXT;
      for (const coding of ["gzip", "br", "deflate"]) {
        const client = await app.connect();
        client.send(get(`/text/${how}`, `Accept-Encoding: ${coding}\r\n`) + get("/light"));
        const response = await client.response();
        assert.equal(response.header("content-encoding"), coding);
        assert.equal(response.header("vary")?.toLowerCase(), "accept-encoding");
        assert.ok(response.bodyLength < TEXT.length / 4);
        if (how !== "stream") assert.equal(response.header("content-length"), String(response.bodyLength));
        assert.equal(decoded(response), expected);
        const etag = response.header("etag");
        if (how !== "string" && how !== "json") assert.equal(etag, 'W/"strong"');
        assert.equal((await client.response(1)).text, "light");
      }
      const plain = await app.exchange(get(`/text/${how}`));
      assert.equal(plain.header("content-encoding"), null);
      assert.equal(plain.text, expected);
      assert.equal(plain.header("vary")?.toLowerCase(), "accept-encoding");
      if (how !== "string" && how !== "json") assert.equal(plain.header("etag"), '"strong"');
      assert.equal(plain.fields.filter(([name]) => name.toLowerCase() === "content-type").length, 1);
    });
  });
}

for (
  const [accept, expected] of [
    ["gzip", "gzip"],
    ["gzip;q=0", null],
    ["gzip;q=0.5, br;q=0.9", "br"],
    ["gzip;q=0.9, br;q=0.5", "gzip"],
    ["identity", null],
    ["identity;q=1, gzip;q=0.5", null],
    ["*;q=0", null],
    ["compress, unknown", null],
    ["", null],
  ] as const
) {
  test(`Accept-Encoding "${accept}" gets ${expected ?? "no coding"}`, async () => {
    await shared.run(async (app) => {
      const response = await app.exchange(get("/text/response", `Accept-Encoding: ${accept}\r\n`));
      assert.equal(response.header("content-encoding"), expected);
      assert.equal(decoded(response), TEXT);
      assert.equal(response.header("vary")?.toLowerCase(), "accept-encoding");
    });
  });
}

test("Short content, media, and what the handler coded or fixed itself stay as they are", async () => {
  await shared.run(async (app) => {
    const accept = "Accept-Encoding: gzip\r\n";
    for (
      const [query, varies] of [
        ["length=860", false],
        ["length=5000&type=image/png", false],
        ["length=5000&field=content-encoding=identity", false],
        ["length=5000&field=cache-control=public, no-transform", false],
        ["length=5000&field=content-range=bytes 0-4999/9000", false],
      ] as const
    ) {
      const response = await app.exchange(get(`/text?${query.replaceAll(" ", "%20")}`, accept));
      const coding = response.header("content-encoding");
      assert.ok(coding === null || coding === "identity", query);
      assert.equal(response.bodyLength, query.startsWith("length=860") ? 860 : 5000);
      assert.equal(response.header("vary") !== null, varies, query);
    }
    const longer = await app.exchange(get("/text?length=861", accept));
    assert.equal(longer.header("content-encoding"), "gzip");
  });
});

test("A Vary of the handler is kept and not doubled", async () => {
  await shared.run(async (app) => {
    for (
      const [given, expected] of [["Origin", "origin,accept-encoding"], [
        "accept-encoding",
        "accept-encoding",
      ], ["*", "*"]]
    ) {
      const response = await app.exchange(
        get(`/text?length=5000&field=vary=${given}`, "Accept-Encoding: gzip\r\n"),
      );
      assert.equal(response.header("content-encoding"), "gzip");
      assert.equal(response.header("vary")?.toLowerCase().replaceAll(" ", ""), expected);
    }
  });
});

test("With compress: false nothing is compressed and nothing varies", async () => {
  await withApp("app.ts", { compress: false }, async (app) => {
    for (const how of ["string", "response", "respond", "stream"]) {
      const response = await app.exchange(get(`/text/${how}`, "Accept-Encoding: gzip, br\r\n"));
      assert.equal(response.header("content-encoding"), null);
      assert.equal(response.header("vary"), null);
      assert.equal(response.text, TEXT);
    }
  });
});

test("With fastResponse: false the runtime's own Response is sent and compressed as well", async () => {
  await withApp("app.ts", { fastResponse: false }, async (app) => {
    const client = await app.connect();
    client.send(get("/text/response", "Accept-Encoding: gzip\r\n") + get("/text/json") + get("/light"));
    const [coded, plain, light] = await client.receive(3);
    assert.ok(coded !== undefined && plain !== undefined);
    assert.equal(coded.header("content-encoding"), "gzip");
    assert.equal(decoded(coded), TEXT);
    assert.equal(plain.text, JSON.stringify({ text: TEXT }));
    assert.equal(light?.text, "light");
  });
});

test("The server that these tests share stops", () => shared.stop());
