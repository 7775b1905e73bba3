/** Runs the steps of a check, some of them side by side, and reports how long each took. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const bin = (name: string) => join(root, 'node_modules', '.bin', name)

export interface Step {
  readonly name: string
  /** @returns its output; throws StepFailed if it fails */
  run(): Promise<string>
}

/** A step that failed, with its output. */
class StepFailed extends Error {
  readonly output: string

  constructor(message: string, output: string) {
    super(message)
    this.output = output
  }
}

const running = new Set<ChildProcess>()

/** A step that runs a program in the repository's folder. */
export function program(name: string, file: string, ...args: string[]): Step {
  return {
    name,
    async run() {
      const child = spawn(file, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
      running.add(child)
      const output: Buffer[] = []
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (data: Buffer) => output.push(data))
      }
      const [code, signal] = await once(child, 'close').finally(() => running.delete(child))
      const text = Buffer.concat(output).toString()
      if (code !== 0) throw new StepFailed(`${file} ended with ${signal ?? `code ${code}`}`, text)
      return text
    },
  }
}

/** A step that runs a script of this repository on Bun. */
export const script = (name: string, path: string, ...args: string[]): Step =>
  program(name, bin('bun'), 'run', join(root, path), ...args)

/** A step that runs an npm script. */
export const npm = (name: string, task: string): Step => program(name, 'npm', 'run', task)

const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')

const RUNTIMES = {
  node: ['node'],
  bun: [bin('bun'), '--bun'],
  deno: [bin('deno'), 'run', '-A'],
} as const

/** A step that runs one of vitest's projects inside a runtime. */
export function tests(
  name: string,
  runtime: keyof typeof RUNTIMES,
  project: string,
  ...args: string[]
): Step {
  const [file, ...rest] = RUNTIMES[runtime]
  return program(name, file, ...rest, vitest, 'run', '--project', project, ...args)
}

/**
 * Runs the stages one after the other. A stage is one or more sequences of steps, which run side by
 * side. The first step that fails ends the process with code 1.
 */
export async function runStages(stages: readonly (readonly Step[])[][]): Promise<void> {
  const began = performance.now()
  const times: [name: string, seconds: number][] = []
  for (const sequences of stages) {
    await Promise.all(
      sequences.map(async (steps) => {
        for (const step of steps) times.push([step.name, await timed(step)])
      }),
    )
  }
  console.log()
  for (const [name, seconds] of times) {
    console.log(`${name.padEnd(24)}${seconds.toFixed(1).padStart(8)} s`)
  }
  console.log(`all ${times.length} steps passed in ${secondsSince(began).toFixed(1)} s`)
}

/** Runs one step, prints its output as one block, and returns the seconds it took. */
async function timed({ name, run }: Step): Promise<number> {
  console.log(`... ${name}`)
  const began = performance.now()
  try {
    const output = await run()
    const seconds = secondsSince(began)
    console.log(`\n=== ${name}\n${output.trimEnd()}\n=== ${name}: ${seconds.toFixed(1)} s\n`)
    return seconds
  } catch (error) {
    fail(name, secondsSince(began), error)
  }
}

function fail(name: string, seconds: number, error: unknown): never {
  const output = error instanceof StepFailed ? error.output.trimEnd() : ''
  const message = error instanceof Error ? error.message : String(error)
  console.error(`\n=== ${name}\n${output}`)
  console.error(`=== ${name} FAILED after ${seconds.toFixed(1)} s: ${message}`)
  for (const child of running) child.kill()
  process.exit(1)
}

const secondsSince = (began: number) => (performance.now() - began) / 1000
