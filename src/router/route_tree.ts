/**
 * Finds the first of many patterns that matches a path (in the order of addition) without trying them all.
 * Runs on: any; runtime API: none
 *
 * Patterns that begin alike share nodes. A node knows the smallest order below it, so a branch that can only
 * bring a later pattern than the one found already is not entered.
 *
 * Bound: a node above which no "**" stands is entered at one position of the path at most. A "**" node is
 * entered once a search, although a "**" above it may lead to it at many positions: premise 1, these
 * positions only grow, because the upper "**" takes few segments before it takes many; premise 2, what a "**"
 * reaches from a position includes all that it reaches from a later one, because it may take the segments
 * between; therefore the second visit can find nothing that the first did not. So a search takes at most
 * nodes × segments steps, whatever the patterns.
 */
import type { PathPattern, PatternSegment } from "./path_pattern.ts";
import { hashText, type PathSegments } from "./path_segments.ts";

/** Larger than every order: "no route". It fits in 31 bits, where numbers are never boxed. */
export const NO_ROUTE = 0x3fffffff;

/** A place in the tree: the segments on the way to it were matched. */
class TreeNode {
  readonly segment: PatternSegment;
  /** The text of the segment, or "" if it has none. */
  readonly text: string;
  /** The smallest order at or below this node. Orders only grow, so it is the one that made the node. */
  readonly order: number;
  /** The order of the pattern that ends here. */
  end: number = NO_ROUTE;
  /** Children by {@link hashText}; those with the same hash hang together by `sameHash`. */
  readonly literals: Map<number, TreeNode> = new Map();
  sameHash: TreeNode | undefined = undefined;
  /** Children with a partial wildcard, by growing order. */
  readonly partials: TreeNode[] = [];
  named: TreeNode | undefined = undefined;
  any: TreeNode | undefined = undefined;
  many: TreeNode | undefined = undefined;
  /** For a `many` node: the search that runs has been here. */
  isEntered = false;

  constructor(segment: PatternSegment, order: number) {
    this.segment = segment;
    this.text = "text" in segment ? segment.text : "";
    this.order = order;
  }

  /** The child for exactly this segment of a pattern (whatever its name, if it has one). */
  child(segment: PatternSegment): TreeNode | undefined {
    switch (segment.kind) {
      case "literal": {
        let node = this.literals.get(hashText(segment.text));
        while (node !== undefined && node.text !== segment.text) node = node.sameHash;
        return node;
      }
      case "named":
        return this.named;
      case "any":
        return this.any;
      case "many":
        return this.many;
      default:
        return this.partials.find((node) => node.segment.kind === segment.kind && node.text === segment.text);
    }
  }

  attach(node: TreeNode): void {
    const { segment } = node;
    switch (segment.kind) {
      case "literal": {
        const hash = hashText(node.text);
        node.sameHash = this.literals.get(hash);
        this.literals.set(hash, node);
        break;
      }
      case "named":
        this.named = node;
        break;
      case "any":
        this.any = node;
        break;
      case "many":
        this.many = node;
        break;
      default:
        this.partials.push(node);
    }
  }
}

/** A set of patterns, each with its place in the order of addition. */
export class RouteTree {
  readonly #root = new TreeNode({ kind: "any" }, 0);
  readonly #entered: TreeNode[] = [];
  /** The best order so far of the search that runs. */
  #best = NO_ROUTE;

  /**
   * Adds a pattern.
   *
   * @param order larger than that of all patterns added before
   */
  add(pattern: PathPattern, order: number): void {
    let node = this.#root;
    for (const segment of pattern.segments) {
      let child = node.child(segment);
      if (child === undefined) {
        child = new TreeNode(segment, order);
        node.attach(child);
      }
      node = child;
    }
    node.end = order;
  }

  /** The order of the pattern that matches the same paths (it may use other names), or `NO_ROUTE`. */
  orderOf(pattern: PathPattern): number {
    let node: TreeNode | undefined = this.#root;
    for (const segment of pattern.segments) {
      node = node.child(segment);
      if (node === undefined) return NO_ROUTE;
    }
    return node.end;
  }

  /** The smallest order below `limit` of a pattern that matches, or `limit`. */
  find(path: PathSegments, limit: number): number {
    this.#best = limit;
    this.#search(this.#root, path, 0);
    const entered = this.#entered;
    while (entered.length > 0) (entered.pop() as TreeNode).isEntered = false;
    return this.#best;
  }

  /**
   * Matches what is left of the path, from segment `at` on, with what is below `node`. As deep as a pattern
   * is long.
   */
  #search(node: TreeNode, path: PathSegments, at: number): void {
    if (at === path.count) {
      if (node.end < this.#best) this.#best = node.end;
      return;
    }
    if (node.literals.size > 0) this.#searchLiteral(node, path, at);
    const partials = node.partials;
    for (let index = 0; index < partials.length; index++) {
      const partial = partials[index] as TreeNode;
      if (partial.order >= this.#best) break;
      if (path.matches(at, partial.segment)) this.#search(partial, path, at + 1);
    }
    const { named, any, many } = node;
    if (named !== undefined && named.order < this.#best && !path.isEmpty(at)) {
      this.#search(named, path, at + 1);
    }
    if (any !== undefined && any.order < this.#best) this.#search(any, path, at + 1);
    if (many !== undefined && many.order < this.#best && !many.isEntered) this.#searchMany(many, path, at);
  }

  #searchLiteral(node: TreeNode, path: PathSegments, at: number): void {
    let child = node.literals.get(path.hash(at));
    while (child !== undefined && !path.equals(at, child.text)) child = child.sameHash;
    if (child !== undefined && child.order < this.#best) this.#search(child, path, at + 1);
  }

  /** `many` takes the segment `at`, and then as many more as help. */
  #searchMany(many: TreeNode, path: PathSegments, at: number): void {
    if (many.end < this.#best) this.#best = many.end;
    if (many.literals.size === 0 && many.partials.length === 0) return;
    many.isEntered = true;
    this.#entered.push(many);
    for (let next = at + 1; next < path.count && many.order < this.#best; next++) {
      this.#search(many, path, next);
    }
  }
}
