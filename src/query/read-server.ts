/** One server, as queries see it. */

import type { Backend } from '../backend/backend.ts'
import type { Databases } from '../losses/shortage.ts'
import type { OutputReport } from '../peers/report.ts'
import type { Clock } from '../runtime.ts'
import { OwnReading } from './reading.ts'

/** A server that has failed to answer is asked last for so long. */
const AVOID_MS = 1000

export class ReadServer {
  readonly backend: Backend
  /** Grows with each query that another server got: see `choose`. */
  credit = 0
  private readonly outputs: readonly Backend[]
  private readonly clock: Clock
  private avoidUntil = Number.NEGATIVE_INFINITY

  /** @param outputs all outputs of this process that write to the server; it may still grow */
  constructor(backend: Backend, outputs: readonly Backend[], clock: Clock) {
    this.backend = backend
    this.outputs = outputs
    this.clock = clock
  }

  /** What the server lacks at this moment by this relay's own word, to be looked at again later. */
  read(databases: Databases): OwnReading {
    return new OwnReading(this.outputs, databases, this.clock)
  }

  /** What it lacks that has failed before, or that is on disk: not what is just on its way. */
  get kept(): OutputReport {
    const reading = this.read('all')
    const isComplete = !reading.hasGap && this.outputs.every(({ queue }) => queue.keptBytes === 0)
    const { bytes, points, since } = reading.behind
    return { output: this.backend.name, isComplete, hasGap: !isComplete, bytes, points, since }
  }

  /** Whether the server may not answer. */
  get isSuspect(): boolean {
    return this.clock.now() < this.avoidUntil || this.backend.isUnreachable
  }

  failed(): void {
    this.avoidUntil = this.clock.now() + AVOID_MS
  }

  succeeded(): void {
    this.avoidUntil = Number.NEGATIVE_INFINITY
  }
}
