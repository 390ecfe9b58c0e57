/**
 * A blocking SQLite query per request: no pool, no promises. Each worker has its own connection.
 *
 *     node examples/database.ts
 *     curl -X POST http://127.0.0.1:8080/inc; curl http://127.0.0.1:8080/get
 */
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { isMainThread, Router, serve } from "../mod.ts";
import { options } from "./support/options.ts";

const { DatabaseSync } = await import("node:sqlite").catch(() => {
  console.error("This runtime has no node:sqlite. Deno has it from 2.2 on, Bun from 1.4, Node from 22.13.");
  process.exit(1);
});

const folder = join(tmpdir(), `cartouche-example-${process.pid}`);
if (isMainThread) mkdirSync(folder, { recursive: true, mode: 0o700 });
const db = new DatabaseSync(join(folder, "counter.db"));
db.exec("PRAGMA busy_timeout = 5000");
if (isMainThread) {
  // Workers load this module afterwards: they find the table, and the mode that lets readers and a writer work at once.
  db.exec("PRAGMA journal_mode = WAL");
  db.exec("CREATE TABLE IF NOT EXISTS counter (value INTEGER NOT NULL); DELETE FROM counter");
  db.exec("INSERT INTO counter VALUES (0)");
}
const increment = db.prepare("UPDATE counter SET value = value + 1 RETURNING value");
const read = db.prepare("SELECT value FROM counter");

const router = new Router();
router.post("/inc", () => String(increment.get()?.["value"]));
router.get("/get", () => String(read.get()?.["value"]));

export default router;
const server = await serve(import.meta.url, options);
void server.stopped.then(() => rmSync(folder, { recursive: true, force: true }));
