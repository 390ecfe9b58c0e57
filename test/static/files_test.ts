import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { platform } from "node:process";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import type { FetchApp, Handler } from "../../src/handler.ts";
import { formatHttpDate } from "../../src/http/http_date.ts";
import { fileResponse } from "../../src/static/file_response.ts";
import { files, type FilesOptions } from "../../src/static/files.ts";
import { withTemporaryFolder } from "../support/temporary_folder.ts";
import { MODIFIED, request, write } from "./files_stage.ts";

const LAST_MODIFIED = formatHttpDate(MODIFIED);
const ALPHABET = "abcdefghijklmnopqrstuvwxyz";

/** root/…, and things beside it that must stay there. */
function makeTree(folder: string): string {
  const root = join(folder, "www");
  mkdirSync(join(root, "sub", "deep"), { recursive: true });
  mkdirSync(join(root, "bare"));
  mkdirSync(join(root, ".git"));
  mkdirSync(join(root, ".well-known"));
  mkdirSync(join(folder, "www-private"));
  write(join(root, "a.txt"), ALPHABET);
  write(join(root, "empty.txt"), "");
  write(join(root, "index.html"), "<p>root");
  write(join(root, "sub", "index.html"), "<p>sub");
  write(join(root, "sub", "b.json"), "{}");
  write(join(root, "ä b.txt"), "umlaut");
  write(join(root, "50%.txt"), "percent");
  write(join(root, "..a"), "dots");
  write(join(root, "archive.tar.gz"), "archive");
  write(join(root, ".env"), "SECRET");
  write(join(root, ".git", "config"), "SECRET");
  write(join(root, ".well-known", "x"), "well known");
  write(join(folder, "secret"), "SECRET");
  write(join(folder, "www-private", "secret"), "SECRET");
  if (platform !== "win32") {
    symlinkSync("../secret", join(root, "out"));
    symlinkSync("..", join(root, "up"));
    symlinkSync("a.txt", join(root, "in"));
    execFileSync("mkfifo", [join(root, "pipe")]);
    symlinkSync("/dev/zero", join(root, "zero"));
  }
  return root;
}

function withTree(
  run: (serve: ReturnType<typeof files>, root: string, folder: string) => Promise<void> | void,
  options?: FilesOptions,
): Promise<void> {
  return withTemporaryFolder((folder) => {
    const root = makeTree(folder);
    return run(files(root, options), root, folder);
  });
}

test("Files answer GET with every field that belongs there", () =>
  withTree(async (serve) => {
    const response = serve(request("/a.txt"));
    assert.equal(response.status, 200);
    const { etag, ...fields } = Object.fromEntries(response.headers);
    assert.deepEqual(fields, {
      "accept-ranges": "bytes",
      "content-length": "26",
      "content-type": "text/plain; charset=utf-8",
      "last-modified": LAST_MODIFIED,
      "x-content-type-options": "nosniff",
    });
    assert.match(etag ?? "", /^"q-[0-9a-z]+"$/);
    assert.equal(await response.text(), ALPHABET);
  }));

test("Files answer HEAD with the fields of GET and no content, for a range, too", () =>
  withTree((serve) => {
    const get = serve(request("/a.txt"));
    for (const fields of [{}, { range: "bytes=0-1" }, { range: "bytes=99-" }]) {
      const head = serve(request("/a.txt", fields, "HEAD"));
      assert.equal(head.status, 200);
      assert.deepEqual([...head.headers], [...get.headers]);
      assert.equal(head.body, null);
    }
    assert.equal(serve(request("/nothing", {}, "HEAD")).body, null);
  }));

test("Files are a route's handler and a fetch app, and take a web Request", () =>
  withTree(async (serve) => {
    const handler: Handler = serve;
    const app: FetchApp = serve;
    assert.equal(handler, app.fetch);
    const response = serve.fetch(new Request("http://localhost/sub/b.json?x=1"));
    assert.equal(response.headers.get("content-type"), "application/json");
    assert.equal(await response.text(), "{}");
  }));

