/**
 * "Resumable Uploads for HTTP" (an IETF draft): the successor of tus, on the same stores and URLs.
 * Runs on: any; runtime API: none
 *
 * EXPERIMENTAL: the text is a draft, and its interop versions differ. A request is of this protocol when it
 * carries Upload-Draft-Interop-Version; versions 5 (draft -03) and 6 (draft -05) are what tus-js-client
 * speaks. Sections are those of the draft with interop version 6. Known differences between the versions: 5
 * has no media type for appends and no Upload-Limit; 8 wants Accept-Patch in the answer to OPTIONS (all get
 * it).
 *
 * Invariant: an upload is complete for its client only after a request with `Upload-Complete: ?1` was
 * received whole, though its bytes are safe, and the application told, as soon as a length that is known is
 * reached.
 */
import { isEmptyBody, type Received } from "./receive_body.ts";
import { completeOf, inconsistent, lengthOf, metadataOf, PARTIAL_TYPE, problem } from "./resumable_fields.ts";
import { isDiskFull } from "./store_fs.ts";
import { parseSize } from "./tus_headers.ts";
import type { TusSettings } from "./tus_options.ts";
import { deleteUpload } from "./tus_resource.ts";
import { contentLength, mediaType, Refusal, type UploadRequest } from "./upload_request.ts";
import type { UploadService } from "./upload_service.ts";
import type { UploadInfo, UploadSession } from "./upload_store.ts";

/** RFC 9651 section 3.3.1: an Integer has at most 15 digits. */
const MOST_INTEGER = 999_999_999_999_999;

/** Whether the request is of this protocol. A request that also says Tus-Resumable is tus. */
export function isInterop(request: UploadRequest): boolean {
  return request.headers.has("upload-draft-interop-version") && !request.headers.has("tus-resumable");
}

/** @throws Refusal 400 for a version that is not on offer */
export function interopVersion(request: UploadRequest, versions: readonly number[]): number {
  const version = parseSize(request.headers.get("upload-draft-interop-version"));
  if (version === null || !versions.includes(version)) {
    const known = versions.length === 0 ? "none" : versions.join(", ");
    throw new Refusal(400, `Upload-Draft-Interop-Version is not supported; supported: ${known}`);
  }
  return version;
}

/** What the answer to OPTIONS says of this protocol. */
export function optionFields(settings: TusSettings): Record<string, string> {
  if (settings.interopVersions.length === 0) return {};
  const { maxSizeBytes } = settings;
  // A server without limits says so with min-size=0: an empty dictionary is no field.
  const limit = maxSizeBytes === 0 ? "min-size=0" : `max-size=${Math.min(maxSizeBytes, MOST_INTEGER)}`;
  return { "accept-patch": PARTIAL_TYPE, "upload-limit": limit };
}

/** Answers a request of this protocol. */
export async function answerResumable(
  service: UploadService,
  request: UploadRequest,
  id: string | null,
  method: string,
  version: number,
): Promise<Response> {
  const allowed = id === null ? ["POST"] : ["HEAD", "PATCH", "DELETE"];
  if (!allowed.includes(method)) {
    const allow = [...allowed, "OPTIONS"].join(", ");
    throw new Refusal(405, "This resource does not have that method", { allow });
  }
  if (id === null) return await create(service, request, version);
  if (method === "HEAD") return await retrieveOffset(service, request, id, version);
  if (method === "PATCH") {
    try {
      return await append(service, request, id, version);
    } catch (error) {
      throw isDiskFull(error) ? await service.diskFull(error, id) : error;
    }
  }
  return await deleteUpload(service, request, id);
}

/** Section "Upload Creation". */
async function create(service: UploadService, request: UploadRequest, version: number): Promise<Response> {
  await service.authorize(request, null, "create");
  const { path, maxSizeBytes, store } = service.settings;
  const complete = completeOf(request);
  const length = lengthOf(request, complete, 0, null);
  if (maxSizeBytes > 0 && (length ?? contentLength(request) ?? 0) > maxSizeBytes) {
    throw new Refusal(413, `The upload is larger than ${maxSizeBytes} bytes`, optionFields(service.settings));
  }
  const plan = await service.prepare(request, { length, metadata: metadataOf(request), concat: null });
  const created = await store.create(plan);
  const location = { location: `${path}${created.id}` };
  request.sendInterim?.(104, {
    ...location,
    "upload-draft-interop-version": String(version),
    ...limitField(service, created, version),
  });
  if (created.finished) await service.completeNew(created, request, complete);

  const session = await service.hold(created.id, request);
  try {
    if (!created.finished) await take(service, session, request, complete);
    return new Response(null, {
      status: 201,
      headers: { ...location, ...stateFields(service, session, version) },
    });
  } finally {
    await service.release(session);
  }
}

