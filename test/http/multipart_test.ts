import assert from "node:assert/strict";
import { test } from "node:test";
import { CartoucheError } from "../../src/errors.ts";
import { MultipartParser } from "../../src/http/multipart.ts";
import {
  DEFAULT_MULTIPART_LIMITS,
  MULTIPART_FAULTS,
  MultipartError,
  type MultipartFault,
  type MultipartLimits,
} from "../../src/http/multipart_error.ts";
import { latin1, type ParsedPart, parseForm } from "../support/parsed_form.ts";

const FIELD = 'Content-Disposition: form-data; name="a"';
const FILE =
  'Content-Disposition: form-data; name="f"; filename="x.bin"\r\nContent-Type: application/octet-stream';

const part = (name: string, content: string, filename?: string, type = "text/plain"): ParsedPart => ({
  name,
  filename,
  type,
  content,
  whole: true,
});
const file = (content: string): ParsedPart => part("f", content, "x.bin", "application/octet-stream");

interface Case {
  clause: string;
  what: string;
  body: string;
  boundary?: string;
  limits?: Partial<MultipartLimits>;
  parts: ParsedPart[];
}

const utf8 = (text: string): string => String.fromCharCode(...new TextEncoder().encode(text));
const one = (disposition: string, content = "v"): string =>
  `--X\r\nContent-Disposition: ${disposition}\r\n\r\n${content}\r\n--X--\r\n`;

