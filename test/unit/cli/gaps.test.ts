import { describe, expect, test } from 'vitest'
import { formatJson, formatText, printGaps } from '../../../src/cli/gaps.ts'
import type { GapEntry } from '../../../src/losses/gap.ts'
import { formatLedger } from '../../../src/losses/gap-ledger-format.ts'
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

describe('as text', () => {
  test('an empty ledger is one sentence', () => {
    expect(formatText([])).toBe(
      'No gaps: the ledger lists no acknowledged write that a backend lacks.\n',
    )
  })

  test('a table is aligned, and rounds times outward to seconds', () => {
    expect(formatText([entry, unknown, several])).toBe(
      lines(
        'backend   database   policy     from                  to                    points  reason       since                 times',
        'influx2   telegraf   -          2023-11-14T22:13:20Z  2023-11-14T22:25:32Z  120000  buffer full  2023-11-14T22:13:23Z     12',
        'influx10  telegraf   one_month  unknown               unknown                    3  rejected     2023-11-14T22:13:23Z      1',
        'influx2   (several)  (several)  2023-11-14T22:13:20Z  2023-11-14T22:25:32Z  120000  ledger full  2023-11-14T22:13:23Z     12',
      ),
    )
  })

  test('writes whose points cannot be counted stand beside points that can', () => {
    const mixed = { ...damaged, points: 3, writes: 1 }
    const cells = formatText([damaged, mixed])
      .split('\n')
      .map((line) => line.split(/ {2,}/)[5])
    expect(cells.slice(0, 3)).toEqual(['points', '2 writes', '3 + 1 write'])
  })

  test('a name cannot begin a line, change its color or turn its direction', () => {
    const text = formatText([{ ...entry, database: 'a\u001b[31m\nb\u202e\u2028é' }])
    expect(text).toContain(' a\\u001b[31m\\u000ab\\u202e\\u2028é ')
    expect(text.split('\n')).toHaveLength(3)
  })
})

test('a long name does not make the table wide, and stands whole in JSON', () => {
  const database = 'x'.repeat(50_000)
  const lines = formatText([{ ...entry, database }]).split('\n')
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(500)
  expect(formatJson([{ ...entry, database }])).toContain(database)
})

describe('as JSON', () => {
  test('a name holds no raw control character, and is the same when it is parsed', () => {
    const database = 'a\u007f\u009b31m\u202e\u2028b'
    const text = formatJson([{ ...entry, database }])
    expect(text).not.toMatch(/[^\P{C}\n]/u)
    expect(JSON.parse(text)).toMatchObject([{ database }])
  })

  test('an empty ledger is an empty array', () => {
    expect(formatJson([])).toBe('[]\n')
  })

  test('each entry is an object on a line of its own, exact to the nanosecond', () => {
    const text = formatJson([entry, unknown])
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

describe('printGaps', () => {
  /** Prints the gaps of a data directory whose ledger has some text, or fails to be read. */
  async function print(ledger: string | Error, json = false) {
    const output = { stdout: '', stderr: '' }
    const host = {
      async readFile(path: string) {
        expect(path).toBe('data/gaps.jsonl')
        if (ledger instanceof Error) throw ledger
        return ledger
      },
      print(text: string) {
        output.stdout += text
      },
      printError(text: string) {
        output.stderr += text
      },
    }
    await printGaps({ dataDir: 'data' }, host, json)
    return output
  }

  test.each([
    ['people', false, formatText],
    ['programs', true, formatJson],
  ])('prints the ledger for %s', async (_, json, format) => {
    const text = formatLedger([entry, unknown])
    expect(await print(text, json)).toEqual({ stdout: format([entry, unknown]), stderr: '' })
  })

  test('takes a missing ledger for an empty one', async () => {
    const missing = Object.assign(new Error('no such file'), { code: 'ENOENT' })
    expect(await print(missing, true)).toEqual({ stdout: '[]\n', stderr: '' })
  })

  test('prints what a damaged ledger still has, and says that it is damaged', async () => {
    const { stdout, stderr } = await print(`${formatLedger([entry])}{"backend":`, true)
    expect(stdout).toBe(formatJson([entry]))
    expect(stderr).toMatch(
      /^influxdb-relay: data\/gaps\.jsonl is damaged, entries may be missing: .+\n$/,
    )
  })

  test('throws where there is no ledger to read', async () => {
    const denied = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
    await expect(print(denied)).rejects.toThrow('cannot read the gap ledger: EACCES')
    const host = { readFile: async () => '', print() {}, printError() {} }
    await expect(printGaps({ dataDir: undefined }, host, false)).rejects.toThrow('no data-dir')
  })
})
