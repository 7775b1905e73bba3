import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { GapEntry } from '../../../src/losses/gap.ts'
import { formatLedger, parseLedger } from '../../../src/losses/gap-ledger-format.ts'

const HEADER = '{"influxdb_relay":"gap ledger","version":1}\n'

const entry: GapEntry = {
  backend: 'influx2',
  database: 'telegraf',
  retentionPolicy: 'autogen',
  first: 1_700_000_000_000_000_000n,
  last: 1_700_000_000_000_000_001n,
  points: 12,
  writes: 0,
  reason: 'buffer full',
  since: 1_700_000_000_000,
  until: 1_700_000_060_500,
  times: 2,
}

const LINE =
  '{"backend":"influx2","database":"telegraf","retention_policy":"autogen",' +
  '"from":"2023-11-14T22:13:20Z","to":"2023-11-14T22:13:20.000000001Z",' +
  '"from_ns":"1700000000000000000","to_ns":"1700000000000000001",' +
  '"points":12,"writes":0,"reason":"buffer full",' +
  '"since":"2023-11-14T22:13:20Z","until":"2023-11-14T22:14:20.5Z","times":2}\n'

test('a ledger is a header and a line for each entry', () => {
  expect(formatLedger([])).toBe(HEADER)
  expect(formatLedger([entry])).toBe(HEADER + LINE)
})

test('an unknown time is null', () => {
  const text = formatLedger([{ ...entry, first: undefined, last: undefined }])
  expect(text).toContain('"from":null,"to":null,"from_ns":null,"to_ns":null')
})

const nanoseconds = fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n })
const milliseconds = fc.integer({ min: 0, max: 4_000_000_000_000 })
const anyEntry: fc.Arbitrary<GapEntry> = fc
  .record({
    backend: fc.string({ unit: 'binary' }),
    database: fc.string({ unit: 'binary' }),
    retentionPolicy: fc.string({ unit: 'binary' }),
    range: fc.option(fc.tuple(nanoseconds, nanoseconds), { nil: [undefined, undefined] as const }),
    points: fc.maxSafeNat(),
    writes: fc.maxSafeNat(),
    reason: fc.string({ unit: 'binary' }),
    since: milliseconds,
    until: milliseconds,
    times: fc.maxSafeNat(),
  })
  .map(({ range: [first, last], ...rest }) => ({ ...rest, first, last }))

test('entries come back unchanged', () => {
  fc.assert(
    fc.property(fc.array(anyEntry), (entries) => {
      const bytes = new TextEncoder().encode(formatLedger(entries))
      const parsed = parseLedger(new TextDecoder().decode(bytes))
      expect(parsed).toEqual({ entries, damage: undefined })
    }),
  )
})

test('empty lines and Windows line ends are accepted', () => {
  const text = `${HEADER}\n${LINE}\n\n`.replaceAll('\n', '\r\n')
  expect(parseLedger(text)).toEqual({ entries: [entry], damage: undefined })
})

describe('damage is reported, and intact entries are read:', () => {
  test.each([
    ['an empty file', '', 0, 'line 1 is not the header of a gap ledger'],
    ['zeros', '\0\0\0\0', 0, 'line 1 is not the header of a gap ledger'],
    ['no header', LINE + LINE, 1, 'line 1 is not the header of a gap ledger'],
    [
      'a later version',
      HEADER.replace('1}', '2}') + LINE,
      1,
      'line 1 is not the header of a gap ledger',
    ],
    ['an incomplete line', HEADER + LINE + LINE.slice(0, -9), 1, 'the last line is incomplete'],
    ['a missing newline', HEADER + LINE + LINE.slice(0, -1), 1, 'the last line is incomplete'],
    ['garbage between', `${HEADER + LINE}x\0\n${LINE}`, 2, 'line 3 is not an entry'],
    ['JSON that is not an object', `${HEADER}null\n5\n${LINE}`, 1, 'line 2 is not an entry'],
  ])('%s', (_, text, count, damage) => {
    const parsed = parseLedger(text)
    expect(parsed.damage).toBe(damage)
    expect(parsed.entries).toEqual(Array.from({ length: count }, () => entry))
  })

  test.each([
    ['backend', 5],
    ['database', undefined],
    ['retention_policy', null],
    ['from_ns', null],
    ['to_ns', 5],
    ['to_ns', '1e9'],
    ['to_ns', '9223372036854775808'],
    ['points', -1],
    ['points', 1.5],
    ['points', '5'],
    ['writes', -1],
    ['reason', undefined],
    ['since', 'yesterday'],
    ['until', 5],
    ['times', undefined],
  ])('%s is %j', (key, value) => {
    const line = JSON.stringify({ ...JSON.parse(LINE), [key]: value })
    const parsed = parseLedger(`${HEADER}${line}\n${LINE}`)
    expect(parsed).toEqual({ entries: [entry], damage: 'line 2 is not an entry' })
  })
})
