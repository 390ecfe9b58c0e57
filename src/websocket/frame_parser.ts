/**
 * Octets of a client into messages and control frames (RFC 6455 section 5), restartable at every octet.
 * Runs on: I/O thread; runtime API: none
 *
 * Every frame is judged from its header, at the first octet that shows a fault and before any of its payload is kept.
 * Memory is bounded by what has really arrived: a message in pieces grows geometrically, never to a length that was
 * only announced, and fragments leave nothing behind but their octets. Uncompressed text is checked as it arrives,
 * so a fault is told before the message ends (section 8.1); compressed text is checked by whoever inflates it.
 *
 * The order of the checks is that of the octets:
 * 1. first octet: RSV2, RSV3, and RSV1 unless permessage-deflate was agreed and a data message begins (RFC 7692
 *    section 6); reserved opcodes; control frames with FIN unset (5.5); a continuation of nothing, or a new message
 *    inside another (5.4)
 * 2. second octet: MASK unset (5.1); a control frame above 125 octets (5.5)
 * 3. extended length: its top bit, then not the shortest form (5.2), then the limit over all fragments
 * 4. payload: UTF-8 of a text; of a close frame its length, code and reason (5.5.1)
 */
import { type FrameFault, readClosePayload } from "./close_code.ts";
import { maskingKey, rotateKey, unmask } from "./masking.ts";
import { isControl, isReserved, OPCODE } from "./opcode.ts";
import { advanceUtf8, UTF8_COMPLETE, UTF8_INVALID } from "./utf8.ts";

/** What the parser tells; each call is finished with its `bytes` when it returns, unless they are its own. */
export interface FrameSink {
  /**
   * A whole message: `bytes[start..end)`, unmasked.
   *
   * @param isCompressed the payload is still to be inflated, and checked if it is text
   * @param isOwned the memory is the receiver's from now on; else it is that of {@link FrameParser.feed} and is only
   *   good until this call returns
   */
  onMessage(
    isText: boolean,
    isCompressed: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
    isOwned: boolean,
  ): void;
  /** A ping; the pong has the same payload. The bytes are only good until this call returns. */
  onPing(bytes: Uint8Array, start: number, end: number): void;
  /** A pong. The bytes are only good until this call returns. */
  onPong(bytes: Uint8Array, start: number, end: number): void;
  /** A close frame, valid; 1005 when it had no code. Nothing is told after it. */
  onClose(code: number, reason: string): void;
  /** The peer broke the protocol. Nothing is told after it; `closeForFault` has the answer. */
  onFault(fault: FrameFault): void;
}

/** What all connections of a server share. */
export interface FrameLimits {
  /** Most octets of a message over all its fragments; above: 1009. Compressed messages: before inflating, roughly. */
  readonly maxMessageBytes: number;
}

// Where the next octet belongs.
const FIRST_OCTET = 0;
const SECOND_OCTET = 1;
const EXTENDED_LENGTH = 2;
const MASKING_KEY = 3;
const PAYLOAD = 4;
const FINISHED = 5;

const NO_MESSAGE = 0;
const EMPTY = new Uint8Array(0);
/** The smallest buffer of a message that arrives in pieces. */
const MIN_MESSAGE_BUFFER_BYTES = 1024;
/** Pieces up to this length are copied by a loop, which is cheaper than a view and `set`. */
const LOOP_COPY_BYTES = 24;
const MAX_CONTROL_BYTES = 125;

/**
 * Most octets of a compressed message whose content may have `maxMessageBytes`: what cannot be compressed grows a
 * little. DEFLATE in its worst common setting adds an eighth (fixed codes of 9 bits); stored blocks add far less.
 */
export function maxCompressedBytes(maxMessageBytes: number): number {
  return maxMessageBytes + Math.ceil(maxMessageBytes / 8) + 64;
}

/** Parses the frames of one connection. */
export class FrameParser {
  readonly #limits: FrameLimits;
  readonly #allowsCompressed: boolean;
  #state = FIRST_OCTET;
  /** Of the frame: FIN, opcode, octets of the header's current part still to come, payload length, key. */
  #isFinal = false;
  #opcode = 0;
  #headerLeft = 0;
  #isLongLength = false;
  #payloadLeft = 0;
  #key = 0;
  /** Of the message: opcode of its first frame or NO_MESSAGE, RSV1, octets kept so far, the UTF-8 state. */
  #messageOpcode = NO_MESSAGE;
  #isCompressed = false;
  #messageBytes = 0;
  #message: Uint8Array = EMPTY;
  #utf8 = UTF8_COMPLETE;
  /** A control frame in pieces: its own place, because it may come in the middle of a message. */
  #control: Uint8Array = EMPTY;
  #controlBytes = 0;
  #isInterrupted = false;

