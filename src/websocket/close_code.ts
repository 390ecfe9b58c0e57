/**
 * Close codes: which may travel, which a fault gets, and the payload of a close frame (RFC 6455 sections 5.5.1, 7.4).
 * Runs on: any; runtime API: none
 *
 * Every fault that the frame parser or the inflater finds is a {@link FrameFault}; {@link closeForFault} is the only
 * place where a fault becomes a close code.
 */
import { CartoucheError } from "../errors.ts";
import { advanceUtf8, UTF8_COMPLETE } from "./utf8.ts";

/** Close codes by name (RFC 6455 section 7.4.1 and the IANA registry). */
export const CLOSE_CODE = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  unsupportedData: 1003,
  /** Never on the wire: the close frame had no code. */
  noCode: 1005,
  /** Never on the wire: the connection ended without a close frame. */
  abnormal: 1006,
  invalidData: 1007,
  policyViolation: 1008,
  messageTooBig: 1009,
  internalError: 1011,
  serviceRestart: 1012,
  tryAgainLater: 1013,
} as const;

/** Everything a peer can do wrong in its octets; the parser's and the inflater's only errors. */
export type FrameFault =
  | "reserved-bits"
  | "reserved-opcode"
  | "control-fragmented"
  | "control-too-long"
  | "unexpected-continuation"
  | "expected-continuation"
  | "not-masked"
  | "length-not-minimal"
  | "length-top-bit"
  | "message-too-big"
  | "text-not-utf8"
  | "close-payload-length"
  | "close-code-invalid"
  | "close-reason-not-utf8"
  | "inflate-corrupt"
  | "inflate-too-big";

/** Close code and reason text of a fault. */
export interface CloseForFault {
  readonly code: number;
  /** At most 123 octets of ASCII, for the close frame and the log. */
  readonly reason: string;
}

const CLOSE_FOR_FAULT: { readonly [fault in FrameFault]: CloseForFault } = {
  "reserved-bits": { code: 1002, reason: "A reserved bit is set" },
  "reserved-opcode": { code: 1002, reason: "The opcode is reserved" },
  "control-fragmented": { code: 1002, reason: "A control frame is fragmented" },
  "control-too-long": { code: 1002, reason: "A control frame is longer than 125 octets" },
  "unexpected-continuation": { code: 1002, reason: "A continuation frame has no message to continue" },
  "expected-continuation": { code: 1002, reason: "A message began before the last one ended" },
  "not-masked": { code: 1002, reason: "A frame is not masked" },
  "length-not-minimal": { code: 1002, reason: "A frame's length is not in its shortest form" },
  "length-top-bit": { code: 1002, reason: "A frame's length has its top bit set" },
  "message-too-big": { code: 1009, reason: "The message is too big" },
  "text-not-utf8": { code: 1007, reason: "A text message is not UTF-8" },
  "close-payload-length": { code: 1002, reason: "A close frame has a payload of one octet" },
  "close-code-invalid": { code: 1002, reason: "The close code is not allowed" },
  "close-reason-not-utf8": { code: 1007, reason: "The close reason is not UTF-8" },
  "inflate-corrupt": { code: 1007, reason: "A compressed message is corrupt" },
  "inflate-too-big": { code: 1009, reason: "The message is too big" },
};

/** The close code and reason that a fault gets: 1002, 1007 (RFC 6455 section 8.1) or 1009. */
export function closeForFault(fault: FrameFault): CloseForFault {
  return CLOSE_FOR_FAULT[fault];
}

/**
 * Whether a close frame may carry the code: 1000..1003, 1007..1014 and 3000..4999.
 * 1004, 1005, 1006 and 1015 must not travel (section 7.4.1); the rest below 3000 is not assigned, and 5000 and above
 * does not exist (section 7.4.2).
 */
export function isCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/** Longest reason in octets of UTF-8: a control frame's 125 less the two of the code (section 5.5). */
export const MAX_CLOSE_REASON_BYTES = 123;

const EMPTY = new Uint8Array(0);
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Encodes the payload of a close frame (section 5.5.1).
 *
 * @param code the close code, or undefined for an empty payload
 * @param reason text for the peer's log; at most 123 octets of UTF-8
 * @throws CartoucheError `ERR_CLOSE` when the code may not travel, or the reason is too long or has no code
 */
export function encodeClosePayload(code?: number, reason: string = ""): Uint8Array {
  if (code === undefined) {
    if (reason !== "") throw new CartoucheError("ERR_CLOSE", "A close reason needs a close code.");
    return EMPTY;
  }
  if (!Number.isInteger(code) || !isCloseCode(code)) {
    throw new CartoucheError(
      "ERR_CLOSE",
      `A close code must be 1000 to 1003, 1007 to 1014 or 3000 to 4999: it is ${code}.`,
    );
  }
  const text = encoder.encode(reason);
  if (text.length > MAX_CLOSE_REASON_BYTES) {
    throw new CartoucheError(
      "ERR_CLOSE",
      `A close reason has at most ${MAX_CLOSE_REASON_BYTES} octets of UTF-8: it has ${text.length}.`,
    );
  }
  const payload = new Uint8Array(2 + text.length);
  payload[0] = code >>> 8;
  payload[1] = code & 0xff;
  payload.set(text, 2);
  return payload;
}

/** What a close frame said. */
export interface CloseMessage {
  /** The code of the frame, or 1005 when it had none. */
  readonly code: number;
  readonly reason: string;
}

/**
 * Reads the payload of a close frame, `bytes[start..end)` unmasked (section 5.5.1).
 *
 * @returns what it says, or the fault: one octet is no code, the code may not travel, the reason is not UTF-8
 */
export function readClosePayload(bytes: Uint8Array, start: number, end: number): CloseMessage | FrameFault {
  if (start === end) return { code: CLOSE_CODE.noCode, reason: "" };
  if (end - start === 1) return "close-payload-length";
  const code = ((bytes[start] ?? 0) << 8) | (bytes[start + 1] ?? 0);
  if (!isCloseCode(code)) return "close-code-invalid";
  if (advanceUtf8(UTF8_COMPLETE, bytes, start + 2, end) !== UTF8_COMPLETE) return "close-reason-not-utf8";
  return { code, reason: end - start === 2 ? "" : decoder.decode(bytes.subarray(start + 2, end)) };
}
