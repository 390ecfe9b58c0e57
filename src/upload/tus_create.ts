/**
 * POST to the path of the uploads: a new upload, empty or with its first bytes, or one made of others.
 * Runs on: any; runtime API: none
 *
 * Spec: tus 1.0.0, Creation, Creation With Upload, Concatenation. Everything that can be refused is refused
 * before anything is stored; an upload whose first bytes are refused does not stay.
 */
import { CartoucheError } from "../errors.ts";
import { checksumOf } from "./tus_checksum.ts";
import { OFFSET_TYPE, parseConcat, parseMetadata, parseSize } from "./tus_headers.ts";
import { expiresField, refuseReceived } from "./tus_patch.ts";
import { contentLength, mediaType, Refusal, type UploadRequest } from "./upload_request.ts";
import type { UploadService } from "./upload_service.ts";
import type { UploadInfo } from "./upload_store.ts";

/** Answers a POST. */
export async function createUpload(service: UploadService, request: UploadRequest): Promise<Response> {
  await service.authorize(request, null, "create");
  const { path, hosts } = service.settings;
  const metadata = request.headers.get("upload-metadata") ?? "";
  if (parseMetadata(metadata) === null) {
    throw new Refusal(400, "Upload-Metadata is not a list of different keys with Base64 values");
  }
  const concat = request.headers.get("upload-concat");
  const wanted = concat === null ? null : parseConcat(concat, request.url, path, hosts);
  if (concat !== null && wanted === null) {
    throw new Refusal(
      400,
      'Upload-Concat is neither "partial" nor "final;" with URLs of uploads on this server',
    );
  }
  if (wanted?.kind === "final") return await concatenate(service, request, metadata, concat, wanted.parts);

  const length = lengthOf(service, request);
  const withContent = mediaType(request) === OFFSET_TYPE;
  const announced = withContent ? contentLength(request) ?? 0 : 0;
  const checksum = withContent ? checksumOf(request, service.settings.checksumAlgorithms) : null;
  const most = length ?? (service.settings.maxSizeBytes || Number.MAX_SAFE_INTEGER);
  if (announced > most) throw new Refusal(413, `The content is larger than ${most} bytes`);

  const plan = await service.prepare(request, { length, metadata, concat });
  const created = await service.settings.store.create(plan);
  if (created.finished) await service.completeNew(created, request, true);
  const fields: Record<string, string> = { location: `${path}${created.id}` };
  if (!withContent) {
    return new Response(null, { status: 201, headers: { ...fields, ...expiresField(service, created) } });
  }

  const session = await service.hold(created.id, request);
  try {
    const received = await service.receive(session, request, checksum);
    if (received === "overflow" || received === "mismatch" || received === "missing") {
      await session.remove();
      throw refuseReceived(received, 0);
    }
    // Cut short: nobody is there to read this answer, but the bytes wait until they expire.
    if (received !== "whole") throw refuseReceived(received, session.info.offset);
    if (service.isWhole(session.info) && !session.info.finished) {
      await service.complete(session, request, true);
    }
    fields["upload-offset"] = String(session.info.offset);
    return new Response(null, {
      status: 201,
      headers: { ...fields, ...expiresField(service, session.info) },
    });
  } catch (error) {
    // The client does not know the URL: what a malformed trailer or a failing hook leaves is of no use to it.
    if (error instanceof Refusal && error.status === 400 && session.info.offset === 0) await session.remove();
    throw error;
  } finally {
    await service.release(session);
  }
}

/** Upload-Length or Upload-Defer-Length: one of them, not both. */
function lengthOf(service: UploadService, request: UploadRequest): number | null {
  const { maxSizeBytes } = service.settings;
  const text = request.headers.get("upload-length");
  const deferred = request.headers.get("upload-defer-length");
  if (deferred !== null && deferred !== "1") throw new Refusal(400, "Upload-Defer-Length is not 1");
  if (text !== null && deferred !== null) {
    throw new Refusal(400, "Upload-Length and Upload-Defer-Length exclude each other");
  }
  if (text === null) {
    if (deferred === null) throw new Refusal(400, "Upload-Length and Upload-Defer-Length are both missing");
    return null;
  }
  const length = parseSize(text);
  if (length === null) throw new Refusal(400, "Upload-Length is not a whole number");
  if (maxSizeBytes > 0 && length > maxSizeBytes) {
    throw new Refusal(413, `Upload-Length is larger than ${maxSizeBytes} bytes`);
  }
  return length;
}

/** Upload-Concat: final. */
async function concatenate(
  service: UploadService,
  request: UploadRequest,
  metadata: string,
  concat: string | null,
  parts: readonly string[],
): Promise<Response> {
  const { store, path, maxSizeBytes } = service.settings;
  if (request.headers.has("upload-length") || request.headers.has("upload-defer-length")) {
    throw new Refusal(400, "A final upload has no Upload-Length of its own");
  }
  if (mediaType(request) === OFFSET_TYPE && contentLength(request) !== 0) {
    throw new Refusal(400, "A final upload has no content of its own");
  }
  const found = new Map<string, UploadInfo>();
  let length = 0;
  for (const id of parts) {
    if (!found.has(id)) {
      await service.authorize(request, id, "concatenate");
      const info = await store.read(id);
      if (info === null || service.isExpired(info) || info.concat !== "partial" || !service.isWhole(info)) {
        throw new Refusal(400, "Upload-Concat names an upload that is missing, unfinished or not partial");
      }
      // Its last request may have been killed between its last byte and its end.
      await service.completeLate(info);
      found.set(id, info);
    }
    length += found.get(id)?.offset ?? 0;
  }
  if (maxSizeBytes > 0 && length > maxSizeBytes) {
    throw new Refusal(413, `The parts together are larger than ${maxSizeBytes} bytes`);
  }
  const plan = await service.prepare(request, { length, metadata, concat });
  let whole: UploadInfo;
  try {
    whole = await service.concatenate(plan, parts, request.signal);
  } catch (error) {
    if (error instanceof CartoucheError && error.code === "ERR_UPLOAD_PART") {
      throw new Refusal(400, "Upload-Concat names an upload that is gone");
    }
    throw error;
  }
  await service.completeNew(whole, request, true);
  return new Response(null, { status: 201, headers: { location: `${path}${whole.id}` } });
}
