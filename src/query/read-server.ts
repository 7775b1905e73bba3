/** One server, as queries see it. */

import type { Backend } from '../backend/backend.ts'
import type { Databases } from '../losses/shortage.ts'
import type { Clock } from '../runtime.ts'
import { Reading } from './reading.ts'

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

  /** What the server lacks at this moment, to be looked at again later. */
  read(databases: Databases): Reading {
    return new Reading(this.outputs, databases, this.clock)
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

  /** Calls back each time that the server may have applied more, until the returned function is called. */
  onApplied(callback: () => void): () => void {
    const stops = this.outputs.map(({ queue }) => queue.onApplied(callback))
    return () => {
      for (const stop of stops) stop()
    }
  }
}
