import assert from "node:assert/strict";
import { test } from "node:test";
import { isControl, isReserved, OPCODE } from "../../src/websocket/opcode.ts";

test("OPCODE has the six of RFC 6455 section 5.2 and the rest are reserved", () => {
  const defined = new Set<number>(Object.values(OPCODE));
  assert.deepEqual([...defined], [0, 1, 2, 8, 9, 10]);
  for (let opcode = 0; opcode < 16; opcode++) {
    assert.equal(isReserved(opcode), !defined.has(opcode), String(opcode));
    assert.equal(isControl(opcode), opcode >= 8, String(opcode));
  }
});