for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "BREW"]) {
  test(`Files answer ${method} with 405 and Allow, also where nothing is`, () =>
    withTree((serve) => {
      for (const path of ["/a.txt", "/nothing"]) {
        const response = serve(request(path, { "if-match": '"x"' }, method));
        assert.equal(response.status, 405);
        assert.equal(response.headers.get("allow"), "GET, HEAD");
      }
    }));
}

/** Path as sent, status. Whatever the status, the answer must not hold the secret. */
const PATHS: [string, number][] = [
  ["/a.txt", 200],
  ["/a.txt?query=1", 200],
  ["/", 200],
  ["/sub/", 200],
  ["/sub/b.json", 200],
  ["/%C3%A4%20b.txt", 200],
  ["/50%25.txt", 200],
  ["/%61.txt", 200],
  ["/.well-known/x", 200],
  ["/archive.tar.gz", 200],
  ["/sub", 301],
  ["/bare", 404],
  ["/bare/", 404],
  ["/nothing", 404],
  ["/a.txt/", 404],
  ["/a.txt/x", 404],
  ["/A.TXT", platform === "linux" ? 404 : 200],
  ["/../secret", 404],
  ["/../../../../../../etc/passwd", 404],
  ["/sub/../../secret", 404],
  ["/sub/../a.txt", 404],
  ["/./a.txt", 404],
  ["/%2e%2e/secret", 404],
  ["/%2e%2e%2fsecret", 404],
  ["/..%2fsecret", 404],
  ["/..%2Fsecret", 404],
  ["/sub/..%2f..%2fsecret", 404],
  ["/..\\secret", 404],
  ["/..%5csecret", 404],
  ["/%2e%2e%5csecret", 404],
  ["/%252e%252e/secret", 404],
  ["/%252e%252e%252fsecret", 404],
  ["/..;/secret", 404],
  ["/.%00./secret", 400],
  ["/../www-private/secret", 404],
  ["/../www/a.txt", 404],
  ["//secret", 404],
  ["//etc/passwd", 404],
  ["///etc/passwd", 404],
  ["/%2fetc/passwd", 404],
  ["/%2Fetc%2Fpasswd", 404],
  ["/sub//b.json", 404],
  ["/a.txt%00", 400],
  ["/a.txt%00.html", 400],
  ["/%00", 400],
  ["/%", 400],
  ["/%zz", 400],
  ["/%c0%ae%c0%ae/secret", 400],
  ["/%c0%afsecret", 400],
  ["/%e0%80%ae%e0%80%ae/secret", 400],
  ["/%f0%80%80%ae/secret", 400],
  ["/%uff0e%uff0e/secret", 400],
  ["/%ef%bc%8e%ef%bc%8e/secret", 404],
  ["/~root", 404],
  ["/.env", 404],
  ["/%2eenv", 404],
  ["/.git/config", 404],
  ["/.git/", 404],
  ["/..a", 404],
  ["/out", 404],
  ["/up/secret", 404],
  ["/up/www/a.txt", platform === "win32" ? 404 : 200],
  ["/in", platform === "win32" ? 404 : 200],
  ["/pipe", 404],
  ["/zero", 404],
  [`/${"x".repeat(300)}`, 404],
  [`/${"x/".repeat(3_000)}`, 404],
  ["/file:/etc/passwd", 404],
  ["/http://localhost/a.txt", 404],
  ["*", 404],
];

for (const [path, status] of PATHS) {
  test(`Files answer ${path.length > 60 ? `${path.slice(0, 60)}…` : path} with ${status} and no secret`, () =>
    withTree(async (serve) => {
      for (const method of ["GET", "HEAD"]) {
        const response = serve(request(path, {}, method));
        assert.equal(response.status, status);
        assert.doesNotMatch(await response.text(), /SECRET|root:/);
      }
    }));
}

