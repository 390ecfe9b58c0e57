/** The benchmark's app on bare `Bun.serve`: one thread. */
import {
  ALPHABET,
  announce,
  answer,
  BROADCAST,
  endWithHarness,
  HOST,
  numberIn,
  pathOf,
  PORT,
  PUBLISHED,
  targetOf,
} from "../shared.ts";
import { LARGE_FILE } from "../transfer.ts";

/** The part of Bun's interface that is used here. */
interface BunSocket {
  send(message: string | Uint8Array): number;
  subscribe(topic: string): void;
  readonly data: { readonly path: string };
}

interface BunServer {
  readonly port: number;
  upgrade(request: Request, options: { data: BunSocket["data"] }): boolean;
  publish(topic: string, message: string): number;
}

interface BunServeOptions {
  readonly hostname: string;
  readonly port: number;
  readonly idleTimeout: number;
  fetch(request: Request, server: BunServer): Response | undefined | Promise<Response>;
  readonly websocket: {
    readonly idleTimeout: number;
    readonly sendPings: boolean;
    readonly perMessageDeflate: boolean;
    open(socket: BunSocket): void;
    message(socket: BunSocket, message: string | Uint8Array): void;
  };
}

const { Bun } = globalThis as unknown as {
  Bun: { serve(options: BunServeOptions): BunServer; file(path: string): Blob };
};

const server = Bun.serve({
  hostname: HOST,
  port: PORT,
  idleTimeout: 0,
  fetch(request, server): Response | undefined | Promise<Response> {
    const target = targetOf(request.url);
    const text = answer(target);
    if (text !== undefined) return new Response(text);
    const path = pathOf(target);
    switch (path) {
      case "/wait":
        return new Promise((resolve) => setTimeout(() => resolve(new Response(ALPHABET)), numberIn(target)));
      case "/publish":
        server.publish("all", BROADCAST);
        return new Response(PUBLISHED);
      case "/download":
        return new Response(Bun.file(LARGE_FILE));
      case "/echo":
      case "/idle":
        if (server.upgrade(request, { data: { path } })) return undefined;
        return new Response("", { status: 426 });
      default:
        return new Response("", { status: 404 });
    }
  },
  websocket: {
    idleTimeout: 0,
    sendPings: false,
    perMessageDeflate: false,
    open(socket): void {
      if (socket.data.path === "/idle") socket.subscribe("all");
    },
    message: (socket, message): void => void socket.send(message),
  },
});
announce(server.port);
endWithHarness();
