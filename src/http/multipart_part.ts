/**
 * The header section of one part of a form: its name, its file name, its type.
 * Runs on: any; runtime API: none
 *
 * RFC 7578 section 4. Names are UTF-8 in the raw (section 5.1); an octet sequence that is none becomes
 * U+FFFD. Browsers write a quote as `%22` and line ends as `%0D%0A` (HTML standard, multipart/form-data
 * encoding), curl writes `\"`: both are undone. `filename*` MUST NOT be sent (section 4.2) but is; where it
 * can be read it wins, as RFC 6266 section 4.3 has it, and where not it is ignored. Content-Transfer-Encoding
 * is deprecated (section 4.7) and has no effect. Lines may be folded, as in any MIME header (RFC 5322 section
 * 2.2.3).
 */
import { MultipartError } from "./multipart_error.ts";
import { parseParameters } from "./parameters.ts";

/** What is known of a part before its octets. */
export interface MultipartPart {
  /** The name of the form's field. */
  readonly name: string;
  /**
   * The file name as the client sent it, possibly empty, possibly an attack: never use it as a path.
   * Undefined for a part that is a field; a part with a file name is a file, whatever its type.
   */
  readonly filename: string | undefined;
  /** The media type as sent, "text/plain" when there is none (RFC 7578 section 4.4). */
  readonly type: string;
  /** All field lines: lower-case name, value. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

const FIELD_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):(.*)$/s;
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;
const EXTENDED_VALUE = /^(utf-8|iso-8859-1)'[0-9A-Za-z-]*'((?:%[0-9A-Fa-f]{2}|[!#$&+\-.^_`|~0-9A-Za-z])*)$/i;

/** A leading U+FEFF belongs to the text (Encoding standard, UTF-8 decode without BOM). */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const strictUtf8 = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/**
 * Reads a header section.
 *
 * @param section its octets: lines that end with CRLF, without the empty line
 * @throws MultipartError `partHeader` or `disposition`
 */
export function parsePart(section: Uint8Array): MultipartPart {
  const headers = fieldLines(utf8.decode(section));
  const disposition = onlyValue(headers, "content-disposition");
  if (disposition === undefined) {
    throw new MultipartError("disposition", "A part has no Content-Disposition field.");
  }
  const semicolon = disposition.indexOf(";");
  const kind = (semicolon < 0 ? disposition : disposition.slice(0, semicolon)).trim().toLowerCase();
  const parameters = semicolon < 0 ? undefined : parseParameters(disposition, semicolon);
  const name = parameters?.get("name");
  if (kind !== "form-data" || parameters === undefined || name === undefined) {
    throw new MultipartError("disposition", `"${disposition.slice(0, 200)}" is not form-data with one name.`);
  }
  const extended = parameters.get("filename*");
  const plain = parameters.get("filename");
  const filename = (extended === undefined ? undefined : decodeExtended(extended)) ??
    (plain === undefined ? undefined : withoutPercents(plain)) ??
    (extended === undefined ? undefined : "");
  const type = onlyValue(headers, "content-type");
  return {
    name: withoutPercents(name),
    filename,
    type: type === undefined || type === "" ? "text/plain" : type,
    headers,
  };
}

function fieldLines(section: string): [string, string][] {
  const headers: [string, string][] = [];
  for (const line of section.split("\r\n")) {
    if (line === "") continue;
    if (CONTROL.test(line)) {
      throw new MultipartError("partHeader", "A part's header section holds a control character.");
    }
    const last = headers.at(-1);
    if ((line[0] === " " || line[0] === "\t") && last !== undefined) {
      last[1] = `${last[1]} ${line.trim()}`.trim();
      continue;
    }
    const match = FIELD_LINE.exec(line);
    if (match === null) {
      throw new MultipartError("partHeader", `"${line.slice(0, 200)}" in a part's header is no field line.`);
    }
    headers.push([(match[1] ?? "").toLowerCase(), (match[2] ?? "").trim()]);
  }
  return headers;
}

function onlyValue(headers: readonly (readonly [string, string])[], name: string): string | undefined {
  const values = headers.filter((header) => header[0] === name);
  if (values.length > 1) {
    throw new MultipartError("partHeader", `A part has ${values.length} ${name} fields.`);
  }
  return values[0]?.[1];
}

/** Undoes what browsers do to quotes and line ends in names; every other "%" is the user's own. */
function withoutPercents(text: string): string {
  return text.replace(/%(?:22|0[AaDd])/g, (escape) => String.fromCharCode(parseInt(escape.slice(1), 16)));
}

/** The text of an ext-value (RFC 8187 section 3.2), or undefined when it is none. */
function decodeExtended(value: string): string | undefined {
  const match = EXTENDED_VALUE.exec(value);
  if (match === null) return undefined;
  const [, charset = "", encoded = ""] = match;
  const latin1 = encoded.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  if (charset.toLowerCase() === "iso-8859-1") return latin1;
  try {
    return strictUtf8.decode(Uint8Array.from(latin1, (character) => character.charCodeAt(0)));
  } catch {
    return undefined;
  }
}
