/** The benchmark's app on bare `node:http`: one thread. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  ALPHABET,
  announce,
  answer,
  endWithHarness,
  HOST,
  numberIn,
  pathOf,
  PORT,
  TEXT_TYPE,
} from "../shared.ts";

const server = createServer((request, response) => {
  const send = (text: string | undefined): void => {
    const body = text ?? "";
    response.writeHead(text === undefined ? 404 : 200, {
      "content-type": TEXT_TYPE,
      "content-length": body.length,
    });
    response.end(body);
  };
  const target = request.url ?? "/";
  if (pathOf(target) === "/wait") setTimeout(() => send(ALPHABET), numberIn(target));
  else send(answer(target));
});
server.keepAliveTimeout = 0;
server.listen(
  { host: HOST, port: PORT, backlog: 1024 },
  () => announce((server.address() as AddressInfo).port),
);
endWithHarness();
