/**
 * Opens a regular file below a root, and nothing else.
 * Runs on: worker; runtime API: none
 *
 * The calls block: on a local disk all of them together take 10 to 30 µs, while the awaiting kind takes 300
 * to 400 through the thread pool (measured on all three runtimes). Nothing is opened before it is known to be
 * a regular file: opening a named pipe waits for its writer, and opening a device may set it going. The
 * descriptor is looked at again after that, and its size and date are the ones that count, whatever happens
 * to the name meanwhile.
 */
import { closeSync, constants, fstatSync, openSync, realpathSync, statSync } from "node:fs";
import { join, sep } from "node:path";

/** Which symbolic links are followed: those that stay below the root, all, or none. */
export type SymlinkPolicy = "within" | "follow" | "never";

/** A file that is open; whoever has it closes it. */
export interface OpenedFile {
  readonly kind: "file";
  readonly fd: number;
  readonly size: number;
  readonly modifiedMs: number;
}

/** What a path led to. */
export type Opened = OpenedFile | { readonly kind: "folder" } | {
  readonly kind: "refused";
  readonly status: 403 | 404 | 503;
};

const FOLDER: Opened = { kind: "folder" };
const NOT_FOUND: Opened = { kind: "refused", status: 404 };
const FORBIDDEN: Opened = { kind: "refused", status: 403 };
const OVERLOADED: Opened = { kind: "refused", status: 503 };

/** Windows knows neither. */
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
const READ_NO_LINK = READ | (constants.O_NOFOLLOW ?? 0);

/**
 * Opens root/names… for reading.
 *
 * @param root an absolute path; it may itself be a link, which is followed anew each time
 * @param names from `pathSegments`
 * @throws what the file system throws beyond the usual: an I/O error, for one
 */
export function openWithin(root: string, names: readonly string[], symlinks: SymlinkPolicy): Opened {
  const path = join(root, ...names);
  try {
    if (symlinks === "follow") return openRegular(path, READ);
    const realRoot = realpathSync.native(root);
    const realPath = realpathSync.native(path);
    if (symlinks === "never" && realPath !== join(realRoot, ...names)) return NOT_FOUND;
    // With the separator: "www-private" begins with "www", too.
    const prefix = realRoot.endsWith(sep) ? realRoot : realRoot + sep;
    if (realPath !== realRoot && !realPath.startsWith(prefix)) return NOT_FOUND;
    return openRegular(realPath, READ_NO_LINK);
  } catch (error) {
    return refusalFor(error);
  }
}

/**
 * Opens a file that the application names; links are followed.
 *
 * @throws what the file system throws beyond the usual
 */
export function openNamed(path: string): Opened {
  try {
    return openRegular(path, READ);
  } catch (error) {
    return refusalFor(error);
  }
}

function openRegular(path: string, flags: number): Opened {
  const before = statSync(path);
  if (before.isDirectory()) return FOLDER;
  if (!before.isFile()) return NOT_FOUND;
  const fd = openSync(path, flags);
  let kept = false;
  try {
    const { size, mtimeMs, ...rest } = describe(fd);
    if (!rest.regular) return NOT_FOUND;
    kept = true;
    return { kind: "file", fd, size, modifiedMs: mtimeMs };
  } finally {
    if (!kept) closeSync(fd);
  }
}

function describe(fd: number): { regular: boolean; size: number; mtimeMs: number } {
  const stats = fstatSync(fd);
  return { regular: stats.isFile(), size: stats.size, mtimeMs: stats.mtimeMs };
}

function refusalFor(error: unknown): Opened {
  switch (error instanceof Error && "code" in error ? error.code : undefined) {
    case "ENOENT":
    case "ENOTDIR":
    case "ELOOP":
    case "ENAMETOOLONG":
    case "EINVAL":
    case "ENXIO":
      return NOT_FOUND;
    case "EACCES":
    case "EPERM":
      return FORBIDDEN;
    case "EMFILE":
    case "ENFILE":
      return OVERLOADED;
    default:
      throw error;
  }
}
