/**
 * Requests that become something else: WebSockets and event streams, decided by the handler.
 * Runs on: worker; runtime API: none
 *
 * RFC 6455 section 4.2, RFC 7692 section 7, HTML standard section 9.2. The head of the response is made here; the I/O
 * thread sends it when it is this response's turn, takes the connection over, and says under which id it is known.
 */
import { CartoucheError } from "../errors.ts";
import { encodeHead, responseHead } from "../http/response_head.ts";
import type { DeflateParameters, SocketSettings } from "../messages/socket_message.ts";
import { encodeUpgrade, eventBit, SocketEvent, UpgradeKind } from "../messages/socket_message.ts";
import {
  DEFAULT_DEFLATE_OPTIONS,
  type DeflateAgreement,
  type DeflateOptions,
} from "../websocket/extension.ts";
import {
  acceptUpgrade,
  encodeUpgradeHead,
  type FieldLine,
  readUpgrade,
  selectProtocol,
} from "../websocket/handshake.ts";
import type { Call } from "./call.ts";
import { EventStream } from "./event_stream.ts";
import type { ServerRequest } from "./request.ts";
import { socketId, type SocketPort } from "../messages/socket_port.ts";
import { encodeData, WebSocketHandle, type WebSocketHandlers } from "./web_socket.ts";

/** How a request becomes a WebSocket. */
export interface WebSocketOptions<Data = unknown> {
  /** The connection's data: a structured clone of at most 64 KiB. Default undefined. */
  readonly data?: Data;
  /** Subprotocols that the app speaks, best first; the first that the client offers is agreed. */
  readonly protocols?: readonly string[];
  /** Origins of pages that may connect, or "same-host". Default: all. Others get 403. */
  readonly origins?: readonly string[] | "same-host";
  /** Further fields of the 101 response. */
  readonly headers?: HeadersInit;
  /** permessage-deflate: true with defaults, or its parameters. Default true; it is used if the client offers it. */
  readonly compress?: boolean | Partial<DeflateOptions>;
  /** Octets of a message, inflated. Default 1,048,576. Beyond: close code 1009. */
  readonly maxMessageBytes?: number;
  /** Octets that may wait for a slow client. Default 1,048,576. Beyond: see `slowClient`. */
  readonly maxBufferedBytes?: number;
  /** A client that is too slow is closed with 1013, or its senders block until it reads. Default "close". */
  readonly slowClient?: "close" | "wait";
  /** A ping after this much silence, ms; another one without an answer cuts the connection. Default 30,000; 0: never. */
  readonly pingIntervalMs?: number;
  /**
   * Time without a message or ping of the client after which it is closed with 1001, ms. Default 0: never. Its answers
   * to the server's pings do not count.
   */
  readonly idleTimeoutMs?: number;
  /** "worker": all events run on the thread that accepted it, and its death closes it with 1011. Default "any". */
  readonly affinity?: "any" | "worker";
}

/** How a request becomes an event stream. */
export interface EventStreamOptions {
  /** Further fields of the response. */
  readonly headers?: HeadersInit;
  /** A comment after this much silence, ms. Default 15,000; 0: never. */
  readonly commentIntervalMs?: number;
  /** Octets that may wait for a slow client. Default 1,048,576. Beyond: cut; it comes back with its last event ID. */
  readonly maxBufferedBytes?: number;
}

const DEFAULT_MESSAGE_BYTES = 1_048_576;
const DEFAULT_BUFFERED_BYTES = 1_048_576;
const DEFAULT_PING_MS = 30_000;
const DEFAULT_COMMENT_MS = 15_000;
/** The largest value of an option: it may stand in a 32-bit word. */
const MAX_OPTION = 0x7fffffff;
const NOTHING = new Uint8Array(0);

/** What upgrading takes from the thread around it. */
export interface UpgradeHost {
  readonly port: SocketPort;
  handlersOf(key: string): WebSocketHandlers | undefined;
  /** Sends the upgrade and waits for the I/O thread to name the socket; null: the client is gone. */
  requestSocket(
    call: Call,
    message: Uint8Array,
  ): { readonly index: number; readonly generation: number } | null;
  /** Calls back when the client of a stream is gone. */
  watchStream(stream: EventStream): void;
  refuse(
    request: ServerRequest,
    call: Call,
    status: number,
    fields: readonly FieldLine[],
    detail: string,
  ): void;
  date(): string;
}

/**
 * Makes a request a WebSocket.
 *
 * @param key which handlers its events go to
 * @returns null: the handshake was wrong and is answered, or the client is gone
 */
