import assert from "node:assert/strict";
import { test } from "node:test";
import {
  agreeOnDeflate,
  DEFAULT_DEFLATE_OPTIONS,
  type DeflateOptions,
  parseExtensions,
} from "../../src/websocket/extension.ts";

/** Everything that may be kept is kept, nothing is limited. */
const TAKEOVER: DeflateOptions = {
  ...DEFAULT_DEFLATE_OPTIONS,
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
};

test("parseExtensions reads names, parameters, quoted values and several lines in order", () => {
  for (
    const [lines, expected] of [
      [[], []],
      [["foo"], [["foo"]]],
      [["foo, bar"], [["foo"], ["bar"]]],
      [["foo", "bar;x"], [["foo"], ["bar", "x", undefined]]],
      [["foo;a=1;b"], [["foo", "a", "1", "b", undefined]]],
      [[" \tfoo ;\ta = 1 ; b , bar "], [["foo", "a", "1", "b", undefined], ["bar"]]],
      [['foo;a="1"'], [["foo", "a", "1"]]],
      [['foo;a="\\1\\0"'], [["foo", "a", "10"]]],
      [["foo;a=1;a=2"], [["foo", "a", "1", "a", "2"]]],
      [[",foo,,bar,"], [["foo"], ["bar"]]],
      [["foo", ""], [["foo"]]],
      [["!#$%&'*+-.^_`|~09azAZ"], [["!#$%&'*+-.^_`|~09azAZ"]]],
    ] as const
  ) {
    const offers = parseExtensions(lines);
    const flat = offers?.map(({ name, parameters }) => [name, ...parameters.flat()]);
    assert.deepEqual(flat, expected, JSON.stringify(lines));
  }
});

test("parseExtensions refuses what breaks the grammar of RFC 6455 section 9.1", () => {
  for (
    const line of [
      "",
      " ",
      ",",
      "foo;",
      "foo; ;a",
      ";a",
      "foo;a=",
      "foo;=1",
      "foo;a=1=2",
      "foo;a==1",
      "foo a",
      "foo bar;x",
      'foo;a="',
      'foo;a="1',
      'foo;a=""',
      'foo;a="1 2"',
      'foo;a="1,2"',
      'foo;a="1"2',
      'foo;"a"=1',
      '"foo"',
      "foo;a=(1)",
      "foo;a=é",
      "foo/1",
      "foo=1",
      "foo;a=1 b",
    ]
  ) {
    assert.equal(parseExtensions([line]), undefined, JSON.stringify(line));
    assert.equal(
      parseExtensions(["good", line])?.length,
      line.replaceAll(/[ ,]/g, "") === "" ? 1 : undefined,
    );
  }
});

