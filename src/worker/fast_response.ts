/**
 * A `Response` that is cheap to make and whose text or bytes can be read without waiting.
 * Runs on: worker; runtime API: none
 *
 * The runtimes' own `Response` can only be read through promises, and on Node costs microseconds to build.
 * This one keeps what it was given (body, status, field lines) and becomes a native object only when a caller
 * needs one. Invariants: every instance passes `instanceof` of the native class; whatever is neither text,
 * bytes nor null is handed to the native constructor; a raw body is given out once, by `fastBody` or by a
 * reader, never by both. Behaviour follows the Fetch standard, section 5.5; what differs on purpose stands at
 * the members concerned.
 */
import {
  type FieldList,
  JSON_FIELDS,
  listOf,
  NO_FIELDS,
  TEXT_FIELDS,
  toHeaders,
  withDefaults,
} from "./field_list.ts";
import { bytesOf, type RawBody, textOf, unshared } from "./raw_body.ts";

/** The runtime's own class, whatever `globalThis.Response` is by now. */
export const NativeResponse: typeof Response = globalThis.Response;

/** The hook by which `console.log` on Node and Bun asks an object to describe itself. */
const INSPECT: unique symbol = Symbol.for("nodejs.util.inspect.custom");

// The functions below the class reach its private members through these; its static block sets them.
let takeBody: (response: FastResponse) => RawBody | null | undefined;
let fieldsOf: (response: FastResponse) => FieldList;
let toNative: (response: FastResponse) => Response;
let isFast: (value: unknown) => value is FastResponse;

/** Streams that were made of a raw body, with the response that still knows it. */
const streamSources = new WeakMap<object, FastResponse>();

// Merged with the class: the instance type has every member that the runtime's own `Response` type has.
export interface FastResponse extends Response {}

/** A drop-in for the global `Response`; see {@link installFastResponse}. */
export class FastResponse {
  #status = 200;
  #statusText = "";
  /** Null: no body, or one that only `#native` has. */
  #body: RawBody | null = null;
  #used = false;
  #list: FieldList = NO_FIELDS;
  /** Once made it is the truth, and `#list` is out of date. */
  #headers: Headers | null = null;
  /** Holds the body's stream once somebody asked for one; its status and fields mean nothing. */
  #native: Response | null = null;

