/**
 * Encodes the frames of a server: never masked, never fragmented (RFC 6455 sections 5.1, 5.2).
 * Runs on: any; runtime API: none
 *
 * Every function writes into a target that the caller owns (the outbox of a worker) and returns the position after
 * the frame; the caller makes room first, with {@link frameBytes} or {@link textFrameBytesMax}. The header is always
 * in its shortest form.
 */
import { encodeClosePayload } from "./close_code.ts";
import { OPCODE, type Opcode } from "./opcode.ts";

/** Longest header of a server's frame. */
export const MAX_FRAME_HEADER_BYTES = 10;

const encoder = new TextEncoder();

/** Octets of the header in front of a payload: 2, 4 or 10. */
export function frameHeaderBytes(payloadBytes: number): number {
  return payloadBytes < 126 ? 2 : payloadBytes < 65_536 ? 4 : 10;
}

/** Octets of the whole frame. */
export function frameBytes(payloadBytes: number): number {
  return frameHeaderBytes(payloadBytes) + payloadBytes;
}

/** No less than the octets of the text frame, without looking at the text: UTF-8 takes at most 3 per UTF-16 unit. */
export function textFrameBytesMax(text: string): number {
  return MAX_FRAME_HEADER_BYTES + text.length * 3;
}

/**
 * Writes the header of a final frame.
 *
 * @param isCompressed sets RSV1: the payload is the output of permessage-deflate (RFC 7692 section 6)
 * @returns where the payload goes
 */
export function writeFrameHeader(
  target: Uint8Array,
  offset: number,
  opcode: Opcode,
  payloadBytes: number,
  isCompressed: boolean = false,
): number {
  target[offset] = (isCompressed ? 0xc0 : 0x80) | opcode;
  if (payloadBytes < 126) {
    target[offset + 1] = payloadBytes;
    return offset + 2;
  }
  if (payloadBytes < 65_536) {
    target[offset + 1] = 126;
    target[offset + 2] = payloadBytes >>> 8;
    target[offset + 3] = payloadBytes;
    return offset + 4;
  }
  target[offset + 1] = 127;
  let rest = payloadBytes;
  for (let at = offset + 9; at > offset + 1; at--) {
    target[at] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return offset + 10;
}

/** Writes a final frame with the payload. */
export function writeFrame(
  target: Uint8Array,
  offset: number,
  opcode: Opcode,
  payload: Uint8Array,
  isCompressed: boolean = false,
): number {
  const at = writeFrameHeader(target, offset, opcode, payload.length, isCompressed);
  target.set(payload, at);
  return at + payload.length;
}

/**
 * Writes a text frame. A surrogate without its partner becomes U+FFFD, as in the WebSocket interface of browsers.
 *
 * The header is as long as it would be for ASCII; when the text turns out longer than that header can say, it is
 * moved. Only texts near the two limits ever are.
 *
 * @throws RangeError when the target has no room for the frame
 */
export function writeTextFrame(target: Uint8Array, offset: number, text: string): number {
  const guess = frameHeaderBytes(text.length);
  const { read, written } = encoder.encodeInto(text, target.subarray(offset + guess));
  const needed = frameHeaderBytes(written);
  if (read !== text.length || offset + needed + written > target.length) {
    throw new RangeError(`The target has no room at ${offset} for a text of ${text.length} units.`);
  }
  if (needed !== guess) target.copyWithin(offset + needed, offset + guess, offset + guess + written);
  return writeFrameHeader(target, offset, OPCODE.text, written) + written;
}

/**
 * Writes a close frame.
 *
 * @throws CartoucheError `ERR_CLOSE` when the code may not travel or the reason is longer than 123 octets
 */
export function writeCloseFrame(target: Uint8Array, offset: number, code?: number, reason?: string): number {
  return writeFrame(target, offset, OPCODE.close, encodeClosePayload(code, reason));
}
