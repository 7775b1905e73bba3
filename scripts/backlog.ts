/**
 * Makes a large backlog for a server that is down, restarts the relay, and lets the server come back:
 * how much memory that takes, how long, and whether every write arrives, once and in order.
 *
 *     npm run backlog                              2 GB on each way to run
 *     npm run backlog -- --gb 0.5 --runtime deno
 */

import { statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { BATCH_BYTES } from './backlog/batches.ts'
import { type Figures, measure } from './backlog/run.ts'
import { WAYS } from './ways.ts'

const MAX_GROWTH_MB = 64
const MAX_START_SECONDS = 2

const { values } = parseArgs({
  options: { gb: { type: 'string', default: '2' }, runtime: { type: 'string' } },
})

const megabytes = (bytes: number) => bytes / 2 ** 20

/** What the table shows of a run. */
const COLUMNS: [title: string, figure: (figures: Figures) => string][] = [
  ['idle MB', ({ idle }) => megabytes(idle).toFixed(0)],
  ['writing', ({ writing, idle }) => growth(writing, idle)],
  ['at rest', ({ resting, idle }) => growth(resting, idle)],
  ['restart', ({ starting, idle }) => growth(starting, idle)],
  ['draining', ({ draining, idle }) => growth(draining, idle)],
  ['start s', ({ startSeconds }) => startSeconds.toFixed(2)],
  ['write MB/s', ({ bytes, writingSeconds }) => (megabytes(bytes) / writingSeconds).toFixed(0)],
  ['drain MB/s', ({ bytes, drainSeconds }) => (megabytes(bytes) / drainSeconds).toFixed(0)],
  ['drain s', ({ drainSeconds }) => drainSeconds.toFixed(1)],
  ['faults', ({ faults }) => String(faults.length)],
]

function growth(bytes: number, idle: number): string {
  return `+${megabytes(bytes - idle).toFixed(0)}`
}

/** Where a run misses what the relay promises. */
function failures(figures: Figures): string[] {
  const { idle, startSeconds, faults } = figures
  const failed = faults.slice(0, 5)
  for (const phase of ['writing', 'resting', 'starting', 'draining'] as const) {
    const grown = megabytes(figures[phase] - idle)
    if (grown >= MAX_GROWTH_MB) failed.push(`${grown.toFixed(0)} MB more memory when ${phase}`)
  }
  if (startSeconds >= MAX_START_SECONDS)
    failed.push(`served only after ${startSeconds.toFixed(1)} s`)
  return failed
}

async function needRoom(bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(tmpdir())
  if (bavail * bsize > bytes * 1.2) return
  throw new Error(`${tmpdir()} has no room for a backlog of ${megabytes(bytes).toFixed(0)} MB`)
}

const ways = Object.entries(WAYS).filter(([way]) => way === (values.runtime ?? way))
if (ways.length === 0) throw new Error(`--runtime is one of ${Object.keys(WAYS).join(', ')}`)
const writes = Math.ceil((Number(values.gb) * 2 ** 30) / BATCH_BYTES)
await needRoom(writes * BATCH_BYTES)

console.log(`a backlog of ${writes} writes, ${megabytes(writes * BATCH_BYTES).toFixed(0)} MB`)
console.log(['way'.padEnd(12), ...COLUMNS.map(([title]) => title.padStart(10))].join(' '))
let failed = false
for (const [way, command] of ways) {
  const figures = await measure(command, writes)
  const row = COLUMNS.map(([, figure]) => figure(figures).padStart(10))
  console.log([way.padEnd(12), ...row].join(' '))
  for (const failure of failures(figures)) {
    failed = true
    console.log(`  ${way}: ${failure}`)
  }
}
process.exit(failed ? 1 : 0)
