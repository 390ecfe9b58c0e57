/**
 * Builds `request.params`: which segments of a path the names of a pattern stand for.
 * Runs on: any; runtime API: none
 *
 * In a pattern with several "**" a name may fit in more than one place; each "**" then takes as few segments
 * as it can, from left to right. Taking the leftmost place for the segments between two "**" never spoils the
 * rest, because the second "**" may take whatever is skipped; so nothing is ever tried again.
 */
import type { PathPattern, PatternSegment } from "./path_pattern.ts";
import type { PathSegments } from "./path_segments.ts";

/** The params of one request. */
type Params = Record<string, string>;

/**
 * Makes objects that inherit nothing, so that a name like `__proto__` or `constructor` is a name like any
 * other, and that still have fast properties: `Object.create(null)` makes a hash table in V8.
 */
const Params = function (): void {} as unknown as new () => Params;
Params.prototype = Object.create(null);

/** The params of a request whose route has no names. One for all, therefore frozen. */
export const NO_PARAMS: Readonly<Params> = Object.freeze(new Params());

/** Reads the params of one pattern. */
export class PathCaptures {
  readonly #segments: readonly PatternSegment[];
  readonly #names: readonly string[];
  /** The index of the segment for each name; undefined behind a "**", where it differs from path to path. */
  readonly #indexes: readonly number[] | undefined;

  constructor(pattern: PathPattern) {
    this.#segments = pattern.segments;
    this.#names = pattern.names;
    const firstMany = pattern.segments.findIndex((segment) => segment.kind === "many");
    const indexes = pattern.segments.flatMap((segment, index) => segment.kind === "named" ? [index] : []);
    this.#indexes = firstMany === -1 || indexes.every((index) => index < firstMany) ? indexes : undefined;
  }

  /** Reads the params from a path that the pattern matches. */
  read(path: PathSegments): Params {
    const names = this.#names;
    if (names.length === 0) return NO_PARAMS;
    const indexes = this.#indexes ?? this.#locate(path);
    const params = new Params();
    for (let index = 0; index < names.length; index++) {
      params[names[index] as string] = path.text(indexes[index] as number);
    }
    return params;
  }

  /** The index of the segment for each name, around the "**" of the pattern. */
  #locate(path: PathSegments): number[] {
    const segments = this.#segments;
    const indexes: number[] = [];
    let groupStart = 0;
    let at = 0;
    while (groupStart <= segments.length) {
      // A group is what stands between two "**", or before the first, or after the last.
      let groupEnd = groupStart;
      while (groupEnd < segments.length && segments[groupEnd]?.kind !== "many") groupEnd++;
      if (groupStart > 0 && groupEnd === segments.length) at = path.count - (groupEnd - groupStart);
      else if (groupStart > 0) at = this.#findGroup(path, groupStart, groupEnd, at);
      for (let index = groupStart; index < groupEnd; index++, at++) {
        if (segments[index]?.kind === "named") indexes.push(at);
      }
      groupStart = groupEnd + 1;
      at++;
    }
    return indexes;
  }

  /** The first place at or after `from` where the group matches. */
  #findGroup(path: PathSegments, groupStart: number, groupEnd: number, from: number): number {
    for (let at = from; at < path.count; at++) {
      let index = groupStart;
      while (
        index < groupEnd && path.matches(at + index - groupStart, this.#segments[index] as PatternSegment)
      ) {
        index++;
      }
      if (index === groupEnd) return at;
    }
    throw new Error("The path does not match the pattern whose names are read from it");
  }
}
