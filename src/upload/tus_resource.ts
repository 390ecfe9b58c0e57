/**
 * HEAD and DELETE of an upload: where it stands, and its end before time.
 * Runs on: any; runtime API: none
 *
 * Spec: tus 1.0.0, HEAD, Termination. HEAD does not take the lock: while a PATCH is under way it tells what
 * is durable by then, and the PATCH goes on. If the client asks because that PATCH is dead, its next PATCH
 * takes over.
 */
import { expiresField, offsetField } from "./tus_patch.ts";
import type { UploadRequest } from "./upload_request.ts";
import type { UploadService } from "./upload_service.ts";

/** Answers a HEAD. */
export async function headUpload(
  service: UploadService,
  request: UploadRequest,
  id: string,
): Promise<Response> {
  await service.authorize(request, id, "read");
  const found = await service.find(id);
  await service.completeLate(found);
  const fields: Record<string, string> = { "cache-control": "no-store", ...offsetField(found) };
  if (found.length === null) fields["upload-defer-length"] = "1";
  else fields["upload-length"] = String(found.length);
  if (found.metadata !== "") fields["upload-metadata"] = found.metadata;
  if (found.concat !== null) fields["upload-concat"] = found.concat;
  if (service.expiresMs(found) !== Infinity) {
    // A HEAD is a request: the time begins again.
    await service.settings.store.touch(id);
    Object.assign(fields, expiresField(service, { ...found, touchedMs: service.settings.now() }));
  }
  return new Response(null, { status: 200, headers: fields });
}

/** Answers a DELETE: stops a PATCH that is under way, then removes everything. Finished uploads, too. */
export async function deleteUpload(
  service: UploadService,
  request: UploadRequest,
  id: string,
): Promise<Response> {
  await service.authorize(request, id, "remove");
  const session = await service.hold(id, request, true);
  try {
    await session.remove();
  } finally {
    await service.release(session);
  }
  return new Response(null, { status: 204 });
}
