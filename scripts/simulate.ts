/**
 * Runs the simulation, once for each seed:
 *
 *     npm run simulate                                   100 seeds
 *     npm run simulate -- --seed 1 --runs 5000           these 5000, on two processes
 *     npm run simulate -- --seed 77 --runs 1             one, and its trace if it fails
 *     npm run simulate -- --seed 77 --runs 1 --trace     its trace in any case
 */

import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { describeFailure, simulate } from '../test/simulation/run.ts'

interface Sums {
  writes: number
  acknowledged: number
  lives: number
  readonly failed: number[]
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '100' },
    processes: { type: 'string', default: '2' },
    trace: { type: 'boolean', default: false },
    /** Internal: run every nth seed and print the sums as JSON. */
    step: { type: 'string' },
  },
})

const first = Number(values.seed)
const runs = Number(values.runs)

/** Runs every `step`th seed, and prints faults. */
async function runSeeds(from: number, step: number): Promise<Sums> {
  const sums: Sums = { writes: 0, acknowledged: 0, lives: 0, failed: [] }
  for (let seed = from; seed < first + runs; seed += step) {
    const report = await simulate(seed)
    sums.writes += report.writes
    sums.acknowledged += report.acknowledged
    sums.lives += report.lives
    if (report.faults.length > 0) {
      sums.failed.push(seed)
      console.error(runs === 1 ? describeFailure(report) : `seed ${seed}: ${report.faults[0]}`)
    } else if (values.trace) {
      console.log(report.trace.join('\n'))
    }
  }
  return sums
}

async function runProcesses(count: number): Promise<Sums> {
  const parts = await Promise.all(Array.from({ length: count }, (_, i) => runProcess(i, count)))
  const sum = (of: 'writes' | 'acknowledged' | 'lives') =>
    parts.reduce((total, part) => total + part[of], 0)
  return {
    ...{ writes: sum('writes'), acknowledged: sum('acknowledged'), lives: sum('lives') },
    failed: parts.flatMap(({ failed }) => failed).sort((a, b) => a - b),
  }
}

async function runProcess(i: number, step: number): Promise<Sums> {
  // A later start takes fewer runs, so that the range ends at the same seed.
  const range = ['--seed', String(first + i), '--runs', String(runs - i), '--step', String(step)]
  const args = ['run', import.meta.filename, ...range]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const output = await text(child.stdout)
  if ((await ended) !== 0)
    throw new Error(`the process that runs seeds from ${first + i} on failed`)
  return JSON.parse(output)
}

async function main(): Promise<void> {
  const started = performance.now()
  const processes = Math.min(Number(values.processes), runs)
  const alone = processes === 1 || values.trace
  const sums = await (alone ? runSeeds(first, 1) : runProcesses(processes))
  const seconds = (performance.now() - started) / 1000
  console.log(
    `${runs} runs in ${seconds.toFixed(1)} s, ${(runs / seconds).toFixed(0)} a second: ` +
      `${sums.writes} writes accepted, ${sums.acknowledged} acknowledged, ${sums.lives} lives`,
  )
  if (sums.failed.length === 0) return
  console.error(`${sums.failed.length} failed: ${sums.failed.slice(0, 50).join(' ')}`)
  process.exitCode = 1
}

if (values.step === undefined) await main()
else console.log(JSON.stringify(await runSeeds(first, Number(values.step))))
