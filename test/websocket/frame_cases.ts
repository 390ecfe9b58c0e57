/**
 * Frames of a client and what a server must make of them: a table with the section of each row.
 *
 * The systematic groups (every first octet, every second octet, every close code boundary) list what is *allowed* by
 * hand; everything else in their range is a fault.
 */
import { type ClientFrame, closePayload, concat, frame, fromHex, toHex, utf8 } from "./client_frames.ts";
import type { FeedOptions, FrameEvent } from "./split_frames.ts";

export interface FrameCase extends FeedOptions {
  readonly name: string;
  /** RFC 6455, or RFC 7692 when it says so. */
  readonly section: string;
  readonly octets: Uint8Array;
  readonly events: readonly FrameEvent[];
  /** The fault must be told with the last octet, without another one. */
  readonly isJudgedAtEnd?: boolean;
}

export const FRAME_CASES: FrameCase[] = [];

function add(
  section: string,
  name: string,
  octets: Uint8Array,
  events: FrameEvent[],
  more: Partial<FrameCase> = {},
) {
  FRAME_CASES.push({ section, name, octets, events, ...more });
}

function hex(value: number): string {
  return value.toString(16).padStart(2, "0");
}

const fault = (code: string): FrameEvent => ["fault", code];
const text = (value: string): FrameEvent => ["text", toHex(utf8(value))];

// --- Every first octet: 256 values, before and inside a message, without and with permessage-deflate.

const FIRST_OCTETS_BEFORE = new Set([0x01, 0x02, 0x81, 0x82, 0x88, 0x89, 0x8a]);
const FIRST_OCTETS_INSIDE = new Set([0x00, 0x80, 0x88, 0x89, 0x8a]);
const FIRST_OCTETS_COMPRESSED = new Set([0x41, 0x42, 0xc1, 0xc2]);

function firstOctetFault(octet: number, isInside: boolean, isCompressed: boolean): string {
  if ((octet & 0x30) !== 0) return "reserved-bits";
  const opcode = octet & 0x0f;
  if ((octet & 0x40) !== 0 && !(isCompressed && (opcode === 1 || opcode === 2))) return "reserved-bits";
  if ((opcode >= 3 && opcode <= 7) || opcode >= 11) return "reserved-opcode";
  if (opcode >= 8) return "control-fragmented";
  return isInside ? "expected-continuation" : "unexpected-continuation";
}

for (const isInside of [false, true]) {
  for (const allowsCompressed of [false, true]) {
    const allowed = isInside ? FIRST_OCTETS_INSIDE : FIRST_OCTETS_BEFORE;
    const before = isInside ? frame({ fin: false, opcode: 2, payload: "m" }) : new Uint8Array(0);
    for (let octet = 0; octet < 256; octet++) {
      const isGood = allowed.has(octet) ||
        (!isInside && allowsCompressed && FIRST_OCTETS_COMPRESSED.has(octet));
      add(
        (octet & 0x40) !== 0 ? "5.2, RFC 7692 6" : (octet & 0x0f) >= 8 ? "5.5" : "5.4",
        `first octet ${hex(octet)} ${isInside ? "inside" : "before"} a message${
          allowsCompressed ? ", permessage-deflate" : ""
        }`,
        concat(before, Uint8Array.of(octet)),
        isGood ? [] : [fault(firstOctetFault(octet, isInside, allowsCompressed))],
        { allowsCompressed, isJudgedAtEnd: !isGood },
      );
    }
  }
}

// --- Every second octet: MASK and the short length, for a data and a control frame.

for (const opcode of [2, 9]) {
  for (let octet = 0; octet < 256; octet++) {
    const isMasked = octet >= 0x80;
    const isTooLong = opcode === 9 && (octet & 0x7f) > 125;
    const events = !isMasked ? [fault("not-masked")] : isTooLong ? [fault("control-too-long")] : [];
    add(
      isMasked ? "5.5" : "5.1",
      `second octet ${hex(octet)} of a frame with opcode ${opcode}`,
      Uint8Array.of(0x80 | opcode, octet),
      events,
      { isJudgedAtEnd: events.length > 0 },
    );
  }
}

// --- Payload lengths in each of their forms.

const PATTERN = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff);

