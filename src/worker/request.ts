/**
 * A request as its handler sees it.
 * Runs on: worker; runtime API: none
 *
 * To anyone who looks it is a web `Request`: the same members, `instanceof Request` holds. Nothing is decoded before
 * it is asked for, because most handlers look at two or three things. What only a native object can do (`clone`, being
 * passed to `fetch`) gets a native object, made then. Beyond the standard there are the router's `params`, the
 * connection's facts, early `respond`, and reads that block. It is one long class, because that is what the standard
 * has: no member is more than a few lines.
 */
import { Buffer } from "node:buffer";
import { CartoucheError } from "../errors.ts";
import { RequestFlag, type RequestView } from "../messages/request_message.ts";
import { type BodyReader, bodyUsedError } from "./body_reader.ts";
import type { Call } from "./call.ts";
import type { EventStream } from "./event_stream.ts";
import { parseFormData } from "./form_data.ts";
import { markReceived, mayHaveBody, NativeRequest, nativeRequest } from "./native_request.ts";
import type { EventStreamOptions, WebSocketOptions } from "./upgrade.ts";
import type { WebSocketHandle } from "./web_socket.ts";

/** The hooks by which `console.log` asks an object to describe itself: on Node and Bun, and on Deno. */
const INSPECT: unique symbol = Symbol.for("nodejs.util.inspect.custom");
const DENO_INSPECT: unique symbol = Symbol.for("Deno.customInspect");

type Inspect = (value: unknown, options?: object) => string;

/** What can be sent as content: text, or octets in whatever form. */
export type ResponseContent = string | ArrayBuffer | ArrayBufferView;

/** Sends a response in pieces, each of which blocks until the client takes it. From {@link ServerRequest.stream}. */
export interface ResponseWriter {
  /**
   * Sends a piece, blocking this thread while the client is slow.
   *
   * @throws CartoucheError `ERR_CLIENT_GONE`; `ERR_RESULT` for what is neither text nor octets
   */
  writeSync(chunk: ResponseContent): void;
  /** Sends a piece; resolves when there is room for more. */
  write(chunk: ResponseContent): Promise<void>;
  /** Completes the response. */
  end(): void;
}

/** What answering needs; set by the thread, so that this file knows nothing of encoders. */
export interface Responder {
  respond(
    request: ServerRequest,
    status: number,
    fields: HeadersInit | undefined,
    body: ResponseContent | null,
  ): void;
  open(request: ServerRequest, status: number, fields: HeadersInit | undefined): ResponseWriter;
  interim(request: ServerRequest, status: number, fields: HeadersInit | undefined): void;
  upgrade(request: ServerRequest, options: WebSocketOptions, key: string): WebSocketHandle | null;
  eventStream(request: ServerRequest, options: EventStreamOptions): EventStream | null;
}

const PARAMS_NONE: Record<string, string> = Object.freeze(Object.create(null));

let responderOf: (request: ServerRequest<object>) => Responder;
let callOf: (request: ServerRequest<object>) => Call;
/** Decoding a range of octets without a view of it; on every runtime's Buffer, and in nobody's types. */
type Latin1Buffer = Buffer & { latin1Slice(start: number, end: number): string };

let slab: Uint8Array = new Uint8Array(0);
let slabBuffer = Buffer.alloc(0) as Latin1Buffer;

/** A buffer over the same memory, made once per slab. */
function asBuffer(bytes: Uint8Array): Latin1Buffer {
  if (slab !== bytes) {
    slab = bytes;
    slabBuffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) as Latin1Buffer;
  }
  return slabBuffer;
}

/** A request. `Params` is what the route's pattern names. */
export class ServerRequest<Params extends object = Record<string, string>> {
  /** What the route's pattern captured, percent-decoded; empty without a router. */
  params: Params = PARAMS_NONE as Params;
  readonly #call: Call;
  readonly #view: RequestView;
  readonly #responder: Responder;
  #method = "";
  #target: string | null = null;
  #path: string | null = null;
  #url = "";
  #query: URLSearchParams | null = null;
  #headers: Headers | null = null;
  #native: Request | null = null;
  /** The same once it has taken the body over: whoever reads here reads there. */
  #heir: Request | null = null;

