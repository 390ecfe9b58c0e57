/**
 * The boundary of a form: found in the Content-Type field of a request and checked.
 * Runs on: any; runtime API: none
 *
 * RFC 2046 section 5.1.1: 1 to 70 characters of a small set, the last one no space. A boundary can therefore
 * never hold CR or LF, which the search for delimiters relies on.
 */
import { MultipartError } from "./multipart_error.ts";
import { parseParameters } from "./parameters.ts";

const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;

/**
 * The boundary parameter of `multipart/form-data; boundary=…`.
 *
 * @param contentType the request's Content-Type field, or null when it has none
 * @throws MultipartError `contentType` (415) for another media type, `boundary` (400) when it is missing or
 *   bad
 */
export function multipartBoundary(contentType: string | null): string {
  const value = contentType ?? "";
  const semicolon = value.indexOf(";");
  const mediaType = (semicolon < 0 ? value : value.slice(0, semicolon)).trim().toLowerCase();
  if (mediaType !== "multipart/form-data") {
    throw new MultipartError("contentType", `The content is "${mediaType}", not multipart/form-data.`);
  }
  const parameters = semicolon < 0 ? new Map<string, string>() : parseParameters(value, semicolon);
  const boundary = parameters?.get("boundary");
  if (boundary === undefined) {
    throw new MultipartError("boundary", "The Content-Type field has no readable boundary parameter.");
  }
  checkBoundary(boundary);
  return boundary;
}

/**
 * @throws MultipartError `boundary` (400) unless RFC 2046 section 5.1.1 allows it
 */
export function checkBoundary(boundary: string): void {
  if (!BOUNDARY.test(boundary)) {
    throw new MultipartError(
      "boundary",
      `The boundary "${boundary.slice(0, 80)}" is not 1 to 70 characters that RFC 2046 section 5.1.1 allows.`,
    );
  }
}