for (
  const length of [0, 1, 2, 3, 4, 5, 7, 8, 124, 125, 126, 127, 128, 255, 256, 65_535, 65_536, 65_537, 70_000]
) {
  const payload = PATTERN.subarray(0, length);
  for (const lengthForm of [7, 16, 64] as const) {
    if (lengthForm === 7 && length > 125) continue;
    if (lengthForm === 16 && length > 65_535) continue;
    const isShortest = lengthForm === (length < 126 ? 7 : length < 65_536 ? 16 : 64);
    add(
      "5.2",
      `${length} octets with a length of ${lengthForm} bits`,
      frame({ opcode: 2, payload, lengthForm }),
      isShortest ? [["binary", toHex(payload)]] : [fault("length-not-minimal")],
    );
  }
}

for (
  const [announced, expected] of [
    [65_535n, "length-not-minimal"],
    [65_536n, ""],
    [1_048_576n, ""],
    [1_048_577n, "message-too-big"],
    [2n ** 31n - 1n, "message-too-big"],
    [2n ** 31n, "message-too-big"],
    [2n ** 32n, "message-too-big"],
    [2n ** 32n + 5n, "message-too-big"],
    [2n ** 53n - 1n, "message-too-big"],
    [2n ** 53n, "message-too-big"],
    [2n ** 53n + 1n, "message-too-big"],
    [2n ** 63n - 1n, "message-too-big"],
  ] as const
) {
  add(
    "5.2",
    `a 64-bit length of ${announced}`,
    frame({ opcode: 2, announced, lengthForm: 64, key: null }).map((octet, i) =>
      i === 1 ? octet | 0x80 : octet
    ),
    expected === "" ? [] : [fault(expected)],
    { isJudgedAtEnd: expected !== "" },
  );
}
for (const top of [0x80, 0xff]) {
  add("5.2", `a 64-bit length that begins with ${hex(top)}`, Uint8Array.of(0x82, 0xff, top), [
    fault("length-top-bit"),
  ], { isJudgedAtEnd: true });
}
add(
  "5.2",
  "the largest 64-bit length without its top bit, no limit",
  fromHex("82 ff 7f ff ff ff ff ff ff ff"),
  [],
  {
    limits: { maxMessageBytes: Infinity },
  },
);

// --- Masking.

for (const key of [[0, 0, 0, 0], [0xff, 0xff, 0xff, 0xff], [1, 2, 3, 4], [0x80, 0, 0, 0x80]] as const) {
  for (
    const length of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 125, 127, 128, 129, 130, 131]
  ) {
    const payload = PATTERN.subarray(3, 3 + length);
    add(
      "5.3",
      `${length} octets under the key ${key.map(hex).join("")}`,
      frame({ opcode: 2, payload, key }),
      [["binary", toHex(payload)]],
    );
  }
}

// --- Control frames.

for (const [opcode, name] of [[9, "ping"], [10, "pong"]] as const) {
  for (const length of [0, 1, 4, 124, 125]) {
    const payload = PATTERN.subarray(0, length);
    add("5.5", `a ${name} of ${length} octets`, frame({ opcode, payload }), [[name, toHex(payload)]]);
  }
  add(
    "5.5",
    `a ${name} whose payload is no UTF-8`,
    frame({ opcode, payload: fromHex("ff fe") }),
    [[name, "fffe"]],
  );
  add(
    "5.5",
    `a ${name} with a length of 16 bits`,
    frame({ opcode, payload: "abc", lengthForm: 16 }).subarray(0, 2),
    [fault("control-too-long")],
    { isJudgedAtEnd: true },
  );
}

// --- Close frames.

