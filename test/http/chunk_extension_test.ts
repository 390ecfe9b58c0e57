/**
 * Tests of the chunk extension grammar, against a regular expression over all short texts of its alphabet.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ExtensionState, nextExtensionState } from "../../src/http/chunk_extension.ts";

/** RFC 9112 section 7.1.1 and the CR behind it. */
const GRAMMAR = /^(?:[ \t]*;[ \t]*[!a]+(?:[ \t]*=[ \t]*(?:[!a]+|"(?:[ \t!;=a]|\\[ \t!;="\\a])*"))?)*\r$/;

/** One octet of each kind that the grammar tells apart; "a" and "!" are tokens, 0x00 is nothing. */
const ALPHABET = ["a", ";", "=", " ", '"', "\\", "\r", "\x00"];

function endState(text: string): ExtensionState {
  let state: ExtensionState = ExtensionState.AfterItem;
  for (const character of text) {
    if (state === ExtensionState.Ended) return ExtensionState.Error;
    state = nextExtensionState(state, character.charCodeAt(0));
  }
  return state;
}

test("Chunk extensions of up to six octets are accepted exactly as the grammar says", () => {
  let accepted = 0;
  const check = (text: string): void => {
    const state = endState(text);
    assert.equal(state === ExtensionState.Ended, GRAMMAR.test(text), JSON.stringify(text));
    if (state === ExtensionState.Ended) accepted++;
    // What is wrong stays wrong, and nothing follows the end.
    if (state === ExtensionState.Error || state === ExtensionState.Ended || text.length === 6) return;
    for (const character of ALPHABET) check(text + character);
  };
  check("");
  assert.ok(accepted > 20, `${accepted} accepted`);
});

test("Quoted strings hold what RFC 9110 section 5.6.4 lets them hold", () => {
  for (let octet = 0; octet < 256; octet++) {
    const character = String.fromCharCode(octet);
    const visible = octet === 9 || (octet >= 32 && octet !== 127);
    const plain = visible && character !== '"' && character !== "\\";
    assert.equal(endState(`;a="${character}"\r`) === ExtensionState.Ended, plain, `plain ${octet}`);
    assert.equal(endState(`;a="\\${character}"\r`) === ExtensionState.Ended, visible, `pair ${octet}`);
  }
});
