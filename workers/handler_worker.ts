/**
 * The entry of a worker thread: takes its buffers, loads the app, runs the loop.
 * Runs on: worker; runtime API: none
 */
import { parentPort, workerData } from "node:worker_threads";
import { startWorker } from "../src/worker/start.ts";

if (parentPort !== null) await startWorker(parentPort, workerData);
