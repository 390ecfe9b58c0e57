/**
 * The value of the Date field: IMF-fixdate, made once a second.
 * Runs on: any; runtime API: none
 *
 * RFC 9110 sections 5.6.7 and 6.6.1: an origin server with a clock sends Date in every final response.
 */

let cachedSeconds = -1;
let cached = "";

/** Formats a time. @param seconds whole seconds since 1970-01-01T00:00:00Z */
export function dateField(seconds: number): string {
  if (seconds !== cachedSeconds) {
    cachedSeconds = seconds;
    cached = new Date(seconds * 1000).toUTCString();
  }
  return cached;
}
