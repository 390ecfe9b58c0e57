/**
 * A WebSocket as handlers hold it: by id from any thread, or with its data inside an event.
 * Runs on: worker; runtime API: none
 *
 * RFC 6455. Frames are encoded (and compressed, RFC 7692) here, on the sender's thread.
 */
import { deserialize, serialize } from "node:v8";
import { CartoucheError } from "../errors.ts";
import { type SocketSettings, UpgradeKind } from "../messages/socket_message.ts";
import { encodeClosePayload } from "../websocket/close_code.ts";
import { frameBytes, writeFrame } from "../websocket/frame_encoder.ts";
import { OPCODE, type Opcode } from "../websocket/opcode.ts";
import { deflateMessage, EMPTY_WINDOW, slideWindow } from "../websocket/permessage_deflate.ts";
import {
  type SendStatus,
  socketGeneration,
  socketId,
  socketIndex,
  type SocketPort,
  topicNames,
} from "../messages/socket_port.ts";

/** A message: text, or bytes. */
export type WebSocketMessage = string | ArrayBufferView | ArrayBufferLike;

/** How a message is sent. */
export interface SendOptions {
  /** Compress it if permessage-deflate was agreed and it is long enough. Default true. */
  readonly compress?: boolean;
}

/** The events of WebSockets; all are optional. They of one connection run one after another, on any thread. */
export interface WebSocketHandlers<Data = unknown> {
  open?(socket: ServerWebSocket<Data>): void | Promise<void>;
  message?(socket: ServerWebSocket<Data>, message: string | Uint8Array): void | Promise<void>;
  /** The pong went out already. */
  ping?(socket: ServerWebSocket<Data>, payload: Uint8Array): void | Promise<void>;
  pong?(socket: ServerWebSocket<Data>, payload: Uint8Array): void | Promise<void>;
  /** The client has taken what waited for it. */
  drain?(socket: ServerWebSocket<Data>): void | Promise<void>;
  /**
   * `ERR_SOCKET`: a fault of the client or a lost connection; `close` follows. `ERR_WORKER`: a thread died while it
   * ran an event of this connection, which counts as handled and is not run again; the connection goes on.
   */
  error?(socket: ServerWebSocket<Data>, error: CartoucheError): void | Promise<void>;
  /** The last event. 1005: without a code; 1006: without a closing handshake. */
  close?(socket: ServerWebSocket<Data>, code: number, reason: string): void | Promise<void>;
}

/** Structured clones of a connection's data are at most this long, octets: they travel with every batch of events. */
export const MAX_SOCKET_DATA_BYTES = 64 * 1024;

const encoder = new TextEncoder();

/** A WebSocket known by its id. All methods may be called from any thread, at any time. */
export class WebSocketHandle {
  /** Names the connection; never used again. */
  readonly id: number;
  protected readonly port: SocketPort;
  protected readonly index: number;
  protected readonly generation: number;
  #isClosing = false;

  /** Made by `server.socket(id)`. */
  constructor(port: SocketPort, id: number) {
    this.id = id;
    this.port = port;
    this.index = socketIndex(id);
    this.generation = socketGeneration(id);
  }

  /** Whether messages can still be sent. */
  get isOpen(): boolean {
    return !this.#isClosing && this.port.kindOf(this.index, this.generation) === UpgradeKind.WebSocket;
  }

  /** Octets that are on their way to the client. */
  get bufferedAmount(): number {
    return this.port.buffered(this.index, this.generation);
  }

  /** Sends a message: text as a text frame, bytes as a binary one. */
  send(message: WebSocketMessage, _options: SendOptions = {}): SendStatus {
    const isText = typeof message === "string";
    return this.sendFrame(isText ? OPCODE.text : OPCODE.binary, bytesOf(message), false);
  }

  /** Sends a ping; its pong comes as an event. @throws CartoucheError `ERR_SOCKET` for more than 125 octets */
  ping(payload: WebSocketMessage = ""): SendStatus {
    return this.sendFrame(OPCODE.ping, controlPayload(payload), false);
  }

