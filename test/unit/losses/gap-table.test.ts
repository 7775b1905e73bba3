import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Gap, GapEntry, Repair } from '../../../src/losses/gap.ts'
import { GapTable, LEDGER_FULL } from '../../../src/losses/gap-table.ts'

const SECOND = 1_000_000_000n
const MINUTE = 60n * SECOND

const gap = (given: Partial<Gap> = {}): Gap => ({
  backend: 'influx2',
  database: 'telegraf',
  retentionPolicy: '',
  first: 0n,
  last: 0n,
  points: 1,
  writes: 0,
  reason: 'buffer full',
  at: 5,
  ...given,
})

/** A gap from one minute to another. */
const minutes = (from: number, to: number, given: Partial<Gap> = {}) =>
  gap({ first: BigInt(from) * MINUTE, last: BigInt(to) * MINUTE, ...given })

function tableOf(gaps: readonly Gap[], limits = { maxRanges: 10, maxEntries: 100 }): GapTable {
  const table = new GapTable(limits)
  for (const one of gaps) table.add(one)
  return table
}

const rangesOf = (table: GapTable) =>
  table.entries().map(({ first, last }) => [Number(first) / 6e10, Number(last) / 6e10])

describe('merging', () => {
  test.each([
    // Alone, apart, near, overlapping, inside, bridging two.
    [[[0, 5]], [[0, 5]]],
    [
      [
        [0, 5],
        [7, 9],
      ],
      [
        [0, 5],
        [7, 9],
      ],
    ],
    [
      [
        [7, 9],
        [0, 5],
      ],
      [
        [0, 5],
        [7, 9],
      ],
    ],
    [
      [
        [0, 5],
        [6, 9],
      ],
      [[0, 9]],
    ],
    [
      [
        [6, 9],
        [0, 5],
      ],
      [[0, 9]],
    ],
    [
      [
        [0, 5],
        [3, 9],
      ],
      [[0, 9]],
    ],
    [
      [
        [0, 9],
        [3, 4],
      ],
      [[0, 9]],
    ],
    [
      [
        [0, 5],
        [8, 9],
        [5, 7],
      ],
      [[0, 9]],
    ],
    [[[9, 0]], [[0, 9]]],
  ])('of minutes %j gives %j', (given, expected) => {
    const table = tableOf(given.map(([from, to]) => minutes(from as number, to as number)))
    expect(rangesOf(table)).toEqual(expected)
  })

  test('adds up points, writes and times, and keeps the earliest and the latest time', () => {
    const table = tableOf([
      minutes(0, 1, { points: 10, writes: 2, at: 300 }),
      minutes(1, 2, { points: 20, writes: 1, at: 100 }),
      minutes(0, 2, { points: 3, at: 200 }),
    ])
    expect(table.entries()).toEqual([
      {
        backend: 'influx2',
        database: 'telegraf',
        retentionPolicy: '',
        first: 0n,
        last: 2n * MINUTE,
        points: 33,
        writes: 3,
        reason: 'buffer full',
        since: 100,
        until: 300,
        times: 3,
      },
    ])
  })

  test('happens up to a distance of one minute', () => {
    const a = gap({ first: 0n, last: 0n })
    expect(tableOf([a, gap({ first: MINUTE, last: MINUTE })]).entries()).toHaveLength(1)
    expect(tableOf([a, gap({ first: MINUTE + 1n, last: MINUTE + 1n })]).entries()).toHaveLength(2)
  })

  test.each([
    ['backend', { backend: 'influx1' }],
    ['database', { database: 'other' }],
    ['retention policy', { retentionPolicy: 'autogen' }],
    ['reason', { reason: 'rejected' }],
    ['kind of range, known or unknown', { first: undefined, last: undefined }],
  ])('does not happen across a different %s', (_, other) => {
    expect(tableOf([gap(), gap(other)]).entries()).toHaveLength(2)
  })

  test('treats a range with one end as unknown', () => {
    const table = tableOf([gap({ first: undefined }), gap({ last: undefined })])
    expect(table.entries()).toMatchObject([{ first: undefined, last: undefined, points: 2 }])
  })
})

