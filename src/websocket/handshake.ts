/**
 * The opening handshake of a server (RFC 6455 section 4.2), as data: a request in, fields of the answer out.
 * Runs on: any; runtime API: none
 *
 * Two steps, because a handler decides between them: {@link readUpgrade} judges the request, {@link acceptUpgrade}
 * makes the 101. What reads no header but the request's own is strict: the connection changes its protocol behind
 * whatever stood between client and server, and all of them must have understood the same.
 */
import { createHash } from "node:crypto";
import { CartoucheError } from "../errors.ts";
import {
  agreeOnDeflate,
  type DeflateAgreement,
  type DeflateOptions,
  type ExtensionOffer,
  parseExtensions,
} from "./extension.ts";

/** A field line; names of requests are in lower case. */
export type FieldLine = readonly [name: string, value: string];

/** What the handshake looks at. The HTTP parser has checked the syntax of the request and of its fields. */
export interface UpgradeRequest {
  readonly method: string;
  /** The 1 of HTTP/1.1. */
  readonly minorVersion: number;
  /** All field lines, names in lower case. */
  readonly fields: readonly FieldLine[];
}

/** Which origins may connect. */
export interface OriginRule {
  /**
   * Values of `Origin` that may connect ("https://example.com"), or "same-host" for those whose host and port are
   * those of `Host`; undefined lets everyone in. Requests without `Origin` do not come from pages and are let in
   * (section 10.2). Others get 403.
   */
  readonly origins?: readonly string[] | "same-host" | undefined;
}

/** A handshake that may be accepted. */
export interface UpgradeOffer {
  readonly status: 101;
  readonly key: string;
  /** Subprotocols in the client's order of preference; each once. */
  readonly protocols: readonly string[];
  readonly extensions: readonly ExtensionOffer[];
  /** The page's origin; undefined when the client is not a browser. */
  readonly origin: string | undefined;
}

/** A handshake that must be answered with an ordinary response. */
export interface UpgradeRefusal {
  readonly status: 400 | 403 | 405 | 426;
  /** Fields that the status needs. */
  readonly fields: readonly FieldLine[];
  /** What is wrong, for the body and the log. */
  readonly reason: string;
}

/** What the handler decided. */
export interface UpgradeAnswer {
  /** One of the offered subprotocols; none when undefined. */
  readonly protocol?: string | undefined;
  /** undefined: no compression. */
  readonly deflate?: DeflateOptions | undefined;
  /** More fields of the 101, such as Set-Cookie. */
  readonly fields?: readonly FieldLine[] | undefined;
}

/** The 101, and what it binds the connection to. */
export interface AcceptedUpgrade {
  readonly status: 101;
  readonly fields: readonly FieldLine[];
  readonly protocol: string | undefined;
  /** undefined: frames with RSV1 are faults. */
  readonly deflate: DeflateAgreement | undefined;
}

const KEY_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** Base64 of exactly 16 octets, the four unused bits zero. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** Fields of the answer that belong to the handshake or would give the 101 a body. */
const OWN_FIELDS = new Set([
  "connection",
  "content-length",
  "sec-websocket-accept",
  "sec-websocket-extensions",
  "sec-websocket-protocol",
  "sec-websocket-version",
  "transfer-encoding",
  "upgrade",
]);

function refuse(
  status: UpgradeRefusal["status"],
  reason: string,
  fields: readonly FieldLine[] = [],
): UpgradeRefusal {
  return { status, fields, reason };
}

function trim(value: string): string {
  return value.replace(/^[ \t]+|[ \t]+$/g, "");
}

function valuesOf(request: UpgradeRequest, name: string): string[] {
  return request.fields.filter(([field]) => field === name).map(([, value]) => trim(value));
}

/** The elements of a comma-separated list over all its lines, empty ones passed over (RFC 9110 section 5.6.1.2). */
function elementsOf(lines: readonly string[]): string[] {
  return lines.flatMap((line) => line.split(",")).map(trim).filter((element) => element !== "");
}

function includesToken(lines: readonly string[], token: string): boolean {
  return elementsOf(lines).some((element) => element.toLowerCase() === token);
}

/**
 * Judges a handshake by the list of RFC 6455 section 4.2.1.
 *
 * @returns an offer, or the refusal to answer with: 405 for a method other than GET, 426 for a version other than 13,
 *   403 for an origin that the rule does not let in, else 400
 */
