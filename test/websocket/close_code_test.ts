import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CLOSE_CODE,
  encodeClosePayload,
  isCloseCode,
  readClosePayload,
} from "../../src/websocket/close_code.ts";
import { toHex } from "./client_frames.ts";

test("isCloseCode lets 1000 to 1003, 1007 to 1014 and 3000 to 4999 travel and nothing else", () => {
  const good: [number, number][] = [];
  for (let code = -1; code <= 70_000; code++) {
    if (!isCloseCode(code)) continue;
    const last = good.at(-1);
    if (last !== undefined && last[1] === code - 1) last[1] = code;
    else good.push([code, code]);
  }
  assert.deepEqual(good, [[1000, 1003], [1007, 1014], [3000, 4999]]);
});

test("CLOSE_CODE has the numbers of section 7.4.1 and of the registry", () => {
  assert.deepEqual(CLOSE_CODE, {
    normal: 1000,
    goingAway: 1001,
    protocolError: 1002,
    unsupportedData: 1003,
    noCode: 1005,
    abnormal: 1006,
    invalidData: 1007,
    policyViolation: 1008,
    messageTooBig: 1009,
    internalError: 1011,
    serviceRestart: 1012,
    tryAgainLater: 1013,
  });
});

test("encodeClosePayload writes what readClosePayload reads", () => {
  for (const [code, reason] of [[1000, ""], [1001, "going"], [3000, "ü€😀"], [4999, "\ufeffx"]] as const) {
    const payload = encodeClosePayload(code, reason);
    assert.deepEqual(readClosePayload(payload, 0, payload.length), { code, reason });
  }
  assert.equal(toHex(encodeClosePayload()), "");
  assert.deepEqual(readClosePayload(encodeClosePayload(), 0, 0), { code: 1005, reason: "" });
  assert.equal(toHex(encodeClosePayload(1000)), "03e8");
});

test("encodeClosePayload refuses codes that may not travel and reasons above 123 octets", () => {
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 1000.5, NaN, 65_536 + 1000]) {
    assert.throws(() => encodeClosePayload(code), { code: "ERR_CLOSE" }, String(code));
  }
  assert.equal(encodeClosePayload(1000, "x".repeat(123)).length, 125);
  assert.throws(() => encodeClosePayload(1000, "x".repeat(124)), { code: "ERR_CLOSE" });
  assert.throws(() => encodeClosePayload(1000, "é".repeat(62)), { code: "ERR_CLOSE" });
  assert.throws(() => encodeClosePayload(undefined, "reason"), { code: "ERR_CLOSE" });
});

test("readClosePayload reads from the middle of other octets", () => {
  const bytes = Uint8Array.of(0xff, 0x03, 0xe9, 0x68, 0x69, 0xff);
  assert.deepEqual(readClosePayload(bytes, 1, 5), { code: 1001, reason: "hi" });
  assert.equal(readClosePayload(bytes, 1, 6), "close-reason-not-utf8");
  assert.equal(readClosePayload(bytes, 1, 2), "close-payload-length");
});
