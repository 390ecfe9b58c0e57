/**
 * The opcodes of WebSocket frames and what each group of them means (RFC 6455 section 5.2).
 * Runs on: any; runtime API: none
 *
 * Data frames are 0..2, control frames 8..10; 3..7 and 11..15 are reserved and fail the connection.
 */

/** Opcodes by name. */
export const OPCODE = {
  continuation: 0x0,
  text: 0x1,
  binary: 0x2,
  close: 0x8,
  ping: 0x9,
  pong: 0xa,
} as const;

/** An opcode that RFC 6455 defines. */
export type Opcode = (typeof OPCODE)[keyof typeof OPCODE];

/** Whether the opcode is one of a control frame: the top bit of its four (RFC 6455 section 5.5). */
export function isControl(opcode: number): boolean {
  return (opcode & 0x8) !== 0;
}

/** Whether the opcode has no meaning yet: 3..7 for data, 11..15 for control frames. */
export function isReserved(opcode: number): boolean {
  return (opcode & 0x7) > 2;
}
