import { expect, test } from 'vitest'
import { GapTable } from '../../../src/losses/gap-table.ts'

const gap = (database: string, more = {}) => ({
  ...{ backend: 'a', database, retentionPolicy: '', first: 1n, last: 2n },
  ...{ points: 3, writes: 0, reason: 'buffer full', at: 1000 },
  ...more,
})

const table = () => new GapTable({ maxRanges: 4, maxEntries: 2 })

test('a backend lacks what its gaps in the databases add up to', () => {
  const gaps = table()
  expect(gaps.shortage('a', 'all')).toBeUndefined()
  gaps.add(gap('d'))
  gaps.add(gap('d', { retentionPolicy: 'rp', writes: 1, at: 500 }))
  expect(gaps.shortage('a', new Set(['d', 'e']))).toEqual({ points: 6, writes: 1, since: 500 })
  expect(gaps.shortage('a', 'all')).toEqual({ points: 6, writes: 1, since: 500 })
  expect(gaps.shortage('a', new Set(['e']))).toBeUndefined()
  expect(gaps.shortage('b', 'all')).toBeUndefined()
})

test('a gap whose database is not known is in every database', () => {
  const gaps = table()
  gaps.add(gap(''))
  expect(gaps.shortage('a', new Set(['d']))).toMatchObject({ points: 3 })
  const full = table()
  for (const database of ['d', 'e', 'f']) full.add(gap(database))
  expect(full.shortage('a', new Set(['g']))).toMatchObject({ points: 3 })
})

test('a repair ends what a backend lacks', () => {
  const gaps = table()
  gaps.add(gap('d'))
  expect(gaps.shortage('a', 'all')).toBeDefined()
  gaps.close({
    backend: 'a',
    database: 'd',
    retentionPolicy: '',
    first: 0n,
    last: 9n,
    startedAt: 2000,
  })
  expect(gaps.shortage('a', 'all')).toBeUndefined()
})
