import type { Machine } from './machine.ts'
import type { Sample } from './samples.ts'

/** What --json writes and --from reads. */
export interface Result {
  readonly machine: Machine
  readonly rounds: number
  readonly seconds: number
  readonly samples: readonly Sample[]
  /** What could not be measured, and why. */
  readonly failures: readonly string[]
}