  /**
   * @param body text, bytes or null stay here; anything else makes the constructor return a native
   * `Response`. Bytes are not copied, unlike elsewhere: leave them as they are until the answer was sent.
   * They may lie in shared memory
   * @param init status, statusText and headers; a field list is copied, so changing it later changes nothing
   * here
   * @throws RangeError for a status outside 200 to 599, TypeError for a malformed field or status text, and
   * for a body with a status that has none (204, 205, 304)
   */
  constructor(body?: BodyInit | null, init?: ResponseInit) {
    let defaults = NO_FIELDS;
    if (typeof body === "string") {
      this.#body = body;
      defaults = TEXT_FIELDS;
    } else if (body !== undefined && body !== null) {
      if (body instanceof Uint8Array) {
        this.#body = body;
      } else if (ArrayBuffer.isView(body)) {
        this.#body = new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
      } else if (body instanceof ArrayBuffer) {
        this.#body = new Uint8Array(body);
      } else if ((body as object) instanceof String) {
        // Template helpers mark safe text by wrapping it (Hono's `html`).
        this.#body = String(body);
        defaults = TEXT_FIELDS;
      } else {
        const source = streamSources.get(body as object);
        if (source === undefined || !source.#readable) return this.#becomeNative(body, init, new.target);
        // `new Response(other.body, …)`, the way middleware copies an answer: both share one body, and the
        // bytes behind the stream stay within reach.
        this.#body = source.#body;
        this.#native = source.#native;
      }
    }
    if (init === undefined) this.#list = defaults;
    else this.#initialize(init, defaults);
  }

  /** `data` as JSON text. */
  static json(data: unknown, init?: ResponseInit): FastResponse {
    const text = JSON.stringify(data) as string | undefined;
    if (text === undefined) throw new TypeError("Response.json: the value has no JSON form");
    const response = new FastResponse();
    response.#body = text;
    if (init === undefined) response.#list = JSON_FIELDS;
    else response.#initialize(init, JSON_FIELDS);
    return response;
  }

  /** A network error (status 0), which is always native. */
  static error(): Response {
    return NativeResponse.error();
  }

  /** A redirection. Its headers may be changed, unlike those of most native ones. */
  static redirect(url: string | URL, status = 302): FastResponse {
    const known = status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
    const parsed = known ? URL.parse?.(String(url)) : undefined;
    const response = new FastResponse();
    if (parsed) {
      response.#status = status;
      response.#list = ["location", parsed.href];
      return response;
    }
    // Wrong in some way, or relative (which Bun lets pass): the runtime decides, and words the error.
    const native = NativeResponse.redirect(url, status);
    response.#status = native.status;
    response.#list = listOf(native.headers);
    return response;
  }

  /**
   * `x instanceof Response` for code that sees this class under that name: true for native responses too.
   * Subclasses keep the usual meaning.
   */
  static [Symbol.hasInstance](value: unknown): boolean {
    if (this === FastResponse) return value instanceof NativeResponse;
    return Function.prototype[Symbol.hasInstance].call(this, value);
  }

  /** HTTP status, 200 by default. */
  get status(): number {
    return this.#status;
  }

  /** Status between 200 and 299. */
  get ok(): boolean {
    return this.#status >= 200 && this.#status <= 299;
  }

  /** Reason phrase as given, "" by default. */
  get statusText(): string {
    return this.#statusText;
  }

  /** Always "default". */
  get type(): ResponseType {
    return "default";
  }

  /** Always "": the response came over no network. */
  get url(): string {
    return "";
  }

  /** Always false. */
  get redirected(): boolean {
    return false;
  }

  /**
   * The fields. The first use makes a real `Headers` (0.2 to 0.5 µs with two), which then is what gets sent.
   */
  get headers(): Headers {
    return this.#headers ??= toHeaders(this.#list);
  }

  /** The body as a stream, or null. The first use makes a native response behind this one. */
  get body(): Response["body"] {
    if (this.#native === null && this.#body !== null) {
      this.#native = new NativeResponse(unshared(this.#body));
      const stream = this.#native.body;
      if (stream !== null) {
        streamSources.set(stream, this);
        if (this.#used) disturb(stream);
      }
    }
    return this.#native === null ? null : this.#native.body;
  }

  /** Somebody read the body, or began to. */
  get bodyUsed(): boolean {
    return this.#used || (this.#native !== null && this.#native.bodyUsed);
  }

  /** The body as text, decoded as UTF-8. */
  async text(): Promise<string> {
    if (this.#onlyNative) return await (this.#native as Response).text();
    return textOf(this.#take());
  }

  /** The body parsed as JSON. */
  async json(): Promise<ReturnType<typeof JSON.parse>> {
    if (this.#onlyNative) return await (this.#native as Response).json();
    return JSON.parse(textOf(this.#take()));
  }

  /** A copy of the body's bytes. */
  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#onlyNative) return new Uint8Array(await (this.#native as Response).arrayBuffer());
    return bytesOf(this.#take());
  }

  /** A copy of the body's bytes. */
  async arrayBuffer(): Promise<ArrayBuffer> {
    if (this.#onlyNative) return await (this.#native as Response).arrayBuffer();
    return bytesOf(this.#take()).buffer;
  }

  /** The body as a `Blob` with the content type of the fields. */
  async blob(): Promise<Blob> {
    return await this.#toNative().blob();
  }

  /** The body as a form, by the content type of the fields. */
  async formData(): Promise<FormData> {
    return await this.#toNative().formData();
  }

  /** A second response with the same status, fields and body. @throws TypeError once the body was used */
  clone(): Response {
    if (this.#onlyNative) return (this.#native as Response).clone();
    if (this.#body !== null && !this.#readable) throw used();
    const copy = new FastResponse();
    copy.#status = this.#status;
    copy.#statusText = this.#statusText;
    copy.#body = this.#body;
    copy.#list = fieldsOf(this);
    return copy;
  }

  /** What `console.log` shows; looking at a response must not turn its body into a stream. */
  [INSPECT](_depth: number, options: object, inspect: (value: unknown, options: object) => string): string {
    const { status, statusText, bodyUsed } = this;
    const headers = Object.fromEntries(this.headers);
    return `Response ${inspect({ status, statusText, headers, bodyUsed }, options)}`;
  }

  static {
    // Code that logs or compares `constructor.name` finds what it knows.
    Object.defineProperty(this, "name", { value: "Response", configurable: true });
    // No `extends`: `super()` would build the native object that this class exists to avoid.
    Object.setPrototypeOf(this, NativeResponse);
    Object.setPrototypeOf(this.prototype, NativeResponse.prototype);
    // Methods that a runtime has beyond those above (`textStream` on Deno and Bun) would fail on our
    // instances.
    const own = this.prototype as unknown as Record<string, unknown>;
    for (const name of Object.getOwnPropertyNames(NativeResponse.prototype)) {
      if (Object.hasOwn(own, name)) continue;
      const { value: method } = Object.getOwnPropertyDescriptor(NativeResponse.prototype, name) ?? {};
      if (typeof method !== "function") continue;
      const forward = function (this: FastResponse, ...args: unknown[]): unknown {
        return method.apply(nativeResponse(this), args);
      };
      Object.defineProperty(own, name, {
        value: forward,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    }
    takeBody = (response) => (response.#readable ? response.#take() : undefined);
    fieldsOf = (response) => response.#headers === null ? response.#list : listOf(response.#headers);
    toNative = (response) => response.#toNative();
    isFast = (value): value is FastResponse => typeof value === "object" && value !== null && #body in value;
  }

  /** The body exists only as a native stream: a subclass instance made of a stream. */
  get #onlyNative(): boolean {
    return this.#body === null && this.#native !== null;
  }

  /**
   * The raw body is here and nobody began to read it. True also without a body, which can be "read" any time.
   */
  get #readable(): boolean {
    if (this.#body === null) return this.#native === null;
    if (this.#used) return false;
    const native = this.#native;
    return native === null || (!native.bodyUsed && native.body?.locked !== true);
  }

  #take(): RawBody | null {
    if (this.#body === null) return null;
    if (!this.#readable) throw used();
    this.#used = true;
    // Whoever else holds the stream must find it used, as after any other reading.
    const stream = this.#native?.body;
    if (stream) disturb(stream);
    return this.#body;
  }

  /** A native response with the same content; this one's body counts as used from here on. */
  #toNative(): Response {
    if (this.#onlyNative) return this.#native as Response;
    const body = this.#take();
    const { status, statusText, headers } = this;
    return new NativeResponse(body === null ? null : unshared(body), { status, statusText, headers });
  }

  #becomeNative(body: BodyInit, init: ResponseInit | undefined, target: unknown): this {
    const native = new NativeResponse(body, init);
    if (target === FastResponse) return native as unknown as this;
    // A subclass must get an instance of its own.
    this.#status = native.status;
    this.#statusText = native.statusText;
    this.#headers = native.headers;
    this.#native = native;
    return this;
  }

  /**
   * Fetch standard, "initialize a response". `defaults` holds the content type that the body brings, if any.
   */
  #initialize(init: ResponseInit | null, defaults: FieldList): void {
    if (init === null) {
      this.#list = defaults;
      return;
    }
    if (typeof init !== "object" && typeof init !== "function") {
      throw new TypeError(`Response: init must be an object, not ${typeof init}`);
    }
    if (#body in init) {
      // Another fast response as init: its fields were checked, and its list may be shared.
      const from = init as FastResponse;
      this.#status = from.#status;
      this.#statusText = from.#statusText;
      this.#list = withDefaults(fieldsOf(from), defaults);
    } else {
      const { status, statusText, headers } = init;
      if (status !== undefined) this.#status = checkStatus(status);
      if (statusText !== undefined && statusText !== "") this.#statusText = checkStatusText(statusText);
      this.#list = headers === undefined ? defaults : withDefaults(listOf(headers), defaults);
    }
    const bodyless = this.#status === 204 || this.#status === 205 || this.#status === 304;
    if (bodyless && this.#body !== null) {
      throw new TypeError(`Response: a response with status ${this.#status} cannot have a body`);
    }
  }
}

/**
 * The body of `response` if it can be had without waiting: text, bytes, or null for no body. It counts as
 * used afterwards. Undefined if not: a native response, one made of a stream, or one whose body was read or
 * is being read (then the native way of reading reports it).
 */
export function fastBody(response: Response): string | Uint8Array | null | undefined {
  return isFast(response) ? takeBody(response) : undefined;
}

/** The fields of any response, as a list that must not be changed; makes no `Headers`. */
export function fastHeaders(response: Response): FieldList {
  return isFast(response) ? fieldsOf(response) : listOf(response.headers);
}

/**
 * A native response with the status, fields and body of `response`, for functions of the runtime that want
 * one.
 */
export function nativeResponse(response: Response): Response {
  return isFast(response) ? toNative(response) : response;
}

/**
 * Puts {@link FastResponse} in the place of the global `Response`. Call it before user code is imported.
 *
 * @returns puts back what was there, unless somebody else replaced the class since
 */
export function installFastResponse(): () => void {
  const before = Object.getOwnPropertyDescriptor(globalThis, "Response") as PropertyDescriptor;
  Object.defineProperty(globalThis, "Response", {
    value: FastResponse,
    writable: true,
    enumerable: before.enumerable === true,
    configurable: true,
  });
  return () => {
    if (globalThis.Response as unknown === FastResponse) {
      Object.defineProperty(globalThis, "Response", before);
    }
  };
}

/** Web IDL "unsigned short" (modulo 2^16), then the range check. */
function checkStatus(value: unknown): number {
  const status = Number(value) & 0xffff;
  if (status < 200 || status > 599) {
    throw new RangeError(`Response: status must be from 200 to 599, not ${String(value)}`);
  }
  return status;
}

// reason-phrase of RFC 9112, section 4: HTAB, SP, VCHAR, obs-text.
const REASON_PHRASE = /^[\t\x20-\x7e\x80-\xff]*$/;

function checkStatusText(value: unknown): string {
  const text = `${value}`;
  if (!REASON_PHRASE.test(text)) throw new TypeError(`Response: invalid status text ${JSON.stringify(text)}`);
  return text;
}

function used(): TypeError {
  return new TypeError("Response: the body was already used");
}

/** Makes a stream count as read; nobody waits for what it had. */
function disturb(stream: ReadableStream): void {
  stream.cancel().catch(() => {});
}