test("Files send a folder without a slash to the one with it, on the same host", () =>
  withTree((serve) => {
    assert.equal(serve(request("/sub")).headers.get("location"), "/sub/");
    assert.equal(serve(request("/sub?a=b&c")).headers.get("location"), "/sub/?a=b&c");
    assert.equal(serve(request("/%73ub")).headers.get("location"), "/sub/");
  }));

test("Files under a prefix serve that part of the paths only", () =>
  withTree(async (serve) => {
    assert.equal(await serve(request("/static/a.txt")).text(), ALPHABET);
    assert.equal(serve(request("/static")).headers.get("location"), "/static/");
    assert.equal(await serve(request("/static/")).text(), "<p>root");
    for (
      const path of ["/a.txt", "/", "/staticx/a.txt", "/static//a.txt", "/static/../a.txt", "/static%2fa.txt"]
    ) {
      assert.equal(serve(request(path)).status, 404, path);
    }
  }, { prefix: "/static/" }));

test("Files without an index refuse folders", () =>
  withTree((serve) => {
    for (const path of ["/", "/sub", "/sub/"]) assert.equal(serve(request(path)).status, 404);
  }, { index: false }));

test("Files with dotfiles serve them", () =>
  withTree(async (serve) => {
    assert.equal(await serve(request("/.env")).text(), "SECRET");
    assert.equal(serve(request("/../secret")).status, 404);
  }, { dotfiles: true }));

if (platform !== "win32") {
  test("Files follow links as the option says", () =>
    withTemporaryFolder((folder) => {
      const root = makeTree(folder);
      const status = (symlinks: "within" | "follow" | "never", path: string): number => {
        const response = files(root, { symlinks })(request(path));
        return response.status;
      };
      assert.deepEqual([status("within", "/in"), status("within", "/out")], [200, 404]);
      assert.deepEqual([status("follow", "/in"), status("follow", "/out")], [200, 200]);
      assert.deepEqual([status("never", "/in"), status("never", "/out")], [404, 404]);
      assert.deepEqual([status("follow", "/pipe"), status("follow", "/zero")], [404, 404]);
    }));
}

test("Files take a root as URL and a Cache-Control by option, for 304 too", () =>
  withTemporaryFolder((folder) => {
    const root = makeTree(folder);
    const fixed = files(pathToFileURL(root), { cacheControl: "max-age=60" });
    const first = fixed(request("/a.txt"));
    assert.equal(first.headers.get("cache-control"), "max-age=60");
    const second = fixed(request("/a.txt", { "if-none-match": first.headers.get("etag") ?? "" }));
    assert.equal(second.status, 304);
    assert.equal(second.headers.get("cache-control"), "max-age=60");
    const byPath = files(root, { cacheControl: (path) => path.endsWith(".json") ? "no-store" : undefined });
    assert.equal(byPath(request("/sub/b.json")).headers.get("cache-control"), "no-store");
    assert.equal(byPath(request("/a.txt")).headers.get("cache-control"), null);
  }));

for (
  const options of [{ prefix: "static" }, { prefix: "/a?b" }, { index: "" }, { index: "a/b" }, {
    index: "..\\x",
  }]
) {
  test(`Files refuse the options ${JSON.stringify(options)}`, () => {
    assert.throws(() => files(".", options), { code: "ERR_OPTION" });
  });
}