  /** Sends a pong nobody asked for (RFC 6455 section 5.5.3). Pings are answered without it. */
  pong(payload: WebSocketMessage = ""): SendStatus {
    return this.sendFrame(OPCODE.pong, controlPayload(payload), false);
  }

  /**
   * Begins the closing handshake, behind what was sent before. The `close` event follows.
   *
   * @param code 1000 to 1003, 1007 to 1014, or 3000 to 4999
   * @param reason at most 123 octets of UTF-8
   * @throws CartoucheError `ERR_CLOSE`
   */
  close(code = 1000, reason = ""): void {
    encodeClosePayload(code, reason);
    if (!this.isOpen) return;
    this.#isClosing = true;
    this.port.close(this.index, this.generation, code, reason);
  }

  /** Cuts the connection without a closing handshake. */
  terminate(): void {
    this.port.terminate(this.index, this.generation);
  }

  /**
   * From now on gets what is published under the topic, or under each of several.
   *
   * @param options `lastId`: first what was published after it, of all these topics in the order of their publication
   */
  subscribe(topics: string | readonly string[], options: { readonly lastId?: string } = {}): void {
    this.port.subscribe(this.index, this.generation, topicNames(topics), options.lastId ?? null);
  }

  unsubscribe(topic: string): void {
    this.port.unsubscribe(this.index, this.generation, topic);
  }

  /** Publishes to all subscribers of a topic but this one. */
  publish(
    topic: string,
    message: WebSocketMessage,
    options: { readonly id?: string; readonly event?: string } = {},
  ): void {
    this.port.publish(publication(topic, message, options), this.index, this.generation);
  }

  protected sendFrame(opcode: Opcode, payload: Uint8Array, isCompressed: boolean): SendStatus {
    if (!this.isOpen) return "closed";
    const frame = new Uint8Array(frameBytes(payload.length));
    writeFrame(frame, 0, opcode, payload, isCompressed);
    return this.port.send(this.index, this.generation, frame);
  }
}

/** A publish as a message for the I/O thread. */
export function publication(
  topic: string,
  message: WebSocketMessage,
  options: { readonly id?: string; readonly event?: string },
): { topic: string; isText: boolean; event: string; id: string | null; payload: Uint8Array } {
  const { id, event = "" } = options;
  // Checked here, where the mistake is: the I/O thread has nobody to tell.
  for (const [name, value] of [["topic", topic], ["event", event], ["id", id ?? ""]] as const) {
    if (typeof value !== "string") {
      throw new CartoucheError(
        "ERR_EVENT",
        `The ${name} of a publish must be text: it is a ${typeof value}.`,
      );
    }
    if (name !== "topic" && /[\r\n\0]/.test(value)) {
      throw new CartoucheError(
        "ERR_EVENT",
        `The ${name} must have no CR, LF or NUL: it is ${JSON.stringify(value)}.`,
      );
    }
  }
  return { topic, isText: typeof message === "string", event, id: id ?? null, payload: bytesOf(message) };
}

/** What the handlers of one batch share: the part of the connection that travels. */
export class SocketState {
  readonly settings: SocketSettings;
  deflateWindow: Uint8Array;
  hasNewWindow = false;
  /** The batch is being handled: its end will carry the windows home. */
  isActive = true;
  #bytes: Uint8Array;
  #data: unknown;
  #isRead = false;

  constructor(settings: SocketSettings, data: Uint8Array, deflateWindow: Uint8Array) {
    this.settings = settings;
    this.#bytes = data;
    this.deflateWindow = deflateWindow;
  }

  get data(): unknown {
    if (!this.#isRead) {
      this.#isRead = true;
      this.#data = this.#bytes.length === 0 ? undefined : deserialize(this.#bytes);
    }
    return this.#data;
  }
  set data(value: unknown) {
    this.#isRead = true;
    this.#data = value;
  }

