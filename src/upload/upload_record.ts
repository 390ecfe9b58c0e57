/**
 * The JSON beside the bytes of an upload: what the size of the file does not tell.
 * Runs on: any; runtime API: none
 *
 * The offset is not in it: the data file's size is the offset. The time of the last request is the JSON
 * file's own modification time, so that a HEAD costs no write to it. `verified` is the one bound on the size:
 * bytes behind it came with a checksum that nobody has confirmed, and do not count.
 */

/** The content of `<id>.json`. */
export interface UploadRecord {
  readonly length: number | null;
  readonly metadata: string;
  readonly concat: string | null;
  readonly createdMs: number;
  readonly finished: boolean;
  readonly sealed: boolean;
  readonly notified: boolean;
  /** Bytes that count even though the file may be longer; null when all of them do. */
  readonly verified: number | null;
  /** Grows with each change, so that a reader can tell whether two looks saw the same record. */
  readonly revision: number;
}

/** What a new record says where nothing else is said. */
export const EMPTY_RECORD: UploadRecord = {
  length: null,
  metadata: "",
  concat: null,
  createdMs: 0,
  finished: false,
  sealed: false,
  notified: false,
  verified: null,
  revision: 0,
};

/** The text of a record. */
export function encodeRecord(record: UploadRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/** A record from its text; null when it is none (a foreign or a damaged file). */
export function decodeRecord(text: string): UploadRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { length, metadata, concat, createdMs, finished, sealed, notified, verified, revision } =
    value as Record<
      string,
      unknown
    >;
  if (!isSizeOrNull(length) || !isSizeOrNull(verified)) return null;
  if (!isSize(createdMs) || !isSize(revision)) return null;
  if (typeof metadata !== "string" || (concat !== null && typeof concat !== "string")) return null;
  if (typeof finished !== "boolean" || typeof sealed !== "boolean" || typeof notified !== "boolean") {
    return null;
  }
  return { length, metadata, concat, createdMs, finished, sealed, notified, verified, revision };
}

/** How many of the file's bytes count. */
export function countedBytes(record: UploadRecord, size: number): number {
  return Math.min(size, record.verified ?? size, record.length ?? size);
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isSizeOrNull(value: unknown): value is number | null {
  return value === null || isSize(value);
}
