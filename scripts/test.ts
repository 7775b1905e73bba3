import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { findInfluxd } from '../test/real/influxd.ts'
import { findNewestNode } from '../test/real/node.ts'
import { findStrace } from '../test/real/strace.ts'

const root = join(import.meta.dirname, '..')
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const bun = join(root, 'node_modules', '.bin', 'bun')
const deno = join(root, 'node_modules', '.bin', 'deno')

const unit = [vitest, 'run', '--project', 'unit']
const simulate = join(root, 'scripts', 'simulate.ts')
const torture = join(root, 'scripts', 'torture.ts')
const backlog = join(root, 'scripts', 'backlog.ts')
const bench = join(root, 'bench', 'main.ts')

/** Seeds of the simulation, and kills on each way to run; more by `npm run simulate` and `torture`. */
const SEEDS = '5000'
const CYCLES = '25'

/** Of what `npm run backlog` does at large on each way to run. */
const BACKLOG = ['--gb', '0.125', '--runtime', 'node', '--untimed']

const contract = [vitest, 'run', '--project', 'contract']

/** Everything a change must pass, in order. */
const steps: [name: string, step: () => Promise<unknown>][] = [
  ['bring influxd', async () => console.log(await findInfluxd())],
  ['bring the newest Node', async () => console.log(await findNewestNode())],
  ['bring strace', async () => console.log((await findStrace()).program)],
  ['build', () => run('npm', ['run', 'build'])],
  ['check', () => run('npm', ['run', 'check'])],
  ['unit tests on Node', () => run('node', unit)],
  ['unit tests on Bun', () => run(bun, ['--bun', ...unit])],
  ['unit tests on Deno', () => run(deno, ['run', '-A', ...unit])],
  ['simulation', () => run(bun, ['run', simulate, '--seed', '1', '--runs', SEEDS])],
  ['contract tests', () => run('node', contract)],
  ['relays that are killed', () => run(bun, ['run', torture, '--cycles', CYCLES])],
  ['a backlog', () => run(bun, ['run', backlog, ...BACKLOG])],
  ['bench, quickly', () => run(bun, ['run', bench, '--quick'])],
]

async function run(file: string, args: string[]): Promise<void> {
  const child = spawn(file, args, { cwd: root, stdio: 'inherit' })
  const [code, signal] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${file} ended with ${signal ?? `code ${code}`}`)
}

/** Runs one step and returns the seconds it took; a failed step ends everything. */
async function timed(name: string, step: () => Promise<unknown>): Promise<number> {
  console.log(`\n=== ${name}`)
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1000
  try {
    await step()
  } catch (error) {
    console.error(`=== ${name} FAILED after ${seconds().toFixed(1)} s: ${messageOf(error)}`)
    process.exit(1)
  }
  console.log(`=== ${name}: ${seconds().toFixed(1)} s`)
  return seconds()
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

const taken: number[] = []
for (const [name, step] of steps) taken.push(await timed(name, step))

console.log()
for (const [i, [name]] of steps.entries()) {
  console.log(`${name.padEnd(24)}${(taken[i] ?? 0).toFixed(1).padStart(8)} s`)
}
const total = taken.reduce((sum, seconds) => sum + seconds, 0)
console.log(`all ${steps.length} steps passed in ${total.toFixed(1)} s`)