/** Forms that are right. RFC numbers and sections; HTML = HTML standard, multipart/form-data encoding. */
const GOOD: Case[] = [
  {
    clause: "7578 4.1",
    what: "a field",
    body: `--X\r\n${FIELD}\r\n\r\nv\r\n--X--\r\n`,
    parts: [part("a", "v")],
  },
  {
    clause: "7578 4.2",
    what: "a file",
    body: `--X\r\n${FILE}\r\n\r\n\x00\xff\r\n\r\n--X--\r\n`,
    parts: [file("\x00\xff\r\n")],
  },
  {
    clause: "7578 5.2",
    what: "several parts of one name in order",
    body: `--X\r\n${FIELD}\r\n\r\n1\r\n--X\r\n${FILE}\r\n\r\n2\r\n--X\r\n${FIELD}\r\n\r\n3\r\n--X--\r\n`,
    parts: [part("a", "1"), file("2"), part("a", "3")],
  },
  { clause: "2046 5.1.1", what: "no parts at all", body: "--X--\r\n", parts: [] },
  {
    clause: "2046 5.1.1",
    what: "no CRLF at the end",
    body: `--X\r\n${FIELD}\r\n\r\nv\r\n--X--`,
    parts: [part("a", "v")],
  },
  {
    clause: "2046 5.1.1 preamble",
    what: "text before the first delimiter",
    body: `This is a form.\r\n\r\n--X\r\n${FIELD}\r\n\r\nv\r\n--X--`,
    parts: [part("a", "v")],
  },
  {
    clause: "2046 5.1.1 preamble",
    what: "a CRLF before the first delimiter",
    body: `\r\n--X\r\n${FIELD}\r\n\r\nv\r\n--X--`,
    parts: [part("a", "v")],
  },
  {
    clause: "2046 5.1.1 preamble",
    what: "near delimiters in the preamble",
    body: `--\r\n--Y\r\n-X--X\r\n--X\r\n${FIELD}\r\n\r\nv\r\n--X--`,
    parts: [part("a", "v")],
  },
  {
    clause: "2046 5.1.1 preamble",
    what: "a delimiter that no line begins with, which is preamble",
    body: `x--X\r\n${FIELD}\r\n\r\nv\r\n--X--`,
    parts: [],
  },
  {
    clause: "2046 5.1.1 epilogue",
    what: "text after the last delimiter, delimiters too",
    body: `--X\r\n${FIELD}\r\n\r\nv\r\n--X--\r\nbye\r\n--X\r\n${FIELD}\r\n\r\nw\r\n--X--`,
    parts: [part("a", "v")],
  },
  {
    clause: "2046 5.1.1 transport-padding",
    what: "blanks behind each delimiter",
    body: `--X \t\r\n${FIELD}\r\n\r\nv\r\n--X  \r\n${FIELD}\r\n\r\nw\r\n--X-- \t \r\n`,
    parts: [part("a", "v"), part("a", "w")],
  },
  {
    clause: "2046 5.1.1",
    what: "the CRLF before a delimiter is not content, another one is",
    body: `--X\r\n${FIELD}\r\n\r\nv\r\n\r\n--X--`,
    parts: [part("a", "v\r\n")],
  },
  {
    clause: "2046 5.1.1",
    what: "an empty value",
    body: `--X\r\n${FIELD}\r\n\r\n\r\n--X--`,
    parts: [part("a", "")],
  },
  {
    clause: "2046 5.1.1 body-part",
    what: "a delimiter right behind the header section",
    body: `--X\r\n${FIELD}\r\n\r\n--X\r\n${FIELD}\r\n\r\nw\r\n--X--`,
    parts: [part("a", ""), part("a", "w")],
  },
  {
    clause: "2046 5.1.1",
    what: "content that begins almost like a delimiter",
    body: `--X\r\n${FIELD}\r\n\r\n--Y\r\n--X\r\n${FIELD}\r\n\r\n-\r\n--X\r\n${FIELD}\r\n\r\n--\r\n--X--`,
    parts: [part("a", "--Y"), part("a", "-"), part("a", "--")],
  },
  {
    clause: "2046 5.1.1",
    what: "content full of near delimiters",
    body:
      `--XY\r\n${FILE}\r\n\r\n\r\r\n\r\n-\r\n--\r\n--X\r\n--x\r\n-XY\n--XY\r--XY--XY\r\n\r\n--X\r\n--XY--`,
    boundary: "XY",
    parts: [file("\r\r\n\r\n-\r\n--\r\n--X\r\n--x\r\n-XY\n--XY\r--XY--XY\r\n\r\n--X")],
  },
  {
    clause: "2046 5.1.1",
    what: "a longer line that begins with the delimiter",
    body: `--X\r\n${FILE}\r\n\r\na\r\n--XY\r\nb\r\n--X-\r\nc\r\n--X-Y\r\nd\r\n--X\rY\r\n--X\r\r\n--X--`,
    parts: [file("a\r\n--XY\r\nb\r\n--X-\r\nc\r\n--X-Y\r\nd\r\n--X\rY\r\n--X\r")],
  },
  {
    clause: "2046 5.1.1",
    what: "a longer line right behind the header section",
    body: `--X\r\n${FILE}\r\n\r\n--XY\r\n--X--`,
    parts: [file("--XY")],
  },
  {
    clause: "2046 5.1.1",
    what: "CRs in a row before a delimiter",
    body: `--X\r\n${FILE}\r\n\r\n\r\r\r\r\n--X--`,
    parts: [file("\r\r\r")],
  },
  {
    clause: "2046 5.1.1",
    what: "a boundary of every allowed character",
    body: `--'()+_,-./:=? 09azAZ\r\n${FIELD}\r\n\r\nv\r\n--'()+_,-./:=? 09azAZ--`,
    boundary: "'()+_,-./:=? 09azAZ",
    parts: [part("a", "v")],
  },
  {
    clause: "2046 5.1.1",
    what: "a boundary of 70 hyphens",
    body: `--${"-".repeat(70)}\r\n${FIELD}\r\n\r\nx${"-".repeat(99)}\r\n${"-".repeat(71)}\r\n--${
      "-".repeat(70)
    }--`,
    boundary: "-".repeat(70),
    parts: [part("a", `x${"-".repeat(99)}\r\n${"-".repeat(71)}`)],
  },
  {
    clause: "7578 4.1",
    what: "a boundary that ends in hyphens",
    body: `--X--\r\n${FIELD}\r\n\r\nv\r\n--X\r\n--X----\r\n`,
    boundary: "X--",
    parts: [part("a", "v\r\n--X")],
  },
  {
    clause: "5322 2.2",
    what: "field names in any case, blanks or none behind the colon",
    body: `--X\r\ncontent-DISPOSITION:form-data; name=a\r\nCONTENT-TYPE: \t text/x \t\r\n\r\nv\r\n--X--`,
    parts: [part("a", "v", undefined, "text/x")],
  },
  {
    clause: "2045 5.1",
    what: "parameter names and the disposition in any case",
    body: one('Form-Data; NAME="a"; FileName="b"'),
    parts: [part("a", "v", "b")],
  },
  {
    clause: "5322 2.2.3",
    what: "folded lines",
    body: `--X\r\nContent-Disposition: form-data;\r\n\tname="a";\r\n filename="b"\r\n\r\nv\r\n--X--`,
    parts: [part("a", "v", "b")],
  },
  {
    clause: "7578 4.8",
    what: "other fields, which have no effect",
    body: `--X\r\nX-Y: z\r\n${FIELD}\r\nContent-Transfer-Encoding: base64\r\nEmpty:\r\n\r\ndg==\r\n--X--`,
    parts: [part("a", "dg==")],
  },
  {
    clause: "7578 4.4",
    what: "a type with parameters",
    body: `--X\r\n${FIELD}\r\nContent-Type: text/plain;charset=UTF-8\r\n\r\nv\r\n--X--`,
    parts: [part("a", "v", undefined, "text/plain;charset=UTF-8")],
  },
  {
    clause: "7578 4.4",
    what: "a file without a type",
    body: one('form-data; name="a"; filename="b"'),
    parts: [part("a", "v", "b")],
  },
  {
    clause: "7578 4.2",
    what: "an octet-stream without a file name, which is a field",
    body: `--X\r\n${FIELD}\r\nContent-Type: application/octet-stream\r\n\r\nv\r\n--X--`,
    parts: [part("a", "v", undefined, "application/octet-stream")],
  },
  {
    clause: "HTML",
    what: "a file input that was left empty",
    body:
      `--X\r\nContent-Disposition: form-data; name="f"; filename=""\r\nContent-Type: application/octet-stream\r\n\r\n\r\n--X--`,
    parts: [part("f", "", "", "application/octet-stream")],
  },
  {
    clause: "7578 5.1",
    what: "names in raw UTF-8",
    body: one(utf8('form-data; name="ä€😀"; filename="ß漢.txt"')),
    parts: [part("ä€😀", "v", "ß漢.txt")],
  },
  {
    clause: "7578 5.1",
    what: "a name that is no UTF-8",
    body: one('form-data; name="\xe4"'),
    parts: [part("\ufffd", "v")],
  },
  {
    clause: "Encoding",
    what: "a name that begins with U+FEFF",
    body: one(utf8('form-data; name="\ufeffa"')),
    parts: [part("\ufeffa", "v")],
  },
  {
    clause: "HTML",
    what: "quotes and line ends as percent signs, no others",
    body: one('form-data; name="a%22b%0D%0A%0d%0ac%41%"; filename="%22%2F"'),
    parts: [part('a"b\r\n\r\nc%41%', "v", '"%2F')],
  },
  {
    clause: "9110 5.6.4",
    what: "escaped quotes and backslashes (curl)",
    body: one('form-data; name="a\\"b\\\\c"; filename="\\""'),
    parts: [part('a"b\\c', "v", '"')],
  },
  {
    clause: "HTML",
    what: "backslashes that escape nothing",
    body: one('form-data; name="a"; filename="C:\\dir\\f.txt"'),
    parts: [part("a", "v", "C:\\dir\\f.txt")],
  },
  {
    clause: "HTML",
    what: "a file name that ends in a backslash",
    body: one('form-data; name="a"; filename="abc\\"'),
    parts: [part("a", "v", "abc\\")],
  },
  {
    clause: "7578 4.2",
    what: "a file name inside quotes, which is none",
    body: one('form-data; name="x; filename=evil"'),
    parts: [part("x; filename=evil", "v")],
  },
  {
    clause: "7578 4.2",
    what: "a file name before the name",
    body: one('form-data; filename="f;name=b"; name="a"'),
    parts: [part("a", "v", "f;name=b")],
  },
  {
    clause: "9110 5.6.6",
    what: "values without quotes",
    body: one("form-data; name=a; filename=b.txt"),
    parts: [part("a", "v", "b.txt")],
  },
  {
    clause: "9110 5.6.6",
    what: "blanks, empty parameters, a semicolon at the end",
    body: one('form-data ;; name = "a" ;\tx=y ; '),
    parts: [part("a", "v")],
  },
  {
    clause: "6266 4.3",
    what: "filename* before filename",
    body: one('form-data; name="a"; filename="p"; filename*=UTF-8\'en\'%e2%82%ac%20.txt'),
    parts: [part("a", "v", "€ .txt")],
  },
  {
    clause: "8187 3.2",
    what: "filename* in ISO-8859-1",
    body: one("form-data; name=\"a\"; filename*=iso-8859-1''%e4"),
    parts: [part("a", "v", "ä")],
  },
  {
    clause: "8187 3.2",
    what: "a filename* that is broken, and the plain one",
    body: one('form-data; name="a"; filename*=UTF-8\'\'%e4%; filename="p"'),
    parts: [part("a", "v", "p")],
  },
  {
    clause: "8187 3.2",
    what: "a filename* of bad UTF-8 or another charset, and the plain one",
    body:
      `--X\r\nContent-Disposition: form-data; name=a; filename*=utf-8''%ff; filename=p\r\n\r\nv\r\n--X\r\nContent-Disposition: form-data; name=b; filename=q; filename*=koi8-r''%c1\r\n\r\nw\r\n--X--`,
    parts: [part("a", "v", "p"), part("b", "w", "q")],
  },
  {
    clause: "8187 3.2",
    what: "nothing but a broken filename*, which is a file still",
    body: one('form-data; name="a"; filename*=broken'),
    parts: [part("a", "v", "")],
  },
  {
    clause: "7578 4.2",
    what: "names that objects have",
    body: one('form-data; name="__proto__"; filename="constructor"'),
    parts: [part("__proto__", "v", "constructor")],
  },
  { clause: "7578 4.2", what: "an empty name", body: one('form-data; name=""'), parts: [part("", "v")] },
  {
    clause: "7578 4.3",
    what: "a nested multipart, which is one part",
    body:
      `--X\r\n${FIELD}\r\nContent-Type: multipart/mixed; boundary=Y\r\n\r\n--Y\r\n\r\n1\r\n--Y--\r\n--X--`,
    parts: [part("a", "--Y\r\n\r\n1\r\n--Y--", undefined, "multipart/mixed; boundary=Y")],
  },
  {
    clause: "limits",
    what: "each limit used up exactly",
    body: `--X\r\n${FIELD}\r\n\r\n12345\r\n--X\r\n${FILE}\r\n\r\n123456\r\n--X--`,
    limits: {
      maxParts: 2,
      maxFieldBytes: 5,
      maxFileBytes: 6,
      maxPartHeaderBytes: FILE.length + 4,
      maxFieldsBytes: FIELD.length + FILE.length + 13,
      maxTotalBytes: FIELD.length + FILE.length + 40,
    },
    parts: [part("a", "12345"), file("123456")],
  },
];

