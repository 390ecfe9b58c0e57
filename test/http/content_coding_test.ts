/**
 * Negotiation and content coding of responses, by table.
 * Runs on: any; runtime API: none
 *
 * Section numbers are of RFC 9110.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as zlib from "node:zlib";
import {
  codedFields,
  CODINGS,
  compress,
  COMPRESSION_THRESHOLD_BYTES,
  contentCoded,
  type ContentCoding,
  isCompressible,
  mayCode,
  mergeVary,
  negotiate,
  weakTag,
} from "../../src/http/content_coding.ts";

const ALL: readonly ContentCoding[] = ["zstd", "br", "gzip", "deflate"];
const GZIP: readonly ContentCoding[] = ["gzip"];
const NONE: readonly ContentCoding[] = [];

type Want = ContentCoding | "identity";

// Accept-Encoding, the coding chosen of ALL, section and reason.
const NEGOTIATION: readonly (readonly [string | null, Want, string])[] = [
  [null, "identity", "12.5.3 rule 1: no field allows anything; we stay with identity"],
  ["", "identity", "12.5.3: an empty field wants no coding"],
  [" ", "identity", "12.5.3: the same with whitespace"],
  [",", "identity", "5.6.1.2: empty members are ignored"],
  ["gzip", "gzip", "12.5.3: listed, weight 1"],
  ["deflate", "deflate", "8.4.1.2"],
  ["br", "br", "8.4.1, registry"],
  ["zstd", "zstd", "8.4.1, registry"],
  ["identity", "identity", "12.5.3 rule 4"],
  ["compress", "identity", "8.4.1.1: known, not spoken here"],
  ["x-compress", "identity", "8.4.1.1"],
  ["x-gzip", "gzip", "8.4.1.3: the same as gzip"],
  ["X-GZIP", "gzip", "8.4.1.3 and 8.4.1: codings are case-insensitive"],
  ["GZIP", "gzip", "8.4.1: codings are case-insensitive"],
  ["Br", "br", "8.4.1"],
  ["gzip, deflate", "gzip", "equal weights: our order"],
  ["deflate, gzip", "gzip", "equal weights: our order, not the client's"],
  ["gzip, deflate, br", "br", "our order"],
  ["gzip, deflate, br, zstd", "zstd", "our order (Chrome's field)"],
  ["gzip,deflate,br", "br", "5.6.1: no whitespace needed"],
  ["gzip , br", "br", "5.6.1: OWS before the comma"],
  ["gzip,\tbr", "br", "5.6.3: HTAB is OWS"],
  ["gzip,,br", "br", "5.6.1.2: empty member"],
  [",gzip,", "gzip", "5.6.1.2: empty members at the ends"],
  ["gzip;q=1", "gzip", "12.4.2"],
  ["gzip;q=1.000", "gzip", "12.4.2: three digits"],
  ["gzip;q=1.", "gzip", "12.4.2: no digit after the point"],
  ["gzip;q=0.5", "gzip", "12.4.2"],
  ["gzip;q=0.001", "gzip", "12.4.2: least acceptable"],
  ["gzip;Q=0.5", "gzip", '12.4.2: "q" is case-insensitive (RFC 5234 section 2.3)'],
  ["gzip ; q=0.5", "gzip", "12.4.2: OWS around the semicolon"],
  ["gzip\t;\tq=0.5", "gzip", "12.4.2: OWS is HTAB too"],
  ["gzip;q=0", "identity", "12.4.2: not acceptable"],
  ["gzip;q=0.0", "identity", "12.4.2"],
  ["gzip;q=0.000", "identity", "12.4.2"],
  ["gzip;q=0.", "identity", "12.4.2"],
  ["gzip;q=0, br", "br", "12.5.3 rule 2"],
  ["br;q=0, gzip, deflate", "gzip", "12.5.3 rule 2"],
  ["gzip;q=0.8, br;q=0.2", "gzip", "12.5.3: the highest weight"],
  ["br;q=0.8, zstd;q=0.2", "br", "12.5.3: a weight beats our order"],
  ["deflate;q=0.9, gzip;q=0.9", "gzip", "equal weights"],
  ["deflate, gzip;q=0.999", "deflate", "12.4.2: three digits count"],
  ["compress;q=0.5, gzip;q=1.0", "gzip", "12.5.3: the RFC's own example"],
  ["gzip;q=1.0, identity; q=0.5, *;q=0", "gzip", "12.5.3: the RFC's own example"],
  ["*", "zstd", "12.5.3 rule 3"],
  ["*;q=0.1", "zstd", "12.5.3 rule 3"],
  ["*;q=0", "identity", "12.5.3: nothing acceptable; sent as it is"],
  ["gzip, *;q=0", "gzip", "12.5.3: only gzip"],
  ["*;q=0, br;q=0.5", "br", "12.5.3: * excludes what is not listed, in any order"],
  ["zstd;q=0, *", "br", "12.5.3: * is all but the listed"],
  ["zstd;q=0, br;q=0, *;q=0.5", "gzip", "12.5.3"],
  ["gzip;q=0.5, *", "zstd", "12.5.3: * weighs 1"],
  ["gzip, *;q=0.5", "gzip", "12.5.3"],
  ["zstd;q=0, br;q=0, gzip;q=0, deflate;q=0, *", "identity", "12.5.3: * leaves identity"],
  ["identity;q=0, gzip", "gzip", "12.5.3 rule 4"],
  ["identity;q=0, *", "zstd", "12.5.3"],
  ["identity;q=0", "identity", "12.5.3: refused, but nothing else is acceptable"],
  ["identity;q=0, compress", "identity", "12.5.3: the same"],
  ["identity, gzip", "gzip", "equal weights: smaller is better"],
  ["identity;q=1, gzip;q=0.5", "identity", "12.5.3: identity listed and preferred"],
  ["identity;q=0.5, gzip;q=0.2, br;q=0.6", "br", "12.5.3"],
  ["*;q=0.9, zstd;q=0.1, br;q=0.1, gzip;q=0.1, deflate;q=0.1", "identity", "12.5.3: * names identity"],
  ["gzip;q=2", "identity", "12.4.2: malformed weight, member ignored"],
  ["gzip;q=1.1", "identity", "12.4.2: above 1"],
  ["gzip;q=-1", "identity", "12.4.2"],
  ["gzip;q=0.1234", "identity", "12.4.2: four digits"],
  ["gzip;q=.5", "identity", "12.4.2: no digit before the point"],
  ["gzip;q=", "identity", "12.4.2"],
  ["gzip;q", "identity", "12.4.2"],
  ["gzip;", "identity", "12.4.2"],
  ["gzip;q =1", "identity", "12.4.2: no whitespace around the equals sign"],
  ["gzip;q=1;q=0", "identity", "12.4.2: one weight"],
  ["gzip;level=9", "identity", "12.5.3: codings have no parameters"],
  ["gzip;q=abc, br;q=0.1", "br", "a malformed member leaves the others alone"],
  ["gzip br", "identity", "5.6.2: a space is no token"],
  ['"gzip"', "identity", "5.6.4: a quoted string is no token"],
  ["gzip, gzip;q=0", "identity", "listed twice: the refusal stands"],
  ["gzip;q=0, gzip", "identity", "in any order"],
  ["gzip;q=0.9, x-gzip;q=0.1, deflate;q=0.5", "deflate", "8.4.1.3: one coding, lower weight counts"],
  ["gzipped", "identity", "another token"],
  ["constructor", "identity", "a token that objects inherit"],
  ["__proto__, gzip", "gzip", "the same"],
];

for (const [value, want, why] of NEGOTIATION) {
  test(`negotiate gives ${want} for ${JSON.stringify(value)} (${why})`, () => {
    assert.equal(negotiate(value, ALL), want);
    assert.equal(negotiate(value, ALL), want, "again");
    assert.equal(negotiate(value, NONE), "identity");
  });
}

test("negotiate chooses among what is available only", () => {
  assert.equal(negotiate("br, gzip;q=0.1", GZIP), "gzip");
  assert.equal(negotiate("br", GZIP), "identity");
  assert.equal(negotiate("gzip;q=0.3, *;q=0.8", GZIP), "identity");
  assert.equal(negotiate("*", GZIP), "gzip");
});

test("negotiate gives the same from memory, also after more fields than it remembers", () => {
  for (let round = 0; round < 2; round++) {
    for (let weight = 1; weight < 200; weight++) {
      const q = `0.${String(weight).padStart(3, "0")}`;
      assert.equal(negotiate(`gzip;q=${q}, deflate;q=0.1`), weight >= 100 ? "gzip" : "deflate");
    }
  }
  assert.equal(negotiate(`gzip;q=0.5,${" ".repeat(1000)}deflate`), "deflate");
});

test("CODINGS has zstd first where the runtime can compress it", () => {
  const expected = typeof zlib.zstdCompressSync === "function" ? ALL : ALL.slice(1);
  assert.deepEqual(CODINGS, expected);
});

const TYPES: readonly (readonly [string | null, boolean])[] = [
  ["text/html", true],
  ["text/plain;charset=UTF-8", true],
  ["TEXT/CSS ; charset=utf-8", true],
  ["text/event-stream", false],
  ["text/event-stream; charset=utf-8", false],
  ["Text/Event-Stream", false],
  ["text/event-streams", true],
  ["application/json", true],
  ["application/json; charset=utf-8", true],
  ["application/problem+json", true],
  ["application/ld+json;profile=x", true],
  ["application/javascript", true],
  ["application/xml", true],
  ["application/rss+xml", true],
  ["image/svg+xml", true],
  ["application/wasm", true],
  ["application/x-ndjson", true],
  ["font/ttf", true],
  ["font/otf", true],
  ["font/woff2", false],
  ["font/woff", false],
  ["image/png", false],
  ["image/jpeg", false],
  ["image/bmp", true],
  ["application/zip", false],
  ["application/gzip", false],
  ["application/pdf", false],
  ["application/octet-stream", false],
  ["video/mp4", false],
  ["multipart/form-data; boundary=text/html", false],
  ["application/zip;x=+json", false],
  ["", false],
  ["text", false],
  [null, false],
];

for (const [type, want] of TYPES) {
  test(`isCompressible is ${want} for ${JSON.stringify(type)}`, () =>
    assert.equal(isCompressible(type), want));
}

const DECODERS: Record<ContentCoding, (bytes: Uint8Array) => Uint8Array> = {
  zstd: (bytes) => zlib.zstdDecompressSync(bytes),
  br: (bytes) => zlib.brotliDecompressSync(bytes),
  gzip: (bytes) => zlib.gunzipSync(bytes),
  deflate: (bytes) => zlib.inflateSync(bytes),
};

/** `size` bytes that compress like a JSON list. */
function jsonBytes(size: number, shared = false): Uint8Array {
  const bytes = new Uint8Array(shared ? new SharedArrayBuffer(size) : new ArrayBuffer(size));
  let text = "";
  for (let id = 0; text.length < size; id++) text += `{"id":${id * 7919 % 1000},"name":"user ${id}"},`;
  for (let at = 0; at < size; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** Bytes that nothing makes smaller. */
function noise(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = 1;
  for (let at = 0; at < size; at++) {
    state = Math.imul(state, 1664525) + 1013904223;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

for (const coding of CODINGS) {
  test(`compress makes ${coding} that can be decoded, of private and of shared memory`, () => {
    for (const size of [COMPRESSION_THRESHOLD_BYTES + 1, 16_384, 300_000]) {
      for (const shared of [false, true]) {
        const bytes = jsonBytes(size, shared);
        const coded = compress(coding, bytes);
        assert.ok(coded.byteLength < size * 0.7, `${coded.byteLength} of ${size}`);
        assert.deepEqual(Uint8Array.from(DECODERS[coding](coded)), Uint8Array.from(bytes));
      }
    }
  });

  test(`compress in ${coding} gives the bytes themselves when that is not smaller`, () => {
    for (const bytes of [noise(2000), new Uint8Array(0), new Uint8Array(1)]) {
      assert.equal(compress(coding, bytes), bytes);
    }
  });
}

test("compress leaves identity alone", () => {
  const bytes = jsonBytes(2000);
  assert.equal(compress("identity", bytes), bytes);
});

test("compress writes deflate in the zlib format", () => {
  const coded = compress("deflate", jsonBytes(2000));
  // CMF and FLG of RFC 1950 section 2.2: method 8, and a multiple of 31 as a 16-bit number.
  assert.equal((coded[0] as number) & 0x0f, 8);
  assert.equal(((coded[0] as number) * 256 + (coded[1] as number)) % 31, 0);
});

const HTML = ["content-type", "text/html"];

const MAY_CODE: readonly (readonly [string, number, readonly string[], boolean])[] = [
  ["a page", 200, HTML, true],
  ["an error page", 404, HTML, true],
  ["a redirection with a page", 302, HTML, true],
  ["an informational status", 103, HTML, false],
  ["204", 204, HTML, false],
  ["205", 205, HTML, false],
  ["206", 206, HTML, false],
  ["304", 304, HTML, false],
  ["no fields", 200, [], false],
  ["a picture", 200, ["content-type", "image/png"], false],
  ["events", 200, ["content-type", "text/event-stream"], false],
  ["a body that is coded already", 200, [...HTML, "content-encoding", "gzip"], false],
  ["a body the handler wants uncoded", 200, [...HTML, "content-encoding", "identity"], false],
  ["a part", 200, [...HTML, "content-range", "bytes 0-1/2"], false],
  ["a content digest", 200, [...HTML, "content-digest", "sha-256=:x:"], false],
  ["a representation digest", 200, ["repr-digest", "sha-256=:x:", ...HTML], false],
  ["no-transform", 200, [...HTML, "cache-control", "no-transform"], false],
  ["no-transform among others", 200, [...HTML, "cache-control", "public, No-Transform, max-age=1"], false],
  ["no-transform in a second line", 200, [
    ...HTML,
    "cache-control",
    "public",
    "cache-control",
    "no-transform",
  ], false],
  ["another directive", 200, [...HTML, "cache-control", "x-no-transform-x, max-age=1"], true],
  ["a directive that ends alike", 200, [...HTML, "cache-control", "x-no-transform"], true],
];

for (const [name, status, fields, want] of MAY_CODE) {
  test(`mayCode is ${want} for ${name}`, () => assert.equal(mayCode(status, fields), want));
}

test("codedFields adds coding and Vary, drops the length, weakens the tag", () => {
  const fields = ["etag", '"a"', "content-length", "9", "content-type", "text/html", "x", "1"];
  const before = [...fields];
  assert.deepEqual(codedFields(fields, "br"), [
    ...["etag", 'W/"a"', "content-type", "text/html", "x", "1"],
    ...["content-encoding", "br", "vary", "accept-encoding"],
  ]);
  assert.deepEqual(codedFields(fields, "identity"), [...before, "vary", "accept-encoding"]);
  assert.deepEqual(fields, before, "the list given is not changed");
});

test("codedFields merges several Vary lines into one", () => {
  const fields = ["vary", "Origin", "a", "1", "vary", "Cookie"];
  assert.deepEqual(codedFields(fields, "identity"), ["a", "1", "vary", "Origin, Cookie, accept-encoding"]);
});

test("codedFields keeps cookies apart", () => {
  const fields = ["set-cookie", "a=1", "set-cookie", "b=2"];
  assert.deepEqual(codedFields(fields, "gzip").slice(0, 4), fields);
});

const VARY: readonly (readonly [string | null, string])[] = [
  [null, "accept-encoding"],
  ["", "accept-encoding"],
  ["Origin", "Origin, accept-encoding"],
  ["Accept-Encoding", "Accept-Encoding"],
  ["origin,ACCEPT-ENCODING", "origin, ACCEPT-ENCODING"],
  ["x-accept-encoding", "x-accept-encoding, accept-encoding"],
  ["*", "*"],
  ["origin, *", "*"],
  [" , origin,", "origin, accept-encoding"],
];

for (const [vary, want] of VARY) {
  test(`mergeVary makes ${want} of ${JSON.stringify(vary)}`, () => assert.equal(mergeVary(vary), want));
}

test("weakTag weakens a strong tag and leaves a weak one", () => {
  assert.equal(weakTag('"a"'), 'W/"a"');
  assert.equal(weakTag('W/"a"'), 'W/"a"');
});

test("contentCoded codes a body for a client that takes it", () => {
  const body = jsonBytes(5000);
  const fields = ["content-type", "application/json", "etag", '"v1"'];
  const coded = contentCoded(200, fields, body, "gzip");
  assert.deepEqual(coded.fields, [
    ...["content-type", "application/json", "etag", 'W/"v1"'],
    ...["content-encoding", "gzip", "vary", "accept-encoding"],
  ]);
  assert.deepEqual(Uint8Array.from(zlib.gunzipSync(coded.body)), body);
});

test("contentCoded says Vary to a client that takes no coding, and of a body that gets no smaller", () => {
  const fields = ["content-type", "text/plain", "etag", '"v1"'];
  for (const [body, accept] of [[jsonBytes(5000), null], [noise(5000), "gzip"]] as const) {
    const coded = contentCoded(200, fields, body, accept);
    assert.equal(coded.body, body);
    assert.deepEqual(coded.fields, [...fields, "vary", "accept-encoding"]);
  }
});

test("contentCoded leaves alone what has nothing to do with codings", () => {
  const body = jsonBytes(5000);
  const fields = ["content-type", "image/png"];
  const coded = contentCoded(200, fields, body, "gzip");
  assert.equal(coded.fields, fields);
  assert.equal(coded.body, body);
});
