import { expect, test } from 'vitest'
import { describeFailure, type Report, simulate } from '../simulation/run.ts'
import { seeds } from '../support/seeds.ts'

/** A test's share of the seeds, so that its title says roughly which seed hangs. */
const SEEDS_PER_TEST = 25

async function expectNoFaults(seed: number): Promise<void> {
  const report = await simulate(seed)
  if (report.faults.length > 0) throw new Error(describeFailure(report))
}

test('the same seed gives the same trace', async () => {
  for (const seed of seeds(3)) {
    const first = await simulate(seed)
    const second = await simulate(seed)
    expect(first.trace.length).toBeGreaterThan(100)
    expect(second.trace).toEqual(first.trace)
  }
}, 60_000)

test('seeds differ, and a good part of the writes is acknowledged', async () => {
  const reports: Report[] = []
  for (let seed = 1; seed <= 12; seed++) reports.push(await simulate(seed))
  expect(new Set(reports.map(({ trace }) => trace.join('\n'))).size).toBe(reports.length)
  const sum = (of: 'writes' | 'acknowledged' | 'lives') =>
    reports.reduce((total, report) => total + report[of], 0)
  expect(sum('acknowledged')).toBeGreaterThan(sum('writes') / 4)
  expect(sum('lives')).toBeGreaterThan(reports.length)
}, 60_000)

// Each of these seeds catches a bug of scripts/mutants/ that few other seeds catch. A change of the
// simulation changes what a seed does: `npm run mutants` prints the seed that catches each.
test.each([
  [32, 'a file whose sync has failed is not used again'],
  [102, 'a buffer on disk stays within its bound'],
  [106, 'a segment is removed only after the head on disk has passed it'],
  [201, 'a record stays on disk until its dead letter is there'],
  [633, 'a loss that the ledger could not write is not acknowledged'],
  [822, 'the file of a lane outlives a power cut'],
  [1005, 'a removed segment stays removed, even if the head file is lost'],
  [1793, 'no write is sent before records that an append has left which the disk refused'],
])('seed %i: %s', expectNoFaults, 60_000)

// `npm run simulate` runs more, on Bun.
const all = seeds(50)
const parts = all.filter((_, i) => i % SEEDS_PER_TEST === 0)

test.each(parts)(
  'nothing is lost, delivered out of order, or left waiting in seeds from %i',
  async (first) => {
    for (const seed of all.slice(first - 1, first - 1 + SEEDS_PER_TEST)) await expectNoFaults(seed)
  },
  120_000,
)
