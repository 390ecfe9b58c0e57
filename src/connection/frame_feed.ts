/**
 * The octets of a WebSocket client on their way into the frame parser, a bounded part of them in a turn.
 * Runs on: I/O thread; runtime API: none
 *
 * A read of 64 KiB may hold ten thousand pings. Their pongs are collected and leave in one write, before any other frame
 * that the read brings about; what is behind the first few hundred control frames waits for the next turn, when the
 * other connections have had theirs. Nothing is overtaken: while octets wait here, further ones go behind them.
 */
import { frameHeaderBytes, writeFrameHeader } from "../websocket/frame_encoder.ts";
import type { FrameFault } from "../websocket/close_code.ts";
import { type FrameLimits, FrameParser, type FrameSink } from "../websocket/frame_parser.ts";
import { OPCODE } from "../websocket/opcode.ts";

/** Control frames of one connection that are handled in a turn. */
const MAX_CONTROL_FRAMES = 256;
const MAX_CONTROL_BYTES = 125;

/** The pongs of the connection that is being fed: all of them are written before `feed` returns. */
const pongs = new Uint8Array(MAX_CONTROL_FRAMES * (frameHeaderBytes(MAX_CONTROL_BYTES) + MAX_CONTROL_BYTES));

/** Whose octets they are. */
export interface FeedOwner {
  onMessage: FrameSink["onMessage"];
  /** A ping; its pong is on its way. The bytes are only good until this call returns. */
  onPing(bytes: Uint8Array, start: number, end: number): void;
  onPong(bytes: Uint8Array, start: number, end: number): void;
  onCloseFrame(code: number, reason: string): void;
  onFault(fault: FrameFault): void;
  /** Frames to be written; the memory is used again afterwards. */
  writePongs(bytes: Uint8Array, length: number): void;
  /** Octets were taken, now or in a turn of their own. */
  onFed(): void;
}

/** Who knows of turns. */
export interface TurnHost {
  /** Runs something in the next turn, after what the other connections bring until then. */
  nextTurn(callback: () => void): void;
}

/** The octets of a connection. */
export class FrameFeed implements FrameSink {
  readonly #host: TurnHost;
  readonly #owner: FeedOwner;
  readonly #parser: FrameParser;
  /** Octets that wait for the next turn; ours. */
  #rest: Uint8Array | null = null;
  #controlFrames = 0;
  #pongBytes = 0;

  constructor(host: TurnHost, owner: FeedOwner, limits: FrameLimits, allowsCompressed: boolean) {
    this.#host = host;
    this.#owner = owner;
    this.#parser = new FrameParser(limits, allowsCompressed);
  }

  /** Octets wait for the next turn: the socket should rest. */
  get isBehind(): boolean {
    return this.#rest !== null;
  }

  /** A frame is only partly there. */
  get isInsideFrame(): boolean {
    return this.#parser.heldBytes > 0;
  }

  /** Octets arrived; the memory is the caller's. */
  push(bytes: Uint8Array, length: number): void {
    if (this.#rest === null) {
      const at = this.#feed(bytes, 0, length);
      if (at < length) this.#wait(bytes.slice(at, length));
    } else {
      const joined = new Uint8Array(this.#rest.length + length);
      joined.set(this.#rest);
      joined.set(bytes.subarray(0, length), this.#rest.length);
      this.#rest = joined;
    }
    this.#owner.onFed();
  }

  /** Takes at once what waits: the client is gone, and there is nobody to write to. */
  finish(): void {
    while (this.#rest !== null) this.#goOn();
  }

  /** Nothing more is told, and what waits is dropped. */
  stop(): void {
    this.#parser.stop();
    this.#rest = null;
  }

  #wait(rest: Uint8Array): void {
    this.#rest = rest;
    this.#host.nextTurn(() => {
      if (this.#rest === null) return;
      this.#goOn();
      if (this.#rest !== null) this.#wait(this.#rest);
      this.#owner.onFed();
    });
  }

  #goOn(): void {
    const rest = this.#rest;
    if (rest === null) return;
    this.#rest = null;
    const at = this.#feed(rest, 0, rest.length);
    if (at < rest.length) this.#rest = rest.subarray(at);
  }

  #feed(bytes: Uint8Array, start: number, end: number): number {
    this.#controlFrames = 0;
    const at = this.#parser.feed(bytes, start, end, this);
    this.#writePongs();
    return this.#parser.isFinished ? end : at;
  }

  #count(): void {
    if (++this.#controlFrames === MAX_CONTROL_FRAMES) this.#parser.interrupt();
  }

  #writePongs(): void {
    const length = this.#pongBytes;
    if (length === 0) return;
    this.#pongBytes = 0;
    this.#owner.writePongs(pongs, length);
  }

  onMessage(
    isText: boolean,
    isCompressed: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
    isOwned: boolean,
  ): void {
    this.#owner.onMessage(isText, isCompressed, bytes, start, end, isOwned);
  }

  onPing(bytes: Uint8Array, start: number, end: number): void {
    this.#count();
    let to = writeFrameHeader(pongs, this.#pongBytes, OPCODE.pong, end - start);
    for (let at = start; at < end; at++) pongs[to++] = bytes[at] ?? 0;
    this.#pongBytes = to;
    this.#owner.onPing(bytes, start, end);
  }

  onPong(bytes: Uint8Array, start: number, end: number): void {
    this.#count();
    this.#owner.onPong(bytes, start, end);
  }

  onClose(code: number, reason: string): void {
    this.#writePongs();
    this.#owner.onCloseFrame(code, reason);
  }

  onFault(fault: FrameFault): void {
    this.#writePongs();
    this.#owner.onFault(fault);
  }
}
