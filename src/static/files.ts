/**
 * Serves a folder: a handler for routes, and an app of its own.
 * Runs on: worker; runtime API: none
 *
 * From the request's path to names (`file_path.ts`), from names to an open file (`open_within.ts`), from the
 * file to an answer (`file_response.ts`). Everything that is no regular file below the root is 4xx: folders
 * without an index, links that lead out, named pipes, devices, names that begin with a dot.
 */
import { closeSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { CartoucheError } from "../errors.ts";
import { type ContentCoding, negotiate } from "../http/content_coding.ts";
import { pathSegments } from "./file_path.ts";
import {
  type FileRequest,
  type FileResponseOptions,
  isRead,
  methodNotAllowed,
  plain,
  respondWithFile,
} from "./file_response.ts";
import { type OpenedFile, openWithin, type SymlinkPolicy } from "./open_within.ts";

/** A coding that a file can lie beside another in. */
export type PrecompressedCoding = Exclude<ContentCoding, "deflate">;

/** How a folder is served. */
export interface FilesOptions extends FileResponseOptions {
  /**
   * The part of the path that stands for the folder: "/static" serves root/a.txt as /static/a.txt. Default
   * "/".
   */
  readonly prefix?: string | undefined;
  /** The file that a folder's path means. Default "index.html"; false = folders are 404. */
  readonly index?: string | false | undefined;
  /** Whether names that begin with a dot are served. Default false; `.well-known` at the top always is. */
  readonly dotfiles?: boolean | undefined;
  /** Which symbolic links are followed. Default "within": those that stay below the root. */
  readonly symlinks?: SymlinkPolicy | undefined;
  /**
   * Whether `a.txt.br`, `.zst` and `.gz` are sent in the place of `a.txt` to clients that take them, and
   * which come first. Nothing checks that they hold the same. Default false: in a folder of uploads they need
   * not.
   */
  readonly precompressed?: boolean | readonly PrecompressedCoding[] | undefined;
}

/** Serves files; both a route's handler and an app. */
export interface FilesHandler {
  (request: FileRequest): Response;
  fetch(request: FileRequest): Response;
}

const ENDINGS: Readonly<Record<PrecompressedCoding, string>> = { br: ".br", zstd: ".zst", gzip: ".gz" };
/** Made once and ahead of time, so the smallest comes first. */
const ALL_CODINGS: readonly PrecompressedCoding[] = ["br", "zstd", "gzip"];

/**
 * Serves the files below a folder.
 *
 * GET and HEAD with ranges, conditions and media types; other methods are 405. The answer is made without
 * waiting, from the names and dates as they are then; its content is read as the client takes it and holds no
 * thread.
 *
 * @param root a path, relative to the working folder, or a file: URL, as in `new URL("./public",
 *   import.meta.url)`
 * @throws CartoucheError `ERR_OPTION` for options that cannot work
 * @example
 * ```ts ignore
 * import { files, Router } from "@cartouche/cartouche";
 *
 * const router = new Router();
 * router.get("/static/**", files("./public", { prefix: "/static", cacheControl: "max-age=3600" }));
 * export default router;
 * ```
 */
export function files(root: string | URL, options: FilesOptions = {}): FilesHandler {
  const folder = resolve(root instanceof URL ? fileURLToPath(root) : root);
  const prefix = prefixOf(options.prefix ?? "/");
  const codings = options.precompressed === true ? ALL_CODINGS : options.precompressed || [];
  const index = options.index ?? "index.html";
  if (index !== false && (index === "" || /[/\\\0]/.test(index))) {
    throw new CartoucheError("ERR_OPTION", `index is "${index}"; it must be the name of a file.`);
  }
  const open = (names: readonly string[]) => openWithin(folder, names, options.symlinks ?? "within");

  const handler = (request: FileRequest): Response => {
    if (!isRead(request.method)) return methodNotAllowed();
    const path = request.path ?? new URL(request.url).pathname;
    if (path !== prefix && !path.startsWith(`${prefix}/`)) return plain(request, 404);
    const segments = pathSegments(path.slice(prefix.length), options.dotfiles ?? false);
    if (typeof segments === "number") return plain(request, segments);

    let names = segments.names;
    let opened = open(names);
    if (opened.kind === "file" && segments.folder) {
      // "a.txt/" names nothing. (open_within.ts found the file because the names have no slash at the end.)
      return close(opened, plain(request, 404));
    }
    if (opened.kind === "folder") {
      if (index === false) return plain(request, 404);
      names = [...names, index];
      opened = open(names);
      if (opened.kind === "file" && !segments.folder) {
        // Relative links in the index need the slash.
        return close(opened, redirect(request, prefix, segments.names));
      }
    }
    if (opened.kind === "folder") return plain(request, 404);
    if (opened.kind === "refused") return plain(request, opened.status);

    const facts = { path: names.join("/"), varies: codings.length > 0 };
    let available = codings;
    while (available.length > 0) {
      const coding = negotiate(request.headers.get("accept-encoding"), available) as
        | PrecompressedCoding
        | "identity";
      if (coding === "identity") break;
      const coded = openCoded(open, names, coding, opened);
      if (coded !== undefined) return respondWithFile(request, coded, { ...facts, coding }, options);
      available = available.filter((other) => other !== coding);
    }
    return respondWithFile(request, opened, facts, options);
  };
  return Object.assign(handler, { fetch: handler });
}

/** The prefix without a slash at its end, so that "/" is "". */
function prefixOf(prefix: string): string {
  if (!prefix.startsWith("/") || prefix.includes("?")) {
    throw new CartoucheError("ERR_OPTION", `prefix is "${prefix}"; it must be a path that begins with "/".`);
  }
  return prefix.endsWith("/") ? prefix.slice(0, -1) : prefix;
}

/** The file beside `original` that has this coding; `original` is closed if there is one. */
function openCoded(
  open: (names: readonly string[]) => ReturnType<typeof openWithin>,
  names: readonly string[],
  coding: PrecompressedCoding,
  original: OpenedFile,
): OpenedFile | undefined {
  let coded: ReturnType<typeof openWithin> | undefined;
  try {
    coded = open([...names.slice(0, -1), `${names.at(-1) ?? ""}${ENDINGS[coding]}`]);
  } catch (error) {
    closeSync(original.fd);
    throw error;
  }
  if (coded.kind !== "file") return undefined;
  closeSync(original.fd);
  return coded;
}

function close(file: OpenedFile, response: Response): Response {
  closeSync(file.fd);
  return response;
}

/** Built from names that were checked, so it can never name another host ("//…"). */
function redirect(request: FileRequest, prefix: string, names: readonly string[]): Response {
  const query = request.url.indexOf("?");
  const path = `${prefix}${names.map((name) => `/${encodeURIComponent(name)}`).join("")}/`;
  return plain(request, 301, { location: path + (query < 0 ? "" : new URL(request.url).search) });
}
