/** The benchmark's app on bare `Deno.serve`: JavaScript on one thread. */
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

const idle = new Set<WebSocket>();

Deno.serve({ hostname: HOST, port: PORT, onListen: ({ port }) => announce(port) }, (request) => {
  const target = targetOf(request.url);
  const text = answer(target);
  if (text !== undefined) return new Response(text);
  switch (pathOf(target)) {
    case "/wait":
      return new Promise((resolve) => setTimeout(() => resolve(new Response(ALPHABET)), numberIn(target)));
    case "/publish":
      for (const socket of idle) socket.send(BROADCAST);
      return new Response(PUBLISHED);
    case "/download":
      return Deno.open(LARGE_FILE).then(async (file) => {
        const { size } = await file.stat();
        return new Response(file.readable, { headers: { "content-length": String(size) } });
      });
    case "/echo": {
      const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
      socket.binaryType = "arraybuffer";
      socket.onmessage = ({ data }) => socket.send(data);
      return response;
    }
    case "/idle": {
      const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
      socket.onopen = () => idle.add(socket);
      socket.onclose = () => idle.delete(socket);
      return response;
    }
    default:
      return new Response("", { status: 404 });
  }
});
endWithHarness();