/** Forms that are wrong: clause, what, body, fault; boundary X. */
const BAD: [string, string, string, MultipartFault, Partial<MultipartLimits>?][] = [
  ["2046 5.1.1", "nothing at all", "", "unfinished"],
  ["2046 5.1.1", "no delimiter", "hello", "unfinished"],
  ["2046 5.1.1", "half a delimiter", "--", "unfinished"],
  ["2046 5.1.1", "a delimiter and nothing else", "--X", "unfinished"],
  ["2046 5.1.1", "a delimiter and one hyphen", "--X-", "unfinished"],
  ["2046 5.1.1", "a delimiter and CRLF", "--X\r\n", "unfinished"],
  ["2046 5.1.1", "padding at the end", "--X  ", "unfinished"],
  ["2046 5.1.1", "padding and CR at the end", "--X  \r", "unfinished"],
  ["2046 5.1.1", "half a header section", `--X\r\n${FIELD}\r\n`, "unfinished"],
  ["2046 5.1.1", "no closing delimiter", `--X\r\n${FIELD}\r\n\r\nv`, "unfinished"],
  ["2046 5.1.1", "no closing delimiter but another one", `--X\r\n${FIELD}\r\n\r\nv\r\n--X\r\n`, "unfinished"],
  ["2046 5.1.1", "LF only", `--X\n${FIELD}\n\nv\n--X--\n`, "unfinished"],
  ["2046 5.1.1", "text behind padding", `--X y\r\n${FIELD}\r\n\r\nv\r\n--X--`, "delimiterLine"],
  ["2046 5.1.1", "LF behind padding", `--X \n${FIELD}\r\n\r\nv\r\n--X--`, "delimiterLine"],
  ["2046 5.1.1", "CR alone behind padding", `--X \r${FIELD}\r\n\r\nv\r\n--X--`, "delimiterLine"],
  ["2046 4.1.1", "LF in a header section", `--X\r\n${FIELD}\n\r\n\r\nv\r\n--X--`, "partHeader"],
  ["2046 4.1.1", "LF first in a header section", `--X\r\n\n${FIELD}\r\n\r\nv\r\n--X--`, "partHeader"],
  ["2046 4.1.1", "CR in a header section", `--X\r\n${FIELD}\rX\r\n\r\nv\r\n--X--`, "partHeader"],
  ["5322 2.2", "NUL in a header section", `--X\r\n${FIELD}\0\r\n\r\nv\r\n--X--`, "partHeader"],
  ["5322 2.2", "a line without a colon", `--X\r\n${FIELD}\r\nX\r\n\r\nv\r\n--X--`, "partHeader"],
  ["5322 2.2", "a blank before the colon", `--X\r\n${FIELD}\r\nX : y\r\n\r\nv\r\n--X--`, "partHeader"],
  ["5322 2.2", "a line without a name", `--X\r\n${FIELD}\r\n: y\r\n\r\nv\r\n--X--`, "partHeader"],
  ["5322 2.2.3", "a folded line that is the first", `--X\r\n ${FIELD}\r\n\r\nv\r\n--X--`, "partHeader"],
  ["7578 4.2", "Content-Disposition twice", `--X\r\n${FIELD}\r\n${FIELD}\r\n\r\nv\r\n--X--`, "partHeader"],
  [
    "7578 4.4",
    "Content-Type twice",
    `--X\r\n${FIELD}\r\nContent-Type: a/b\r\nContent-Type: a/c\r\n\r\nv\r\n--X--`,
    "partHeader",
  ],
  ["7578 4.2", "no header section", "--X\r\n\r\nv\r\n--X--", "disposition"],
  ["7578 4.2", "no Content-Disposition", "--X\r\nContent-Type: a/b\r\n\r\nv\r\n--X--", "disposition"],
  ["7578 4.2", "no name", one("form-data"), "disposition"],
  ["7578 4.2", "no name but a file name", one('form-data; filename="x"'), "disposition"],
  ["7578 4.2", "another disposition", one('attachment; name="a"'), "disposition"],
  ["6266 4.1", "two names", one('form-data; name="a"; name="b"'), "disposition"],
  ["6266 4.1", "two file names", one('form-data; name="a"; filename="b"; FILENAME="c"'), "disposition"],
  ["9110 5.6.4", "a quote that does not end", one('form-data; name="a'), "disposition"],
  ["9110 5.6.6", "text behind a quoted value", one('form-data; name="a"b'), "disposition"],
  ["9110 5.6.6", "a parameter without a value", one("form-data; name="), "disposition"],
  ["9110 5.6.6", "a parameter without an equals sign", one("form-data; name"), "disposition"],
  ["9110 5.6.6", "no semicolon", one('form-data name="a"'), "disposition"],
  [
    "limits",
    "more parts than allowed",
    `--X\r\n${FIELD}\r\n\r\n1\r\n--X\r\n${FIELD}\r\n\r\n2\r\n--X--`,
    "partCount",
    { maxParts: 1 },
  ],
  ["limits", "a header section larger than allowed", one('form-data; name="a"'), "partHeaderSize", {
    maxPartHeaderBytes: 43,
  }],
  ["limits", "a header section without an end", `--X\r\n${"A".repeat(200)}`, "partHeaderSize", {
    maxPartHeaderBytes: 100,
  }],
  ["limits", "a field larger than allowed", one('form-data; name="a"', "123456"), "fieldSize", {
    maxFieldBytes: 5,
  }],
  ["limits", "a field where only empty ones are allowed", one('form-data; name="a"', "1"), "fieldSize", {
    maxFieldBytes: 0,
  }],
  [
    "limits",
    "a near delimiter that makes a field too large",
    one('form-data; name="a"', "123\r\n--Y"),
    "fieldSize",
    { maxFieldBytes: 5 },
  ],
  [
    "limits",
    "fields that are too large together",
    `--X\r\n${FIELD}\r\n\r\n12345\r\n--X\r\n${FIELD}\r\n\r\n12345\r\n--X--`,
    "fieldsSize",
    { maxFieldsBytes: 97 },
  ],
  [
    "limits",
    "part headers that are too large together",
    `--X\r\n${FILE}\r\n\r\n\r\n--X\r\n${FILE}\r\n\r\n\r\n--X--`,
    "fieldsSize",
    { maxFieldsBytes: 150 },
  ],
  ["limits", "a file larger than allowed", `--X\r\n${FILE}\r\n\r\n123456\r\n--X--`, "fileSize", {
    maxFileBytes: 5,
  }],
  ["limits", "a form larger than allowed", `--X\r\n${FIELD}\r\n\r\nv\r\n--X--\r\n`, "totalSize", {
    maxTotalBytes: 58,
  }],
  ["limits", "an epilogue that makes a form too large", `--X--${" ".repeat(100)}`, "totalSize", {
    maxTotalBytes: 99,
  }],
];

