/**
 * A form that lies in memory as a `FormData`, the same on every runtime.
 * Runs on: worker; runtime API: none
 *
 * Fetch standard, section 5.3 (the formData method), with the parser that receives forms to disk, too: the runtimes'
 * own differ (Bun 1.4 forgets the media types of files) and answer a malformed form with a TypeError, which would look
 * like the handler's fault. How much a form may hold is bounded by the body's limit.
 */
import { MultipartParser, type MultipartSink } from "../http/multipart.ts";
import { multipartBoundary } from "../http/multipart_boundary.ts";
import type { MultipartPart } from "../http/multipart_part.ts";

/** A leading U+FEFF belongs to the text (Encoding standard, UTF-8 decode without BOM). */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Reads a form.
 * @param type the Content-Type field, "" for none
 * @throws MultipartError for a form that is malformed, has too many parts, or is of another type
 */
export function parseFormData(bytes: Uint8Array, type: string): FormData {
  if (/^\s*application\/x-www-form-urlencoded\s*(?:;|$)/i.test(type)) {
    const form = new FormData();
    new URLSearchParams(utf8.decode(bytes)).forEach((value, name) => form.append(name, value));
    return form;
  }
  const sink = new FormDataSink();
  const parser = new MultipartParser(multipartBoundary(type), sink, {
    maxTotalBytes: Infinity,
    maxFieldBytes: Infinity,
    maxFieldsBytes: Infinity,
  });
  parser.feed(bytes);
  parser.finish();
  return sink.form;
}

class FormDataSink implements MultipartSink {
  readonly form = new FormData();
  #part: MultipartPart | null = null;
  #pieces: Uint8Array<ArrayBuffer>[] = [];

  onPartBegin(part: MultipartPart): void {
    this.#part = part;
    this.#pieces = [];
  }

  onPartData(bytes: Uint8Array, start: number, end: number): void {
    this.#pieces.push(new Uint8Array(bytes.subarray(start, end)));
  }

  onPartEnd(): void {
    const part = this.#part;
    if (part === null) return;
    if (part.filename !== undefined) {
      this.form.append(part.name, new File(this.#pieces, part.filename, { type: part.type }));
      return;
    }
    let text = "";
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    for (const piece of this.#pieces) text += decoder.decode(piece, { stream: true });
    this.form.append(part.name, text + decoder.decode());
  }
}
