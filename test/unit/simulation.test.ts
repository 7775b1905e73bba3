import { expect, test } from 'vitest'
import { describeFailure, type Report, simulate } from '../simulation/run.ts'
import { seeds } from '../support/seeds.ts'

/** How many seeds a test runs: a failure then names about where it was. */
const SEEDS_PER_TEST = 50

async function expectNoFaults(seed: number): Promise<void> {
  const report = await simulate(seed)
  if (report.faults.length > 0) throw new Error(describeFailure(report))
}

test('the same seed gives the same simulation', async () => {
  for (const seed of seeds(3)) {
    const first = await simulate(seed)
    const second = await simulate(seed)
    expect(first.trace.length).toBeGreaterThan(100)
    expect(second.trace).toEqual(first.trace)
  }
}, 60_000)

test('simulations differ, and many writes are acknowledged', async () => {
  const reports: Report[] = []
  for (let seed = 1; seed <= 12; seed++) reports.push(await simulate(seed))
  expect(new Set(reports.map(({ trace }) => trace.join('\n'))).size).toBe(reports.length)
  const sum = (of: 'writes' | 'acknowledged' | 'lives') =>
    reports.reduce((total, report) => total + report[of], 0)
  expect(sum('acknowledged')).toBeGreaterThan(sum('writes') / 4)
  expect(sum('lives')).toBeGreaterThan(reports.length)
}, 60_000)

// Each of these seeds shows a bug of scripts/mutants/ that few others show. Most changes of src change what a
// seed shows: `npm run mutants` prints the first seed for each bug.
test.each([
  [76, 'a client whose write the disk refused gets an answer'],
  [624, 'a write whose loss could not be recorded is not acknowledged'],
  [106, 'a record that a power cut has torn is not delivered'],
  [115, 'a loss that could not be recorded is recorded once the disk works'],
  [141, "a lane's file is still there after a power cut"],
  [208, 'a record stays on disk until its dead letter is there'],
  [328, 'a file whose sync has failed is not used again'],
  [429, 'a segment is removed only after the head has moved past it'],
])('seed %i: %s', expectNoFaults, 60_000)

// `npm run simulate` runs as many more as it is asked to.
const all = seeds(100)
const parts = all.filter((_, i) => i % SEEDS_PER_TEST === 0)

test.each(parts)(
  'nothing is lost, delivered out of order, or left waiting: seeds from %i',
  async (first) => {
    for (const seed of all.slice(first - 1, first - 1 + SEEDS_PER_TEST)) await expectNoFaults(seed)
  },
  120_000,
)
