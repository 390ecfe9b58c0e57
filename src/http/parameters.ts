/**
 * The parameters behind a media type or a disposition: `; name=value; name="value"`, as clients write them.
 * Runs on: any; runtime API: none
 *
 * RFC 9110 section 5.6.6, read leniently where senders are known to differ: white space around "=", values
 * without quotes that are no token, empty parameters. Quoted strings keep a backslash that escapes neither a
 * quote nor a backslash, because browsers send `C:\dir\file` as it is (HTML standard, multipart/form-data
 * encoding). A name that occurs twice makes the whole invalid (RFC 6266 section 4.1): readers would differ in
 * which one counts.
 */

const NAME_CHARACTER = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/;

/**
 * Reads parameters from `position` on, where a ";" or the end must be.
 *
 * @returns values by lower-case name, or undefined when the text is no list of parameters
 */
export function parseParameters(text: string, position: number): Map<string, string> | undefined {
  const parameters = new Map<string, string>();
  const end = text.length;
  let at = skipBlanks(text, position);
  while (at < end) {
    if (text[at] !== ";") return undefined;
    at = skipBlanks(text, at + 1);
    if (at === end || text[at] === ";") continue;

    const nameStart = at;
    while (at < end && NAME_CHARACTER.test(text.charAt(at))) at++;
    const name = text.slice(nameStart, at).toLowerCase();
    at = skipBlanks(text, at);
    if (name === "" || text[at] !== "=" || parameters.has(name)) return undefined;
    at = skipBlanks(text, at + 1);

    let value: string;
    if (text[at] === '"') {
      const closing = closingQuote(text, at + 1);
      if (closing < 0) return undefined;
      value = text.slice(at + 1, closing).replace(/\\(["\\])/g, "$1");
      // A last backslash before the closing quote is the sender's own, see closingQuote().
      at = closing + 1;
    } else {
      const valueStart = at;
      while (at < end && text[at] !== ";" && text[at] !== '"' && !isBlank(text[at])) at++;
      value = text.slice(valueStart, at);
      if (value === "") return undefined;
    }
    parameters.set(name, value);
    at = skipBlanks(text, at);
  }
  return parameters;
}

/**
 * The position of the quote that ends a quoted string, or -1.
 *
 * `"abc\"` at the very end of the text is a browser's file name that ends in a backslash, sent without an
 * escape: no other reading of it has an end.
 */
function closingQuote(text: string, start: number): number {
  let at = start;
  while (at < text.length) {
    const character = text[at];
    if (character === '"') return at;
    const escapes = character === "\\" && (text[at + 1] === '"' || text[at + 1] === "\\");
    if (escapes && text[at + 1] === '"' && at + 2 === text.length) return at + 1;
    at += escapes ? 2 : 1;
  }
  return -1;
}

function skipBlanks(text: string, position: number): number {
  let at = position;
  while (at < text.length && isBlank(text[at])) at++;
  return at;
}

function isBlank(character: string | undefined): boolean {
  return character === " " || character === "\t";
}
