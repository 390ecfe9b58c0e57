/**
 * The media type of a file by its name.
 * Runs on: any; runtime API: none
 *
 * Only the last ending counts, so `x.tar.gz` is application/gzip and never gets a content coding.
 */
import { MEDIA_TYPES } from "./media_types.ts";

/** What a file is called when nothing is known of it; browsers then save it. */
export const UNKNOWN_TYPE = "application/octet-stream";

/**
 * The Content-Type for a file.
 *
 * @param name the file's name, with or without folders
 * @param types endings without the dot, in lower case, that shall have other types than the list says
 * @param charset parameter for text types; "" leaves it out
 */
export function contentTypeOf(
  name: string,
  types: Readonly<Record<string, string>> = {},
  charset: string = "utf-8",
): string {
  const dot = name.lastIndexOf(".");
  if (dot < 0) return UNKNOWN_TYPE;
  const ending = name.slice(dot + 1).toLowerCase();
  const own = ownValue(types, ending);
  if (own !== undefined) return own;
  const type = typeByEnding().get(ending) ?? UNKNOWN_TYPE;
  // JSON has no charset parameter (RFC 8259 section 11), and XML says its own.
  return charset !== "" && type.startsWith("text/") ? `${type}; charset=${charset}` : type;
}

let endings: Map<string, string> | null = null;

function typeByEnding(): Map<string, string> {
  if (endings === null) {
    endings = new Map();
    for (const line of MEDIA_TYPES.trim().split("\n")) {
      const [type = "", ...names] = line.split(" ");
      for (const name of names) endings.set(name, type);
    }
  }
  return endings;
}

/**
 * The caller's list is a plain object: a file called "x.constructor" must not find Object's.
 */
function ownValue(record: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}
