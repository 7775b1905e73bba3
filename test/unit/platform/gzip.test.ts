import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { gunzip, gzip } from '../../../src/platform/gzip.ts'

const LIMIT = 1_000_000
const LENGTHS = [0, 1, 16_383, 16_384, 16_385, 300_000, LIMIT]

const text = (length: number) => new Uint8Array(length).map((_, i) => (i * i) % 251)

/** The same gzip with another length at its end, as a view into a larger buffer. */
function claiming(bytes: Uint8Array, length: number): Uint8Array {
  const copy = new Uint8Array(bytes.length + 7).subarray(7)
  copy.set(bytes)
  new DataView(copy.buffer, 7).setUint32(bytes.length - 4, length, true)
  return copy
}

describe('gunzip', () => {
  test.each(LENGTHS)('gives back %i bytes', async (length) => {
    expect(Buffer.from(await gunzip(gzipSync(text(length)), LIMIT)).equals(text(length))).toBe(true)
    expect(Buffer.from(await gunzip(await gzip(text(length)), LIMIT)).equals(text(length))).toBe(
      true,
    )
  })

  test.each(LENGTHS.slice(1))('rejects more than %i bytes', async (limit) => {
    const sent = gzipSync(text(limit + 1))
    await expect(gunzip(sent, limit)).rejects.toThrow(RangeError)
  })

  test('inflates several members', async () => {
    const parts = [text(200_000), text(0), text(10)]
    const sent = Buffer.concat(parts.map((part) => gzipSync(part)))
    expect(Buffer.from(await gunzip(sent, LIMIT)).equals(Buffer.concat(parts))).toBe(true)
  })

  test.each([0, 1, 99_999, 100_001, 2 ** 32 - 1])(
    'does not trust a length of %i at the end of 100,000 bytes',
    async (length) => {
      const sent = claiming(gzipSync(text(100_000)), length)
      await expect(gunzip(sent, LIMIT)).rejects.toThrow('invalid checksum')
    },
  )

  test.each([1, 4, 20])('rejects %i zero bytes after a member', async (length) => {
    const sent = Buffer.concat([gzipSync(text(1000)), Buffer.alloc(length)])
    await expect(gunzip(sent, LIMIT)).rejects.toThrow('invalid header')
    await expect(gunzip(Buffer.concat([sent, sent]), LIMIT)).rejects.toThrow('invalid header')
  })

  test.each([0, 3, 10])('rejects %i bytes of input as incomplete', async (length) => {
    const sent = gzipSync(text(1000)).subarray(0, length)
    await expect(gunzip(sent, LIMIT)).rejects.toThrow('unexpected EOF')
  })
})
