/**
 * A table of what `Response` does by the Fetch standard, for any class that claims to be one.
 * Runs on: any; runtime API: none
 *
 * Long, because it is one table; `fast_response_test.ts` runs it.
 */
import { NativeResponse } from "../../src/worker/fast_response.ts";

export type ResponseClass = typeof Response;

export interface Row {
  readonly name: string;
  readonly run: (R: ResponseClass) => unknown;
  readonly want: unknown;
  /** Which runtime's own class does something else, and what. */
  readonly varies?: string;
}

export const TEXT_TYPE = "text/plain;charset=UTF-8";
const latin = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** The name of what `action` throws or rejects with, "none" if it does not. */
export async function errorOf(action: () => unknown): Promise<string> {
  try {
    await action();
    return "none";
  } catch (error) {
    return (error as Error).name;
  }
}

/** Wrong types on purpose. */
const loose = (value: unknown): never => value as never;

const textRow = "Bun adds the text content type only when it serves";

export const ROWS: readonly Row[] = [
  // Defaults and the simple members
  { name: "has status 200 by default", run: (R) => new R("x").status, want: 200 },
  { name: "has an empty status text by default", run: (R) => new R("x").statusText, want: "" },
  { name: "is of type default", run: (R) => new R("x").type, want: "default" },
  { name: "has an empty url", run: (R) => new R("x").url, want: "" },
  { name: "is not redirected", run: (R) => new R("x").redirected, want: false },
  {
    name: "is ok at 200 and 299 only",
    run: (R) => [200, 299, 300, 404].map((status) => new R(null, { status }).ok),
    want: [true, true, false, false],
  },
  {
    name: "has no body without arguments",
    run: async (R) => [new R().body, await new R().text(), new R().status],
    want: [null, "", 200],
  },
  { name: "has no body with undefined", run: (R) => new R(undefined).body, want: null },
  { name: "takes null as init", run: (R) => new R("x", loose(null)).status, want: 200 },
  { name: "refuses a number as init", run: (R) => errorOf(() => new R("x", loose(5))), want: "TypeError" },
  {
    name: "says Response to Object.prototype.toString",
    run: (R) => Object.prototype.toString.call(new R("x")),
    want: "[object Response]",
  },
  {
    name: "has no own enumerable property",
    run: (R) => Object.keys(new R("x", { headers: { a: "1" } })),
    want: [],
  },
  {
    name: "has the members of a Response",
    run: (R) => ["status", "headers", "body", "text", "clone"].every((name) => name in new R("x")),
    want: true,
  },
  {
    name: "is an instance of the native class",
    run: (R) => new R("x") instanceof NativeResponse,
    want: true,
  },
  { name: "has a constructor named Response", run: (R) => new R("x").constructor.name, want: "Response" },
  // Status
  { name: "keeps a status", run: (R) => new R("x", { status: 418 }).status, want: 418 },
  {
    name: "takes undefined as the default status",
    run: (R) => new R("x", loose({ status: undefined })).status,
    want: 200,
  },
  { name: "converts a status of text", run: (R) => new R("x", loose({ status: "404" })).status, want: 404 },
  { name: "cuts off the fraction of a status", run: (R) => new R("x", { status: 200.7 }).status, want: 200 },
  { name: "refuses status 199", run: (R) => errorOf(() => new R("x", { status: 199 })), want: "RangeError" },
  { name: "refuses status 600", run: (R) => errorOf(() => new R("x", { status: 600 })), want: "RangeError" },
  { name: "refuses status 0", run: (R) => errorOf(() => new R("x", { status: 0 })), want: "RangeError" },
  {
    name: "refuses a status that is not a number",
    run: (R) => errorOf(() => new R("x", { status: NaN })),
    want: "RangeError",
  },
  {
    name: "refuses status 101",
    run: (R) => errorOf(() => new R(null, { status: 101 })),
    want: "RangeError",
    varies: "Deno and Bun have it for their own upgrades",
  },
  ...[204, 205, 304].map((status): Row => ({
    name: `takes status ${status} without a body`,
    run: (R) => new R(null, { status }).status,
    want: status,
  })),
  ...[204, 205, 304].map((status): Row => ({
    name: `refuses status ${status} with a body`,
    run: (R) => errorOf(() => new R("x", { status })),
    want: "TypeError",
    varies: "Bun takes it",
  })),
  {
    name: "refuses status 204 with empty text",
    run: (R) => errorOf(() => new R("", { status: 204 })),
    want: "TypeError",
    varies: "Bun takes it",
  },
  {
    name: "keeps a status text",
    run: (R) => new R("x", { statusText: "Fine \u00e9" }).statusText,
    want: "Fine \u00e9",
  },
  {
    name: "refuses a line break in the status text",
    run: (R) => errorOf(() => new R("x", { statusText: "a\nb" })),
    want: "TypeError",
    varies: "Bun takes it",
  },
  {
    name: "refuses characters above 255 in the status text",
    run: (R) => errorOf(() => new R("x", { statusText: "\u0100" })),
    want: "TypeError",
    varies: "Bun takes it",
  },
  // Headers
  {
    name: "gives text its content type",
    run: (R) => new R("x").headers.get("content-type"),
    want: TEXT_TYPE,
    varies: textRow,
  },
  {
    name: "gives empty text its content type",
    run: (R) => new R("").headers.get("content-type"),
    want: TEXT_TYPE,
    varies: textRow,
  },
  {
    name: "gives bytes no content type",
    run: (R) => new R(new Uint8Array(2)).headers.get("content-type"),
    want: null,
  },
  { name: "gives no body no content type", run: (R) => new R(null).headers.get("content-type"), want: null },
  {
    name: "adds the content type beside other fields",
    run: (R) => [...new R("x", { headers: { b: "1" } }).headers],
    want: [["b", "1"], ["content-type", TEXT_TYPE]],
    varies: textRow,
  },
  {
    name: "keeps a content type",
    run: (R) => new R("x", { headers: { "Content-Type": "text/html" } }).headers.get("content-type"),
    want: "text/html",
  },
  {
    name: "keeps an empty content type",
    run: (R) => new R("x", { headers: { "content-type": "" } }).headers.get("content-type"),
    want: "",
  },
  {
    name: "loses a deleted content type for good",
    run: (R) => {
      const r = new R("x");
      r.headers.delete("content-type");
      return [...r.headers];
    },
    want: [],
  },
  {
    name: "takes a record",
    run: (R) => new R(null, { headers: { "X-A": "1", "x-b": "2" } }).headers.get("x-a"),
    want: "1",
  },
  {
    name: "takes pairs",
    run: (R) => [...new R(null, { headers: [["B", "2"], ["A", "1"]] }).headers],
    want: [["a", "1"], ["b", "2"]],
  },
  {
    name: "takes Headers",
    run: (R) => [...new R(null, { headers: new Headers({ "X-A": "1" }) }).headers],
    want: [["x-a", "1"]],
  },
  {
    name: "takes a Map",
    run: (R) => [...new R(null, loose({ headers: new Map([["A", "1"]]) })).headers],
    want: [["a", "1"]],
  },
  {
    name: "joins names that differ in case",
    run: (R) => new R(null, { headers: { a: "1", A: "2" } }).headers.get("a"),
    want: "1, 2",
  },
  {
    name: "joins pairs of one name",
    run: (R) => new R(null, { headers: [["a", "1"], ["a", "2"]] }).headers.get("A"),
    want: "1, 2",
  },
  {
    name: "keeps cookies apart",
    run: (R) =>
      new R(null, { headers: [["set-cookie", "a=1"], ["Set-Cookie", "b=2"]] }).headers.getSetCookie(),
    want: ["a=1", "b=2"],
  },
  {
    name: "keeps cookies apart that come in Headers",
    run: (R) => {
      const h = new Headers();
      h.append("set-cookie", "a=1");
      h.append("set-cookie", "b=2");
      return new R(null, { headers: h }).headers.getSetCookie();
    },
    want: ["a=1", "b=2"],
  },
  {
    name: "strips whitespace around values",
    run: (R) => new R(null, { headers: { a: " \t1 2\r\n" } }).headers.get("a"),
    want: "1 2",
  },
  {
    name: "takes octets above 127 in values",
    run: (R) => new R(null, { headers: { a: "\u00e9" } }).headers.get("a"),
    want: "\u00e9",
  },
  {
    name: "converts values to text",
    run: (R) => new R(null, loose({ headers: { a: 1, b: undefined } })).headers.get("b"),
    want: "undefined",
  },
  {
    name: "refuses a space in a name",
    run: (R) => errorOf(() => new R(null, { headers: { "a b": "1" } })),
    want: "TypeError",
  },
  {
    name: "refuses an empty name",
    run: (R) => errorOf(() => new R(null, { headers: { "": "1" } })),
    want: "TypeError",
  },
  {
    name: "refuses a colon in a name",
    run: (R) => errorOf(() => new R(null, { headers: { "a:": "1" } })),
    want: "TypeError",
  },
  {
    name: "refuses a letter outside ASCII in a name",
    run: (R) => errorOf(() => new R(null, { headers: { "\u00e9": "1" } })),
    want: "TypeError",
  },
  {
    name: "refuses a line break in a value",
    run: (R) => errorOf(() => new R(null, { headers: { a: "1\r\nset-cookie: x" } })),
    want: "TypeError",
  },
  {
    name: "refuses NUL in a value",
    run: (R) => errorOf(() => new R(null, { headers: { a: "1\0" } })),
    want: "TypeError",
  },
  {
    name: "refuses characters above 255 in a value",
    run: (R) => errorOf(() => new R(null, { headers: { a: "\u0100" } })),
    want: "TypeError",
  },
  {
    name: "refuses pairs of one",
    run: (R) => errorOf(() => new R(null, loose({ headers: [["a"]] }))),
    want: "TypeError",
  },
  {
    name: "refuses pairs of three",
    run: (R) => errorOf(() => new R(null, loose({ headers: [["a", "b", "c"]] }))),
    want: "TypeError",
  },
  {
    name: "refuses null as headers",
    run: (R) => errorOf(() => new R(null, loose({ headers: null }))),
    want: "TypeError",
  },
  {
    name: "refuses text as headers",
    run: (R) => errorOf(() => new R(null, loose({ headers: "a" }))),
    want: "TypeError",
  },
  {
    name: "does not see later changes of the record",
    run: (R) => {
      const headers = { a: "1" };
      const r = new R(null, { headers });
      headers.a = "2";
      return r.headers.get("a");
    },
    want: "1",
  },
  {
    name: "does not see later changes of the Headers",
    run: (R) => {
      const headers = new Headers({ a: "1" });
      const r = new R(null, { headers });
      headers.set("a", "2");
      return r.headers.get("a");
    },
    want: "1",
  },
  {
    name: "gives the same Headers each time",
    run: (R) => {
      const r = new R("x");
      return r.headers === r.headers;
    },
    want: true,
  },
  {
    name: "lets headers be set and appended",
    run: (R) => {
      const r = new R(null);
      r.headers.set("a", "1");
      r.headers.append("a", "2");
      return r.headers.get("a");
    },
    want: "1, 2",
  },
  {
    name: "reads inherited values of init",
    run: (R) => new R(null, Object.create({ status: 201 })).status,
    want: 201,
  },
  {
    name: "takes a response as init",
    run: (R) => {
      const r = new R("y", new R("x", { status: 201, statusText: "A", headers: { a: "1" } }));
      return [r.status, r.statusText, r.headers.get("a")];
    },
    want: [201, "A", "1"],
  },
  {
    name: "keeps apart the headers of a response and of its init",
    run: (R) => {
      const a = new R(null, { headers: { a: "1" } });
      const b = new R(null, a);
      b.headers.set("a", "2");
      a.headers.set("b", "3");
      return [a.headers.get("a"), b.headers.get("b")];
    },
    want: ["1", null],
  },
  {
    name: "takes changed headers of a response as init",
    run: (R) => {
      const a = new R(null, { headers: { a: "1" } });
      a.headers.set("a", "2");
      return new R(null, a).headers.get("a");
    },
    want: "2",
  },
  // Bodies
  { name: "reads text", run: (R) => new R("h\u00e9llo").text(), want: "h\u00e9llo" },
  { name: "reads JSON", run: (R) => new R('{"a":[1]}').json(), want: { a: [1] } },
  { name: "rejects bad JSON", run: (R) => errorOf(() => new R("{").json()), want: "SyntaxError" },
  { name: "rejects JSON of no body", run: (R) => errorOf(() => new R(null).json()), want: "SyntaxError" },
  {
    name: "reads an array buffer of text",
    run: async (R) => [...new Uint8Array(await new R("\u00e9").arrayBuffer())],
    want: [0xc3, 0xa9],
  },
  {
    name: "reads bytes of bytes",
    run: async (R) => latin(await new R(new Uint8Array([65, 66])).bytes()),
    want: "AB",
  },
  {
    name: "gives a buffer as long as the bytes",
    run: async (R) => (await new R(new Uint8Array(new ArrayBuffer(64), 8, 3)).arrayBuffer()).byteLength,
    want: 3,
  },
  {
    name: "reads text of bytes",
    run: (R) => new R(new Uint8Array([0xc3, 0xa9, 0xff])).text(),
    want: "\u00e9\ufffd",
  },
  { name: "reads an ArrayBuffer", run: (R) => new R(new Uint8Array([65]).buffer).text(), want: "A" },
  {
    name: "reads a DataView",
    run: (R) => new R(new DataView(new Uint8Array([64, 65, 66]).buffer, 1, 1)).text(),
    want: "A",
  },
  {
    name: "reads 16-bit numbers as bytes",
    run: async (R) => (await new R(new Uint16Array([1, 2])).bytes()).length,
    want: 4,
  },
  {
    name: "drops a byte order mark of text",
    run: (R) => new R("\ufeffa").text(),
    want: "a",
    varies: "Bun keeps it",
  },
  {
    name: "drops a byte order mark of bytes",
    run: (R) => new R(new Uint8Array([0xef, 0xbb, 0xbf, 65])).text(),
    want: "A",
  },
  {
    name: "replaces lone surrogates",
    run: (R) => new R("a\ud800b").text(),
    want: "a\ufffdb",
    varies: "Bun keeps them",
  },
  { name: "converts a number to text", run: (R) => new R(loose(42)).text(), want: "42" },
  {
    name: "converts a String object to text",
    run: async (R) => {
      const r = new R(loose(Object("raw")));
      return [await r.text(), r.headers.get("content-type")];
    },
    want: ["raw", TEXT_TYPE],
    varies: textRow,
  },
  {
    name: "gives a blob with size and type",
    run: async (R) => {
      const b = await new R("abc", { headers: { "content-type": "image/png" } }).blob();
      return [b.size, b.type, await b.text()];
    },
    want: [3, "image/png", "abc"],
  },
  {
    name: "gives a form",
    run: async (R) =>
      (await new R("a=1&b=2", { headers: { "content-type": "application/x-www-form-urlencoded" } })
        .formData()).get("b"),
    want: "2",
  },
  {
    name: "reads no body as often as asked",
    run: async (R) => {
      const r = new R(null);
      return [await r.text(), await r.text(), r.bodyUsed];
    },
    want: ["", "", false],
  },
  {
    name: "marks the body used at once",
    run: (R) => {
      const r = new R("x");
      const before = r.bodyUsed;
      void r.text();
      return [before, r.bodyUsed];
    },
    want: [false, true],
  },
  ...(["text", "json", "bytes", "arrayBuffer", "blob"] as const).map((method): Row => ({
    name: `rejects ${method} after text`,
    run: async (R) => {
      const r = new R("1");
      await r.text();
      return errorOf(() => r[method]());
    },
    want: "TypeError",
  })),
  {
    name: "marks empty text used",
    run: async (R) => {
      const r = new R("");
      await r.text();
      return [r.bodyUsed, await errorOf(() => r.text())];
    },
    want: [true, "TypeError"],
    varies: "Bun treats empty text as no body",
  },
  {
    name: "gives the same stream each time",
    run: (R) => {
      const r = new R("x");
      return r.body === r.body && r.body instanceof ReadableStream;
    },
    want: true,
  },
  {
    name: "is not used by a look at its stream",
    run: async (R) => {
      const r = new R("x");
      r.body;
      return [r.bodyUsed, await r.text(), r.bodyUsed];
    },
    want: [false, "x", true],
  },
  {
    name: "streams its text",
    run: async (R) => {
      let all = "";
      for await (const part of new R("streamed").body as ReadableStream<Uint8Array<ArrayBuffer>>) {
        all += latin(part);
      }
      return all;
    },
    want: "streamed",
  },
  {
    name: "is used once its stream was read from",
    run: async (R) => {
      const r = new R("x");
      const reader = (r.body as ReadableStream).getReader();
      await reader.read();
      reader.releaseLock();
      return [r.bodyUsed, await errorOf(() => r.text())];
    },
    want: [true, "TypeError"],
  },
  {
    name: "rejects reading while its stream is locked",
    run: (R) => {
      const r = new R("x");
      (r.body as ReadableStream).getReader();
      return errorOf(() => r.text());
    },
    want: "TypeError",
  },
  {
    name: "rejects reading once its stream was cancelled",
    run: async (R) => {
      const r = new R("x");
      await (r.body as ReadableStream).cancel();
      return [r.bodyUsed, await errorOf(() => r.text())];
    },
    want: [true, "TypeError"],
  },
  {
    name: "has a stream that is spent after text",
    run: async (R) => {
      const r = new R("x");
      await r.text();
      const body = r.body as ReadableStream;
      if (body.locked) return "spent";
      return (await body.getReader().read()).done ? "spent" : "fresh";
    },
    want: "spent",
  },
  {
    name: "reads a stream",
    run: (R) => new R(new Blob(["from a stream"]).stream()).text(),
    want: "from a stream",
  },
  {
    name: "reads a blob and takes its type",
    run: async (R) => {
      const r = new R(new Blob(["b"], { type: "image/png" }));
      return [r.headers.get("content-type"), await r.text()];
    },
    want: ["image/png", "b"],
  },
  {
    name: "reads URLSearchParams and takes their type",
    run: async (R) => {
      const r = new R(new URLSearchParams({ a: "1" }));
      return [r.headers.get("content-type"), await r.text()];
    },
    want: ["application/x-www-form-urlencoded;charset=UTF-8", "a=1"],
  },
  {
    name: "reads FormData",
    run: async (R) => {
      const form = new FormData();
      form.set("a", "1");
      return (await new R(form).formData()).get("a");
    },
    want: "1",
  },
  {
    name: "passes init on with a stream",
    run: (R) => {
      const r = new R(new Blob(["x"]).stream(), { status: 202, headers: { a: "1" } });
      return [r.status, r.headers.get("a")];
    },
    want: [202, "1"],
  },
  // clone
  {
    name: "clones status, fields and body",
    run: async (R) => {
      const c = new R("x", { status: 201, statusText: "A", headers: { a: "1" } }).clone();
      return [c.status, c.statusText, c.headers.get("a"), await c.text()];
    },
    want: [201, "A", "1", "x"],
  },
  {
    name: "can be read beside its clone",
    run: async (R) => {
      const r = new R("x");
      const c = r.clone();
      return [await r.text(), c.bodyUsed, await c.text()];
    },
    want: ["x", false, "x"],
  },
  {
    name: "keeps apart the headers of its clone",
    run: (R) => {
      const r = new R("x");
      const c = r.clone();
      c.headers.set("a", "1");
      return r.headers.get("a");
    },
    want: null,
  },
  {
    name: "gives its clone changed headers",
    run: (R) => {
      const r = new R("x");
      r.headers.set("a", "1");
      return r.clone().headers.get("a");
    },
    want: "1",
  },
  {
    name: "cannot be cloned once used",
    run: async (R) => {
      const r = new R("x");
      await r.text();
      return errorOf(() => r.clone());
    },
    want: "TypeError",
  },
  {
    name: "cannot be cloned while its stream is locked",
    run: (R) => {
      const r = new R("x");
      (r.body as ReadableStream).getReader();
      return errorOf(() => r.clone());
    },
    want: "TypeError",
  },
  { name: "clones no body", run: (R) => new R(null).clone().body, want: null },
  // Reuse, as middleware does it
  {
    name: "passes on a body by its stream",
    run: async (R) => {
      const r = new R("x", { headers: { a: "1" } });
      const s = new R(r.body, r);
      return [s.headers.get("a"), await s.text(), r.bodyUsed];
    },
    want: ["1", "x", true],
    varies: "Deno does not tell one response of the reading of the other",
  },
  {
    name: "has its body used by a reading of the original",
    run: async (R) => {
      const r = new R("x");
      const s = new R(r.body, r);
      await r.text();
      return [s.bodyUsed, await errorOf(() => s.text())];
    },
    want: [true, "TypeError"],
    varies: "Deno does not tell one response of the reading of the other",
  },
  {
    name: "passes on a body twice",
    run: async (R) => {
      const a = new R("x");
      const b = new R(a.body, a);
      const c = new R(b.body, { status: 203 });
      return [c.status, await c.text(), a.bodyUsed, b.bodyUsed];
    },
    want: [203, "x", true, true],
    varies: "Deno does not tell one response of the reading of the other",
  },
  {
    name: "refuses a stream that was read",
    run: async (R) => {
      const r = new R("x");
      const body = r.body;
      await r.text();
      return errorOf(() => new R(body));
    },
    want: "TypeError",
    varies: "Bun takes it",
  },
  {
    name: "passes on a body through a transform",
    run: async (R) => {
      const r = new R("abc");
      const upper = new TransformStream<Uint8Array, Uint8Array>({
        transform: (part, c) => c.enqueue(new TextEncoder().encode(latin(part).toUpperCase())),
      });
      return await new R((r.body as ReadableStream).pipeThrough(upper), r).text();
    },
    want: "ABC",
  },
  // Statics
  {
    name: "makes JSON",
    run: async (R) => {
      const r = R.json({ a: 1 });
      return [r.status, await r.json()];
    },
    want: [200, { a: 1 }],
  },
  {
    name: "gives JSON its content type",
    run: (R) => R.json(1).headers.get("content-type"),
    want: "application/json",
    varies: "Bun adds a charset",
  },
  {
    name: "keeps a content type of JSON",
    run: (R) =>
      R.json(1, { headers: { "content-type": "application/problem+json" } }).headers.get("content-type"),
    want: "application/problem+json",
  },
  { name: "gives JSON a status", run: (R) => R.json(null, { status: 400 }).status, want: 400 },
  { name: "refuses JSON of undefined", run: (R) => errorOf(() => R.json(undefined)), want: "TypeError" },
  {
    name: "refuses JSON of a cycle",
    run: (R) => {
      const cycle: unknown[] = [];
      cycle.push(cycle);
      return errorOf(() => R.json(cycle));
    },
    want: "TypeError",
  },
  {
    name: "refuses JSON with status 204",
    run: (R) => errorOf(() => R.json(1, { status: 204 })),
    want: "TypeError",
    varies: "Bun takes it",
  },
  {
    name: "redirects with 302",
    run: (R) => {
      const r = R.redirect("http://a.example/b c?d#e");
      return [r.status, r.headers.get("location"), r.body];
    },
    want: [302, "http://a.example/b%20c?d#e", null],
  },
  {
    name: "redirects to a URL object with 308",
    run: (R) => {
      const r = R.redirect(new URL("http://a.example"), 308);
      return [r.status, r.headers.get("location")];
    },
    want: [308, "http://a.example/"],
  },
  {
    name: "refuses to redirect with status 200",
    run: (R) => errorOf(() => R.redirect("http://a.example/", 200)),
    want: "RangeError",
  },
  { name: "makes a network error", run: (R) => [R.error().type, R.error().status], want: ["error", 0] },
  {
    name: "can be subclassed",
    run: async (R) => {
      class Mine extends R {
        readonly mark = 1;
      }
      const m = new Mine("x", { status: 201 });
      return [m instanceof Mine, m.mark, m.status, await m.text(), new R("y") instanceof Mine];
    },
    want: [true, 1, 201, "x", false],
  },
  {
    name: "can be subclassed and given a stream",
    run: async (R) => {
      class Mine extends R {
        readonly mark = 1;
      }
      const m = new Mine(new Blob(["x"]).stream(), { status: 201 });
      return [m instanceof Mine, m.mark, m.status, await m.text(), m.bodyUsed];
    },
    want: [true, 1, 201, "x", true],
  },
];
