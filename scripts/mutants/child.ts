/**
 * Runs the simulation with one deliberate bug in it, seed after seed, until it is caught. Prints a line
 * of JSON before each seed and one in the end.
 */

import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { plugin } from 'bun'
import { MUTANTS } from './list.ts'
import { applyMutant } from './mutant.ts'

/** What the child says. */
export type Message =
  | { readonly kind: 'begins'; readonly seed: number }
  | { readonly kind: 'caught'; readonly seed: number; readonly fault: string }
  | { readonly kind: 'survived' }

const { values } = parseArgs({
  options: { mutant: { type: 'string', default: '' }, seeds: { type: 'string', default: '1' } },
})
const mutant = MUTANTS.find(({ name }) => name === values.mutant)
if (!mutant) throw new Error(`no mutant "${values.mutant}"`)

const target = join(import.meta.dirname, '..', '..', 'src', mutant.file)
plugin({
  name: 'mutant',
  setup(build) {
    build.onLoad({ filter: /\/src\/.+\.ts$/ }, async ({ path }) => {
      const source = await Bun.file(path).text()
      return { contents: path === target ? applyMutant(mutant, source) : source, loader: 'ts' }
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
