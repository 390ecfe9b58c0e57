/**
 * Builds frames as a client sends them, right or wrong in any part (RFC 6455 section 5.2).
 * It shares no code with src: the octets are put together here by hand.
 */

/** The parts of a frame; what is left out is as in a good text frame. */
export interface ClientFrame {
  readonly fin?: boolean;
  /** The three reserved bits as a number, RSV1 = 4. */
  readonly rsv?: number;
  readonly opcode?: number;
  readonly payload?: Uint8Array | string;
  /** The masking key; null sends the frame unmasked. */
  readonly key?: readonly [number, number, number, number] | null;
  /** Which of the three forms the length has; the shortest when left out. */
  readonly lengthForm?: 7 | 16 | 64;
  /** A length to announce in place of the payload's. */
  readonly announced?: bigint;
}

export const KEY = [0x37, 0xfa, 0x21, 0x3d] as const;

/** UTF-8 of a text. */
export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Octets from hexadecimal text with any spaces. */
export function fromHex(hex: string): Uint8Array {
  const pairs = hex.replaceAll(/\s/g, "").match(/../g) ?? [];
  return Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (octet) => octet.toString(16).padStart(2, "0")).join("");
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The octets of one frame. */
export function frame(parts: ClientFrame = {}): Uint8Array {
  const payload = typeof parts.payload === "string"
    ? utf8(parts.payload)
    : parts.payload ?? new Uint8Array(0);
  const length = parts.announced ?? BigInt(payload.length);
  const form = parts.lengthForm ?? (length < 126n ? 7 : length < 65536n ? 16 : 64);
  const key = parts.key === undefined ? KEY : parts.key;
  const octets: number[] = [
    ((parts.fin ?? true) ? 0x80 : 0) | ((parts.rsv ?? 0) << 4) | (parts.opcode ?? 1),
    (key === null ? 0 : 0x80) | (form === 7 ? Number(length) : form === 16 ? 126 : 127),
  ];
  if (form !== 7) {
    for (let shift = BigInt(form) - 8n; shift >= 0n; shift -= 8n) {
      octets.push(Number((length >> shift) & 0xffn));
    }
  }
  if (key !== null) octets.push(...key);
  const whole = new Uint8Array(octets.length + payload.length);
  whole.set(octets);
  payload.forEach((octet, i) => {
    whole[octets.length + i] = octet ^ (key === null ? 0 : key[i % 4] ?? 0);
  });
  return whole;
}

/** The payload of a close frame. */
export function closePayload(code: number, reason: Uint8Array | string = ""): Uint8Array {
  const text = typeof reason === "string" ? utf8(reason) : reason;
  return concat(Uint8Array.of(code >> 8, code & 0xff), text);
}
