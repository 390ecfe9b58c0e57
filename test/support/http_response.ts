/**
 * Reads HTTP/1.1 responses from octets as they arrive, and fails on whatever a client could stumble over.
 * Runs on: any; runtime API: none
 *
 * RFC 9112, the client's side. Strict on purpose: two framings, a bare LF, a chunk without its end or content where
 * there is none are errors here, because tests look for exactly such faults.
 */

/** One response. */
export interface WireResponse {
  readonly version: string;
  readonly status: number;
  readonly reason: string;
  /** Names as they were sent. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** Status codes of the 1xx responses before it. */
  readonly interim: readonly number[];
  readonly trailers: readonly (readonly [name: string, value: string])[];
  /** Content, joined at each call. */
  readonly body: Uint8Array;
  /** Octets of content. */
  readonly bodyLength: number;
  /** Content as UTF-8. */
  readonly text: string;
  /** How the content was delimited. */
  readonly framing: "none" | "length" | "chunked" | "close";
  /** The values of a field, joined by ", "; null if there is none. */
  header(name: string): string | null;
}

class Response implements WireResponse {
  trailers: [string, string][] = [];
  bodyLength = 0;
  framing: WireResponse["framing"] = "none";
  readonly version: string;
  readonly status: number;
  readonly reason: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly interim: readonly number[];
  readonly #pieces: Uint8Array[] = [];

  constructor(head: string, interim: readonly number[]) {
    const [statusLine = "", ...lines] = head.split("\r\n");
    const match = /^HTTP\/(1\.[01]) ([1-9][0-9]{2}) ([\t\x20-\x7e\x80-\xff]*)$/.exec(statusLine);
    if (match === null) throw new Error(`not a status line: ${JSON.stringify(statusLine)}`);
    [, this.version = "", , this.reason = ""] = match;
    this.status = Number(match[2]);
    this.fields = lines.map(parseField);
    this.interim = interim;
  }

  push(piece: Uint8Array): void {
    this.#pieces.push(piece.slice());
    this.bodyLength += piece.length;
  }

  get body(): Uint8Array {
    const all = new Uint8Array(this.bodyLength);
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }

  get text(): string {
    return new TextDecoder().decode(this.body);
  }

  header(name: string): string | null {
    const values = this.fields.filter(([key]) => key.toLowerCase() === name.toLowerCase());
    return values.length === 0 ? null : values.map(([, value]) => value).join(", ");
  }
}

const latin1 = new TextDecoder("latin1");

function parseField(line: string): [string, string] {
  const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/.exec(line);
  if (match === null) throw new Error(`not a field line: ${JSON.stringify(line)}`);
  return [match[1] ?? "", match[2] ?? ""];
}

type State = "head" | "length" | "chunk-size" | "chunk" | "chunk-end" | "trailers" | "close";

/** Reads the responses of one connection. */
export class ResponseReader {
  /** Complete ones, in order. */
  readonly responses: WireResponse[] = [];
  /** Status codes of all 1xx responses, in order, those before the response that is being read included. */
  readonly interims: number[] = [];
  readonly #isHead: (index: number) => boolean;
  #bytes = new Uint8Array(4096);
  #start = 0;
  #end = 0;
  #state: State = "head";
  #left = 0;
  #current: Response | null = null;
  #interimsSeen = 0;

  /** @param isHead whether the request of the n-th response (from 0) was HEAD */
  constructor(isHead: (index: number) => boolean = () => false) {
    this.#isHead = isHead;
  }

  /** The response whose head is here and whose content is not complete. */
  get partial(): WireResponse | null {
    return this.#current;
  }

  /** 0 between two responses. */
  get leftover(): number {
    return this.#end - this.#start + (this.#current === null ? 0 : this.#current.bodyLength + 1);
  }

