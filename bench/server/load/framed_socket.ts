/**
 * A client connection that costs little, so that thousands fit into one process: all read into one buffer, and what
 * arrives is handed on at once. Runs on Node, whose sockets take a buffer of ours.
 */
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import process from "node:process";

const readBuffer = Buffer.alloc(256 * 1024);

/** Receives octets that are overwritten after the call. */
export type OnBytes = (bytes: Buffer, length: number) => void;

/** Connects; resolves once connected. `onClose` is called when the connection ends, whoever ended it. */
export function open(port: number, onBytes: OnBytes, onClose: () => void): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: "127.0.0.1",
      port,
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (length, bytes): boolean => {
          onBytes(bytes as Buffer, length);
          return true;
        },
      },
    });
    socket.once("connect", () => resolve(socket));
    socket.on("error", reject);
    socket.on("close", onClose);
  });
}

/** Length of a response's head with its empty line; 0 if it is not complete. */
export function headLength(text: string): number {
  const at = text.indexOf("\r\n\r\n");
  return at < 0 ? 0 : at + 4;
}

/** The status and content of a response that is whole; undefined while it is not. Only with Content-Length. */
export function readResponse(text: string): { status: number; body: string; length: number } | undefined {
  const end = headLength(text);
  if (end === 0) return undefined;
  const head = text.slice(0, end);
  const bodyLength = Number(/\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1] ?? 0);
  if (text.length < end + bodyLength) return undefined;
  return {
    status: Number(head.slice(9, 12)),
    body: text.slice(end, end + bodyLength),
    length: end + bodyLength,
  };
}

/** A handshake for a path. Nothing checks the key: the server's answer is only looked at for its status. */
export function handshake(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
}

/** A text frame of at most 125 octets, unmasked, as servers send it (RFC 6455 section 5.2). */
export function serverFrame(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text, "latin1")]);
}

/** The same from a client: masked. */
export function clientFrame(text: string): Buffer {
  const mask = [0x37, 0xfa, 0x21, 0x3d];
  const payload = Buffer.from(text, "latin1").map((octet, at) => octet ^ (mask[at % 4] as number));
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, ...mask]), payload]);
}

/** Prints the one line that the harness reads. */
export function report(result: object): void {
  console.log(`RESULT ${JSON.stringify(result)}`);
}

/** Prints READY; resolves when the harness writes to stdin. */
export function ready(): Promise<void> {
  console.log("READY");
  return new Promise((resolve) => process.stdin.once("data", () => resolve()));
}
