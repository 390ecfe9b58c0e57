/**
 * The field values of "Resumable Uploads for HTTP", and its problem types.
 * Runs on: any; runtime API: none
 *
 * Sections are those of the draft with interop version 6; see `resumable_upload.ts`.
 */
import { parseParameters } from "../http/parameters.ts";
import { encodeMetadata, parseMetadata, parseSize } from "./tus_headers.ts";
import { contentLength, mediaType, Refusal, type UploadRequest } from "./upload_request.ts";

/** Media type of bytes that are to be appended; since interop version 6. */
export const PARTIAL_TYPE = "application/partial-upload";
/** Where the draft's problem types live (RFC 9457). */
const PROBLEM = "https://iana.org/assignments/http-problem-types#";

/** Section "Completeness": an Item whose value is a Boolean. */
export function completeOf(request: UploadRequest): boolean {
  const text = request.headers.get("upload-complete");
  if (text !== "?1" && text !== "?0") throw new Refusal(400, "Upload-Complete is neither ?1 nor ?0");
  return text === "?1";
}

/**
 * Section "Length": 1. the last request of an upload with its Content-Length says it; 2. Upload-Length says
 * it; 3. a request before this one has said it. All that speak must agree.
 */
export function lengthOf(
  request: UploadRequest,
  complete: boolean,
  offset: number,
  known: number | null,
): number | null {
  const content = contentLength(request);
  const said = [
    complete && content !== null ? offset + content : null,
    parseSize(request.headers.get("upload-length")),
    known,
  ].filter((length) => length !== null);
  const [length = null] = said;
  if (length !== null && (length < offset || said.some((other) => other !== length))) {
    throw inconsistent({ "upload-offset": String(offset), "upload-complete": "?0" });
  }
  return length;
}

/**
 * The client's metadata: that of tus if it is sent, else the media type and file name of the representation.
 */
export function metadataOf(request: UploadRequest): string {
  const given = request.headers.get("upload-metadata");
  if (given !== null && parseMetadata(given) !== null) return given;
  const metadata: [string, string][] = [];
  const name = fileNameOf(request.headers.get("content-disposition"));
  if (name !== null) metadata.push(["filename", name]);
  const type = mediaType(request);
  if (type !== "" && type !== PARTIAL_TYPE) metadata.push(["filetype", type]);
  return encodeMetadata(metadata);
}

/** RFC 6266: `filename*` is preferred to `filename`. Whoever uses the name as a path must clean it. */
function fileNameOf(disposition: string | null): string | null {
  if (disposition === null) return null;
  const semicolon = disposition.indexOf(";");
  if (semicolon < 0) return null;
  const parameters = parseParameters(disposition, semicolon);
  const extended = /^utf-8'[^']*'(.*)$/i.exec(parameters?.get("filename*") ?? "")?.[1];
  if (extended !== undefined) {
    try {
      return decodeURIComponent(extended);
    } catch {
      // Not UTF-8: the plain parameter is the better guess.
    }
  }
  return parameters?.get("filename") ?? null;
}

/** An answer to lengths that differ (section "Inconsistent Length"). */
export function inconsistent(fields: Record<string, string>): Refusal {
  return problem(
    400,
    "inconsistent-upload-length",
    "The lengths that were sent for the upload differ",
    fields,
  );
}

/** An answer with a problem type (RFC 9457). */
export function problem(
  status: number,
  type: string,
  title: string,
  fields: Record<string, string>,
  members: Record<string, number> = {},
): Refusal {
  const body = JSON.stringify({ type: `${PROBLEM}${type}`, title, ...members });
  const headers = { ...fields, "content-type": "application/problem+json" };
  return new Refusal(status, title, {}, new Response(body, { status, headers }));
}
