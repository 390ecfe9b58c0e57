/**
 * Everything that can be wrong with the octets of a request, and what the peer is answered.
 * Runs on: any; runtime API: none
 *
 * Parsers give a code (a small positive number), because the I/O thread makes no objects on that path;
 * {@link describeParseError} is the only place that turns a code into a status. After any of these errors the
 * boundaries of the following messages are unknown or not worth knowing, so the connection is closed after the answer.
 */

/** One row of {@link ParseError}. */
export interface ParseErrorEntry {
  /** The number that a parser gives; never 0. */
  readonly code: number;
  /** The status code of the answer. */
  readonly status: 400 | 413 | 414 | 417 | 431 | 501 | 505;
  /** What is wrong, for the log and the answer's content. */
  readonly reason: string;
  /** Where the rule stands: the RFC's number and the section. */
  readonly section: string;
}

/** The table of parse errors: code, status, reason, section. */
export const ParseError = {
  // Lines and the request line.
  LineEnd: entry(1, 400, "A line does not end with CR LF.", "9112 §2.2"),
  EmptyLines: entry(2, 400, "Too many empty lines before the request line.", "9112 §2.2"),
  Method: entry(3, 400, "The method is not a token followed by one space.", "9112 §3.1"),
  MethodTooLong: entry(4, 501, "The method is longer than any that is implemented.", "9112 §3"),
  TargetOctet: entry(5, 400, "The request-target is empty or holds an octet that it must not.", "9112 §3.2"),
  TargetForm: entry(6, 400, "The request-target has no form that the method may have.", "9112 §3.2"),
  TargetAuthority: entry(7, 400, "The authority in the request-target is not valid.", "9110 §4.2"),
  RequestLineTooLong: entry(8, 414, "The request line is longer than the limit.", "9112 §3"),
  Version: entry(9, 400, "The HTTP-version is malformed.", "9112 §2.3"),
  VersionNotSupported: entry(10, 505, "The major version of HTTP is not 1.", "9110 §15.6.6"),
  // Field lines.
  LeadingBlank: entry(11, 400, "White space begins the first field line.", "9112 §2.2"),
  LineFolding: entry(12, 400, "A field line is folded over several lines.", "9112 §5.2"),
  BlankBeforeColon: entry(13, 400, "White space between a field name and the colon.", "9112 §5.1"),
  FieldName: entry(14, 400, "A field line does not begin with a token and a colon.", "9110 §5.1"),
  FieldValue: entry(15, 400, "A field value holds a control character.", "9110 §5.5"),
  HeaderTooLarge: entry(16, 431, "The header section is larger than the limit.", "6585 §5"),
  TooManyFields: entry(17, 431, "The header section has more field lines than the limit.", "6585 §5"),
  // What the fields say.
  HostMissing: entry(18, 400, "An HTTP/1.1 request has no Host field.", "9112 §3.2"),
  HostRepeated: entry(19, 400, "More than one Host field line.", "9112 §3.2"),
  HostValue: entry(20, 400, "The Host field value is not a host and an optional port.", "9112 §3.2"),
  ContentLength: entry(21, 400, "The Content-Length field value is not a decimal number.", "9112 §6.3"),
  ContentLengthRepeated: entry(22, 400, "More than one Content-Length field line.", "9110 §8.6"),
  ContentTooLarge: entry(23, 413, "The Content-Length is larger than 2^53 - 1.", "9110 §15.5.14"),
  LengthAndCoding: entry(24, 400, "Both Content-Length and Transfer-Encoding.", "9112 §6.3"),
  CodingInOldVersion: entry(25, 400, "Transfer-Encoding in an HTTP/1.0 request.", "9112 §6.1"),
  CodingNotChunked: entry(26, 400, "The final transfer coding is not chunked, applied once.", "9112 §6.3"),
  CodingUnknown: entry(27, 501, "A transfer coding before chunked is not implemented.", "9112 §6.1"),
  Expectation: entry(28, 417, "An expectation other than 100-continue.", "9110 §10.1.1"),
  // Chunked content.
  ChunkSize: entry(29, 400, "A chunk size is not a hexadecimal number of up to 16 digits.", "9112 §7.1"),
  ChunkTooLarge: entry(30, 413, "A chunk size is larger than 2^53 - 1.", "9112 §7.1"),
  ChunkExtension: entry(31, 400, "A chunk extension is malformed.", "9112 §7.1.1"),
  ChunkExtensionTooLarge: entry(32, 413, "The chunk extensions are larger than the limit.", "9112 §7.1.1"),
  ChunkEnd: entry(33, 400, "The data of a chunk is not followed by CR LF.", "9112 §7.1"),
  TrailerTooLarge: entry(34, 431, "The trailer section is larger than the limit.", "9112 §7.1.2"),
} as const;

/** The name of a parse error: a key of {@link ParseError}. */
export type ParseErrorName = keyof typeof ParseError;

const BY_CODE: ReadonlyMap<number, ParseErrorEntry> = new Map(
  Object.values(ParseError).map((row) => [row.code, row]),
);

/**
 * What a code means and which status it gets.
 *
 * @param code a code of {@link ParseError}, as a positive number
 * @throws RangeError for a number that is no code: the caller's mistake
 */
export function describeParseError(code: number): ParseErrorEntry {
  const row = BY_CODE.get(code);
  if (row === undefined) throw new RangeError(`Cannot describe parse error ${code}: no such code`);
  return row;
}

function entry(
  code: number,
  status: ParseErrorEntry["status"],
  reason: string,
  section: string,
): ParseErrorEntry {
  return { code, status, reason, section };
}
