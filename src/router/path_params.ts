/**
 * The names in a route pattern, as types: `PathParams<"/users/:id">` is `{ id: string }`.
 * Runs on: any; runtime API: none
 *
 * Only types: nothing of this file is left at run time. The run-time twin is `path_pattern.ts`, which also
 * refuses the names that a type cannot (`/:1st`, `/:a/:a`). Segments are split at "/" exactly as there.
 */

/** The name that one segment of a pattern declares, or `never`. */
type SegmentName<Segment extends string> = Segment extends `:${infer Name}` ? Name
  : Segment extends `@${infer Name}` ? Name
  : never;

/**
 * The names of all segments. It collects them in `Found` so that the compiler can loop instead of recursing.
 */
type PatternNames<Pattern extends string, Found extends string = never> = Pattern extends
  `${infer Segment}/${infer Rest}` ? PatternNames<Rest, Found | SegmentName<Segment>>
  : Found | SegmentName<Pattern>;

/**
 * The type of `request.params` behind a pattern. A pattern that is only known as `string` gives any name; a
 * union of patterns gives a union of types.
 *
 * @example
 * ```ts
 * import type { PathParams } from "@cartouche/cartouche";
 *
 * const params: PathParams<"/users/:id/files/@name"> = { id: "7", name: "a.txt" };
 * console.log(params.id);
 * ```
 */
export type PathParams<Pattern extends string> = string extends Pattern ? Record<string, string>
  : Pattern extends string ? { [Name in PatternNames<Pattern>]: string }
  : never;
