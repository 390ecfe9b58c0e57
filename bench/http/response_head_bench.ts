/**
 * What the head of a response costs a worker: made anew, and found among those of this second.
 * Runs on: any; runtime API: none
 *
 *     deno run -A bench/http/response_head_bench.ts    bun bench/http/response_head_bench.ts    node bench/http/response_head_bench.ts
 *
 * Needs one idle core. A prepared head is compared with the one that is made before both are measured, and each
 * measured call again by its length.
 */
import assert from "node:assert/strict";
import { bench, run } from "mitata";
import { PreparedHeads } from "../../src/http/prepared_head.ts";
import { encodeHead, responseHead } from "../../src/http/response_head.ts";

const REQUEST = { isHttp11: true, keepAlive: true, isHead: false };
const DATE = "Fri, 27 Nov 2026 12:00:00 GMT";
const CONTENT_BYTES = 13;

function benchFields(name: string, fields: readonly string[]): void {
  const made = (): Uint8Array => encodeHead(responseHead(REQUEST, 200, "", fields, CONTENT_BYTES, DATE).text);
  const heads = new PreparedHeads();
  const find = () => heads.find(REQUEST, 200, "", fields, DATE);
  const { length } = made();
  const latin1 = new TextDecoder("latin1");
  const { before, behind } = find();
  assert.equal(latin1.decode(before) + CONTENT_BYTES + latin1.decode(behind), latin1.decode(made()));

  bench(`${name}: made`, () => {
    if (made().length !== length) throw new Error("Another head was made.");
  });
  bench(`${name}: found`, () => {
    const head = find();
    if (head.before.length + head.behind.length !== length - 2) throw new Error("Another head was found.");
  });
}

benchFields("no field of the handler", []);
benchFields("a type", ["content-type", "text/plain;charset=UTF-8"]);
benchFields("six fields", [
  ...["content-type", "text/html;charset=UTF-8", "cache-control", "max-age=60", "etag", '"0123456789abcdef"'],
  ...["vary", "Accept-Encoding", "x-frame-options", "DENY", "set-cookie", "session=0123456789abcdef"],
]);

await run();
