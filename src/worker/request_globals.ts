/**
 * The globals `Request` and `fetch` of a worker: they take a `ServerRequest` where they would take a native one.
 * Runs on: worker; runtime API: none
 *
 * Native functions look for slots that only native objects have, so both get a native object in its place. Then a
 * handler that passes its request on, `fetch(request)`, is a proxy as it is on other servers.
 *
 * What `fetch` sends on for a client is a request of this machine's own: the fields that are about the client's
 * connection stay behind (RFC 9110 section 7.6.1), unless the caller gave fields himself.
 */
import {
  isMethodKept,
  isReceived,
  keepMethod,
  markReceived,
  mayHaveBody,
  NativeRequest,
  nativeRequest,
} from "./native_request.ts";
import { ServerRequest } from "./request.ts";

/**
 * Not for the next server: what RFC 9110 section 7.6.1 names besides the options of Connection; Host, which the URL
 * decides; Expect, which was answered here; Trailer, because `fetch` sends none.
 */
const CONNECTION_FIELDS = [
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
  "host",
  "expect",
  "trailer",
];

type Input = RequestInfo | URL;

/**
 * Replaces the globals, so that `new Request(serverRequest, init)` and `fetch(serverRequest, init)` work as they do
 * for a native request, and `fetch(url, serverRequest)` too. Call it before user code is imported.
 *
 * @returns undoes it
 */
export function installRequest(): () => void {
  const { Request: previous, fetch: nativeFetch } = globalThis;
  class WorkerRequest extends NativeRequest {
    constructor(input: Input, init?: RequestInit) {
      const source = nativeOf(input, init);
      super(source, isServerRequest(init) ? initOf(init) : init);
      if (isMethodKept(source) && init?.method === undefined) keepMethod(this, source.method);
      if (isOfClient(init) || (isReceived(source) && init?.headers === undefined)) markReceived(this);
    }
    static override [Symbol.hasInstance](value: unknown): boolean {
      return value instanceof NativeRequest;
    }
  }
  Object.defineProperty(WorkerRequest, "name", { value: "Request" });
  const workerFetch = (input: Input, init?: RequestInit): Promise<Response> => {
    if (!isOfClient(input) && !isMethodKept(input) && !isOfClient(init)) return nativeFetch(input, init);
    try {
      return nativeFetch(...passedOn(input, init));
    } catch (error) {
      return Promise.reject(error);
    }
  };
  Object.defineProperty(workerFetch, "name", { value: "fetch" });
  // What a runtime adds to its own function (Bun's `preconnect`).
  Object.setPrototypeOf(workerFetch, nativeFetch);
  globalThis.Request = WorkerRequest;
  globalThis.fetch = workerFetch as typeof fetch;
  return () => {
    globalThis.Request = previous;
    globalThis.fetch = nativeFetch;
  };
}

function isServerRequest(value: unknown): value is ServerRequest {
  return value instanceof ServerRequest;
}

function isOfClient(value: unknown): value is ServerRequest | Request {
  return isServerRequest(value) || isReceived(value);
}

/** A native request in the place of ours. A body in `init` replaces that of the request, which is left as it is. */
function nativeOf(input: unknown, init: RequestInit | undefined): Input {
  if (!isServerRequest(input)) return input as Input;
  const replacesBody = init?.body !== undefined && init.body !== null;
  return replacesBody ? nativeRequest(input, null) : input.toRequest();
}

/** What `init` says when it is a request, for native functions. */
function initOf({ method, headers, body, signal }: Request | ServerRequest): RequestInit {
  const init: RequestInit & { duplex: "half" } = { method, headers, signal, duplex: "half" };
  init.body = mayHaveBody(method) ? body : null;
  return init;
}

/** The arguments of the native `fetch`. @throws TypeError for a method that may not be sent, or a body that was used */
function passedOn(input: Input, init: RequestInit | undefined): [Input, RequestInit | undefined] {
  const source = nativeOf(input, init);
  if (isOfClient(init)) {
    const own = initOf(init);
    return [source, { ...own, headers: endToEnd(init.headers, own.body !== null) }];
  }
  if (isMethodKept(source) && init?.method === undefined) {
    throw new TypeError(
      `fetch sends no request with method ${source.method} (Fetch standard, section 2.2.1)`,
    );
  }
  if (!isReceived(source) || init?.headers !== undefined) return [source, init];
  const keepsBody = source.body !== null && (init?.body === undefined || init.body === null);
  return [source, { ...init, headers: endToEnd(source.headers, keepsBody) }];
}

/** The fields of a client's request without those of its connection. */
function endToEnd(fields: Headers, keepsBody: boolean): Headers {
  const headers = new Headers(fields);
  for (const option of (fields.get("connection") ?? "").split(",")) {
    const name = option.trim();
    if (/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) headers.delete(name);
  }
  for (const name of CONNECTION_FIELDS) headers.delete(name);
  if (!keepsBody) headers.delete("content-length");
  // `fetch` decodes what it gets and leaves Content-Encoding in the response, which then is not true any more.
  headers.set("accept-encoding", "identity");
  return headers;
}
