/** The benchmark's WebSockets on `node:http` and the npm package `ws`: one thread. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { announce, answer, BROADCAST, endWithHarness, HOST, PORT, PUBLISHED } from "../shared.ts";

const server = createServer((request, response) => {
  const target = request.url ?? "/";
  if (target === "/publish") {
    for (const socket of sockets.clients) if (socket.readyState === WebSocket.OPEN) socket.send(BROADCAST);
    response.end(PUBLISHED);
  } else {
    response.end(answer(target));
  }
});
server.keepAliveTimeout = 0;

const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on("connection", (socket, request) => {
  if (request.url !== "/echo") return;
  socket.on("message", (message, isBinary) => socket.send(message, { binary: isBinary }));
});
server.listen(
  { host: HOST, port: PORT, backlog: 1024 },
  () => announce((server.address() as AddressInfo).port),
);
endWithHarness();
