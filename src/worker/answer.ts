/**
 * From what a handler returned to octets in the outbox.
 * Runs on: worker; runtime API: none
 *
 * Text and bytes are sent whole and at once; anything that must be read first (web streams, iterables, native
 * responses) is sent piece by piece as the client takes it, without holding the thread. The head is made by
 * `http/response_head.ts`, the content coding is chosen by `http/content_coding.ts`.
 */
import { Buffer } from "node:buffer";
import { CartoucheError } from "../errors.ts";
import type { HandlerResult } from "../handler.ts";
import {
  codedFields,
  COMPRESSION_THRESHOLD_BYTES,
  contentCoded,
  mayCode,
  negotiate,
} from "../http/content_coding.ts";
import { createCompressor, type StreamCompressor } from "../http/content_coding_stream.ts";
import { PreparedHeads } from "../http/prepared_head.ts";
import {
  encodeHead,
  type Framing,
  hasNoContent,
  type RequestFacts,
  responseHead,
} from "../http/response_head.ts";
import { MAX_RECORD_BYTES, RESPONSE_WINDOW_BYTES, ResponseFlag } from "../messages/kind.ts";
import { RequestFlag } from "../messages/request_message.ts";
import type { Call } from "./call.ts";
import { ContentSink } from "./content_sink.ts";
import { readerOf } from "./piece_reader.ts";
import { fastBody, fastHeaders } from "./fast_response.ts";
import type { EventStream } from "./event_stream.ts";
import type { FieldLine } from "../websocket/handshake.ts";
import {
  type EventStreamOptions,
  openEventStream,
  type UpgradeHost,
  upgradeWebSocket,
  type WebSocketOptions,
} from "./upgrade.ts";
import type { WebSocketHandle } from "./web_socket.ts";
import {
  callOfRequest,
  type Responder,
  type ResponseContent,
  type ResponseWriter,
  type ServerRequest,
} from "./request.ts";

/** A body of which this much is unread when the handler is through ends the connection. */
const MAX_UNREAD_BYTES = 256 * 1024;
/** The longest content, octets or characters, that is tried in one record together with its head. */
const MAX_INLINE = 16 * 1024;

const TEXT_FIELDS: readonly string[] = ["content-type", "text/plain; charset=utf-8"];
const BYTES_FIELDS: readonly string[] = ["content-type", "application/octet-stream"];
const NOTHING = new Uint8Array(0);

const encoder = new TextEncoder();

/** What answering takes from the worker around it. */
export interface AnswerHost {
  readonly compress: boolean;
  /** The value of the Date field now. */
  date(): string;
  /** Upgrades need more of the thread. */
  readonly upgrades: UpgradeHost;
  /** Something went wrong after the response had begun, or in the handler. */
  logError(message: string, error: unknown, request: ServerRequest): void;
}

/** Answers requests of one worker. */
export class Answerer implements Responder {
  readonly #host: AnswerHost;
  readonly #heads = new PreparedHeads();

  constructor(host: AnswerHost) {
    this.#host = host;
  }

  /**
   * Sends what a handler returned.
   *
   * @throws CartoucheError `ERR_RESULT` for something that is no answer
   */
  answer(request: ServerRequest, call: Call, result: HandlerResult): void {
    if (call.responded) return;
    if (typeof result === "string") {
      this.#whole(request, call, 200, "", TEXT_FIELDS, result);
    } else if (result instanceof Response) {
      this.#response(request, call, result);
    } else if (result instanceof Uint8Array) {
      this.#whole(request, call, 200, "", BYTES_FIELDS, result);
    } else if (result instanceof ArrayBuffer) {
      this.#whole(request, call, 200, "", BYTES_FIELDS, new Uint8Array(result));
    } else {
      const what = result === undefined ? "nothing, without respond()" : describe(result);
      throw new CartoucheError("ERR_RESULT", `the handler returned ${what}`);
    }
  }

  respond(
    request: ServerRequest,
    status: number,
    headers: HeadersInit | undefined,
    body: ResponseContent | null,
  ): void {
    const content = contentOf(body);
    const fields = fieldsOf(headers);
    if (typeof content === "string" && !hasField(fields, "content-type")) {
      fields.push("content-type", "text/plain; charset=utf-8");
    }
    this.#whole(request, callOfRequest(request), status, "", fields, content);
  }

