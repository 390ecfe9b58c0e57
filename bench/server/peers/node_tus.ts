/** The benchmark's uploads on `@tus/server` with its file store, behind `node:http`: one thread. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { FileStore } from "@tus/file-store";
import { Server } from "@tus/server";
import { announce, answer, endWithHarness, HOST, PORT } from "../shared.ts";
import { UPLOADS } from "../transfer.ts";

const tus = new Server({ path: "/files", datastore: new FileStore({ directory: UPLOADS }) });
const server = createServer((request, response) => {
  if (request.url?.startsWith("/files") === true) void tus.handle(request, response);
  else response.end(answer(request.url ?? "/"));
});
server.keepAliveTimeout = 0;
server.listen(
  { host: HOST, port: PORT, backlog: 1024 },
  () => announce((server.address() as AddressInfo).port),
);
endWithHarness();