for (const { clause, what, body, boundary = "X", limits = {}, parts } of GOOD) {
  test(`Form (${clause}) with ${what} is read, at every split and octet by octet`, () => {
    const bytes = latin1(body);
    const expected = { parts, fault: undefined };
    assert.deepEqual(parseForm(boundary, bytes, [], limits), expected);
    assert.deepEqual(parseForm(boundary, bytes, [...bytes.keys()], limits), expected);
    for (let cut = 0; cut <= bytes.length; cut++) {
      assert.deepEqual(parseForm(boundary, bytes, [cut], limits), expected, `cut at ${cut}`);
    }
  });
}

for (const [clause, what, body, fault, limits = {}] of BAD) {
  test(`Form (${clause}) with ${what} fails by "${fault}", at every split and octet by octet`, () => {
    const bytes = latin1(body);
    assert.equal(parseForm("X", bytes, [], limits).fault, fault);
    assert.equal(parseForm("X", bytes, [...bytes.keys()], limits).fault, fault);
    for (let cut = 0; cut <= bytes.length; cut++) {
      assert.equal(parseForm("X", bytes, [cut], limits).fault, fault, `cut at ${cut}`);
    }
  });
}

test("Form cut anywhere before its closing delimiter fails as unfinished", () => {
  const body = latin1(`--X\r\n${FIELD}\r\n\r\nv\r\n--X\r\n${FILE}\r\n\r\n1\r\n2\r\n--X--`);
  for (let length = 0; length < body.length; length++) {
    assert.equal(parseForm("X", body.subarray(0, length)).fault, "unfinished", `first ${length} octets`);
  }
  assert.equal(parseForm("X", body).fault, undefined);
});