add("5.5.1", "a close frame without a payload", frame({ opcode: 8 }), [["close", 1005, ""]]);
for (let octet = 0; octet < 4; octet++) {
  add(
    "5.5.1",
    `a close frame of the one octet ${hex(octet)}`,
    frame({ opcode: 8, payload: Uint8Array.of(octet) }),
    [
      fault("close-payload-length"),
    ],
  );
}
const GOOD_CLOSE_CODES = [
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014],
  ...[3000, 3001, 3999, 4000, 4001, 4999],
];
const BAD_CLOSE_CODES = [
  ...[0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999],
  ...[5000, 5001, 9999, 32_768, 65_535],
];
for (const code of GOOD_CLOSE_CODES) {
  add("7.4", `close code ${code}`, frame({ opcode: 8, payload: closePayload(code) }), [["close", code, ""]]);
  add(
    "7.4",
    `close code ${code} with a reason`,
    frame({ opcode: 8, payload: closePayload(code, "bye: ü") }),
    [
      ["close", code, "bye: ü"],
    ],
  );
}
for (const code of BAD_CLOSE_CODES) {
  add("7.4", `close code ${code}`, frame({ opcode: 8, payload: closePayload(code) }), [
    fault("close-code-invalid"),
  ]);
}
add(
  "5.5.1",
  "a close reason of 123 octets",
  frame({ opcode: 8, payload: closePayload(1000, "x".repeat(123)) }),
  [
    ["close", 1000, "x".repeat(123)],
  ],
);
add(
  "5.5.1",
  "a close reason with a byte order mark",
  frame({ opcode: 8, payload: closePayload(1000, "\ufeffa") }),
  [
    ["close", 1000, "\ufeffa"],
  ],
);
for (const bad of ["ff", "c3", "61 e2 82", "ed a0 80", "c0 80", "f4 90 80 80"]) {
  add("7.1.6", `a close reason of ${bad}`, frame({ opcode: 8, payload: closePayload(1000, fromHex(bad)) }), [
    fault("close-reason-not-utf8"),
  ]);
}
for (
  const [name, after] of [
    ["text", frame({ payload: "late" })],
    ["a ping", frame({ opcode: 9 })],
    ["another close frame", frame({ opcode: 8 })],
    ["rubbish", fromHex("ff ff ff ff")],
  ] as const
) {
  add(
    "5.5.1",
    `${name} after a close frame`,
    concat(frame({ opcode: 8, payload: closePayload(1000) }), after),
    [["close", 1000, ""]],
  );
  add("7.1.7", `${name} after a fault`, concat(fromHex("83"), after), [fault("reserved-opcode")]);
}

// --- Messages, fragments, control frames between them.

const fragment = (opcode: number, fin: boolean, payload: string, more: ClientFrame = {}): Uint8Array =>
  frame({ opcode, fin, payload, ...more });

for (
  const [name, octets, events] of [
    ["an empty text", fragment(1, true, ""), [text("")]],
    ["the text of 5.7", fromHex("81 85 37 fa 21 3d 7f 9f 4d 51 58"), [text("Hello")]],
    ["two texts", concat(fragment(1, true, "a"), fragment(1, true, "b")), [text("a"), text("b")]],
    ["two fragments", concat(fragment(1, false, "Hel"), fragment(0, true, "lo")), [text("Hello")]],
    [
      "three fragments",
      concat(fragment(2, false, "a"), fragment(0, false, "b"), fragment(0, true, "c")),
      [["binary", "616263"]],
    ],
    ["an empty last fragment", concat(fragment(1, false, "Hello"), fragment(0, true, "")), [text("Hello")]],
    ["an empty first fragment", concat(fragment(1, false, ""), fragment(0, true, "Hello")), [text("Hello")]],
    [
      "only empty fragments",
      concat(fragment(1, false, ""), fragment(0, false, ""), fragment(0, true, "")),
      [text("")],
    ],
    [
      "a ping between fragments",
      concat(fragment(1, false, "Hel"), fragment(9, true, "p"), fragment(0, true, "lo")),
      [["ping", "70"], text("Hello")],
    ],
    [
      "a ping and a pong between fragments",
      concat(fragment(1, false, "a"), fragment(9, true, ""), fragment(10, true, "q"), fragment(0, true, "b")),
      [["ping", ""], ["pong", "71"], text("ab")],
    ],
    [
      "a close frame between fragments",
      concat(
        fragment(1, false, "a"),
        frame({ opcode: 8, payload: closePayload(1001) }),
        fragment(0, true, "b"),
      ),
      [["close", 1001, ""]],
    ],
    [
      "a continuation after a whole message",
      concat(fragment(1, true, "a"), fragment(0, true, "b")),
      [text("a"), fault("unexpected-continuation")],
    ],
    [
      "a continuation after the last fragment",
      concat(fragment(1, false, "a"), fragment(0, true, "b"), fragment(0, false, "c")),
      [text("ab"), fault("unexpected-continuation")],
    ],
    [
      "a text inside a binary message",
      concat(fragment(2, false, "a"), fragment(1, true, "b")),
      [fault("expected-continuation")],
    ],
    [
      "a binary inside a text message after a ping",
      concat(fragment(1, false, "a"), fragment(9, true, ""), fragment(2, true, "b")),
      [["ping", ""], fault("expected-continuation")],
    ],
    [
      "messages of both kinds in turn",
      concat(fragment(1, true, "a"), fragment(2, true, "b"), fragment(1, false, "c"), fragment(0, true, "d")),
      [text("a"), ["binary", "62"], text("cd")],
    ],
  ] as const satisfies readonly (readonly [string, Uint8Array, readonly FrameEvent[]])[]
) {
  add("5.4", name, octets, [...events]);
}

