/**
 * Puts deliberate bugs into the relay, one at a time, and checks that the simulation catches them:
 *
 *     npm run mutants                          all of them
 *     npm run mutants -- --only head           those whose names match a regular expression
 *     npm run mutants -- --seeds 5000          run more seeds before a mutant counts as a survivor
 *     npm run mutants -- --check               only check that src still has the code of each
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { parseArgs } from 'node:util'
import type { Message } from './mutants/child.ts'
import { MUTANTS } from './mutants/list.ts'
import { applyMutant, type Mutant, readSources, type Source } from './mutants/mutant.ts'

/** The share of mutants that the simulation must catch. */
const MIN_CAUGHT = 0.95

/**
 * A seed takes a fraction of a second; one that takes this long hangs, and that is a catch, too.
 */
const SEED_TIMEOUT_MS = 30_000

interface Outcome {
  readonly caught: boolean
  readonly how: string
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    seeds: { type: 'string', default: '1500' },
    processes: { type: 'string', default: '2' },
    check: { type: 'boolean', default: false },
  },
})

/** @throws an error that names every mutant whose code src does not have exactly once */
function checkMutants(mutants: readonly Mutant[], sources: readonly Source[]): void {
  const faults: string[] = []
  for (const mutant of mutants) {
    try {
      applyMutant(mutant, sources)
    } catch (error) {
      faults.push((error as Error).message)
    }
  }
  const names = mutants.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) faults.push(`two mutants have the name "${twice}"`)
  if (faults.length > 0) throw new Error(faults.join('\n'))
}

/** Runs the simulation with a mutant until it is caught, or has survived all seeds. */
async function hunt({ name }: Mutant): Promise<Outcome> {
  const script = join(import.meta.dirname, 'mutants', 'child.ts')
  const args = ['run', script, '--mutant', name, '--seeds', values.seeds]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', (data) => {
    stderr += data
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const outcome = await follow(child)
  await ended
  if (outcome) return outcome
  throw new Error(`the simulation with mutant "${name}" ended without a result: ${stderr}`)
}

/** Reads what the child prints; undefined if it ends without a result. */
async function follow(child: ChildProcessByStdio<null, Readable, Readable>) {
  let seed = 0
  let outcome: Outcome | undefined
  const timeOut = () => {
    child.kill('SIGKILL')
    outcome = { caught: true, how: `seed ${seed} hangs` }
  }
  let timer = setTimeout(timeOut, SEED_TIMEOUT_MS)
  for await (const line of createInterface({ input: child.stdout })) {
    clearTimeout(timer)
    timer = setTimeout(timeOut, SEED_TIMEOUT_MS)
    const message: Message = JSON.parse(line)
    if (message.kind === 'begins') seed = message.seed
    else if (message.kind === 'survived') outcome = { caught: false, how: 'SURVIVED' }
    else outcome = { caught: true, how: `seed ${message.seed}: ${message.fault}` }
  }
  clearTimeout(timer)
  return outcome
}

async function huntAll(mutants: readonly Mutant[]): Promise<void> {
  const survivors: Mutant[] = []
  const queue = [...mutants]
  const width = Math.max(...mutants.map(({ name }) => name.length))
  const huntNext = async () => {
    for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
      const { caught, how } = await hunt(mutant)
      if (!caught) survivors.push(mutant)
      console.log(`${mutant.name.padEnd(width)}  ${how.slice(0, 120)}`)
    }
  }
  await Promise.all(Array.from({ length: Number(values.processes) }, huntNext))
  const caught = mutants.length - survivors.length
  console.log(`${caught} of ${mutants.length} caught`)
  for (const { name, breaks } of survivors) console.log(`survived: ${name}: ${breaks}`)
  if (caught < mutants.length * MIN_CAUGHT) process.exitCode = 1
}

try {
  const mutants = MUTANTS.filter(({ name }) => new RegExp(values.only).test(name))
  if (mutants.length === 0) throw new Error(`--only is ${values.only}; no mutant has such a name`)
  checkMutants(MUTANTS, await readSources())
  if (values.check) console.log(`src has the code of all ${MUTANTS.length} mutants`)
  else await huntAll(mutants)
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