test("Form parser hands on file octets in the caller's own memory, one range per piece", () => {
  const body = latin1(`--X\r\n${FILE}\r\n\r\n${"abc".repeat(1_000)}`);
  const seen: [boolean, number, number][] = [];
  const parser = new MultipartParser("X", {
    onPartBegin: () => {},
    onPartData: (bytes, start, end) => seen.push([bytes === body, start, end]),
    onPartEnd: () => {},
  });
  parser.feed(body);
  assert.deepEqual(seen, [[true, body.length - 3_000, body.length]]);
});

test("Form parser gives all field lines of a part, names in lower case", () => {
  let headers: unknown;
  const parser = new MultipartParser("X", {
    onPartBegin: (begun) => headers = begun.headers,
    onPartData: () => {},
    onPartEnd: () => {},
  });
  parser.feed(latin1(`--X\r\n${FIELD}\r\nX-Size: 1\r\nx-size: 2\r\n\r\n`));
  assert.deepEqual(headers, [
    ["content-disposition", 'form-data; name="a"'],
    ["x-size", "1"],
    ["x-size", "2"],
  ]);
});

test("Form parser is of no use after an error", () => {
  const parser = new MultipartParser("X", {
    onPartBegin: () => {},
    onPartData: () => {},
    onPartEnd: () => {},
  });
  assert.throws(() => parser.feed(latin1("--X y")), { fault: "delimiterLine" });
  assert.throws(() => parser.feed(latin1("--X--")), { fault: "unfinished" });
  assert.throws(() => parser.finish(), { fault: "unfinished" });
  assert.equal(parser.complete, false);
});