test('entries are ordered by backend, database, policy and time', () => {
  const table = tableOf([
    gap({ backend: 'b' }),
    minutes(9, 9, { backend: 'a', database: 'y' }),
    minutes(2, 2, { backend: 'a', database: 'y' }),
    gap({ backend: 'a', database: 'y', first: undefined }),
    gap({ backend: 'a', database: 'y', retentionPolicy: 'z' }),
    gap({ backend: 'a', database: 'x' }),
  ])
  const order = table
    .entries()
    .map(({ backend, database, retentionPolicy, first }) =>
      [backend, database, retentionPolicy, first].join(' '),
    )
  expect(order).toEqual([
    'a x  0',
    'a y  ',
    `a y  ${2n * MINUTE}`,
    `a y  ${9n * MINUTE}`,
    'a y z 0',
    'b telegraf  0',
  ])
})

describe('bounds', () => {
  test('the two nearest ranges merge past the number of ranges', () => {
    const table = tableOf([minutes(0, 0), minutes(10, 10), minutes(13, 13), minutes(30, 30)], {
      maxRanges: 3,
      maxEntries: 100,
    })
    expect(rangesOf(table)).toEqual([
      [0, 0],
      [10, 13],
      [30, 30],
    ])
  })

  test('a destination that has entries gets no more in a full ledger', () => {
    const table = tableOf(
      [minutes(0, 0), minutes(10, 10, { backend: 'other' }), minutes(20, 20), minutes(90, 90)],
      { maxRanges: 10, maxEntries: 3 },
    )
    expect(rangesOf(table)).toEqual([
      [0, 20],
      [90, 90],
      [10, 10],
    ])
  })

  test('a new destination is recorded under its backend alone in a full ledger', () => {
    const table = tableOf(
      [
        gap(),
        minutes(5, 6, { database: 'b', reason: 'rejected' }),
        minutes(90, 91, { database: 'c', retentionPolicy: 'd' }),
        gap({ database: 'e', first: undefined }),
      ],
      { maxRanges: 10, maxEntries: 1 },
    )
    const several = {
      backend: 'influx2',
      database: '',
      retentionPolicy: '',
      reason: LEDGER_FULL,
    }
    expect(table.entries()).toMatchObject([
      { ...several, first: undefined, points: 1 },
      { ...several, first: 5n * MINUTE, last: 91n * MINUTE, points: 2, times: 2 },
      { database: 'telegraf' },
    ])
  })

  test('entries of a full ledger are unchanged after a restart', () => {
    const table = tableOf(
      ['a', 'b', 'c', 'd'].map((database) => gap({ database })),
      { maxRanges: 10, maxEntries: 2 },
    )
    const again = new GapTable({ maxRanges: 10, maxEntries: 2 })
    for (const entry of table.entries()) again.addEntry(entry)
    expect(again.entries()).toEqual(table.entries())
  })
})

/** Few names and short times, so that gaps meet. */
const anyGap: fc.Arbitrary<Gap> = fc
  .record({
    backend: fc.constantFrom('a', 'b'),
    database: fc.constantFrom('x', 'y', 'z'),
    retentionPolicy: fc.constantFrom('', 'p'),
    from: fc.option(fc.integer({ min: -500, max: 500 }), { nil: undefined }),
    length: fc.integer({ min: 0, max: 100 }),
    points: fc.nat(1000),
    writes: fc.nat(9),
    reason: fc.constantFrom('buffer full', 'rejected', LEDGER_FULL),
    at: fc.nat(1000),
  })
  .map(({ from, length, ...rest }) => ({
    ...rest,
    first: from === undefined ? undefined : BigInt(from) * 10n * SECOND,
    last: from === undefined ? undefined : BigInt(from + length) * 10n * SECOND,
  }))

const limits = fc.record({
  maxRanges: fc.integer({ min: 1, max: 5 }),
  maxEntries: fc.integer({ min: 1, max: 12 }),
})