/** Fields, status, what must come of them for a.txt; ETAG stands for its entity tag. */
const CONDITIONS: [Record<string, string>, number, string][] = [
  [{ "if-none-match": "ETAG" }, 304, ""],
  [{ "if-none-match": "W/ETAG" }, 304, ""],
  [{ "if-none-match": '"x", ETAG' }, 304, ""],
  [{ "if-none-match": "*" }, 304, ""],
  [{ "if-none-match": '"x"' }, 200, ALPHABET],
  [{ "if-modified-since": LAST_MODIFIED }, 304, ""],
  [{ "if-modified-since": formatHttpDate(MODIFIED - 1_000) }, 200, ALPHABET],
  [{ "if-modified-since": "nonsense" }, 200, ALPHABET],
  [{ "if-none-match": '"x"', "if-modified-since": LAST_MODIFIED }, 200, ALPHABET],
  [{ "if-match": "ETAG" }, 200, ALPHABET],
  [{ "if-match": "W/ETAG" }, 412, "412 Precondition Failed\n"],
  [{ "if-match": '"x"' }, 412, "412 Precondition Failed\n"],
  [{ "if-unmodified-since": LAST_MODIFIED }, 200, ALPHABET],
  [{ "if-unmodified-since": formatHttpDate(MODIFIED - 1_000) }, 412, "412 Precondition Failed\n"],
  [{ "if-match": "ETAG", "if-none-match": "ETAG" }, 304, ""],
  [{ range: "bytes=0-2" }, 206, "abc"],
  [{ range: "bytes=-3" }, 206, "xyz"],
  [{ range: "bytes=24-99" }, 206, "yz"],
  [{ range: "bytes=-99" }, 206, ALPHABET],
  [{ range: "bytes=0-2,1-4" }, 206, "abcde"],
  [{ range: "bytes=0-2", "if-range": "ETAG" }, 206, "abc"],
  [{ range: "bytes=0-2", "if-range": "W/ETAG" }, 200, ALPHABET],
  [{ range: "bytes=0-2", "if-range": '"x"' }, 200, ALPHABET],
  [{ range: "bytes=0-2", "if-range": LAST_MODIFIED }, 206, "abc"],
  [{ range: "bytes=0-2", "if-range": formatHttpDate(MODIFIED + 1_000) }, 200, ALPHABET],
  [{ range: "bytes=99-", "if-range": '"x"' }, 200, ALPHABET],
  [{ range: "bytes=0-2", "if-none-match": "ETAG" }, 304, ""],
  [{ range: "bytes=0-2", "if-match": '"x"' }, 412, "412 Precondition Failed\n"],
  [{ range: "bytes=26-" }, 416, "416 Range Not Satisfiable\n"],
  [{ range: "bytes=-0" }, 416, "416 Range Not Satisfiable\n"],
  [{ range: "bytes=5-2" }, 200, ALPHABET],
  [{ range: "lines=0-2" }, 200, ALPHABET],
  [{ range: `bytes=${"0-,".repeat(100)}` }, 200, ALPHABET],
];

for (const [fields, status, body] of CONDITIONS) {
  test(`Files answer ${JSON.stringify(fields).slice(0, 100)} with ${status}`, () =>
    withTree(async (serve) => {
      const etag = serve(request("/a.txt")).headers.get("etag") ?? "";
      const sent = Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [name, value.replaceAll("ETAG", etag)]),
      );
      const response = serve(request("/a.txt", sent));
      assert.equal(response.status, status);
      assert.equal(response.headers.get("etag"), etag);
      assert.equal(await response.text(), body);
      const length = response.headers.get("content-length");
      if (status === 304) {
        assert.equal(length, null);
        assert.equal(response.headers.get("content-type"), null);
      } else {
        assert.equal(length, String(body.length));
      }
      assert.equal(response.headers.get("last-modified"), status < 300 ? LAST_MODIFIED : null);
      assert.equal(
        response.headers.get("content-range"),
        status === 416 ? "bytes */26" : status === 206 ? contentRangeOf(body) : null,
      );
    }));
}

function contentRangeOf(body: string): string {
  const first = ALPHABET.indexOf(body);
  return `bytes ${first}-${first + body.length - 1}/26`;
}

