/**
 * Resumable uploads: an app that speaks tus 1.0.0 with all its extensions, and the IETF draft beside it.
 * Runs on: any; runtime API: none
 *
 * The way of a request: path and method here; then `tus_create.ts` (POST), `tus_patch.ts` (PATCH),
 * `tus_resource.ts` (HEAD, DELETE), or `resumable_upload.ts` for the IETF draft; all through
 * `upload_service.ts` to the store. It may run in any number of threads and processes over one store.
 *
 * Invariant: every answer but one to the IETF draft carries Tus-Resumable, refusals included.
 */
import { isMainThread } from "node:worker_threads";
import { CartoucheError } from "../errors.ts";
import { answerResumable, interopVersion, isInterop, optionFields } from "./resumable_upload.ts";
import { hasCode, isDiskFull } from "./store_fs.ts";
import { addCorsFields } from "./tus_cors.ts";
import { createUpload } from "./tus_create.ts";
import { TUS_VERSION } from "./tus_headers.ts";
import { type TusOptions, type TusSettings, tusSettings } from "./tus_options.ts";
import { patchUpload } from "./tus_patch.ts";
import { deleteUpload, headUpload } from "./tus_resource.ts";
import { Refusal, type Upload, type UploadRequest } from "./upload_request.ts";
import { UploadService } from "./upload_service.ts";
import { UPLOAD_ID } from "./upload_store.ts";
import { UploadSweeper } from "./upload_sweeper.ts";

/** Methods that X-HTTP-Method-Override may name; it counts on POST only. */
const OVERRIDES = ["POST", "PATCH", "HEAD", "DELETE", "OPTIONS"];

/**
 * No limit but the upload's own; every byte goes to the handler as it comes, so that what a client sends before it
 * breaks off is kept; and no deadline, because joining large parts takes its time (the silence of a client is the
 * business of `bodyTimeoutMs`).
 */
const ROUTE_OPTIONS = { maxBodyBytes: 0, spoolBodyBytes: 0, deadlineMs: 0 } as const;

/** An upload server as an app: mount it where its path says. */
export interface TusApp {
  /** Answers a request. Never rejects. */
  readonly fetch: (request: UploadRequest) => Promise<Response>;
  /** What a route to it needs; `router.mount` takes it from here. */
  readonly routeOptions: typeof ROUTE_OPTIONS;
  /**
   * All uploads that are there, in no order; unfinished ones and partial ones, too. For lists and clean-up.
   */
  readonly uploads: () => AsyncIterable<Upload>;
  /**
   * Removes expired uploads now; returns how many. A timer does the same (`sweepIntervalMs`): in a worker from the
   * start, on a main thread from the first request on.
   */
  readonly sweep: () => Promise<number>;
  /** Stops the timer for good. Does not wait for requests or for a sweep under way. */
  readonly close: () => void;
}

/**
 * Makes an upload server.
 * @throws CartoucheError ERR_OPTION
 * @example
 * ```ts ignore
 * const uploads = tus({ store: new FileStore("./uploads"), maxSizeBytes: 2 ** 32 });
 * export default new Router().mount("/files", uploads);
 * ```
 */
export function tus(options: TusOptions): TusApp {
  const settings = tusSettings(options);
  const service = new UploadService(settings);
  const sweeper = new UploadSweeper(service);
  // The main thread of a server loads the app, too, but runs no handlers and has better things to do than to sweep.
  if (!isMainThread) sweeper.start();
  return {
    fetch: async (request) => {
      sweeper.start();
      const ietf = settings.interopVersions.length > 0 && request.method !== "OPTIONS" && isInterop(request);
      let response: Response;
      try {
        response = await route(service, request, ietf);
      } catch (error) {
        response = refusalOf(error, settings).toResponse(request.method);
      }
      const headers = new Headers(response.headers);
      if (!ietf) headers.set("tus-resumable", TUS_VERSION);
      addCorsFields(headers, request, settings);
      return new Response(response.body, { status: response.status, headers });
    },
    routeOptions: ROUTE_OPTIONS,
    uploads: () => service.all(),
    sweep: () => sweeper.sweep(),
    close: () => sweeper.stop(),
  };
}

