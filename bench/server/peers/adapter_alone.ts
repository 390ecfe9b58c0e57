/**
 * The ceiling: Cartouche's adapter of this runtime without anything behind it. Every empty line is taken for the end of
 * a request and answered with the same octets, the answers to one read in one write. No parsing, no threads.
 */
import type { TransportEvents } from "../../../src/adapters/adapter.ts";
import { detectAdapter } from "../../../src/adapters/detect.ts";
import { announce, endWithHarness, HELLO, HOST, PORT, TEXT_TYPE } from "../shared.ts";

/** More requests than one read of 64 KiB can hold. */
const MOST_ANSWERS = 4096;

const ANSWER = new TextEncoder().encode(
  `HTTP/1.1 200 OK\r\ncontent-type: ${TEXT_TYPE}\r\ncontent-length: ${HELLO.length}\r\n` +
    `date: ${new Date().toUTCString()}\r\n\r\n${HELLO}`,
);
const answers = new Uint8Array(ANSWER.length * MOST_ANSWERS);
for (let i = 0; i < MOST_ANSWERS; i++) answers.set(ANSWER, i * ANSWER.length);

const events: TransportEvents = {
  // How many octets of CR LF CR LF were seen last.
  onOpen: (transport): void => void (transport.context = 0),
  onData(transport, bytes, length): void {
    let seen = transport.context as number;
    let count = 0;
    for (let i = 0; i < length; i++) {
      const octet = bytes[i];
      if (octet === (seen % 2 === 0 ? 13 : 10)) seen++;
      else seen = octet === 13 ? 1 : 0;
      if (seen < 4) continue;
      seen = 0;
      count++;
    }
    transport.context = seen;
    if (count > 0) transport.write(answers, 0, count * ANSWER.length);
  },
  onDrain: (): void => undefined,
  onEnd: (transport): void => transport.endWrite(),
  onClose: (): void => undefined,
  onAcceptError: (error): void => console.error(error),
};

const adapter = await detectAdapter();
const { address } = await adapter.listen({ hostname: HOST, port: PORT, backlog: 1024 }, events);
if (address.transport === "tcp") announce(address.port);
endWithHarness();
