/**
 * A WebSocket client on a bare TCP connection: sends the octets it is told, and takes the server's frames apart.
 * Runs on: any; runtime API: none
 *
 * Strict: a frame that RFC 6455 does not let a server send is an error, and so is any octet behind a close frame. What
 * waits, waits for octets or for the end of the connection, never for a time.
 */
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { PATIENCE_MS } from "../../support/until.ts";
import { closePayload, concat, frame } from "../../websocket/client_frames.ts";

/** A frame of the server. */
export interface ServerFrame {
  readonly opcode: number;
  /** RSV1: permessage-deflate. */
  readonly isCompressed: boolean;
  readonly payload: Uint8Array;
  /** The payload as UTF-8; "" for what is none. */
  readonly text: string;
}

/** What a close frame says. */
export interface CloseFrame {
  readonly code: number;
  readonly reason: string;
}

/** How to connect. */
export interface SocketOptions {
  /** Field lines, each with its CR LF. */
  readonly fields?: string;
  /** Octets that go in the same packet, behind the handshake. */
  readonly behind?: Uint8Array;
  /** Do not read before `resume()`. */
  readonly paused?: boolean;
}

/** The key of RFC 6455 section 1.3. */
export const KEY_FIELD = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
export const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/** What a handshake needs besides. */
export const UPGRADE_FIELDS =
  `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n${KEY_FIELD}`;