  static {
    callOf = (request) => request.#call;
    responderOf = (request) => request.#responder;
  }

  /** Made by the worker's loop only. */
  constructor(call: Call, responder: Responder) {
    this.#call = call;
    this.#view = call.view;
    this.#responder = responder;
  }

  // ── the request line ───────────────────────────────────────────────────────────────────────────────────────────

  /** The method, case-sensitive as it was sent. */
  get method(): string {
    if (this.#method === "") {
      const { methodStart, methodEnd, isGet } = this.#view;
      this.#method = isGet ? "GET" : this.#text(methodStart, methodEnd);
    }
    return this.#method;
  }

  /** The request-target as it was sent (RFC 9112 section 3.2). */
  get target(): string {
    return this.#target ??= this.#text(this.#view.targetStart, this.#view.targetEnd);
  }

  /** The path as it was sent, still percent-encoded, without the query. Begins with "/", or is "*". */
  get path(): string {
    if (this.#path === null) {
      const target = originForm(this.target);
      const query = target.indexOf("?");
      this.#path = query < 0 ? target : target.slice(0, query);
    }
    return this.#path;
  }

  /** The parameters of the query. */
  get query(): URLSearchParams {
    if (this.#query === null) {
      const mark = this.target.indexOf("?");
      this.#query = new URLSearchParams(mark < 0 ? "" : this.target.slice(mark + 1));
    }
    return this.#query;
  }

  /** The absolute URL: from the Host field, or the target's own authority (RFC 9112 section 3.3). */
  get url(): string {
    if (this.#url === "") {
      const target = this.target;
      if (target.startsWith("/")) this.#url = `http://${this.header("host") || "localhost"}${target}`;
      else if (target === "*") this.#url = `http://${this.header("host") || "localhost"}/`;
      else this.#url = withPath(target);
    }
    return this.#url;
  }