test("Form parser is of no use after an error of its sink, which passes through", () => {
  const parser = new MultipartParser("X", {
    onPartBegin: () => {
      throw new RangeError("mine");
    },
    onPartData: () => {},
    onPartEnd: () => {},
  });
  assert.throws(() => parser.feed(latin1(one("form-data; name=a"))), RangeError);
  assert.throws(() => parser.finish(), MultipartError);
});

test("Form parser says when the form is complete", () => {
  const parser = new MultipartParser("X", {
    onPartBegin: () => {},
    onPartData: () => {},
    onPartEnd: () => {},
  });
  parser.feed(latin1("--X-"));
  assert.equal(parser.complete, false);
  parser.feed(latin1("-"));
  assert.equal(parser.complete, true);
  parser.finish();
});

test("Form faults have a status and a code: 413 for limits, 400 and 415 for the rest", () => {
  for (const fault of Object.keys(MULTIPART_FAULTS) as MultipartFault[]) {
    const error = new MultipartError(fault, "text");
    assert.ok(error instanceof CartoucheError);
    assert.equal(error.fault, fault);
    assert.equal(error.status, MULTIPART_FAULTS[fault].status);
    assert.equal(error.code, error.status === 413 ? "ERR_BODY_TOO_LARGE" : "ERR_BODY_SYNTAX");
  }
});

