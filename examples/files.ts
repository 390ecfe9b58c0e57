/**
 * Serves the files of a folder: ranges, conditional requests, nothing outside of it.
 *
 *     FILES_DIR=/some/folder node examples/files.ts
 *     curl -r 0-99 http://127.0.0.1:8080/hello.ts
 */
import process from "node:process";
import { files, Router, serve } from "../mod.ts";
import { options } from "./support/options.ts";

const folder = process.env["FILES_DIR"] ?? new URL(".", import.meta.url);

export default new Router().all("/**", files(folder));
await serve(import.meta.url, options);
