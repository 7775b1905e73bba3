import { expect, test } from 'vitest'
import { describeFailure, type Report, simulate } from '../simulation/run.ts'

/** How many seeds, and the first of them: CI runs thousands, divided among processes. */
const SEEDS = Number(process.env.SEEDS ?? 100)
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

// In each of these stories a bug of scripts/mutants/ shows that only few others show. A change of the
// simulation changes its stories: `npm run mutants` prints which show what.
test.each([
  [69, 'a client whose write the disk refused is told so'],
  [82, 'what the ledger could not write is not acknowledged'],
  [106, 'a record that a power cut has torn is not delivered'],
  [115, 'what the ledger could not write is written once the disk works'],
  [141, 'the file that says whose a lane is outlives a power cut'],
  [208, 'a record stays on disk until its dead letter is there'],
  [328, 'a file whose sync has failed is not trusted again'],
  [429, 'a segment is removed only behind the head on disk'],
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
