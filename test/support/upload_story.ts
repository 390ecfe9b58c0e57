/**
 * A client's story with several uploads, told up to any point; and the check that no promise was broken.
 * Runs on: any; runtime API: none
 *
 * `note` gets each promise of the server right when its answer is there. Whatever happens then (kill, power
 * cut, full disk), `checkPromises` must pass on the next server over the same files: what was acknowledged is
 * there, what is there is right, and each upload can be brought to its end.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { UploadRequest } from "../../src/upload/upload_request.ts";
import { bytesOf, type Content, idOf, patternBytes, requestOf } from "./upload_bench.ts";

/** What the server has promised about one upload. */
export interface UploadPromise {
  readonly key: UploadKey;
  readonly url: string;
  /** Bytes that were acknowledged; -1 once its removal was. */
  readonly offset: number;
  /** A removal is asked for: it may or may not be there. */
  readonly leaving?: boolean;
}

/** The uploads of the story, with all their bytes. */
export const UPLOADS = {
  plain: patternBytes(30, 11),
  deferred: patternBytes(10, 12),
  first: patternBytes(7, 13),
  second: patternBytes(9, 14),
  final: Buffer.concat([patternBytes(9, 14), patternBytes(7, 13)]),
  removed: patternBytes(8, 15),
  empty: new Uint8Array(),
  atOnce: patternBytes(6, 16),
} as const;

export type UploadKey = keyof typeof UPLOADS;

type Fetch = (request: UploadRequest) => Promise<Response>;

/** Tells the story. */
export async function tellUploadStory(fetch: Fetch, note: (promise: UploadPromise) => void): Promise<void> {
  const create = async (
    key: UploadKey,
    fields: Record<string, string>,
    content: Content = {},
  ): Promise<string> => {
    const response = await send(fetch, "POST", "/files/", fields, content);
    const url = response.headers.get("location");
    if (response.status !== 201 || url === null) throw new Error(`POST answered ${response.status}`);
    note({ key, url, offset: Number(response.headers.get("upload-offset") ?? 0) });
    return url;
  };
  const append = async (
    key: UploadKey,
    url: string,
    from: number,
    to: number,
    fields = {},
  ): Promise<void> => {
    const bytes = UPLOADS[key].subarray(from, to);
    const response = await patch(
      fetch,
      url,
      from,
      { chunks: [bytes.subarray(0, 2), bytes.subarray(2)] },
      fields,
    );
    if (response.status !== 204) throw new Error(`PATCH answered ${response.status}`);
    note({ key, url, offset: Number(response.headers.get("upload-offset")) });
  };
  const look = async (key: UploadKey, url: string): Promise<number> => {
    const response = await send(fetch, "HEAD", url);
    if (response.status !== 200) throw new Error(`HEAD answered ${response.status}`);
    const offset = Number(response.headers.get("upload-offset"));
    note({ key, url, offset });
    return offset;
  };

  const plain = await create("plain", { "upload-length": "30", "upload-metadata": "name cGxhaW4=" });
  await append("plain", plain, 0, 10);
  const sum = sumOf(bytesOf("right"));
  const wrong = await patch(fetch, plain, 10, { chunks: [bytesOf("wrong")] }, sum);
  if (wrong.status !== 460) throw new Error(`A wrong checksum was answered ${wrong.status}`);
  await look("plain", plain);
  await append("plain", plain, 10, 18, sumOf(UPLOADS.plain.subarray(10, 18)));
  await patch(fetch, plain, 18, { chunks: [bytesOf("never")], announced: 9, cut: true }, sum);
  await look("plain", plain);
  await append("plain", plain, 18, 20);
  await look("plain", plain);
  await patch(fetch, plain, 20, { chunks: [UPLOADS.plain.subarray(20, 24)], announced: 10, cut: true });
  const offset = await look("plain", plain);
  const excess = { chunks: [UPLOADS.plain.subarray(offset, offset + 3), bytesOf("too much")], chunked: true };
  const tooMuch = await patch(fetch, plain, offset, excess);
  if (tooMuch.status !== 413) throw new Error(`Too much was answered ${tooMuch.status}`);
  await append("plain", plain, await look("plain", plain), 30);

  const deferred = await create("deferred", { "upload-defer-length": "1" });
  await append("deferred", deferred, 0, 5);
  await append("deferred", deferred, 5, 10, { "upload-length": "10" });

  const parts: string[] = [];
  for (const key of ["second", "first"] as const) {
    const length = String(UPLOADS[key].length);
    const url = await create(key, { "upload-concat": "partial", "upload-length": length });
    await append(key, url, 0, UPLOADS[key].length);
    parts.push(url);
  }
  const final = await send(fetch, "POST", "/files/", { "upload-concat": `final;${parts.join(" ")}` });
  const finalUrl = final.headers.get("location");
  if (final.status !== 201 || finalUrl === null) {
    throw new Error(`The concatenation answered ${final.status}`);
  }
  note({ key: "final", url: finalUrl, offset: UPLOADS.final.length });

  const removed = await create("removed", { "upload-length": "8" });
  await append("removed", removed, 0, 4);
  note({ key: "removed", url: removed, offset: 4, leaving: true });
  const gone = await send(fetch, "DELETE", removed);
  if (gone.status !== 204) throw new Error(`DELETE answered ${gone.status}`);
  note({ key: "removed", url: removed, offset: -1 });

  await create("empty", { "upload-length": "0" });
  const fields = { "upload-length": "6", "content-type": "application/offset+octet-stream" };
  await create("atOnce", fields, { chunks: [UPLOADS.atOnce] });
}

