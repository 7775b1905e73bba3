/** Runs the simulation: `bun run scripts/simulate.ts --seed N --runs M`. */

import { parseArgs } from 'node:util'
import { describeFailure, simulate } from '../test/simulation/run.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '100' },
    trace: { type: 'boolean', default: false },
  },
})

const first = Number(values.seed)
const runs = Number(values.runs)
const started = performance.now()
const failed: number[] = []
let writes = 0
let acknowledged = 0
let lives = 0

for (let seed = first; seed < first + runs; seed++) {
  const report = await simulate(seed)
  writes += report.writes
  acknowledged += report.acknowledged
  lives += report.lives
  if (report.faults.length > 0) {
    failed.push(seed)
    console.error(runs === 1 ? describeFailure(report) : `seed ${seed}: ${report.faults[0]}`)
  } else if (values.trace) {
    console.log(report.trace.join('\n'))
  }
}

const seconds = (performance.now() - started) / 1000
console.log(
  `${runs} runs in ${seconds.toFixed(1)} s, ${(runs / seconds).toFixed(0)} a second: ` +
    `${writes} writes accepted, ${acknowledged} acknowledged, ${lives} lives`,
)
if (failed.length > 0) {
  console.error(`${failed.length} failed: ${failed.slice(0, 50).join(' ')}`)
  process.exitCode = 1
}
