/**
 * Sec-WebSocket-Extensions: what a client offers, and the agreement on permessage-deflate.
 * Runs on: any; runtime API: none
 *
 * RFC 6455 section 9.1 for the grammar, RFC 7692 sections 5.1 and 7.1 for the negotiation.
 * A field that breaks the grammar fails the handshake (RFC 6455 section 9.1). An offer with an unknown name, or with
 * an unknown, repeated or wrong parameter, is only declined, and the next one has its turn (RFC 7692 section 7.1):
 * clients offer what they like best first and something simpler after it.
 */

/** What the server wants of permessage-deflate. */
export interface DeflateOptions {
  /** Forget the window after each message that the server sends. The server need not ask for that. */
  readonly serverNoContextTakeover: boolean;
  /** Ask the client to forget its window after each message. */
  readonly clientNoContextTakeover: boolean;
  /** Largest window of the server, as a power of two, 8 to 15. A client may ask for a smaller one. */
  readonly serverMaxWindowBits: number;
  /** Largest window of the client, 8 to 15, for those that let the server limit it; the others use 15. */
  readonly clientMaxWindowBits: number;
  /** Messages shorter than this are sent as they are. 0: all are compressed. */
  readonly thresholdBytes: number;
  /** How hard to compress, 1 (fast) to 9. */
  readonly level: number;
}

/**
 * The defaults: no context takeover in either direction. A kept window costs up to 32 KiB per connection and
 * direction, and with each message it crosses the rings and is hashed again (40 to 70 µs instead of 8).
 */
export const DEFAULT_DEFLATE_OPTIONS: DeflateOptions = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
  thresholdBytes: 1024,
  level: 3,
};

/** What both sides agreed on. */
export interface DeflateAgreement {
  /** The server's window is empty at the start of each message. */
  readonly serverNoContextTakeover: boolean;
  /** The client's window is empty at the start of each message. */
  readonly clientNoContextTakeover: boolean;
  /** Window of what the server sends, 8 to 15. */
  readonly serverWindowBits: number;
  /** Window of what the client sends, 8 to 15. */
  readonly clientWindowBits: number;
  /** The element of the response's Sec-WebSocket-Extensions. */
  readonly response: string;
}

/** One parameter of an offer; undefined for a name without a value. */
export type ExtensionParameter = readonly [name: string, value: string | undefined];

/** One element of the list: an extension and its parameters, in the order of the field. */
export interface ExtensionOffer {
  readonly name: string;
  readonly parameters: readonly ExtensionParameter[];
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const OPTIONAL_SPACE = /[ \t]*/y;
/** A quoted string whose content, unescaped, is a token (RFC 6455 section 9.1). */
const QUOTED_TOKEN = /"((?:\\?[!#$%&'*+\-.^_`|~0-9A-Za-z])+)"/y;

/** Matches a sticky expression at a position and moves past it. */
class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#text.length;
  }

  take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }

  takeMark(mark: string): boolean {
    this.take(OPTIONAL_SPACE);
    if (this.#text[this.#at] !== mark) return false;
    this.#at++;
    this.take(OPTIONAL_SPACE);
    return true;
  }
}

function readOffer(scanner: Scanner): ExtensionOffer | undefined {
  const name = scanner.take(TOKEN)?.[0];
  if (name === undefined) return undefined;
  const parameters: ExtensionParameter[] = [];
  while (scanner.takeMark(";")) {
    const parameter = scanner.take(TOKEN)?.[0];
    if (parameter === undefined) return undefined;
    if (!scanner.takeMark("=")) {
      parameters.push([parameter, undefined]);
      continue;
    }
    const value = scanner.take(TOKEN)?.[0] ?? scanner.take(QUOTED_TOKEN)?.[1]?.replaceAll("\\", "");
    if (value === undefined) return undefined;
    parameters.push([parameter, value]);
  }
  return { name, parameters };
}

/**
 * Reads the lines of Sec-WebSocket-Extensions as one list. Empty elements are passed over (RFC 9110 section 5.6.1.2).
 *
 * @param lines the values of all field lines of that name, in order
 * @returns the offers in order, or undefined when a line breaks the grammar or all of them together offer nothing
 */
export function parseExtensions(lines: readonly string[]): ExtensionOffer[] | undefined {
  const offers: ExtensionOffer[] = [];
  for (const line of lines) {
    const scanner = new Scanner(line);
    scanner.take(OPTIONAL_SPACE);
    while (!scanner.isAtEnd) {
      if (scanner.takeMark(",")) continue;
      const offer = readOffer(scanner);
      if (offer === undefined) return undefined;
      offers.push(offer);
      if (!scanner.takeMark(",") && !scanner.isAtEnd) return undefined;
    }
  }
  return offers.length === 0 && lines.length > 0 ? undefined : offers;
}

/** 8 to 15 in decimal, without a leading zero (RFC 7692 section 7.1.2). */
function parseWindowBits(value: string | undefined): number | undefined {
  return value !== undefined && /^(?:[89]|1[0-5])$/.test(value) ? Number(value) : undefined;
}

/**
 * Agrees on the first offer of permessage-deflate that can be met.
 *
 * The response holds a parameter only where it says something: a no_context_takeover that either side wants (the
 * server may add both, 7.1.1), `server_max_window_bits` when the client asked or the server's window is smaller than
 * 15 (7.1.2.1), `client_max_window_bits` when the client allowed it and its window is to be smaller than 15 (7.1.2.2).
 *
 * @param offers all elements of the field, also those of other extensions
 * @returns undefined when there is no such offer: the connection goes on without compression
 */
export function agreeOnDeflate(
  offers: readonly ExtensionOffer[],
  options: DeflateOptions,
): DeflateAgreement | undefined {
  for (const offer of offers) {
    if (offer.name !== "permessage-deflate") continue;
    const agreement = agreeOnOffer(offer, options);
    if (agreement !== undefined) return agreement;
  }
  return undefined;
}

function agreeOnOffer(offer: ExtensionOffer, options: DeflateOptions): DeflateAgreement | undefined {
  let { serverNoContextTakeover, clientNoContextTakeover } = options;
  let serverBits: number | undefined;
  let clientBits: number | undefined;
  const seen = new Set<string>();
  for (const [name, value] of offer.parameters) {
    if (seen.has(name)) return undefined;
    seen.add(name);
    switch (name) {
      case "server_no_context_takeover":
        if (value !== undefined) return undefined;
        serverNoContextTakeover = true;
        break;
      case "client_no_context_takeover":
        if (value !== undefined) return undefined;
        clientNoContextTakeover = true;
        break;
      case "server_max_window_bits":
        serverBits = parseWindowBits(value);
        if (serverBits === undefined) return undefined;
        break;
      case "client_max_window_bits":
        clientBits = value === undefined ? 15 : parseWindowBits(value);
        if (clientBits === undefined) return undefined;
        break;
      default:
        return undefined;
    }
  }
  const serverWindowBits = Math.min(options.serverMaxWindowBits, serverBits ?? 15);
  const clientWindowBits = clientBits === undefined ? 15 : Math.min(options.clientMaxWindowBits, clientBits);
  let response = "permessage-deflate";
  if (serverNoContextTakeover) response += "; server_no_context_takeover";
  if (clientNoContextTakeover) response += "; client_no_context_takeover";
  if (serverBits !== undefined || serverWindowBits < 15) {
    response += `; server_max_window_bits=${serverWindowBits}`;
  }
  if (clientWindowBits < 15) response += `; client_max_window_bits=${clientWindowBits}`;
  return { serverNoContextTakeover, clientNoContextTakeover, serverWindowBits, clientWindowBits, response };
}
