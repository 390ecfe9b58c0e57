/** The benchmark's app on bare `node:http`: one thread. */
import { createReadStream, createWriteStream, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream";
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
import { LARGE_FILE, UPLOADS } from "../transfer.ts";

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
  else if (target === "/upload") {
    pipeline(
      request,
      createWriteStream(`${UPLOADS}/upload`),
      (error) => response.writeHead(error ? 500 : 204).end(),
    );
  } else if (target === "/download") {
    response.writeHead(200, { "content-length": statSync(LARGE_FILE).size });
    pipeline(createReadStream(LARGE_FILE), response, () => undefined);
  } else send(answer(target));
});
server.keepAliveTimeout = 0;
server.listen(
  { host: HOST, port: PORT, backlog: 1024 },
  () => announce((server.address() as AddressInfo).port),
);
endWithHarness();
