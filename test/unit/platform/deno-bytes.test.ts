import { expect, test } from 'vitest'
import { SearchableBytes } from '../../../src/platform/deno-bytes.ts'
import { seededRandom } from '../../support/seeded-random.ts'

test('every byte is found where Uint8Array finds it, from any start and at any alignment', () => {
  const next = seededRandom(1)
  const random = (below: number) => Math.floor(next() * below)
  for (let round = 0; round < 2000; round++) {
    const buffer = new ArrayBuffer(random(70))
    const plain = new Uint8Array(buffer)
    // Neighbours of the byte in each bit are what a search of whole words may mistake for it.
    for (let i = 0; i < plain.length; i++)
      plain[i] = [10, 11, 9, 138, 0, 1, 128, 255][random(8)] ?? 0
    const offset = random(plain.length + 1)
    const length = random(plain.length - offset + 1)
    const expected = new Uint8Array(buffer, offset, length)
    const bytes = new SearchableBytes(buffer, offset, length)
    for (const byte of [0, 9, 10, 11, 128, 138, 255, 34]) {
      for (let from = 0; from <= length + 1; from++) {
        expect(bytes.indexOf(byte, from)).toBe(expected.indexOf(byte, from))
      }
    }
  }
})
