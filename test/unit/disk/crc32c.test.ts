import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { crc32c } from '../../../src/disk/crc32c.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)

describe('crc32c', () => {
  test.each([
    // RFC 3720, B.4, and the check value of the algorithm's catalogue entry.
    ['123456789', bytesOf('123456789'), 0xe3069283],
    ['nothing', new Uint8Array(0), 0],
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['32 up', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['32 down', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  ])('of %s is the published value', (_, bytes, checksum) => {
    expect(crc32c(bytes)).toBe(checksum)
  })

  test('of a range is that of a copy of the range', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(40), fc.nat(40), (bytes, a, b) => {
        const start = Math.min(a, bytes.length)
        const end = Math.min(start + b, bytes.length)
        expect(crc32c(bytes, start, end)).toBe(crc32c(bytes.slice(start, end)))
      }),
    )
  })

  test('of a view does not depend on the bytes around it', () => {
    const around = bytesOf('xxx123456789xxx')
    expect(crc32c(around.subarray(3, 12))).toBe(0xe3069283)
  })
})
