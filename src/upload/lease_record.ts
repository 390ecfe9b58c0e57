/**
 * The bytes of a lease file: who holds an upload, and the words of holder and contender for each other.
 * Runs on: any; runtime API: none
 *
 * | byte | size | field     | written by | meaning                                                     |
 * |    0 |    1 | released  | holder     | "1": the holder has let go of it                              |
 * |    1 |    1 | in flight | holder     | "1": an operation on the upload is, or may be, under way      |
 * |      |      |           |            | (of this holder, or of one before that it has not fenced yet) |
 * |    2 |   13 | heartbeat | holder     | Date.now() in decimal: the holder's thread was alive then     |
 * |   15 |    1 | stop      | contender  | "1": somebody wants the upload                                |
 * |   16 |    1 | taken     | contender  | "1": the contender is the holder now                          |
 * |   17 |    1 |           |            | line end                                                      |
 * |   18 |    n | owner     | holder     | JSON: process, host and thread; written once; ends with LF    |
 *
 * Every byte has one writer, and each write is one `pwrite`: nothing is read back and merged.
 */
import { hasCode } from "./store_fs.ts";

const RELEASED = 0;
const IN_FLIGHT = RELEASED + 1;
const HEARTBEAT = IN_FLIGHT + 1;
const HEARTBEAT_DIGITS = 13;
const STOP = HEARTBEAT + HEARTBEAT_DIGITS;
const TAKEN = STOP + 1;
const LINE_END = TAKEN + 1;
const OWNER = LINE_END + 1;

/** Longest lease file that is read, in bytes: a host name has at most 255. */
const MOST = 1024;

/** The file calls that leases use: all blocking, so that check and mark happen in one turn of the thread. */
export interface LeaseFs {
  openSync(path: string, flags: string, mode?: number): number;
  closeSync(fd: number): void;
  writeSync(fd: number, bytes: Uint8Array, offset: number, length: number, position: number): number;
  readSync(fd: number, bytes: Uint8Array, offset: number, length: number, position: number): number;
  readdirSync(path: string): string[];
  mkdirSync(path: string): unknown;
  unlinkSync(path: string): void;
  rmdirSync(path: string): void;
  fstatSync(fd: number): { readonly mtimeMs: number };
}

/** Who holds a lease. */
export interface LeaseOwner {
  readonly pid: number;
  /** When the process began, in the system's own words; "" where the system does not tell. */
  readonly started: string;
  readonly host: string;
  /** Where its number means something: the boot of the system and the namespace of process numbers; "" if unknown. */
  readonly space: string;
  readonly thread: number;
}

/** A lease file as it was read. */
export interface LeaseState {
  readonly released: boolean;
  readonly inFlight: boolean;
  readonly heartbeatMs: number;
  /** Null when the holder is, or died, between making the file and writing it. */
  readonly owner: LeaseOwner | null;
}

/** What a contender has left for the holder. */
export const LEASE_WORD = { none: 0, stop: 1, taken: 2 } as const;
export type LeaseWord = typeof LEASE_WORD[keyof typeof LEASE_WORD];

const ONE = encode("1");
const scratch = new Uint8Array(MOST);

/** Fills a new lease file, marked "in flight" until the holder knows what became of those before it. */
export function writeNewLease(fs: LeaseFs, fd: number, owner: LeaseOwner, nowMs: number): void {
  const bytes = encode(`01${digits(nowMs)}00\n${JSON.stringify(owner)}\n`);
  fs.writeSync(fd, bytes, 0, bytes.length, 0);
}

/**
 * Reads a lease file. One that is empty still counts as written when it was made, with an operation in
 * flight.
 */
export function readLease(fs: LeaseFs, fd: number): LeaseState {
  const length = fs.readSync(fd, scratch, 0, MOST, 0);
  if (length < OWNER) {
    return { released: false, inFlight: true, heartbeatMs: fs.fstatSync(fd).mtimeMs, owner: null };
  }
  const text = new TextDecoder().decode(scratch.subarray(0, length));
  return {
    released: scratch[RELEASED] === ONE[0],
    inFlight: scratch[IN_FLIGHT] === ONE[0],
    heartbeatMs: Number(text.slice(HEARTBEAT, HEARTBEAT + HEARTBEAT_DIGITS)) || 0,
    owner: ownerOf(text.slice(OWNER)),
  };
}

/** Holder: an operation begins or ends; also a heartbeat. */
export function markOperation(fs: LeaseFs, fd: number, inFlight: boolean, nowMs: number): void {
  const bytes = encode(`${inFlight ? "1" : "0"}${digits(nowMs)}`);
  fs.writeSync(fd, bytes, 0, bytes.length, IN_FLIGHT);
}

/** Holder: still alive. */
export function markAlive(fs: LeaseFs, fd: number, nowMs: number): void {
  const bytes = encode(digits(nowMs));
  fs.writeSync(fd, bytes, 0, bytes.length, HEARTBEAT);
}

/** Holder: lets go. */
export function markReleased(fs: LeaseFs, fd: number): void {
  fs.writeSync(fd, ONE, 0, 1, RELEASED);
}

/** Contender: wants it. */
export function markStop(fs: LeaseFs, fd: number): void {
  fs.writeSync(fd, ONE, 0, 1, STOP);
}

/** Contender: is the holder now. */
export function markTaken(fs: LeaseFs, fd: number): void {
  fs.writeSync(fd, ONE, 0, 1, TAKEN);
}

/** Holder: has a contender left a word? */
export function readWord(fs: LeaseFs, fd: number): LeaseWord {
  const length = fs.readSync(fd, scratch, 0, 2, STOP);
  // A file that cannot be read to there is not ours any more.
  if (length < 2 || scratch[1] === ONE[0]) return LEASE_WORD.taken;
  return scratch[0] === ONE[0] ? LEASE_WORD.stop : LEASE_WORD.none;
}

/** Removes a lease file, or finds it gone. */
export function removeLease(fs: LeaseFs, path: string): void {
  try {
    fs.unlinkSync(path);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
  }
}

function ownerOf(text: string): LeaseOwner | null {
  try {
    const owner: unknown = JSON.parse(text);
    if (typeof owner !== "object" || owner === null) return null;
    const { pid, started, host, space, thread } = owner as Record<string, unknown>;
    if (typeof pid !== "number" || typeof thread !== "number") return null;
    if (typeof host !== "string" || typeof space !== "string" || typeof started !== "string") return null;
    return { pid, started, host, space, thread };
  } catch {
    return null;
  }
}

function digits(ms: number): string {
  return String(Math.floor(ms)).padStart(HEARTBEAT_DIGITS, "0");
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
