/**
 * Tests of the octet classes, each against its grammar as a regular expression.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  equalsExactly,
  equalsIgnoringCase,
  hexValue,
  isBlank,
  isDigit,
  isFieldValueOctet,
  isQuotedText,
  isRegNameOctet,
  isTargetOctet,
  isToken,
  isUnhyphenatedOctet,
  octetsOf,
} from "../../src/http/octets.ts";
import { wireBytes } from "../support/split_bytes.ts";

const CLASSES: readonly (readonly [name: string, is: (octet: number) => boolean, grammar: RegExp])[] = [
  ["tchar, 9110 §5.6.2", isToken, /^[!#$%&'*+\-.^_`|~0-9A-Za-z]$/],
  ["target", isTargetOctet, /^[\x21-\x22\x24-\x7e]$/],
  ["field value, 9110 §5.5", isFieldValueOctet, /^[\t\x20-\x7e\x80-\xff]$/],
  ["reg-name without comma, 3986 §3.2.2", isRegNameOctet, /^[A-Za-z0-9\-._~!$&'()*+;=]$/],
  ["the same without hyphen", isUnhyphenatedOctet, /^[A-Za-z0-9._~!$&'()*+;=]$/],
  ["qdtext, 9110 §5.6.4", isQuotedText, /^[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]$/],
  ["OWS, 9110 §5.6.3", isBlank, /^[ \t]$/],
  ["DIGIT", isDigit, /^[0-9]$/],
  ["HEXDIG", (octet) => hexValue(octet) >= 0, /^[0-9a-fA-F]$/],
];

test("Each octet class holds exactly the octets of its grammar", () => {
  for (const [name, is, grammar] of CLASSES) {
    for (let octet = 0; octet < 256; octet++) {
      assert.equal(is(octet), grammar.test(String.fromCharCode(octet)), `${name}: ${octet}`);
    }
  }
});

test("hexValue is what parseInt says", () => {
  for (const digit of "0123456789abcdefABCDEF") {
    assert.equal(hexValue(digit.charCodeAt(0)), parseInt(digit, 16));
  }
});

test("equalsIgnoringCase knows both cases and nothing else", () => {
  const word = octetsOf("te-100k");
  const same = (text: string): boolean =>
    equalsIgnoringCase(wireBytes(`x${text}y`), 1, 1 + text.length, word);
  assert.ok(same("te-100k"));
  assert.ok(same("TE-100K"));
  for (let octet = 0x20; octet < 256; octet++) {
    const character = String.fromCharCode(octet);
    assert.equal(same(`${character}e-100k`), character === "t" || character === "T", `${octet} for t`);
    assert.equal(same(`te${character}100k`), character === "-", `${octet} for -`);
    assert.equal(same(`te-${character}00k`), character === "1", `${octet} for 1`);
  }
  assert.ok(!same("te-100"));
  assert.ok(!same("te-100kk"));
  assert.ok(!same(""));
});

test("equalsExactly knows one case", () => {
  const word = octetsOf("HEAD");
  assert.ok(equalsExactly(wireBytes("xHEADx"), 1, 5, word));
  assert.ok(!equalsExactly(wireBytes("xHeADx"), 1, 5, word));
  assert.ok(!equalsExactly(wireBytes("xHEADx"), 1, 6, word));
  assert.ok(!equalsExactly(wireBytes("xHEADx"), 0, 4, word));
});
