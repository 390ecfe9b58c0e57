/** Texts to compress: what messages look like, and what is hard. */
import { concat, utf8 } from "../client_frames.ts";
import type { SeededRandom } from "../split_frames.ts";

/** A chat message, like others and never the same. */
export function chatMessage(i: number): Uint8Array {
  return utf8(JSON.stringify({
    type: "message",
    room: `room-${i % 5}`,
    from: ["alice", "bob", "carol"][i % 3],
    at: 1_700_000_000 + i * 137,
    text: `message number ${i} of the day, ${"and more ".repeat(i % 7)}😀`,
  }));
}

/** A text of a random kind: repetitive, random, runs, mixtures. */
export function randomText(random: SeededRandom, longest: number): Uint8Array {
  const length = random.below(longest + 1);
  switch (random.below(6)) {
    case 0:
      return random.bytes(length);
    case 1:
      return new Uint8Array(length).fill(random.below(256));
    case 2: {
      const word = random.bytes(1 + random.below(40));
      return Uint8Array.from({ length }, (_, i) => word[i % word.length] ?? 0);
    }
    case 3: {
      // Few letters, so that there are many short matches and skewed frequencies.
      return Uint8Array.from(
        { length },
        () => 97 + Math.min(random.below(26), random.below(26), random.below(26)),
      );
    }
    case 4: {
      const half = random.bytes(length >> 1);
      return concat(half, half);
    }
    default: {
      const messages = Array.from({ length: 1 + (length >> 8) }, () => chatMessage(random.below(1000)));
      return concat(...messages).subarray(0, length);
    }
  }
}
