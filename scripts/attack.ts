/**
 * Attacks relays on each way to run, one hostile case after another, each against a fresh relay, and
 * prints what each cost: memory, time, and how a client that does no harm was served meanwhile.
 *
 *     npm run attack                                   everything
 *     npm run attack -- --only 'gzip|chunks' --on bun,node
 *     npm run attack -- --overload 10                  ten minutes of twice the load that it takes
 *
 * Exits with status 1 if a bound was broken.
 */

import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { stopServices } from '../bench/service.ts'
import { relays } from '../bench/subjects.ts'
import { table } from '../bench/table.ts'
import { CASES } from './attack/cases.ts'
import { type Outcome, runCase } from './attack/run.ts'
import { Servers } from './attack/servers.ts'

const HELP = `npm run attack -- [options]

  --only REGEX     only cases whose name it matches (--list shows them)
  --on A,B         only ways to run whose name starts so: ${relays.map(({ name }) => name).join(', ')}
  --json FILE      write the figures to a file
  --list           the names of cases, and what each does`

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    on: { type: 'string', default: '' },
    json: { type: 'string' },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const COLUMNS: [title: string, figure: (outcome: Outcome) => string][] = [
  ['case', (outcome) => outcome.case],
  ['way', ({ way }) => way],
  ['idle MB', ({ idleMb }) => idleMb.toFixed(0)],
  ['peak MB', ({ idleMb, peakMb }) => growth(peakMb - idleMb)],
  ['after', ({ idleMb, afterMb }) => growth(afterMb - idleMb)],
  ['seconds', ({ seconds }) => seconds.toFixed(2)],
  ['served', ({ probe }) => `${probe.outcomes['204'] ?? 0}/${probe.sent}`],
  ['wait ms', ({ probe }) => probe.longestWaitMs.toFixed(0)],
  ['lives', ({ isAlive }) => (isAlive ? 'yes' : 'no')],
]

const growth = (megabytes: number) => `${megabytes < 0 ? '' : '+'}${megabytes.toFixed(0)}`

const row = (outcome: Outcome) => COLUMNS.map(([, figure]) => figure(outcome))

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
        console.log(`${row(outcome).join('  ')}  ${outcome.answers}`)
        for (const broken of outcome.broken) console.log(`  BROKEN: ${broken}`)
        if (values.json) await writeFile(values.json, `${JSON.stringify(outcomes, null, 1)}\n`)
      }
    }
  } finally {
    await servers.stop()
    await stopServices()
  }
  console.log(`\n${table([COLUMNS.map(([title]) => title), ...outcomes.map(row)])}`)
  return outcomes.every(({ broken }) => broken.length === 0)
}

if (values.help) console.log(HELP)
else if (values.list) for (const { name, title } of cases) console.log(`${name}: ${title}`)
else process.exit((await attack()) ? 0 : 1)
