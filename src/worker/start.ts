/**
 * The life of a worker thread from its start to its end.
 * Runs on: worker; runtime API: none
 *
 * Order: globals, then the user's module (which may call `serve`: it finds itself in a worker and returns), then
 * "ready", then the loop. A module that cannot be loaded is reported once, by the server, on the main thread.
 */
import process from "node:process";
import type { MessagePort } from "node:worker_threads";
import { encodeRecord } from "../logging/record_codec.ts";
import { setLog } from "../logging/log.ts";
import { ThreadLog } from "../logging/logger.ts";
import type { LogLevel } from "../logging/logger.ts";
import type { RouteRecord } from "../router/route_options.ts";
import { installFastResponse } from "./fast_response.ts";
import { loadApp } from "./handler_module.ts";
import { installRequest } from "./request_globals.ts";
import { type WorkerSetup, WorkerThread } from "./thread.ts";
import { setWorkerContext } from "./context.ts";
import { ThreadLife } from "./thread_life.ts";

/** What the pool hands to a new thread. */
export interface WorkerData extends WorkerSetup {
  readonly cartouche: 1;
  readonly moduleUrl: string;
  readonly fastResponse: boolean;
  readonly logLevel: LogLevel;
}

/** What a thread tells the pool through its port: once, when it is ready or has failed to load. */
export type WorkerReport =
  | { readonly type: "ready"; readonly routes: readonly RouteRecord[] }
  | { readonly type: "stop" }
  | {
    readonly type: "failed";
    readonly name: string;
    readonly message: string;
    readonly stack: string;
    readonly code: string;
  };

/** Whether this is the data of one of our threads. */
export function isWorkerData(data: unknown): data is WorkerData {
  return typeof data === "object" && data !== null && "cartouche" in data && data.cartouche === 1;
}

let isStarted = false;

/** Runs a worker thread; the second call in a thread does nothing. */
export async function startWorker(port: MessagePort, data: unknown): Promise<void> {
  if (isStarted) return;
  isStarted = true;
  if (!isWorkerData(data)) throw new TypeError("this thread was not started by a server");
  // A port with a listener keeps the thread's event loop alive while it is parked.
  port.on("message", () => undefined);
  if (data.fastResponse) installFastResponse();
  installRequest();
  let thread: WorkerThread | null = null;
  // What the module logs while it loads waits for the outbox.
  const early: Uint8Array[] = [];
  const log = new ThreadLog(
    `worker ${data.seat}`,
    (record) => {
      const bytes = encodeRecord(record);
      if (thread === null) early.push(bytes);
      else thread.outbox.log(bytes);
    },
    data.logLevel,
  );
  const life = new ThreadLife(data.ring, data.seat);
  setWorkerContext({ log, seat: data.seat, life, port: null });
  setLog(log);
  let app;
  try {
    app = await loadApp(data.moduleUrl);
  } catch (error) {
    port.postMessage(describeFailure(error));
    return;
  }
  thread = new WorkerThread(data, app.fetch, {
    handlerFailed(message, error, request) {
      log.error(message, { method: request.method, path: request.path }, error);
      thread?.outbox.ring();
    },
    socketHandlerFailed(message, error) {
      log.error(message, {}, error);
      thread?.outbox.ring();
    },
  });
  setWorkerContext({ log, seat: data.seat, life, port: thread.port });
  port.postMessage({ type: "ready", routes: app.routes } satisfies WorkerReport);
  for (const bytes of early.splice(0)) thread.outbox.log(bytes);
  await thread.run();
  // Whatever the user's code keeps open, this thread is over.
  process.exit(0);
}

function describeFailure(error: unknown): WorkerReport {
  const code = typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
  if (error instanceof Error) {
    return { type: "failed", name: error.name, message: error.message, stack: error.stack ?? "", code };
  }
  return { type: "failed", name: "Error", message: String(error), stack: "", code };
}
