/**
 * The paths of a router below the prefix where it is mounted, seen from within and from without.
 * Runs on: any; runtime API: none
 *
 * Within, "/" stands for the bare prefix and for the prefix with a "/" behind it; all else is what follows
 * the prefix.
 */
import { parsePattern, type PathPattern } from "./path_pattern.ts";
import { PathSegments } from "./path_segments.ts";
import type { RouteRecord } from "./route_options.ts";

/**
 * What a path is within: the rest behind the segments of the prefix. The prefix may be written in several
 * ways.
 */
export function pathBelow(prefix: PathPattern, path: string): string {
  let at = 0;
  for (let passed = 0; passed < prefix.segments.length; passed++) {
    at = path.indexOf("/", at + 1);
    if (at === -1) return "/";
  }
  return path.slice(at);
}

/** The routes of a mounted router as they are without: for the bare prefix, and for all behind it. */
export function routesBelow(
  prefix: PathPattern,
  routes: readonly RouteRecord[],
): { bare: RouteRecord[]; behind: RouteRecord[] } {
  return {
    bare: routes.filter(({ pattern }) => matchesRoot(pattern)).map((route) => ({
      ...route,
      pattern: prefix.source,
    })),
    behind: routes.map((route) => ({ ...route, pattern: prefix.source + route.pattern })),
  };
}

function matchesRoot(source: string): boolean {
  const { segments } = parsePattern(source);
  const root = new PathSegments();
  root.split("/");
  return segments.length === 1 && segments.every((segment) => root.matches(0, segment));
}