  open(request: ServerRequest, status: number, headers: HeadersInit | undefined): ResponseWriter {
    checkFinal(status);
    const call = callOfRequest(request);
    const facts = factsOf(call);
    const head = responseHead(facts, status, "", fieldsOf(headers), -1, this.#host.date());
    return new Writer(this.#begin(call, head.text, head.framing, head.close));
  }

  upgrade(request: ServerRequest, options: WebSocketOptions, key: string): WebSocketHandle | null {
    const call = callOfRequest(request);
    if (call.responded) {
      throw new CartoucheError("ERR_ALREADY_RESPONDED", "the request has its response already");
    }
    return upgradeWebSocket(this.#host.upgrades, request, call, options, key);
  }

  eventStream(request: ServerRequest, options: EventStreamOptions): EventStream | null {
    const call = callOfRequest(request);
    if (call.responded) {
      throw new CartoucheError("ERR_ALREADY_RESPONDED", "the request has its response already");
    }
    return openEventStream(this.#host.upgrades, request, call, options);
  }

  /** Answers a handshake that went wrong. */
  refuse(
    request: ServerRequest,
    call: Call,
    status: number,
    fields: readonly FieldLine[],
    detail: string,
  ): void {
    const list = [...TEXT_FIELDS, ...fields.flatMap(([name, value]) => [name.toLowerCase(), value])];
    this.#whole(request, call, status, "", list, `${status} ${detail}\n`);
  }

  interim(request: ServerRequest, status: number, headers: HeadersInit | undefined): void {
    const call = callOfRequest(request);
    const head = responseHead(factsOf(call), status, "", fieldsOf(headers), -1, this.#host.date());
    call.send(encodeHead(head.text), ResponseFlag.Interim);
  }

  /** Ends a response that has begun and cannot be completed: the client sees the connection end inside the content. */
  breakOff(call: Call): void {
    call.sending = false;
    call.send(NOTHING, ResponseFlag.Cut | ResponseFlag.Final);
  }

  /** Answers with an error page of ours. */
  fail(request: ServerRequest, call: Call, status: number, detail: string, close: boolean): void {
    const fields = close ? [...TEXT_FIELDS, "connection", "close"] : TEXT_FIELDS;
    this.#whole(request, call, status, "", fields, `${status} ${detail}\n`);
  }

  #response(request: ServerRequest, call: Call, response: Response): void {
    const status = response.status;
    if (response.bodyUsed) throw new CartoucheError("ERR_RESULT", "the body of the response was read before");
    const body = fastBody(response);
    const fields = fastHeaders(response);
    if (body !== undefined) {
      this.#whole(request, call, status, response.statusText, fields, body);
      return;
    }
    const stream = response.body;
    if (stream === null) {
      this.#whole(request, call, status, response.statusText, fields, null);
      return;
    }
    // A source may be made of the request's content.
    const facts = factsOf(call, call.isStreamed && call.body.isHeld);
    let list = fields;
    let compressor: StreamCompressor | null = null;
    if (this.#host.compress && mayCode(status, fields)) {
      const coding = negotiate(request.header("accept-encoding"));
      list = codedFields(fields, coding);
      if (coding !== "identity" && !facts.isHead) compressor = createCompressor(coding);
    }
    const head = responseHead(facts, status, response.statusText, list, -1, this.#host.date());
    const sink = this.#begin(call, head.text, head.framing, head.close);
    if (facts.isHead || hasNoContent(status)) {
      sink.end();
      // The source may fail to be cancelled; nobody waits for it.
      void stream.cancel().catch(() => undefined);
      return;
    }
    void this.#pump(request, stream, sink, compressor);
  }

  /** A response whose content is at hand. */
  #whole(
    request: ServerRequest,
    call: Call,
    status: number,
    statusText: string,
    fields: readonly string[],
    content: string | Uint8Array | null,
  ): void {
    checkFinal(status);
    const facts = factsOf(call);
    // A 205 has a length, of 0 (RFC 9110 section 15.3.6).
    let body = status === 205 ? null : content;
    let list = fields;
    const size = body === null ? 0 : body.length;
    if (
      body !== null && size > COMPRESSION_THRESHOLD_BYTES && this.#host.compress && mayCode(status, fields)
    ) {
      const accept = request.header("accept-encoding");
      if (typeof body === "string" && size > RESPONSE_WINDOW_BYTES && negotiate(accept) === "identity") {
        list = codedFields(fields, "identity");
      } else {
        const plain = typeof body === "string" ? encoder.encode(body) : body;
        const coded = contentCoded(status, fields, plain, accept);
        list = coded.fields;
        body = coded.body;
      }
    }
    if (hasNoContent(status)) body = null;
    if (body !== null && body.length <= MAX_INLINE && !facts.isHead) {
      const head = this.#heads.find(facts, status, statusText, list, this.#host.date());
      if (call.sendWhole(head, body, closeFlag(head.close))) return;
    }
    if (typeof body === "string" && size > RESPONSE_WINDOW_BYTES && !facts.isHead) {
      const head = responseHead(facts, status, statusText, list, Buffer.byteLength(body), this.#host.date());
      const flags = closeFlag(head.close);
      call.send(encodeHead(head.text), flags);
      call.sending = call.isUnderway = true;
      void this.#trickleText(call, body, flags);
      return;
    }
    const bytes = typeof body === "string" ? encoder.encode(body) : body ?? NOTHING;
    const head = responseHead(facts, status, statusText, list, bytes.length, this.#host.date());
    this.#sendWhole(call, head.text, facts.isHead ? NOTHING : bytes, closeFlag(head.close));
  }

  #sendWhole(call: Call, head: string, body: Uint8Array, flags: number): void {
    const headBytes = encodeHead(head);
    if (headBytes.length + body.length <= MAX_RECORD_BYTES) {
      const all = new Uint8Array(headBytes.length + body.length);
      all.set(headBytes, 0);
      all.set(body, headBytes.length);
      call.send(all, flags | ResponseFlag.Final);
      return;
    }
    call.send(headBytes, flags);
    if (body.length + headBytes.length <= RESPONSE_WINDOW_BYTES) {
      call.spend(headBytes.length + body.length);
      call.send(body, flags | ResponseFlag.Final);
      return;
    }
    // Longer than the window: the rest goes as the client takes it; the thread is free meanwhile.
    call.spend(headBytes.length);
    call.sending = call.isUnderway = true;
    void this.#trickle(call, body, flags);
  }

  async #trickle(call: Call, body: Uint8Array, flags: number): Promise<void> {
    let at = 0;
    while (at < body.length) {
      if (call.available <= 0) await call.creditAvailable();
      if (call.done || call.aborted !== 0) return;
      const length = Math.min(body.length - at, call.available, MAX_RECORD_BYTES);
      call.spend(length);
      const isLast = at + length === body.length;
      if (isLast) call.sending = false;
      call.send(body.subarray(at, at + length), isLast ? flags | ResponseFlag.Final : 0);
      at += length;
    }
  }

  /** The same for text, which is encoded as it goes: a long one would else take its memory twice. */
  async #trickleText(call: Call, text: string, flags: number): Promise<void> {
    for (let at = 0; at < text.length;) {
      if (call.available <= 0) await call.creditAvailable();
      if (call.done || call.aborted !== 0) return;
      // A character has at most four octets: with less credit than that it is overdrawn a little.
      const room = Math.max(4, Math.min(call.available, MAX_RECORD_BYTES));
      const piece = text.slice(at, wholeCharacters(text, at + room));
      const { read, written } = encoder.encodeInto(piece, textBuffer.subarray(0, room));
      at += read;
      call.spend(written);
      const isLast = at === text.length;
      if (isLast) call.sending = false;
      call.send(textBuffer.subarray(0, written), isLast ? flags | ResponseFlag.Final : 0);
    }
  }

  /** Sends the head of a response whose content comes in pieces. */
  #begin(call: Call, head: string, framing: Framing, close: boolean): ContentSink {
    const flags = closeFlag(close);
    const bytes = encodeHead(head);
    call.spend(bytes.length);
    call.sending = true;
    call.send(bytes, flags);
    return new ContentSink(call, framing, flags, contentLengthOf(head));
  }

  async #pump(
    request: ServerRequest,
    stream: ReadableStream<Uint8Array>,
    sink: ContentSink,
    compressor: StreamCompressor | null,
  ): Promise<void> {
    const reader = readerOf(stream);
    const { signal } = request;
    // A source that has nothing to give would else never hear that its client has left.
    signal.addEventListener("abort", () => void reader.cancel(signal.reason).catch(() => undefined));
    try {
      for (;;) {
        const value = await reader.read();
        if (value === null) break;
        const piece = typeof value === "string" ? encoder.encode(value) : value;
        if (!(piece instanceof Uint8Array)) {
          throw new CartoucheError("ERR_RESULT", `the body of a response gave ${describe(piece)}`);
        }
        await sink.write(compressor === null ? piece : await compressor.write(piece));
      }
      if (compressor !== null) await sink.write(await compressor.end());
      sink.end();
    } catch (error) {
      if (!sink.isAborted) this.#host.logError("the body of a response failed", error, request);
      sink.cut();
      compressor?.destroy();
      // The source hears of it; what it says to that is of no use to anybody.
      await reader.cancel(error).catch(() => undefined);
    }
  }
}

/** The writer that `request.stream()` gives. */
class Writer implements ResponseWriter {
  readonly #sink: ContentSink;

