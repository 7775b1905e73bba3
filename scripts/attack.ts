/**
 * Attacks relays on each way to run, one hostile case after another, each against a fresh relay, and
 * prints what each cost: memory, time, and how a client that does no harm was served meanwhile.
 *
 *     npm run attack                      all cases on all ways to run
 *     npm run attack -- --only 'gzip|chunks' --on bun,node
 *     npm run attack -- --overload 10     no cases, but ten minutes of twice the load that it takes
 *
 * Exits with status 1 if a bound was broken.
 */

import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { stopServices } from '../bench/service.ts'
import { type RelaySubject, relays } from '../bench/subjects.ts'
import { table } from '../bench/table.ts'
import { CASES } from './attack/cases.ts'
import { type Overload, overload } from './attack/overload.ts'
import { type Outcome, runCase } from './attack/run.ts'
import { Servers } from './attack/servers.ts'

const HELP = `npm run attack -- [options]

  --only REGEX     only cases whose name it matches (--list shows them)
  --on A,B         only ways to run whose name starts so: ${relays.map(({ name }) => name).join(', ')}
  --json FILE      write the figures to a file
  --overload N     no cases: N minutes of twice the load that the machine takes, while one server is
                   down and its writes go to disk
  --at-once        with --overload: all ways to run at the same time, not one after another
  --list           the names of cases, and what each does`

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    on: { type: 'string', default: '' },
    json: { type: 'string' },
    overload: { type: 'string' },
    'at-once': { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const FIGURES: [title: string, figure: (outcome: Outcome) => string][] = [
  ['idle MB', ({ idleMb }) => idleMb.toFixed(0)],
  ['peak', ({ idleMb, peakMb }) => growth(peakMb - idleMb)],
  ['after', ({ idleMb, afterMb }) => growth(afterMb - idleMb)],
  ['seconds', ({ seconds }) => seconds.toFixed(2)],
  ['served', ({ probe }) => `${probe.outcomes['204'] ?? 0}/${probe.sent}`],
  ['longest wait ms', ({ probe }) => probe.longestWaitMs.toFixed(0)],
  ['lives', ({ isAlive }) => (isAlive ? 'yes' : 'no')],
]

function growth(megabytes: number): string {
  if (Number.isNaN(megabytes)) return '–' // the relay has ended
  return `${megabytes < 0 ? '' : '+'}${megabytes.toFixed(0)}`
}

const cases = CASES.filter(({ name }) => new RegExp(values.only).test(name))
const ways = relays.filter(({ name }) => values.on.split(',').some((on) => name.startsWith(on)))

async function attack(): Promise<boolean> {
  const outcomes: Outcome[] = []
  const servers = await Servers.start()
  try {
    for (const way of ways) {
      for (const one of cases) {
        const outcome = await runCase(one, way, servers)
        outcomes.push(outcome)
        const figures = FIGURES.map(([title, figure]) => `${title} ${figure(outcome)}`)
        console.log(`${one.name}, ${way.name}: ${figures.join(', ')}: ${outcome.answers}`)
        for (const broken of outcome.broken) console.log(`  BROKEN: ${broken}`)
        await save(outcomes)
      }
    }
  } finally {
    await servers.stop()
    await stopServices()
  }
  console.log(`\n${summary(outcomes)}`)
  return outcomes.every(({ broken }) => broken.length === 0)
}

/** A row for each case, a column for each way to run. */
function summary(outcomes: readonly Outcome[]): string {
  const cell = (name: string, way: string) => {
    const outcome = outcomes.find((one) => one.case === name && one.way === way)
    if (!outcome) return ''
    const grown = growth(outcome.peakMb - outcome.idleMb)
    const wait = outcome.probe.longestWaitMs.toFixed(0)
    return `${grown} / ${wait}${outcome.broken.length > 0 ? ' !' : ''}`
  }
  const names = ways.map(({ name }) => name)
  const rows = cases.map(({ name }) => [name, ...names.map((way) => cell(name, way))])
  const legend = 'growth of memory in MB / longest wait of the other client in ms; ! breaks a bound'
  return `${legend}\n${table([['case', ...names], ...rows])}`
}

const OVERLOAD: [title: string, figure: (overload: Overload) => string][] = [
  ['way', ({ way }) => way],
  ['capacity/s', ({ capacity }) => capacity.toFixed(0)],
  ['offered', ({ offered }) => String(offered)],
  ['acknowledged', ({ acknowledged }) => String(acknowledged)],
  ['first third MB', ({ firstMb }) => firstMb.toFixed(0)],
  ['last third MB', ({ lastMb }) => lastMb.toFixed(0)],
  ['peak MB', ({ peakMb }) => peakMb.toFixed(0)],
  ['drain s', ({ drainSeconds }) => drainSeconds.toFixed(0)],
  ['lost', ({ lost }) => String(lost)],
]

async function overloadAll(minutes: number): Promise<boolean> {
  const results: Overload[] = []
  const one = async (way: RelaySubject) => {
    const result = await overload(way, minutes)
    results.push(result)
    console.log(`${way.name}: ${result.answers}`)
    for (const broken of result.broken) console.log(`  BROKEN: ${broken}`)
  }
  if (values['at-once']) await Promise.all(ways.map(one))
  else for (const way of ways) await one(way)
  await save(results)
  const rows = results.map((result) => OVERLOAD.map(([, figure]) => figure(result)))
  console.log(`\n${table([OVERLOAD.map(([title]) => title), ...rows])}`)
  return results.every(({ broken }) => broken.length === 0)
}

async function save(results: readonly unknown[]): Promise<void> {
  if (values.json) await writeFile(values.json, `${JSON.stringify(results, null, 1)}\n`)
}

const run = () => (values.overload === undefined ? attack() : overloadAll(Number(values.overload)))

if (values.help) console.log(HELP)
else if (values.list) for (const { name, title } of cases) console.log(`${name}: ${title}`)
else process.exit((await run()) ? 0 : 1)
