/**
 * What the servers of the transfer rows share: a folder, a large file in it, and how both are recognised.
 *
 *     POST /files/      tus, creation with the content in the same request; on Cartouche and @tus/server
 *     POST /upload      the content goes into a file; on node:http
 *     GET  /download    the large file
 */
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { Buffer } from "node:buffer";

/** Where uploads go and the large file lies, below the root of the tree, where the harness and all servers run. */
const TRANSFER_DIR = ".cache/bench/transfer";
export const UPLOADS = `${TRANSFER_DIR}/uploads`;
export const LARGE_FILE = `${TRANSFER_DIR}/large.bin`;

const MEBIBYTE = 1024 * 1024;
export const UPLOAD_BYTES = 256 * MEBIBYTE;
export const DOWNLOAD_BYTES = 512 * MEBIBYTE;

/** One mebibyte that repeats in everything that is transferred; its length is no multiple of any buffer's but 2^n. */
export function patternBlock(): Buffer {
  const block = Buffer.alloc(MEBIBYTE);
  for (let at = 0, x = 1; at < block.length; at += 4) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    block.writeInt32LE(x, at);
  }
  return block;
}

/** Makes the folder anew, with the large file. */
export function prepareTransfers(): void {
  rmSync(TRANSFER_DIR, { recursive: true, force: true });
  mkdirSync(UPLOADS, { recursive: true });
  const block = patternBlock();
  const file = openSync(LARGE_FILE, "w");
  try {
    for (let written = 0; written < DOWNLOAD_BYTES; written += block.length) writeSync(file, block);
  } finally {
    closeSync(file);
  }
}

/** Removes what was uploaded. */
export function clearUploads(): void {
  rmSync(UPLOADS, { recursive: true, force: true });
  mkdirSync(UPLOADS, { recursive: true });
}
