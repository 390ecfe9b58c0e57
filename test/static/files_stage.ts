/**
 * Requests and files for the tests of static files.
 * Runs on: any; runtime API: none
 */
import { utimesSync, writeFileSync } from "node:fs";

/** When the files of the tests were written, ms since 1970. */
export const MODIFIED: number = Date.UTC(2026, 0, 2, 3, 4, 5);

/** A request as the server makes it: with the path as it was sent. */
export function request(path: string, fields: Record<string, string> = {}, method = "GET"): {
  method: string;
  url: string;
  path: string;
  headers: Headers;
} {
  return {
    method,
    url: `http://localhost${path}`,
    path: path.split("?")[0] ?? path,
    headers: new Headers(fields),
  };
}

/** Writes a file as of then. */
export function write(path: string, content: string | Uint8Array): void {
  writeFileSync(path, content);
  utimesSync(path, MODIFIED / 1000, MODIFIED / 1000);
}
