import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { join, split } from '../../../src/influxdb/lines.ts'
import { stamp } from '../../../src/influxdb/stamp.ts'

const encode = (text: string) => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** Text with many of the bytes that mean something in line protocol. */
const text = fc
  .array(fc.constantFrom('m v=1', ' ', '"', '\\', '\n', '=', ',', '#', 'a', ' 5\n', 'v="'), {
    maxLength: 20,
  })
  .map((parts) => parts.join(''))

describe('join', () => {
  test('adds a newline only to a body that lacks one', () => {
    expect(decode(join(['a v=1 1', '', 'b v=1 1\n', 'c v=1 1'].map(encode)))).toBe(
      'a v=1 1\nb v=1 1\nc v=1 1\n',
    )
  })

  test('keeps the points of a body that ends cleanly apart from those of the next', () => {
    fc.assert(
      fc.property(text, text, (first, second) => {
        const a = stamp(encode(first), () => '7')
        const b = stamp(encode(second), () => '7')
        fc.pre(a.endsCleanly)
        const joined = stamp(join([a.bytes, b.bytes]), () => 'LATE')
        // influxd reads a backslash before the last byte of a body in its own way.
        fc.pre(!/\\.?$/s.test(second))
        expect(joined.count).toBe(a.count + b.count)
        expect(decode(joined.bytes)).not.toContain('LATE')
      }),
      { numRuns: 2000 },
    )
  })
})

describe('split', () => {
  const pieces = (body: string, limit: number) => split(encode(body), limit).map(decode)

  test.each([
    ['', 10, []],
    ['m v=1 1', 10, ['m v=1 1']],
    ['m v=1 1\nm v=2 2\n', 8, ['m v=1 1\n', 'm v=2 2\n']],
    ['m v=1 1\nm v=2 2\n', 16, ['m v=1 1\nm v=2 2\n']],
    ['m v=1 1\nm v=22222222 2\nm v=3 3', 10, ['m v=1 1\n', 'm v=22222222 2\n', 'm v=3 3']],
    ['m v="a\nb" 1\nm v=2 2', 9, ['m v="a\nb" 1\n', 'm v=2 2']],
  ])('cuts %j at %i', (body, limit, expected) => {
    expect(pieces(body, limit)).toEqual(expected)
  })

  test('keeps all bytes, and exceeds the limit only for a single line', () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 40 }), (body, limit) => {
        const cut = split(encode(body), limit)
        expect(decode(join([...cut])).replace(/\n$/, '')).toBe(body.replace(/\n$/, ''))
        for (const piece of cut) {
          if (piece.length > limit) expect(split(piece, 1)).toHaveLength(1)
        }
      }),
    )
  })
})