  /** The data if it changed since the last call, serialized; null: it is what it was. */
  changedData(): Uint8Array | null {
    if (!this.#isRead) return null;
    const bytes = encodeData(this.#data);
    if (bytes.length === this.#bytes.length && bytes.every((octet, at) => octet === this.#bytes[at])) {
      return null;
    }
    this.#bytes = bytes;
    return bytes;
  }
}

/** Serializes the data of a connection. @throws CartoucheError `ERR_SOCKET` if it is too long or cannot be cloned */
export function encodeData(data: unknown): Uint8Array {
  if (data === undefined) return EMPTY;
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(serialize(data));
  } catch (error) {
    throw new CartoucheError("ERR_SOCKET", "the data of a connection cannot be cloned", error);
  }
  if (bytes.length > MAX_SOCKET_DATA_BYTES) {
    throw new CartoucheError(
      "ERR_SOCKET",
      `the data of a connection has ${bytes.length} octets; the limit is ${MAX_SOCKET_DATA_BYTES}`,
    );
  }
  return bytes;
}

/** A WebSocket inside its events. */
export class ServerWebSocket<Data = unknown> extends WebSocketHandle {
  /** The client's IP address. */
  readonly remoteAddress: string;
  readonly #state: SocketState;

  /** Made by the worker. */
  constructor(
    port: SocketPort,
    index: number,
    generation: number,
    remoteAddress: string,
    state: SocketState,
  ) {
    super(port, socketId(index, generation));
    this.remoteAddress = remoteAddress;
    this.#state = state;
  }

  /**
   * The connection's own data, a structured clone: it is handed on to the thread of the next event, and survives a
   * thread's death as it was after the last event that ended. Changes made later than the event's end are lost.
   */
  get data(): Data {
    return this.#state.data as Data;
  }
  set data(value: Data) {
    this.#state.data = value;
  }

  /** The agreed subprotocol; "": none. */
  get protocol(): string {
    return this.#state.settings.protocol;
  }

  override send(message: WebSocketMessage, options: SendOptions = {}): SendStatus {
    if (!this.isOpen) return "closed";
    const { settings } = this.#state;
    const payload = bytesOf(message);
    const opcode = typeof message === "string" ? OPCODE.text : OPCODE.binary;
    const deflate = settings.deflate;
    const isWorth = deflate !== null && options.compress !== false &&
      payload.length >= deflate.thresholdBytes;
    if (!isWorth) return this.sendFrame(opcode, payload, false);
    if (deflate.serverNoContextTakeover) {
      const compressed = deflateMessage(payload, EMPTY_WINDOW, deflate.serverWindowBits, deflate.level);
      return this.sendFrame(opcode, compressed, true);
    }
    // The window belongs to the batch: whoever sends outside of it sends plain.
    if (!this.#state.isActive) return this.sendFrame(opcode, payload, false);
    const bits = deflate.serverWindowBits;
    const compressed = deflateMessage(payload, this.#state.deflateWindow, bits, deflate.level);
    this.#state.deflateWindow = slideWindow(this.#state.deflateWindow, payload, bits);
    this.#state.hasNewWindow = true;
    return this.sendFrame(opcode, compressed, true);
  }
}

const EMPTY = new Uint8Array(0);

function bytesOf(message: WebSocketMessage): Uint8Array {
  if (typeof message === "string") return encoder.encode(message);
  if (message instanceof Uint8Array) return message;
  if (ArrayBuffer.isView(message)) {
    return new Uint8Array(message.buffer, message.byteOffset, message.byteLength);
  }
  if (message instanceof ArrayBuffer || message instanceof SharedArrayBuffer) return new Uint8Array(message);
  throw new CartoucheError("ERR_SOCKET", `a message is a string or bytes; it is ${typeof message}`);
}

function controlPayload(message: WebSocketMessage): Uint8Array {
  const bytes = bytesOf(message);
  if (bytes.length > 125) {
    throw new CartoucheError(
      "ERR_SOCKET",
      `a ping or pong carries at most 125 octets: it has ${bytes.length}`,
    );
  }
  return bytes;
}