export function readUpgrade(request: UpgradeRequest, rule: OriginRule = {}): UpgradeOffer | UpgradeRefusal {
  // 1. GET, HTTP/1.1; a body would be taken for frames.
  if (request.method !== "GET") return refuse(405, "A WebSocket handshake is a GET", [["Allow", "GET"]]);
  if (request.minorVersion !== 1) return refuse(400, "A WebSocket handshake needs HTTP/1.1");
  const lengths = valuesOf(request, "content-length");
  if (valuesOf(request, "transfer-encoding").length > 0 || lengths.some((length) => !/^0+$/.test(length))) {
    return refuse(400, "A WebSocket handshake has no body");
  }
  // 2. Host.
  const hosts = valuesOf(request, "host");
  if (hosts.length !== 1) return refuse(400, "A WebSocket handshake has one Host");
  // 3. Upgrade has "websocket", in any case.
  if (!includesToken(valuesOf(request, "upgrade"), "websocket")) {
    return refuse(400, "The Upgrade field does not name websocket");
  }
  // 4. Connection has "upgrade", in any case.
  if (!includesToken(valuesOf(request, "connection"), "upgrade")) {
    return refuse(400, "The Connection field does not name Upgrade");
  }
  // 5. One key, base64 of 16 octets.
  const keys = valuesOf(request, "sec-websocket-key");
  const key = keys[0] ?? "";
  if (keys.length !== 1 || !KEY.test(key)) {
    return refuse(400, "A WebSocket handshake has one Sec-WebSocket-Key of 16 octets");
  }
  // 6. Version 13; section 4.4 for any other.
  const versions = valuesOf(request, "sec-websocket-version");
  if (versions.length > 1) return refuse(400, "A WebSocket handshake has one Sec-WebSocket-Version");
  if (versions[0] !== "13") {
    return refuse(426, "The WebSocket version is not 13", [
      ["Sec-WebSocket-Version", "13"],
      // RFC 9110 section 15.5.22: a 426 names the protocols it asks for.
      ["Upgrade", "websocket"],
      ["Connection", "Upgrade"],
    ]);
  }
  // 7. Origin, which only browsers send.
  const origins = valuesOf(request, "origin");
  if (origins.length > 1) return refuse(400, "A WebSocket handshake has one Origin");
  const origin = origins[0];
  if (origin !== undefined && !isAllowed(origin, hosts[0] ?? "", rule)) {
    return refuse(403, "The origin may not connect");
  }
  // 8. Subprotocols: tokens, each once (section 4.1, item 10).
  const protocolLines = valuesOf(request, "sec-websocket-protocol");
  const protocols = elementsOf(protocolLines);
  const isList = protocols.length > 0 || protocolLines.length === 0;
  if (!isList || !protocols.every((name) => TOKEN.test(name)) || new Set(protocols).size < protocols.length) {
    return refuse(400, "The Sec-WebSocket-Protocol field is not a list of different tokens");
  }
  // 9. Extensions.
  const extensions = parseExtensions(valuesOf(request, "sec-websocket-extensions"));
  if (extensions === undefined) return refuse(400, "The Sec-WebSocket-Extensions field is malformed");
  return { status: 101, key, protocols, extensions, origin };
}

function isAllowed(origin: string, host: string, rule: OriginRule): boolean {
  if (rule.origins === undefined) return true;
  const lowered = origin.toLowerCase();
  if (rule.origins !== "same-host") return rule.origins.some((allowed) => allowed.toLowerCase() === lowered);
  return lowered === `http://${host.toLowerCase()}` || lowered === `https://${host.toLowerCase()}`;
}

/**
 * The subprotocol to speak: the first of the server's that the client offers too.
 *
 * @param supported the server's, the one it likes best first
 */
export function selectProtocol(offered: readonly string[], supported: readonly string[]): string | undefined {
  return supported.find((name) => offered.includes(name));
}

/** The Sec-WebSocket-Accept for a key (section 4.2.2, item 5.4). */
export function acceptKey(key: string): string {
  return createHash("sha1").update(key + KEY_SUFFIX).digest("base64");
}

/**
 * Makes the 101 (section 4.2.2).
 *
 * @throws CartoucheError `ERR_OPTION` for a subprotocol that was not offered: the client would have to fail the
 *   connection; `ERR_HEADER` for a field that cannot be sent or that the handshake sets itself
 */
export function acceptUpgrade(offer: UpgradeOffer, answer: UpgradeAnswer = {}): AcceptedUpgrade {
  const { protocol } = answer;
  const fields: FieldLine[] = [
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Accept", acceptKey(offer.key)],
  ];
  if (protocol !== undefined) {
    if (!offer.protocols.includes(protocol)) {
      throw new CartoucheError("ERR_OPTION", `The client did not offer the subprotocol "${protocol}".`);
    }
    fields.push(["Sec-WebSocket-Protocol", protocol]);
  }
  const deflate = answer.deflate && agreeOnDeflate(offer.extensions, answer.deflate);
  if (deflate !== undefined) fields.push(["Sec-WebSocket-Extensions", deflate.response]);
  for (const [name, value] of answer.fields ?? []) {
    if (!TOKEN.test(name) || !FIELD_VALUE.test(value)) {
      throw new CartoucheError(
        "ERR_HEADER",
        `The field "${name}" cannot be sent: its name or value is malformed.`,
      );
    }
    if (OWN_FIELDS.has(name.toLowerCase())) {
      throw new CartoucheError("ERR_HEADER", `The field "${name}" belongs to the WebSocket handshake.`);
    }
    fields.push([name, value]);
  }
  return { status: 101, fields, protocol, deflate };
}

/** The octets of the 101: status line, fields, empty line. Frames may follow at once. */
export function encodeUpgradeHead(accepted: AcceptedUpgrade): Uint8Array {
  let head = "HTTP/1.1 101 Switching Protocols\r\n";
  for (const [name, value] of accepted.fields) head += `${name}: ${value}\r\n`;
  head += "\r\n";
  // Every unit is one octet (FIELD_VALUE), so this is ISO-8859-1 and not UTF-8.
  const bytes = new Uint8Array(head.length);
  for (let at = 0; at < head.length; at++) bytes[at] = head.charCodeAt(at);
  return bytes;
}
