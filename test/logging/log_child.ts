/**
 * The process that `file_logger_test.ts` starts to see a file logger at the end of a process or of a disk.
 * Runs on: any; runtime API: none
 *
 * Arguments: what to do, and the path of the log.
 */
import * as fs from "node:fs";
import process from "node:process";
import { setImmediate } from "node:timers";
import { fileLogger } from "../../src/logging/file_logger.ts";
import type { LogLevel } from "../../src/logging/logger.ts";

const [what, path] = process.argv.slice(2) as [string, string];
const logger = fileLogger(path, { maxQueuedBytes: 64 * 1024 * 1024 });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
let logged = 0;
const log = (level: LogLevel, n: number): void =>
  logger.log({ level, time: 0, message: `m${n}`, fields: { padding: "x".repeat(300) }, thread: "child" });

if (what === "full") {
  let failed = false;
  const print = console.error;
  console.error = (line: string): void => {
    failed = true;
    print(line);
  };
  // In rounds, until nothing more gets in.
  while (!failed) {
    const size = fs.statSync(path).size;
    for (let count = 0; count < 250; count++) log("info", logged++);
    while (!failed && fs.statSync(path).size - size < 250 * 300) await turn();
  }
  log("error", -1);
  log("error", -2);
  log("info", logged++);
  const first = fs.readFileSync(path, "utf8");
  fs.truncateSync(path, 0);
  await logger.close();
  console.log(JSON.stringify({ first, logged }));
} else {
  for (let n = 0; n < 1000; n++) {
    log("info", n);
    if (n === 500) await turn();
  }
  if (what === "process.exit") process.exit(3);
}
