/**
 * Parses a form in pieces and writes down what came out, so that two ways of cutting it can be compared.
 * Runs on: any; runtime API: none
 *
 * Content is kept as latin1 text, one character an octet: test tables stay readable and lose nothing.
 */
import { MultipartParser } from "../../src/http/multipart.ts";
import { MultipartError, type MultipartFault, type MultipartLimits } from "../../src/http/multipart_error.ts";

/** One part; `whole` tells whether its end was seen. */
export interface ParsedPart {
  name: string;
  filename: string | undefined;
  type: string;
  content: string;
  whole: boolean;
}

/** What a parser said about a form. */
export interface ParsedForm {
  parts: ParsedPart[];
  fault: MultipartFault | undefined;
}

/** The octets of a latin1 text. */
export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** The latin1 text of octets. */
export function fromLatin1(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i] ?? 0);
  return text;
}

/**
 * Feeds the octets, cut at the given positions, and ends the form.
 *
 * Every piece lies at an odd place in a larger array and is overwritten after its call, as a reused read buffer is.
 */
export function parseForm(
  boundary: string,
  body: Uint8Array,
  cuts: readonly number[] = [],
  limits: Partial<MultipartLimits> = {},
): ParsedForm {
  const form: ParsedForm = { parts: [], fault: undefined };
  let current: ParsedPart | undefined;
  try {
    const parser = new MultipartParser(boundary, {
      onPartBegin: ({ name, filename, type }) => {
        if (current !== undefined) throw new Error("A part begins inside a part.");
        current = { name, filename, type, content: "", whole: false };
        form.parts.push(current);
      },
      onPartData: (bytes, start, end) => {
        if (current === undefined || start >= end) throw new Error("Content outside a part, or none.");
        current.content += fromLatin1(bytes, start, end);
      },
      onPartEnd: () => {
        if (current === undefined) throw new Error("The end of no part.");
        current.whole = true;
        current = undefined;
      },
    }, limits);
    const buffer = new Uint8Array(body.length + 3);
    let from = 0;
    for (const to of [...cuts, body.length]) {
      buffer.set(body.subarray(from, to), 3);
      parser.feed(buffer, 3, 3 + to - from);
      buffer.fill(0xff);
      from = to;
    }
    parser.finish();
    if (!parser.complete) throw new Error("Finished, yet not complete.");
  } catch (error) {
    if (!(error instanceof MultipartError)) throw error;
    form.fault = error.fault;
  }
  return form;
}
