/** `npm run bench`: see README.md. */

import { readFile, writeFile } from 'node:fs/promises'
import { chooseSubjects, refuseUnknown } from './choice.ts'
import { disk } from './disk.ts'
import { drain } from './drain.ts'
import { faults } from './faults.ts'
import { Lab, type Part } from './lab.ts'
import { latency } from './latency.ts'
import { describeMachine, type Machine } from './machine.ts'
import { micro } from './micro.ts'
import { HELP, type Options, parseOptions } from './options.ts'
import { record } from './record.ts'
import { report } from './report.ts'
import { type Result, resultText } from './result.ts'
import { removeScratch } from './scratch.ts'
import { stopServices } from './service.ts'
import { soak } from './soak.ts'
import { startUp } from './start.ts'
import type { Subject } from './subjects.ts'
import { udp } from './udp.ts'
import { batches, change, onePointWrites, variedWrites } from './writes.ts'

const PARTS: readonly Part[] = [
  startUp,
  onePointWrites,
  variedWrites,
  batches,
  latency,
  faults,
  drain,
  disk,
  udp,
  micro,
]

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

for (const [signal, code] of Object.entries(SIGNALS)) {
  process.once(signal, () => cleanUp().finally(() => process.exit(code)))
}
try {
  await main(parseOptions(process.argv.slice(2)))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  await cleanUp()
}
process.exit(process.exitCode)

async function main(options: Options): Promise<void> {
  const subjects = chooseSubjects(options)
  if (options.help) return console.log(HELP)
  if (options.list) return list(subjects)
  const result = options.from ? await read(options.from) : await runParts(options, subjects)
  console.log(`\n${report(result)}`)
  for (const failure of result.failures) console.error(`FAILED: ${failure}`)
  if (result.failures.length > 0) process.exitCode = 1
  if (options.record) await record(result)
}

async function runParts(options: Options, subjects: readonly Subject[]): Promise<Result> {
  const lab = new Lab(options, subjects)
  const machine = await describeMachine(subjects)
  const began = performance.now()
  for (const part of chosenParts(options)) {
    const seconds = Math.round((performance.now() - began) / 1000)
    console.log(`${String(seconds).padStart(5)} s  ${part.title}`)
    await lab.attempt(part.name, () => part.run(lab))
    await save(options, resultOf(lab, machine))
  }
  return resultOf(lab, machine)
}

function resultOf({ options, samples, failures }: Lab, machine: Machine): Result {
  const { rounds, seconds } = options
  return { machine, rounds, seconds, samples, failures }
}

/** Called after each part, so that an interrupted run keeps its figures. */
async function save({ json }: Options, result: Result): Promise<void> {
  if (json) await writeFile(json, resultText(result))
}

function chosenParts({ only, before, soak: seconds, micro: alone }: Options): readonly Part[] {
  if (seconds !== undefined) return [soak]
  if (alone) return [micro]
  if (before !== undefined && only.length === 0) return [change]
  const names = PARTS.map(({ name }) => name)
  refuseUnknown('part', only, names)
  return only.length === 0 ? PARTS : PARTS.filter(({ name }) => only.includes(name))
}

function list(subjects: readonly Subject[]): void {
  console.log(`parts: ${PARTS.map(({ name }) => name).join(', ')}`)
  console.log(`subjects: ${subjects.map(({ name }) => name).join(', ')}`)
}

async function read(file: string): Promise<Result> {
  return JSON.parse(await readFile(file, 'utf8')) as Result
}

async function cleanUp(): Promise<void> {
  await stopServices()
  await removeScratch()
}