const anyRun = fc.tuple(fc.array(anyGap, { maxLength: 60 }), limits)

const covers = (entry: GapEntry, { backend, database, first, last, at }: Gap) =>
  entry.backend === backend &&
  (entry.database === database || entry.reason === LEDGER_FULL) &&
  (first === undefined ? entry.first === undefined : (entry.first ?? 1n) <= first) &&
  (last === undefined ? entry.last === undefined : (entry.last ?? -1n) >= last) &&
  entry.since <= at &&
  entry.until >= at

const sum = (of: readonly { points: number; writes: number }[]) =>
  of.reduce(
    (total, one) => ({ points: total.points + one.points, writes: total.writes + one.writes }),
    {
      points: 0,
      writes: 0,
    },
  )

const repair = (given: Partial<Repair> = {}): Repair => ({
  backend: 'influx2',
  database: 'telegraf',
  retentionPolicy: '',
  first: 0n,
  last: 0n,
  startedAt: 100,
  ...given,
})

/** A repair from one minute to another. */
const repaired = (from: number, to: number, given: Partial<Repair> = {}) =>
  repair({ first: BigInt(from) * MINUTE, last: BigInt(to) * MINUTE, ...given })

describe('a repair', () => {
  test.each([
    ['of the whole range closes an entry', [0, 9], []],
    ['of a wider range closes an entry', [-5, 15], []],
    ['before an entry leaves it', [-5, -1], [[0, 9]]],
    ['after an entry leaves it', [10, 15], [[0, 9]]],
    ['of the start cuts it off', [-5, 3], [[3, 9]]],
    ['of the end cuts it off', [6, 15], [[0, 6]]],
    [
      'in the middle leaves two entries',
      [3, 6],
      [
        [0, 3],
        [6, 9],
      ],
    ],
    ['of less than a minute in the middle leaves the entry whole', [3, 3], [[0, 9]]],
  ] as const)('%s', (_, [from, to], left) => {
    const table = tableOf([minutes(0, 9)])
    const isSame = String(left) === '0,9'
    expect(table.close(repaired(from, to))).toBe(!isSame)
    // To the nearest minute: a cut is a nanosecond beside the range.
    expect(rangesOf(table).map((range) => range.map(Math.round))).toEqual(left)
  })

  test('cuts to the nanosecond', () => {
    const table = tableOf([gap({ first: 0n, last: 9n * MINUTE, points: 7 })])
    table.close(repaired(2, 6))
    expect(table.entries()).toMatchObject([
      { first: 0n, last: 2n * MINUTE - 1n, points: 7 },
      { first: 6n * MINUTE + 1n, last: 9n * MINUTE, points: 7 },
    ])
    table.close(repair({ first: 0n, last: 2n * MINUTE - 2n }))
    expect(table.entries()[0]).toMatchObject({
      first: 2n * MINUTE - 1n,
      last: 2n * MINUTE - 1n,
    })
  })

  test('closes several entries, and cuts those at its ends', () => {
    const table = tableOf([minutes(0, 5), minutes(10, 11), minutes(20, 25)])
    table.close(repaired(4, 21))
    expect(rangesOf(table).map((range) => range.map(Math.round))).toEqual([
      [0, 4],
      [21, 25],
    ])
  })

  test.each([
    ['backend', { backend: 'influx1' }],
    ['database', { database: 'other' }],
    ['retention policy', { retentionPolicy: 'autogen' }],
    ['reason', { reason: 'rejected' }],
  ])('of another %s leaves an entry', (_, other) => {
    const table = tableOf([minutes(0, 1)])
    expect(table.close(repaired(0, 9, other))).toBe(false)
    expect(rangesOf(table)).toEqual([[0, 1]])
  })

  test('without a reason closes entries of every reason, with one those of that reason', () => {
    const gaps = [minutes(0, 1), minutes(0, 1, { reason: 'rejected' })]
    const reasonsLeft = (reason?: string) => {
      const table = tableOf(gaps)
      table.close(repaired(0, 9, reason === undefined ? {} : { reason }))
      return table.entries().map((entry) => entry.reason)
    }
    expect(reasonsLeft()).toEqual([])
    expect(reasonsLeft('rejected')).toEqual(['buffer full'])
  })

  test('closes entries of unknown time only if it says so', () => {
    const table = tableOf([gap({ first: undefined }), minutes(0, 1)])
    const all = { first: -(2n ** 63n), last: 2n ** 63n - 1n }
    table.close(repair(all))
    expect(table.entries()).toMatchObject([{ first: undefined }])
    table.close(repair({ ...all, unknownTime: true }))
    expect(table.entries()).toEqual([])
  })

  test('leaves an entry that stands for a gap since it began', () => {
    for (const at of [100, 101]) {
      const table = tableOf([minutes(0, 1, { at: 5 }), minutes(1, 2, { at })])
      expect(table.close(repaired(0, 9, { startedAt: 100 }))).toBe(false)
      expect(rangesOf(table)).toEqual([[0, 2]])
    }
  })

  test('makes room in a full ledger', () => {
    const limits = { maxRanges: 10, maxEntries: 1 }
    const table = tableOf([minutes(0, 1), minutes(0, 1, { database: 'b' })], limits)
    table.close(repaired(0, 9))
    table.add(minutes(0, 1, { database: 'c' }))
    table.close(repaired(0, 9, { database: '', reason: LEDGER_FULL }))
    expect(table.entries()).toMatchObject([{ database: 'c' }])
  })

  test('does not split an entry for which there is no room', () => {
    const whole = [[0, 9]]
    for (const limits of [
      { maxRanges: 1, maxEntries: 9 },
      { maxRanges: 9, maxEntries: 1 },
    ]) {
      const table = tableOf([minutes(0, 9)], limits)
      expect(table.close(repaired(3, 6))).toBe(false)
      expect(rangesOf(table)).toEqual(whole)
    }
    const full = tableOf([minutes(0, 9, { reason: LEDGER_FULL })])
    full.close(repaired(3, 6, { database: '', reason: LEDGER_FULL }))
    expect(rangesOf(full)).toEqual(whole)
  })

  test('of a range that runs backward is an error', () => {
    expect(() => tableOf([minutes(0, 9)]).close(repaired(6, 3))).toThrow(RangeError)
  })

  test('leaves what it has not brought, and entries that a restart does not change', () => {
    const anyRepair = fc
      .record({
        from: fc.integer({ min: -500, max: 500 }),
        length: fc.integer({ min: 0, max: 200 }),
        unknownTime: fc.boolean(),
        startedAt: fc.nat(1100),
        reason: fc.option(fc.constantFrom('buffer full', 'rejected'), { nil: undefined }),
      })
      .map(({ from, length, reason, ...rest }) => ({
        ...repair(rest),
        ...{ backend: 'a', database: 'x' },
        ...(reason === undefined ? {} : { reason }),
        first: BigInt(from) * 10n * SECOND,
        last: BigInt(from + length) * 10n * SECOND,
      }))
    const anyRun = fc.tuple(fc.array(fc.oneof(anyGap, anyRepair), { maxLength: 60 }), limits)
    fc.assert(
      fc.property(anyRun, ([steps, limits]) => {
        const table = new GapTable(limits)
        const gaps = new Set<Gap>()
        for (const step of steps) {
          if ('startedAt' in step) {
            table.close(step)
            for (const gap of gaps) if (isBrought(gap, step)) gaps.delete(gap)
          } else {
            table.add(step)
            gaps.add(step)
          }
          const entries = table.entries()
          // A gap that a repair has met may be covered in part.
          const isTouched = (gap: Gap) => steps.some((one) => 'startedAt' in one && meets(gap, one))
          const open = [...gaps].filter((gap) => !isTouched(gap))
          expect(open.filter((gap) => !entries.some((entry) => covers(entry, gap)))).toEqual([])
          const again = new GapTable(limits)
          for (const entry of entries) again.addEntry(entry)
          expect(again.entries()).toEqual(entries)
        }
      }),
    )
  })
})