test("Form limits have their documented defaults", () => {
  assert.deepEqual(DEFAULT_MULTIPART_LIMITS, {
    maxTotalBytes: 4_294_967_296,
    maxParts: 1_000,
    maxPartHeaderBytes: 16_384,
    maxFieldBytes: 1_048_576,
    maxFieldsBytes: 8_388_608,
    maxFileBytes: Infinity,
  });
});

for (const [name, value] of [["maxParts", -1], ["maxFileBytes", NaN], ["maxTotalBytes", "1"]] as const) {
  test(`Form limit ${name}: ${value} is refused`, () => {
    const sink = { onPartBegin: () => {}, onPartData: () => {}, onPartEnd: () => {} };
    assert.throws(() => new MultipartParser("X", sink, { [name]: value as number }), { code: "ERR_OPTION" });
  });
}

test("Form of the worst content for a search takes linear time", () => {
  // Every window ends like the delimiter of 74 octets; a naive search would compare 73 octets each.
  const boundary = "A".repeat(70);
  const body = new Uint8Array(16 * 1024 * 1024).fill(0x41);
  body.set(latin1(`--${boundary}\r\n${FILE}\r\n\r\n`));
  let octets = 0;
  const parser = new MultipartParser(boundary, {
    onPartBegin: () => {},
    onPartData: (_, start, end) => octets += end - start,
    onPartEnd: () => {},
  });
  const started = performance.now();
  parser.feed(body);
  const tookMs = performance.now() - started;
  assert.equal(octets, body.length - 70 - FILE.length - 8);
  // About 60 ms; 73 times as much would be 4 s.
  assert.ok(tookMs < 2_000, `${tookMs} ms`);
});
