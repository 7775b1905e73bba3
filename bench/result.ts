import type { Machine } from './machine.ts'
import type { Sample } from './samples.ts'

/** The content of a file of --json and --from. */
export interface Result {
  readonly machine: Machine
  readonly rounds: number
  readonly seconds: number
  readonly samples: readonly Sample[]
  /** What could not be measured, and why. */
  readonly failures: readonly string[]
}

/** As JSON with a line for each sample, so that two runs can be compared. */
export function resultText({ samples, ...rest }: Result): string {
  const lines = samples.map((sample) => JSON.stringify(sample))
  return `{"samples":[\n${lines.join(',\n')}\n],\n${JSON.stringify(rest).slice(1)}\n`
}