test("Files send several ranges as multipart/byteranges with the length they say", () =>
  withTree(async (serve) => {
    const response = serve(request("/a.txt", { range: "bytes=0-1, 10-12,-1" }));
    assert.equal(response.status, 206);
    assert.equal(response.headers.get("content-range"), null);
    const type = response.headers.get("content-type") ?? "";
    const boundary = /^multipart\/byteranges; boundary=([0-9a-f-]{36})$/.exec(type)?.[1] ?? "none";
    const head = (range: string): string =>
      `--${boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes ${range}/26\r\n\r\n`;
    const body = await response.text();
    assert.equal(
      body,
      `${head("0-1")}ab\r\n${head("10-12")}klm\r\n${head("25-25")}z\r\n--${boundary}--\r\n`,
    );
    assert.equal(response.headers.get("content-length"), String(body.length));
  }));

test("Files never send more for many ranges than a bounded frame around the file", () =>
  withTree(async (serve) => {
    for (let count = 1; count <= 80; count++) {
      const specs = Array.from({ length: count }, (_, i) => `${(i * 7) % 26}-${(i * 7) % 26}`);
      const response = serve(request("/a.txt", { range: `bytes=${specs.join(",")}` }));
      const body = await response.text();
      assert.equal(response.headers.get("content-length"), String(body.length));
      assert.ok(body.length <= 26 + 4 * 200, `${count} ranges: ${body.length}`);
      if (count > 4) assert.equal(body.length, 26, `${count} ranges`);
    }
  }));

test("Files have an empty file without a stream, and 416 for any range of it but a suffix", () =>
  withTree(async (serve) => {
    for (
      const [range, status] of [["", 200], ["bytes=0-", 416], ["bytes=0-0", 416], ["bytes=-5", 200]] as const
    ) {
      const response = serve(request("/empty.txt", range === "" ? {} : { range }));
      assert.equal(response.status, status);
      if (status === 200) {
        assert.equal(response.headers.get("content-length"), "0");
        assert.equal(await response.text(), "");
      } else {
        assert.equal(response.headers.get("content-range"), "bytes */0");
      }
    }
  }));

test("Files with ranges switched off say so and send the whole", () =>
  withTree(async (serve) => {
    const response = serve(request("/a.txt", { range: "bytes=0-1" }));
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("accept-ranges"), "none");
    assert.equal(await response.text(), ALPHABET);
  }, { maxRanges: 0 }));

test("Files have another entity tag when size or time of modification is another", () =>
  withTree((serve, root) => {
    const tags = new Set<string | null>();
    const tag = (): void => {
      tags.add(serve(request("/a.txt")).headers.get("etag"));
    };
    tag();
    utimesSync(join(root, "a.txt"), MODIFIED / 1000, MODIFIED / 1000 + 0.001);
    tag();
    write(join(root, "a.txt"), `${ALPHABET}!`);
    tag();
    assert.equal(tags.size, 3);
  }));

test("Files never give a Last-Modified in the future", () =>
  withTree((serve, root) => {
    const inAnHour = Date.now() / 1000 + 3_600;
    utimesSync(join(root, "a.txt"), inAnHour, inAnHour);
    const response = serve(request("/a.txt"));
    assert.ok(Date.parse(response.headers.get("last-modified") ?? "") <= Date.now());
    const range = serve(
      request("/a.txt", { range: "bytes=0-1", "if-range": formatHttpDate(inAnHour * 1000) }),
    );
    assert.equal(range.status, 200);
  }));

test("Files do not trust their date in If-Range before its second is over", () =>
  withTree((serve, root) => {
    write(join(root, "new.txt"), ALPHABET);
    const rangeOf = (): number => {
      const since = serve(request("/new.txt")).headers.get("last-modified") ?? "";
      return serve(request("/new.txt", { range: "bytes=0-1", "if-range": since })).status;
    };
    // In the present second, or the one that begins while this test runs.
    const soon = Math.ceil(Date.now() / 1000) + 1;
    utimesSync(join(root, "new.txt"), soon, soon);
    assert.equal(rangeOf(), 200);
    utimesSync(join(root, "new.txt"), soon - 10, soon - 10);
    assert.equal(rangeOf(), 206);
  }));