// --- The limit, over all fragments and judged from the header.

const TEN = { limits: { maxMessageBytes: 10 } };
const header = (octets: Uint8Array): Uint8Array => octets.subarray(0, 2);
for (
  const [name, octets, events, isJudgedAtEnd] of [
    ["a message of the limit", fragment(2, true, "0123456789"), [["binary", "30313233343536373839"]], false],
    ["a message above the limit", header(fragment(2, true, "0123456789a")), [fault("message-too-big")], true],
    [
      "fragments of the limit together",
      concat(fragment(2, false, "01234"), fragment(0, true, "56789")),
      [["binary", "30313233343536373839"]],
      false,
    ],
    [
      "fragments above the limit together",
      concat(fragment(2, false, "01234"), header(fragment(0, true, "56789a"))),
      [fault("message-too-big")],
      true,
    ],
    [
      "an empty fragment at the limit",
      concat(fragment(2, false, "0123456789"), fragment(0, false, ""), fragment(0, true, "")),
      [["binary", "30313233343536373839"]],
      false,
    ],
    [
      "a first fragment above the limit",
      header(fragment(2, false, "0123456789a")),
      [fault("message-too-big")],
      true,
    ],
    [
      "many messages, each of the limit",
      concat(fragment(2, true, "0123456789"), fragment(2, true, "0123456789")),
      [["binary", "30313233343536373839"], ["binary", "30313233343536373839"]],
      false,
    ],
    [
      "a ping longer than the limit of messages",
      fragment(9, true, "0123456789abc"),
      [["ping", "30313233343536373839616263"]],
      false,
    ],
  ] as const satisfies readonly (readonly [string, Uint8Array, readonly FrameEvent[], boolean])[]
) {
  add("10.4", name, octets, [...events], { ...TEN, isJudgedAtEnd });
}
add("10.4", "an empty message under a limit of 0", frame(), [text("")], { limits: { maxMessageBytes: 0 } });
add("10.4", "one octet under a limit of 0", Uint8Array.of(0x81, 0x81), [fault("message-too-big")], {
  limits: { maxMessageBytes: 0 },
  isJudgedAtEnd: true,
});

// --- Text: every kind of good and broken UTF-8, whole and in two fragments at every place.

const GOOD_TEXTS = [
  "Hello",
  "κόσμε",
  "\0",
  "\u007f\u0080\u07ff\u0800\ud7ff\ue000\ufffd\uffff",
  "\u{10000}\u{10ffff}",
  "\ufeffmark",
  "a\ufeff",
  "\ufdd0\ufffe",
  "日本語 😀 text",
];
for (const value of GOOD_TEXTS) {
  const payload = utf8(value);
  const label = JSON.stringify(value);
  add("8.1", `the text ${label}`, frame({ payload }), [["text", toHex(payload)]]);
  for (let cut = 0; cut <= payload.length; cut++) {
    add(
      "8.1",
      `the text ${label} in two fragments, cut at ${cut}`,
      concat(
        frame({ fin: false, payload: payload.subarray(0, cut) }),
        frame({ opcode: 0, payload: payload.subarray(cut) }),
      ),
      [["text", toHex(payload)]],
    );
  }
}
/** Broken text: the octets up to and with the first that cannot be, then what follows. */
const BROKEN_TEXTS: readonly (readonly [string, string, string])[] = [
  ["a lone continuation octet", "80", "61"],
  ["the last continuation octet alone", "61 bf", ""],
  ["C0, overlong", "c0", "af"],
  ["C1, overlong", "c1", "bf"],
  ["E0 80, overlong", "e0 80", "af"],
  ["E0 9F, overlong", "e0 9f", "bf"],
  ["F0 80, overlong", "f0 80", "80 af"],
  ["F0 8F, overlong", "f0 8f", "bf bf"],
  ["the surrogate D800", "ed a0", "80"],
  ["the surrogate DFFF", "ed bf", "bf"],
  ["a pair of surrogates", "ed a0", "80 ed b0 80"],
  ["U+110000", "f4 90", "80 80"],
  ["F5", "f5", "80 80 80"],
  ["F8, five octets", "f8", "88 80 80 80"],
  ["FC, six octets", "fc", "84 80 80 80 80"],
  ["FE", "61 fe", ""],
  ["FF", "ff", ""],
  ["a character cut by a letter", "e2 82 61", ""],
  ["a character cut by another", "e2 e2", "82 ac"],
  [
    "the Greek word of Autobahn 6.4 with U+110000",
    "ce ba e1 bd b9 cf 83 ce bc ce b5 f4 90",
    "80 80 65 64 69 74",
  ],
];
for (const [name, broken, rest] of BROKEN_TEXTS) {
  const payload = fromHex(broken + rest);
  const judged = fromHex(broken);
  add("8.1", `${name}, whole`, frame({ payload }), [fault("text-not-utf8")]);
  const cutFrame = frame({ payload });
  add(
    "8.1",
    `${name}, told with its first wrong octet`,
    cutFrame.subarray(0, cutFrame.length - payload.length + judged.length),
    [fault("text-not-utf8")],
    { isJudgedAtEnd: true },
  );
  add(
    "8.1",
    `${name}, told in the first fragment of two`,
    concat(frame({ fin: false, payload: judged })),
    [fault("text-not-utf8")],
    { isJudgedAtEnd: true },
  );
  add(
    "5.6",
    `${name}, in a binary message`,
    frame({ opcode: 2, payload }),
    [["binary", toHex(payload)]],
  );
}
for (const cut of ["c3", "e2", "e2 82", "f0", "f0 9f", "f0 9f 98", "61 62 f4 8f bf"]) {
  add("8.1", `a text that ends within ${cut}`, frame({ payload: fromHex(cut) }), [fault("text-not-utf8")], {
    isJudgedAtEnd: true,
  });
  add(
    "8.1",
    `fragments that end within ${cut}`,
    concat(frame({ fin: false, payload: fromHex(cut) }), frame({ opcode: 0 })),
    [fault("text-not-utf8")],
    { isJudgedAtEnd: true },
  );
}

