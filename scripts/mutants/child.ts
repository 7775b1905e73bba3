/**
 * Runs the simulation with one deliberate bug in the relay, seed after seed, until it is caught.
 * Prints a line of JSON before each seed, and one with the result.
 */

import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { plugin } from 'bun'
import { MUTANTS } from './list.ts'
import { applyMutant, readSources } from './mutant.ts'

/** A line of output. */
export type Message =
  | { readonly kind: 'begins'; readonly seed: number }
  | { readonly kind: 'caught'; readonly seed: number; readonly fault: string }
  | { readonly kind: 'survived' }

const { values } = parseArgs({
  options: { mutant: { type: 'string', default: '' }, seeds: { type: 'string', default: '1' } },
})
const mutant = MUTANTS.find(({ name }) => name === values.mutant)
if (!mutant) throw new Error(`no mutant "${values.mutant}"`)

const mutated = applyMutant(mutant, await readSources())
const target = join(import.meta.dirname, '..', '..', 'src', mutated.file)
plugin({
  name: 'mutant',
  setup(build) {
    build.onLoad({ filter: /\/src\/.+\.ts$/ }, async ({ path }) => {
      const contents = path === target ? mutated.text : await Bun.file(path).text()
      return { contents, loader: 'ts' }
    })
  },
})
const { simulate } = await import('../../test/simulation/run.ts')

function say(message: Message): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

async function hunt(seeds: number): Promise<Message> {
  for (let seed = 1; seed <= seeds; seed++) {
    say({ kind: 'begins', seed })
    const { faults } = await simulate(seed)
    const [fault] = faults
    if (fault !== undefined) return { kind: 'caught', seed, fault }
  }
  return { kind: 'survived' }
}

say(await hunt(Number(values.seeds)))