test("Files send the sibling that the client takes, with its own tag and the type of the original", () =>
  withTemporaryFolder(async (folder) => {
    const root = join(folder, "www");
    mkdirSync(root);
    write(join(root, "a.css"), "plain content");
    write(join(root, "a.css.br"), "brotli");
    write(join(root, "a.css.gz"), "gzip!");
    write(join(root, "b.css"), "no sibling");
    write(join(root, "c.css.gz"), "no original");
    const serve = files(root, { precompressed: true });
    const tags = new Set<string | null>();
    for (
      const [accept, coding, body] of [
        [null, null, "plain content"],
        ["", null, "plain content"],
        ["gzip, br", "br", "brotli"],
        ["gzip;q=1, br;q=0.5", "gzip", "gzip!"],
        ["zstd, gzip", "gzip", "gzip!"],
        ["zstd", null, "plain content"],
        ["br;q=0, *", "gzip", "gzip!"],
        ["identity, gzip;q=0.5", null, "plain content"],
        ["deflate", null, "plain content"],
      ] as const
    ) {
      const fields: Record<string, string> = accept === null ? {} : { "accept-encoding": accept };
      const response = serve(request("/a.css", fields));
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("content-encoding"), coding, String(accept));
      assert.equal(response.headers.get("vary"), "Accept-Encoding");
      assert.equal(response.headers.get("content-type"), "text/css; charset=utf-8");
      assert.equal(response.headers.get("content-length"), String(body.length));
      assert.equal(await response.text(), body);
      const etag = response.headers.get("etag") ?? "";
      assert.match(etag, /^"/);
      tags.add(etag);
      const again = serve(request("/a.css", { ...fields, "if-none-match": etag }));
      assert.equal(again.status, 304);
      assert.equal(again.headers.get("vary"), "Accept-Encoding");
    }
    assert.equal(tags.size, 3);
    const range = serve(request("/a.css", { "accept-encoding": "br", range: "bytes=0-2" }));
    assert.equal(range.status, 206);
    assert.equal(range.headers.get("content-range"), "bytes 0-2/6");
    assert.equal(range.headers.get("content-encoding"), "br");
    assert.equal(await range.text(), "bro");
    assert.equal(await serve(request("/b.css", { "accept-encoding": "br" })).text(), "no sibling");
    assert.equal(serve(request("/b.css")).headers.get("vary"), "Accept-Encoding");
    assert.equal(serve(request("/c.css", { "accept-encoding": "gzip" })).status, 404);
    const plain = files(root)(request("/a.css", { "accept-encoding": "br" }));
    assert.equal(plain.headers.get("content-encoding"), null);
    assert.equal(plain.headers.get("vary"), null);
    const onlyGzip = files(root, { precompressed: ["gzip"] })(
      request("/a.css", { "accept-encoding": "br, gzip" }),
    );
    assert.equal(onlyGzip.headers.get("content-encoding"), "gzip");
  }));

test("Files give a .tar.gz no content coding", () =>
  withTree((serve) => {
    const response = serve(request("/archive.tar.gz", { "accept-encoding": "gzip" }));
    assert.equal(response.headers.get("content-type"), "application/gzip");
    assert.equal(response.headers.get("content-encoding"), null);
  }, { precompressed: true }));

test("File response serves the one file that the application names", () =>
  withTemporaryFolder(async (folder) => {
    const path = join(folder, "report.pdf");
    write(path, "pdf");
    const ok = fileResponse(request("/any/path"), path, { cacheControl: "no-store" });
    assert.equal(ok.headers.get("content-type"), "application/pdf");
    assert.equal(ok.headers.get("cache-control"), "no-store");
    assert.equal(await ok.text(), "pdf");
    assert.equal(await fileResponse(request("/x", { range: "bytes=1-" }), pathToFileURL(path)).text(), "df");
    assert.equal(fileResponse(request("/x", {}, "POST"), path).status, 405);
    assert.equal(fileResponse(request("/x"), join(folder, "nothing")).status, 404);
    assert.equal(fileResponse(request("/x"), folder).status, 404);
  }));
