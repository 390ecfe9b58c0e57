/**
 * PATCH to an upload: appends the content of the request.
 * Runs on: any; runtime API: none
 *
 * Spec: tus 1.0.0, PATCH, with Creation Defer Length, Checksum, Expiration and Concatenation where they touch
 * it. The order of the checks: what the request says alone; then, under the lock, what it says about the
 * upload; then bytes.
 */
import { checksumOf } from "./tus_checksum.ts";
import { OFFSET_TYPE, parseSize } from "./tus_headers.ts";
import { isEmptyBody, type Received } from "./receive_body.ts";
import { isDiskFull } from "./store_fs.ts";
import { contentLength, mediaType, Refusal, type UploadRequest } from "./upload_request.ts";
import type { UploadService } from "./upload_service.ts";
import type { UploadInfo, UploadSession } from "./upload_store.ts";

/** Answers a PATCH. */
export async function patchUpload(
  service: UploadService,
  request: UploadRequest,
  id: string,
): Promise<Response> {
  try {
    return await append(service, request, id);
  } catch (error) {
    throw isDiskFull(error) ? await service.diskFull(error, id) : error;
  }
}

async function append(service: UploadService, request: UploadRequest, id: string): Promise<Response> {
  await service.authorize(request, id, "write");
  if (mediaType(request) !== OFFSET_TYPE) throw new Refusal(415, `Content-Type is not ${OFFSET_TYPE}`);
  const offset = parseSize(request.headers.get("upload-offset"));
  if (offset === null) throw new Refusal(400, "Upload-Offset is not a whole number");
  const lengthText = request.headers.get("upload-length");
  const length = parseSize(lengthText);
  if (lengthText !== null && length === null) throw new Refusal(400, "Upload-Length is not a whole number");
  const checksum = checksumOf(request, service.settings.checksumAlgorithms);

  const session = await service.hold(id, request);
  try {
    if (session.info.concat?.startsWith("final") === true) {
      throw new Refusal(403, "A final upload takes no content");
    }
    if (session.info.offset !== offset) {
      throw new Refusal(409, "Upload-Offset is not the offset of the upload", offsetField(session.info));
    }
    await takeLength(service, session, length);
    const room = service.roomFor(session.info);
    if ((contentLength(request) ?? 0) > room) {
      throw new Refusal(413, `The upload has room for ${room} bytes`, offsetField(session.info));
    }
    if (session.info.finished) {
      // Its bytes are the application's now: nothing is written, not even to be cut back.
      if (!await isEmptyBody(request)) throw refuseReceived("overflow", session.info.offset);
    } else {
      const received = await service.receive(session, request, checksum);
      if (received !== "whole") throw refuseReceived(received, session.info.offset);
      if (service.isWhole(session.info)) await service.complete(session, request, true);
    }
    const fields = { ...offsetField(session.info), ...expiresField(service, session.info) };
    return new Response(null, { status: 204, headers: fields });
  } finally {
    await service.release(session);
  }
}

/** Upload-Length in a PATCH: fixes a deferred length, once. */
async function takeLength(
  service: UploadService,
  session: UploadSession,
  length: number | null,
): Promise<void> {
  const { info } = session;
  const { maxSizeBytes } = service.settings;
  if (length === null || length === info.length) return;
  if (info.length !== null) throw new Refusal(400, "Upload-Length must not change once it is set");
  if (length < info.offset) throw new Refusal(400, "Upload-Length is less than what is stored already");
  if (maxSizeBytes > 0 && length > maxSizeBytes) {
    throw new Refusal(413, `Upload-Length is larger than ${maxSizeBytes} bytes`);
  }
  await session.setLength(length);
}

/** The answer to content that was not taken to its end. */
export function refuseReceived(received: Exclude<Received, "whole">, offset: number): Refusal {
  const fields = { "upload-offset": String(offset) };
  switch (received) {
    case "cut":
      return new Refusal(400, "The content ended before its announced length", fields);
    case "late":
      return new Refusal(408, "The content did not arrive in time", fields);
    case "stopped":
      return new Refusal(423, "Another request has taken the upload over", fields);
    case "overflow":
      return new Refusal(413, "The content is larger than the upload has room for", fields);
    case "mismatch":
      return new Refusal(460, "The content does not have the checksum that was sent", fields);
    case "missing":
      return new Refusal(400, "The trailer field Upload-Checksum that was announced did not come", fields);
  }
}

/** Upload-Offset of an answer. */
export function offsetField(info: UploadInfo): Record<string, string> {
  return { "upload-offset": String(info.offset) };
}

/** Upload-Expires of an answer, as an IMF-fixdate (RFC 9110 section 5.6.7); nothing when the upload stays. */
export function expiresField(service: UploadService, info: UploadInfo): Record<string, string> {
  const expiresMs = service.expiresMs(info);
  return expiresMs === Infinity ? {} : { "upload-expires": new Date(expiresMs).toUTCString() };
}
