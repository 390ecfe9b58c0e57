/**
 * Cross-origin access for uploads from a browser (Fetch standard, CORS protocol).
 * Runs on: any; runtime API: none
 *
 * The fields stand on every answer, refusals included: a page that may not read a 409 cannot resume.
 */
import type { TusSettings } from "./tus_options.ts";
import type { UploadRequest } from "./upload_request.ts";

const METHODS = "POST, HEAD, PATCH, DELETE, OPTIONS";

/** What a page may send beyond the fields that need no leave. */
const REQUEST_FIELDS = [
  "Authorization",
  "Content-Disposition",
  "Content-Type",
  "Origin",
  "Tus-Resumable",
  "Upload-Checksum",
  "Upload-Complete",
  "Upload-Concat",
  "Upload-Defer-Length",
  "Upload-Draft-Interop-Version",
  "Upload-Length",
  "Upload-Metadata",
  "Upload-Offset",
  "X-HTTP-Method-Override",
  "X-Request-ID",
  "X-Requested-With",
].join(", ");

/** What a page may read of an answer. */
const RESPONSE_FIELDS = [
  "Location",
  "Tus-Checksum-Algorithm",
  "Tus-Extension",
  "Tus-Max-Size",
  "Tus-Resumable",
  "Tus-Version",
  "Upload-Complete",
  "Upload-Concat",
  "Upload-Defer-Length",
  "Upload-Draft-Interop-Version",
  "Upload-Expires",
  "Upload-Length",
  "Upload-Limit",
  "Upload-Metadata",
  "Upload-Offset",
].join(", ");

/** How long a browser may remember a preflight, in seconds. Browsers cap it themselves. */
const PREFLIGHT_SECONDS = "86400";

/** Puts the CORS fields on an answer, if the origin of the request is welcome. */
export function addCorsFields(headers: Headers, request: UploadRequest, settings: TusSettings): void {
  const { cors, corsCredentials } = settings;
  if (cors === false || cors.length === 0) return;
  if (cors === "*") {
    headers.set("access-control-allow-origin", "*");
  } else {
    // The answer depends on the field, whatever its value: caches must know.
    headers.append("vary", "Origin");
    const origin = request.headers.get("origin");
    if (origin === null || !cors.includes(origin)) return;
    headers.set("access-control-allow-origin", origin);
    if (corsCredentials) headers.set("access-control-allow-credentials", "true");
  }
  headers.set("access-control-expose-headers", RESPONSE_FIELDS);
  if (request.method !== "OPTIONS") return;
  headers.set("access-control-allow-methods", METHODS);
  headers.set("access-control-allow-headers", REQUEST_FIELDS);
  headers.set("access-control-max-age", PREFLIGHT_SECONDS);
}