/** Whether a gap is for a repair, and overlaps with its range. */
function meets(gap: Gap, { backend, database, retentionPolicy, reason, ...repair }: Repair) {
  const { first = repair.first, last = repair.first } = gap
  return (
    gap.backend === backend &&
    gap.database === database &&
    gap.retentionPolicy === retentionPolicy &&
    (reason === undefined || gap.reason === reason) &&
    first <= repair.last &&
    last >= repair.first
  )
}

function isBrought(gap: Gap, repair: Repair): boolean {
  const { first, last } = gap
  if (!meets(gap, repair) || gap.at >= repair.startedAt) return false
  if (first === undefined || last === undefined) return repair.unknownTime ?? false
  return first >= repair.first && last <= repair.last
}

describe('every added gap', () => {
  test('stays covered and counted', () => {
    fc.assert(
      fc.property(anyRun, ([gaps, limits]) => {
        const table = new GapTable(limits)
        for (const [i, one] of gaps.entries()) {
          table.add(one)
          const entries = table.entries()
          const added = gaps.slice(0, i + 1)
          expect(added.filter((past) => !entries.some((entry) => covers(entry, past)))).toEqual([])
          expect(sum(entries)).toEqual(sum(added))
          expect(entries.reduce((times, entry) => times + entry.times, 0)).toBe(i + 1)
        }
      }),
    )
  })

  test('keeps its reason and policy while there is room', () => {
    fc.assert(
      fc.property(fc.array(anyGap, { maxLength: 40 }), (gaps) => {
        const table = tableOf(gaps, { maxRanges: 100, maxEntries: 1000 })
        const entries = table.entries()
        for (const one of gaps.filter(({ reason }) => reason !== LEDGER_FULL)) {
          const own = entries.filter(
            ({ reason, retentionPolicy }) =>
              reason === one.reason && retentionPolicy === one.retentionPolicy,
          )
          expect(own.some((entry) => covers(entry, one))).toBe(true)
        }
      }),
    )
  })

  test('leaves the number of entries within the bounds', () => {
    fc.assert(
      fc.property(anyRun, ([gaps, { maxRanges, maxEntries }]) => {
        const entries = tableOf(gaps, { maxRanges, maxEntries }).entries()
        const named = entries.filter(({ reason }) => reason !== LEDGER_FULL)
        expect(named.length).toBeLessThanOrEqual(maxEntries)
        expect(entries.length - named.length).toBeLessThanOrEqual(4)
        const ranges = new Map<string, number>()
        for (const { backend, database, retentionPolicy, reason, first } of named) {
          const key = [backend, database, retentionPolicy, reason, first === undefined].join()
          ranges.set(key, (ranges.get(key) ?? 0) + 1)
        }
        expect(Math.max(0, ...ranges.values())).toBeLessThanOrEqual(maxRanges)
      }),
    )
  })

  test('leaves no two ranges of a destination within a minute', () => {
    fc.assert(
      fc.property(anyRun, ([gaps, limits]) => {
        const entries = tableOf(gaps, limits).entries()
        for (const [i, b] of entries.entries()) {
          const a = entries[i - 1]
          if (!a || a.last === undefined || b.first === undefined) continue
          const alike = (['backend', 'database', 'retentionPolicy', 'reason'] as const).every(
            (key) => a[key] === b[key],
          )
          if (alike) expect(b.first - a.last).toBeGreaterThan(MINUTE)
        }
      }),
    )
  })

  test('merges to the same entries in any order while there is room', () => {
    const anyOrder = fc
      .array(anyGap, { maxLength: 15 })
      .chain((gaps) =>
        fc.tuple(
          fc.constant(gaps),
          fc.shuffledSubarray(gaps, { minLength: gaps.length, maxLength: gaps.length }),
        ),
      )
    fc.assert(
      fc.property(anyOrder, ([gaps, shuffled]) => {
        const limits = { maxRanges: 100, maxEntries: 1000 }
        expect(tableOf(shuffled, limits).entries()).toEqual(tableOf(gaps, limits).entries())
      }),
    )
  })
})
