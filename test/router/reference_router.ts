/**
 * The rules of routing in the plainest form, to compare the compiled router with: try every route in turn.
 * Runs on: any; runtime API: none
 *
 * It shares no code with `src/router/`. It may take exponential time, so its inputs are short.
 */

/** A route: its method ("*" for every one) and its pattern. */
export interface ReferenceRoute {
  readonly method: string;
  readonly pattern: string;
}

/** What should happen: a route (by index) with params, or a status. */
export type ReferenceAnswer =
  | { readonly route: number; readonly params: Record<string, string> }
  | { readonly status: 204 | 405; readonly allow: string }
  | { readonly status: 400 | 404 };

/** Two patterns with the same shape match the same paths. */
export function shapeOf(pattern: string): string {
  return pattern.split("/").map((segment) => {
    if (/^[:@]/.test(segment)) return ":";
    const stars = [segment.startsWith("*") ? "open" : "", segment.endsWith("*") ? "open" : ""];
    return JSON.stringify([segment === "*", segment === "**", stars, textIn(segment)]);
  }).join();
}

/** What is left of a segment without its wildcards, decoded. */
function textIn(segment: string): string {
  return decodeURIComponent(segment.replace(/^\*/, "").replace(/\*$/, ""));
}

function fits(wanted: string, segment: string): boolean {
  if (wanted === "*") return true;
  if (/^[:@]/.test(wanted)) return segment !== "";
  const text = textIn(wanted);
  if (wanted.startsWith("*") && wanted.endsWith("*")) return segment.includes(text);
  if (wanted.startsWith("*")) return segment.endsWith(text);
  if (wanted.endsWith("*")) return segment.startsWith(text);
  return segment === text;
}

/**
 * Name and value pairs, or undefined if the path does not match. "**" takes few segments before it takes
 * many.
 */
function match(pattern: readonly string[], path: readonly string[]): [string, string][] | undefined {
  const [wanted, ...patternRest] = pattern;
  if (wanted === undefined) return path.length === 0 ? [] : undefined;
  if (wanted === "**") {
    for (let taken = 1; taken <= path.length; taken++) {
      const params = match(patternRest, path.slice(taken));
      if (params !== undefined) return params;
    }
    return undefined;
  }
  const [segment, ...pathRest] = path;
  if (segment === undefined || !fits(wanted, segment)) return undefined;
  const params = match(patternRest, pathRest);
  if (params === undefined) return undefined;
  return /^[:@]/.test(wanted) ? [[wanted.slice(1), segment], ...params] : params;
}

/** Answers a request. */
export function referenceAnswer(
  routes: readonly ReferenceRoute[],
  method: string,
  path: string,
): ReferenceAnswer {
  let segments: string[];
  try {
    segments = path.slice(1).split("/").map(decodeURIComponent);
  } catch {
    return { status: 400 };
  }
  const matches = routes.map(({ pattern }) => match(pattern.slice(1).split("/"), segments));
  const firstOf = (wanted: string): number =>
    routes.findIndex((route, index) =>
      (route.method === wanted || route.method === "*") && matches[index] !== undefined
    );
  let route = firstOf(method);
  if (method === "HEAD" && routes[route]?.method !== "HEAD") route = firstOf("GET");
  if (route !== -1) return { route, params: Object.fromEntries(matches[route] ?? []) };

  const methods: string[] = [];
  routes.forEach((other, index) => {
    if (matches[index] !== undefined) methods.push(other.method);
  });
  if (methods.length === 0) return { status: 404 };
  if (methods.includes("GET")) methods.push("HEAD");
  methods.push("OPTIONS");
  return { status: method === "OPTIONS" ? 204 : 405, allow: [...new Set(methods)].sort().join(", ") };
}

/** Numbers from 0 to below `limit`, the same for the same seed (mulberry32). */
export function randomFrom(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}
