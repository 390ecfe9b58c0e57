/**
 * The pattern language of routes: text in, a list of segment rules out, or the reason why it cannot work.
 * Runs on: any; runtime API: none
 *
 * A pattern is split at "/" into segments, then each segment is read by itself: first its wildcards, then
 * what is left is percent-decoded (RFC 3986 section 2.1) and compared with decoded segments of a path. So
 * "%2A" in a pattern is a star that matches only a star, and "%2F" is a slash that splits nothing.
 */
import { CartoucheError } from "../errors.ts";

/** What one segment of a pattern asks of the segment of a path (`many`: of one or more segments). */
export type PatternSegment =
  /** `name`: equal to `text`, which may be "". */
  | { readonly kind: "literal"; readonly text: string }
  /** `page_*` */
  | { readonly kind: "starts"; readonly text: string }
  /** `*.json` */
  | { readonly kind: "ends"; readonly text: string }
  /** `*_x_*` */
  | { readonly kind: "contains"; readonly text: string }
  /** `*`: any one segment, the empty one too. */
  | { readonly kind: "any" }
  /** `:name` or `@name`: any one segment but the empty one. */
  | { readonly kind: "named"; readonly name: string }
  /** `**`: one or more segments. */
  | { readonly kind: "many" };

/** A pattern that was read and found good. */
export interface PathPattern {
  /** As it was written. */
  readonly source: string;
  /** At least one. */
  readonly segments: readonly PatternSegment[];
  /** The names of the `named` segments, in order, all different. */
  readonly names: readonly string[];
  /** True if every segment is `literal`. */
  readonly isLiteral: boolean;
}

/** A name is what JavaScript allows after a dot, so that `request.params.name` can be written. */
const NAME = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;

/**
 * Reads a pattern.
 *
 * @param source the pattern, such as "/users/:id"
 * @returns its segments
 * @throws CartoucheError `ERR_PATTERN` if it cannot match any path, or hardly the ones that were meant
 */
export function parsePattern(source: string): PathPattern {
  if (typeof source !== "string") refuse(String(source), `it must be a string, got ${typeof source}`);
  if (source === "") refuse(source, 'it is empty; the root is "/"');
  if (!source.startsWith("/")) refuse(source, 'it must begin with "/"');
  const mark = /[?#]/.exec(source);
  if (mark !== null) {
    const escaped = mark[0] === "?" ? "%3F" : "%23";
    refuse(source, `"${mark[0]}" is never part of a path; write ${escaped} for the character itself`);
  }

  const segments: PatternSegment[] = [];
  const names: string[] = [];
  let afterMany = false;
  for (const text of source.slice(1).split("/")) {
    const segment = parseSegment(source, text);
    if (afterMany && (segment.kind === "any" || segment.kind === "many" || segment.kind === "named")) {
      refuse(source, `"**" must be followed by text or a partial wildcard, not by "${text}"`);
    }
    if (segment.kind === "named") {
      if (names.includes(segment.name)) refuse(source, `the name "${segment.name}" is used twice`);
      names.push(segment.name);
    }
    segments.push(segment);
    afterMany = segment.kind === "many";
  }
  return { source, segments, names, isLiteral: segments.every((segment) => segment.kind === "literal") };
}

/** Reads the text between two slashes. */
function parseSegment(source: string, text: string): PatternSegment {
  if (text === "*") return { kind: "any" };
  if (text === "**") return { kind: "many" };
  if (text.startsWith(":") || text.startsWith("@")) return parseName(source, text);
  // Only the outermost stars are wildcards. A star in the middle stands for itself, as it does in Mummy.
  const openStart = text.startsWith("*");
  const openEnd = text.endsWith("*");
  const literal = decodeText(source, text.slice(openStart ? 1 : 0, openEnd ? -1 : undefined));
  if (openStart && openEnd) return { kind: "contains", text: literal };
  if (openStart) return { kind: "ends", text: literal };
  if (openEnd) return { kind: "starts", text: literal };
  return { kind: "literal", text: literal };
}

function parseName(source: string, text: string): PatternSegment {
  const name = text.slice(1);
  const mark = text.charAt(0);
  if (name === "") {
    const escaped = mark === ":" ? "%3A" : "%40";
    refuse(source, `"${mark}" needs a name after it; write ${escaped} for the character itself`);
  }
  if (!NAME.test(name)) {
    refuse(source, `"${name}" is not a name; a name is one whole segment of letters, digits, "_" and "$"`);
  }
  return { kind: "named", name };
}

function decodeText(source: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse(source, `the percent-encoding in "${text}" is malformed; write %25 for a percent sign`);
  }
}

function refuse(source: string, reason: string): never {
  throw new CartoucheError("ERR_PATTERN", `Cannot use the route pattern "${source}": ${reason}`);
}
