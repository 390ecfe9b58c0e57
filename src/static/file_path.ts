/**
 * Turns the path of a request into the names of folders and a file, or refuses it.
 * Runs on: any; runtime API: none
 *
 * RFC 3986 section 3.3. The path is split first and decoded second, once, so no encoding can make a
 * separator, and every name that could mean another place than it says is refused on all systems alike: `.`,
 * `..`, an empty name, one with a slash or backslash in it. On Windows also what its file systems take for
 * something else.
 * Invariant: names joined to a root lie below that root as text; symbolic links are the business of
 * `open_within.ts`.
 */
import { platform } from "node:process";

/** The names in a path. */
export interface PathSegments {
  readonly names: readonly string[];
  /** The path ends with a slash: it means a folder. */
  readonly folder: boolean;
}

/**
 * What Windows does not store as it is: streams and drives, wildcards, dots and blanks at the end, devices.
 */
const WINDOWS_SPECIAL =
  /[<>:"|?*]|[. ]$|^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i;

/**
 * Reads a path.
 *
 * @param path still percent-encoded, without query; "" and "/" are the root itself
 * @param dotfiles whether names that begin with a dot exist; `.well-known` at the top always does (RFC 8615)
 * @returns the names, 400 for a path that cannot be decoded, or 404 for one that cannot exist
 */
export function pathSegments(
  path: string,
  dotfiles: boolean,
  windows: boolean = platform === "win32",
): PathSegments | 400 | 404 {
  if (path === "" || path === "/") return { names: [], folder: path === "/" };
  if (path[0] !== "/") return 404;
  const folder = path.endsWith("/");
  const names: string[] = [];
  for (const encoded of path.slice(1, folder ? -1 : undefined).split("/")) {
    let name: string;
    try {
      name = decodeURIComponent(encoded);
    } catch {
      return 400;
    }
    if (name.includes("\0")) return 400;
    if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\\")) return 404;
    if (name[0] === "." && !dotfiles && !(name === ".well-known" && names.length === 0)) return 404;
    if (windows && WINDOWS_SPECIAL.test(name)) return 404;
    names.push(name);
  }
  return { names, folder };
}
