import assert from "node:assert/strict";
import { test } from "node:test";
import { latin1, type ParsedForm, parseForm } from "../support/parsed_form.ts";
import { FUZZ_SEED, fuzzCount, SeededRandom } from "../support/seeded_random.ts";

const BOUNDARY_CHARACTERS = "ab-'()+_,./:=?XY019";
const STARTS = [
  'Content-Disposition: form-data; name="a"',
  'Content-Disposition: form-data; name="b"; filename="f"\r\nContent-Type: a/b',
];

function randomBoundary(random: SeededRandom): string {
  let boundary = "";
  for (let i = random.pick([1, 1, 2, 3, 8, 40, 70]); i > 0; i--) {
    boundary += random.pick([...BOUNDARY_CHARACTERS]);
  }
  return boundary;
}

/** Content that is made of the pieces a delimiter is made of. */
function randomContent(random: SeededRandom, boundary: string): string {
  const delimiter = `\r\n--${boundary}`;
  let content = "";
  for (let i = random.below(12); i > 0; i--) {
    content += random.pick([
      "\r",
      "\n",
      "\r\n",
      "-",
      "--",
      boundary,
      delimiter.slice(0, random.below(delimiter.length + 1)),
      delimiter.slice(random.below(delimiter.length)),
      `${delimiter}x`,
      "x",
      "\0\xff",
      "y".repeat(random.below(200)),
    ]);
  }
  return content;
}

function randomCuts(random: SeededRandom, length: number): number[] {
  const cuts = Array.from({ length: random.below(6) }, () => random.below(length + 1));
  return cuts.sort((a, b) => a - b);
}

/** Whether a reader must see a delimiter, and not content, somewhere in this text. */
function holdsDelimiter(content: string, boundary: string): boolean {
  const delimiter = new RegExp(`\r\n--${escaped(boundary)}(?:--|[ \t]|\r\n)`);
  return delimiter.test(`\r\n${content}\r\n`);
}

test("Form fuzz: what was put in comes out, however it is cut", () => {
  const random = new SeededRandom();
  for (let round = 0; round < fuzzCount(3_000); round++) {
    const boundary = randomBoundary(random);
    const contents: string[] = [];
    for (let i = random.below(4); i > 0; i--) {
      const content = randomContent(random, boundary);
      if (!holdsDelimiter(content, boundary)) contents.push(content);
    }
    const padding = () => random.pick(["", "", " ", "\t "]);
    let text = random.pick(["", "", "\r\n", "preamble\r\n"]);
    for (const content of contents) {
      text += `--${boundary}${padding()}\r\n${random.pick(STARTS)}\r\n\r\n${content}\r\n`;
    }
    text += `--${boundary}--${padding()}${random.pick(["", "\r\n", "\r\nepilogue"])}`;
    const body = latin1(text);
    const cuts = randomCuts(random, body.length);
    const form = parseForm(boundary, body, cuts);
    const message = `seed ${FUZZ_SEED}, round ${round}: ${JSON.stringify({ boundary, text, cuts })}`;
    assert.equal(form.fault, undefined, message);
    assert.deepEqual(form.parts.map((part) => part.content), contents, message);
  }
});

test("Form fuzz: a damaged form is the same damage however it is cut, and never an unknown error", () => {
  const random = new SeededRandom();
  const faults = new Map<string, number>();
  for (let round = 0; round < fuzzCount(3_000); round++) {
    const boundary = randomBoundary(random);
    let text = "";
    for (let i = 1 + random.below(3); i > 0; i--) {
      text += `--${boundary}\r\n${random.pick(STARTS)}\r\n\r\n${randomContent(random, boundary)}\r\n`;
    }
    text += `--${boundary}--\r\n`;
    for (let i = 1 + random.below(4); i > 0; i--) {
      const at = random.below(text.length + 1);
      const gone = random.below(4);
      const instead = random.pick([
        "",
        "\r",
        "\n",
        "\r\n",
        "-",
        " ",
        '"',
        "\\",
        ";",
        "\0",
        "=",
        ":",
        "\xff",
        boundary,
      ]);
      text = text.slice(0, at) + instead + text.slice(at + gone);
    }
    const body = latin1(text);
    const limits = { maxPartHeaderBytes: 150, maxFieldBytes: 300, maxParts: 4 };
    const whole = parseForm(boundary, body, [], limits);
    faults.set(String(whole.fault), (faults.get(String(whole.fault)) ?? 0) + 1);
    for (const cuts of [[...body.keys()], randomCuts(random, body.length), randomCuts(random, body.length)]) {
      const message = `seed ${FUZZ_SEED}, round ${round}: ${JSON.stringify({ boundary, text, cuts })}`;
      const cut = parseForm(boundary, body, cuts, limits);
      assert.equal(cut.fault, whole.fault, message);
      assert.deepEqual(finished(cut), finished(whole), message);
    }
  }
  // The fuzzer itself must reach both the good and the bad.
  for (
    const fault of ["undefined", "unfinished", "partHeader", "disposition", "partHeaderSize", "fieldSize"]
  ) {
    assert.ok((faults.get(fault) ?? 0) > 0, `no form with ${fault}`);
  }
});

test("Form fuzz: the parser agrees with a plain one that reads the whole form at once", () => {
  const random = new SeededRandom();
  for (let round = 0; round < fuzzCount(5_000); round++) {
    const boundary = random.pick(["X", "XX", "-", "--", "aXa"]);
    const pieces = [
      "\r",
      "\n",
      "\r\n",
      "-",
      "--",
      boundary,
      `\r\n--${boundary}`,
      " ",
      "x",
      `\r\n--${boundary}\r\n`,
    ];
    let text = `--${boundary}\r\n`;
    for (let i = random.below(20); i > 0; i--) {
      text += random.below(6) === 0 ? `${STARTS[0]}\r\n\r\n` : random.pick(pieces);
    }
    if (random.below(2) === 0) text += `\r\n--${boundary}--`;
    const body = latin1(text);
    const form = parseForm(boundary, body, randomCuts(random, body.length));
    const contents = plainContents(text, boundary);
    const message = `seed ${FUZZ_SEED}, round ${round}: ${JSON.stringify({ boundary, text })}`;
    if (contents === undefined) assert.notEqual(form.fault, undefined, message);
    else assert.deepEqual(form.parts.map((part) => part.content), contents, message);
  }
});

/** After an error, how much of the open part came out depends on the cuts; whole parts do not. */
function finished(form: ParsedForm): unknown {
  return form.parts.filter((part) => part.whole);
}

/**
 * The contents by regular expression: the grammar written down a second time, without any state. Undefined when the
 * form is wrong in any way.
 */
function plainContents(text: string, boundary: string): string[] | undefined {
  const delimiter = new RegExp(`\r\n--${escaped(boundary)}(?:(--)|([ \t]*)(\r\n)|[ \t])`, "g");
  let rest = `\r\n${text}`;
  const contents: string[] = [];
  for (let first = true;; first = false) {
    delimiter.lastIndex = 0;
    const match = delimiter.exec(rest);
    if (match === null) return undefined;
    if (!first) contents.push(rest.slice(0, match.index).slice(2));
    if (match[1] !== undefined) return contents;
    if (match[3] === undefined) return undefined;
    rest = rest.slice(match.index + match[0].length);
    const section = /^(?:Content-Disposition: form-data; name="a"\r\n)\r\n/.exec(rest);
    if (section === null) return undefined;
    // The empty line's CRLF may belong to a delimiter that follows at once.
    rest = rest.slice(section[0].length - 2);
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
