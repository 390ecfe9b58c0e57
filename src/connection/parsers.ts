/**
 * Head parsers that no connection holds, and what a parsed head means as flags of a request record.
 * Runs on: I/O thread; runtime API: none
 *
 * A connection needs a parser only while a head is incomplete or a request is held; most never keep one.
 */
import { HeadParser } from "../http/request_parser.ts";
import { RequestFlag } from "../messages/request_message.ts";
import type { ConnectionHost } from "./http_connection.ts";

/** A parser that is ready for a head. */
export function takeParser(host: ConnectionHost): HeadParser {
  const { maxHeaderBytes, maxHeaderFields } = host.settings;
  return host.parsers.pop() ?? new HeadParser({ maxHeaderBytes, maxHeaderFields });
}

/** Gives a parser back. */
export function giveParser(host: ConnectionHost, parser: HeadParser): void {
  parser.reset();
  host.parsers.push(parser);
}

/** The flags of a request with this head. */
export function headFlags(parser: HeadParser): number {
  return (parser.minorVersion === 1 ? RequestFlag.Http11 : 0) |
    (parser.keepAlive ? RequestFlag.KeepAlive : 0) |
    (parser.isHead ? RequestFlag.Head : 0) |
    (parser.expectContinue ? RequestFlag.Expects100 : 0) |
    (parser.upgrade ? RequestFlag.Upgrade : 0);
}