// --- permessage-deflate: RSV1 on the first frame of a message only.

const DEFLATED_HELLO = fromHex("f2 48 cd c9 c9 07 00");
const COMPRESSED = { allowsCompressed: true };
for (
  const [section, name, octets, events] of [
    [
      "RFC 7692 7.2.3.1",
      "one compressed frame",
      frame({ rsv: 4, payload: DEFLATED_HELLO }),
      [["compressed text", "f248cdc9c90700"]],
    ],
    [
      "RFC 7692 7.2.3.1",
      "a compressed message in two fragments",
      concat(
        frame({ fin: false, rsv: 4, payload: DEFLATED_HELLO.subarray(0, 3) }),
        frame({ opcode: 0, payload: DEFLATED_HELLO.subarray(3) }),
      ),
      [["compressed text", "f248cdc9c90700"]],
    ],
    [
      "RFC 7692 6.1",
      "RSV1 on a continuation",
      concat(frame({ fin: false, rsv: 4, payload: "a" }), frame({ opcode: 0, rsv: 4, payload: "b" })),
      [fault("reserved-bits")],
    ],
    ["RFC 7692 6.1", "RSV1 on a ping", frame({ opcode: 9, rsv: 4 }), [fault("reserved-bits")]],
    [
      "RFC 7692 6.1",
      "RSV1 on a close frame",
      frame({ opcode: 8, rsv: 4, payload: closePayload(1000) }),
      [fault("reserved-bits")],
    ],
    [
      "RFC 7692 6",
      "a message as it is after a compressed one",
      concat(frame({ opcode: 2, rsv: 4, payload: DEFLATED_HELLO }), frame({ payload: "plain" })),
      [["compressed binary", "f248cdc9c90700"], text("plain")],
    ],
    [
      "RFC 7692 6.1",
      "a ping between compressed fragments",
      concat(
        frame({ fin: false, rsv: 4, payload: DEFLATED_HELLO.subarray(0, 1) }),
        frame({ opcode: 9, payload: "p" }),
        frame({ opcode: 0, payload: DEFLATED_HELLO.subarray(1) }),
      ),
      [["ping", "70"], ["compressed text", "f248cdc9c90700"]],
    ],
    [
      "RFC 7692 6.2",
      "compressed octets are not checked as UTF-8",
      frame({ rsv: 4, payload: fromHex("ff ff") }),
      [["compressed text", "ffff"]],
    ],
    [
      "8.1",
      "text that is not compressed is checked also when compression was agreed",
      frame({ payload: fromHex("ff ff") }),
      [fault("text-not-utf8")],
    ],
    ["RFC 7692 7.2.3.6", "an empty compressed message", frame({ rsv: 4, payload: fromHex("00") }), [
      ["compressed text", "00"],
    ]],
  ] as const satisfies readonly (readonly [string, string, Uint8Array, readonly FrameEvent[]])[]
) {
  add(section, name, octets, [...events], COMPRESSED);
}
