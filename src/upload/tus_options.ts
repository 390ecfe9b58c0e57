/**
 * The options of `tus()`: unit, default, check.
 * Runs on: any; runtime API: none
 */
import { CartoucheError } from "../errors.ts";
import { CHECKSUM_ALGORITHMS } from "./tus_checksum.ts";
import type { Upload, UploadAction, UploadRequest } from "./upload_request.ts";
import type { UploadStore } from "./upload_store.ts";

/** What `onCreate` may give back: new metadata in place of the client's. */
export interface CreateChange {
  readonly metadata: Readonly<Record<string, string | Uint8Array>>;
}

/** Options of {@link tus}. */
export interface TusOptions {
  /** Where uploads live, for example `new FileStore("./uploads")`. */
  readonly store: UploadStore;
  /** Path under which uploads are created and addressed. Begins and ends with a slash. Default "/files/". */
  readonly path?: string;
  /** Most bytes of one upload (Tus-Max-Size). Beyond: 413. Default 1 TiB; 0 = no limit. */
  readonly maxSizeBytes?: number;
  /**
   * How long an unfinished upload stays after its last request, in milliseconds; then 404, and its bytes are
   * removed also if nobody asks. Default one day; 0 = for ever. Finished uploads never expire; finished
   * *partial* uploads do.
   */
  readonly expireMs?: number;
  /**
   * How often expired uploads, and what killed processes left, are looked for, in milliseconds. Over all threads
   * that share the folder about one sweeps per interval. Default: a quarter of `expireMs`, at least 250 ms and at
   * most a minute; 0 = this thread never does.
   */
  readonly sweepIntervalMs?: number;
  /**
   * How long a request waits for another one that it has asked to make way, in milliseconds; then 423.
   * Default 5,000; 0 = not at all.
   */
  readonly lockWaitMs?: number;
  /** Algorithms of Upload-Checksum: "sha1" (tus demands it), "sha256", "md5". Default all three. */
  readonly checksumAlgorithms?: readonly string[];
  /**
   * Origins whose pages may use the uploads from a browser: "*" for all, or a list such as
   * `["https://app.example"]`. Default "*", as tus servers do: no cookies are allowed with it. False or [] =
   * none but the server's own.
   */
  readonly cors?: "*" | readonly string[] | false;
  /** Lets pages of the listed origins send cookies. Default false; not possible with "*". */
  readonly corsCredentials?: boolean;
  /**
   * Further hosts ("name:port") that absolute URLs in Upload-Concat may name: those of a proxy that changes
   * Host.
   */
  readonly hosts?: readonly string[];
  /**
   * Versions of the IETF draft that are answered beside tus, chosen by Upload-Draft-Interop-Version.
   * Experimental. Default [5, 6], which tus-js-client speaks; 7 and 8 are known, too; [] = none.
   */
  readonly interopVersions?: readonly number[];
  /**
   * May refuse a request before anything else happens. False answers 403; a `Response` is sent as it is.
   * The id is null for "create".
   */
  readonly authorize?: (
    request: UploadRequest,
    id: string | null,
    action: UploadAction,
  ) => boolean | Response | Promise<boolean | Response>;
  /**
   * Called before an upload is made. A `Response` refuses it; `{ metadata }` replaces the client's metadata.
   */
  readonly onCreate?: (
    upload: Upload,
    request: UploadRequest,
  ) => void | Response | CreateChange | Promise<void | Response | CreateChange>;
  /**
   * Called while bytes come, at most ten times a second; `offset` counts what was received, durable or not.
   */
  readonly onProgress?: (upload: Upload, request: UploadRequest) => void | Promise<void>;
  /**
   * Called once all bytes of an upload are durable, before the answer goes out; not for partial uploads. When
   * the process dies during it, it is called again, without a request: at least once.
   */
  readonly onComplete?: (upload: Upload, request: UploadRequest | null) => void | Promise<void>;
  /** Gets errors that are answered with 500 or 507, and those of sweeps. Default: printed to stderr. */
  readonly onError?: (error: unknown) => void;
  /** The clock that expiry goes by, in milliseconds since 1970. Default `Date.now`; for tests. */
  readonly now?: () => number;
}

/** The options with their defaults. */
export interface TusSettings
  extends Required<Omit<TusOptions, "authorize" | "onCreate" | "onProgress" | "onComplete">> {
  readonly authorize: TusOptions["authorize"];
  readonly onCreate: TusOptions["onCreate"];
  readonly onProgress: TusOptions["onProgress"];
  readonly onComplete: TusOptions["onComplete"];
}

const TIB = 2 ** 40;
const DAY_MS = 86_400_000;
/** The versions of the IETF draft whose rules are known. */
const KNOWN_VERSIONS: readonly number[] = [5, 6, 7, 8];

/**
 * Fills in the defaults.
 * @throws CartoucheError ERR_OPTION
 */
export function tusSettings(options: TusOptions): TusSettings {
  const expireMs = amount("expireMs", options.expireMs, DAY_MS);
  const sweepDefault = expireMs === 0 ? 60_000 : Math.min(60_000, Math.max(250, expireMs / 4));
  const settings: TusSettings = {
    store: options.store,
    path: options.path ?? "/files/",
    maxSizeBytes: amount("maxSizeBytes", options.maxSizeBytes, TIB),
    expireMs,
    sweepIntervalMs: amount("sweepIntervalMs", options.sweepIntervalMs, sweepDefault),
    lockWaitMs: amount("lockWaitMs", options.lockWaitMs, 5000),
    checksumAlgorithms: options.checksumAlgorithms ?? CHECKSUM_ALGORITHMS,
    cors: options.cors ?? "*",
    corsCredentials: options.corsCredentials ?? false,
    hosts: options.hosts ?? [],
    interopVersions: options.interopVersions ?? [5, 6],
    authorize: options.authorize,
    onCreate: options.onCreate,
    onProgress: options.onProgress,
    onComplete: options.onComplete,
    onError: options.onError ?? ((error) => console.error("Upload failed:", error)),
    now: options.now ?? Date.now,
  };
  if (!/^\/(?:[^?#\s]*\/)?$/.test(settings.path)) {
    throw new CartoucheError("ERR_OPTION", `path must begin and end with "/", is "${settings.path}"`);
  }
  for (const algorithm of settings.checksumAlgorithms) {
    if (!CHECKSUM_ALGORITHMS.includes(algorithm)) {
      throw new CartoucheError(
        "ERR_OPTION",
        `checksumAlgorithms knows ${CHECKSUM_ALGORITHMS.join(", ")}, not "${algorithm}"`,
      );
    }
  }
  for (const version of settings.interopVersions) {
    if (!KNOWN_VERSIONS.includes(version)) {
      throw new CartoucheError("ERR_OPTION", `interopVersions knows 5 to 8, not ${version}`);
    }
  }
  if (settings.corsCredentials && settings.cors === "*") {
    throw new CartoucheError("ERR_OPTION", "corsCredentials needs a list of origins in cors");
  }
  return settings;
}

function amount(name: string, value: number | undefined, byDefault: number): number {
  if (value === undefined) return byDefault;
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new CartoucheError("ERR_OPTION", `${name} must be a whole number of at least 0, is ${value}`);
  }
  return value;
}