  /**
   * @param limits shared by all connections
   * @param allowsCompressed permessage-deflate was agreed for this connection
   */
  constructor(limits: FrameLimits, allowsCompressed: boolean) {
    this.#limits = limits;
    this.#allowsCompressed = allowsCompressed;
  }

  /** Whether a close frame, a fault or {@link stop} has ended the parsing. */
  get isFinished(): boolean {
    return this.#state === FINISHED;
  }

  /** Octets that the parser holds for a message or control frame that is not whole yet. */
  get heldBytes(): number {
    return this.#message.length + this.#control.length;
  }

  /** Ends the parsing: nothing more is told, and what was kept is freed. May be called by the sink. */
  stop(): void {
    this.#state = FINISHED;
    this.#message = EMPTY;
    this.#control = EMPTY;
  }

  /** Makes the present {@link feed} return in front of the next frame. For the sink. */
  interrupt(): void {
    this.#isInterrupted = true;
  }

  /**
   * Takes `bytes[start..end)` and tells the sink what became whole. The octets are unmasked in place, so the caller's
   * memory changes. After the end of the parsing the octets are ignored.
   *
   * @returns where the octets begin that were not taken: `end`, unless the sink has interrupted
   */
  feed(bytes: Uint8Array, start: number, end: number, sink: FrameSink): number {
    let at = start;
    this.#isInterrupted = false;
    while (at < end) {
      switch (this.#state) {
        case FIRST_OCTET:
          if (this.#isInterrupted) return at;
          this.#takeFirstOctet(bytes[at++] ?? 0, sink);
          break;
        case SECOND_OCTET:
          this.#takeSecondOctet(bytes[at++] ?? 0, sink);
          break;
        case EXTENDED_LENGTH:
          this.#takeLengthOctet(bytes[at++] ?? 0, sink);
          break;
        case MASKING_KEY:
          if (this.#headerLeft === 4 && end - at >= 4) {
            this.#key = maskingKey(
              bytes[at] ?? 0,
              bytes[at + 1] ?? 0,
              bytes[at + 2] ?? 0,
              bytes[at + 3] ?? 0,
            );
            this.#headerLeft = 0;
            at += 4;
          } else {
            this.#key |= (bytes[at++] ?? 0) << ((4 - this.#headerLeft) << 3);
            this.#headerLeft--;
          }
          if (this.#headerLeft === 0) {
            this.#state = PAYLOAD;
            if (this.#payloadLeft === 0) this.#takePayload(bytes, at, at, sink);
          }
          break;
        case PAYLOAD: {
          const stop = end - at < this.#payloadLeft ? end : at + this.#payloadLeft;
          this.#takePayload(bytes, at, stop, sink);
          at = stop;
          break;
        }
        default:
          return end;
      }
    }
    return end;
  }

  #fail(fault: FrameFault, sink: FrameSink): void {
    this.stop();
    sink.onFault(fault);
  }