/** A handshake as it should be. */
export function handshake(path: string, fields = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: test\r\n${UPGRADE_FIELDS}${fields}\r\n`;
}

const utf8 = new TextEncoder();
/** Octets are shown up to about so many. */
const MAX_OCTETS = 64 * 1024;
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Octets as characters. (TextDecoder's "latin1" is windows-1252.) */
function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** One connection. */
export class SocketClient {
  readonly socket: Socket;
  /** The head of the response; "" before it came. */
  head = "";
  status = 0;
  /** Frames that came, all of them. */
  readonly frames: ServerFrame[] = [];
  close: CloseFrame | null = null;
  /** The server has sent FIN. */
  ended = false;
  closed = false;
  errorCode = "";
  /** The first octets that came, as ISO-8859-1. */
  octets = "";
  /** What was wrong with the octets that came. */
  fault: Error | null = null;
  /** Frames that `next` has given out. */
  #taken = 0;
  #bytes = new Uint8Array(4096);
  #start = 0;
  #end = 0;
  readonly #waiting = new Set<() => void>();

  constructor(socket: Socket, paused = false) {
    this.socket = socket;
    socket.on("data", (bytes: Uint8Array) => {
      if (this.octets.length < MAX_OCTETS) this.octets += latin1(bytes);
      try {
        this.#push(bytes);
      } catch (error) {
        this.fault ??= error as Error;
      }
      this.#stir();
    });
    socket.on("end", () => {
      this.ended = true;
      this.#stir();
    });
    socket.on("error", (error: Error & { code?: string }) => {
      this.errorCode ||= error.code ?? error.message;
      this.#stir();
    });
    socket.on("close", () => {
      this.closed = true;
      this.#stir();
    });
    if (paused) socket.pause();
  }

  /** Connects to 127.0.0.1 and sends nothing. */
  static connect(port: number, options: SocketOptions = {}): Promise<SocketClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new SocketClient(socket, options.paused));
      });
    });
  }

  /** Connects and upgrades; rejects when the answer is not 101 with the right accept key. */
  static async open(port: number, path: string, options: SocketOptions = {}): Promise<SocketClient> {
    const client = await SocketClient.connect(port, options);
    client.send(concat(utf8.encode(handshake(path, options.fields)), options.behind ?? new Uint8Array(0)));
    if (options.paused !== true) await client.upgraded();
    return client;
  }

  /** Resolves when the 101 is here. */
  async upgraded(): Promise<void> {
    await this.until("the response is here", () => this.head !== "" || this.ended || this.closed);
    if (this.status !== 101) throw new Error(`the answer is ${JSON.stringify(this.head)}`);
    if (this.field("sec-websocket-accept") !== ACCEPT) throw new Error(`a wrong accept key in ${this.head}`);
  }

  /** The value of a field of the response; null: there is none. */
  field(name: string): string | null {
    const line = this.head.split("\r\n").slice(1).find((each) => each.toLowerCase().startsWith(`${name}:`));
    return line === undefined ? null : line.slice(name.length + 1).trim();
  }

  // ── sending ────────────────────────────────────────────────────────────────────────────────────────────────────

  send(data: string | Uint8Array): this {
    if (!this.socket.destroyed) this.socket.write(data);
    return this;
  }

  /** The same; resolves when the kernel has it all, or the connection is gone. */
  sendAll(data: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      if (this.socket.destroyed) return resolve();
      const done = (): void => {
        this.socket.off("close", done);
        resolve();
      };
      this.socket.once("close", done);
      this.socket.write(data, done);
    });
  }

  text(...messages: string[]): this {
    return this.send(concat(...messages.map((payload) => frame({ payload }))));
  }

  binary(payload: Uint8Array): this {
    return this.send(frame({ opcode: 2, payload }));
  }

  ping(payload = ""): this {
    return this.send(frame({ opcode: 9, payload }));
  }

  pong(payload = ""): this {
    return this.send(frame({ opcode: 10, payload }));
  }

  /** A close frame; without a code an empty one. */
  sayClose(code?: number, reason = ""): this {
    return this.send(frame({ opcode: 8, payload: code === undefined ? "" : closePayload(code, reason) }));
  }

  /** FIN. */
  end(): this {
    this.socket.end();
    return this;
  }

  /** RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  pause(): this {
    this.socket.pause();
    return this;
  }

  resume(): this {
    this.socket.resume();
    return this;
  }

  // ── receiving ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** The next frame that was not asked for yet. */
  async next(patienceMs = PATIENCE_MS): Promise<ServerFrame> {
    const index = this.#taken++;
    await this.until(
      "a frame comes",
      () => this.frames.length > index || this.ended || this.closed,
      patienceMs,
    );
    const next = this.frames[index];
    if (next === undefined) throw new Error(`the connection ended before the frame: ${this.#describe()}`);
    return next;
  }

  /** The text of the next frame, which must be a text. */
  async nextText(patienceMs = PATIENCE_MS): Promise<string> {
    const next = await this.next(patienceMs);
    if (next.opcode !== 1) throw new Error(`not a text but opcode ${next.opcode}: ${this.#describe()}`);
    return next.text;
  }

  /** The texts of the next frames. */
  async nextTexts(count: number): Promise<string[]> {
    const texts: string[] = [];
    for (let i = 0; i < count; i++) texts.push(await this.nextText());
    return texts;
  }

  /** Asks for the answer to a command. */
  ask(command: string): Promise<string> {
    return this.text(command).nextText();
  }

  /** What the server's close frame says. */
  async closing(patienceMs = PATIENCE_MS): Promise<CloseFrame> {
    await this.until(
      "a close frame comes",
      () => this.close !== null || this.ended || this.closed,
      patienceMs,
    );
    if (this.close === null) {
      throw new Error(`the connection ended without a close frame: ${this.#describe()}`);
    }
    return this.close;
  }

  /** How the server ended the connection. */
  async ending(patienceMs = PATIENCE_MS): Promise<"clean" | "reset"> {
    await this.until("the server ends the connection", () => this.ended || this.closed, patienceMs);
    return this.ended ? "clean" : "reset";
  }

  /** Closes as a client should, and waits for the end. */
  async leave(code = 1000): Promise<void> {
    this.sayClose(code);
    await this.closing();
    await this.ending();
    this.socket.destroy();
  }

  until(what: string, holds: () => boolean, patienceMs = PATIENCE_MS): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(guard);
        this.#waiting.delete(look);
      };
      const look = (): void => {
        if (this.fault !== null) {
          done();
          reject(this.fault);
        } else if (holds()) {
          done();
          resolve();
        }
      };
      const guard = setTimeout(() => {
        done();
        reject(new Error(`in ${patienceMs} ms it did not happen that ${what}: ${this.#describe()}`));
      }, patienceMs);
      this.#waiting.add(look);
      look();
    });
  }

  #describe(): string {
    const last = this.frames.at(-1);
    const close = JSON.stringify(this.close);
    const seen =
      `status ${this.status}, ${this.frames.length} frames, the last ${last?.opcode} "${last?.text}"`;
    return `${seen}, close ${close}, ended ${this.ended}, closed ${this.closed}, error "${this.errorCode}"`;
  }

  #stir(): void {
    for (const look of [...this.#waiting]) look();
  }

  // ── octets ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #push(bytes: Uint8Array): void {
    const have = this.#end - this.#start;
    if (this.#end + bytes.length > this.#bytes.length) {
      const room = have + bytes.length <= this.#bytes.length / 2
        ? this.#bytes
        : new Uint8Array(2 * (have + bytes.length));
      room.set(this.#bytes.subarray(this.#start, this.#end));
      this.#bytes = room;
      this.#start = 0;
      this.#end = have;
    }
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
    if (this.head === "" && !this.#readHead()) return;
    if (this.status === 101) { while (this.#readFrame()); }
  }

  #readHead(): boolean {
    const text = latin1(this.#bytes.subarray(this.#start, this.#end));
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) return false;
    this.head = text.slice(0, end);
    this.status = Number(/^HTTP\/1\.1 ([0-9]{3}) /.exec(this.head)?.[1]);
    this.#start += end + 4;
    return true;
  }

  #readFrame(): boolean {
    const bytes = this.#bytes.subarray(this.#start, this.#end);
    if (bytes.length === 0) return false;
    if (this.close !== null) throw new Error(`${bytes.length} octets behind the close frame`);
    if (bytes.length < 2) return false;
    const [first = 0, second = 0] = bytes;
    const opcode = first & 0x0f;
    if ((first & 0x80) === 0) throw new Error("the server fragments");
    if ((first & 0x30) !== 0) throw new Error("a reserved bit is set");
    if (second >= 0x80) throw new Error("the server masks");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let length = second;
    let at = 2;
    if (second === 126) {
      if (bytes.length < 4) return false;
      length = view.getUint16(2);
      at = 4;
      if (length < 126) throw new Error("a length that is not in its shortest form");
    } else if (second === 127) {
      if (bytes.length < 10) return false;
      length = Number(view.getBigUint64(2));
      at = 10;
      if (length < 65_536) throw new Error("a length that is not in its shortest form");
    }
    if (bytes.length < at + length) return false;
    if (![1, 2, 8, 9, 10].includes(opcode)) throw new Error(`opcode ${opcode}`);
    if (opcode >= 8 && length > 125) throw new Error("a long control frame");
    const payload = bytes.slice(at, at + length);
    this.#start += at + length;
    const isCompressed = (first & 0x40) !== 0;
    if (isCompressed && (opcode > 2 || this.field("sec-websocket-extensions") === null)) {
      throw new Error("RSV1 where it must not be");
    }
    const isText = opcode === 1 && !isCompressed;
    if (opcode === 8) {
      const code = length === 0 ? 1005 : new DataView(payload.buffer).getUint16(0);
      this.close = { code, reason: length === 0 ? "" : strict.decode(payload.subarray(2)) };
    }
    const text = isText ? strict.decode(payload) : opcode >= 9 ? latin1(payload) : "";
    this.frames.push({ opcode, isCompressed, payload, text });
    return true;
  }
}
