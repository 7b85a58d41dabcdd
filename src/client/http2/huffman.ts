/** The Huffman code of HPACK (RFC 7541 appendix B). It is canonical, so the lengths of the codes define it. */

/** The length in bits of each byte's code, in hexadecimal pairs would hide the table: one number per byte, 0 to 255. */
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26,
]
const EOS = 256
const EOS_LENGTH = 30

/**
 * A binary tree in one array: the children of the node at `i` are at `i` (bit 0) and `i + 1` (bit 1). A child is the index of
 * a node, or the complement of a symbol.
 */
const TREE = makeTree()

function makeTree(): Int16Array {
  const tree = new Int16Array(2 * 512)
  let nodes = 2
  let code = 0
  let length = 0
  const symbols = [...LENGTHS, EOS_LENGTH].map((bits, symbol) => ({ bits, symbol }))
  // Stable, so that symbols with codes of one length stay in their order.
  symbols.sort((a, b) => a.bits - b.bits)
  for (const { bits, symbol } of symbols) {
    code *= 2 ** (bits - length)
    length = bits
    let node = 0
    for (let bit = bits - 1; bit > 0; bit -= 1) {
      const at = node + ((code >>> bit) & 1)
      if (tree[at] === 0) {
        tree[at] = nodes
        nodes += 2
      }
      node = tree[at] ?? 0
    }
    tree[node + (code & 1)] = ~symbol
    code += 1
  }
  return tree
}

/** Padding is at most seven bits, all ones (RFC 7541 section 5.2). */
const MAX_PADDING = 7

/** Decodes a string; null if the code is invalid: it has EOS in it, or a padding that is too long or not all ones. */
export function decodeHuffman(bytes: Uint8Array): string | null {
  // The shortest code has five bits.
  const out = Buffer.allocUnsafe(Math.ceil((bytes.length * 8) / 5))
  let length = 0
  let node = 0
  let padding = 0
  let ones = true
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit -= 1) {
      const value = (byte >>> bit) & 1
      const next = TREE[node + value] ?? 0
      padding += 1
      ones &&= value === 1
      if (next >= 0) {
        node = next
        continue
      }
      if (~next === EOS) return null
      out[length] = ~next
      length += 1
      node = 0
      padding = 0
      ones = true
    }
  }
  return padding > MAX_PADDING || !ones ? null : out.toString('latin1', 0, length)
}