  /** Takes octets. @throws Error for what is no well-formed response */
  push(bytes: Uint8Array): void {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (this.#end + bytes.length > this.#bytes.length) {
      const have = this.#bytes.subarray(this.#start, this.#end);
      const grown = new Uint8Array(Math.max(this.#bytes.length, 2 * (have.length + bytes.length)));
      grown.set(have);
      this.#bytes = grown;
      this.#end = have.length;
      this.#start = 0;
    }
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
    while (this.#step());
  }

  /** The peer has sent all. @returns whether that is between two responses */
  end(): boolean {
    if (this.#state === "close") this.#complete();
    return this.leftover === 0;
  }

  #step(): boolean {
    const current = this.#current;
    if (this.#state === "head") {
      const end = this.#find("\r\n\r\n");
      if (end < 0) return false;
      const head = latin1.decode(this.#bytes.slice(this.#start, end));
      if (/\n/.test(head.replaceAll("\r\n", ""))) throw new Error(`a bare LF in ${JSON.stringify(head)}`);
      this.#start = end + 4;
      this.#begin(new Response(head, this.interims.slice(this.#interimsSeen)));
      return true;
    }
    if (current === null) return false;
    const here = this.#end - this.#start;
    switch (this.#state) {
      case "length":
      case "chunk": {
        const take = Math.min(here, this.#left);
        if (take > 0) current.push(this.#bytes.subarray(this.#start, this.#start + take));
        this.#start += take;
        this.#left -= take;
        if (this.#left > 0) return false;
        if (this.#state === "length") this.#complete();
        else this.#state = "chunk-end";
        return true;
      }
      case "close":
        if (here === 0) return false;
        current.push(this.#bytes.subarray(this.#start, this.#end));
        this.#start = this.#end;
        return true;
      case "chunk-size": {
        const line = this.#line();
        if (line === null) return false;
        if (!/^[0-9a-fA-F]+$/.test(line)) throw new Error(`not a chunk size: ${JSON.stringify(line)}`);
        this.#left = Number.parseInt(line, 16);
        this.#state = this.#left === 0 ? "trailers" : "chunk";
        return true;
      }
      case "chunk-end": {
        const line = this.#line();
        if (line === null) return false;
        if (line !== "") throw new Error(`behind a chunk comes ${JSON.stringify(line)}`);
        this.#state = "chunk-size";
        return true;
      }
      case "trailers": {
        const line = this.#line();
        if (line === null) return false;
        if (line === "") this.#complete();
        else current.trailers.push(parseField(line));
        return true;
      }
    }
    return false;
  }

  #begin(response: Response): void {
    if (response.status < 200) {
      this.interims.push(response.status);
      return;
    }
    this.#interimsSeen = this.interims.length;
    this.#current = response;
    const length = response.header("content-length");
    const coding = response.header("transfer-encoding");
    if (length !== null && coding !== null) throw new Error("both Content-Length and Transfer-Encoding");
    if (length !== null && !/^[0-9]+$/.test(length)) throw new Error(`Content-Length is ${length}`);
    if (coding !== null && coding !== "chunked") throw new Error(`Transfer-Encoding is ${coding}`);
    if (this.#isHead(this.responses.length) || response.status === 204 || response.status === 304) {
      this.#complete();
    } else if (length !== null) {
      response.framing = "length";
      this.#left = Number(length);
      this.#state = "length";
    } else if (coding !== null) {
      response.framing = "chunked";
      this.#state = "chunk-size";
    } else {
      response.framing = "close";
      this.#state = "close";
    }
  }

  #complete(): void {
    if (this.#current !== null) this.responses.push(this.#current);
    this.#current = null;
    this.#state = "head";
  }

  #line(): string | null {
    const end = this.#find("\r\n");
    if (end < 0) return null;
    const line = latin1.decode(this.#bytes.slice(this.#start, end));
    this.#start = end + 2;
    return line;
  }

  #find(text: string): number {
    const bytes = this.#bytes;
    for (let at = this.#start; at + text.length <= this.#end; at++) {
      let matched = 0;
      while (matched < text.length && bytes[at + matched] === text.charCodeAt(matched)) matched++;
      if (matched === text.length) return at;
    }
    return -1;
  }
}
