/**
 * Makes the end of a file's name out of the name that a client gave it.
 * Runs on: any; runtime API: none
 *
 * What a client says must never decide where octets go: the result is one path segment that is safe behind an
 * id of our own, on every file system. It holds no separator, no control or direction character, nothing that
 * a shell's glob or Windows takes for special, begins with no dot, and has a bounded length in octets of
 * UTF-8.
 */

/**
 * Octets that a name may take: 255 is the limit of common file systems, and an id and a hyphen stand before
 * it.
 */
export const MAX_NAME_BYTES = 180;

/** Longer endings than this are no file type, and are cut like the rest. */
const MAX_EXTENSION_BYTES = 20;

/**
 * Control characters (C0, DEL, C1), line separators, and what turns the direction of text or is not seen at
 * all.
 */
const INVISIBLE = /[\p{Cc}\p{Zl}\p{Zp}\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/gu;
const RESERVED_CHARACTER = /[<>:"|?*]/g;
/** Windows opens a device under these names, with any ending. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:$|[. ])/i;

const utf8 = new TextEncoder();

/**
 * A safe last part for a file name, or "" when nothing of the client's name is usable.
 *
 * @param name as the client sent it, possibly a whole path of either kind
 * @param maxBytes of UTF-8, {@link MAX_NAME_BYTES} unless given; an ending like ".jpeg" survives the cut
 */
export function safeFileName(name: string, maxBytes: number = MAX_NAME_BYTES): string {
  let safe = clientFileName(name)
    .normalize("NFC")
    .replace(RESERVED_CHARACTER, "_")
    // A leading dot hides the file or means a folder; Windows drops dots and blanks at the end.
    .replace(/^[\s.]+/u, "");
  safe = withoutEnd(safe);
  if (DEVICE.test(safe)) safe = `_${safe}`;
  if (utf8.encode(safe).length <= maxBytes) return safe;

  const dot = safe.lastIndexOf(".");
  const extension = dot > 0 ? safe.slice(dot) : "";
  const extensionBytes = utf8.encode(extension).length;
  if (extensionBytes === 0 || extensionBytes > Math.min(MAX_EXTENSION_BYTES, maxBytes - 1)) {
    return withoutEnd(cut(safe, maxBytes));
  }
  return cut(safe.slice(0, dot), maxBytes - extensionBytes) + extension;
}

/**
 * The last part of the client's name, for people to read: without folders and without control characters, but
 * with everything else that it holds. "" when it is nothing but dots. Not a path: see {@link safeFileName}.
 */
export function clientFileName(name: string): string {
  const lastPart = wellFormed(name.slice(Math.max(name.lastIndexOf("/"), name.lastIndexOf("\\")) + 1));
  const visible = lastPart.replace(INVISIBLE, "");
  return visible === "." || visible === ".." ? "" : visible;
}

/** As much of the beginning as fits, cut between two code points. */
function cut(text: string, maxBytes: number): string {
  // encodeInto never writes a part of a code point, and says how far it came.
  return text.slice(0, utf8.encodeInto(text, new Uint8Array(maxBytes)).read);
}

/**
 * Without dots and white space at the end (a loop: a pattern takes quadratic time where they stand in the
 * middle).
 */
function withoutEnd(text: string): string {
  let end = text.length;
  while (end > 0 && /[\s.]/u.test(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

/** Half of a surrogate pair cannot be written as UTF-8. */
function wellFormed(text: string): string {
  return text.replace(/\p{Cs}/gu, "\ufffd");
}
