/**
 * Large uploads: tus (and the IETF draft) under /files/, multipart forms to /upload, and a page for both at /.
 *
 *     UPLOAD_DIR=/some/folder node examples/uploads.ts
 */
import { mkdirSync, readdirSync, statSync } from "node:fs";
import process from "node:process";
import { fileResponse, FileStore, removeAbandonedSpools, Router, serve, spoolForm, tus } from "../mod.ts";
import { options } from "./support/options.ts";

const { UPLOAD_DIR: directory = "./uploads", UPLOAD_MAX_SIZE, UPLOAD_EXPIRE_SECONDS = "86400" } = process.env;
const maxSizeBytes = Number(UPLOAD_MAX_SIZE ?? 2 ** 40); // 0: no limit, for forms neither.
const maxBodyBytes = Number(UPLOAD_MAX_SIZE ?? 2 ** 32);
const limits = { maxTotalBytes: maxBodyBytes || Infinity };
const expireMs = Number(UPLOAD_EXPIRE_SECONDS) * 1000;
const uploads = tus({ store: new FileStore(directory), maxSizeBytes, expireMs });
mkdirSync(directory, { recursive: true });
await removeAbandonedSpools(directory);

const router = new Router();
router.mount("/files", uploads);
router.post("/upload", async ({ body, headers, signal }) => {
  const form = await spoolForm(body, headers.get("content-type"), { directory, limits, signal });
  const files = form.files.map(({ field, name, type, size }) => ({ field, name, type, size }));
  return Response.json({ files, fields: form.fields });
}, { maxBodyBytes, deadlineMs: 0 }); // A silent client is the business of bodyTimeoutMs.
router.get("/list", async () => {
  const list = [];
  for await (const { finished, concat, text, id, offset } of uploads.uploads()) {
    if (finished && concat !== "partial") list.push({ name: text("filename") ?? id, size: offset });
  }
  for (const name of readdirSync(directory).filter((name) => /^[0-9a-f]{32}-/.test(name))) {
    list.push({ name: name.slice(33), size: statSync(`${directory}/${name}`).size });
  }
  return Response.json(list);
});
const page = new URL("pages/uploads.html", import.meta.url);
const client = new URL("../node_modules/tus-js-client/dist/tus.min.js", import.meta.url);
router.get("/", (request) => fileResponse(request, page));
router.get("/tus.min.js", (request) => fileResponse(request, client));

export default router;
await serve(import.meta.url, options);
