/**
 * Puts deliberate bugs into the relay, one at a time, and sees whether the simulation catches them:
 *
 *     npm run mutants                          all of them
 *     npm run mutants -- --only head           those whose names match a regular expression
 *     npm run mutants -- --seeds 5000          look for longer before one counts as survivor
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import type { Message } from './mutants/child.ts'
import { MUTANTS } from './mutants/list.ts'
import { applyMutant, type Mutant } from './mutants/mutant.ts'

const FEWEST = 25
const SHARE = 0.95

/** A seed takes a fraction of a second: a child that is at it for so long hangs. */
const PATIENCE_MS = 30_000

interface Fate {
  readonly caught: boolean
  readonly how: string
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    seeds: { type: 'string', default: '1500' },
    processes: { type: 'string', default: '2' },
  },
})

/** All that are stale, at once. */
async function checkMutants(mutants: readonly Mutant[]): Promise<void> {
  const stale: string[] = []
  for (const mutant of mutants) {
    const source = await readFile(join(import.meta.dirname, '..', 'src', mutant.file), 'utf8')
    try {
      applyMutant(mutant, source)
    } catch (error) {
      stale.push((error as Error).message)
    }
  }
  const names = mutants.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) stale.push(`two mutants are called ${twice}`)
  if (stale.length > 0) throw new Error(stale.join('\n'))
}

async function hunt({ name }: Mutant): Promise<Fate> {
  const script = join(import.meta.dirname, 'mutants', 'child.ts')
  const args = ['run', script, '--mutant', name, '--seeds', values.seeds]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let complaint = ''
  child.stderr.on('data', (data) => {
    complaint += data
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const fate = await watch(child)
  await ended
  if (fate) return fate
  throw new Error(`the simulation with mutant ${name} broke off: ${complaint}`)
}

/** What becomes of a mutant; undefined if its child ends without saying so. */
async function watch(child: ChildProcess): Promise<Fate | undefined> {
  let seed = 0
  let fate: Fate | undefined
  const hang = () => {
    child.kill('SIGKILL')
    fate = { caught: true, how: `time-out: seed ${seed} hangs` }
  }
  let timer = setTimeout(hang, PATIENCE_MS)
  for await (const line of createInterface({
    input: child.stdout as NonNullable<typeof child.stdout>,
  })) {
    clearTimeout(timer)
    timer = setTimeout(hang, PATIENCE_MS)
    const message: Message = JSON.parse(line)
    if (message.kind === 'begins') seed = message.seed
    else if (message.kind === 'survived') fate = { caught: false, how: 'SURVIVED' }
    else fate = { caught: true, how: `seed ${message.seed}: ${message.fault}` }
  }
  clearTimeout(timer)
  return fate
}

const mutants = MUTANTS.filter(({ name }) => new RegExp(values.only).test(name))
if (mutants.length === 0) {
  console.error(`--only is ${values.only}; no mutant has such a name`)
  process.exit(1)
}
await checkMutants(MUTANTS)
const survivors: Mutant[] = []
const queue = [...mutants]
const width = Math.max(...mutants.map(({ name }) => name.length))

async function work(): Promise<void> {
  for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
    const { caught, how } = await hunt(mutant)
    if (!caught) survivors.push(mutant)
    console.log(`${mutant.name.padEnd(width)}  ${how.slice(0, 120)}`)
  }
}

await Promise.all(Array.from({ length: Number(values.processes) }, work))

const caught = mutants.length - survivors.length
console.log(`${caught} of ${mutants.length} caught`)
for (const { name, breaks } of survivors) console.log(`survived: ${name}: ${breaks}`)
const enough = MUTANTS.length >= FEWEST && caught >= mutants.length * SHARE
if (!enough) process.exitCode = 1
