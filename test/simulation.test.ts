import { expect, test } from 'vitest'
import { describeFailure, type Report, simulate } from './simulation/run.ts'

/** How many seeds, and the first of them: CI runs thousands, divided among processes. */
const SEEDS = Number(process.env.SEEDS ?? 200)
const FIRST_SEED = Number(process.env.FIRST_SEED ?? 1)

/** A test's share: an interrupted run then says about where it was. */
const SEEDS_PER_TEST = 50

async function expectNoFaults(seed: number): Promise<void> {
  const report = await simulate(seed)
  if (report.faults.length > 0) throw new Error(describeFailure(report))
}

test('the same seed tells the same story', async () => {
  for (const seed of [1, 2, 3]) {
    const first = await simulate(seed)
    const second = await simulate(seed)
    expect(first.trace.length).toBeGreaterThan(100)
    expect(second.trace).toEqual(first.trace)
  }
}, 60_000)

test('stories differ, and most writes are acknowledged', async () => {
  const reports: Report[] = []
  for (let seed = 1; seed <= 12; seed++) reports.push(await simulate(seed))
  expect(new Set(reports.map(({ trace }) => trace.join('\n'))).size).toBe(reports.length)
  const sum = (of: 'writes' | 'acknowledged' | 'lives') =>
    reports.reduce((total, report) => total + report[of], 0)
  expect(sum('acknowledged')).toBeGreaterThan(sum('writes') / 4)
  expect(sum('lives')).toBeGreaterThan(reports.length)
}, 60_000)

// Each of these has shown a fault once; but a change of the simulation changes their stories.
test.each([
  [4, 'a buffer keeps to its bound, records and lanes side by side counted'],
  [10, 'a write that is given up on disk is answered'],
  [78, 'nothing is given up before the ledger has it on disk'],
  [98, 'a full disk does not lose what the buffer has no room for'],
  [136, 'what is too old stays until the ledger has it on disk'],
  [157, 'what the ledger could not write is written when the disk is well'],
  [13135, 'a lane file that was not synced before a kill does not tear'],
  [32666, 'a write in flight that found no room is not put on disk behind later ones'],
  [20693, 'a loss is in the ledger soon after the disk is well'],
])('seed %i: %s', expectNoFaults, 60_000)

const starts = Array.from(
  { length: Math.ceil(SEEDS / SEEDS_PER_TEST) },
  (_, i) => FIRST_SEED + i * SEEDS_PER_TEST,
)

test.each(starts)(
  'nothing is lost, out of order, or left waiting: seeds from %i',
  async (start) => {
    const end = Math.min(start + SEEDS_PER_TEST, FIRST_SEED + SEEDS)
    for (let seed = start; seed < end; seed++) await expectNoFaults(seed)
  },
  120_000,
)