  constructor(sink: ContentSink) {
    this.#sink = sink;
  }
  writeSync(piece: ResponseContent): void {
    this.#sink.writeSync(pieceOf(piece));
  }
  async write(piece: ResponseContent): Promise<void> {
    await this.#sink.write(pieceOf(piece));
  }
  end(): void {
    this.#sink.endInTurn();
  }
}

/** A handler's answer is final: a 1xx in its place would leave the client waiting (RFC 9110 section 15.2). */
function checkFinal(status: number): void {
  if (status < 200) {
    throw new CartoucheError("ERR_RESULT", `status ${status} is not that of a final response`);
  }
}

/**
 * The rest of the request's content costs the connection: it is long and nobody will read it, or the client keeps it
 * until 100 Continue, which does not come behind a final status (RFC 9110 section 10.1.1).
 */
function abandonsBody(call: Call, mayBeRead: boolean): boolean {
  if (!call.isStreamed) return false;
  return (!mayBeRead && call.unread > MAX_UNREAD_BYTES) ||
    ((call.view.flags & RequestFlag.Expects100) !== 0 && call.body.isUntouched);
}

/** @param mayBeRead whether somebody may read the request's content from now on; a handler may until it returns */
function factsOf(call: Call, mayBeRead = !call.returned): RequestFacts {
  const flags = call.view.flags;
  return {
    isHttp11: (flags & RequestFlag.Http11) !== 0,
    keepAlive: (flags & RequestFlag.KeepAlive) !== 0 && !abandonsBody(call, mayBeRead),
    isHead: (flags & RequestFlag.Head) !== 0,
  };
}

/** Where long text is encoded, piece by piece; what is sent is copied. */
const textBuffer = new Uint8Array(MAX_RECORD_BYTES);

/** `end`, or one less where that would part the halves of a character. */
function wholeCharacters(text: string, end: number): number {
  if (end >= text.length) return text.length;
  const last = text.charCodeAt(end - 1);
  return last >= 0xd800 && last <= 0xdbff ? end - 1 : end;
}

function contentLengthOf(head: string): number {
  const match = /\r\nContent-Length: (\d+)\r\n/.exec(head);
  return match === null ? -1 : Number(match[1]);
}

/** The content that a handler gave, as text or octets. @throws CartoucheError `ERR_RESULT` */
function contentOf(content: ResponseContent | null | undefined): string | Uint8Array | null {
  if (typeof content === "string" || content instanceof Uint8Array) return content;
  if (content === null || content === undefined) return null;
  if (ArrayBuffer.isView(content)) {
    return new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
  }
  if (content instanceof ArrayBuffer) return new Uint8Array(content);
  throw new CartoucheError("ERR_RESULT", `the content of a response is ${describe(content)}`);
}

/** The same for a piece, which must be there. */
function pieceOf(piece: ResponseContent): Uint8Array {
  const content = contentOf(piece);
  if (content === null) {
    throw new CartoucheError("ERR_RESULT", `a piece of a response's content is ${String(piece)}`);
  }
  return typeof content === "string" ? encoder.encode(content) : content;
}

/** Names and values by turns. @throws CartoucheError `ERR_HEADER` for what has no pairs */
function fieldsOf(headers: HeadersInit | null | undefined): string[] {
  const fields: string[] = [];
  if (headers === undefined || headers === null) return fields;
  if (typeof headers !== "object") {
    throw new CartoucheError("ERR_HEADER", `the fields are ${describe(headers)}`);
  }
  if (headers instanceof Headers) {
    headers.forEach((value, name) => fields.push(name, value));
  } else if (Symbol.iterator in headers) {
    for (const pair of headers) {
      const [name, value, ...more] = typeof pair === "object" ? pair : [];
      if (value === undefined || more.length > 0) {
        throw new CartoucheError("ERR_HEADER", "fields are pairs of name and value");
      }
      fields.push(String(name).toLowerCase(), String(value));
    }
  } else {
    for (const [name, value] of Object.entries(headers)) fields.push(name.toLowerCase(), String(value));
  }
  return fields;
}

function hasField(fields: readonly string[], name: string): boolean {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return true;
  return false;
}

function closeFlag(close: boolean): number {
  return close ? ResponseFlag.Close : 0;
}

function describe(value: unknown): string {
  if (value === null) return "null";
  if (typeof value !== "object") return `a ${typeof value}`;
  const name: unknown = Object.getPrototypeOf(value)?.constructor?.name;
  return typeof name === "string" && name !== "" ? `an object of class ${name}` : "an object";
}
