/**
 * Native `Request` objects that stand for a request which a client sent.
 * Runs on: worker; runtime API: none
 *
 * They are made late, for what only a native object can do. Two things are remembered of them that they cannot hold:
 * that their fields are a client's, some of which belong to its connection alone (see `request_globals.ts`), and a
 * method that the Fetch standard forbids (section 2.2.1: CONNECT, TRACE, TRACK). A server gets such requests, and
 * looking at one must not fail; only sending it on does.
 */

/** The runtime's own class, whatever `globalThis.Request` is by now. */
export const NativeRequest: typeof Request = globalThis.Request;

const FORBIDDEN_METHOD = /^(?:connect|trace|track)$/i;

const BODYLESS_METHOD = /^(?:get|head)$/i;

const received = new WeakSet<object>();

/** What a native request is made of. */
export interface RequestParts {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly signal: AbortSignal;
}

/** Whether a native request with this method can have a body. */
export function mayHaveBody(method: string): boolean {
  return !BODYLESS_METHOD.test(method);
}

/** Makes a native request with these parts and this body. */
export function nativeRequest(
  parts: RequestParts,
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
): Request {
  const { url, method, headers, signal } = parts;
  const isForbidden = FORBIDDEN_METHOD.test(method);
  const init: RequestInit & { duplex?: "half" } = { method, headers, signal };
  if (isForbidden) init.method = body === null ? "GET" : "POST";
  if (body !== null) {
    init.body = body;
    init.duplex = "half";
  }
  return markReceived(keepMethod(new NativeRequest(url, init), method));
}

/** Remembers that the fields of a native request are a client's. */
export function markReceived(native: Request): Request {
  received.add(native);
  return native;
}

/** Whether the fields of a native request are a client's. */
export function isReceived(value: unknown): value is Request {
  return typeof value === "object" && value !== null && received.has(value);
}

/** Gives a native request the method that it stands for, if it may not have that itself. */
export function keepMethod(native: Request, method: string): Request {
  if (!FORBIDDEN_METHOD.test(method)) return native;
  const clone = (): Request => keepMethod(NativeRequest.prototype.clone.call(native), method);
  return Object.defineProperties(native, {
    method: { value: method, enumerable: true, configurable: true },
    clone: { value: clone, writable: true, configurable: true },
  });
}

/** Whether a native request has a method that it can only say, not send. */
export function isMethodKept(value: unknown): value is Request {
  return value instanceof NativeRequest && Object.hasOwn(value, "method");
}
