import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { timeRangeOf } from '../../../src/influxdb/time-range.ts'

const encode = (text: string) => new TextEncoder().encode(text)
const range = (body: string, precision = 'ns') => {
  const found = timeRangeOf(encode(body), precision)
  return found && [found.first, found.last]
}

describe('timeRangeOf', () => {
  test.each([
    // One point, several, in any order.
    ['m v=1 5', 5n, 5n],
    ['m v=1 5\n', 5n, 5n],
    ['m v=1 7\nm v=1 -3\nm v=1 5\n', -3n, 7n],
    ['m v=1 5  \n', 5n, 5n],
    ['  m v=1 5\n', 5n, 5n],
    ['m v=1 1700000000123456789', 1_700_000_000_123_456_789n, 1_700_000_000_123_456_789n],
    // Digits that are not a timestamp.
    ['m v=1 5\n\n# m v=1 9\n  # m v=1 9\n', 5n, 5n],
    ['m v=1 5\nm v="a 9"\n', 5n, 5n],
    ['m v=1 5\nm v="a\nm v=1 9\n" 6\n', 5n, 6n],
    ['m v=1 5\nm v=1,b\\ 9\n', 5n, 5n],
    ['m v=1 5\nm v=1 9\r\nm v=1 9.5\nm v=1 x9\nm v=9\n', 5n, 5n],
    ['m v=1 5\nbad 9\n', 5n, 5n],
    // Beyond what influxd stores.
    ['m v=1 5\nm v=1 9223372036854775807\nm v=1 99999999999999999999\n', 5n, 5n],
    ['m v=1 9223372036854775806', 9_223_372_036_854_775_806n, 9_223_372_036_854_775_806n],
  ])('the range of %j is %i to %i', (body, first, last) => {
    expect(range(body as string)).toEqual([first, last])
  })

  test.each([[''], ['\n'], ['m v=1\n'], ['# m v=1 5'], ['m v=1 -\n'], ['5'], [' 5\n']])(
    '%j has no range',
    (body) => {
      expect(range(body)).toBeUndefined()
    },
  )

  test.each([
    ['n', 1n],
    ['ns', 1n],
    ['', 1n],
    ['us', 1n],
    ['u', 1_000n],
    ['ms', 1_000_000n],
    ['s', 1_000_000_000n],
    ['m', 60_000_000_000n],
    ['h', 3_600_000_000_000n],
  ])('a timestamp of precision %j counts its unit', (precision, unit) => {
    expect(range('m v=1 5\nm v=1 -2\n', precision)).toEqual([-2n * unit, 5n * unit])
  })

  test('a timestamp out of range in its precision is skipped', () => {
    expect(range('m v=1 9223372036\nm v=1 9223372037\n', 's')).toEqual([
      9_223_372_036_000_000_000n,
      9_223_372_036_000_000_000n,
    ])
  })

  test('a word of a million digits is skipped', () => {
    expect(range(`m v=1 5\nm v=1 ${'9'.repeat(1_000_000)}\n`)).toEqual([5n, 5n])
  })

  test('a range goes from the smallest timestamp to the largest', () => {
    const timestamps = fc.array(fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }), {
      minLength: 1,
    })
    fc.assert(
      fc.property(timestamps, (given) => {
        const sorted = [...given].sort((a, b) => (a < b ? -1 : 1))
        const body = given.map((timestamp) => `m,t=a v="x y" ${timestamp}`).join('\n')
        expect(range(body)).toEqual([sorted[0], sorted.at(-1)])
      }),
    )
  })
})
