import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_DEFLATE_OPTIONS } from "../../src/websocket/extension.ts";
import {
  acceptKey,
  acceptUpgrade,
  encodeUpgradeHead,
  type FieldLine,
  type OriginRule,
  readUpgrade,
  selectProtocol,
  type UpgradeOffer,
  type UpgradeRequest,
} from "../../src/websocket/handshake.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

const GOOD_FIELDS: readonly FieldLine[] = [
  ["host", "server.example.com"],
  ["upgrade", "websocket"],
  ["connection", "Upgrade"],
  ["sec-websocket-key", KEY],
  ["sec-websocket-version", "13"],
];

/** A good request with some fields in place of its own, and others after them; undefined takes a field away. */
function request(
  replaced: Readonly<Record<string, string | undefined>> = {},
  added: readonly FieldLine[] = [],
  line: Partial<UpgradeRequest> = {},
): UpgradeRequest {
  const fields: FieldLine[] = [];
  for (const [name, value] of GOOD_FIELDS) {
    const now = name in replaced ? replaced[name] : value;
    if (now !== undefined) fields.push([name, now]);
  }
  return { method: "GET", minorVersion: 1, fields: [...fields, ...added], ...line };
}

function accepted(of: UpgradeRequest, rule?: OriginRule): UpgradeOffer {
  const result = readUpgrade(of, rule);
  if (result.status !== 101) assert.fail(`${result.status} ${result.reason}`);
  return result;
}

