/**
 * The WebSocket handlers of this thread by key. Functions cannot cross threads; keys can.
 * Runs on: any; runtime API: none
 *
 * Every thread runs the same module and registers in the same order, so the n-th registration for a pattern means the
 * same handlers everywhere.
 */
import type { WebSocketHandlers } from "./web_socket.ts";

const registered = new Map<string, WebSocketHandlers>();
const counts = new Map<string, number>();

/** Registers handlers. @returns their key */
export function registerSocketHandlers(pattern: string, handlers: WebSocketHandlers): string {
  const count = (counts.get(pattern) ?? 0) + 1;
  counts.set(pattern, count);
  const key = `${pattern} ${count}`;
  registered.set(key, handlers);
  return key;
}

/** Handlers by key; "" are the app's own. */
export function socketHandlers(key: string): WebSocketHandlers | undefined {
  return registered.get(key);
}

/** Sets the handlers of the app as a whole (its default export's `websocket`). */
export function setAppSocketHandlers(handlers: WebSocketHandlers): void {
  registered.set("", handlers);
}
