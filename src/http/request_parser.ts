/**
 * Parses the head of a request, fast: the parser that connections use.
 * Runs on: I/O thread; runtime API: none
 *
 * RFC 9112 sections 2 to 5. Grammar and errors are `HeadMachine`'s. What is here is a straight run over the same
 * tables through lines that are complete and usual, 1.4 to 1.9 times as fast as the machine (`bench/http`): without a
 * state to ask for, engines check the array once per line instead of once per element. Where a line ends early or is
 * not usual the run leaves state and position to the machine, which goes on at that octet. Invariant: with and without
 * the straight run every head has the same result; the tests compare them at every split.
 */
import { endOfFieldValue } from "./field_value.ts";
import { FieldKind, fieldKindOf, mayBeKind } from "./framing_fields.ts";
import { HeadMachine, MAX_METHOD_BYTES, State } from "./head_machine.ts";
import { COLON, CR, isBlank, isFieldValueOctet, isTargetOctet, isToken, LF, SP } from "./octets.ts";
import { OFFSETS_PER_FIELD } from "./request_head.ts";

/** Octets of `HTTP/1.1` CR LF, the end of nearly every request line. */
const USUAL_END_BYTES = 10;

/** Longer values are read by words; a Host of this length still does without. */
const SHORT_VALUE_BYTES = 16;

/**
 * A parser of request heads, one after the other. Per head: `parse` with more and more octets until it returns
 * something else than 0, then `reset`.
 */
export class HeadParser extends HeadMachine {
  override parse(bytes: Uint8Array, start: number, end: number): number {
    const limit = this.limit(start, end);
    const state = this.state;
    let position = 0;
    if (state === State.BeforeRequest) position = this.#runRequestLine(bytes, start, limit);
    else if (state === State.LineStart) position = start + this.position;
    if (position > 0) {
      const result = this.#runFieldLines(bytes, start, position, limit);
      if (result !== 0) return result;
    }
    return this.step(bytes, start, limit);
  }

  /** @returns the position behind the request line, or 0 when the machine must go on */
  #runRequestLine(bytes: Uint8Array, start: number, limit: number): number {
    let i = start + this.position;
    const methodStart = i;
    while (i < limit && isToken(bytes[i]!)) i++;
    if (i === methodStart) return 0;
    this.headStart = methodStart - start;
    if (i === limit || bytes[i] !== SP || i - methodStart > MAX_METHOD_BYTES) {
      // At most there, so that the machine sees the octet that makes a method too long.
      const position = Math.min(i, methodStart + MAX_METHOD_BYTES);
      return this.stopAt(State.Method, position - start, methodStart - start);
    }
    this.methodEnd = i - start;
    const targetStart = ++i;
    while (i < limit && isTargetOctet(bytes[i]!)) i++;
    if (i === limit || bytes[i] !== SP || i === targetStart) {
      return this.stopAt(State.Target, i - start, targetStart - start);
    }
    this.targetStart = targetStart - start;
    this.targetEnd = i - start;
    const versionStart = i + 1;
    const lineEnd = versionStart + USUAL_END_BYTES;
    if (lineEnd > limit || !isUsualEnd(bytes, versionStart)) {
      return this.stopAt(State.Version, versionStart - start, versionStart - start);
    }
    this.majorVersion = 1;
    this.minorVersion = 1;
    // An error is left to the machine, which will find it again at the LF.
    if (this.judgeRequestLine(bytes, start) !== 0) {
      return this.stopAt(State.RequestLineLf, lineEnd - 1 - start, 0);
    }
    return lineEnd;
  }

  /** @returns what `parse` does; 0 also when the machine must go on */
  #runFieldLines(bytes: Uint8Array, start: number, position: number, limit: number): number {
    const fields = this.fields;
    let index = this.fieldCount * OFFSETS_PER_FIELD;
    let i = position;
    while (index < fields.length) {
      const nameStart = i;
      while (i < limit && isToken(bytes[i]!)) i++;
      if (i === nameStart) break;
      if (i === limit || bytes[i] !== COLON) {
        this.fieldCount = index / OFFSETS_PER_FIELD;
        return this.stopAt(State.FieldName, i - start, nameStart - start);
      }
      const nameEnd = i++;
      fields[index] = nameStart - start;
      fields[index + 1] = nameEnd - start;
      while (i < limit && isBlank(bytes[i]!)) i++;
      if (i === limit) {
        this.fieldCount = index / OFFSETS_PER_FIELD;
        return this.stopAt(State.BeforeValue, i - start, 0);
      }
      const valueStart = i;
      const near = i + SHORT_VALUE_BYTES < limit ? i + SHORT_VALUE_BYTES : limit;
      while (i < near && isFieldValueOctet(bytes[i]!)) i++;
      if (i === near && i < limit) i = endOfFieldValue(bytes, i, limit);
      if (i + 1 >= limit || bytes[i] !== CR || bytes[i + 1] !== LF) {
        this.fieldCount = index / OFFSETS_PER_FIELD;
        return this.stopAt(State.FieldValue, i - start, valueStart - start);
      }
      let valueEnd = i;
      while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1]!)) valueEnd--;
      fields[index + 2] = valueStart - start;
      fields[index + 3] = valueEnd - start;
      i += 2;
      index += OFFSETS_PER_FIELD;
      if (mayBeKind(bytes[nameStart]!, nameEnd - nameStart)) {
        const kind = fieldKindOf(bytes, nameStart, nameEnd);
        if (kind !== FieldKind.Other) {
          const error = this.noteField(kind, bytes, start, valueStart, valueEnd);
          if (error !== 0) return -error;
        }
      }
    }
    this.fieldCount = index / OFFSETS_PER_FIELD;
    if (i + 1 < limit && bytes[i] === CR && bytes[i + 1] === LF) {
      const error = this.judgeHeaderSection();
      return error !== 0 ? -error : i + 2 - start;
    }
    return this.stopAt(State.LineStart, i - start, 0);
  }
}

/** Whether `HTTP/1.1` CR LF stands there. Written out: a loop costs a small head up to a tenth of its time. */
function isUsualEnd(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0x48 && bytes[at + 1] === 0x54 && bytes[at + 2] === 0x54 && bytes[at + 3] === 0x50 &&
    bytes[at + 4] === 0x2f && bytes[at + 5] === 0x31 && bytes[at + 6] === 0x2e && bytes[at + 7] === 0x31 &&
    bytes[at + 8] === CR && bytes[at + 9] === LF;
}