/**
 * Section "Offset Retrieval". A request that is writing is stopped first: what is told here will be accepted
 * next.
 */
async function retrieveOffset(
  service: UploadService,
  request: UploadRequest,
  id: string,
  version: number,
): Promise<Response> {
  await service.authorize(request, id, "read");
  const session = await service.hold(id, request);
  try {
    const { length } = session.info;
    const fields = { "cache-control": "no-store", ...stateFields(service, session, version) };
    if (length !== null) Object.assign(fields, { "upload-length": String(length) });
    return new Response(null, { status: 204, headers: fields });
  } finally {
    await service.release(session);
  }
}

/** Section "Upload Append". */
async function append(
  service: UploadService,
  request: UploadRequest,
  id: string,
  version: number,
): Promise<Response> {
  await service.authorize(request, id, "write");
  if (version >= 6 && mediaType(request) !== PARTIAL_TYPE) {
    throw new Refusal(415, `Content-Type is not ${PARTIAL_TYPE}`, { "accept-patch": PARTIAL_TYPE });
  }
  const complete = completeOf(request);
  const offset = parseSize(request.headers.get("upload-offset"));
  if (offset === null) throw new Refusal(400, "Upload-Offset is not a whole number");

  const session = await service.hold(id, request);
  try {
    const { info } = session;
    const fields = stateFields(service, session, version);
    if (info.concat?.startsWith("final") === true) throw new Refusal(403, "A final upload takes no content");
    if (info.offset !== offset) {
      throw problem(
        409,
        "mismatching-upload-offset",
        "Upload-Offset is not the offset of the upload",
        fields,
        {
          "expected-offset": info.offset,
          "provided-offset": offset,
        },
      );
    }
    if (info.sealed) throw problem(400, "completed-upload", "The upload is complete already", fields);
    const length = lengthOf(request, complete, offset, info.length);
    const { maxSizeBytes } = service.settings;
    if (maxSizeBytes > 0 && (length ?? offset + (contentLength(request) ?? 0)) > maxSizeBytes) {
      throw new Refusal(413, `The upload would be larger than ${maxSizeBytes} bytes`, fields);
    }
    if ((contentLength(request) ?? 0) > (length ?? Infinity) - offset) throw inconsistent(fields);
    if (info.length === null && length !== null) await session.setLength(length);
    await take(service, session, request, complete);
    return new Response(null, { status: 204, headers: stateFields(service, session, version) });
  } finally {
    await service.release(session);
  }
}

/** Takes the content, and ends the upload when the request says so or the length is reached. */
async function take(
  service: UploadService,
  session: UploadSession,
  request: UploadRequest,
  complete: boolean,
): Promise<void> {
  const received = session.info.finished
    ? await leave(request)
    : await service.receive(session, request, null);
  const { info } = session;
  const fields = { "upload-offset": String(info.offset), "upload-complete": "?0" };
  if (received === "overflow" && info.length !== null) throw inconsistent(fields);
  if (received !== "whole") throw notWhole(received, fields);
  if (complete && info.length !== null && info.offset !== info.length) throw inconsistent(fields);
  if (!info.finished && (complete || service.isWhole(info))) {
    await service.complete(session, request, complete);
  } else if (complete) await session.mark({ sealed: true });
}

/** The bytes are all there, only the word of the client was missing: there is nothing to write. */
async function leave(request: UploadRequest): Promise<Received> {
  return await isEmptyBody(request) ? "whole" : "overflow";
}

function notWhole(received: Received, fields: Record<string, string>): Refusal {
  if (received === "overflow") return new Refusal(413, "The upload is too large", fields);
  if (received === "stopped") return new Refusal(423, "Another request has taken the upload over", fields);
  if (received === "late") return new Refusal(408, "The content did not arrive in time", fields);
  return new Refusal(400, "The content ended before its announced length", fields);
}

/** What every answer about an upload says of its state. */
function stateFields(
  service: UploadService,
  session: UploadSession,
  version: number,
): Record<string, string> {
  const { info } = session;
  return {
    "upload-offset": String(info.offset),
    "upload-complete": info.sealed ? "?1" : "?0",
    ...limitField(service, info, version),
  };
}

/** Section "Limits"; since interop version 6. */
function limitField(service: UploadService, info: UploadInfo, version: number): Record<string, string> {
  if (version < 6) return {};
  const limits: string[] = [];
  const { maxSizeBytes, now } = service.settings;
  if (maxSizeBytes > 0) limits.push(`max-size=${Math.min(maxSizeBytes, MOST_INTEGER)}`);
  const expiresMs = service.expiresMs(info);
  if (expiresMs !== Infinity) limits.push(`max-age=${Math.max(0, Math.floor((expiresMs - now()) / 1000))}`);
  return limits.length === 0 ? {} : { "upload-limit": limits.join(", ") };
}
