import { describe, expect, test } from 'vitest'
import { formatGaps } from '../../../src/cli/gaps.ts'
import type { GapEntry } from '../../../src/losses/gap.ts'
import { LEDGER_FULL } from '../../../src/losses/gap-table.ts'

const FIRST = 1_700_000_000_000_000_000n

const entry: GapEntry = {
  backend: 'influx2',
  database: 'telegraf',
  retentionPolicy: '',
  first: FIRST,
  last: FIRST + 731_500_000_123n,
  points: 120_000,
  writes: 0,
  reason: 'buffer full',
  since: 1_700_000_003_123,
  until: 1_700_000_900_000,
  times: 12,
}
const unknown: GapEntry = {
  ...entry,
  backend: 'influx10',
  retentionPolicy: 'one_month',
  first: undefined,
  last: undefined,
  points: 3,
  reason: 'rejected',
  times: 1,
}
const damaged: GapEntry = { ...unknown, points: 0, writes: 2, reason: 'damaged' }
const several: GapEntry = { ...entry, database: '', reason: LEDGER_FULL }

const lines = (...text: string[]) => `${text.join('\n')}\n`

describe('for people', () => {
  test('an empty ledger is one sentence', () => {
    expect(formatGaps([], { json: false })).toBe(
      'No gaps: the ledger knows of nothing acknowledged that a backend lacks.\n',
    )
  })

  test('a table is aligned, and rounds times outward to seconds', () => {
    expect(formatGaps([entry, unknown, several], { json: false })).toBe(
      lines(
        'backend   database   policy     from                  to                    points  reason       since                 times',
        'influx2   telegraf   -          2023-11-14T22:13:20Z  2023-11-14T22:25:32Z  120000  buffer full  2023-11-14T22:13:23Z     12',
        'influx10  telegraf   one_month  unknown               unknown                    3  rejected     2023-11-14T22:13:23Z      1',
        'influx2   (several)  (several)  2023-11-14T22:13:20Z  2023-11-14T22:25:32Z  120000  ledger full  2023-11-14T22:13:23Z     12',
      ),
    )
  })

  test('writes whose points nobody can count are shown beside those that are counted', () => {
    const mixed = { ...damaged, points: 3, writes: 1 }
    const cells = formatGaps([damaged, mixed], { json: false })
      .split('\n')
      .map((line) => line.split(/ {2,}/)[5])
    expect(cells.slice(0, 3)).toEqual(['points', '2 writes', '3 + 1 write'])
    expect(formatGaps([damaged], { json: false, columns: 20 })).toContain(
      '\n  2 writes of unknown time\n',
    )
  })

  test('a table that fits stays one', () => {
    const table = formatGaps([entry], { json: false })
    expect(formatGaps([entry], { json: false, columns: 120 })).toBe(table)
  })

  test('what is too wide for the terminal becomes a list', () => {
    expect(formatGaps([entry, unknown, several], { json: false, columns: 80 })).toBe(
      lines(
        'influx2: database telegraf: buffer full',
        '  120000 points from 2023-11-14T22:13:20Z to 2023-11-14T22:25:32Z',
        '  12 times since 2023-11-14T22:13:23Z',
        'influx10: database telegraf, policy one_month: rejected',
        '  3 points of unknown time',
        '  once, at 2023-11-14T22:13:23Z',
        'influx2: database (several), policy (several): ledger full',
        '  120000 points from 2023-11-14T22:13:20Z to 2023-11-14T22:25:32Z',
        '  12 times since 2023-11-14T22:13:23Z',
      ),
    )
  })

  test('a name cannot begin a line, color it, or turn its direction', () => {
    const text = formatGaps([{ ...entry, database: 'a\u001b[31m\nb\u202e\u2028é' }], {
      json: false,
    })
    expect(text).toContain(' a\\u{1b}[31m\\u{a}b\\u{202e}\\u{2028}é ')
    expect(text.split('\n')).toHaveLength(3)
  })
})

describe('for programs', () => {
  test('an empty ledger is an empty array', () => {
    expect(formatGaps([], { json: true })).toBe('[]\n')
  })

  test('each entry is an object on a line of its own, exact to the nanosecond', () => {
    const text = formatGaps([entry, unknown], { json: true, columns: 20 })
    expect(text.split('\n')).toHaveLength(5)
    expect(JSON.parse(text)).toEqual([
      {
        backend: 'influx2',
        database: 'telegraf',
        retention_policy: '',
        from: '2023-11-14T22:13:20Z',
        to: '2023-11-14T22:25:31.500000123Z',
        from_ns: '1700000000000000000',
        to_ns: '1700000731500000123',
        points: 120_000,
        writes: 0,
        reason: 'buffer full',
        since: '2023-11-14T22:13:23.123Z',
        until: '2023-11-14T22:28:20Z',
        times: 12,
      },
      expect.objectContaining({ from: null, to: null, from_ns: null, to_ns: null }),
    ])
  })
})