export function upgradeWebSocket(
  host: UpgradeHost,
  request: ServerRequest,
  call: Call,
  options: WebSocketOptions,
  key: string,
): WebSocketHandle | null {
  const raw = request.rawHeaders;
  const fields: FieldLine[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    fields.push([(raw[i] as string).toLowerCase(), raw[i + 1] as string]);
  }
  const minorVersion = request.httpVersion === "1.1" ? 1 : 0;
  const offer = readUpgrade({ method: request.method, minorVersion, fields }, { origins: options.origins });
  if (offer.status !== 101) {
    host.refuse(request, call, offer.status, offer.fields, offer.reason);
    return null;
  }
  const { compress = true } = options;
  const deflate = compress === false
    ? undefined
    : { ...DEFAULT_DEFLATE_OPTIONS, ...(compress === true ? {} : compress) };
  const extra: FieldLine[] = [];
  new Headers(options.headers).forEach((value, name) => extra.push([name, value]));
  const accepted = acceptUpgrade(offer, {
    protocol: selectProtocol(offer.protocols, options.protocols ?? []),
    deflate,
    fields: extra,
  });
  const settings: SocketSettings = {
    key,
    events: eventsOf(host.handlersOf(key) ?? {}),
    isPinned: options.affinity === "worker",
    maxMessageBytes: whole("maxMessageBytes", options.maxMessageBytes ?? DEFAULT_MESSAGE_BYTES, 1),
    maxBufferedBytes: whole("maxBufferedBytes", options.maxBufferedBytes ?? DEFAULT_BUFFERED_BYTES, 1),
    waitsForSlow: options.slowClient === "wait",
    pingIntervalMs: whole("pingIntervalMs", options.pingIntervalMs ?? DEFAULT_PING_MS, 0),
    idleTimeoutMs: whole("idleTimeoutMs", options.idleTimeoutMs ?? 0, 0),
    deflates: accepted.deflate !== undefined,
    protocol: accepted.protocol ?? "",
    deflate: parametersOf(accepted.deflate, deflate),
    isChunked: false,
    reportsClose: false,
  };
  const message = encodeUpgrade({
    kind: UpgradeKind.WebSocket,
    head: encodeUpgradeHead(accepted),
    socket: settings,
    data: encodeData(options.data),
  });
  const place = host.requestSocket(call, message);
  return place === null ? null : new WebSocketHandle(host.port, socketId(place.index, place.generation));
}

/** Makes a request an event stream; null: the client is gone, or it was a HEAD request and is answered. */
export function openEventStream(
  host: UpgradeHost,
  request: ServerRequest,
  call: Call,
  options: EventStreamOptions,
): EventStream | null {
  const isHttp11 = request.httpVersion === "1.1";
  const fields = [
    "content-type",
    "text/event-stream",
    "cache-control",
    "no-cache",
    "x-accel-buffering",
    "no",
  ];
  new Headers(options.headers).forEach((value, name) => {
    const at = fields.indexOf(name);
    // Its length is not known, whatever the handler says.
    if (name === "content-length") return;
    if (at >= 0 && at % 2 === 0) fields[at + 1] = value;
    else fields.push(name, value);
  });
  if (request.method === "HEAD") {
    const lines: [string, string][] = [];
    for (let i = 0; i + 1 < fields.length; i += 2) lines.push([fields[i] as string, fields[i + 1] as string]);
    request.stream(200, lines).end();
    return null;
  }
  const facts = { isHttp11, keepAlive: false, isHead: false };
  const head = responseHead(facts, 200, "", fields, -1, host.date());
  const settings: SocketSettings = {
    key: "",
    events: 0,
    isPinned: false,
    maxMessageBytes: 0,
    maxBufferedBytes: whole("maxBufferedBytes", options.maxBufferedBytes ?? DEFAULT_BUFFERED_BYTES, 1),
    waitsForSlow: false,
    pingIntervalMs: whole("commentIntervalMs", options.commentIntervalMs ?? DEFAULT_COMMENT_MS, 0),
    idleTimeoutMs: 0,
    deflates: false,
    protocol: "",
    deflate: null,
    isChunked: isHttp11,
    reportsClose: true,
  };
  const message = encodeUpgrade({
    kind: UpgradeKind.EventStream,
    head: encodeHead(head.text),
    socket: settings,
    data: NOTHING,
  });
  const place = host.requestSocket(call, message);
  if (place === null) return null;
  const id = socketId(place.index, place.generation);
  const stream = new EventStream(host.port, id, utf8OfField(request.header("last-event-id") ?? ""));
  host.watchStream(stream);
  return stream;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A field value, one character for each of its octets, as the UTF-8 that it is. */
function utf8OfField(value: string): string {
  return decoder.decode(Uint8Array.from(value, (octet) => octet.charCodeAt(0)));
}

/** Checks an option. */
function whole(name: string, value: number, min: number): number {
  if (Number.isInteger(value) && value >= min && value <= MAX_OPTION) return value;
  throw new CartoucheError(
    "ERR_OPTION",
    `${name} is ${value}; it must be a whole number from ${min} to ${MAX_OPTION}`,
  );
}

/** Which events somebody listens to; others are never sent to a worker. */
function eventsOf(handlers: WebSocketHandlers): number {
  let events = 0;
  if (handlers.open !== undefined) events |= eventBit(SocketEvent.Open);
  // Messages are always told: compressed ones must be inflated in order, and faults found.
  events |= eventBit(SocketEvent.Text) | eventBit(SocketEvent.Binary);
  if (handlers.ping !== undefined) events |= eventBit(SocketEvent.Ping);
  if (handlers.pong !== undefined) events |= eventBit(SocketEvent.Pong);
  if (handlers.drain !== undefined) events |= eventBit(SocketEvent.Drain);
  if (handlers.error !== undefined) events |= eventBit(SocketEvent.Error);
  if (handlers.close !== undefined) events |= eventBit(SocketEvent.Close);
  return events;
}

function parametersOf(
  agreement: DeflateAgreement | undefined,
  options: DeflateOptions | undefined,
): DeflateParameters | null {
  if (agreement === undefined || options === undefined) return null;
  const { serverNoContextTakeover, clientNoContextTakeover, serverWindowBits, clientWindowBits } = agreement;
  const { thresholdBytes, level } = options;
  return {
    serverNoContextTakeover,
    clientNoContextTakeover,
    serverWindowBits,
    clientWindowBits,
    thresholdBytes,
    level,
  };
}
