/**
 * Large uploads: tus (and the IETF draft) under /files/, multipart forms to /upload, and a page for both at /.
 *
 *     UPLOAD_DIR=/some/folder node examples/uploads.ts
 */
import { mkdirSync, readdirSync, statSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { fileResponse, FileStore, removeAbandonedSpools, Router, serve, spoolForm, tus } from "../mod.ts";
import { options } from "./support/options.ts";

const { UPLOAD_DIR: directory = "./uploads", UPLOAD_MAX_SIZE, UPLOAD_EXPIRE_SECONDS = "86400" } = process.env;
const tusMax = Number(UPLOAD_MAX_SIZE ?? 2 ** 40);
const formMax = Number(UPLOAD_MAX_SIZE ?? 2 ** 32);
mkdirSync(directory, { recursive: true });
await removeAbandonedSpools(directory);

const uploads = tus({
  store: new FileStore(directory),
  maxSizeBytes: tusMax,
  expireMs: Number(UPLOAD_EXPIRE_SECONDS) * 1000,
});
const script = "../node_modules/tus-js-client/dist/tus.min.js";
const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));

const router = new Router();
router.all("/files/", uploads.fetch, { maxBodyBytes: 0 });
router.all("/files/*", uploads.fetch, { maxBodyBytes: 0 });
router.post("/upload", async (request) => {
  const limits = { maxTotalBytes: formMax };
  const { files, fields } = await spoolForm(request.body, request.header("content-type"), {
    directory,
    limits,
  });
  return Response.json({
    files: files.map(({ field, name, type, size }) => ({ field, name, type, size })),
    fields,
  });
}, { maxBodyBytes: formMax });
router.get("/list", () => {
  const names = readdirSync(directory).filter((name) => !name.startsWith("."));
  return Response.json(names.map((name) => ({ name, size: statSync(`${directory}/${name}`).size })));
});
router.get("/", (request) => fileResponse(request, file("pages/uploads.html")));
router.get("/tus.min.js", (request) => fileResponse(request, file(script)));

export default router;
await serve(import.meta.url, options);
