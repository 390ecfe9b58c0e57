/**
 * Measures reading a form with one large file, octet for octet, beside busboy; nothing is written anywhere.
 *
 *     deno run -A bench/http/multipart_bench.ts        (or: bun …, node …; one core)
 *
 * The body comes in pieces of 64 KiB, as from a socket. Both must find the file whole, or the bench fails. Figures are
 * MiB/s: the median over samples. The rows vary the content, because a search for a delimiter depends on it: random
 * octets, text with a line end each 60 octets, and nothing but line ends; then many small fields. "worst" is a form
 * whose sender chose boundary and content against this parser (busboy gets the same form).
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { cpus } from "node:os";
import process from "node:process";
import busboy from "busboy";
import { Bench } from "tinybench";
import { MultipartParser } from "../../src/http/multipart.ts";

const MIB = 1024 * 1024;
const FILE_BYTES = 32 * MIB;
const PIECE_BYTES = 64 * 1024;
const BROWSER_BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW0";

interface Form {
  readonly name: string;
  readonly boundary: string;
  readonly body: Buffer;
  /** Octets of content in all parts. */
  readonly contentBytes: number;
}

function fileForm(name: string, boundary: string, fill: (content: Buffer) => void): Form {
  const content = Buffer.alloc(FILE_BYTES);
  fill(content);
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="x.bin"\r\n` +
    "Content-Type: application/octet-stream\r\n\r\n";
  const body = Buffer.concat([Buffer.from(head), content, Buffer.from(`\r\n--${boundary}--\r\n`)]);
  return { name, boundary, body, contentBytes: FILE_BYTES };
}

function fieldsForm(name: string, boundary: string): Form {
  const value = "a value of about thirty octets";
  let text = "";
  for (let i = 0; i < 500; i++) {
    text += `--${boundary}\r\nContent-Disposition: form-data; name="field-${i}"\r\n\r\n${value}\r\n`;
  }
  return {
    name,
    boundary,
    body: Buffer.from(`${text}--${boundary}--\r\n`),
    contentBytes: 500 * value.length,
  };
}

const FORMS: readonly Form[] = [
  fileForm("random", BROWSER_BOUNDARY, (content) => {
    let state = 1;
    for (let i = 0; i < content.length; i++) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      content[i] = state >>> 16;
    }
  }),
  fileForm("text", BROWSER_BOUNDARY, (content) => {
    content.fill("The quick brown fox jumps over the lazy dog, again and again\r\n");
  }),
  fileForm("line ends", BROWSER_BOUNDARY, (content) => {
    content.fill("\r\n");
  }),
  fileForm("short boundary", "X", (content) => {
    content.fill("The quick brown fox jumps over the lazy dog, again and again\r\n");
  }),
  fileForm("worst", "A".repeat(70), (content) => {
    content.fill("A");
  }),
  fieldsForm("500 fields", BROWSER_BOUNDARY),
];

/** Reads a form with our parser; returns the octets of content. */
function readOurs(form: Form): number {
  let octets = 0;
  const parser = new MultipartParser(form.boundary, {
    onPartBegin: () => {},
    onPartData: (_, start, end) => {
      octets += end - start;
    },
    onPartEnd: () => {},
  });
  for (let at = 0; at < form.body.length; at += PIECE_BYTES) {
    parser.feed(form.body, at, Math.min(at + PIECE_BYTES, form.body.length));
  }
  parser.finish();
  return octets;
}

/** The same with busboy, which is a stream: its pieces are written as fast as it takes them. */
async function readBusboys(form: Form): Promise<number> {
  let octets = 0;
  const stream = busboy({ headers: { "content-type": `multipart/form-data; boundary=${form.boundary}` } });
  stream.on("file", (_name, file) => {
    file.on("data", (piece: Buffer) => {
      octets += piece.length;
    });
  });
  stream.on("field", (_name, value) => {
    octets += value.length;
  });
  const closed = new Promise<void>((resolve, reject) => {
    stream.on("close", resolve);
    stream.on("error", reject);
  });
  for (let at = 0; at < form.body.length; at += PIECE_BYTES) {
    const more = stream.write(form.body.subarray(at, Math.min(at + PIECE_BYTES, form.body.length)));
    if (!more) await new Promise((resolve) => stream.once("drain", resolve));
  }
  stream.end();
  await closed;
  return octets;
}

const bench = new Bench({ time: 400, warmupTime: 200, iterations: 8 });
for (const form of FORMS) {
  assert.equal(readOurs(form), form.contentBytes, `ours: ${form.name}`);
  assert.equal(await readBusboys(form), form.contentBytes, `busboy: ${form.name}`);
  bench.add(`${form.name}|cartouche`, () => {
    readOurs(form);
  });
  bench.add(`${form.name}|busboy`, async () => {
    await readBusboys(form);
  });
}
await bench.run();

const { versions } = process as { versions: Record<string, string | undefined> };
const runtime = versions.deno !== undefined
  ? `Deno ${versions.deno}`
  : versions.bun !== undefined
  ? `Bun ${versions.bun}`
  : `Node ${process.version}`;
console.log(`${runtime}; ${cpus().length} × ${cpus()[0]?.model ?? "unknown"}; busboy 1.6.0; MiB/s, median`);
console.log("form            cartouche     busboy");
for (const form of FORMS) {
  const rate = (contestant: string): string => {
    const result = bench.tasks.find((task) => task.name === `${form.name}|${contestant}`)?.result;
    assert.ok(result !== undefined && "latency" in result, `${form.name}, ${contestant} has no result`);
    return (form.body.length / MIB / (result.latency.p50 / 1000)).toFixed(0).padStart(11);
  };
  console.log(`${form.name.padEnd(14)}${rate("cartouche")}${rate("busboy")}`);
}
