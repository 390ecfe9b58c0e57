/**
 * Canonical Huffman codes of limited length (RFC 1951 section 3.2.2).
 * Runs on: worker; runtime API: none
 *
 * Lengths come from Huffman's own construction; when one is above the limit, the frequencies are flattened by halves
 * until none is, which costs a fraction of a per cent of size and no package-merge.
 */

/** A code per symbol: its length in bits (0: unused), and its bits, already in the order in which they are sent. */
export interface HuffmanCode {
  readonly lengths: Uint8Array;
  readonly bits: Uint16Array;
}

/** One round of Huffman's construction. @returns the longest length */
function assignLengths(weights: readonly number[], symbols: readonly number[], lengths: Uint8Array): number {
  const leaves = symbols.length;
  const order = symbols.map((symbol, leaf) => ({ symbol, weight: weights[leaf] ?? 0 }))
    .sort((a, b) => a.weight - b.weight);
  const weight = order.map((leaf) => leaf.weight);
  const parent = new Int32Array(2 * leaves - 1);
  let nextLeaf = 0;
  let nextInner = leaves;
  const takeLightest = (): number => {
    const isLeaf = nextLeaf < leaves &&
      (nextInner === weight.length || (weight[nextLeaf] ?? 0) <= (weight[nextInner] ?? 0));
    return isLeaf ? nextLeaf++ : nextInner++;
  };
  for (let node = leaves; node < 2 * leaves - 1; node++) {
    const first = takeLightest();
    const second = takeLightest();
    weight.push((weight[first] ?? 0) + (weight[second] ?? 0));
    parent[first] = node;
    parent[second] = node;
  }
  const depth = new Int32Array(2 * leaves - 1);
  let longest = 0;
  for (let node = 2 * leaves - 3; node >= 0; node--) {
    depth[node] = (depth[parent[node] ?? 0] ?? 0) + 1;
    if (node < leaves) {
      lengths[order[node]?.symbol ?? 0] = depth[node] ?? 0;
      longest = Math.max(longest, depth[node] ?? 0);
    }
  }
  return longest;
}

/**
 * The code for symbols of the given frequencies, none longer than the limit. A single symbol gets one bit.
 *
 * @param maxBits 15, or 7 for the code of code lengths
 */
export function buildCode(frequencies: Uint32Array, maxBits: number): HuffmanCode {
  const lengths = new Uint8Array(frequencies.length);
  const symbols: number[] = [];
  let weights: number[] = [];
  frequencies.forEach((frequency, symbol) => {
    if (frequency === 0) return;
    symbols.push(symbol);
    weights.push(frequency);
  });
  if (symbols.length === 1) {
    lengths[symbols[0] ?? 0] = 1;
  } else if (symbols.length > 1) {
    while (assignLengths(weights, symbols, lengths) > maxBits) {
      weights = weights.map((weight) => (weight + 1) >>> 1);
    }
  }
  return codeOfLengths(lengths);
}

/** The canonical code that the lengths say: shorter before longer, equal ones by symbol. */
export function codeOfLengths(lengths: Uint8Array): HuffmanCode {
  const counts = new Uint16Array(17);
  for (const length of lengths) counts[length]! += 1;
  counts[0] = 0;
  const next = new Uint16Array(17);
  for (let length = 1; length <= 16; length++) {
    next[length] = ((next[length - 1] ?? 0) + (counts[length - 1] ?? 0)) << 1;
  }
  const bits = new Uint16Array(lengths.length);
  lengths.forEach((length, symbol) => {
    if (length === 0) return;
    let code = next[length] ?? 0;
    next[length] = code + 1;
    // Codes are sent from their highest bit on, everything else from the lowest (section 3.1.1).
    let reversed = 0;
    for (let i = 0; i < length; i++, code >>>= 1) reversed = (reversed << 1) | (code & 1);
    bits[symbol] = reversed;
  });
  return { lengths, bits };
}
