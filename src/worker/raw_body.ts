/**
 * A response body that is there at once, text or bytes, and what reading it gives.
 * Runs on: worker; runtime API: none
 *
 * The readers give what those of a native response would (Fetch standard, section 5.3): UTF-8 both ways,
 * without a byte order mark and without lone surrogates, and copies of bytes.
 */

/** Text, or bytes that may lie in shared memory. */
export type RawBody = string | Uint8Array;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What `text()` gives for `body`; null is no body. */
export function textOf(body: RawBody | null): string {
  if (body === null) return "";
  // A decoder that refuses shared memory exists (browsers'), and this way costs nothing on bytes that are not
  // shared.
  if (typeof body !== "string") return decoder.decode(unshared(body) as Uint8Array<ArrayBuffer>);
  const text = body.charCodeAt(0) === 0xfeff ? body.slice(1) : body;
  return text.toWellFormed();
}

/** What `bytes()` gives for `body`: memory of its own, and nothing else in it. */
export function bytesOf(body: RawBody | null): Uint8Array<ArrayBuffer> {
  if (body === null) return new Uint8Array(0);
  if (typeof body !== "string") return new Uint8Array(body);
  const bytes = encoder.encode(body);
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
}

/** `body` for native constructors, which refuse views of shared memory (Deno, Node): those are copied. */
export function unshared(body: RawBody): string | Uint8Array<ArrayBuffer> {
  if (typeof body === "string" || body.buffer instanceof ArrayBuffer) {
    return body as string | Uint8Array<ArrayBuffer>;
  }
  return new Uint8Array(body);
}
