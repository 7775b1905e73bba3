/** Bytes that can be searched fast on Deno. */

/** A word with a 1 in each of its bytes. */
const ONES = 0x01010101

/** The highest bit of each byte of a word. */
const HIGH_BITS = 0x80808080 | 0

/**
 * Bytes whose `indexOf` reads four at a time. V8's own compares one after another, and Deno's Buffer calls
 * it; the search for line ends would take half of the time of a large body.
 */
export class SearchableBytes extends Uint8Array<ArrayBuffer> {
  private words: Int32Array | undefined

  override indexOf(byte: number, from = 0): number {
    const { length, byteOffset } = this
    this.words ??= new Int32Array(this.buffer, 0, this.buffer.byteLength >> 2)
    const { words } = this
    const pattern = byte * ONES
    let i = from
    while (i < length && ((byteOffset + i) & 3) !== 0) {
      if (this[i] === byte) return i
      i++
    }
    const lastWord = (byteOffset + length) >> 2
    let word = (byteOffset + i) >> 2
    // A byte of `difference` is 0 where the byte is found. The test may report a byte above such a byte, too,
    // but no word without one.
    for (; word < lastWord; word++) {
      const difference = (words[word] as number) ^ pattern
      if (((difference - ONES) & ~difference & HIGH_BITS) !== 0) break
    }
    if (i < length) i = (word << 2) - byteOffset
    while (i < length && this[i] !== byte) i++
    return i < length ? i : -1
  }
}
