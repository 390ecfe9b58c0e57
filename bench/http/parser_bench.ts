/**
 * What reading a request costs the I/O thread: heads whole and cut, and chunked bodies.
 * Runs on: any; runtime API: none
 *
 *     deno run -A bench/http/parser_bench.ts      bun bench/http/parser_bench.ts      node bench/http/parser_bench.ts
 *
 * Needs one idle core. The 757 octets are a browser's navigation, the 41 are wrk's. Every answer is checked before it
 * is measured, and each measured call again by its length.
 */
import assert from "node:assert/strict";
import { bench, run } from "mitata";
import { ChunkedDecoder, ChunkEvent } from "../../src/http/chunked_decoder.ts";
import { HeadMachine } from "../../src/http/head_machine.ts";
import { HeadParser } from "../../src/http/request_parser.ts";

const LIMITS = { maxHeaderBytes: 16384, maxHeaderFields: 100 };

const WRK_HEAD = "GET / HTTP/1.1\r\nHost: localhost:18080\r\n\r\n";
const BROWSER_HEAD = [
  "GET /articles/2026/a-page-with-a-name?from=home&page=2 HTTP/1.1",
  "Host: localhost:8080",
  "Connection: keep-alive",
  "Cache-Control: max-age=0",
  'sec-ch-ua: "Chromium";v="124", "Google Chrome";v="124", "Not-A.Brand";v="99"',
  "sec-ch-ua-mobile: ?0",
  'sec-ch-ua-platform: "Linux"',
  "Upgrade-Insecure-Requests: 1",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
  "Sec-Fetch-Site: none",
  "Sec-Fetch-Mode: navigate",
  "Sec-Fetch-Dest: document",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
  "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; region=eu-west-1",
].join("\r\n") + "\r\n\r\n";

/** Octets at a place that is not aligned, in a buffer of the size that adapters read with. */
function inReadBuffer(text: string): { bytes: Uint8Array; start: number; end: number } {
  const bytes = new Uint8Array(65536);
  const octets = new TextEncoder().encode(text);
  bytes.set(octets, 1021);
  return { bytes, start: 1021, end: 1021 + octets.length };
}

function benchHead(name: string, parser: HeadMachine, text: string, fields: number): void {
  const { bytes, start, end } = inReadBuffer(text);
  const length = end - start;
  parser.reset();
  assert.equal(parser.parse(bytes, start, end), length);
  assert.equal(parser.fieldCount, fields);
  bench(name, () => {
    parser.reset();
    if (parser.parse(bytes, start, end) !== length) throw new Error("The head was not read.");
  });
}

function benchCutHead(name: string, parser: HeadMachine, text: string): void {
  const { bytes, start, end } = inReadBuffer(text);
  const middle = (start + end) >> 1;
  bench(name, () => {
    parser.reset();
    if (parser.parse(bytes, start, middle) !== 0) throw new Error("Half a head was complete.");
    if (parser.parse(bytes, start, end) !== end - start) throw new Error("The head was not read.");
  });
}

function benchChunks(name: string, count: number, size: number): void {
  const chunk = `${size.toString(16)}\r\n${"x".repeat(size)}\r\n`;
  const { bytes, start, end } = inReadBuffer(chunk.repeat(count) + "0\r\n\r\n");
  const decoder = new ChunkedDecoder({ maxTrailerBytes: 4096, maxExtensionBytes: 4096 });
  bench(name, () => {
    decoder.reset();
    let content = 0;
    let event = decoder.next(bytes, start, end);
    while (event === ChunkEvent.Data) {
      content += decoder.dataEnd - decoder.dataStart;
      event = decoder.next(bytes, decoder.position, end);
    }
    if (event !== ChunkEvent.End || content !== count * size) throw new Error("The body was not read.");
  });
}

assert.equal(WRK_HEAD.length, 41);
assert.equal(BROWSER_HEAD.length, 757);

benchHead("head of 41 octets", new HeadParser(LIMITS), WRK_HEAD, 1);
benchHead("head of 757 octets", new HeadParser(LIMITS), BROWSER_HEAD, 15);
benchCutHead("head of 757 octets in two pieces", new HeadParser(LIMITS), BROWSER_HEAD);
benchHead("head of 757 octets, by the machine alone", new HeadMachine(LIMITS), BROWSER_HEAD, 15);
benchChunks("32 chunks of 1 KiB", 32, 1024);
benchChunks("512 chunks of 16 octets", 512, 16);

await run();