/**
 * Checks that all promises hold, and ends the uploads.
 * @param read the bytes of the data file of an id
 */
export async function checkPromises(
  fetch: Fetch,
  promises: readonly UploadPromise[],
  read: (id: string) => Uint8Array | undefined,
): Promise<void> {
  const last = new Map<string, UploadPromise>();
  for (const promise of promises) last.set(promise.url, promise);
  for (const { key, url, offset: promised, leaving } of last.values()) {
    const whole = UPLOADS[key];
    const head = await send(fetch, "HEAD", url);
    if (head.status === 404 && (promised < 0 || leaving === true)) continue;
    assert.equal(head.status, promised < 0 ? 404 : 200, `HEAD of ${key}`);
    const offset = Number(head.headers.get("upload-offset"));
    assert.ok(offset >= promised, `${key}: ${promised} bytes were acknowledged, ${offset} are there`);
    assert.ok(offset <= whole.length, `${key}: ${offset} bytes are more than were sent`);
    const bytes = read(idOf(url));
    assert.ok(bytes !== undefined && bytes.length >= offset, `${key}: fewer bytes than the offset ${offset}`);
    assert.equal(
      Buffer.compare(bytes.subarray(0, offset), whole.subarray(0, offset)),
      0,
      `${key}: other bytes`,
    );
    if (key !== "final") {
      const rest = { chunks: [whole.subarray(offset)] };
      const length: Record<string, string> = key === "deferred"
        ? { "upload-length": String(whole.length) }
        : {};
      const response = await patch(fetch, url, offset, rest, length);
      assert.equal(response.status, 204, `${key}: resuming at ${offset}`);
    }
    assert.deepEqual(Buffer.from(read(idOf(url)) ?? []), Buffer.from(whole), `${key}: the whole`);
  }
}

function sumOf(bytes: Uint8Array): Record<string, string> {
  return { "upload-checksum": `sha1 ${createHash("sha1").update(bytes).digest("base64")}` };
}

function send(
  fetch: Fetch,
  method: string,
  url: string,
  fields = {},
  content: Content = {},
): Promise<Response> {
  return fetch(requestOf(method, url, { "tus-resumable": "1.0.0", ...fields }, content));
}

function patch(fetch: Fetch, url: string, offset: number, content: Content, fields = {}): Promise<Response> {
  const type = "application/offset+octet-stream";
  return send(
    fetch,
    "PATCH",
    url,
    { "content-type": type, "upload-offset": String(offset), ...fields },
    content,
  );
}