  #takeFirstOctet(octet: number, sink: FrameSink): void {
    const opcode = octet & 0x0f;
    const isFinal = (octet & 0x80) !== 0;
    const isRsv1 = (octet & 0x40) !== 0;
    const beginsMessage = opcode === OPCODE.text || opcode === OPCODE.binary;
    if ((octet & 0x30) !== 0) return this.#fail("reserved-bits", sink);
    if (isRsv1 && !(this.#allowsCompressed && beginsMessage)) return this.#fail("reserved-bits", sink);
    if (isReserved(opcode)) return this.#fail("reserved-opcode", sink);
    if (isControl(opcode)) {
      if (!isFinal) return this.#fail("control-fragmented", sink);
    } else if (beginsMessage) {
      if (this.#messageOpcode !== NO_MESSAGE) return this.#fail("expected-continuation", sink);
      this.#messageOpcode = opcode;
      this.#isCompressed = isRsv1;
    } else if (this.#messageOpcode === NO_MESSAGE) {
      return this.#fail("unexpected-continuation", sink);
    }
    this.#opcode = opcode;
    this.#isFinal = isFinal;
    this.#state = SECOND_OCTET;
  }

  #takeSecondOctet(octet: number, sink: FrameSink): void {
    const length = octet & 0x7f;
    if ((octet & 0x80) === 0) return this.#fail("not-masked", sink);
    if (isControl(this.#opcode) && length > MAX_CONTROL_BYTES) return this.#fail("control-too-long", sink);
    if (length < 126) {
      this.#payloadLeft = length;
      this.#endLength(sink);
    } else {
      this.#payloadLeft = 0;
      this.#isLongLength = length === 127;
      this.#headerLeft = this.#isLongLength ? 8 : 2;
      this.#state = EXTENDED_LENGTH;
    }
  }

  #takeLengthOctet(octet: number, sink: FrameSink): void {
    if (this.#isLongLength && this.#headerLeft === 8 && octet >= 0x80) {
      return this.#fail("length-top-bit", sink);
    }
    // A product of doubles: exact up to 2^53, and above it still greater than any limit.
    this.#payloadLeft = this.#payloadLeft * 256 + octet;
    if (--this.#headerLeft > 0) return;
    const shortest = this.#isLongLength ? 65_536 : 126;
    if (this.#payloadLeft < shortest) return this.#fail("length-not-minimal", sink);
    this.#endLength(sink);
  }

  #endLength(sink: FrameSink): void {
    if (!isControl(this.#opcode)) {
      const { maxMessageBytes } = this.#limits;
      const limit = this.#isCompressed ? maxCompressedBytes(maxMessageBytes) : maxMessageBytes;
      if (this.#messageBytes + this.#payloadLeft > limit) return this.#fail("message-too-big", sink);
    }
    this.#key = 0;
    this.#headerLeft = 4;
    this.#state = MASKING_KEY;
  }

  /** `bytes[start..end)` is payload of the current frame, all of it or as much as there is. */
  #takePayload(bytes: Uint8Array, start: number, end: number, sink: FrameSink): void {
    const count = end - start;
    const isWhole = count === this.#payloadLeft;
    unmask(bytes, start, end, this.#key);
    this.#payloadLeft -= count;
    if (isControl(this.#opcode)) {
      if (isWhole && this.#controlBytes === 0) {
        this.#state = FIRST_OCTET;
        this.#tellControl(bytes, start, end, sink);
        return;
      }
      if (this.#control === EMPTY) this.#control = new Uint8Array(MAX_CONTROL_BYTES);
      copy(bytes, start, end, this.#control, this.#controlBytes);
      this.#controlBytes += count;
    } else {
      if (this.#messageOpcode === OPCODE.text && !this.#isCompressed) {
        this.#utf8 = advanceUtf8(this.#utf8, bytes, start, end);
        const isBroken = this.#utf8 === UTF8_INVALID ||
          (isWhole && this.#isFinal && this.#utf8 !== UTF8_COMPLETE);
        if (isBroken) return this.#fail("text-not-utf8", sink);
      }
      if (isWhole && this.#isFinal && this.#messageBytes === 0) {
        this.#tellMessage(bytes, start, end, false, sink);
        return;
      }
      this.#keep(bytes, start, end);
    }
    if (isWhole) this.#endFrame(sink);
    else this.#key = rotateKey(this.#key, count);
  }

  #endFrame(sink: FrameSink): void {
    this.#state = FIRST_OCTET;
    if (isControl(this.#opcode)) {
      const control = this.#control;
      const length = this.#controlBytes;
      this.#control = EMPTY;
      this.#controlBytes = 0;
      this.#tellControl(control, 0, length, sink);
    } else if (this.#isFinal) {
      this.#tellMessage(this.#message, 0, this.#messageBytes, true, sink);
    }
  }

  /** Appends to the message. The room doubles, but never beyond the end of what the last frame announces. */
  #keep(bytes: Uint8Array, start: number, end: number): void {
    const needed = this.#messageBytes + (end - start);
    if (needed > this.#message.length) {
      const doubled = Math.max(needed, this.#message.length * 2, MIN_MESSAGE_BUFFER_BYTES);
      const room = this.#isFinal ? Math.min(doubled, needed + this.#payloadLeft) : doubled;
      const larger = new Uint8Array(room);
      copy(this.#message, 0, this.#messageBytes, larger, 0);
      this.#message = larger;
    }
    copy(bytes, start, end, this.#message, this.#messageBytes);
    this.#messageBytes = needed;
  }

  #tellMessage(bytes: Uint8Array, start: number, end: number, isOwned: boolean, sink: FrameSink): void {
    const isText = this.#messageOpcode === OPCODE.text;
    this.#state = FIRST_OCTET;
    this.#messageOpcode = NO_MESSAGE;
    this.#messageBytes = 0;
    this.#message = EMPTY;
    this.#utf8 = UTF8_COMPLETE;
    sink.onMessage(isText, this.#isCompressed, bytes, start, end, isOwned);
  }

  #tellControl(bytes: Uint8Array, start: number, end: number, sink: FrameSink): void {
    if (this.#opcode === OPCODE.ping) return sink.onPing(bytes, start, end);
    if (this.#opcode === OPCODE.pong) return sink.onPong(bytes, start, end);
    const message = readClosePayload(bytes, start, end);
    if (typeof message === "string") return this.#fail(message, sink);
    this.stop();
    sink.onClose(message.code, message.reason);
  }
}

function copy(source: Uint8Array, start: number, end: number, target: Uint8Array, offset: number): void {
  if (end - start <= LOOP_COPY_BYTES) {
    for (let at = start, to = offset; at < end; at++, to++) target[to] = source[at] ?? 0;
  } else {
    target.set(source.subarray(start, end), offset);
  }
}
