/**
 * Serves a fetch-style app through node:http, with trailer fields: enough to test apps with real clients.
 * Runs on: any; runtime API: none
 *
 * A client that goes away errors the body and aborts the signal. An answer to a request whose content was not
 * read closes the connection.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** A request as the bridge makes it: what `src/upload/upload_request.ts` asks for. */
export interface BridgeRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array> | null;
  readonly signal: AbortSignal;
  readonly trailers: Promise<Headers>;
  readonly remoteAddress: string;
}

/** A server on 127.0.0.1. */
export interface Bridge {
  /** `http://127.0.0.1:PORT`, without a slash at its end. */
  readonly origin: string;
  readonly port: number;
  /** Cuts all connections, as a network that fails. */
  cut(): void;
  /** Ends it and all its connections. */
  close(): Promise<void>;
}

/** Starts a server for the app on any free port. */
export async function serveThroughNodeHttp(
  fetch: (request: BridgeRequest) => Response | Promise<Response>,
): Promise<Bridge> {
  const sockets = new Set<Socket>();
  const server = createServer((incoming, outgoing) => void answer(fetch, incoming, outgoing));
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    cut,
    origin: `http://127.0.0.1:${port}`,
    port,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        cut();
      }),
  };
}

async function answer(
  fetch: (request: BridgeRequest) => Response | Promise<Response>,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  outgoing.on("close", () => {
    if (!outgoing.writableFinished) gone.abort();
  });
  outgoing.on("error", () => {});
  const headers = new Headers();
  for (let index = 0; index < incoming.rawHeaders.length; index += 2) {
    headers.append(incoming.rawHeaders[index] ?? "", incoming.rawHeaders[index + 1] ?? "");
  }
  let response: Response;
  try {
    response = await fetch({
      method: incoming.method ?? "GET",
      url: `http://${incoming.headers.host}${incoming.url}`,
      headers,
      ...bodyOf(incoming),
      signal: gone.signal,
      remoteAddress: incoming.socket.remoteAddress ?? "",
    });
  } catch (error) {
    response = new Response(String(error), { status: 500 });
  }
  response.headers.forEach((value, name) => outgoing.setHeader(name, value));
  if (!incoming.complete) outgoing.setHeader("connection", "close");
  outgoing.writeHead(response.status);
  outgoing.end(new Uint8Array(await response.arrayBuffer()));
  incoming.resume();
}

function bodyOf(incoming: IncomingMessage): Pick<BridgeRequest, "body" | "trailers"> {
  const { "content-length": length, "transfer-encoding": coding } = incoming.headers;
  let giveTrailers: (headers: Headers) => void = () => {};
  const trailers = new Promise<Headers>((resolve) => giveTrailers = resolve);
  if (coding === undefined && (length === undefined || length === "0")) {
    giveTrailers(new Headers());
    return { body: null, trailers };
  }
  let ended = false;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      incoming.pause();
      incoming.on("data", (chunk: Uint8Array) => {
        if (ended) return;
        controller.enqueue(chunk.slice());
        incoming.pause();
      });
      incoming.on("end", () => {
        if (ended) return;
        ended = true;
        giveTrailers(new Headers(incoming.trailers as Record<string, string>));
        controller.close();
      });
      const cut = () => {
        if (ended) return;
        ended = true;
        giveTrailers(new Headers());
        controller.error(new Error("The client is gone"));
      };
      incoming.on("aborted", cut);
      incoming.on("error", cut);
      incoming.on("close", cut);
    },
    pull: () => void incoming.resume(),
    cancel: () => {
      ended = true;
      giveTrailers(new Headers());
    },
  }, { highWaterMark: 0 });
  return { body, trailers };
}
