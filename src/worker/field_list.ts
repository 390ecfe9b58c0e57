/**
 * The fields of a response as a flat list of strings, checked when they come in.
 * Runs on: worker; runtime API: none
 *
 * Filling a `Headers` object costs more than all the rest of a response (two fields: 0.2 µs on Bun, 0.4 to
 * 0.5 on Deno and Node), and most are never looked at, so the fields stay a list until somebody asks for
 * `Headers`. Names and values are checked as the Fetch standard does when a `Headers` object is filled (RFC
 * 9110, section 5.6.2 for names; no NUL, CR, LF and only octets in values). Invariant: a list is never
 * changed once it was handed out, so responses may share one.
 */

/**
 * Names and values in turn: `[name, value, name, value]`; names in lower case, a name as often as it was
 * given.
 */
export type FieldList = readonly string[];

/** No fields. */
export const NO_FIELDS: FieldList = Object.freeze([]);
/** The fields of a response made of text alone: compare by identity to send a prepared head. */
export const TEXT_FIELDS: FieldList = Object.freeze(["content-type", "text/plain;charset=UTF-8"]);
/** The fields of a `Response.json()` without further fields. */
export const JSON_FIELDS: FieldList = Object.freeze(["content-type", "application/json"]);

const NativeHeaders = globalThis.Headers;

/**
 * The list of what a caller gave as `headers`: a `Headers` object, pairs, or a record.
 *
 * @throws TypeError for anything else, a pair that is none, or a malformed name or value
 */
export function listOf(headers: HeadersInit): FieldList {
  const list: string[] = [];
  if (headers instanceof NativeHeaders) {
    // Checked by its own methods. Each Set-Cookie comes as an entry of its own.
    for (const [name, value] of headers) list.push(name, value);
    return list;
  }
  if (typeof headers !== "object" || headers === null) {
    throw new TypeError(
      `Headers: expected Headers, pairs or a record, not ${headers === null ? "null" : typeof headers}`,
    );
  }
  if (Symbol.iterator in headers) {
    for (const pair of headers as Iterable<Iterable<unknown>>) {
      const [name, value, ...rest] = pair;
      if (value === undefined || rest.length > 0) {
        throw new TypeError("Headers: expected pairs of name and value");
      }
      list.push(fieldName(name), fieldValue(value));
    }
    return list;
  }
  const record = headers as Record<string, unknown>;
  for (const name in record) {
    if (Object.hasOwn(record, name)) list.push(fieldName(name), fieldValue(record[name]));
  }
  return list;
}

/** `list` and those of `defaults` (one pair or none) whose name is not in it. */
export function withDefaults(list: FieldList, defaults: FieldList): FieldList {
  if (defaults.length === 0) return list;
  const name = defaults[0];
  for (let at = 0; at < list.length; at += 2) {
    if (list[at] === name) return list;
  }
  return [...list, ...defaults];
}

/** A native `Headers` with the same fields. */
export function toHeaders(list: FieldList): Headers {
  const headers = new NativeHeaders();
  for (let at = 0; at < list.length; at += 2) headers.append(list[at] as string, list[at + 1] as string);
  return headers;
}

// token = 1*tchar (RFC 9110, section 5.6.2)
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NOT_IN_VALUE = /[\0\r\n]|[^\0-\xff]/;

/**
 * Programs use few names: known ones skip check and lower-casing. Bounded, as names may come from outside.
 */
const knownNames = new Map<string, string>();
const MAX_KNOWN_NAMES = 256;
const MAX_KNOWN_NAME_LENGTH = 64;

function fieldName(value: unknown): string {
  const name = `${value}`;
  const known = knownNames.get(name);
  if (known !== undefined) return known;
  if (!TOKEN.test(name)) throw new TypeError(`Headers: ${JSON.stringify(name)} is an invalid field name`);
  const lower = name.toLowerCase();
  if (knownNames.size < MAX_KNOWN_NAMES && name.length <= MAX_KNOWN_NAME_LENGTH) knownNames.set(name, lower);
  return lower;
}

function fieldValue(input: unknown): string {
  let value = typeof input === "string" ? input : `${input}`;
  const length = value.length;
  if (length > 0 && (value.charCodeAt(0) <= 0x20 || value.charCodeAt(length - 1) <= 0x20)) {
    // HTTP whitespace of the Fetch standard, "normalize"; `trim` would take more.
    value = value.replace(/^[\t\n\r ]+/, "").replace(/[\t\n\r ]+$/, "");
  }
  if (NOT_IN_VALUE.test(value)) {
    throw new TypeError(`Headers: ${JSON.stringify(value)} is an invalid field value`);
  }
  return value;
}
