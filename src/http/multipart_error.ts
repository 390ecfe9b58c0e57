/**
 * The faults and limits of multipart/form-data: what can be wrong with a form, how much of it is accepted.
 * Runs on: any; runtime API: none
 *
 * One table says for each fault which status its sender gets; one table holds each limit with its default.
 */
import { CartoucheError } from "../errors.ts";

/**
 * How much of a form is accepted. Passing a limit ends the form with status 413; Infinity switches one off.
 */
export interface MultipartLimits {
  /** Octets of the whole body, delimiters and all. Default 4 GiB. 0: only an empty body, which is no form. */
  readonly maxTotalBytes: number;
  /** Parts, fields and files together. Default 1,000. 0: none. */
  readonly maxParts: number;
  /** Octets of the header section of one part. Default 16 KiB. */
  readonly maxPartHeaderBytes: number;
  /** Octets of one field's value. Default 1 MiB. 0: only empty fields. */
  readonly maxFieldBytes: number;
  /** Octets of all fields and all part headers together: what a form may hold in memory. Default 8 MiB. */
  readonly maxFieldsBytes: number;
  /** Octets of one file. Default Infinity (`maxTotalBytes` holds). 0: only empty files. */
  readonly maxFileBytes: number;
}

/** The limits where an option is left out. */
export const DEFAULT_MULTIPART_LIMITS: MultipartLimits = {
  maxTotalBytes: 4 * 1024 ** 3,
  maxParts: 1_000,
  maxPartHeaderBytes: 16 * 1024,
  maxFieldBytes: 1024 ** 2,
  maxFieldsBytes: 8 * 1024 ** 2,
  maxFileBytes: Infinity,
};

/** Every fault of a form: the status for its sender, and the code of the error. */
export const MULTIPART_FAULTS = {
  /** The media type is not multipart/form-data. */
  contentType: { status: 415, code: "ERR_BODY_SYNTAX" },
  /** The boundary parameter is missing, doubled, or not 1 to 70 characters of RFC 2046 section 5.1.1. */
  boundary: { status: 400, code: "ERR_BODY_SYNTAX" },
  /** Something other than padding stands behind a delimiter (RFC 2046 section 5.1.1). */
  delimiterLine: { status: 400, code: "ERR_BODY_SYNTAX" },
  /** A line of a part's header section is no field line. */
  partHeader: { status: 400, code: "ERR_BODY_SYNTAX" },
  /** A part has no Content-Disposition of form-data with a name (RFC 7578 section 4.2). */
  disposition: { status: 400, code: "ERR_BODY_SYNTAX" },
  /** The body ended before the closing delimiter. */
  unfinished: { status: 400, code: "ERR_BODY_SYNTAX" },
  /** `maxTotalBytes` */
  totalSize: { status: 413, code: "ERR_BODY_TOO_LARGE" },
  /** `maxParts` */
  partCount: { status: 413, code: "ERR_BODY_TOO_LARGE" },
  /** `maxPartHeaderBytes` */
  partHeaderSize: { status: 413, code: "ERR_BODY_TOO_LARGE" },
  /** `maxFieldBytes` */
  fieldSize: { status: 413, code: "ERR_BODY_TOO_LARGE" },
  /** `maxFieldsBytes` */
  fieldsSize: { status: 413, code: "ERR_BODY_TOO_LARGE" },
  /** `maxFileBytes` */
  fileSize: { status: 413, code: "ERR_BODY_TOO_LARGE" },
} as const;

/** The name of a fault in {@link MULTIPART_FAULTS}. */
export type MultipartFault = keyof typeof MULTIPART_FAULTS;

/** A form that is malformed or larger than allowed. */
export class MultipartError extends CartoucheError {
  /** What is wrong with it. */
  readonly fault: MultipartFault;
  /** The status its sender should get: 400, 413 or 415. */
  readonly status: 400 | 413 | 415;

  constructor(fault: MultipartFault, message: string) {
    super(MULTIPART_FAULTS[fault].code, message);
    this.fault = fault;
    this.status = MULTIPART_FAULTS[fault].status;
  }
}

/**
 * The limits with defaults in the place of what is left out.
 *
 * @throws CartoucheError `ERR_OPTION` when one is no number from 0 to Infinity
 */
export function completeLimits(limits: Partial<MultipartLimits> = {}): MultipartLimits {
  const complete: { -readonly [K in keyof MultipartLimits]: number } = { ...DEFAULT_MULTIPART_LIMITS };
  for (const name of Object.keys(complete) as (keyof MultipartLimits)[]) {
    const value = limits[name];
    if (value === undefined) continue;
    if (typeof value !== "number" || !(value >= 0)) {
      throw new CartoucheError(
        "ERR_OPTION",
        `${name} is ${String(value)}; it must be a number from 0 to Infinity.`,
      );
    }
    complete[name] = value;
  }
  return complete;
}
