/**
 * Makes a `ServerRequest` without a server: a head as text, and a body that is in the record or arrives later.
 * Runs on: any; runtime API: none
 */
import { HeadParser } from "../../src/http/request_parser.ts";
import { OutboxKind } from "../../src/messages/kind.ts";
import {
  RequestEncoder,
  RequestFlag,
  requestMessageLength,
  RequestView,
} from "../../src/messages/request_message.ts";
import { ChannelConsumer } from "../../src/ring/channel.ts";
import { createChannelBuffers, createSharedRing } from "../../src/ring/layout.ts";
import { Call } from "../../src/worker/call.ts";
import { Outbox } from "../../src/worker/outbox.ts";
import { type Responder, ServerRequest } from "../../src/worker/request.ts";

/** How a request comes. */
export interface RequestCase {
  /** The body is not in the record: `push` brings it. */
  readonly streamed?: boolean;
  /** Called when a blocking read finds nothing: must push, end, fail or abort. */
  readonly onBlock?: (made: MadeRequest) => void;
}

/** A request, and the strings it hangs on. */
export interface MadeRequest {
  readonly request: ServerRequest;
  readonly call: Call;
  /** What the responder was asked for: "respond 200", "open 200". */
  readonly asked: string[];
  /** Octets of the body that were asked for. */
  pulled(): number;
}

/** Makes a request of a head, which ends with its empty line, and a body. */
export function makeRequest(
  head: string,
  body: string | Uint8Array = "",
  how: RequestCase = {},
): MadeRequest {
  const content = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const bytes = Uint8Array.from(head, (char) => char.charCodeAt(0));
  const parser = new HeadParser({ maxHeaderBytes: 65_535, maxHeaderFields: 200 });
  if (parser.parse(bytes, 0, bytes.length) !== bytes.length) throw new Error(`not a head: ${head}`);
  const remote = new TextEncoder().encode("203.0.113.7");
  const inRecord = how.streamed === true ? new Uint8Array() : content;
  const record = new Uint8Array(
    requestMessageLength(parser.fieldCount, remote.length, bytes.length, inRecord.length),
  );
  const hasBody = content.length > 0 || parser.chunked || parser.contentLength > 0;
  const flags = (parser.minorVersion === 1 ? RequestFlag.Http11 : 0) |
    (parser.keepAlive ? RequestFlag.KeepAlive : 0) |
    (hasBody ? RequestFlag.HasBody : 0) | (how.streamed === true ? RequestFlag.Streamed : 0);
  const at = new RequestEncoder(record)
    .write(0, parser, flags, 0, remote, 54_321, bytes, 0, bytes.length, inRecord.length);
  record.set(inRecord, at);

  const buffers = createChannelBuffers(64, 64 * 1024);
  const outbox = new ChannelConsumer(buffers);
  const asked: string[] = [];
  const call = new Call(1, new RequestView(record, 0), new Outbox(createSharedRing(4, 1024, 2), 0, buffers), {
    waitForInbox: () => {
      if (how.onBlock === undefined) throw new Error("the handler blocks for ever");
      how.onBlock(made);
    },
  }, () => undefined);
  const responder: Responder = {
    respond: (_, status) => {
      asked.push(`respond ${status}`);
      call.responded = true;
    },
    open: (_, status) => {
      asked.push(`open ${status}`);
      call.responded = true;
      return { writeSync: () => undefined, write: () => Promise.resolve(), end: () => undefined };
    },
    interim: (_, status) => void asked.push(`interim ${status}`),
    upgrade: () => null,
    eventStream: () => null,
  };
  let pulled = 0;
  const made: MadeRequest = {
    request: new ServerRequest(call, responder),
    call,
    asked,
    pulled(): number {
      while (outbox.next()) if (outbox.kind === OutboxKind.Pull) pulled += outbox.a;
      outbox.release();
      return pulled;
    },
  };
  return made;
}
