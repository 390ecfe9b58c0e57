/**
 * Entity tags: reads one or a list of them, compares them strongly or weakly.
 * Runs on: any; runtime API: none
 *
 * RFC 9110 section 8.8.3; the lists are those of If-Match and If-None-Match (sections 13.1.1 and 13.1.2). A
 * list that breaks the grammar anywhere is `undefined` as a whole: nobody can know which tags its author
 * meant.
 */

/** An entity tag: what stands between the quotes, and whether `W/` came before them. */
export interface EntityTag {
  readonly weak: boolean;
  readonly opaque: string;
}

/** The value of If-Match or If-None-Match: any current representation, or one of these. */
export type EntityTagList = "*" | readonly EntityTag[];

// etagc: anything visible but the quote, and obs-text; no escapes, so a backslash is just itself.
const TAG = '(W/)?"([\\x21\\x23-\\x7e\\x80-\\uffff]*)"';
const ONE_TAG = new RegExp(`^${TAG}$`);
const NEXT_TAG = new RegExp(`${TAG}[ \\t]*(?:,[ \\t]*|$)`, "y");
const EMPTY_MEMBERS = /[ \t,]*/y;

/** The entity tag that `text` is, or `undefined`. `W/` is case-sensitive. */
export function parseEntityTag(text: string): EntityTag | undefined {
  const match = ONE_TAG.exec(text);
  return match === null ? undefined : { weak: match[1] !== undefined, opaque: match[2] ?? "" };
}

/**
 * The list in a field value (empty members are skipped, section 5.6.1), or `undefined` when it is malformed.
 */
export function parseEntityTagList(value: string): EntityTagList | undefined {
  if (value.trim() === "*") return "*";
  const tags: EntityTag[] = [];
  let position = 0;
  for (;;) {
    EMPTY_MEMBERS.lastIndex = position;
    EMPTY_MEMBERS.test(value);
    position = EMPTY_MEMBERS.lastIndex;
    if (position === value.length) return tags.length === 0 ? undefined : tags;
    NEXT_TAG.lastIndex = position;
    const match = NEXT_TAG.exec(value);
    if (match === null) return undefined;
    tags.push({ weak: match[1] !== undefined, opaque: match[2] ?? "" });
    position = NEXT_TAG.lastIndex;
  }
}

/** Section 8.8.3.2: equal, and neither of them weak. */
export function matchesStrongly(a: EntityTag, b: EntityTag): boolean {
  return !a.weak && !b.weak && a.opaque === b.opaque;
}

/** Section 8.8.3.2: equal, weak or not. */
export function matchesWeakly(a: EntityTag, b: EntityTag): boolean {
  return a.opaque === b.opaque;
}
