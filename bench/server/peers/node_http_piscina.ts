/** The benchmark's app on `node:http` that hands every request to a pool of threads, piscina's. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Piscina } from "piscina";
import { announce, endWithHarness, HOST, LIGHT, PORT, TEXT_TYPE, WORKERS } from "../shared.ts";

const pool = new Piscina<string, string | undefined>({
  // Beside this file, whether it is the source or what was built of it.
  filename: import.meta.url.replace("node_http_piscina", "piscina_task"),
  minThreads: WORKERS,
  maxThreads: WORKERS,
});

const server = createServer((request, response) => {
  pool.run(request.url ?? "/").then((text) => {
    const body = text ?? "";
    response.writeHead(text === undefined ? 404 : 200, {
      "content-type": TEXT_TYPE,
      "content-length": body.length,
    });
    response.end(body);
  }, () => {
    response.writeHead(500).end();
  });
});
server.keepAliveTimeout = 0;
// As many light tasks as threads, twice: all threads have started then.
for (let round = 0; round < 2; round++) {
  const answers = await Promise.all(Array.from({ length: WORKERS }, () => pool.run("/light")));
  if (answers.some((text) => text !== LIGHT)) throw new Error("the pool does not answer");
}
server.listen(
  { host: HOST, port: PORT, backlog: 1024 },
  () => announce((server.address() as AddressInfo).port),
);
endWithHarness();
