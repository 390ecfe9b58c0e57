/**
 * Conditional requests: whether one goes on or is answered 304 or 412, and whether its Range field counts.
 * Runs on: any; runtime API: none
 *
 * RFC 9110 section 13.2.2, its steps as numbered comments. A field that loses to a stronger one is not
 * evaluated at all. Evaluate only where the answer would otherwise be 2xx (section 13.2.1): a file that is
 * missing stays 404.
 */
import {
  type EntityTag,
  matchesStrongly,
  matchesWeakly,
  parseEntityTag,
  parseEntityTagList,
} from "./etag.ts";
import { parseHttpDate } from "./http_date.ts";

/** What is known of the selected representation. */
export interface Validators {
  /** Whether there is a current representation: what `*` asks for. */
  readonly exists: boolean;
  /** Its entity tag with quotes and `W/`, as it goes into the ETag field. */
  readonly etag?: string | undefined;
  /** When it was last modified, as it goes into Last-Modified; parts of a second do not count. */
  readonly lastModifiedMs?: number | undefined;
}

/** What to do with a request. */
export interface Verdict {
  /** Serve it, or answer with this status and no representation. */
  readonly outcome: "proceed" | 304 | 412;
  /** Whether the request's Range field is to be looked at. Only ever true for a GET that proceeds. */
  readonly rangeApplies: boolean;
}

const NOT_MODIFIED: Verdict = { outcome: 304, rangeApplies: false };
const PRECONDITION_FAILED: Verdict = { outcome: 412, rangeApplies: false };
const PROCEED_WHOLE: Verdict = { outcome: "proceed", rangeApplies: false };
const PROCEED_RANGE: Verdict = { outcome: "proceed", rangeApplies: true };

/**
 * Evaluates the preconditions of one request.
 *
 * @param method the request method, as sent
 * @param header the request's field of that lower-case name, its lines joined by ", ", or null
 * @param nowMs the clock, in milliseconds since 1970
 */
export function evaluateConditions(
  method: string,
  header: (name: string) => string | null,
  validators: Validators,
  nowMs: number = Date.now(),
): Verdict {
  // Section 13.2.1: methods that do not select or modify a representation have no preconditions.
  if (method === "CONNECT" || method === "OPTIONS" || method === "TRACE") return PROCEED_WHOLE;
  const reads = method === "GET" || method === "HEAD";

  const ifMatch = header("if-match");
  if (ifMatch !== null) {
    // 1. If-Match is present: true, go on at step 3; false, answer 412. (The exception for a state change
    //    that has been made already is not applicable: nobody here knows of earlier requests.)
    if (!matchesAny(ifMatch, validators, matchesStrongly)) return PRECONDITION_FAILED;
  } else {
    // 2. If-Match is not present, If-Unmodified-Since is: the same with the date. A date that is none, and a
    //    resource without a date, leave the field ignored (section 13.1.4).
    const since = dateOf(header("if-unmodified-since"));
    const modified = secondsOf(validators.lastModifiedMs);
    if (since !== undefined && modified !== undefined && modified > since) return PRECONDITION_FAILED;
  }

  const ifNoneMatch = header("if-none-match");
  if (ifNoneMatch !== null) {
    // 3. If-None-Match is present: true, go on at step 5; false, 304 for GET and HEAD, 412 for the others.
    if (matchesAny(ifNoneMatch, validators, matchesWeakly)) return reads ? NOT_MODIFIED : PRECONDITION_FAILED;
  } else if (reads) {
    // 4. GET or HEAD, If-None-Match is not present, If-Modified-Since is: not modified, answer 304.
    const since = dateOf(header("if-modified-since"));
    const modified = secondsOf(validators.lastModifiedMs);
    if (since !== undefined && modified !== undefined && modified <= since) return NOT_MODIFIED;
  }

  // 5. GET with Range: without If-Range, or with one that is true, the range applies; else the whole is sent.
  //    GET is the only method that has ranges (section 14.2), so HEAD is answered for the whole.
  if (method !== "GET" || header("range") === null) return PROCEED_WHOLE;
  const ifRange = header("if-range");
  if (ifRange !== null && !holdsIfRange(ifRange.trim(), validators, nowMs)) return PROCEED_WHOLE;

  // 6. All is true or absent: perform the method.
  return PROCEED_RANGE;
}

/**
 * Whether the list names the representation. A malformed list names nothing: If-Match then protects (412)
 * rather than let a write pass, If-None-Match then sends the whole rather than a 304 nobody can use.
 */
function matchesAny(
  value: string,
  validators: Validators,
  matches: (a: EntityTag, b: EntityTag) => boolean,
): boolean {
  const list = parseEntityTagList(value);
  if (list === undefined || !validators.exists) return false;
  if (list === "*") return true;
  const current = validators.etag === undefined ? undefined : parseEntityTag(validators.etag);
  if (current === undefined) return false;
  return list.some((tag) => matches(tag, current));
}

/**
 * Section 13.1.5: the same entity tag by strong comparison, or exactly the same date; neither later nor
 * earlier. A date is a strong validator only once its second is over: until then the representation may change again
 * and keep it (section 8.8.2.2).
 */
function holdsIfRange(value: string, validators: Validators, nowMs: number): boolean {
  const tag = parseEntityTag(value);
  if (tag !== undefined) {
    const current = validators.etag === undefined ? undefined : parseEntityTag(validators.etag);
    return current !== undefined && matchesStrongly(tag, current);
  }
  const date = dateOf(value);
  return date !== undefined && date === secondsOf(validators.lastModifiedMs) &&
    Math.floor(nowMs / 1000) > date;
}

/**
 * The seconds of an HTTP-date; what is none (two joined lines, for one) is ignored by sections 13.1.3 and
 * 13.1.4.
 */
function dateOf(value: string | null): number | undefined {
  return value === null ? undefined : secondsOf(parseHttpDate(value.trim()));
}

function secondsOf(timeMs: number | undefined): number | undefined {
  return timeMs === undefined ? undefined : Math.floor(timeMs / 1000);
}