test("acceptKey makes the example of RFC 6455 section 1.3", () => {
  assert.equal(acceptKey(KEY), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
});

test("readUpgrade takes what section 4.2.1 allows", () => {
  for (
    const [name, good] of [
      ["the plainest", request()],
      ["Upgrade in capitals", request({ upgrade: "WebSocket" })],
      ["Upgrade as a list", request({ upgrade: "h2c, websocket" })],
      ["Upgrade over two lines", request({ upgrade: "h2c" }, [["upgrade", " WEBSOCKET\t"]])],
      ["Connection as a list", request({ connection: "keep-alive, Upgrade" })],
      [
        "Connection over several lines",
        request({ connection: "keep-alive" }, [["connection", "UPGRADE,foo"]]),
      ],
      ["Connection with empty elements", request({ connection: ",, upgrade ,," })],
      ["a key in optional white space", request({ "sec-websocket-key": ` ${KEY} ` })],
      ["a key that ends with Q", request({ "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAQ==" })],
      ["a key that ends with g", request({ "sec-websocket-key": "/+/+/+/+/+/+/+/+/+/+/g==" })],
      ["Content-Length: 0", request({}, [["content-length", "0"]])],
      ["an origin", request({}, [["origin", "https://example.com"]])],
    ] as const
  ) {
    assert.equal(readUpgrade(good).status, 101, name);
  }
});

test("readUpgrade refuses every fault of section 4.2.1 with the status of its kind", () => {
  for (
    const [status, name, bad] of [
      [405, "POST", request({}, [], { method: "POST" })],
      [405, "HEAD", request({}, [], { method: "HEAD" })],
      [405, "a method in small letters", request({}, [], { method: "get" })],
      [400, "HTTP/1.0", request({}, [], { minorVersion: 0 })],
      [400, "no Host", request({ host: undefined })],
      [400, "two Hosts", request({}, [["host", "other.example.com"]])],
      [400, "no Upgrade", request({ upgrade: undefined })],
      [400, "an empty Upgrade", request({ upgrade: "" })],
      [400, "another protocol", request({ upgrade: "h2c" })],
      [400, "a protocol that begins with it", request({ upgrade: "websocket2" })],
      [400, "a version behind it", request({ upgrade: "websocket/13" })],
      [400, "no Connection", request({ connection: undefined })],
      [400, "Connection without it", request({ connection: "keep-alive" })],
      [400, "Connection that contains it in a word", request({ connection: "x-upgrade" })],
      [400, "no key", request({ "sec-websocket-key": undefined })],
      [400, "two keys", request({}, [["sec-websocket-key", KEY]])],
      [400, "two keys in one line", request({ "sec-websocket-key": `${KEY}, ${KEY}` })],
      [400, "an empty key", request({ "sec-websocket-key": "" })],
      [400, "a key of 15 octets", request({ "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAA" })],
      [400, "a key of 17 octets", request({ "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAAA=" })],
      [400, "a key of 18 octets", request({ "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAAAA" })],
      [400, "a key without padding", request({ "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA" })],
      [400, "a key whose unused bits are set", request({ "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAB==" })],
      [400, "a key in base64url", request({ "sec-websocket-key": "AAAA-AAA_AAAAAAAAAAAAA==" })],
      [400, "a key with a space in it", request({ "sec-websocket-key": "AAAAAAAA AAAAAAAAAAAAA==" })],
      [426, "no version", request({ "sec-websocket-version": undefined })],
      [426, "version 8", request({ "sec-websocket-version": "8" })],
      [426, "version 14", request({ "sec-websocket-version": "14" })],
      [426, "an empty version", request({ "sec-websocket-version": "" })],
      [426, "013", request({ "sec-websocket-version": "013" })],
      [426, "a list of versions", request({ "sec-websocket-version": "13, 8" })],
      [400, "two versions", request({}, [["sec-websocket-version", "13"]])],
      [400, "two origins", request({}, [["origin", "https://a.example"], ["origin", "https://b.example"]])],
      [400, "an empty list of protocols", request({}, [["sec-websocket-protocol", " , "]])],
      [400, "a protocol with a space", request({}, [["sec-websocket-protocol", "chat room"]])],
      [400, "a protocol with a slash", request({}, [["sec-websocket-protocol", "chat/1"]])],
      [400, "a protocol twice", request({}, [["sec-websocket-protocol", "a,b,a"]])],
      [
        400,
        "a protocol twice in two lines",
        request({}, [["sec-websocket-protocol", "a"], ["sec-websocket-protocol", "a"]]),
      ],
      [400, "malformed extensions", request({}, [["sec-websocket-extensions", "foo;;"]])],
      [400, "empty extensions", request({}, [["sec-websocket-extensions", ""]])],
      [400, "a body by length", request({}, [["content-length", "5"]])],
      [400, "a body by two lengths", request({}, [["content-length", "0"], ["content-length", "6"]])],
      [400, "a body in chunks", request({}, [["transfer-encoding", "chunked"]])],
    ] as const
  ) {
    const result = readUpgrade(bad);
    assert.equal(result.status, status, name);
    assert.ok("reason" in result && result.reason.length > 0, name);
  }
});

test("readUpgrade names what it wants: GET with 405, version 13 and websocket with 426", () => {
  const wrongMethod = readUpgrade(request({}, [], { method: "PUT" }));
  assert.deepEqual("fields" in wrongMethod && wrongMethod.fields, [["Allow", "GET"]]);
  const wrongVersion = readUpgrade(request({ "sec-websocket-version": "12" }));
  assert.deepEqual("fields" in wrongVersion && wrongVersion.fields, [
    ["Sec-WebSocket-Version", "13"],
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
  ]);
});

test("readUpgrade reads protocols, extensions and origin over several lines, in order", () => {
  const offer = accepted(request({}, [
    ["sec-websocket-protocol", "soap, wamp"],
    ["sec-websocket-extensions", "permessage-deflate; client_max_window_bits"],
    ["sec-websocket-protocol", "Chat"],
    ["sec-websocket-extensions", "foo"],
    ["origin", " https://example.com "],
  ]));
  assert.deepEqual(offer.protocols, ["soap", "wamp", "Chat"]);
  assert.deepEqual(offer.extensions.map((extension) => extension.name), ["permessage-deflate", "foo"]);
  assert.equal(offer.origin, "https://example.com");
  assert.equal(offer.key, KEY);
  assert.equal(accepted(request()).origin, undefined);
});

test("readUpgrade lets in the origins of its rule and requests without one", () => {
  const from = (origin: string, host = "server.example.com"): UpgradeRequest =>
    request({ host }, [["origin", origin]]);
  for (
    const [status, origin, rule] of [
      [101, "https://evil.example", {}],
      [101, "https://good.example", { origins: ["https://good.example", "https://other.example"] }],
      [101, "HTTPS://Good.Example", { origins: ["https://good.example"] }],
      [403, "https://evil.example", { origins: ["https://good.example"] }],
      [403, "http://good.example", { origins: ["https://good.example"] }],
      [403, "https://good.example.evil.example", { origins: ["https://good.example"] }],
      [403, "https://good.example:444", { origins: ["https://good.example"] }],
      [403, "null", { origins: ["https://good.example"] }],
      [403, "https://good.example", { origins: [] }],
      [101, "https://server.example.com", { origins: "same-host" }],
      [101, "http://SERVER.example.com", { origins: "same-host" }],
      [403, "https://server.example.com:8443", { origins: "same-host" }],
      [403, "https://server.example.com.evil.example", { origins: "same-host" }],
      [403, "null", { origins: "same-host" }],
      [403, "", { origins: "same-host" }],
    ] as const
  ) {
    assert.equal(readUpgrade(from(origin), rule).status, status, `${origin} ${JSON.stringify(rule)}`);
  }
  assert.equal(
    readUpgrade(from("http://localhost:8080", "localhost:8080"), { origins: "same-host" }).status,
    101,
  );
  assert.equal(readUpgrade(request(), { origins: [] }).status, 101);
});

test("selectProtocol takes the server's favourite among those offered", () => {
  assert.equal(selectProtocol(["a", "b", "c"], ["c", "b"]), "c");
  assert.equal(selectProtocol(["a"], ["b"]), undefined);
  assert.equal(selectProtocol([], ["b"]), undefined);
  assert.equal(selectProtocol(["A"], ["a"]), undefined);
});

test("encodeUpgradeHead writes the 101 with nothing that was not agreed", () => {
  const head = encodeUpgradeHead(acceptUpgrade(accepted(request({}, [
    ["sec-websocket-protocol", "chat"],
    ["sec-websocket-extensions", "permessage-deflate"],
  ]))));
  assert.equal(
    new TextDecoder().decode(head),
    "HTTP/1.1 101 Switching Protocols\r\n" +
      "Upgrade: websocket\r\n" +
      "Connection: Upgrade\r\n" +
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
      "\r\n",
  );
});

test("encodeUpgradeHead writes protocol, extension and fields of the answer, octet by octet", () => {
  const answer = acceptUpgrade(
    accepted(request({}, [
      ["sec-websocket-protocol", "chat, superchat"],
      ["sec-websocket-extensions", "permessage-deflate; client_max_window_bits"],
    ])),
    {
      protocol: "superchat",
      deflate: { ...DEFAULT_DEFLATE_OPTIONS, clientMaxWindowBits: 12 },
      fields: [["Set-Cookie", "a=b"], ["Set-Cookie", "c=d"], ["X-Name", "\u00fc"]],
    },
  );
  assert.equal(answer.protocol, "superchat");
  assert.equal(answer.deflate?.clientWindowBits, 12);
  assert.equal(
    new TextDecoder("latin1").decode(encodeUpgradeHead(answer)),
    "HTTP/1.1 101 Switching Protocols\r\n" +
      "Upgrade: websocket\r\n" +
      "Connection: Upgrade\r\n" +
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
      "Sec-WebSocket-Protocol: superchat\r\n" +
      "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover; " +
      "client_max_window_bits=12\r\n" +
      "Set-Cookie: a=b\r\n" +
      "Set-Cookie: c=d\r\n" +
      "X-Name: \u00fc\r\n" +
      "\r\n",
  );
});

test("acceptUpgrade leaves the extension out when no offer can be met", () => {
  const offer = accepted(request({}, [["sec-websocket-extensions", "permessage-deflate; unknown"]]));
  const answer = acceptUpgrade(offer, { deflate: DEFAULT_DEFLATE_OPTIONS });
  assert.equal(answer.deflate, undefined);
  assert.ok(!answer.fields.some(([name]) => name === "Sec-WebSocket-Extensions"));
});

test("acceptUpgrade refuses a protocol that was not offered and fields that would break the answer", () => {
  const offer = accepted(request({}, [["sec-websocket-protocol", "chat"]]));
  assert.throws(() => acceptUpgrade(offer, { protocol: "other" }), { code: "ERR_OPTION" });
  for (
    const field of [
      ["X-A", "1\r\nX-B: 2"],
      ["X-A", "a\nb"],
      ["X-A", "a\0b"],
      ["X-A", "\u20ac"],
      ["X-A: b\r\nX-C", "1"],
      ["", "1"],
      ["X A", "1"],
      ["Upgrade", "h2c"],
      ["connection", "close"],
      ["Content-Length", "3"],
      ["Transfer-Encoding", "chunked"],
      ["SEC-WEBSOCKET-ACCEPT", "x"],
      ["Sec-WebSocket-Protocol", "chat"],
      ["Sec-WebSocket-Extensions", "foo"],
    ] as const
  ) {
    assert.throws(() => acceptUpgrade(offer, { fields: [field] }), { code: "ERR_HEADER" }, field.join(": "));
  }
});
