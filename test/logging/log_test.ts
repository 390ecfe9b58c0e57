/**
 * The log that code uses without knowing its thread.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { log, setLog } from "../../src/logging/log.ts";
import { type LogRecord, ThreadLog } from "../../src/logging/logger.ts";
import { get } from "../support/raw_client.ts";
import { withApp } from "../support/start_app.ts";
import { until } from "../support/until.ts";

test("log sends records to the server's logger from every place of a worker", async () => {
  await withApp("log_app.ts", { workers: 1 }, async (app) => {
    await app.exchange(get("/handler"));
    await app.exchange(get("/timer"));
    await until("all was logged", () => app.logs.length >= 3);
    assert.deepEqual(app.logs.map(({ message }) => message), ["Loading", "In a handler", "In a timer"]);
    for (const { thread } of app.logs) assert.match(thread, /^worker \d+$/);
    const [, record] = app.logs;
    assert.equal(record?.level, "warn");
    assert.deepEqual(record.fields, { logsDebug: false });
    assert.equal(record.error?.message, "on purpose");
  });
});

test("log sends records of the serving thread to the server's logger, by the server's logLevel", async () => {
  await withApp("log_app.ts", { workers: 1, logLevel: "warn" }, (app) => {
    log.info("Too little");
    log.error("Enough", {}, new Error("on purpose"));
    assert.deepEqual(app.logs.map(({ message, thread }) => [message, thread]), [["Enough", "main"]]);
    return Promise.resolve();
  });
});

test("log uses what setLog gave it last", () => {
  const records: LogRecord[] = [];
  setLog(new ThreadLog("first", (record) => records.push(record)));
  const { info } = log;
  setLog(new ThreadLog("second", (record) => records.push(record), "debug"));
  info("a");
  log.debug("b");
  assert.deepEqual(records.map(({ thread, message }) => `${thread} ${message}`), ["second a", "second b"]);
});
