/**
 * Makes a large backlog for a server that is down, restarts the relay, and starts the server again.
 * Measures memory and time, and checks that every write arrives once and in order.
 *
 *     npm run backlog                              2 GB on each way to run
 *     npm run backlog -- --gb 0.5 --runtime deno
 *     npm run backlog -- --untimed                 without a limit on the time of the start
 *
 * An idle relay takes little memory; one that serves bodies of 500 KB from four clients takes more,
 * with or without a backlog. So memory with both servers up is measured first. The table shows what
 * the backlog adds to that while clients write and after they have stopped. A restarted relay
 * serves no client, so its start and its drain are compared with an idle relay.
 */

import { statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { type Figures, measure } from './backlog/run.ts'
import { WAYS } from './ways.ts'

const MAX_GROWTH_MB = 64
const MAX_START_SECONDS = 2

const { values } = parseArgs({
  options: {
    gb: { type: 'string', default: '2' },
    runtime: { type: 'string' },
    untimed: { type: 'boolean', default: false },
  },
})

const megabytes = (bytes: number) => bytes / 2 ** 20

/** The columns of the table. */
const COLUMNS: [title: string, figure: (figures: Figures) => string][] = [
  ['idle MB', ({ idle }) => megabytes(idle).toFixed(0)],
  ['at work', ({ working, idle }) => growth(working, idle)],
  ['writing', ({ writing, working }) => growth(writing, working)],
  ['at rest', ({ resting, working }) => growth(resting, working)],
  ['restart', ({ starting, idle }) => growth(starting, idle)],
  ['draining', ({ draining, idle }) => growth(draining, idle)],
  ['start s', ({ startSeconds }) => startSeconds.toFixed(2)],
  ['write MB/s', ({ bytes, writingSeconds }) => (megabytes(bytes) / writingSeconds).toFixed(0)],
  ['drain MB/s', ({ bytes, drainSeconds }) => (megabytes(bytes) / drainSeconds).toFixed(0)],
  ['drain s', ({ drainSeconds }) => drainSeconds.toFixed(1)],
  ['faults', ({ faults }) => String(faults.length)],
]

function growth(bytes: number, before: number): string {
  const grown = megabytes(bytes - before)
  return `${grown < 0 ? '' : '+'}${grown.toFixed(0)}`
}

/** The promises that a run broke. */
function failures(figures: Figures): string[] {
  const { idle, working, writing, resting, starting, draining, startSeconds } = figures
  const grown = {
    'while clients write': writing - working,
    'when they have stopped': resting - working,
    'at start': starting - idle,
    'while it drains': draining - idle,
  }
  const failed = figures.faults.slice(0, 5)
  for (const [when, bytes] of Object.entries(grown)) {
    if (megabytes(bytes) < MAX_GROWTH_MB) continue
    failed.push(`${megabytes(bytes).toFixed(0)} MB more memory ${when}`)
  }
  if (!values.untimed && startSeconds >= MAX_START_SECONDS) {
    failed.push(`served only after ${startSeconds.toFixed(1)} s`)
  }
  return failed
}

async function needRoom(bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(tmpdir())
  if (bavail * bsize > bytes * 1.2) return
  throw new Error(`${tmpdir()} has no room for a backlog of ${megabytes(bytes).toFixed(0)} MB`)
}

const ways = Object.entries(WAYS).filter(([way]) => way === (values.runtime ?? way))
if (ways.length === 0) throw new Error(`--runtime is one of ${Object.keys(WAYS).join(', ')}`)
const size = Number(values.gb) * 2 ** 30
await needRoom(size)

console.log(`a backlog of ${megabytes(size).toFixed(0)} MB; memory in MB`)
console.log(['way'.padEnd(12), ...COLUMNS.map(([title]) => title.padStart(10))].join(' '))
let failed = false
for (const [way, command] of ways) {
  const figures = await measure(command, size)
  const row = COLUMNS.map(([, figure]) => figure(figures).padStart(10))
  console.log([way.padEnd(12), ...row].join(' '))
  for (const failure of failures(figures)) {
    failed = true
    console.log(`  ${way}: ${failure}`)
  }
}
process.exit(failed ? 1 : 0)
