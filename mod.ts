/**
 * Cartouche: an HTTP/1.1 server whose handlers may block.
 *
 * One I/O thread owns the sockets; a pool of workers runs the handlers. A blocked, looping or crashed handler costs
 * one thread and nobody else's request.
 *
 * @example
 * ```ts ignore
 * import { Router, serve } from "@cartouche/cartouche";
 *
 * const router = new Router();
 * router.get("/", () => new Response("Hello, World!"));
 *
 * export default router;
 * await serve(import.meta.url, { port: 8080 });
 * ```
 *
 * @module
 */

// Serving.
export { type PublishOptions, serve, type Server, type ServerStats } from "./src/server.ts";
export type { ElasticPool, ServeOptions } from "./src/options.ts";
export type { BoundAddress } from "./src/adapters/adapter.ts";
export { isMainThread } from "node:worker_threads";

// Handlers.
export type { FetchApp, Handler, HandlerResult, Middleware } from "./src/handler.ts";
export { type ResponseContent, type ResponseWriter, ServerRequest } from "./src/worker/request.ts";
export { FastResponse } from "./src/worker/fast_response.ts";

// Real time.
export { EventStream } from "./src/worker/event_stream.ts";
export type { EventStreamOptions, WebSocketOptions } from "./src/worker/upgrade.ts";
export {
  type SendOptions,
  ServerWebSocket,
  WebSocketHandle,
  type WebSocketHandlers,
  type WebSocketMessage,
} from "./src/worker/web_socket.ts";
export type { SendStatus } from "./src/messages/socket_port.ts";
export type { ServerSentEvent } from "./src/sse/event_encoder.ts";

// Routing.
export { Router } from "./src/router/router.ts";
export type { PathParams } from "./src/router/path_params.ts";
export type { RouteOptions, RouteRecord } from "./src/router/route_options.ts";

// Files and forms.
export { files, type FilesHandler, type FilesOptions } from "./src/static/files.ts";
export { fileResponse, type FileResponseOptions } from "./src/static/file_response.ts";
export {
  type SpooledFile,
  type SpooledForm,
  spoolForm,
  spoolFormSync,
  type SpoolOptions,
} from "./src/upload/form_spool.ts";
export { removeAbandonedSpools } from "./src/upload/spool_sweep.ts";
export type { MultipartLimits } from "./src/http/multipart_error.ts";

// Resumable uploads.
export { tus, type TusApp } from "./src/upload/tus.ts";
export type { TusOptions } from "./src/upload/tus_options.ts";
export { FileStore, type FileStoreOptions } from "./src/upload/file_store.ts";
export type { UploadStore } from "./src/upload/upload_store.ts";
export type { Upload, UploadAction, UploadRequest } from "./src/upload/upload_request.ts";

// Logging.
export { type Log, log } from "./src/logging/log.ts";
export type { LogError, LogFields, Logger, LogLevel, LogRecord, LogValue } from "./src/logging/logger.ts";
export { consoleLogger, type ConsoleLoggerOptions } from "./src/logging/console_logger.ts";
export { type FileLogger, fileLogger, type FileLoggerOptions } from "./src/logging/file_logger.ts";

// Errors.
export { CartoucheError, ERROR_CODES, type ErrorCode } from "./src/errors.ts";