async function route(service: UploadService, request: UploadRequest, ietf: boolean): Promise<Response> {
  const { path, interopVersions } = service.settings;
  const pathname = new URL(request.url).pathname;
  const collection = pathname === path || `${pathname}/` === path;
  const id = pathname.startsWith(path) ? pathname.slice(path.length) : "";
  if (!collection && !UPLOAD_ID.test(id)) throw new Refusal(404, "There is no such upload");
  const target = collection ? null : id;

  const method = methodOf(request);
  if (method === "OPTIONS") return optionsResponse(service, request);
  if (ietf) {
    return await answerResumable(service, request, target, method, interopVersion(request, interopVersions));
  }
  const allowed = target === null ? ["POST"] : ["HEAD", "PATCH", "DELETE"];
  if (!["POST", "HEAD", "PATCH", "DELETE"].includes(method)) throw notAllowed(allowed);
  if (request.headers.get("tus-resumable") !== TUS_VERSION) {
    throw new Refusal(412, `Tus-Resumable is not ${TUS_VERSION}`, { "tus-version": TUS_VERSION });
  }
  if (!allowed.includes(method)) throw notAllowed(allowed);
  if (target === null) return await createUpload(service, request);
  if (method === "HEAD") return await headUpload(service, request, target);
  if (method === "PATCH") return await patchUpload(service, request, target);
  return await deleteUpload(service, request, target);
}

/** The method that counts. On anything but POST the field is ignored: a GET must never become a DELETE. */
function methodOf(request: UploadRequest): string {
  const override = request.headers.get("x-http-method-override");
  if (override === null || request.method !== "POST") return request.method;
  if (!OVERRIDES.includes(override)) {
    throw new Refusal(400, "X-HTTP-Method-Override names no method for uploads");
  }
  return override;
}

function optionsResponse(service: UploadService, request: UploadRequest): Response {
  const { settings } = service;
  const { maxSizeBytes, expireMs, checksumAlgorithms } = settings;
  const extensions = [
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "termination",
    "concatenation",
  ];
  if (expireMs > 0) extensions.push("expiration");
  const fields: Record<string, string> = { "tus-version": TUS_VERSION };
  if (checksumAlgorithms.length > 0) {
    extensions.push("checksum");
    // Announced only by a server that hands trailer fields over.
    if (request.trailers !== undefined) extensions.push("checksum-trailer");
    fields["tus-checksum-algorithm"] = checksumAlgorithms.join(",");
  }
  fields["tus-extension"] = extensions.join(",");
  if (maxSizeBytes > 0) fields["tus-max-size"] = String(maxSizeBytes);
  return new Response(null, { status: 204, headers: { ...fields, ...optionFields(settings) } });
}

/** RFC 9110 section 15.5.6: a 405 carries Allow. */
function notAllowed(allowed: readonly string[]): Refusal {
  return new Refusal(405, "This resource does not have that method", {
    allow: [...allowed, "OPTIONS"].join(", "),
  });
}

/** The one place where an error becomes a status. */
function refusalOf(error: unknown, settings: TusSettings): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof CartoucheError && error.code === "ERR_UPLOAD_LOST") {
    return new Refusal(423, error.message);
  }
  // Nobody reads this one.
  if (error instanceof CartoucheError && error.code === "ERR_CLIENT_GONE") {
    return new Refusal(400, error.message);
  }
  settings.onError(error);
  if (isDiskFull(error)) return new Refusal(507, "There is no room on the disk");
  if (hasCode(error, "EFBIG")) return new Refusal(413, "The file system takes no file of that size");
  return new Refusal(500, "The upload failed on the server's side");
}
