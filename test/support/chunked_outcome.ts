/**
 * What the chunked decoder makes of octets, as something that a test can compare and print.
 * Runs on: any; runtime API: none
 */
import assert from "node:assert/strict";
import { type ChunkedDecoder, ChunkEvent, type ChunkLimits } from "../../src/http/chunked_decoder.ts";
import { errorText } from "./head_outcome.ts";
import { placed } from "./split_bytes.ts";

/** The limits that tables are written for. */
export const CHUNK_LIMITS: ChunkLimits = { maxTrailerBytes: 64, maxExtensionBytes: 24 };

/** How a body ended, and what it brought until then. */
export interface ChunkedOutcome {
  /** "end", "more", or status and name of an error. */
  ending: string;
  content: string;
  /** Octets up to the end of the body; of no interest after an error. */
  taken: number;
  trailers: readonly (readonly [string, string])[];
}

/** Feeds `bytes`, cut at `ends`, to a decoder that was reset; every call sees another array. */
export function chunkedOutcome(
  decoder: ChunkedDecoder,
  bytes: Uint8Array,
  ends: readonly number[],
): ChunkedOutcome {
  decoder.reset();
  let content = "";
  let taken = 0;
  for (const end of ends) {
    const piece = placed(bytes, taken, end);
    let position = piece.start;
    for (;;) {
      const event = decoder.next(piece.bytes, position, piece.end);
      if (event === ChunkEvent.Error) {
        return { ending: errorText(decoder.error), content, taken: 0, trailers: [] };
      }
      assert.ok(
        decoder.position >= position && decoder.position <= piece.end,
        "the position stays in the range",
      );
      if (event === ChunkEvent.Data) {
        const { dataStart, dataEnd } = decoder;
        assert.ok(
          dataStart >= position && dataStart < dataEnd && dataEnd <= piece.end,
          "content lies in the range",
        );
        content += String.fromCharCode(...piece.bytes.subarray(dataStart, dataEnd));
      }
      position = decoder.position;
      if (event === ChunkEvent.End) {
        return { ending: "end", content, taken: taken + position - piece.start, trailers: decoder.trailers };
      }
      if (event === ChunkEvent.NeedMore) break;
    }
    assert.equal(position, piece.end, "all octets were taken");
    taken = end;
  }
  return { ending: "more", content, taken, trailers: [] };
}
