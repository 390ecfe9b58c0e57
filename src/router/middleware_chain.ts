/**
 * Runs middleware around an answer, like the layers of an onion, without a promise of its own.
 * Runs on: worker; runtime API: none
 *
 * What a layer returns is what the layer around it gets from `next()`: a result if all within were
 * synchronous, a promise if one was not. A thrown error passes through the layers in the same way.
 */
import { CartoucheError } from "../errors.ts";
import type { Handler, HandlerResult, Middleware } from "../handler.ts";
import type { ServerRequest } from "../worker/request.ts";
import { parsePattern } from "./path_pattern.ts";
import { PathSegments } from "./path_segments.ts";
import { RouteTree } from "./route_tree.ts";

/** A middleware and the paths it is for. */
interface Layer {
  readonly middleware: Middleware;
  /** Its one pattern; undefined: for every path. */
  readonly tree: RouteTree | undefined;
}

/** The middleware of a router; the one added first is the outermost. */
export class MiddlewareChain {
  readonly #layers: Layer[] = [];
  /** All of them. Replaced as a whole, because requests under way hold on to it. */
  #all: readonly Middleware[] = [];
  #hasPatterns = false;
  readonly #path = new PathSegments();

  /** @throws CartoucheError `ERR_PATTERN` if the pattern cannot work */
  add(pattern: string | undefined, middleware: Middleware): void {
    let tree: RouteTree | undefined;
    if (pattern !== undefined) {
      tree = new RouteTree();
      tree.add(parsePattern(pattern), 0);
      this.#hasPatterns = true;
    }
    this.#layers.push({ middleware, tree });
    this.#all = this.#layers.map((layer) => layer.middleware);
  }

  /** Runs what is for this path, and `answer` within. */
  run(path: string, request: ServerRequest, answer: Handler): HandlerResult | Promise<HandlerResult> {
    if (this.#all.length === 0) return answer(request);
    return runFrom(this.#hasPatterns ? this.#select(path) : this.#all, 0, request, answer);
  }

  /** A pattern fits no path that cannot be split; what has no pattern runs for those, too. */
  #select(path: string): Middleware[] {
    const isSplit = path.startsWith("/") && this.#path.split(path);
    const selected: Middleware[] = [];
    for (const { middleware, tree } of this.#layers) {
      if (tree === undefined || (isSplit && tree.find(this.#path, 1) === 0)) selected.push(middleware);
    }
    return selected;
  }
}

/**
 * Runs the layers from `index` on. Costs a closure for each layer and request: it holds the place in the
 * chain, and many requests may be in one chain at once.
 */
function runFrom(
  chain: readonly Middleware[],
  index: number,
  request: ServerRequest,
  answer: Handler,
): HandlerResult | Promise<HandlerResult> {
  const layer = chain[index];
  if (layer === undefined) return answer(request);
  let isPassed = false;
  return layer(request, () => {
    if (isPassed) throw new CartoucheError("ERR_NEXT", "A middleware called next() a second time");
    isPassed = true;
    return runFrom(chain, index + 1, request, answer);
  });
}
