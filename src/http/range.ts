/**
 * Range requests: which octets a Range field asks for, and the frame of a multipart/byteranges answer.
 * Runs on: any; runtime API: none
 *
 * RFC 9110 section 14. A field of another unit MUST be ignored; one that is malformed or asks for too many
 * ranges MAY be (section 14.2), and is: the client gets the whole representation, never an error for
 * something it can do without. Positions are plain numbers, exact up to 2^53.
 * Invariant: the ranges selected do not overlap, so their octets are never more than the representation's.
 */

/** Octets `start` to `end`, `end` not included; never empty. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The whole (200), nothing that exists (416), or these ranges (206), in the order in which they were asked
 * for.
 */
export type RangeSelection = "whole" | "unsatisfiable" | readonly ByteRange[];

/** How many ranges one request may ask for; with more, the field is ignored. */
export const MAX_RANGES = 64;

/**
 * Up to this many ranges are served even where the part headers make the answer longer than the
 * representation (by a few hundred octets); beyond it, such a request gets the representation instead (many
 * small ranges, section 17.15).
 */
const FEW_RANGES = 4;

/** About what a part of multipart/byteranges costs beside its octets. */
const PART_OVERHEAD_BYTES = 200;

const INT_RANGE = /^(\d+)-(\d*)$/;
const SUFFIX_RANGE = /^-(\d+)$/;

/**
 * What a Range field asks for of a representation of `size` octets.
 *
 * @param value the field value
 * @param maxRanges {@link MAX_RANGES} unless given; 0 switches ranges off
 */
export function selectRanges(value: string, size: number, maxRanges: number = MAX_RANGES): RangeSelection {
  // 1. An unknown range unit MUST be ignored (section 14.2). Units are case-insensitive (section 14.1).
  if (value.slice(0, 6).toLowerCase() !== "bytes=") return "whole";

  const asked: ByteRange[] = [];
  let members = 0;
  for (const listed of value.slice(6).split(",")) {
    const member = withoutBlanks(listed);
    // 2. Empty list members are skipped (section 5.6.1).
    if (member === "") continue;
    members++;
    // 3. Too many: section 14.2 allows to ignore the field.
    if (members > maxRanges) return "whole";
    let start: number;
    let end: number;
    const int = INT_RANGE.exec(member);
    if (int !== null) {
      const [, firstText = "", lastText = ""] = int;
      start = Number(firstText);
      // 4. Without last-pos, and with one beyond the end: to the end of the representation (section 14.1.2).
      const last = lastText === "" ? Infinity : Number(lastText);
      // 5. last-pos before first-pos makes the field invalid (section 14.1.1): ignored as a whole.
      if (last < start) return "whole";
      end = Math.min(last + 1, size);
    } else {
      const suffix = SUFFIX_RANGE.exec(member);
      // 6. Any other text is invalid (section 14.1.1): ignored as a whole.
      if (suffix === null) return "whole";
      const length = Number(suffix[1]);
      // 7. A suffix of an empty representation is satisfiable (section 14.1.2), yet no Content-Range can name
      //    it.
      if (size === 0 && length > 0) return "whole";
      // 8. A suffix longer than the representation is all of it (section 14.1.2).
      start = Math.max(0, size - length);
      end = size;
    }
    // 9. first-pos at or behind the end, or the suffix "-0": this one cannot be satisfied, others may.
    if (start < end) asked.push({ start, end });
  }
  // 10. "bytes=" with nothing behind it is invalid.
  if (members === 0) return "whole";
  // 11. Nothing of it can be satisfied: 416 (section 15.5.17).
  if (asked.length === 0) return "unsatisfiable";

  // 12. Overlapping ranges are sent once (section 15.3.7.2). This bounds the answer.
  const ranges = withoutOverlaps(asked);
  // 13. Many small ranges that cost more than the whole: the whole.
  if (ranges.length > FEW_RANGES && lengthOf(ranges) + ranges.length * PART_OVERHEAD_BYTES > size) {
    return "whole";
  }
  return ranges;
}

/** Content-Range of a 206, or of a part of it. */
export function contentRange(range: ByteRange, size: number): string {
  return `bytes ${range.start}-${range.end - 1}/${size}`;
}

/** Content-Range of a 416. */
export function unsatisfiedContentRange(size: number): string {
  return `bytes */${size}`;
}

/** The frame of a multipart/byteranges content: heads[i], then the octets of range i, …, then `closing`. */
export interface ByterangesFrame {
  /** Content-Type of the answer. */
  readonly contentType: string;
  readonly heads: readonly Uint8Array[];
  readonly closing: Uint8Array;
  /** Content-Length of the answer: all heads, all ranges, the closing delimiter. */
  readonly length: number;
}

/**
 * Section 14.6: each part has its own Content-Type and Content-Range; the answer itself has no Content-Range.
 *
 * @param contentType of the representation; undefined leaves the field out of the parts
 * @param boundary token characters that must not occur in the octets: take 128 random bits
 */
export function frameByteranges(
  ranges: readonly ByteRange[],
  size: number,
  contentType: string | undefined,
  boundary: string,
): ByterangesFrame {
  const encoder = new TextEncoder();
  const typeLine = contentType === undefined ? "" : `Content-Type: ${contentType}\r\n`;
  const heads = ranges.map((range, index) =>
    encoder.encode(
      `${index === 0 ? "" : "\r\n"}--${boundary}\r\n${typeLine}` +
        `Content-Range: ${contentRange(range, size)}\r\n\r\n`,
    )
  );
  const closing = encoder.encode(`\r\n--${boundary}--\r\n`);
  const length = heads.reduce((sum, head) => sum + head.length, 0) + lengthOf(ranges) + closing.length;
  return { contentType: `multipart/byteranges; boundary=${boundary}`, heads, closing, length };
}

/**
 * Without the SP and HTAB around it (a loop: `[ \t]+$` takes quadratic time where blanks stand in the
 * middle).
 */
function withoutBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && (text[start] === " " || text[start] === "\t")) start++;
  while (end > start && (text[end - 1] === " " || text[end - 1] === "\t")) end--;
  return text.slice(start, end);
}

function lengthOf(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, range) => sum + (range.end - range.start), 0);
}

/** Joins ranges that share octets; a joined range takes the place of the first of its members. */
function withoutOverlaps(asked: readonly ByteRange[]): ByteRange[] {
  const byStart = asked
    .map((range, rank) => ({ start: range.start, end: range.end, rank }))
    .sort((a, b) => a.start - b.start);
  const joined: { start: number; end: number; rank: number }[] = [];
  for (const range of byStart) {
    const previous = joined.at(-1);
    if (previous !== undefined && range.start < previous.end) {
      previous.end = Math.max(previous.end, range.end);
      previous.rank = Math.min(previous.rank, range.rank);
    } else {
      joined.push(range);
    }
  }
  return joined.sort((a, b) => a.rank - b.rank).map(({ start, end }) => ({ start, end }));
}