/** The offer, the options, and the response; undefined where the offer is declined. */
const AGREEMENTS: readonly (readonly [string, Partial<DeflateOptions>, string | undefined])[] = [
  ["permessage-deflate", {}, "permessage-deflate"],
  ["permessage-deflate; client_max_window_bits", {}, "permessage-deflate"],
  // 7.1.1.1
  ["permessage-deflate; server_no_context_takeover", {}, "permessage-deflate; server_no_context_takeover"],
  [
    "permessage-deflate",
    { serverNoContextTakeover: true },
    "permessage-deflate; server_no_context_takeover",
  ],
  ["permessage-deflate; server_no_context_takeover=1", {}, undefined],
  ['permessage-deflate; server_no_context_takeover="true"', {}, undefined],
  // 7.1.1.2
  ["permessage-deflate; client_no_context_takeover", {}, "permessage-deflate; client_no_context_takeover"],
  [
    "permessage-deflate",
    { clientNoContextTakeover: true },
    "permessage-deflate; client_no_context_takeover",
  ],
  ["permessage-deflate; client_no_context_takeover=0", {}, undefined],
  // 7.1.2.1
  ["permessage-deflate; server_max_window_bits=8", {}, "permessage-deflate; server_max_window_bits=8"],
  ["permessage-deflate; server_max_window_bits=9", {}, "permessage-deflate; server_max_window_bits=9"],
  ["permessage-deflate; server_max_window_bits=15", {}, "permessage-deflate; server_max_window_bits=15"],
  ['permessage-deflate; server_max_window_bits="10"', {}, "permessage-deflate; server_max_window_bits=10"],
  [
    "permessage-deflate; server_max_window_bits=14",
    { serverMaxWindowBits: 12 },
    "permessage-deflate; server_max_window_bits=12",
  ],
  [
    "permessage-deflate; server_max_window_bits=10",
    { serverMaxWindowBits: 12 },
    "permessage-deflate; server_max_window_bits=10",
  ],
  ["permessage-deflate", { serverMaxWindowBits: 12 }, "permessage-deflate; server_max_window_bits=12"],
  ["permessage-deflate; server_max_window_bits", {}, undefined],
  ["permessage-deflate; server_max_window_bits=7", {}, undefined],
  ["permessage-deflate; server_max_window_bits=16", {}, undefined],
  ["permessage-deflate; server_max_window_bits=0", {}, undefined],
  ["permessage-deflate; server_max_window_bits=09", {}, undefined],
  ["permessage-deflate; server_max_window_bits=+9", {}, undefined],
  ["permessage-deflate; server_max_window_bits=9.0", {}, undefined],
  ["permessage-deflate; server_max_window_bits=1e1", {}, undefined],
  ["permessage-deflate; server_max_window_bits=0xa", {}, undefined],
  // 7.1.2.2
  ["permessage-deflate; client_max_window_bits=15", {}, "permessage-deflate"],
  ["permessage-deflate; client_max_window_bits=8", {}, "permessage-deflate; client_max_window_bits=8"],
  [
    "permessage-deflate; client_max_window_bits",
    { clientMaxWindowBits: 10 },
    "permessage-deflate; client_max_window_bits=10",
  ],
  [
    "permessage-deflate; client_max_window_bits=9",
    { clientMaxWindowBits: 10 },
    "permessage-deflate; client_max_window_bits=9",
  ],
  [
    "permessage-deflate; client_max_window_bits=12",
    { clientMaxWindowBits: 10 },
    "permessage-deflate; client_max_window_bits=10",
  ],
  ["permessage-deflate", { clientMaxWindowBits: 10 }, "permessage-deflate"],
  ["permessage-deflate; client_max_window_bits=7", {}, undefined],
  ["permessage-deflate; client_max_window_bits=16", {}, undefined],
  ["permessage-deflate; client_max_window_bits=010", {}, undefined],
  // 7.1: unknown and repeated parameters.
  ["permessage-deflate; unknown", {}, undefined],
  ["permessage-deflate; unknown=1", {}, undefined],
  ["permessage-deflate; server_no_context_takeover; server_no_context_takeover", {}, undefined],
  ["permessage-deflate; client_max_window_bits=10; client_max_window_bits=10", {}, undefined],
  ["permessage-deflate; client_max_window_bits; client_max_window_bits=10", {}, undefined],
  ["permessage-deflate; Server_no_context_takeover", {}, undefined],
  // All four.
  [
    "permessage-deflate; client_max_window_bits=11; server_max_window_bits=12; client_no_context_takeover; " +
    "server_no_context_takeover",
    {},
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; " +
    "client_max_window_bits=11",
  ],
  // Several offers: the first that can be met.
  ["permessage-deflate; unknown, permessage-deflate", {}, "permessage-deflate"],
  [
    "permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=11, permessage-deflate",
    {},
    "permessage-deflate; server_max_window_bits=11",
  ],
  ["x-webkit-deflate-frame, permessage-deflate", {}, "permessage-deflate"],
  ["permessage-deflate; unknown, x-webkit-deflate-frame", {}, undefined],
  ["permessage-bzip2", {}, undefined],
  ["Permessage-Deflate", {}, undefined],
];

test("agreeOnDeflate answers every offer of the table", () => {
  for (const [line, options, response] of AGREEMENTS) {
    const offers = parseExtensions([line]);
    assert.ok(offers, line);
    const agreement = agreeOnDeflate(offers, { ...TAKEOVER, ...options });
    assert.equal(agreement?.response, response, line);
  }
});

test("agreeOnDeflate says what the response says", () => {
  for (const [line, options, response] of AGREEMENTS) {
    if (response === undefined) continue;
    const agreement = agreeOnDeflate(parseExtensions([line]) ?? [], { ...TAKEOVER, ...options });
    const parameters = new Map(parseExtensions([response])?.[0]?.parameters);
    assert.deepEqual(
      { ...agreement, response: "" },
      {
        serverNoContextTakeover: parameters.has("server_no_context_takeover"),
        clientNoContextTakeover: parameters.has("client_no_context_takeover"),
        serverWindowBits: Number(parameters.get("server_max_window_bits") ?? 15),
        clientWindowBits: Number(parameters.get("client_max_window_bits") ?? 15),
        response: "",
      },
      line,
    );
  }
});

test("agreeOnDeflate answers what browsers offer with no context takeover by default", () => {
  const offers = parseExtensions(["permessage-deflate; client_max_window_bits"]) ?? [];
  assert.equal(
    agreeOnDeflate(offers, DEFAULT_DEFLATE_OPTIONS)?.response,
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
  );
});

test("agreeOnDeflate agrees on nothing where nothing is offered", () => {
  assert.equal(agreeOnDeflate([], DEFAULT_DEFLATE_OPTIONS), undefined);
});