  /** "1.1" or "1.0". */
  get httpVersion(): "1.0" | "1.1" {
    return (this.#view.flags & RequestFlag.Http11) !== 0 ? "1.1" : "1.0";
  }

  // ── the connection ─────────────────────────────────────────────────────────────────────────────────────────────

  /** The client's IP address; "" over a unix socket. */
  get remoteAddress(): string {
    return this.#text(this.#view.remoteStart, this.#view.remoteEnd);
  }

  /** The client's port; 0 over a unix socket. */
  get remotePort(): number {
    return this.#view.remotePort;
  }

  // ── fields ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * The value of a field, the values of several lines joined by ", " ("; " in Cookie); null if there is none. Looks at
   * the octets of the head: cheaper than `headers.get` when little is asked.
   */
  header(name: string): string | null {
    if (this.#headers !== null) return this.#headers.get(name);
    const view = this.#view;
    let found: string | null = null;
    for (let i = 0; i < view.fieldCount; i++) {
      const start = view.fieldAt(i, 0);
      if (view.fieldAt(i, 1) - start !== name.length) continue;
      if (!sameName(view.bytes, start, name)) continue;
      const value = this.#text(view.fieldAt(i, 2), view.fieldAt(i, 3));
      found = found === null ? value : found + (isCookie(name) ? "; " : ", ") + value;
    }
    return found;
  }

  /** The fields. */
  get headers(): Headers {
    if (this.#headers === null) {
      const headers = new Headers();
      const view = this.#view;
      for (let i = 0; i < view.fieldCount; i++) {
        const name = this.#text(view.fieldAt(i, 0), view.fieldAt(i, 1));
        const value = this.#text(view.fieldAt(i, 2), view.fieldAt(i, 3));
        const before = isCookie(name) ? headers.get(name) : null;
        // Deno's own way is a comma, which would make one cookie of two.
        if (before === null) headers.append(name, value);
        else headers.set(name, `${before}; ${value}`);
      }
      this.#headers = headers;
    }
    return this.#headers;
  }

  /** Field lines as they came: names and values by turns, in order. */
  get rawHeaders(): string[] {
    const view = this.#view;
    const lines: string[] = [];
    for (let i = 0; i < view.fieldCount; i++) {
      lines.push(this.#text(view.fieldAt(i, 0), view.fieldAt(i, 1)));
      lines.push(this.#text(view.fieldAt(i, 2), view.fieldAt(i, 3)));
    }
    return lines;
  }

  /** Trailer fields of a chunked body; empty until the body was read to its end. */
  get trailers(): Headers {
    return new Headers(this.#call.body.trailers.map(([name, value]) => [name, value] as [string, string]));
  }

  // ── the body, as the Fetch standard has it ─────────────────────────────────────────────────────────────────────

  /** The body as a web stream; null if the request has none. */
  get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    if (this.#heir !== null) return this.#heir.body;
    return this.#call.body.stream() as ReadableStream<Uint8Array<ArrayBuffer>> | null;
  }

  /** Whether somebody has begun to read the body. */
  get bodyUsed(): boolean {
    if (this.#heir !== null) return this.#heir.bodyUsed;
    return this.#call.body.used;
  }

  /** All of the body. This and what follows reject with a TypeError (`ERR_BODY_USED`) if it is used or locked. */
  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#read((bytes) => bytes);
  }

  /** All of the body. */
  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#read((bytes) => {
      const exact = bytes.byteLength === bytes.buffer.byteLength;
      return exact ? bytes.buffer : bytes.slice().buffer;
    });
  }

  /** All of the body as UTF-8 text. */
  text(): Promise<string> {
    return this.#read(decodeText);
  }

  /** All of the body as JSON. @throws SyntaxError */
  json(): Promise<unknown> {
    return this.#read((bytes) => JSON.parse(decodeText(bytes)) as unknown);
  }

  /** All of the body. */
  blob(): Promise<Blob> {
    const type = this.header("content-type") ?? "";
    return this.#read((bytes) => new Blob([bytes], { type }));
  }

  /**
   * A form: `multipart/form-data` or `application/x-www-form-urlencoded`, in memory.
   * @throws CartoucheError `ERR_BODY_SYNTAX` for something else, or a form that is malformed
   */
  formData(): Promise<FormData> {
    return this.#read((bytes) => parseFormData(bytes, this.header("content-type") ?? ""));
  }

  async #read<T>(convert: (bytes: Uint8Array<ArrayBuffer>) => T): Promise<T> {
    if (this.#heir !== null) {
      if (isUsed(this.#heir)) throw bodyUsedError("the body was read before, or is being read");
      return convert(new Uint8Array(await this.#heir.arrayBuffer()));
    }
    const body = this.#call.body;
    body.claim();
    return convert(await body.bytes() as Uint8Array<ArrayBuffer>);
  }

  // ── the body, blocking ─────────────────────────────────────────────────────────────────────────────────────────

  /**
   * All of the body; blocks this thread while it arrives.
   *
   * @throws TypeError `ERR_BODY_USED`; CartoucheError `ERR_CLIENT_GONE`, `ERR_BODY_TOO_LARGE`, `ERR_TIMEOUT`
   */
  bytesSync(): Uint8Array {
    const body = this.#bodyHere();
    body.claim();
    return body.bytesBlocking();
  }

  /** All of the body as UTF-8 text; blocks. */
  textSync(): string {
    return decodeText(this.bytesSync());
  }

  /** All of the body as JSON; blocks. @throws SyntaxError */
  jsonSync(): unknown {
    return JSON.parse(this.textSync());
  }

  /** Reads into `buffer` as much as is at hand, blocking only if nothing is. @returns octets read; 0 at the end */
  readSync(buffer: Uint8Array): number {
    const body = this.#bodyHere();
    body.used = body.hasBody;
    return body.readInto(buffer);
  }

  /** Reads piece by piece, blocking for each. */
  *chunksSync(): IterableIterator<Uint8Array> {
    const body = this.#bodyHere();
    body.claim();
    for (let piece = body.readBlocking(); piece !== null; piece = body.readBlocking()) yield piece;
  }

  /** The body, unless a native request has it, which nobody can read blocking. */
  #bodyHere(): BodyReader {
    if (this.#heir === null) return this.#call.body;
    throw bodyUsedError("the body went to a native Request (clone() or the like)");
  }

  // ── answering early ────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether the response is decided (interim responses do not count). */
  get responded(): boolean {
    return this.#call.responded;
  }

  /**
   * Answers now. The handler may go on working afterwards; the client has its response.
   *
   * @param headers Headers, a record, or anything that gives pairs
   * @throws CartoucheError `ERR_ALREADY_RESPONDED`, `ERR_HEADER`, `ERR_RESULT` for a body that is neither text nor octets
   */
  respond(status = 200, headers?: HeadersInit, body: ResponseContent | null = null): void {
    if (this.#call.responded) {
      throw new CartoucheError("ERR_ALREADY_RESPONDED", "the request has its response already");
    }
    this.#responder.respond(this as unknown as ServerRequest, status, headers, body);
  }

  /**
   * Makes this request a WebSocket; its events go to the app's `websocket` handlers (or the route's, with
   * `router.websocket`). Return nothing afterwards.
   *
   * @returns the connection, to which one may send at once; null if the handshake was wrong (it is answered with 400,
   * 403, 405 or 426) or the client is gone
   */
  upgradeWebSocket(options: WebSocketOptions = {}): WebSocketHandle | null {
    return this.#responder.upgrade(this as unknown as ServerRequest, options, "");
  }

  /** Makes this request an event stream; null if the client is gone. Return nothing afterwards. */
  eventStream(options: EventStreamOptions = {}): EventStream | null {
    return this.#responder.eventStream(this as unknown as ServerRequest, options);
  }

  /**
   * Sends an interim response (RFC 9110 section 15.2), such as 103 Early Hints. An HTTP/1.0 client gets none.
   *
   * @param status 102 to 199
   * @throws CartoucheError `ERR_ALREADY_RESPONDED`, `ERR_RESULT` for another status
   */
  sendInterim(status: number, headers?: HeadersInit): void {
    if (this.#call.responded) {
      throw new CartoucheError("ERR_ALREADY_RESPONDED", "the request has its response already");
    }
    if (!Number.isInteger(status) || status < 102 || status > 199) {
      throw new CartoucheError(
        "ERR_RESULT",
        `an interim response has a status from 102 to 199: it is ${status}`,
      );
    }
    if (this.httpVersion === "1.1") {
      this.#responder.interim(this as unknown as ServerRequest, status, headers);
    }
  }

  /** Begins a response that is written piece by piece. @throws CartoucheError `ERR_ALREADY_RESPONDED` */
  stream(status = 200, headers?: HeadersInit): ResponseWriter {
    if (this.#call.responded) {
      throw new CartoucheError("ERR_ALREADY_RESPONDED", "the request has its response already");
    }
    return this.#responder.open(this as unknown as ServerRequest, status, headers);
  }

  // ── the rest of the standard's Request ─────────────────────────────────────────────────────────────────────────

  /** Aborted when the client leaves or the deadline passes; `reason` is a CartoucheError. */
  get signal(): AbortSignal {
    return this.#call.signal;
  }

  /**
   * A native `Request` with the same content; it takes the body over.
   *
   * @throws TypeError `ERR_BODY_USED` when that was read before, or is being read
   */
  toRequest(): Request {
    if (this.#native === null) {
      const { method } = this;
      const reader = this.#call.body;
      const body = reader.hasBody && mayHaveBody(method) ? this.body : null;
      if (body !== null && reader.isUnusable) {
        throw bodyUsedError("the body was read before, or is being read");
      }
      this.#native = nativeRequest(this, body);
      if (body !== null) this.#heir = this.#native;
    }
    return this.#native;
  }

  /** A native copy; both share the body from now on. @throws TypeError `ERR_BODY_USED` */
  clone(): Request {
    const native = this.toRequest();
    if (isUsed(native)) throw bodyUsedError("the body was read before, or is being read");
    return markReceived(native.clone());
  }

  get cache(): RequestCache {
    return "default";
  }
  get credentials(): RequestCredentials {
    return "same-origin";
  }
  get destination(): RequestDestination {
    return "";
  }
  get integrity(): string {
    return "";
  }
  get keepalive(): boolean {
    return false;
  }
  get mode(): RequestMode {
    return "cors";
  }
  get redirect(): RequestRedirect {
    return "follow";
  }
  get referrer(): string {
    return "about:client";
  }
  get referrerPolicy(): ReferrerPolicy {
    return "";
  }
  get duplex(): "half" {
    return "half";
  }
  get [Symbol.toStringTag](): string {
    return "Request";
  }

  /** What `console.log` shows on Node and Bun. */
  [INSPECT](_depth: number, options: object, inspect: Inspect): string {
    return this.#describe(inspect, options);
  }

  /** The same on Deno. */
  [DENO_INSPECT](inspect: Inspect, options: object): string {
    return this.#describe(inspect, options);
  }

  #describe(inspect: Inspect, options: object): string {
    const { method, url, params, bodyUsed, remoteAddress } = this;
    const headers = Object.fromEntries(this.headers);
    return `Request ${
      inspect({ method, url, params: { ...params }, headers, bodyUsed, remoteAddress }, options)
    }`;
  }

  #text(start: number, end: number): string {
    return asBuffer(this.#view.bytes).latin1Slice(start, end);
  }
}

Object.setPrototypeOf(ServerRequest.prototype, NativeRequest.prototype);
// What a runtime has beyond the members above (`isReloadNavigation`, `textStream`) would fail on our instances.
const blank = new NativeRequest("http://localhost/");
for (const name of Object.getOwnPropertyNames(NativeRequest.prototype)) {
  if (Object.hasOwn(ServerRequest.prototype, name)) continue;
  const { value: method, get } = Object.getOwnPropertyDescriptor(NativeRequest.prototype, name) ?? {};
  const forward = function (this: ServerRequest, ...args: unknown[]): unknown {
    return (method as (...args: unknown[]) => unknown).apply(this.toRequest(), args);
  };
  const value: unknown = typeof method === "function" ? forward : get?.call(blank);
  Object.defineProperty(ServerRequest.prototype, name, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

/** The call behind a request; for the worker's own code. */
export function callOfRequest(request: ServerRequest<object>): Call {
  return callOf(request);
}

/** Makes a request a WebSocket whose events go to certain handlers; for the router. */
export function upgradeWith(
  request: ServerRequest,
  options: WebSocketOptions,
  key: string,
): WebSocketHandle | null {
  return responderOf(request).upgrade(request, options, key);
}

const decoder = new TextDecoder();

/** Whether nothing can be read of a native request's body any more. */
function isUsed(native: Request): boolean {
  return native.bodyUsed || native.body?.locked === true;
}

/** The one field whose lines are not joined by a comma (RFC 9113 section 8.2.3). */
function isCookie(name: string): boolean {
  return name.length === 6 && name.toLowerCase() === "cookie";
}

function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** A target in absolute-form with the path that an empty one stands for. */
function withPath(target: string): string {
  const path = originForm(target);
  return target.endsWith(path) ? target : target.slice(0, target.length - path.length + 1) + path;
}

/** A target in absolute-form as its origin-form. */
function originForm(target: string): string {
  if (target.startsWith("/") || target === "*") return target;
  const scheme = target.indexOf("://");
  if (scheme < 0) return "/";
  const path = target.slice(scheme + 3).search(/[/?]/);
  if (path < 0) return "/";
  const rest = target.slice(scheme + 3 + path);
  return rest.startsWith("?") ? "/" + rest : rest;
}

function sameName(bytes: Uint8Array, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const octet = bytes[start + i] ?? 0;
    const wanted = name.charCodeAt(i);
    if (octet === wanted) continue;
    // Only letters differ by case.
    const lower = octet | 0x20;
    if (lower !== (wanted | 0x20) || lower < 0x61 || lower > 0x7a) return false;
  }
  return true;
}
