/**
 * The entry of a worker thread: takes its buffers, loads the app, runs the loop.
 * Runs on: worker; runtime API: none
 */
import { parentPort, workerData } from "node:worker_threads";
import { startWorker } from "../src/worker/start.ts";

// Not awaited: Deno 2.9 keeps two descriptors for ever of a thread that ends while its module is being evaluated.
if (parentPort !== null) void startWorker(parentPort, workerData);
